package pipeline

import (
	"context"
	"errors"
	"reflect"

	"github.com/parley-go/parley/frames"
)

// errNotFlattened is returned by the processors that stand for a structure,
// where they are used outside of a pipeline.
var errNotFlattened = errors.New("chains, branches and switches work only as arguments of pipeline.New, Run, Chain, Parallel, Switch: their Process cannot be called")

// structure is a processor that stands for several. The engine replaces it by
// nodes and never calls its Process.
type structure struct{}

func (structure) Process(context.Context, frames.Frame, frames.Direction, *Port) error {
	return Fatal(errNotFlattened)
}

type chain struct {
	structure
	processors []Processor
}

// Chain makes one processor of several in a row: a part of a pipeline that has
// a name of its own in the program. It costs nothing: the engine sees only its
// members. An empty chain lets everything pass.
func Chain(processors ...Processor) Processor {
	return &chain{processors: processors}
}

type inline struct {
	structure
	processor Processor
}

// Inline lets p run on the goroutines of its neighbours, without queues of its
// own: a hop through it costs a function call. p must not wait, must be safe
// for concurrent use, since frames come from both sides and of both lanes at
// once, and must not answer frames which go upstream with data or control
// frames that go downstream: that could wait for the very goroutine on which
// it runs, so that such a frame is refused with an [OverflowError] when the
// neighbour's queue is full. Interruptions are delivered to it as well, not
// ordered with its frames.
//
// Inline of a [Chain] is Inline of each of its members, and the function of an
// inline [On] must be safe for concurrent use as well. The first processor of a
// pipeline keeps its queues. Run fails if p is a [SystemProcessor], a [Parallel]
// or a [Switch], which cannot do without.
func Inline(p Processor) Processor { return &inline{processor: p} }

// On makes a processor of a function for one type of frame: only frames of
// type T reach fn, in either direction; all others flow past it. It is the
// recommended form of a small processor.
//
//	shout := pipeline.On(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
//		return out.Send(ctx, &frames.Text{Text: strings.ToUpper(f.Text)}, dir)
//	})
//
// Frames of T's own lane keep their order and so wait while fn is busy; those
// of the other lane do not. fn is never called by two goroutines at once,
// unless T is an interface that both system and other frames implement, or the
// processor is [Inline]. It
// sends f on if f shall go on. With T = *[frames.Interruption] fn is told of
// interruptions.
func On[T frames.Frame](fn func(ctx context.Context, f T, dir frames.Direction, out *Port) error) Processor {
	return &on[T]{fn: fn}
}

type on[T frames.Frame] struct {
	fn func(ctx context.Context, f T, dir frames.Direction, out *Port) error
}

func (o *on[T]) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *Port) error {
	if own, ok := f.(T); ok {
		return o.fn(ctx, own, dir, out)
	}
	return out.Send(ctx, f, dir)
}

func (o *on[T]) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *Port) error {
	return o.Process(ctx, f, dir, out)
}

// sameForBothLanes says that it is a SystemProcessor only so as not to hold up
// one lane for the other; Inline has none.
func (o *on[T]) sameForBothLanes() {}

// Name returns, for instance, "On[*frames.Text]".
func (o *on[T]) Name() string { return "On[" + reflect.TypeFor[T]().String() + "]" }
