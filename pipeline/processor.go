package pipeline

import (
	"context"

	"github.com/parley-go/parley/frames"
)

// Processor handles frames, one at a time. It is all that a processor has to
// implement; [Starter], [Runner], [Closer], [Namer] and [SystemProcessor] are
// there for those that need more.
//
// A frame that is not meant for this processor is passed on as it is:
//
//	func (g Gain) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
//		if a, ok := f.(*frames.AudioOutput); ok && dir == frames.Downstream {
//			f = g.apply(a)
//		}
//		return out.Send(ctx, f, dir)
//	}
//
// Rules, which pipelinetest.Check tests:
//
//   - Process is not called by two goroutines at once (unless the processor is a
//     [SystemProcessor], or wrapped by [Inline]); the frames of each lane come in
//     the order in which they were sent.
//   - ctx is cancelled when the run is, and, while an interruptible frame is
//     handled, by an interruption. Process must return soon after, and what it
//     still sends with that ctx is dropped, but for system and uninterruptible
//     frames.
//   - Process may take its time: what comes behind waits, and fills the bounded
//     queue, until the sender waits too. Interruptions are not held up by that,
//     but system frames are; see [SystemProcessor]. So that the next queue, if it
//     is full, does not hold them up as well, an ordered frame that goes
//     downstream is not handled before there is room for one. What Process sends
//     beyond one for each, or with a goroutine of its own beside it, may wait.
//   - Process must not keep out beyond the run, nor change f.
//   - Frames it does not know must be passed on, in the same direction.
//   - [frames.End] is passed on when everything before it has been dealt with.
//     [frames.Interruption] need not be passed on: the engine tells everybody,
//     and one that is sent on goes nowhere. [frames.Cancel] never arrives.
//
// An error that Process returns is reported upstream as a [frames.Error] with
// the processor's name, and the run goes on, unless the error is fatal (see
// [Fatal]). A panic is recovered and is fatal for this run.
type Processor interface {
	Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *Port) error
}

// SystemProcessor is a processor whose ordered work may take long: a service
// that waits for its peer in Process, an output that plays in real time. Its
// system frames are given to ProcessSystem, on a goroutine of their own,
// concurrently with Process, which gets the ordered ones. The two share state
// only with locks.
type SystemProcessor interface {
	Processor
	ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *Port) error
}

// Starter is a processor that has something to open before the first frame: a
// connection, a device, a file. All processors of a pipeline start
// concurrently; ctx ends with the deadline for starting. What it opens is
// closed by its Close, which is called only after Start has returned nil.
// Frames can be sent only from Run and Process, not yet from Start.
type Starter interface {
	Start(ctx context.Context, out *Port) error
}

// Runner is a processor that does things of its own accord: it reads a
// microphone, a socket, a service's stream. Run is called on a goroutine of
// its own once every processor has seen [frames.Start]. It may send frames
// until it returns, and returns soon after ctx is cancelled, which happens when
// the run ends. A nil return while the run goes on means that it has nothing
// more to do of its own accord; an error is fatal.
type Runner interface {
	Run(ctx context.Context, out *Port) error
}

// Closer is a processor that has something to close. Close is called once, when
// the run is over and no other method of the processor is running, or when it
// could not be stopped in time; ctx ends with the deadline for closing. Where
// the processor is also a [Starter], Close is called only if Start has returned
// nil; otherwise always, if the run began at all.
type Closer interface {
	Close(ctx context.Context) error
}

// Namer is a processor that chooses its own name in errors, statistics and
// traces. Others are named after their type. Where two have the same name, the
// second is "name#2".
type Namer interface {
	Name() string
}

// Exclusive is a processor of whose kind a second one behind it could not work: the input
// of a caller, whose positions are those of a track, or an output, which plays what
// there is to be played. Exclusive returns the kind, as "input of the track \"caller\"".
// [Pipeline.Run] fails where two of a kind are in one row; branches of a [Parallel]
// or a [Switch] may have one each.
type Exclusive interface {
	Exclusive() string
}

// Func makes a processor of a function that gets every frame.
type Func func(ctx context.Context, f frames.Frame, dir frames.Direction, out *Port) error

// Process calls fn.
func (fn Func) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *Port) error {
	return fn(ctx, f, dir, out)
}
