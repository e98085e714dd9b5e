package pipeline

import (
	"context"

	"github.com/parley-go/parley/frames"
)

// A generation is the time between two interruptions. The run points to the
// present one; an interruption replaces the pointer, and that is all that it
// has to do for every frame in every queue to be out of date.
type generation struct {
	number uint32
	ctx    *generationContext
	cancel context.CancelCauseFunc
	frame  *frames.Interruption // what began it; nil for the first

	// refuses is why no frame can be sent: not yet started, or over. It is
	// here so that Send needs to load no more than this one pointer.
	refuses error
}

// generationContext is the context of a generation. That it is a type of its
// own lets Send see at a glance which generation a frame belongs to.
type generationContext struct {
	context.Context
	run *run
	gen *generation
}

// runContext is the context of a run.
type runContext struct {
	context.Context
	run *run
}

// Keys by which the two are found under contexts that were derived from them.
type (
	generationKey struct{}
	runKey        struct{}
)

func (c *generationContext) Value(key any) any {
	switch key.(type) {
	case generationKey:
		return c.gen
	case runKey:
		return c.run
	}
	return c.Context.Value(key)
}

func (c *runContext) Value(key any) any {
	switch key.(type) {
	case generationKey:
		return nil // tied to no generation
	case runKey:
		return c.run
	}
	return c.Context.Value(key)
}

func newGeneration(r *run, number uint32, frame *frames.Interruption) *generation {
	ctx, cancel := context.WithCancelCause(r.ctx)
	g := &generation{number: number, cancel: cancel, frame: frame}
	g.ctx = &generationContext{Context: ctx, run: r, gen: g}
	return g
}

// generationOf returns the generation that what is sent with ctx belongs to, to
// be compared by its number, or nil if it is always the present one.
func (r *run) generationOf(ctx context.Context) *generation {
	switch c := ctx.(type) {
	case *generationContext:
		if c.run == r {
			return c.gen
		}
		return nil
	case *runContext:
		return nil
	}
	g, _ := ctx.Value(generationKey{}).(*generation)
	if g == nil || g.ctx.run != r {
		return nil
	}
	return g
}

// survives reports whether an interruption must not drop f, an ordered frame.
func survives(f frames.Frame) bool {
	return !frames.Interruptible(f)
}
