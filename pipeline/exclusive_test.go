package pipeline_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// only is a processor of a kind of which there can be one.
type only struct{ kind string }

func (o *only) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (o *only) Exclusive() string { return o.kind }

func TestASecondOfAKindThatWorksAloneIsRefused(t *testing.T) {
	in := func() pipeline.Processor { return &only{"input"} }
	out := func() pipeline.Processor { return &only{"output"} }
	for name, tc := range map[string]struct {
		row  []pipeline.Processor
		want string
	}{
		"one of each":                 {[]pipeline.Processor{in(), out()}, ""},
		"two in a row":                {[]pipeline.Processor{in(), out(), out()}, "processor 3, pipeline_test.only#3, is a second output, behind pipeline_test.only#2"},
		"one in a chain":              {[]pipeline.Processor{in(), pipeline.Chain(in(), out())}, "processor 2.1, pipeline_test.only#2, is a second input"},
		"one in each branch":          {[]pipeline.Processor{in(), pipeline.Parallel(out(), out())}, ""},
		"one before a branch":         {[]pipeline.Processor{out(), pipeline.Parallel(in(), pipeline.Chain(in(), out()))}, "is a second output"},
		"one behind a branch":         {[]pipeline.Processor{pipeline.Parallel(pipeline.Chain(), out(), in()), out()}, "processor 2, pipeline_test.only#3, is a second output"},
		"two in a branch":             {[]pipeline.Processor{pipeline.Parallel(in(), pipeline.Chain(out(), out()))}, "is a second output"},
		"one in a branch in a branch": {[]pipeline.Processor{pipeline.Parallel(pipeline.Parallel(out(), in()), in()), out()}, "is a second output"},
		"what has no kind":            {[]pipeline.Processor{&only{}, &only{}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pipeline.New(pipeline.Config{}, tc.row...)
				p.End("all is said")
				err := p.Run(t.Context())
				if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n")) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
			})
		})
	}
}
