package pipeline

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-go/parley/frames"
)

var (
	// ErrInterrupted is returned by Send for a frame that an interruption has
	// made unwanted, and is the cause of a context that an interruption
	// cancelled. A processor gives up what it was doing and returns it, or nil:
	// it is never reported as a failure.
	ErrInterrupted = errors.New("pipeline: interrupted")

	// ErrCancelled is returned by Send when the run is over, and is the cause of
	// the contexts that ended with it. It is never reported as a failure.
	ErrCancelled = errors.New("pipeline: the run is over")

	// ErrNotStarted is returned by Send from a processor's Start.
	ErrNotStarted = errors.New("pipeline: no frame can be sent before the pipeline has started")

	// ErrAlreadyRun is returned by the second Run of one Pipeline.
	ErrAlreadyRun = errors.New("pipeline: Run was called before; make a new pipeline for each run")

	// ErrStartTimeout is matched by the error of a run whose processors did not
	// start in time.
	ErrStartTimeout = errors.New("start timed out")

	// ErrEndTimeout is matched by the error of a run that did not end in time
	// after an end was asked for, and was cancelled.
	ErrEndTimeout = errors.New("end timed out")

	// ErrStuck is matched by every [StuckError].
	ErrStuck = errors.New("stuck")

	// ErrUnhandled is matched by the error that tells of a [frames.Command] which has
	// left the pipeline: no processor does what it asks for. It is reported once
	// for each type of frame.
	ErrUnhandled = errors.New("nobody did what was asked for")

	// ErrSendFromInside is returned by the Send of a [Pipeline] which is called
	// with the context of one of its own processors: waiting for the head of
	// one's own pipeline could wait for ever.
	ErrSendFromInside = errors.New("pipeline: a processor sends with its port, not with the pipeline's Send")

	errNilFrame = errors.New("pipeline: a nil frame cannot be sent")
)

// Error is a failure of a processor: what Run returns when it was fatal, and
// what [Fatal] and [Classify] make.
type Error struct {
	Processor string            // who failed; empty until the engine knows
	Class     frames.ErrorClass // what kind of failure it is
	Fatal     bool              // the run cannot go on
	Err       error             // never nil
}

// Error returns the text of Err, after the processor's name if there is one.
func (e *Error) Error() string {
	if e.Processor == "" {
		return e.Err.Error()
	}
	return e.Processor + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Fatal marks err as one after which the run cannot go on: returned by Process
// or given to [Port.Report], it ends the run, or makes a [Switch] use another
// service. It keeps the class. Fatal(nil) is nil.
func Fatal(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Class: classOf(err), Fatal: true, Err: err}
}

// Classify says what kind of failure err is, for the [frames.Error] that
// reports it. Classify of nil is nil. Errors of other packages classify
// themselves with a method ErrorClass() frames.ErrorClass.
func Classify(class frames.ErrorClass, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Class: class, Fatal: isFatal(err), Err: err}
}

func classOf(err error) frames.ErrorClass {
	var own *Error
	if errors.As(err, &own) && own.Class != frames.ErrorUnknown {
		return own.Class
	}
	var other interface{ ErrorClass() frames.ErrorClass }
	if errors.As(err, &other) {
		return other.ErrorClass()
	}
	return frames.ErrorUnknown
}

func isFatal(err error) bool {
	var own *Error
	return errors.As(err, &own) && own.Fatal
}

// PanicError is a panic of a processor, recovered. It is fatal.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // the goroutine's stack, as runtime/debug.Stack prints it
}

// Error returns one line, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Stuck says what one processor is stuck in.
type Stuck struct {
	Processor string
	Doing     string        // "Text#12 in Process", "Run", "Start", "Close", …
	For       time.Duration // since when; at least one frame's time too long where frames are quick
}

// StuckError names the processors that did not do what they had to do in time.
// It matches [ErrStuck].
type StuckError struct {
	What       string // what was waited for: "stop", "pass on End", …
	Within     time.Duration
	Processors []Stuck
}

// Error names every stuck processor, on one line.
func (e *StuckError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "did not %s within %v: ", e.What, e.Within)
	if len(e.Processors) == 0 {
		b.WriteString("no processor holds it, so somebody dropped it on its way")
	}
	for i, p := range e.Processors {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Processor)
		if p.Doing != "" {
			fmt.Fprintf(&b, " (%s for %v)", p.Doing, p.For.Round(time.Millisecond))
		}
	}
	return b.String()
}

// Is reports whether target is [ErrStuck].
func (e *StuckError) Is(target error) bool { return target == ErrStuck }

// OverflowError is returned by Send, and ends the run, when a lane that never
// makes its sender wait is full of frames that may not be dropped. Such a lane
// holds a thousand frames, so its processor is stuck, or answers every frame
// with several.
type OverflowError struct {
	Processor string // whose lane is full
	Lane      string // "system" or "upstream"
	Capacity  int    // in frames
	Doing     string // what its goroutine is busy with; empty if it is between two frames
	For       time.Duration
}

// Error says who does not keep up, and what it is busy with.
func (e *OverflowError) Error() string {
	doing := "it does not keep up"
	if e.Doing != "" {
		doing = fmt.Sprintf("it has been in %s for %v", e.Doing, e.For.Round(time.Millisecond))
	}
	return fmt.Sprintf("the %s lane of %s is full (%d frames): %s", e.Lane, e.Processor, e.Capacity, doing)
}
