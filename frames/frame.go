package frames

import (
	"fmt"
	"reflect"
	"sync/atomic"
)

// Frame is one message in a pipeline. Types become frames by embedding
// [System], [Data] or [Control]; the interface cannot be implemented otherwise.
//
// Frames are pointers, and immutable once sent (see the package comment).
type Frame interface {
	// Class says in which lane the frame travels and whether an interruption
	// drops it.
	Class() Class

	// ID identifies the frame within one run of a pipeline: 1 is the first
	// frame that was sent in it. It is 0 until the frame is sent.
	ID() uint64

	// String describes the frame for a log or a test failure in one line. It
	// must not reveal more than its reader may know: audio is described by
	// its format and length.
	String() string

	head() *header
}

// Command is a frame that asks for something to be done, and that whoever does it
// keeps. So one that leaves the pipeline downstream was done by nobody: the engine
// reports that (pipeline.ErrUnhandled) instead of letting it vanish, once for each
// type of frame in a run.
type Command interface {
	Frame

	// Unhandled says which frame it is that nobody can do anything with, and how to
	// mend that. It is told to the application, and must not reveal more than
	// String does.
	Unhandled() string
}

// Class is one of the three kinds of frame.
type Class uint8

const (
	SystemClass  Class = iota + 1 // overtakes, survives an interruption
	DataClass                     // ordered content, dropped by an interruption
	ControlClass                  // ordered, about the content, dropped by an interruption
)

// String returns "system", "data" or "control".
func (c Class) String() string {
	switch c {
	case SystemClass:
		return "system"
	case DataClass:
		return "data"
	case ControlClass:
		return "control"
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}

// Direction is the way that a frame travels through a pipeline.
type Direction uint8

const (
	Downstream Direction = iota // from the source to the sink: from caller to agent's voice
	Upstream                    // from the sink to the source: errors, playout, acknowledgements
)

// String returns "downstream" or "upstream".
func (d Direction) String() string {
	if d == Upstream {
		return "upstream"
	}
	return "downstream"
}

// Opposite returns the other direction.
func (d Direction) Opposite() Direction { return d ^ 1 }

// header is what all frames have. It holds an atomic, so that go vet objects
// to copying a frame: a copy would be a second frame with the same identity.
type header struct {
	id   atomic.Uint64
	kept atomic.Bool // see Keep
}

func (h *header) ID() uint64    { return h.id.Load() }
func (h *header) head() *header { return h }

// System is embedded by frames that overtake and survive an interruption.
type System struct{ header }

// Class returns [SystemClass].
func (*System) Class() Class { return SystemClass }

// String is for types that have none of their own.
func (s *System) String() string { return fmt.Sprintf("system frame #%d", s.ID()) }

// Data is embedded by frames of ordered content.
type Data struct{ header }

// Class returns [DataClass].
func (*Data) Class() Class { return DataClass }

// String is for types that have none of their own.
func (d *Data) String() string { return fmt.Sprintf("data frame #%d", d.ID()) }

// Control is embedded by ordered frames about the content.
type Control struct{ header }

// Class returns [ControlClass].
func (*Control) Class() Class { return ControlClass }

// String is for types that have none of their own.
func (c *Control) String() string { return fmt.Sprintf("control frame #%d", c.ID()) }

// Uninterruptible is embedded, beside [Data] or [Control], by frames that an
// interruption must not drop: they stay in the queue, in order.
type Uninterruptible struct{}

// SurvivesInterruption marks the type. See [Interruptible].
func (Uninterruptible) SurvivesInterruption() {}

// Keep says of one frame, before it is sent, what [Uninterruptible] says of a type,
// and returns it: for a [Text], say, with what the caller has entered, when most
// may be dropped.
func Keep(f Frame) Frame {
	f.head().kept.Store(true)
	return f
}

// Interruptible reports whether an interruption drops f where it is queued:
// data and control frames, unless they embed [Uninterruptible] or are kept
// ([Keep]).
func Interruptible(f Frame) bool {
	if f.Class() == SystemClass || f.head().kept.Load() {
		return false
	}
	_, survives := f.(interface{ SurvivesInterruption() })
	return !survives
}

// Realtime is embedded by frames which are worthless when late, such as live
// audio from a microphone. Where a lane that never makes its sender wait is
// full, the oldest realtime frame in it is dropped, and counted, to make room.
type Realtime struct{}

// WorthlessWhenLate marks the type. See [IsRealtime].
func (Realtime) WorthlessWhenLate() {}

// IsRealtime reports whether f may be dropped from a full lane.
func IsRealtime(f Frame) bool {
	_, ok := f.(interface{ WorthlessWhenLate() })
	return ok
}

// Barrier is embedded by frames that tell those behind them that what came before has
// been dealt with: where parallel branches meet they go on when they have come out of
// all of them, and not of the first. The engine's own such frames, [Start], [End], [Stop]
// and [Heartbeat], do so without it, and downstream only.
type Barrier struct{}

// WaitsForAllBranches marks the type. See [IsBarrier].
func (Barrier) WaitsForAllBranches() {}

// IsBarrier reports whether f embeds [Barrier].
func IsBarrier(f Frame) bool {
	_, ok := f.(interface{ WaitsForAllBranches() })
	return ok
}

// Stamp gives f its identity from the counter next, unless it has one, and
// returns it. Pipelines call it; processors have no need to.
func Stamp(f Frame, next *atomic.Uint64) uint64 {
	h := f.head()
	if id := h.id.Load(); id != 0 {
		return id
	}
	id := next.Add(1)
	if h.id.CompareAndSwap(0, id) {
		return id
	}
	return h.id.Load()
}

// Name returns the frame's type and identity: "AudioInput#12". Frames of
// other packages are named with their package: "mood.Sentiment#7".
func Name(f Frame) string {
	t := reflect.TypeOf(f)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := t.Name()
	if t.PkgPath() != reflect.TypeFor[System]().PkgPath() {
		name = t.String()
	}
	return fmt.Sprintf("%s#%d", name, f.ID())
}
