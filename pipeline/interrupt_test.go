package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestAnInterruptionDropsQueuedFramesButForUninterruptibleOnes(t *testing.T) {
	for name, slow := range map[string]func(handler) pipeline.Processor{
		"one goroutine":  func(h handler) pipeline.Processor { return pipeline.Func(h) },
		"two goroutines": func(h handler) pipeline.Processor { return &twoLaned{parts: parts{process: h}} },
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			var last recorder
			var cause error
			watch := &collector{}
			r := start(t, pipeline.Config{Observers: []pipeline.Observer{watch}}, pass(),
				slow(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
					if f, ok := f.(*probe); ok && f.n == 0 {
						<-ctx.Done()
						cause = context.Cause(ctx)
						if err := out.Send(ctx, &probe{n: 99}, dir); !errors.Is(err, pipeline.ErrInterrupted) {
							t.Errorf("a frame of the old generation was sent: %v", err)
						}
						if err := out.Send(ctx, &lasting{n: 98}, dir); err != nil {
							t.Errorf("an uninterruptible frame was not sent: %v", err)
						}
						return ctx.Err()
					}
					return out.Send(ctx, f, dir)
				}), &last)
			r.send(&probe{n: 0}, &probe{n: 1}, &lasting{n: 2}, &probe{n: 3}, &lasting{n: 4})
			synctest.Wait()
			r.Interrupt("test")
			r.send(&probe{n: 5})
			synctest.Wait()
			got := slices.DeleteFunc(last.names(), func(s string) bool { return s == "Interruption" })
			expect(t, "frames", got, []string{"Start", "l98", "l2", "l4", "p5"})
			expect(t, "stale frames, as observed", brief(watch.framesOf(pipeline.Stale)), []string{"p1", "p3"})
			if !errors.Is(cause, pipeline.ErrInterrupted) {
				t.Errorf("the context's cause is %v, want ErrInterrupted", cause)
			}
			if s := r.Stats()[1].Ordered; s.Stale != 2 {
				t.Errorf("%d stale frames counted, want 2", s.Stale)
			}
			r.finish()
		})
	}
}

func TestEachProcessorHearsOfAnInterruptionBetweenOldAndNewFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorders := make([]recorder, 6)
		r := start(t, pipeline.Config{}, &recorders[0],
			pipeline.Parallel(&recorders[1], pipeline.Chain(&recorders[2], &recorders[3])),
			pipeline.Switch(pipeline.SwitchConfig{}, &recorders[4], pass()), &recorders[5])
		r.send(&lasting{n: 1})
		synctest.Wait()
		r.Interrupt("first")
		synctest.Wait()
		r.send(&probe{n: 2})
		synctest.Wait()
		r.Interrupt("second")
		r.Interrupt("third, before anybody noticed the second")
		r.send(&probe{n: 3})
		r.finish()
		for i := range recorders {
			got := recorders[i].names()
			// The second may or may not be noticed before the third.
			got = slices.CompactFunc(got, func(a, b string) bool { return a == b && a == "Interruption" })
			expect(t, "frames", got, []string{"Start", "l1", "Interruption", "p2", "Interruption", "p3", "End"})
			for _, f := range recorders[i].seen {
				if f, ok := f.(*frames.Interruption); ok && f.Source != "application" {
					t.Errorf("%v does not come from the application", f)
				}
			}
		}
	})
}

func TestAStuckProcessorHearsOnlyTheLatestOfManyInterruptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reasons []string
		r := start(t, pipeline.Config{}, pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			switch f := f.(type) {
			case *lasting:
				time.Sleep(time.Second) // deaf
			case *frames.Interruption:
				reasons = append(reasons, f.Reason)
			}
			return out.Send(ctx, f, dir)
		}))
		r.send(&lasting{})
		synctest.Wait()
		for range 5000 {
			r.Interrupt("early")
		}
		r.Interrupt("latest")
		r.finish()
		expect(t, "interruptions", reasons, []string{"latest"})
	})
}

func TestASystemProcessorHearsOfAnInterruptionWhileProcessIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard time.Duration
		var order journal
		begin := time.Now()
		r := start(t, pipeline.Config{}, &twoLaned{
			parts: parts{process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if f, ok := f.(*probe); ok {
					order.note(brief([]frames.Frame{f})...)
					if f.n == 0 {
						time.Sleep(10 * time.Second) // ignores ctx
					}
				}
				return out.Send(ctx, f, dir)
			}},
			system: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if _, ok := f.(*frames.Interruption); ok {
					heard = time.Since(begin)
					time.Sleep(20 * time.Second)
					order.note("Interruption")
				}
				return out.Send(ctx, f, dir)
			},
		})
		r.send(&probe{n: 0})
		time.Sleep(time.Second)
		r.Interrupt("test")
		r.send(&probe{n: 1})
		r.finish()
		if heard != time.Second {
			t.Errorf("it heard of the interruption after %v, want 1s", heard)
		}
		expect(t, "order", order.lines(), []string{"p0", "Interruption", "p1"})
	})
}

func TestSendersThatWaitAreFreedByAnInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		// It is stuck, and deaf.
		stuck := on(func(ctx context.Context, f *lasting, dir frames.Direction, out *pipeline.Port) error {
			if f.n == 0 {
				time.Sleep(20 * time.Second)
			}
			return out.Send(ctx, f, dir)
		})
		var port *pipeline.Port
		r := start(t, pipeline.Config{QueueSize: 3}, &parts{run: func(_ context.Context, out *pipeline.Port) error { port = out; return nil }}, stuck, &last)
		send := func(f frames.Frame) error { return port.Send(context.Background(), f, frames.Downstream) }
		r.send(&lasting{n: 0}, &probe{n: 1}, &probe{n: 2})
		synctest.Wait()
		begin := time.Now()
		old := make(chan error, 1)
		go func() { old <- send(&probe{n: 3}) }()
		tied := make(chan error, 1)
		go func() { tied <- port.Send(port.Generation(), &probe{n: 3}, frames.Downstream) }()
		synctest.Wait()
		keeps := make(chan error, 1)
		go func() { keeps <- send(&lasting{n: 4}) }()
		synctest.Wait()

		r.Interrupt("test")
		if err := <-tied; !errors.Is(err, pipeline.ErrInterrupted) {
			t.Errorf("the sender that works for the old generation got %v, want ErrInterrupted", err)
		}
		if err := <-old; err != nil {
			t.Errorf("a sender of no generation got %v, as if it had to know of the interruption", err)
		}
		if err := <-keeps; err != nil {
			t.Errorf("the sender of an uninterruptible frame got %v", err)
		}
		if err := send(&probe{n: 5}); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("they waited for %v behind frames that nobody wanted", took)
		}
		r.finish()
		got := slices.DeleteFunc(last.names(), func(s string) bool { return s == "Interruption" })
		expect(t, "frames", got, []string{"Start", "l0", "l4", "p5", "End"})
	})
}

func TestAServicesOwnGoroutineSendsWithItsGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		var errs []error
		service := &parts{name: "service", run: func(ctx context.Context, out *pipeline.Port) error {
			old := out.Generation()
			derived, cancel := context.WithTimeout(old, time.Hour)
			defer cancel()
			errs = append(errs, out.Send(old, &probe{n: 1}, frames.Downstream))
			time.Sleep(2 * time.Second)
			errs = append(errs, old.Err(), context.Cause(old))
			errs = append(errs, out.Send(old, &probe{n: 2}, frames.Downstream))
			errs = append(errs, out.Send(derived, &probe{n: 3}, frames.Upstream))
			errs = append(errs, out.Send(derived, &lasting{n: 4}, frames.Downstream))
			errs = append(errs, out.Send(out.Generation(), &probe{n: 5}, frames.Downstream))
			errs = append(errs, out.Send(ctx, &probe{n: 6}, frames.Downstream))
			out.Interrupt("by itself")
			errs = append(errs, out.Send(ctx, &probe{n: 7}, frames.Downstream))
			return nil
		}}
		r := start(t, pipeline.Config{}, service, &last)
		time.Sleep(time.Second)
		r.Interrupt("test")
		time.Sleep(2 * time.Second)
		r.finish()
		for i, want := range []error{nil, context.Canceled, pipeline.ErrInterrupted, pipeline.ErrInterrupted, pipeline.ErrInterrupted, nil, nil, nil, nil} {
			if !errors.Is(errs[i], want) {
				t.Errorf("step %d gave %v, want %v", i, errs[i], want)
			}
		}
		got := last.names()
		if got[len(got)-2] != "p7" || got[1] != "p1" || !slices.Contains(got, "l4") || slices.Contains(got, "p2") {
			t.Errorf("got %v, want p1 first, l4, and p7 after all interruptions", got)
		}
	})
}

func TestSendingAnInterruptionInterruptsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, last recorder
		raise := on(func(ctx context.Context, f *urgent, dir frames.Direction, out *pipeline.Port) error {
			return out.Send(ctx, &frames.Interruption{Reason: "barge-in"}, frames.Upstream)
		})
		// All of them forward the interruption that they get, which must not be
		// taken for a new one.
		r := start(t, pipeline.Config{}, &first, raise, &last)
		r.send(&urgent{})
		synctest.Wait()
		r.finish()
		for _, rec := range []*recorder{&first, &last} {
			var all []*frames.Interruption
			for _, f := range rec.seen {
				if f, ok := f.(*frames.Interruption); ok {
					all = append(all, f)
				}
			}
			if len(all) != 1 || all[0].Source != "pipeline.Func" || all[0].Reason != "barge-in" {
				t.Errorf("interruptions were %v, want one by pipeline.Func", all)
			}
		}
	})
}

func TestWhatAnInterruptedProcessorReturnsIsNoFailure(t *testing.T) {
	for name, fail := range map[string]func(ctx context.Context) error{
		"its context's error": func(ctx context.Context) error { return ctx.Err() },
		"the cause":           func(ctx context.Context) error { return context.Cause(ctx) },
		"a wrapped error":     func(ctx context.Context) error { return errors.Join(errors.New("call service"), ctx.Err()) },
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			var reported []*frames.Error
			r := start(t, pipeline.Config{OnError: func(f *frames.Error) { reported = append(reported, f) }},
				on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
					<-ctx.Done()
					return fail(ctx)
				}))
			r.send(&probe{})
			synctest.Wait()
			r.Interrupt("test")
			r.finish()
			if len(reported) != 0 {
				t.Errorf("reported %v, want nothing", reported)
			}
		})
	}
}

// From the decision to the last old frame that leaves the output at most one
// chunk may pass, whatever is queued and whoever is stuck.
func TestNoMoreThanOneOldChunkLeavesTheOutputAfterAnInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const chunk = 20 * time.Millisecond
		type played struct {
			at  time.Duration
			gen int
		}
		var out []played
		begin := time.Now()
		output := on(func(ctx context.Context, f *probe, dir frames.Direction, _ *pipeline.Port) error {
			time.Sleep(chunk) // plays to the end of the chunk, whatever happens
			out = append(out, played{time.Since(begin), f.n})
			return nil
		})
		stuck := on(func(ctx context.Context, f *lasting, dir frames.Direction, p *pipeline.Port) error {
			time.Sleep(10 * time.Second) // deaf to its context
			return p.Send(ctx, f, dir)
		})
		r := start(t, pipeline.Config{QueueSize: 500}, pass(), stuck, pass(), output)
		for range 500 {
			r.send(&probe{n: 1}) // 500 in front of the output
		}
		synctest.Wait()
		r.send(&lasting{})
		for range 500 {
			r.send(&probe{n: 1}) // and 500 in front of the stuck processor
		}
		time.Sleep(205 * time.Millisecond)
		decision := time.Since(begin)
		r.Interrupt("barge-in")
		r.send(&probe{n: 2})
		time.Sleep(11 * time.Second)
		synctest.Wait()
		var lastOld time.Duration
		for _, p := range out {
			if p.gen == 1 {
				lastOld = p.at
			}
		}
		if late := lastOld - decision; late < 0 || late > chunk {
			t.Errorf("the last old chunk ended %v after the decision, want at most %v", late, chunk)
		}
		if last := out[len(out)-1]; last.gen != 2 || len(out) != 12 {
			t.Errorf("%d chunks were played, the last of generation %d; want 11 old ones and the new one", len(out), last.gen)
		}
		r.finish()
	})
}

func TestAGenerationTakenInStartLastsUntilTheFirstInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gen context.Context
		var port *pipeline.Port
		var last recorder
		r := start(t, pipeline.Config{}, &parts{start: func(_ context.Context, out *pipeline.Port) error {
			gen, port = out.Generation(), out
			return nil
		}}, &last)
		if err := port.Send(gen, &probe{n: 1}, frames.Downstream); err != nil || gen.Err() != nil {
			t.Errorf("Send returned %v, the context %v; want neither", err, gen.Err())
		}
		synctest.Wait()
		r.Interrupt("test")
		if err := port.Send(gen, &probe{n: 2}, frames.Downstream); !errors.Is(err, pipeline.ErrInterrupted) {
			t.Errorf("Send returned %v, want ErrInterrupted", err)
		}
		r.finish()
		expect(t, "frames", last.names(), []string{"Start", "p1", "Interruption", "End"})
	})
}

func TestAnUninterruptibleFrameKeepsWaitingThroughAnInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		var last recorder
		var sent error
		// The handler of an interruptible frame waits with one that survives,
		// behind others that survive.
		r := start(t, pipeline.Config{QueueSize: 2}, on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			for n := range 5 {
				if sent = out.Send(derived, &lasting{n: n}, dir); sent != nil {
					return sent
				}
			}
			return nil
		}), on(func(ctx context.Context, f *lasting, dir frames.Direction, out *pipeline.Port) error {
			<-hold
			return out.Send(ctx, f, dir)
		}), &last)
		r.send(&probe{})
		synctest.Wait()
		r.Interrupt("test")
		synctest.Wait()
		close(hold)
		r.finish()
		if sent != nil {
			t.Errorf("Send returned %v", sent)
		}
		got := slices.DeleteFunc(last.names(), func(s string) bool { return s == "Interruption" })
		expect(t, "frames", got, []string{"Start", "l0", "l1", "l2", "l3", "l4", "End"})
	})
}

func TestNewFramesDoNotWaitForOldOnesThatAProcessorHasInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, pipeline.Config{QueueSize: 8}, on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
			time.Sleep(time.Duration(f.n) * time.Second) // deaf
			return nil
		}))
		for range 100 { // teaches the engine that the processor is quick
			r.send(&probe{})
		}
		synctest.Wait()
		r.send(&probe{n: 1}, &probe{n: 20})
		for range 6 {
			r.send(&probe{})
		}
		time.Sleep(2 * time.Second) // now it has all of them in hand, and is stuck in the first
		begin := time.Now()
		r.Interrupt("test")
		for range 7 {
			r.send(&probe{})
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("new frames waited for %v", took)
		}
		r.finish()
	})
}

func TestAnInterruptionBeforeTheRunMeansNothingToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		p := pipeline.New(pipeline.Config{}, pass(), &seen)
		p.Interrupt("early")
		go func() {
			p.Send(context.Background(), &probe{n: 1})
			p.End("test")
		}()
		if err := p.Run(context.Background()); err != nil {
			t.Error(err)
		}
		expect(t, "frames", seen.names(), []string{"Start", "p1", "End"})
	})
}
