package filter_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/enhance"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/filter"
)

func TestFiltersThatMakeNoSenseAreRefusedAtTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		p    pipeline.Processor
		want []string // all of it is in the error
	}{
		"nothing to ask":             {filter.Where(nil), []string{"configure filter", "no function", "give Where one"}},
		"nobody's gain":              {filter.Gain(9, 3), []string{"configure gain: there is no side 9", "use Input", "or Output"}},
		"a gain that is no number":   {filter.Gain(filter.Input, math.NaN()), []string{"a gain of NaN dB", "60 at most"}},
		"a gain that deafens":        {filter.Gain(filter.Input, 500), []string{"a gain of 500 dB", "60 at most"}},
		"a gain just too much":       {filter.Gain(filter.Input, 60.5), []string{"a gain of 60.5 dB"}},
		"an infinite gain":           {filter.Gain(filter.Input, math.Inf(1)), []string{"a gain of +Inf dB"}},
		"all of what is wrong":       {filter.Gain(2, 500), []string{"no side 2", "a gain of 500 dB"}},
		"nobody's voice":             {filter.Enhance(9, enhance.HighPass{}), []string{"configure enhance: there is no side 9", "use Input"}},
		"a stage without a function": {filter.Enhance(filter.Input, enhance.StageFunc(nil)), []string{"configure enhance: stage 1 of 1 is nil"}},
		"nobody's stage, and none":   {filter.Enhance(9, nil), []string{"no side 9", "stage 1 of 1 is nil"}},
		"nobody's format":            {filter.Resample(9, audio.Mono(audio.Rate8k)), []string{"configure resample: there is no side 9"}},
		"nobody's format, and none":  {filter.Resample(9, audio.Format{}), []string{"no side 9", "sample rate 0 Hz"}},
		"a mute that does neither":   {filter.NewMute(9), []string{"configure mute: there is no policy 9", "use Silence or Discard"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pass := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
					return out.Send(ctx, f, dir)
				})
				p := pipeline.New(pipeline.Config{}, pass, c.p) // not the first, so that it is inline where it can be
				p.End("")                                       // if it is accepted
				err := p.Run(t.Context())
				if err == nil {
					t.Fatal("it was accepted")
				}
				for _, want := range c.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("the error does not say %q: %v", want, err)
					}
				}
			})
		})
	}
}

func TestTheLimitsOfFiltersAreAllowed(t *testing.T) {
	for name, p := range map[string]pipeline.Processor{
		"the most gain":     filter.Gain(filter.Output, 60),
		"silence":           filter.Gain(filter.Input, math.Inf(-1)),
		"who whispers":      filter.NewHalfDuplex(filter.HalfDuplexConfig{BreakThrough: -90}),
		"who is let finish": filter.NewHalfDuplex(filter.HalfDuplexConfig{BreakThrough: -20, BreakHold: 1e9}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pipelinetest.New(t, p).End()
			})
		})
	}
}
