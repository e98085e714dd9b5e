package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestFramesKeepTheirOrderThroughAllKindsOfProcessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		r := start(t, pipeline.Config{}, pass(), pipeline.Chain(pass(), pipeline.Chain()), pipeline.Inline(pass()),
			&twoLaned{}, pipeline.On(func(ctx context.Context, f *urgent, dir frames.Direction, out *pipeline.Port) error {
				return out.Send(ctx, f, dir)
			}), pipeline.Parallel(pass(), &twoLaned{}, pipeline.Chain()), pipeline.Switch(pipeline.SwitchConfig{}, pass(), pass()), &last)
		want := []string{"Start"}
		for i := range 1000 {
			r.send(&probe{n: i})
			want = append(want, brief([]frames.Frame{&probe{n: i}})...)
		}
		r.finish()
		expect(t, "frames at the end", last.names(), append(want, "End"))
	})
}

func TestSendBothTellsBothNeighboursWithAFrameEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, last recorder
		r := start(t, pipeline.Config{}, &first, on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
			return out.SendBoth(ctx, func() frames.Frame { return &urgent{n: f.n} })
		}), &last)
		r.send(&probe{n: 1}, &probe{n: 2})
		synctest.Wait() // until what goes upstream has arrived
		r.finish()
		up := slices.DeleteFunc(slices.Clone(first.seen), func(f frames.Frame) bool { _, ok := f.(*urgent); return !ok })
		down := slices.DeleteFunc(slices.Clone(last.seen), func(f frames.Frame) bool { _, ok := f.(*urgent); return !ok })
		expect(t, "upstream", brief(up), []string{"u1", "u2"})
		expect(t, "downstream", brief(down), []string{"u1", "u2"})
		for i := range up {
			if up[i] == down[i] || up[i].ID() == down[i].ID() {
				t.Errorf("%v went both ways", up[i])
			}
		}
	})
}

func TestSendBothTellsTheOtherNeighbourIfOneCannotBeToldAndReturnsTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		var failed error
		r := start(t, pipeline.Config{}, on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
			out.Interrupt("a test") // ctx is of the generation before
			n := 0
			failed = out.SendBoth(ctx, func() frames.Frame {
				if n++; n == 1 {
					return &probe{}
				}
				return &urgent{n: 7}
			})
			return nil
		}), &last)
		r.send(&probe{})
		r.finish()
		if !errors.Is(failed, pipeline.ErrInterrupted) || !slices.Contains(last.names(), "u7") {
			t.Errorf("SendBoth returned %v, and what was seen downstream is %v", failed, last.names())
		}
	})
}

func TestFramesHaveDistinctIdentities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		r := start(t, pipeline.Config{}, on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
			if err := out.Send(ctx, &lasting{}, dir); err != nil {
				return err
			}
			return out.Send(ctx, f, dir)
		}), &last)
		r.send(&probe{}, &probe{}, &probe{})
		r.finish()
		seen := map[uint64]bool{}
		for _, f := range last.seen {
			if f.ID() == 0 || seen[f.ID()] {
				t.Errorf("%v has the identity %d, which is none or not its own", f, f.ID())
			}
			seen[f.ID()] = true
		}
		if len(seen) != 8 {
			t.Errorf("%d frames arrived, want Start, 3 × 2 and End", len(seen))
		}
	})
}

func TestSystemFramesOvertakeOrderedOnesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down, up recorder
		hold := make(chan struct{})
		slow := on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
			if f.n == 0 {
				<-hold
			}
			return out.Send(ctx, f, dir)
		})
		turn := on(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
			for _, f := range []frames.Frame{&probe{n: 0}, &probe{n: 1}, &urgent{n: 2}} {
				if err := out.Send(ctx, f, frames.Upstream); err != nil {
					return err
				}
			}
			return nil
		})
		r := start(t, pipeline.Config{}, &up, slow, &down, turn)
		r.send(&probe{n: 0}, &probe{n: 1}, &probe{n: 2}, &urgent{n: 3})
		synctest.Wait()
		close(hold)
		synctest.Wait()
		without := func(name string, names []string) []string { // what may go either way
			return slices.DeleteFunc(names, func(s string) bool { return s == name })
		}
		expect(t, "downstream", without("p0", down.names()), []string{"Start", "u3", "p1", "p2"})

		hold = make(chan struct{})
		r.send(&frames.Text{})
		synctest.Wait()
		close(hold)
		synctest.Wait()
		expect(t, "upstream", without("p0", up.names()[6:]), []string{"u2", "p1"})
		r.finish()
	})
}

func TestASystemProcessorHandlesSystemFramesWhileItIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		busy := &twoLaned{parts: parts{process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if _, ok := f.(*probe); ok {
				time.Sleep(time.Minute)
			}
			return out.Send(ctx, f, dir)
		}}}
		r := start(t, pipeline.Config{}, busy, &last)
		r.send(&probe{n: 1}, &urgent{n: 2})
		synctest.Wait()
		expect(t, "while busy", last.names(), []string{"Start", "u2"})
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, "afterwards", last.names(), []string{"Start", "u2", "p1"})
		r.finish()
	})
}

func TestEndDoesNotOvertakeSystemFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		slow := &twoLaned{system: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if _, ok := f.(*urgent); ok {
				time.Sleep(time.Second)
			}
			return out.Send(ctx, f, dir)
		}}
		r := start(t, pipeline.Config{}, slow, &last)
		r.send(&urgent{n: 1}, &urgent{n: 2}, &urgent{n: 3})
		r.finish()
		expect(t, "frames", last.names(), []string{"Start", "u1", "u2", "u3", "End"})
	})
}

func TestStartIsTheFirstFrameEvenOfThoseWhoSendBeforeIt(t *testing.T) {
	for _, next := range []func(*recorder) pipeline.Processor{
		func(r *recorder) pipeline.Processor { return r },
		func(r *recorder) pipeline.Processor {
			return &twoLaned{parts: parts{process: r.Process}, system: r.Process}
		},
	} {
		inVirtualTime(t, "", func(t *testing.T) {
			var last recorder
			eager := on(func(ctx context.Context, f *frames.Start, dir frames.Direction, out *pipeline.Port) error {
				for _, f := range []frames.Frame{&probe{n: 1}, &urgent{n: 2}} {
					if err := out.Send(ctx, f, dir); err != nil {
						return err
					}
				}
				time.Sleep(time.Second)
				out.Interrupt("too early for anyone but itself")
				if err := out.Send(ctx, &lasting{n: 3}, dir); err != nil {
					return err
				}
				return out.Send(ctx, f, dir)
			})
			r := start(t, pipeline.Config{}, eager, next(&last))
			r.finish()
			got := last.names()
			if got[0] != "Start" || !slices.Contains(got, "u2") || !slices.Contains(got, "l3") {
				t.Errorf("got %v, want Start first, and then u2 and l3", got)
			}
		})
	}
}

func TestASenderWaitsWhileTheQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		var last recorder
		r := start(t, pipeline.Config{QueueSize: 3}, on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
			<-hold
			return out.Send(ctx, f, dir)
		}), &last)
		sent := 0
		go func() {
			for i := range 10 {
				if r.Send(context.Background(), &probe{n: i}) == nil {
					sent++
				}
			}
		}()
		synctest.Wait()
		if sent != 3 {
			t.Errorf("%d frames were taken, want the one that is handled and 2 that wait", sent)
		}
		s := r.Stats()[0]
		if s.Ordered.Depth != 2 || s.Ordered.Waiting != 1 || s.Ordered.Capacity != 3 {
			t.Errorf("stats are %+v, want depth 2, 1 sender waiting, capacity 3", s.Ordered)
		}
		close(hold)
		synctest.Wait()
		expect(t, "frames", last.names(), []string{"Start", "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"})
		r.finish()
	})
}

func TestAWaitingSenderGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		var last recorder
		r := start(t, pipeline.Config{QueueSize: 1}, on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
			<-hold
			return out.Send(ctx, f, dir)
		}), &last)
		r.send(&probe{n: 1})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.Send(ctx, &probe{n: 2}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send returned %v, want the context's error", err)
		}
		close(hold)
		r.send(&probe{n: 3})
		r.finish()
		expect(t, "frames", last.names(), []string{"Start", "p1", "p3", "End"})
	})
}

func TestAFullSystemLaneShedsTheOldestRealtimeFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		var last recorder
		watch := &collector{}
		r := start(t, pipeline.Config{SystemQueueSize: 4, Observers: []pipeline.Observer{watch}},
			on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
				<-hold
				return out.Send(ctx, f, dir)
			}), &last)
		r.send(&probe{n: 0})
		synctest.Wait()
		r.send(&urgent{n: 1}, &live{n: 2}, &live{n: 3}, &urgent{n: 4}, &live{n: 5}, &urgent{n: 6}, &urgent{n: 7})
		// Now it holds u1 u4 u6 u7: nothing can be dropped but what is new.
		r.send(&live{n: 8})
		if s := r.Stats()[0].System; s.Shed != 4 || s.Depth != 4 {
			t.Errorf("stats are %+v, want 4 shed and 4 waiting", s)
		}
		close(hold)
		r.finish()
		// p0 may be overtaken at the last processor.
		expect(t, "frames", slices.DeleteFunc(last.names(), func(s string) bool { return s == "p0" }), []string{"Start", "u1", "u4", "u6", "u7", "End"})
		expect(t, "shed, as observed", brief(watch.framesOf(pipeline.Shed)), []string{"live2", "live3", "live5", "live8"})
	})
}

func TestAFullLaneOfFramesThatMayNotBeDroppedEndsTheRunAndNamesTheStuckProcessor(t *testing.T) {
	for name, flood := range map[string]struct {
		lane string
		send func(ctx context.Context, out *pipeline.Port) error
	}{
		"system": {"system", func(ctx context.Context, out *pipeline.Port) error {
			return out.Send(ctx, &urgent{}, frames.Upstream)
		}},
		"upstream": {"upstream", func(ctx context.Context, out *pipeline.Port) error {
			return out.Send(ctx, &probe{}, frames.Upstream)
		}},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			var sent error
			n := 0
			r := start(t, pipeline.Config{SystemQueueSize: 20},
				&parts{name: "sleeper", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
					if _, ok := f.(*frames.Text); ok {
						<-ctx.Done()
						return nil
					}
					return out.Send(ctx, f, dir)
				}},
				&parts{name: "flood", run: func(ctx context.Context, out *pipeline.Port) error {
					time.Sleep(7 * time.Second)
					for ; sent == nil; n++ {
						sent = flood.send(ctx, out)
					}
					return sent
				}})
			r.send(&frames.Text{Text: "secret"})
			err := r.result()
			var overflow *pipeline.OverflowError
			if !errors.As(err, &overflow) || !errors.As(sent, &overflow) {
				t.Fatalf("Run returned %v and Send %v, want an OverflowError", err, sent)
			}
			if overflow.Processor != "sleeper" || overflow.Lane != flood.lane || n != 21 || !strings.Contains(overflow.Doing, "Text#") {
				t.Errorf("after %d frames: %+v, want lane %s of the sleeper full after 20", n, overflow, flood.lane)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the content of a frame: %v", err)
			}
		})
	}
}

func TestOnLetsOtherLanesPassWhileItsFunctionIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		r := start(t, pipeline.Config{},
			pipeline.On(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
				time.Sleep(time.Second)
				return out.Send(ctx, f, dir)
			}),
			pipeline.On(func(ctx context.Context, f *urgent, dir frames.Direction, out *pipeline.Port) error {
				time.Sleep(time.Second)
				return out.Send(ctx, f, dir)
			}), &last)
		r.send(&urgent{n: 1}, &lasting{n: 2}, &probe{n: 3}, &lasting{n: 4}, &live{n: 5})
		synctest.Wait()
		expect(t, "at once", last.names(), []string{"Start", "l2"}) // live5 is behind u1, l4 behind p3
		r.finish()
		lane := func(system bool) []string {
			return slices.DeleteFunc(last.names(), func(s string) bool {
				return strings.ContainsAny(s[:1], "uv") != system && !strings.HasPrefix(s, "live")
			})
		}
		expect(t, "the ordered lane in the end", slices.DeleteFunc(lane(false), func(s string) bool { return s == "live5" }), []string{"Start", "l2", "p3", "l4", "End"})
		expect(t, "the system lane in the end", lane(true), []string{"u1", "live5"})
	})
}

func TestInlineProcessorsRunOnTheirNeighboursGoroutineAndHearOfInterruptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inner, last recorder
		r := start(t, pipeline.Config{}, pipeline.Inline(pass()), pipeline.Inline(&inner), pipeline.Inline(pass()), &last)
		r.send(&probe{n: 1})
		synctest.Wait()
		r.Interrupt("test")
		synctest.Wait()
		r.finish()
		want := []string{"Start", "p1", "Interruption", "End"}
		expect(t, "inline", inner.names(), want)
		expect(t, "last", last.names(), want)
		stats := r.Stats()
		expect(t, "which are inline", []bool{stats[0].Inline, stats[1].Inline, stats[2].Inline, stats[3].Inline}, []bool{false, true, true, false})
	})
}

func TestAnInlineProcessorThatTurnsFramesAroundCannotDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := on(func(ctx context.Context, f *lasting, dir frames.Direction, out *pipeline.Port) error {
			return out.Send(ctx, &probe{}, frames.Downstream)
		})
		flood := on(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
			for range 10 {
				if err := out.Send(ctx, &lasting{}, frames.Upstream); err != nil {
					return err
				}
			}
			return nil
		})
		r := start(t, pipeline.Config{QueueSize: 4}, pass(), pipeline.Inline(turn), flood)
		r.send(&frames.Text{})
		var overflow *pipeline.OverflowError
		if err := r.result(); !errors.As(err, &overflow) || overflow.Lane != "ordered" {
			t.Errorf("Run returned %v, want an OverflowError of the ordered lane", err)
		}
	})
}

func TestSendRefusesWhatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inStart, nilFrame, inside error
		var r *running
		p := pipeline.New(pipeline.Config{}, &parts{
			start: func(ctx context.Context, out *pipeline.Port) error {
				inStart = out.Send(ctx, &probe{}, frames.Downstream)
				return nil
			},
			process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if _, ok := f.(*probe); ok {
					nilFrame = out.Send(ctx, nil, dir)
					derived, cancel := context.WithCancel(ctx)
					defer cancel()
					inside = r.Send(derived, &probe{})
				}
				return out.Send(ctx, f, dir)
			},
		})
		r = &running{Pipeline: p, t: t, done: make(chan error, 1)}
		go func() { r.done <- p.Run(context.Background()) }()
		r.send(&probe{})
		r.finish()
		if !errors.Is(inStart, pipeline.ErrNotStarted) {
			t.Errorf("from Start: %v, want ErrNotStarted", inStart)
		}
		if nilFrame == nil {
			t.Error("a nil frame was sent")
		}
		if !errors.Is(inside, pipeline.ErrSendFromInside) {
			t.Errorf("from inside: %v, want ErrSendFromInside", inside)
		}
		if err := p.Send(context.Background(), &probe{}); !errors.Is(err, pipeline.ErrCancelled) {
			t.Errorf("after the run: %v, want ErrCancelled", err)
		}
	})
}

func TestAProcessorThatSendsToItsPipelineFromStartIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *pipeline.Pipeline
		p = pipeline.New(pipeline.Config{}, &parts{start: func(ctx context.Context, out *pipeline.Port) error {
			return p.Send(ctx, &probe{})
		}})
		begin := time.Now()
		if err := p.Run(context.Background()); !errors.Is(err, pipeline.ErrSendFromInside) {
			t.Errorf("Run returned %v, want ErrSendFromInside", err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v, want no time at all", took)
		}
	})
}

func TestProcessorsHaveNamesOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, pipeline.Config{}, &parts{name: "tts"}, &parts{name: "tts"}, &recorder{}, pass(),
			pipeline.On(func(context.Context, *frames.Text, frames.Direction, *pipeline.Port) error { return nil }))
		var names []string
		for _, s := range r.Stats() {
			names = append(names, s.Processor)
		}
		expect(t, "names", names, []string{"tts", "tts#2", "pipeline_test.recorder", "pipeline.Func", "On[*frames.Text]"})
		r.finish()
	})
}

func TestBadArgumentsAreRefusedWithOneClearLine(t *testing.T) {
	same := &recorder{}
	for _, c := range []struct {
		name string
		p    *pipeline.Pipeline
		want string
	}{
		{"nothing", pipeline.New(pipeline.Config{}), "pipeline: there is no processor to run"},
		{"nil", pipeline.New(pipeline.Config{}, pass(), nil), "pipeline: processor 2 is nil"},
		{"nil pointer", pipeline.New(pipeline.Config{}, (*recorder)(nil)), "pipeline: processor 1 is a nil *pipeline_test.recorder"},
		{"nil in a chain", pipeline.New(pipeline.Config{}, pipeline.Chain(pass(), nil)), "pipeline: processor 1.2 is nil"},
		{"twice", pipeline.New(pipeline.Config{}, same, same), "pipeline: processor 2 is a *pipeline_test.recorder that is in the pipeline already: each place needs a processor of its own"},
		{"no branches", pipeline.New(pipeline.Config{}, pipeline.Parallel()), "pipeline: processor 1, a Parallel, has 0 branches; it can have 1 to 64"},
		{"size", pipeline.New(pipeline.Config{QueueSize: -1}, pass()), "pipeline: Config.QueueSize is -1; it must be between 1 and 1048576, or 0 for the default, 64"},
		{"interval", pipeline.New(pipeline.Config{IdleTimeout: -1}, pass()), "pipeline: Config.IdleTimeout is -1ns; it must not be negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.p.Run(t.Context())
			if err == nil || err.Error() != c.want {
				t.Errorf("Run returned %q, want %q", err, c.want)
			}
			if err := c.p.Send(t.Context(), &probe{}); !errors.Is(err, pipeline.ErrCancelled) {
				t.Errorf("Send returned %v, want ErrCancelled", err)
			}
			if err := c.p.Run(t.Context()); !errors.Is(err, pipeline.ErrAlreadyRun) {
				t.Errorf("the second Run returned %v, want ErrAlreadyRun", err)
			}
		})
	}
}

func TestAPassThroughHopAllocatesNothing(t *testing.T) {
	out := make(chan frames.Frame, 1)
	p := pipeline.New(pipeline.Config{}, pass(), pipeline.Inline(pass()), &twoLaned{}, on(func(ctx context.Context, f *probe, dir frames.Direction, _ *pipeline.Port) error {
		out <- f
		return nil
	}))
	done := make(chan error, 1)
	go func() { done <- p.Run(context.Background()) }()
	f := &probe{}
	if n := testing.AllocsPerRun(1000, func() {
		if err := p.Send(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		<-out
	}); n != 0 {
		t.Errorf("%v allocations a frame, want 0", n)
	}
	p.End("done")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
