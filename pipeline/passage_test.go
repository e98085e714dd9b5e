package pipeline_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// hoarder swallows probes and keeps texts until it gets a probe with a negative
// number, as an output keeps what goes on behind its audio.
type hoarder struct{ kept []frames.Frame }

func (h *hoarder) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Text:
		h.kept = append(h.kept, f)
		return nil
	case *probe:
		if f.n >= 0 {
			return nil
		}
		for _, text := range h.kept {
			if err := out.Send(ctx, text, dir); err != nil {
				return err
			}
		}
		h.kept = nil
	}
	return out.Send(ctx, f, dir)
}

func TestAFrameThatABranchHasKeptForLongGoesOnOnce(t *testing.T) {
	// Every other text is swallowed by the branch that is not behind, so that it
	// comes first out of the one that is.
	even := func() pipeline.Processor {
		n := 0
		return on(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
			if n++; n%2 == 1 {
				return nil
			}
			return out.Send(ctx, f, dir)
		})
	}
	for name, branches := range map[string]func() []pipeline.Processor{
		"behind one":            func() []pipeline.Processor { return []pipeline.Processor{&hoarder{}, even()} },
		"behind several":        func() []pipeline.Processor { return []pipeline.Processor{pipeline.Chain(), &hoarder{}, even()} },
		"as fast as the others": func() []pipeline.Processor { return []pipeline.Processor{&hoarder{}, &hoarder{}} },
		"in a branch of a branch": func() []pipeline.Processor {
			return []pipeline.Processor{pipeline.Parallel(&hoarder{}, even()), even(), pipeline.Chain()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				came := map[string]int{}
				count := on(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
					came[f.Text]++
					return out.Send(ctx, f, dir)
				})
				r := start(t, pipeline.Config{}, pipeline.Parallel(branches()...), count)
				const texts = 40
				for round := range 3 { // what has passed makes room for what comes
					for i := range texts {
						r.send(&frames.Text{Text: fmt.Sprint(round, i)})
						for range 1000 {
							r.send(&probe{n: 1})
						}
					}
					r.send(&probe{n: -1})
				}
				r.finish()
				for what, n := range came {
					if n != 1 {
						t.Errorf("text %s came out %d times", what, n)
					}
				}
				if len(came) != 3*texts {
					t.Errorf("%d texts came out, want %d", len(came), 3*texts)
				}
			})
		})
	}
}
