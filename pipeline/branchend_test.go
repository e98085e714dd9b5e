package pipeline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// speaker sends frames of its own accord after a second, and passes others on.
func speaker(fs ...frames.Frame) *parts {
	return &parts{name: "speaker", run: func(ctx context.Context, out *pipeline.Port) error {
		time.Sleep(time.Second)
		for _, f := range fs {
			if err := out.Send(ctx, f, frames.Downstream); err != nil {
				return err
			}
		}
		return nil
	}}
}

// around are the places in a graph where branches meet further on.
var around = map[string]func(p pipeline.Processor) pipeline.Processor{
	"a parallel": func(p pipeline.Processor) pipeline.Processor { return pipeline.Parallel(p, slow(time.Second)) },
	"a switch": func(p pipeline.Processor) pipeline.Processor {
		return pipeline.Switch(pipeline.SwitchConfig{}, p, pass())
	},
	"a service that is not active": func(p pipeline.Processor) pipeline.Processor {
		return pipeline.Switch(pipeline.SwitchConfig{}, pass(), p)
	},
	"branches within branches": func(p pipeline.Processor) pipeline.Processor {
		return pipeline.Parallel(pipeline.Chain(), pipeline.Chain(pass(), pipeline.Switch(pipeline.SwitchConfig{}, p, pass()), pass()))
	},
	"an inline processor": func(p pipeline.Processor) pipeline.Processor {
		return pipeline.Parallel(pipeline.Chain(pass(), pipeline.Inline(p)), pass())
	},
}

func TestAnEndThatIsSentInABranchGoesThroughTheWholePipeline(t *testing.T) {
	for name, in := range around {
		inVirtualTime(t, name, func(t *testing.T) {
			var first, last recorder
			begin := time.Now()
			r := start(t, pipeline.Config{}, &first, in(speaker(&lasting{n: 1}, &frames.End{Reason: "bye"}, &frames.End{})), &last)
			if err := r.result(); err != nil {
				t.Fatalf("Run returned %v", err)
			}
			if took := time.Since(begin); took != time.Second {
				t.Errorf("it ended after %v, want when the End was sent, 1s", took)
			}
			expect(t, "before the branches", first.names(), []string{"Start", "End"})
			expect(t, "behind the branches", last.names(), []string{"Start", "l1", "End"})
			if end := last.seen[2].(*frames.End); end.Reason != "bye" {
				t.Errorf("the reason is %q, want what was sent", end.Reason)
			}
		})
	}
}

func TestAStopThatIsSentInABranchGoesThroughTheWholePipeline(t *testing.T) {
	for name, in := range around {
		inVirtualTime(t, name, func(t *testing.T) {
			var first, last recorder
			r := start(t, pipeline.Config{}, &first, in(speaker(&lasting{n: 1}, &frames.Stop{})), &last)
			time.Sleep(time.Minute)
			r.finish()
			expect(t, "before the branches", first.names(), []string{"Start", "Stop", "End"})
			expect(t, "behind the branches", last.names(), []string{"Start", "l1", "Stop", "End"})
		})
	}
}

func TestStopsThatAStuckHeadDoesNotTakeArePutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 4
		busy := on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
			time.Sleep(10 * time.Second)
			return out.Send(ctx, f, dir)
		})
		var stops []frames.Frame
		for range 1000 {
			stops = append(stops, &frames.Stop{})
		}
		var last recorder
		r := start(t, pipeline.Config{QueueSize: size}, busy, pipeline.Parallel(speaker(stops...), pass()), &last)
		r.send(&probe{n: 1})
		time.Sleep(2 * time.Second)
		if s := r.Stats()[0].Ordered; s.Depth > size || s.Waiting != 1 {
			t.Errorf("%d frames are queued and %d wait, want the queue to be full of Stops and one to wait", s.Depth, s.Waiting)
		}
		r.finish()
		want := []string{"Start", "p1"}
		for range size {
			want = append(want, "Stop")
		}
		expect(t, "frames", last.names(), append(want, "End"))
	})
}

// A Heartbeat is the engine's to send. One that begins in a branch could never
// come out of the others.
func TestAHeartbeatThatAProcessorSendsInABranchIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		r := start(t, pipeline.Config{}, pipeline.Parallel(speaker(&frames.Heartbeat{}, &lasting{n: 1}), pass()), &last)
		time.Sleep(time.Minute)
		r.finish()
		expect(t, "frames", last.names(), []string{"Start", "l1", "End"})
	})
}

func TestAStuckErrorThatCanNameNobodySaysSo(t *testing.T) {
	err := &pipeline.StuckError{What: "pass on End", Within: time.Second}
	if got, want := err.Error(), "did not pass on End within 1s: no processor holds it, so somebody dropped it on its way"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}
