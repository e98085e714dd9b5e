package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestHeartbeatsPassThroughTheOrderedLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		r := start(t, pipeline.Config{HeartbeatInterval: time.Second}, pass(), pipeline.Parallel(pass(), pass()), &last)
		time.Sleep(10*time.Second + time.Millisecond)
		r.finish()
		n := int64(0)
		for _, f := range last.seen {
			if f, ok := f.(*frames.Heartbeat); ok {
				if n++; f.Sequence != n {
					t.Errorf("heartbeat %d came as number %d", f.Sequence, n)
				}
			}
		}
		if n != 10 {
			t.Errorf("%d heartbeats came in 10s, want 10", n)
		}
	})
}

func TestAHeartbeatThatDoesNotArriveNamesWhoHoldsItOncePerEpisode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []*frames.Error
		r := start(t, pipeline.Config{HeartbeatInterval: time.Second, OnError: func(f *frames.Error) { reported = append(reported, f) }},
			pass(), &parts{name: "busy", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if _, ok := f.(*probe); ok {
					time.Sleep(8 * time.Second)
				}
				return out.Send(ctx, f, dir)
			}}, pass())
		for range 2 {
			r.send(&probe{})
			time.Sleep(time.Minute)
		}
		r.finish()
		if len(reported) != 2 {
			t.Fatalf("reported %v, want one error an episode", reported)
		}
		var stuck *pipeline.StuckError
		if !errors.As(reported[0].Err, &stuck) || reported[0].Processor != "busy" || stuck.Within != 3*time.Second {
			t.Errorf("reported %v, want busy after 3s", reported[0])
		}
	})
}

// swallower drops some heartbeats.
func swallower(drops func(sequence int64) bool) *parts {
	return &parts{name: "swallower", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		if f, ok := f.(*frames.Heartbeat); ok && drops(f.Sequence) {
			return nil
		}
		return out.Send(ctx, f, dir)
	}}
}

func TestHeartbeatsGoOnAfterSomeWereLost(t *testing.T) {
	for name, in := range map[string]func(pipeline.Processor) pipeline.Processor{
		"in a row":         func(p pipeline.Processor) pipeline.Processor { return p },
		"in a branch":      func(p pipeline.Processor) pipeline.Processor { return pipeline.Parallel(p, pass()) },
		"in an inline one": pipeline.Inline,
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			var last recorder
			var reported []*frames.Error
			r := start(t, pipeline.Config{HeartbeatInterval: time.Second, OnError: func(f *frames.Error) { reported = append(reported, f) }},
				pass(), in(swallower(func(n int64) bool { return n == 2 || n == 3 || n == 20 })), &last)
			time.Sleep(time.Minute + time.Millisecond)
			r.finish()
			beats := 0
			for _, f := range last.seen {
				if _, ok := f.(*frames.Heartbeat); ok {
					beats++
				}
			}
			// Each that is lost costs the timeout of 3s, for which none is sent; in
			// which of two orders the ends of both fall makes a difference of one.
			if beats < 60-3*4 || beats > 60-3*3 {
				t.Errorf("%d heartbeats came in a minute, want about 50", beats)
			}
			if len(reported) != 2 {
				t.Fatalf("reported %v, want one error for each of two episodes", reported)
			}
			if reported[0].Processor != "swallower" || reported[1].Processor != "swallower" {
				t.Errorf("reported %v, want the swallower both times", reported)
			}
		})
	}
}

func TestAStuckProcessorDoesNotFindAQueueOfHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stuck recorder
		r := start(t, pipeline.Config{HeartbeatInterval: time.Second, OnError: func(*frames.Error) {}}, pass(),
			on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
				time.Sleep(time.Hour)
				return out.Send(ctx, f, dir)
			}), &stuck)
		r.send(&probe{n: 1})
		time.Sleep(time.Hour - time.Second)
		if depth := r.Stats()[1].Ordered.Depth; depth != 1 {
			t.Errorf("%d frames wait in front of the stuck processor, want one heartbeat", depth)
		}
		r.finish()
	})
}

func TestAnIdlePipelineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r := start(t, pipeline.Config{IdleTimeout: time.Minute}, pass())
		time.Sleep(40 * time.Second)
		r.send(&probe{}) // of no interest
		r.send(&frames.Text{Text: "hello"})
		time.Sleep(50 * time.Second)
		r.send(&frames.UserStartedSpeaking{})
		if err := r.result(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 150*time.Second {
			t.Errorf("it ended after %v, want one minute after the last activity, 2m30s", took)
		}
	})
}

func TestOnIdleIsCalledAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var idle []time.Duration
		r := start(t, pipeline.Config{
			IdleTimeout: time.Minute,
			Activity:    func(f frames.Frame) bool { _, ok := f.(*probe); return ok },
			OnIdle: func(p *pipeline.Pipeline, d time.Duration) {
				idle = append(idle, d)
				if err := p.Send(context.Background(), &frames.Text{Text: "Are you still there?"}); err != nil {
					t.Error(err)
				}
				if len(idle) == 3 {
					p.End("nobody there")
				}
			},
		}, pass())
		time.Sleep(30 * time.Second)
		r.send(&probe{})
		if err := r.result(); err != nil {
			t.Fatal(err)
		}
		expect(t, "idle for", idle, []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute})
	})
}

func TestAPanicInACallbackEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, pipeline.Config{IdleTimeout: time.Second, OnIdle: func(*pipeline.Pipeline, time.Duration) { panic("oops") }}, pass())
		var failed *pipeline.Error
		if err := r.result(); !errors.As(err, &failed) || failed.Processor != "OnIdle" {
			t.Errorf("Run returned %v, want the panic in OnIdle", err)
		}
	})
}
