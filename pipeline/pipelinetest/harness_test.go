package pipelinetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// echo answers text upstream after a second, and fails for some of it.
func echo() pipeline.Processor {
	return pipeline.On(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
		if f.Text == "" {
			return errors.New("there is nothing to answer")
		}
		if dir == frames.Downstream {
			time.Sleep(time.Second)
			if err := out.Send(ctx, &frames.Text{Text: "echo of " + f.Text}, frames.Upstream); err != nil {
				return err
			}
		}
		return out.Send(ctx, f, dir)
	})
}

func TestAHarnessTakesFramesOutAtBothEndsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(t, echo())
		begin := time.Now()
		h.Send(&frames.Text{Text: "hello"}, &frames.DTMFInput{Digit: '5'})
		if all := h.All(); len(all) != 1 || all[0].(*frames.DTMFInput).Digit != '5' {
			t.Errorf("%v came out at once, want only the key", all)
		}
		if f := NextUp[*frames.Text](h); f.Text != "echo of hello" {
			t.Errorf("%v came out upstream", f)
		}
		if f, ok := h.Next().(*frames.Text); !ok || f.Text != "hello" {
			t.Errorf("%v came out downstream", f)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v of virtual time, want 1s", took)
		}
		up := &frames.Text{Text: "up"}
		h.SendUp(up)
		if f := h.NextUp(); f != up {
			t.Errorf("%v came out upstream, want what was sent at the other end", f)
		}
		more := []frames.Frame{&frames.Text{Text: "one"}, &frames.Text{Text: "two"}}
		h.SendUp(more...)
		if all := h.AllUp(); !slices.Equal(all, more) || len(h.AllUp()) != 0 || len(h.All()) != 0 {
			t.Errorf("%v came out upstream, want two texts, once, and nothing at the other end", all)
		}
		h.Advance(time.Hour)
		if took := time.Since(begin); took != time.Hour+time.Second {
			t.Errorf("after Advance it is %v, want an hour more", took)
		}
		if s := h.Stats(); len(s) != 1 || s[0].Processor != "On[*frames.Text]" || s[0].Ordered.Handled != 1 {
			t.Errorf("statistics are %+v, want those of the one processor", s)
		}
	})
}

func TestAHarnessTellsOfErrorsInterruptionsAndTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(t, echo())
		h.Send(&frames.Text{})
		if errs := h.Errors(); len(errs) != 1 || errs[0].Processor != "On[*frames.Text]" {
			t.Errorf("errors are %v, want one", errs)
		}
		h.Send(&frames.Text{Text: "never heard"})
		h.Interrupt("test")
		h.Send(&frames.TTSStart{})
		h.Next()
		if err := h.End(); err != nil {
			t.Error(err)
		}
		all := h.All()
		if !slices.ContainsFunc(all, func(f frames.Frame) bool { _, ok := f.(*frames.End); return ok }) {
			t.Errorf("%v came out, want End among it", all)
		}
		if err := h.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestAHarnessFailsTheTestWhenNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, ask := range map[string]func(h *Harness){
			"a *frames.Text did not come out downstream within 1m0s":    func(h *Harness) { Next[*frames.Text](h) },
			"the run ended before a frame came out upstream":            func(h *Harness) { h.pipeline.Cancel("test", nil); h.NextUp() },
			"send Text(\"late\") downstream: pipeline: the run is over": func(h *Harness) { _ = h.Cancel(); h.Send(&frames.Text{Text: "late"}) },
			"send Text(\"late\") upstream: pipeline: the run is over":   func(h *Harness) { _ = h.Cancel(); h.SendUp(&frames.Text{Text: "late"}) },
			"the pipeline failed: pipeline: it broke":                   func(h *Harness) { h.pipeline.Cancel("test", errors.New("it broke")); synctest.Wait() },
			"1 goroutines were left behind, the first:\ngoroutine ":     func(*Harness) { go time.Sleep(time.Second) },
		} {
			var f failures
			found := f.of(rule{check: func(t T, make func() pipeline.Processor, _ []func() frames.Frame) { ask(New(t, make())) }}, good)
			if len(found) == 0 || !strings.HasPrefix(found[0], want) {
				t.Errorf("the test was failed with %q, want %q", found, want)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestLeaksSeesOnlyItsOwnBubble(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	go func() { <-stop }()
	if leaks := Leaks(); leaks != nil {
		t.Errorf("outside of a bubble it found %v", leaks)
	}
	synctest.Test(t, func(t *testing.T) {
		if leaks := Leaks(); len(leaks) != 0 {
			t.Errorf("it found %v", leaks)
		}
		done := make(chan struct{})
		go func() { <-done }()
		synctest.Wait()
		if leaks := Leaks(); len(leaks) != 1 || !strings.Contains(leaks[0], "TestLeaksSeesOnlyItsOwnBubble") {
			t.Errorf("it found %v, want the one goroutine", leaks)
		}
		close(done)
		synctest.Wait()
		if leaks := Leaks(); len(leaks) != 0 {
			t.Errorf("it found %v after it had ended", leaks)
		}
	})
}
