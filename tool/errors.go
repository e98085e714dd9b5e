package tool

import (
	"errors"
	"fmt"
	"strings"
)

// Failures of a call, for errors.Is on [Result.Err]. A failure that is none of
// these (nor an [*ArgumentsError] or a [*PanicError]) is the error that the
// function itself returned.
var (
	ErrUnknown   = errors.New("there is no such tool")                 // the model asked for a tool which is not in the set
	ErrArguments = errors.New("the arguments do not fit")              // see ArgumentsError
	ErrTimeout   = errors.New("the tool took too long")                // see Timeout
	ErrCanceled  = errors.New("the call was cancelled")                // the context given to Call was
	ErrBusy      = errors.New("the tool is busy")                      // too many calls that ran out of time are still running
	ErrPanic     = errors.New("the tool panicked")                     // see PanicError
	ErrResult    = errors.New("the result cannot be given to a model") // not JSON, or larger than MaxResult
)

// ArgumentsError tells why arguments were refused. It matches [ErrArguments].
type ArgumentsError struct {
	Problems []Problem // at least one, at most maxProblems
}

// Problem is one thing that is wrong with arguments.
type Problem struct {
	Field  string // as in "address.lines[2]"; empty for the arguments as a whole
	Reason string // "is missing", "must be a string, not 3", …
}

// String returns the field and the reason.
func (p Problem) String() string {
	if p.Field == "" {
		return p.Reason
	}
	return p.Field + " " + p.Reason
}

// Error lists all problems.
func (e *ArgumentsError) Error() string {
	list := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		list[i] = p.String()
	}
	return ErrArguments.Error() + ": " + strings.Join(list, "; ")
}

// Is makes an ArgumentsError match [ErrArguments].
func (e *ArgumentsError) Is(target error) bool { return target == ErrArguments }

// PanicError holds what a function panicked with. It matches [ErrPanic].
type PanicError struct {
	Value any    // what was given to panic; nil if the function ended its goroutine instead
	Stack []byte // of the goroutine that panicked
}

// Error tells the value, not the stack.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return ErrPanic.Error() + ": its goroutine was ended by runtime.Goexit"
	}
	return fmt.Sprintf("%v: %v", ErrPanic, e.Value)
}

// Is makes a PanicError match [ErrPanic].
func (e *PanicError) Is(target error) bool { return target == ErrPanic }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
