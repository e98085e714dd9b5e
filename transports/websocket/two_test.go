package websocket_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

func bridge() pipeline.Processor {
	return pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		return out.Send(ctx, &frames.AudioOutput{Audio: f.Audio}, dir)
	})
}

func TestTwoCallsInOnePipelineAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		row  func(a, b *websocket.Call) []pipeline.Processor
		want string
	}{
		"two inputs": {func(a, b *websocket.Call) []pipeline.Processor {
			return []pipeline.Processor{a.Input(), b.Input(), bridge(), a.Output()}
		}, `websocket input#2, is a second input of the track "caller"`},
		"two outputs": {func(a, b *websocket.Call) []pipeline.Processor {
			return []pipeline.Processor{a.Input(), bridge(), a.Output(), b.Output()}
		}, "websocket output#2, is a second output"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, websocket.Config{}, echo)
				a, b := w.dial(websocket.DialConfig{}), w.dial(websocket.DialConfig{})
				defer a.Close(t.Context())
				defer b.Close(t.Context())
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := pipeline.New(pipeline.Config{}, tc.row(a, b)...).Run(ctx); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "docs/transports.md") {
					t.Errorf("got %v, want %q", err, tc.want)
				}
			})
		})
	}
}

// As docs/transports.md says.
func TestTwoCallersAreConnectedByTwoPipelines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := [][]int16{voice(1, 24000), voice(2, 24000)}
		people := []*person{{says: said[0], hangUp: 4 * time.Second}, {says: said[1]}}
		var next atomic.Int64
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return people[next.Add(1)-1] })
		a := w.dial(websocket.DialConfig{})
		b := w.dial(websocket.DialConfig{})
		var both sync.WaitGroup
		for _, row := range [][]pipeline.Processor{{a.Input(), bridge(), b.Output()}, {b.Input(), bridge(), a.Output()}} {
			both.Go(func() {
				if err := pipeline.New(pipeline.Config{}, row...).Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait() // the one hangs up, and so does the other one's call
		synctest.Wait()
		for i, p := range people {
			p.mu.Lock() // where a piece comes just after it was due, there is silence in the middle
			got := sounding(p.heard)
			p.mu.Unlock()
			if want := sounding(said[1-i]); !slices.Equal(got, want) {
				t.Errorf("of what the other one said, %d samples of %d were heard", len(got), len(want))
			}
		}
	})
}
