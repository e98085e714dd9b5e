package pipeline_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		pass := func() pipeline.Processor {
			return pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				return out.Send(ctx, f, dir)
			})
		}
		end := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			got = append(got, frames.Name(f))
			return out.Send(ctx, f, dir)
		})
		p := pipeline.New(pipeline.Config{}, pass(), pass(), pipeline.Inline(pass()), pipeline.Parallel(pass(), pipeline.Chain()), end)
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		for range 3 {
			if err := p.Send(t.Context(), &frames.Text{Text: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		p.Interrupt("x")
		synctest.Wait()
		p.End("bye")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		t.Log(got)
	})
}
