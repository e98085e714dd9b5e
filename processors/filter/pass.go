package filter

import (
	"context"
	"errors"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// essential reports whether a pipeline needs f to run, to end or to tell that it
// fails.
func essential(f frames.Frame) bool {
	switch f.(type) {
	case *frames.Start, *frames.End, *frames.Stop, *frames.Cancel, *frames.Interruption, *frames.Heartbeat, *frames.Error:
		return true
	}
	return false
}

// where is a filter by a function. It has no state, so it runs on its
// neighbour's goroutine.
type where struct {
	name string
	keep func(f frames.Frame, dir frames.Direction) bool
}

func (w *where) Name() string { return w.name }

// Start refuses a filter that has nothing to ask.
func (w *where) Start(context.Context, *pipeline.Port) error {
	if w.keep == nil {
		return errors.New("configure filter: there is no function that tells what to keep: give Where one")
	}
	return nil
}

func (w *where) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if !essential(f) && !w.keep(f, dir) {
		return nil
	}
	return out.Send(ctx, f, dir)
}

// Where makes a processor that passes on the frames, in either direction, for
// which keep returns true, and drops the others. keep is called by several
// goroutines at once and must return soon; it must not change f. It is not asked
// about the frames that always pass.
func Where(keep func(f frames.Frame, dir frames.Direction) bool) pipeline.Processor {
	return pipeline.Inline(&where{"filter", keep})
}

// Keep makes a processor that passes on downstream frames of type T, an
// interface or a pointer to a frame, and drops the others. Upstream, everything
// passes.
func Keep[T frames.Frame]() pipeline.Processor {
	return pipeline.Inline(&where{"keep", func(f frames.Frame, dir frames.Direction) bool {
		_, ok := f.(T)
		return ok || dir == frames.Upstream
	}})
}

// Drop makes a processor that drops downstream frames of type T, and passes on
// the others. Upstream, everything passes.
func Drop[T frames.Frame]() pipeline.Processor {
	return pipeline.Inline(&where{"drop", func(f frames.Frame, dir frames.Direction) bool {
		_, ok := f.(T)
		return !ok || dir == frames.Upstream
	}})
}
