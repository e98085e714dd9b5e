package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// slow passes everything on, probes after d.
func slow(d time.Duration) pipeline.Processor {
	return on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
		time.Sleep(d)
		return out.Send(ctx, f, dir)
	})
}

func TestBranchesGetEveryFrameAndItGoesOnOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, a, b, last recorder
		turn := on(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
			if dir == frames.Upstream {
				return out.Send(ctx, f, dir)
			}
			return out.Send(ctx, &frames.Text{Text: "back"}, frames.Upstream)
		})
		r := start(t, pipeline.Config{}, &first, pipeline.Parallel(&a, pipeline.Chain(&b, slow(time.Second)), pipeline.Chain()), &last, turn)
		r.send(&probe{n: 1}, &urgent{n: 2}, &probe{n: 3}, &frames.Text{})
		time.Sleep(time.Minute)
		r.finish()
		split := func(r *recorder) (ordered []string, texts, urgents int) {
			for _, name := range r.names() {
				switch name {
				case "*frames.Text":
					texts++
				case "u2":
					urgents++
				default:
					ordered = append(ordered, name)
				}
			}
			return ordered, texts, urgents
		}
		for name, rec := range map[string]*recorder{"before": &first, "branch a": &a, "branch b": &b, "behind": &last} {
			ordered, texts, urgents := split(rec)
			expect(t, name, ordered, []string{"Start", "p1", "p3", "End"})
			if texts != 2 || urgents != 1 {
				t.Errorf("%s: %d texts and %d urgent frames, want one text each way and the urgent frame once", name, texts, urgents)
			}
		}
	})
}

func TestEndGoesOnWhenItHasComeOutOfAllBranches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		r := start(t, pipeline.Config{}, pipeline.Parallel(
			pass(),
			on(func(ctx context.Context, f *probe, dir frames.Direction, out *pipeline.Port) error {
				time.Sleep(10 * time.Second)
				return out.Send(ctx, &lasting{n: 9}, dir)
			})), &last)
		begin := time.Now()
		r.send(&probe{n: 1})
		r.finish()
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("it took %v, want 10s", took)
		}
		expect(t, "frames", last.names(), []string{"Start", "p1", "l9", "End"})
	})
}

func TestWhoHoldsEndInABranchIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, pipeline.Config{}, pipeline.Parallel(pass(), pipeline.Chain(pass(), &parts{name: "holder",
			process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if _, ok := f.(*frames.End); ok {
					return nil
				}
				return out.Send(ctx, f, dir)
			}}, pass())), pass())
		r.End("test")
		var stuck *pipeline.StuckError
		if err := r.result(); !errors.As(err, &stuck) || len(stuck.Processors) != 1 || stuck.Processors[0].Processor != "holder" {
			t.Errorf("Run returned %v, want only the holder to be named", err)
		}
	})
}

// service answers each probe with a Text that says its name and fails when told.
func service(name string, alive func() error) *parts {
	return &parts{name: name, process: func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		if f, ok := f.(*probe); ok {
			if err := alive(); err != nil {
				return err
			}
			return out.Send(ctx, &frames.Text{Text: fmt.Sprintf("%s %d", name, f.n)}, dir)
		}
		return out.Send(ctx, f, dir)
	}}
}

func texts(r *recorder) []string {
	var out []string
	for _, f := range r.seen {
		if f, ok := f.(*frames.Text); ok {
			out = append(out, f.Text)
		}
	}
	return out
}

func TestASwitchFailsOver(t *testing.T) {
	broken := errors.New("out of service")
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"on a fatal error":         {pipeline.Fatal(broken), []string{"a 1", "b 3", "b 4"}},
		"on an exhausted quota":    {pipeline.Classify(frames.ErrorQuota, broken), []string{"a 1", "b 3", "b 4"}},
		"not on a temporary error": {pipeline.Classify(frames.ErrorServer, broken), []string{"a 1", "a 3", "a 4"}},
		"not on a tool's failure":  {pipeline.Classify(frames.ErrorApplication, broken), []string{"a 1", "a 3", "a 4"}},
		"on a panic":               {nil, []string{"a 1", "b 3", "b 4"}},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			var last recorder
			var reported []*frames.Error
			calls := 0
			a := service("a", func() error {
				if calls++; calls == 2 {
					if c.err == nil {
						panic(broken)
					}
					return c.err
				}
				return nil
			})
			r := start(t, pipeline.Config{OnError: func(f *frames.Error) { reported = append(reported, f) }}, pass(),
				pipeline.Switch(pipeline.SwitchConfig{Name: "voice"}, pipeline.Chain(a, pass()), service("b", func() error { return nil })), &last)
			for i := range 4 {
				r.send(&probe{n: i + 1})
				synctest.Wait()
			}
			r.finish()
			expect(t, "answers", texts(&last), c.want)
			if len(reported) != 1 || !errors.Is(reported[0].Err, broken) || reported[0].Fatal {
				t.Fatalf("reported %v, want the one error, not fatal", reported)
			}
			var over *pipeline.FailoverError
			if errors.As(reported[0].Err, &over) != (c.want[1] == "b 3") {
				t.Errorf("reported %v", reported[0])
			} else if over != nil && (over.Switch != "voice" || over.From != "a" || over.To != "b") {
				t.Errorf("reported %+v, want voice from a to b", over)
			}
		})
	}
}

func TestASwitchWithoutAServiceLeftFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("out of service")
		fails := func() error { return pipeline.Fatal(broken) }
		r := start(t, pipeline.Config{}, pipeline.Switch(pipeline.SwitchConfig{}, service("a", fails), service("b", fails)))
		r.send(&probe{n: 1})
		synctest.Wait()
		r.send(&probe{n: 2})
		var failed *pipeline.Error
		if err := r.result(); !errors.As(err, &failed) || failed.Processor != "b" || !errors.Is(err, broken) {
			t.Errorf("Run returned %v, want b's error", err)
		}
	})
}

func TestAServiceThatCannotStartIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		var reported []*frames.Error
		ok := func() error { return nil }
		a := service("a", ok)
		a.start = func(context.Context, *pipeline.Port) error { return errors.New("no route") }
		r := start(t, pipeline.Config{OnError: func(f *frames.Error) { reported = append(reported, f) }},
			pipeline.Switch(pipeline.SwitchConfig{}, a, service("b", ok)), &last)
		r.send(&probe{n: 1})
		r.finish()
		expect(t, "answers", texts(&last), []string{"b 1"})
		if len(reported) != 1 || !strings.Contains(reported[0].Err.Error(), "Switch goes on with b after a failed: start: no route") {
			t.Errorf("reported %v", reported)
		}
	})
}

func TestASwitchObeysInOrderAndKeepsTheLastWordsOfTheOldService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		var reported []*frames.Error
		ok := func() error { return nil }
		late := on(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
			time.Sleep(time.Second)
			if err := out.Send(ctx, &lasting{n: 7}, dir); err != nil {
				return err
			}
			return out.Send(ctx, f, dir)
		})
		r := start(t, pipeline.Config{OnError: func(f *frames.Error) { reported = append(reported, f) }},
			pipeline.Switch(pipeline.SwitchConfig{Name: "voice"}, pipeline.Chain(service("a", ok), late), service("b", ok)), &last)
		r.send(&probe{n: 1}, &frames.SwitchService{Switch: "voice", Service: "b"}, &probe{n: 2},
			&frames.SwitchService{Switch: "other", Service: "a"}, &frames.SwitchService{Switch: "voice", Service: "nobody"}, &probe{n: 3})
		time.Sleep(time.Minute)
		r.send(&frames.SwitchService{Service: "a"}, &probe{n: 4})
		r.finish()
		expect(t, "answers", texts(&last), []string{"b 2", "b 3", "a 4"}) // "a 1" came when nobody wanted a any more
		if n := len(slices.DeleteFunc(last.names(), func(s string) bool { return s != "l7" })); n != 2 {
			t.Errorf("%d uninterruptible frames came, want both of a's", n)
		}
		if len(reported) != 1 || !strings.Contains(reported[0].Err.Error(), `switch to service "nobody": there is none of that name, only a, b`) {
			t.Errorf("reported %v", reported)
		}
	})
}

func TestASwitchInASwitchTriesTheInnerOneFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last recorder
		fails := func() error { return pipeline.Fatal(errors.New("out of service")) }
		r := start(t, pipeline.Config{}, pipeline.Switch(pipeline.SwitchConfig{Name: "outer"},
			pipeline.Switch(pipeline.SwitchConfig{Name: "inner"}, service("a", fails), service("b", fails)),
			service("c", func() error { return nil })), &last)
		for i := range 3 {
			r.send(&probe{n: i})
			synctest.Wait()
		}
		r.finish()
		expect(t, "answers", texts(&last), []string{"c 2"})
	})
}

func TestAServiceThatHasPanickedGetsNoMoreFramesAndHoldsNothingUp(t *testing.T) {
	for name, wrap := range map[string]func(pipeline.Processor) pipeline.Processor{
		"queued": func(p pipeline.Processor) pipeline.Processor { return p },
		"inline": pipeline.Inline,
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			var last recorder
			calls := 0
			broken := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if _, ok := f.(*frames.Start); ok {
					return out.Send(ctx, f, dir)
				}
				calls++
				panic("for good")
			})
			var reported []*frames.Error
			r := start(t, pipeline.Config{OnError: func(f *frames.Error) { reported = append(reported, f) }}, pass(),
				pipeline.Switch(pipeline.SwitchConfig{Name: "voice"},
					pipeline.Chain(pass(), wrap(broken), pass()), service("b", func() error { return nil })), &last)
			r.send(&probe{n: 1})
			synctest.Wait()
			r.Interrupt("test")
			r.send(&frames.SwitchService{Switch: "voice", Service: "pipeline.Func#2"}, &probe{n: 2})
			r.finish()
			if calls != 1 {
				t.Errorf("it was called %d times, want once", calls)
			}
			expect(t, "answers", texts(&last), []string{"b 2"})
			if len(reported) != 2 || !strings.Contains(reported[1].Err.Error(), `switch to service "pipeline.Func#2": it has failed for good`) {
				t.Errorf("reported %v, want the panic and the refusal to go back", reported)
			}
		})
	}
}

func TestAServiceThatPanicsWhenToldOfAnInterruptionDoesSoOnce(t *testing.T) {
	for name, wrap := range map[string]func(pipeline.Processor) pipeline.Processor{
		"queued": func(p pipeline.Processor) pipeline.Processor { return p },
		"inline": pipeline.Inline,
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			var last recorder
			told := 0
			broken := &named{"broken", on(func(context.Context, *frames.Interruption, frames.Direction, *pipeline.Port) error {
				told++
				panic("oops")
			})}
			var reported []*frames.Error
			r := start(t, pipeline.Config{OnError: func(f *frames.Error) { reported = append(reported, f) }},
				pipeline.Switch(pipeline.SwitchConfig{Name: "voice"},
					pipeline.Chain(pass(), wrap(broken)), service("b", func() error { return nil })), &last)
			r.Interrupt("test")
			time.Sleep(time.Second)
			r.Interrupt("again")
			time.Sleep(time.Second)
			r.send(&probe{n: 2})
			r.finish()
			expect(t, "answers", texts(&last), []string{"b 2"})
			if told != 1 || len(reported) != 1 || reported[0].Processor != "broken" {
				t.Errorf("it was told %d times; reported %v", told, reported)
			}
		})
	}
}

// named gives a processor a name.
type named struct {
	name string
	pipeline.Processor
}

func (n *named) Name() string { return n.name }

// news is a frame that waits for all branches.
type news struct {
	frames.System
	frames.Barrier
}

func TestABarrierGoesOnOnceWhenTheSlowestBranchHasLetItOut(t *testing.T) {
	late := func(d time.Duration) pipeline.Processor {
		return on(func(ctx context.Context, f *news, dir frames.Direction, out *pipeline.Port) error {
			time.Sleep(d)
			return out.Send(ctx, f, dir)
		})
	}
	for name, tc := range map[string]struct {
		branches pipeline.Processor
		want     time.Duration
	}{
		"one of three":            {pipeline.Parallel(pipeline.Chain(), late(3*time.Second), late(time.Second)), 3 * time.Second},
		"in a branch of a branch": {pipeline.Parallel(late(time.Second), pipeline.Parallel(pipeline.Chain(), late(2*time.Second))), 2 * time.Second},
		"of a switch, the active": {pipeline.Switch(pipeline.SwitchConfig{}, late(time.Second), late(5*time.Second)), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var came []time.Duration
				began := time.Now()
				count := on(func(context.Context, *news, frames.Direction, *pipeline.Port) error {
					came = append(came, time.Since(began))
					return nil
				})
				p := pipeline.New(pipeline.Config{}, tc.branches, count)
				go func() {
					p.Send(t.Context(), &news{})
					time.Sleep(10 * time.Second)
					p.End("all is said")
				}()
				if err := p.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(came) != 1 || came[0] != tc.want {
					t.Errorf("it came after %v, want %v", came, tc.want)
				}
			})
		})
	}
}
