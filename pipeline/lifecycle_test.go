package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestProcessorsStartTogetherRunAfterStartAndCloseAfterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events journal
		begin := time.Now()
		make := func(name string, wait time.Duration) pipeline.Processor {
			note := func(what string) { events.note(fmt.Sprintf("%v %s %s", time.Since(begin), name, what)) }
			return &parts{
				name:  name,
				start: func(ctx context.Context, out *pipeline.Port) error { time.Sleep(wait); note("started"); return nil },
				run: func(ctx context.Context, out *pipeline.Port) error {
					note("runs")
					<-ctx.Done()
					note("stops")
					return ctx.Err()
				},
				close: func(context.Context) error { time.Sleep(wait); note("closed"); return nil },
				process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
					note(brief([]frames.Frame{f})[0])
					return out.Send(ctx, f, dir)
				},
			}
		}
		r := start(t, pipeline.Config{}, make("a", 2*time.Second), make("b", 3*time.Second))
		time.Sleep(10 * time.Second)
		r.finish()
		lines := events.lines()
		expect(t, "in order", lines[:4], []string{"2s a started", "3s b started", "3s a Start", "3s b Start"})
		slices.Sort(lines[4:6])
		expect(t, "runners", lines[4:6], []string{"3s a runs", "3s b runs"})
		expect(t, "end", lines[6:8], []string{"10s a End", "10s b End"})
		slices.Sort(lines[8:10])
		expect(t, "runners", lines[8:10], []string{"10s a stops", "10s b stops"})
		expect(t, "close", lines[10:], []string{"12s a closed", "13s b closed"})
	})
}

func TestAFailedStartCancelsTheOthersAndClosesWhatWasOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed journal
		cause := errors.New("no such device")
		closes := func(name string) func(context.Context) error {
			return func(context.Context) error { closed.note(name); return nil }
		}
		begin := time.Now()
		err := pipeline.New(pipeline.Config{},
			&parts{name: "opened", start: func(context.Context, *pipeline.Port) error { return nil }, close: closes("opened")},
			&parts{name: "broken", start: func(context.Context, *pipeline.Port) error { time.Sleep(time.Second); return cause }, close: closes("broken")},
			&parts{name: "slow", start: func(ctx context.Context, _ *pipeline.Port) error { <-ctx.Done(); return ctx.Err() }, close: closes("slow")},
		).Run(context.Background())
		var failed *pipeline.Error
		if !errors.As(err, &failed) || !errors.Is(err, cause) || failed.Processor != "broken" {
			t.Errorf("Run returned %v, want the error of the broken one", err)
		}
		if want := "pipeline: broken: start: no such device"; err.Error() != want {
			t.Errorf("the error is %q, want %q", err, want)
		}
		expect(t, "closed", closed.lines(), []string{"opened"})
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v, want 1s", took)
		}
	})
}

func TestAProcessorThatDoesNotStartInTimeIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		p    pipeline.Processor
		took time.Duration
		want string
	}{
		"observes its context": {
			&parts{name: "slow", start: func(ctx context.Context, _ *pipeline.Port) error { <-ctx.Done(); return ctx.Err() }},
			20 * time.Second, "slow",
		},
		"is deaf": {
			&parts{name: "deaf", start: func(ctx context.Context, _ *pipeline.Port) error { time.Sleep(time.Minute); return nil }},
			25 * time.Second, "did not start within 20s: deaf (Start for 20s); did not return from Start within 5s: deaf (Start for 25s)",
		},
		"holds Start": {
			on(func(context.Context, *frames.Start, frames.Direction, *pipeline.Port) error { return nil }),
			20 * time.Second, "did not pass on Start within 20s: pipeline.Func#2",
		},
		"is stuck in Start": {
			&parts{name: "stuck", process: func(ctx context.Context, f frames.Frame, _ frames.Direction, _ *pipeline.Port) error {
				<-ctx.Done()
				return nil
			}},
			20 * time.Second, "stuck (Start#1 in Process for 20s)",
		},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			begin := time.Now()
			err := pipeline.New(pipeline.Config{}, pass(), c.p, pass()).Run(context.Background())
			if !errors.Is(err, pipeline.ErrStartTimeout) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run returned %v, want ErrStartTimeout with %q", err, c.want)
			}
			if took := time.Since(begin); took != c.took {
				t.Errorf("it took %v, want %v", took, c.took)
			}
			time.Sleep(time.Hour) // lets the deaf return
		})
	}
}

func TestANegativeTimeoutIsNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipeline.New(pipeline.Config{StartTimeout: -time.Second, EndTimeout: -time.Second}, &parts{
			start: func(context.Context, *pipeline.Port) error { time.Sleep(time.Hour); return nil },
			process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if _, ok := f.(*frames.End); ok {
					time.Sleep(time.Hour)
				}
				return out.Send(ctx, f, dir)
			},
		})
		began := time.Now()
		go func() {
			time.Sleep(time.Hour + time.Minute)
			p.End("that was all")
		}()
		if err := p.Run(context.Background()); err != nil {
			t.Errorf("Run returned %v", err)
		}
		if took := time.Since(began); took < 2*time.Hour {
			t.Errorf("it took %v", took)
		}
	})
}

func TestWhatIsOpenedTooLateIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed journal
		err := pipeline.New(pipeline.Config{StartTimeout: time.Second, CancelTimeout: time.Second}, &parts{
			start: func(context.Context, *pipeline.Port) error { time.Sleep(time.Minute); return nil },
			close: func(context.Context) error { closed.note("late"); return nil },
		}).Run(context.Background())
		if !errors.Is(err, pipeline.ErrStuck) || len(closed.lines()) != 0 {
			t.Errorf("Run returned %v, closed %v; want ErrStuck and nothing closed", err, closed.lines())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(closed.lines()) != 1 {
			t.Error("it was not closed once")
		}
	})
}

func TestEndPassesBehindEverythingAndCountsOnce(t *testing.T) {
	for name, end := range map[string]func(r *running){
		"twice by the application": func(r *running) { r.End("one"); r.End("two") },
		"sent downstream":          func(r *running) { r.send(&frames.End{Reason: "one"}); r.End("two") },
		"sent upstream by a processor": func(r *running) {
			r.send(&urgent{n: 1})
			synctest.Wait()
			r.End("two")
		},
		"sent downstream by a processor": func(r *running) {
			r.send(&urgent{n: 2})
			synctest.Wait()
			r.End("two")
		},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			var last recorder
			slow := on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
				time.Sleep(time.Second)
				return out.Send(ctx, f, dir)
			})
			ends := on(func(ctx context.Context, f *urgent, _ frames.Direction, out *pipeline.Port) error {
				to := frames.Upstream
				if f.n == 2 {
					to = frames.Downstream
				}
				return out.Send(ctx, &frames.End{Reason: "one"}, to)
			})
			r := start(t, pipeline.Config{}, ends, slow, &last)
			r.send(&probe{n: 1}, &probe{n: 2}, &probe{n: 3})
			synctest.Wait()
			end(r)
			if err := r.result(); err != nil {
				t.Errorf("Run returned %v", err)
			}
			expect(t, "frames", last.names(), []string{"Start", "p1", "p2", "p3", "End"})
			if f := last.seen[4].(*frames.End); f.Reason != "one" {
				t.Errorf("the end is %v, want the one that was asked for first", f)
			}
		})
	}
}

func TestStopPassesAndTheRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		r := start(t, pipeline.Config{}, &twoLaned{}, &last)
		r.send(&probe{n: 1}, &frames.Stop{}, &probe{n: 2})
		time.Sleep(time.Hour)
		r.finish()
		expect(t, "frames", last.names(), []string{"Start", "p1", "Stop", "p2", "End"})
	})
}

func TestAnEndThatGetsNoFurtherBecomesACancellationThatNamesWhoHeldIt(t *testing.T) {
	for name, c := range map[string]struct {
		holder pipeline.Processor
		want   string
	}{
		"swallowed": {
			&parts{name: "holder", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if _, ok := f.(*frames.End); ok {
					return nil
				}
				return out.Send(ctx, f, dir)
			}},
			"pipeline: end timed out: did not pass on End within 30s: holder",
		},
		"behind a long call": {
			&parts{name: "holder", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if _, ok := f.(*probe); ok {
					<-ctx.Done()
					return nil
				}
				return out.Send(ctx, f, dir)
			}},
			"holder (pipeline_test.probe#2 in Process for 30s)",
		},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			closed := false
			r := start(t, pipeline.Config{QueueSize: 1}, pass(), c.holder, &parts{close: func(context.Context) error { closed = true; return nil }})
			r.send(&probe{n: 1})
			begin := time.Now()
			go func() {
				for range 10 { // some of them wait, where the holder is stuck
					if r.Send(context.Background(), &probe{n: 2}) != nil {
						return
					}
				}
			}()
			synctest.Wait()
			r.End("test")
			err := r.result()
			if !errors.Is(err, pipeline.ErrEndTimeout) || !errors.Is(err, pipeline.ErrStuck) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run returned %v, want ErrEndTimeout with %q", err, c.want)
			}
			if took := time.Since(begin); took != 30*time.Second || !closed {
				t.Errorf("it took %v and closed is %v, want 30s and true", took, closed)
			}
		})
	}
}

func TestCancelIsImmediateAndCarriesItsError(t *testing.T) {
	cause := errors.New("caller hung up")
	send := func(f frames.Frame, dir frames.Direction) func(r *running) {
		return func(r *running) {
			r.send(&frames.TransportMessage{Message: func(ctx context.Context, out *pipeline.Port) error { return out.Send(ctx, f, dir) }})
		}
	}
	for name, c := range map[string]struct {
		cancel func(r *running)
		want   error
	}{
		"by the application":              {func(r *running) { r.Cancel("test", nil) }, nil},
		"by the application, with error":  {func(r *running) { r.Cancel("test", cause) }, cause},
		"by a frame downstream":           {send(&frames.Cancel{}, frames.Downstream), nil},
		"by a frame upstream, with error": {send(&frames.Cancel{Err: cause}, frames.Upstream), cause},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			var last recorder
			begin := time.Now()
			r := start(t, pipeline.Config{},
				on(func(ctx context.Context, f *frames.TransportMessage, dir frames.Direction, out *pipeline.Port) error {
					return f.Message.(func(context.Context, *pipeline.Port) error)(ctx, out)
				}),
				on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
					<-ctx.Done()
					if got := context.Cause(ctx); !errors.Is(got, pipeline.ErrCancelled) {
						t.Errorf("the cause is %v, want ErrCancelled", got)
					}
					return out.Send(ctx, f, dir)
				}), &last)
			r.send(&probe{n: 1}, &probe{n: 2})
			synctest.Wait()
			c.cancel(r)
			if err := r.result(); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Errorf("Run returned %v, want %v", err, c.want)
			}
			if took := time.Since(begin); took != 0 {
				t.Errorf("it took %v", took)
			}
			expect(t, "frames", last.names(), []string{"Start"})
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	for name, wait := range map[string]time.Duration{"while starting": 0, "while running": 10 * time.Second} {
		inVirtualTime(t, name, func(t *testing.T) {
			cause := errors.New("shutting down")
			ctx, cancel := context.WithCancelCause(context.Background())
			done := make(chan error, 1)
			p := pipeline.New(pipeline.Config{}, &parts{start: func(ctx context.Context, _ *pipeline.Port) error {
				select {
				case <-time.After(time.Second):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}})
			go func() { done <- p.Run(ctx) }()
			time.Sleep(wait)
			cancel(cause)
			if err := <-done; !errors.Is(err, cause) {
				t.Errorf("Run returned %v, want the context's cause", err)
			}
		})
	}
}

func TestRunReturnsTheCauseOfAContextThatEndedBeforeOrDuringTheStart(t *testing.T) {
	cause := errors.New("the caller has hung up")
	opens := func(j *journal, d time.Duration) *parts {
		return &parts{
			start: func(context.Context, *pipeline.Port) error {
				time.Sleep(d) // deaf to its context
				j.note("opened")
				return nil
			},
			run:   func(context.Context, *pipeline.Port) error { j.note("ran"); return nil },
			close: func(context.Context) error { j.note("closed"); return nil },
		}
	}
	inVirtualTime(t, "before, so that nothing is opened", func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		if err := pipeline.New(pipeline.Config{}, opens(&j, 0)).Run(ctx); !errors.Is(err, cause) {
			t.Errorf("Run returned %v, want the cause", err)
		}
		expect(t, "journal", j.lines(), []string(nil))
	})
	inVirtualTime(t, "during, so that what was opened is closed", func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		if err := pipeline.New(pipeline.Config{}, opens(&j, 2*time.Second)).Run(ctx); !errors.Is(err, cause) {
			t.Errorf("Run returned %v, want the cause", err)
		}
		expect(t, "journal", j.lines(), []string{"opened", "closed"})
	})
}

func TestRequestsBeforeRunAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		p := pipeline.New(pipeline.Config{}, &last)
		p.End("early")
		if p.Stats() != nil {
			t.Error("there are statistics before Run")
		}
		if err := p.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		expect(t, "frames", last.names(), []string{"Start", "End"})

		cause := errors.New("too late")
		p = pipeline.New(pipeline.Config{}, pass())
		p.Cancel("early", cause)
		if err := p.Run(context.Background()); !errors.Is(err, cause) {
			t.Errorf("Run returned %v, want the cause", err)
		}
		p.End("late")
		p.Cancel("late", nil)
		p.Interrupt("late")
	})
}

func TestProcessorsThatDoNotReturnAreNamedWithWhatTheyDo(t *testing.T) {
	for name, c := range map[string]struct {
		p    func(hang chan struct{}) pipeline.Processor
		want string
	}{
		"Process": {func(hang chan struct{}) pipeline.Processor {
			return &parts{name: "p", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if _, ok := f.(*probe); ok {
					<-hang
				}
				return out.Send(ctx, f, dir)
			}}
		}, "pipeline: did not return within 5s: p (pipeline_test.probe#2 in Process for 5s)"},
		"ProcessSystem": {func(hang chan struct{}) pipeline.Processor {
			return &twoLaned{parts: parts{name: "p", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				out.Interrupt("")
				return nil
			}}, system: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if _, ok := f.(*frames.Interruption); ok {
					<-hang
				}
				return out.Send(ctx, f, dir)
			}}
		}, "p (Interruption#3 in ProcessSystem for 5s)"},
		"Run": {func(hang chan struct{}) pipeline.Processor {
			return &parts{name: "p", run: func(context.Context, *pipeline.Port) error { <-hang; return nil }}
		}, "pipeline: did not return within 5s: p (Run for 5s)"},
		"Close": {func(hang chan struct{}) pipeline.Processor {
			return &parts{name: "p", close: func(context.Context) error { <-hang; return nil }}
		}, "pipeline: did not close within 5s: p (Close for 5s)"},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			hang := make(chan struct{})
			defer close(hang)
			r := start(t, pipeline.Config{}, c.p(hang))
			r.send(&probe{})
			synctest.Wait()
			begin := time.Now()
			r.Cancel("test", nil)
			err := r.result()
			var stuck *pipeline.StuckError
			if !errors.As(err, &stuck) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Run returned %v, want %q", err, c.want)
			}
			if took := time.Since(begin); took != 5*time.Second {
				t.Errorf("it took %v, want 5s", took)
			}
		})
	}
}

func TestErrorsTravelUpstreamAndFatalOnesEndTheRun(t *testing.T) {
	cause := errors.New("it broke")
	for name, c := range map[string]struct {
		fail  handler
		class frames.ErrorClass
		fatal bool
	}{
		"returned": {func(context.Context, frames.Frame, frames.Direction, *pipeline.Port) error { return cause }, frames.ErrorUnknown, false},
		"classified": {func(context.Context, frames.Frame, frames.Direction, *pipeline.Port) error {
			return fmt.Errorf("call: %w", pipeline.Classify(frames.ErrorRateLimit, cause))
		}, frames.ErrorRateLimit, false},
		"classified by its own method": {func(context.Context, frames.Frame, frames.Direction, *pipeline.Port) error {
			return fmt.Errorf("call: %w", classified{cause})
		}, frames.ErrorQuota, false},
		"reported": {func(_ context.Context, _ frames.Frame, _ frames.Direction, out *pipeline.Port) error {
			out.Report(cause)
			out.Report(nil)
			return nil
		}, frames.ErrorUnknown, false},
		"fatal": {func(context.Context, frames.Frame, frames.Direction, *pipeline.Port) error {
			return pipeline.Fatal(pipeline.Classify(frames.ErrorAuthentication, cause))
		}, frames.ErrorAuthentication, true},
		"fatal, classified": {func(context.Context, frames.Frame, frames.Direction, *pipeline.Port) error {
			return pipeline.Classify(frames.ErrorAuthentication, pipeline.Fatal(cause))
		}, frames.ErrorAuthentication, true},
		"panic": {func(context.Context, frames.Frame, frames.Direction, *pipeline.Port) error { panic(cause) }, frames.ErrorApplication, true},
		"goexit": {func(context.Context, frames.Frame, frames.Direction, *pipeline.Port) error {
			runtime.Goexit()
			return nil
		}, frames.ErrorApplication, true},
		"fatal frame": {func(ctx context.Context, _ frames.Frame, _ frames.Direction, out *pipeline.Port) error {
			return out.Send(ctx, &frames.Error{Processor: "broken", Kind: frames.ErrorServer, Fatal: true, Err: cause}, frames.Upstream)
		}, frames.ErrorServer, true},
	} {
		for _, kind := range []string{"queued", "inline"} {
			if kind == "inline" && name == "goexit" {
				continue // it would end the neighbour's goroutine, which is then named
			}
			inVirtualTime(t, name+" "+kind, func(t *testing.T) {
				var first recorder
				var reported []*frames.Error
				broken := pipeline.Processor(&parts{name: "broken", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
					if _, ok := f.(*probe); ok {
						return c.fail(ctx, f, dir, out)
					}
					return out.Send(ctx, f, dir)
				}})
				if kind == "inline" {
					broken = pipeline.Inline(broken)
				}
				r := start(t, pipeline.Config{OnError: func(f *frames.Error) { reported = append(reported, f) }}, &first, pass(), broken)
				r.send(&probe{})
				synctest.Wait()
				r.End("test")
				err := r.result()
				if c.fatal {
					var failed *pipeline.Error
					if !errors.As(err, &failed) || failed.Processor != "broken" || failed.Class != c.class || !failed.Fatal || (name != "goexit" && !errors.Is(err, cause)) {
						t.Errorf("Run returned %#v, want a fatal error of class %v with the cause", err, c.class)
					}
					if len(reported) != 0 {
						t.Errorf("it was reported as well: %v", reported)
					}
					return
				}
				if err != nil {
					t.Errorf("Run returned %v", err)
				}
				if len(reported) != 1 || reported[0].Processor != "broken" || reported[0].Kind != c.class || !errors.Is(reported[0].Err, cause) {
					t.Errorf("reported %v, want the cause in class %v, once", reported, c.class)
				}
				if !slices.Contains(first.names(), "*frames.Error") {
					t.Error("the error did not travel upstream")
				}
			})
		}
	}
}

type classified struct{ error }

func (c classified) Unwrap() error               { return c.error }
func (classified) ErrorClass() frames.ErrorClass { return frames.ErrorQuota }

func TestWhatFailsOutsideOfProcessEndsTheRun(t *testing.T) {
	cause := errors.New("it broke")
	for name, c := range map[string]struct {
		p    *parts
		want string
	}{
		"Run":            {&parts{name: "p", run: func(context.Context, *pipeline.Port) error { return cause }}, "pipeline: p: it broke"},
		"panic in Run":   {&parts{name: "p", run: func(context.Context, *pipeline.Port) error { panic(cause) }}, "pipeline: p: panic: it broke"},
		"panic in Start": {&parts{name: "p", start: func(context.Context, *pipeline.Port) error { panic(cause) }}, "pipeline: p: start: panic: it broke"},
		"Close":          {&parts{name: "p", close: func(context.Context) error { return cause }}, "pipeline: p: close: it broke"},
		"panic in Close": {&parts{name: "p", close: func(context.Context) error { panic(cause) }}, "pipeline: p: close: panic: it broke"},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			p := pipeline.New(pipeline.Config{}, pass(), c.p)
			if c.p.run == nil {
				p.End("at once")
			}
			if err := p.Run(context.Background()); !errors.Is(err, cause) || err.Error() != c.want {
				t.Errorf("Run returned %v, want %q", err, c.want)
			}
		})
	}
}

func TestASourceThatAnInterruptionEndsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, pipeline.Config{}, &parts{name: "source", run: func(ctx context.Context, out *pipeline.Port) error {
			gen := out.Generation()
			time.Sleep(time.Second)
			return out.Send(gen, &probe{}, frames.Downstream)
		}})
		r.Interrupt("test")
		if err := r.result(); err == nil || !strings.Contains(err.Error(), "source: run: it returned because of an interruption") {
			t.Errorf("Run returned %v, want the source to be blamed", err)
		}
	})
}

// A process of its own gets the signals.
func TestTheFirstSignalDrainsAndTheSecondKills(t *testing.T) {
	if os.Getenv("PARLEY_TEST_SIGNALS") != "" {
		slow := on(func(ctx context.Context, f *frames.End, dir frames.Direction, out *pipeline.Port) error {
			fmt.Println("draining:", f.Reason)
			if os.Getenv("PARLEY_TEST_SIGNALS") == "2" {
				select {} // until the second signal
			}
			return out.Send(ctx, f, dir)
		})
		err := pipeline.Run(context.Background(), &parts{run: func(ctx context.Context, _ *pipeline.Port) error {
			fmt.Println("ready")
			<-ctx.Done()
			return nil
		}}, slow)
		fmt.Println("over:", err)
		os.Exit(0)
	}
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent SIGTERM on Windows")
	}
	for _, n := range []string{"1", "2"} {
		t.Run(n, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheFirstSignalDrainsAndTheSecondKills$")
			cmd.Env = append(os.Environ(), "PARLEY_TEST_SIGNALS="+n)
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line := func() string {
				var s string
				for c := make([]byte, 1); !strings.HasSuffix(s, "\n"); s += string(c) {
					if _, err := stdout.Read(c); err != nil {
						return s
					}
				}
				return strings.TrimSpace(s)
			}
			if got := line(); got != "ready" {
				t.Fatalf("it said %q", got)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if got := line(); got != "draining: signal: terminated" {
				t.Fatalf("it said %q", got)
			}
			if n == "2" {
				if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if err := cmd.Wait(); err == nil || err.Error() != "signal: terminated" {
					t.Errorf("it ended with %v, want it killed", err)
				}
				return
			}
			if got := line(); got != "over: <nil>" {
				t.Errorf("it said %q", got)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnErrorThatIsOnItsWayWhenTheRunEndsIsNotLost(t *testing.T) {
	for _, slow := range []time.Duration{0, time.Second} {
		inVirtualTime(t, fmt.Sprint(slow), func(t *testing.T) {
			cause := errors.New("it broke")
			var reported []*frames.Error
			r := start(t, pipeline.Config{OnError: func(f *frames.Error) { reported = append(reported, f) }},
				pass(), on(func(ctx context.Context, f *frames.Error, dir frames.Direction, out *pipeline.Port) error {
					time.Sleep(slow)
					return out.Send(ctx, f, dir)
				}), pass(),
				on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
					for range 3 {
						out.Report(cause)
					}
					return out.Send(ctx, &frames.End{}, dir)
				}))
			r.send(&probe{})
			if err := r.result(); err != nil {
				t.Error(err)
			}
			if len(reported) != 3 {
				t.Errorf("%d errors were reported, want 3", len(reported))
			}
		})
	}
}

func TestAnEndTakesAsLongAsItsHolderGetsOn(t *testing.T) {
	// works, with a sign of life every 20 s, and is then stuck or not.
	worker := func(works int, stuck bool) *parts {
		return &parts{name: "worker", process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			if _, ok := f.(*frames.End); ok {
				for range works {
					time.Sleep(20 * time.Second)
					out.Progress()
				}
				if stuck {
					<-ctx.Done()
					return nil
				}
			}
			return out.Send(ctx, f, dir)
		}}
	}
	// busy gets on with something, and the end is not held up by that.
	busy := &parts{name: "busy", run: func(ctx context.Context, out *pipeline.Port) error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				out.Progress()
			case <-ctx.Done():
				return nil
			}
		}
	}}
	for name, c := range map[string]struct {
		row  []pipeline.Processor
		took time.Duration
		want string // what is in the error; nothing if there is none
	}{
		"it gets on until it is done":         {[]pipeline.Processor{worker(10, false)}, 200 * time.Second, ""},
		"it gets on, and then does not":       {[]pipeline.Processor{worker(10, true)}, 230 * time.Second, "End#2 in Process for 3m50s"},
		"it never gets on":                    {[]pipeline.Processor{worker(0, true)}, 30 * time.Second, "worker (End#2 in Process for 30s)"},
		"only others get on, before it":       {[]pipeline.Processor{busy, worker(0, true)}, 30 * time.Second, "worker (End#2 in Process for 30s)"},
		"only others get on, behind it":       {[]pipeline.Processor{worker(0, true), busy}, 30 * time.Second, "worker (End#2 in Process for 30s)"},
		"it gets on in a branch":              {[]pipeline.Processor{pipeline.Parallel(worker(10, false), pass())}, 200 * time.Second, ""},
		"it gets on and another does not":     {[]pipeline.Processor{pipeline.Parallel(worker(10, false), worker(0, true))}, 230 * time.Second, "End#2 in Process for 3m50s"},
		"it waits for one that does not, too": {[]pipeline.Processor{worker(10, false), worker(0, true)}, 230 * time.Second, "worker#2 (End#2 in Process for 30s)"},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			r := start(t, pipeline.Config{}, c.row...)
			begin := time.Now()
			r.End("test")
			err := r.result()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("Run returned %v", err)
			case c.want != "" && (!errors.Is(err, pipeline.ErrEndTimeout) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("Run returned %v, want ErrEndTimeout with %q", err, c.want)
			}
			if took := time.Since(begin); took != c.took {
				t.Errorf("it took %v, want %v", took, c.took)
			}
		})
	}
}
