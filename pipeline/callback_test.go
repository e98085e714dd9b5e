package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// expectPanic fails the test unless err is the panic of a callback.
func expectPanic(t *testing.T, err error, callback string) {
	t.Helper()
	var failed *pipeline.Error
	var panicked *pipeline.PanicError
	if !errors.As(err, &failed) || failed.Processor != callback || !failed.Fatal || !errors.As(err, &panicked) || panicked.Value != "oops" {
		t.Errorf("Run returned %v, want the panic in %s", err, callback)
	}
}

func TestAPanicInActivityEndsTheRun(t *testing.T) {
	for name, c := range map[string]struct {
		at func(frames.Frame) bool
		do func(r *running)
	}{
		"about Start": {
			func(f frames.Frame) bool { _, ok := f.(*frames.Start); return ok },
			func(*running) {},
		},
		"about a frame from outside": {
			func(f frames.Frame) bool { _, ok := f.(*probe); return ok },
			func(r *running) { _ = r.Send(context.Background(), &probe{}) },
		},
		"about an interruption": {
			func(f frames.Frame) bool { _, ok := f.(*frames.Interruption); return ok },
			func(r *running) { r.Interrupt("test") },
		},
		"about End": {
			func(f frames.Frame) bool { _, ok := f.(*frames.End); return ok },
			func(r *running) { r.End("test") },
		},
	} {
		inVirtualTime(t, name, func(t *testing.T) {
			begin := time.Now()
			r := start(t, pipeline.Config{IdleTimeout: time.Hour, Activity: func(f frames.Frame) bool {
				if c.at(f) {
					panic("oops")
				}
				return false
			}}, pass(), pass())
			c.do(r)
			expectPanic(t, r.result(), "Activity")
			if took := time.Since(begin); took != 0 {
				t.Errorf("it took %v, want no time at all", took)
			}
		})
	}
}

func TestAPanicInFailOverEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := service("a", func() error { return errors.New("out of service") })
		r := start(t, pipeline.Config{}, pass(), pipeline.Switch(pipeline.SwitchConfig{
			FailOver: func(*frames.Error) bool { panic("oops") },
		}, fails, service("b", func() error { return nil })))
		r.send(&probe{})
		expectPanic(t, r.result(), "FailOver")
	})
}

// nameless is a processor that panics when asked for its name.
type nameless struct{ recorder }

func (*nameless) Name() string { panic("oops") }

func TestAPanicInNameIsAnErrorOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, pipeline.Config{}, pass(), &nameless{})
		err := r.result()
		var panicked *pipeline.PanicError
		if !errors.As(err, &panicked) || !strings.Contains(err.Error(), "processor 2, a *pipeline_test.nameless, has no name: panic: oops") {
			t.Errorf("Run returned %v, want which processor has no name and why", err)
		}
	})
}
