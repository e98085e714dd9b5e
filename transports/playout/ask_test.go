package playout_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

func TestANeighbourThatIsToldSomethingMayAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := playout.New(playout.Config{}, playout.SinkFunc(func(context.Context, playout.Chunk) error { return nil }))
		asked := 0
		ask := pipeline.Inline(pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if _, ok := f.(*frames.Playout); ok && dir == frames.Upstream {
				o.Stats()
				asked++
			}
			return out.Send(ctx, f, dir)
		}))
		first := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			return out.Send(ctx, f, dir)
		})
		p := pipeline.New(pipeline.Config{}, first, ask, o)
		go func() {
			p.Send(context.Background(), &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate24k), Samples: make([]int16, 4800), Track: "agent"}})
			time.Sleep(time.Second)
			p.End("that was all")
		}()
		if err := p.Run(context.Background()); err != nil {
			t.Error(err)
		}
		if asked != 10 || o.Stats().Speech != 4800 {
			t.Errorf("asked %d times, %d samples were heard; want 10 and 4800", asked, o.Stats().Speech)
		}
	})
}
