package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// Option changes what [Check] does.
type Option func(*options)

type options struct {
	skipped map[string]string
	frames  []func() frames.Frame
}

// Skip leaves out a rule, by the name of its subtest, and says why in the
// test's output.
func Skip(rule, why string) Option {
	return func(o *options) { o.skipped[rule] = why }
}

// With adds frames which keep the processor busy: of types of its own, or that
// carry what it needs. make is called for each frame that is sent.
func With(make func() frames.Frame) Option {
	return func(o *options) { o.frames = append(o.frames, make) }
}

// rule is a rule that processors have to keep.
type rule struct {
	name  string
	check func(t T, make func() pipeline.Processor, busy []func() frames.Frame)
}

var rules = []rule{
	{"starts and ends", startsAndEnds},
	{"passes unknown frames on", passesUnknownFrames},
	{"passes End on behind what came before", passesEndLast},
	{"passes Stop on and goes on", passesStop},
	{"goes on after an interruption", survivesInterruption},
	{"keeps uninterruptible frames", keepsUninterruptible},
	{"returns soon after an interruption", returnsAfterInterruption},
	{"returns soon after a cancellation", returnsAfterCancel},
	{"returns from a Send that waits", returnsFromSend},
	{"does not change frames", changesNothing},
	{"leaves no goroutine behind", leavesNothing},
}

// Check runs processors through the rules of [pipeline.Processor], each in a
// subtest in virtual time. make makes a new processor for each; it is called
// within a bubble of testing/synctest, so what the processor talks to must be
// in memory.
//
// Rules which the engine enforces by itself have no subtest: an
// [frames.Interruption] that is passed on goes nowhere, and Close is called
// once.
func Check(t *testing.T, make func() pipeline.Processor, opts ...Option) {
	t.Helper()
	o := options{skipped: map[string]string{}}
	for _, opt := range opts {
		opt(&o)
	}
	for name := range o.skipped {
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.name == name }) {
			t.Errorf("there is no rule %q to skip", name)
		}
	}
	busy := append(knownFrames(), o.frames...)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if why, ok := o.skipped[r.name]; ok {
				t.Skip(why)
			}
			synctest.Test(t, func(t *testing.T) { r.check(t, make, busy) })
		})
	}
}

// Frames that no processor knows.
type (
	unknownData struct {
		frames.Data
		n int
	}
	unknownControl struct {
		frames.Control
		n int
	}
	unknownSystem struct {
		frames.System
		n int
	}
	unknownLasting struct {
		frames.Data
		frames.Uninterruptible
		n int
	}
)

func isUnknown(f frames.Frame) bool {
	switch f.(type) {
	case *unknownData, *unknownControl, *unknownSystem, *unknownLasting:
		return true
	}
	return false
}

// knownFrames makes one of each kind of frame that processors do something
// with.
func knownFrames() []func() frames.Frame {
	voice := func() frames.Audio {
		samples := make([]int16, 320)
		for i := range samples {
			samples[i] = int16(i * 37)
		}
		return frames.Audio{Format: audio.Mono(audio.Rate16k), Samples: samples, Track: "check"}
	}
	return []func() frames.Frame{
		func() frames.Frame { return &frames.AudioInput{Audio: voice()} },
		func() frames.Frame { return &frames.Text{Text: "Hello there."} },
		func() frames.Frame { return &frames.Transcription{Text: "hello"} },
		func() frames.Frame { return &frames.LLMResponseStart{Response: "r"} },
		func() frames.Frame { return &frames.LLMText{Response: "r", Text: "Hello."} },
		func() frames.Frame { return &frames.TTSStart{Response: "r"} },
		func() frames.Frame { return &frames.AudioOutput{Audio: voice(), Response: "r"} },
		func() frames.Frame { return &frames.TTSStop{Response: "r"} },
		func() frames.Frame { return &frames.LLMResponseEnd{Response: "r"} },
	}
}

// unknown makes a mix of frames in both lanes.
func unknown(n int) (ordered, system []frames.Frame) {
	for i := range n {
		switch i % 3 {
		case 0:
			ordered = append(ordered, &unknownData{n: i})
		case 1:
			ordered = append(ordered, &unknownControl{n: i})
		case 2:
			system = append(system, &unknownSystem{n: i})
		}
	}
	return ordered, system
}

// come waits for exactly these frames, in this order.
func (h *Harness) come(at *tap, what string, want []frames.Frame) {
	h.t.Helper()
	for i, w := range want {
		f := h.next(at, func(f frames.Frame) bool {
			return isUnknown(f) && f.Class() == w.Class() || f == w || isOrdered(f) && isOrdered(w) && isUnknown(f)
		}, what)
		if f == nil {
			return
		}
		if f != w {
			h.t.Errorf("%s: %v came out %v as number %d, want %v, the same pointer, in the order in which they were sent", what, frames.Name(f), at.dir, i+1, frames.Name(w))
			return
		}
	}
}

func isOrdered(f frames.Frame) bool { return f.Class() != frames.SystemClass }

func startsAndEnds(t T, make func() pipeline.Processor, _ []func() frames.Frame) {
	h := New(t, make())
	if h.over {
		t.Errorf("the run ended before anything was sent: %v", h.err)
		return
	}
	if err := h.End(); err != nil {
		t.Errorf("an orderly end failed: %v", err)
	}
}

func passesUnknownFrames(t T, make func() pipeline.Processor, _ []func() frames.Frame) {
	h := New(t, make())
	for _, way := range []struct {
		send func(...frames.Frame)
		at   *tap
	}{{h.Send, h.tail}, {h.SendUp, h.head}} {
		ordered, system := unknown(60)
		way.send(ordered...)
		h.come(way.at, "an unknown data or control frame", ordered)
		way.send(system...)
		h.come(way.at, "an unknown system frame", system)
	}
}

func passesEndLast(t T, make func() pipeline.Processor, busy []func() frames.Frame) {
	h := New(t, make())
	for _, f := range busy {
		h.Send(f())
	}
	ordered, _ := unknown(30)
	h.Send(ordered...)
	err := h.End()
	if err != nil {
		t.Errorf("an orderly end failed: %v", err)
	}
	end := -1
	all := h.All()
	for i, f := range all {
		if _, ok := f.(*frames.End); ok {
			end = i
		}
	}
	if end < 0 {
		t.Errorf("End did not come out")
		return
	}
	for _, f := range ordered {
		if i := slices.Index(all, f); i < 0 || i > end {
			t.Errorf("%v, sent before End, did not come out before it", frames.Name(f))
			return
		}
	}
}

func passesStop(t T, make func() pipeline.Processor, busy []func() frames.Frame) {
	h := New(t, make())
	for _, f := range busy {
		h.Send(f())
	}
	before, after := &unknownData{n: 1}, &unknownData{n: 2}
	stop := &frames.Stop{Reason: "check"}
	h.Send(before, stop)
	h.come(h.tail, "a frame before Stop", []frames.Frame{before})
	if f := next[*frames.Stop](h, h.tail); f != stop {
		t.Errorf("%v came out instead of the Stop that was sent", f)
	}
	h.Send(after)
	h.come(h.tail, "a frame after Stop", []frames.Frame{after})
}

func survivesInterruption(t T, make func() pipeline.Processor, busy []func() frames.Frame) {
	h := New(t, make())
	for i := range 5 {
		for _, f := range busy {
			h.Send(f())
		}
		h.Interrupt("check")
		f := &unknownData{n: i}
		h.Send(f)
		h.come(h.tail, "a frame after an interruption", []frames.Frame{f})
	}
	if err := h.End(); err != nil {
		t.Errorf("an orderly end after interruptions failed: %v", err)
	}
}

func keepsUninterruptible(t T, make func() pipeline.Processor, busy []func() frames.Frame) {
	h := New(t, make())
	var want []frames.Frame
	for i := range 20 {
		f := &unknownLasting{n: i}
		want = append(want, f)
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		err := errors.Join(h.pipeline.Send(ctx, busy[i%len(busy)]()), h.pipeline.Send(ctx, f))
		cancel()
		if err != nil && !errors.Is(err, pipeline.ErrInterrupted) {
			t.Errorf("send: %v", err)
			return
		}
		if i%5 == 4 {
			h.pipeline.Interrupt("check")
		}
	}
	h.settle()
	h.come(h.tail, "an uninterruptible frame", want)
}

// soon is how quickly a processor has to let go of what it does.
const soon = time.Second

func returnsAfterInterruption(t T, make func() pipeline.Processor, busy []func() frames.Frame) {
	h := New(t, make())
	for i, f := range busy {
		h.Send(f())
		h.Advance(time.Duration(i) * 7 * time.Millisecond)
		h.Interrupt("check")
		begin := time.Now()
		mark := &unknownData{n: i}
		h.Send(mark)
		h.come(h.tail, "a frame after an interruption", []frames.Frame{mark})
		if took := time.Since(begin); took > soon {
			t.Errorf("it took %v after an interruption to pass on a frame; it was busy with %v", took, frames.Name(f()))
		}
	}
}

func returnsAfterCancel(t T, make func() pipeline.Processor, busy []func() frames.Frame) {
	for i := range busy {
		h := NewWith(t, pipeline.Config{CancelTimeout: soon}, make())
		for _, f := range busy[:i+1] {
			h.Send(f())
		}
		h.Advance(time.Duration(i) * 11 * time.Millisecond)
		begin := time.Now()
		if err := h.Cancel(); err != nil {
			t.Errorf("a cancellation failed: %v", err)
			time.Sleep(Patience) // what is left may still return
			return
		}
		if took := time.Since(begin); took > soon {
			t.Errorf("it took %v to return after a cancellation, want at most %v", took, soon)
		}
	}
}

// dam stops ordered frames on their way downstream.
type dam struct{ open chan struct{} }

func (d *dam) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if isOrdered(f) && dir == frames.Downstream {
		select {
		case <-d.open:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return out.Send(ctx, f, dir)
}

// doubler sends a second frame behind each ordered one. Where it is inline, whoever
// sends the first waits for room for both, which the engine does not foresee.
type doubler struct{ _ byte }

func (*doubler) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	err := out.Send(ctx, f, dir)
	if err != nil || dir == frames.Upstream || f.Class() == frames.SystemClass {
		return err
	}
	return out.Send(ctx, &unknownLasting{}, dir)
}

func returnsFromSend(t T, make func() pipeline.Processor, busy []func() frames.Frame) {
	h := NewWith(t, pipeline.Config{QueueSize: 1, CancelTimeout: soon}, make(), pipeline.Inline(&doubler{}), &dam{open: nil})
	full := 0
	for i := 0; i < 100 && full == 0; i++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if h.pipeline.Send(ctx, busy[i%len(busy)]()) != nil || h.pipeline.Send(ctx, &unknownLasting{n: i}) != nil {
			full++
		}
		cancel()
	}
	h.settle()
	if err := h.Cancel(); err != nil {
		t.Errorf("a cancellation failed while the next processor took no frames: %v", err)
		time.Sleep(Patience)
	}
}

func changesNothing(t T, make func() pipeline.Processor, busy []func() frames.Frame) {
	h := New(t, make())
	var sent []frames.Frame
	var before []string
	for range 3 {
		for _, next := range busy {
			f := next()
			sent = append(sent, f)
			before = append(before, content(f))
			h.Send(f)
		}
	}
	for _, next := range busy {
		if f := next(); f.Class() == frames.SystemClass {
			sent = append(sent, f)
			before = append(before, content(f))
			h.SendUp(f)
		}
	}
	h.Advance(10 * time.Second)
	_ = h.Cancel() // what it returns is the concern of another rule
	for i, f := range sent {
		if after := content(f); after != before[i] {
			t.Errorf("it changed %v, which others may hold: from %.200s to %.200s", frames.Name(f), before[i], after)
			return
		}
	}
}

// content prints all exported fields of a frame, audio included.
func content(f frames.Frame) string {
	v := reflect.ValueOf(f).Elem()
	var b strings.Builder
	var print func(v reflect.Value)
	print = func(v reflect.Value) {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			if field.Anonymous && field.Type.Kind() == reflect.Struct {
				print(v.Field(i))
				continue
			}
			fmt.Fprintf(&b, "%s=%v ", field.Name, v.Field(i).Interface())
		}
	}
	print(v)
	return b.String()
}

func leavesNothing(t T, make func() pipeline.Processor, busy []func() frames.Frame) {
	for _, end := range []func(*Harness) error{(*Harness).End, (*Harness).Cancel} {
		h := New(t, make())
		for _, f := range busy {
			h.Send(f())
		}
		h.Interrupt("check")
		for _, f := range busy {
			h.Send(f())
		}
		_ = end(h) // what it returns is the concern of other rules
		if leaks := Leaks(); len(leaks) > 0 {
			t.Errorf("%d goroutines were left behind when Run had returned, the first:\n%s", len(leaks), leaks[0])
			return
		}
	}
}
