package pipeline_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// drainer is an output: it passes a Stop on when what it has was heard, which
// takes a minute, and takes no other ordered frame meanwhile.
func drainer() *twoLaned {
	return &twoLaned{parts: parts{name: "output", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		if _, ok := f.(*frames.Stop); ok {
			time.Sleep(time.Minute)
		}
		return out.Send(ctx, f, dir)
	}}}
}

// filters are places between a source and an output. Where branches meet,
// ordered frames of both directions wait for each other.
var filters = map[string]struct {
	in       func(p pipeline.Processor) pipeline.Processor
	branched bool
}{
	"alone":          {in: func(p pipeline.Processor) pipeline.Processor { return p }},
	"before another": {in: func(p pipeline.Processor) pipeline.Processor { return pipeline.Chain(p, pass()) }},
	"behind another": {in: func(p pipeline.Processor) pipeline.Processor { return pipeline.Chain(pass(), p) }},
	"before an inline processor": {in: func(p pipeline.Processor) pipeline.Processor {
		return pipeline.Chain(p, pipeline.Inline(pass()))
	}},
	"in a branch": {branched: true, in: func(p pipeline.Processor) pipeline.Processor { return pipeline.Parallel(p) }},
	"in a switch": {branched: true, in: func(p pipeline.Processor) pipeline.Processor {
		return pipeline.Switch(pipeline.SwitchConfig{}, p)
	}},
}

// A Stop takes as long as what is still to be heard, and the answer after it
// fills the queues in front of the output. A plain processor there must go on
// with everything that has no need of those queues.
func TestAPlainProcessorIsNotHeldUpWhileTheOutputDrains(t *testing.T) {
	for name, place := range filters {
		for _, size := range []int{1, 2, 5, 64} {
			inVirtualTime(t, name, func(t *testing.T) {
				var source, filter, last recorder
				output := drainer()
				var port *pipeline.Port
				output.run = func(ctx context.Context, out *pipeline.Port) error { port = out; return nil }
				r := start(t, pipeline.Config{QueueSize: size}, &source, place.in(&filter), output, &last)
				var want []string
				go func() {
					r.send(&frames.Stop{})
					for i := range 400 {
						r.send(&lasting{n: i})
					}
				}()
				for i := range 400 {
					want = append(want, brief([]frames.Frame{&lasting{n: i}})...)
				}
				synctest.Wait() // every queue is full by now

				begin := time.Now()
				r.send(&urgent{n: 1})
				for _, f := range []frames.Frame{&frames.Playout{}, &probe{n: 2}} {
					if err := port.Send(context.Background(), f, frames.Upstream); err != nil {
						t.Error(err)
					}
				}
				synctest.Wait()
				r.Interrupt("barge-in")
				synctest.Wait()
				for who, got := range map[string][]string{"filter": filter.names(), "last": last.names(), "source": source.names()} {
					expected := []string{"u1", "Interruption"}
					if who != "last" {
						expected = append(expected, "*frames.Playout")
					}
					if who != "last" && !place.branched {
						expected = append(expected, "p2")
					}
					for _, f := range expected {
						if !slices.Contains(got, f) {
							t.Errorf("queues of %d: %s did not get %s while the output drained", size, who, f)
						}
					}
				}
				if took := time.Since(begin); took != 0 {
					t.Errorf("it took %v", took)
				}

				time.Sleep(2 * time.Minute)
				r.finish()
				got := slices.DeleteFunc(last.names(), func(s string) bool { return s[0] != 'l' })
				expect(t, "ordered frames in the end", got, want)
			})
		}
	}
}

// What has its own producer cannot be starved by it: both get their turn.
func TestAProcessorThatProducesWithoutEndStillPassesFramesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		music := &parts{name: "music", run: func(ctx context.Context, out *pipeline.Port) error {
			for i := 0; ; i++ {
				if err := out.Send(ctx, &probe{n: i}, frames.Downstream); err != nil {
					return nil
				}
			}
		}}
		r := start(t, pipeline.Config{QueueSize: 4}, pass(), music, on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
			time.Sleep(20 * time.Millisecond)
			return out.Send(ctx, f, dir)
		}), pass())
		time.Sleep(time.Second)
		begin := time.Now()
		r.finish()
		if took := time.Since(begin); took > time.Second {
			t.Errorf("End took %v behind a queue of 80 ms", took)
		}
	})
}

// What an interruption makes worthless does not keep new frames from passing,
// wherever it is queued.
func TestNewFramesDoNotWaitBehindOldOnesInAnyQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		hold := make(chan struct{})
		busy := &twoLaned{parts: parts{name: "busy", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if p, ok := f.(*probe); ok && p.n == 0 {
				select {
				case <-ctx.Done():
				case <-hold:
				}
				return nil
			}
			return out.Send(ctx, f, dir)
		}}}
		r := start(t, pipeline.Config{QueueSize: 3}, pass(), pass(), busy, &last)
		for i := range 9 {
			r.send(&probe{n: i})
		}
		synctest.Wait()
		r.Interrupt("barge-in")
		synctest.Wait()
		r.send(&probe{n: 100})
		synctest.Wait()
		expect(t, "frames", last.names(), []string{"Start", "Interruption", "p100"})
		r.finish()
	})
}

// A processor that waits for room is not the one that is stuck.
func TestAnEndThatWaitsForRoomNamesWhoMakesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := &parts{name: "stuck", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if _, ok := f.(*lasting); ok {
				<-ctx.Done()
			}
			return out.Send(ctx, f, dir)
		}}
		r := start(t, pipeline.Config{QueueSize: 2}, pass(), &parts{name: "filter"}, stuck)
		for i := range 5 {
			r.send(&lasting{n: i})
		}
		synctest.Wait()
		s := r.Stats()
		if s[2].Ordered.Waiting != 1 || s[1].Doing != "" {
			t.Errorf("%d wait for room, and the filter is at %q; want it to wait, doing nothing", s[2].Ordered.Waiting, s[1].Doing)
		}
		r.End("over")
		err := r.result()
		if err == nil || !strings.Contains(err.Error(), "did not pass on End within 30s: stuck (") {
			t.Errorf("Run returned %v, want it to name the stuck one", err)
		}
	})
}
