package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Call calls the tool with the arguments that a model gave, and returns when
// the function has, or when its time is over or ctx is cancelled, whichever
// comes first. It never panics. It may be called by several goroutines at once.
func (t Tool) Call(ctx context.Context, args json.RawMessage) Result {
	start := time.Now()
	r := t.do(ctx, args)
	r.Elapsed = time.Since(start)
	return r
}

// maxAbandoned is how many calls of one tool may go on after they were given
// up. A model that tries again and again would otherwise pile them up.
const maxAbandoned = 16

// outcome is what came of the function itself.
type outcome struct {
	value any
	json  json.RawMessage
	err   error
}

func (t Tool) do(ctx context.Context, args json.RawMessage) Result {
	d := t.def
	if d == nil {
		return failure("", ErrUnknown, "this tool does not exist")
	}
	if ctx.Err() != nil {
		return t.result(ctx, outcome{err: context.Cause(ctx)})
	}
	mended, err := d.schema.mend(args)
	if err != nil {
		return failure(d.name, err, err.Error())
	}
	if n := d.abandoned.Load(); n >= maxAbandoned {
		return failure(d.name, fmt.Errorf("%w: %d calls that ran out of time are still running", ErrBusy, n), d.name+" is still busy with earlier calls: do not call it again now")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.options.timeout, ErrTimeout)
	defer cancel()

	done := make(chan outcome, 1)
	var state atomic.Int32 // who is first: the function that returns, or Call that gives up
	go func() {
		defer func() {
			if !state.CompareAndSwap(running, returned) {
				d.abandoned.Add(-1)
			}
		}()
		d.run(ctx, mended, done)
	}()
	select {
	case o := <-done:
		return t.result(ctx, o)
	case <-ctx.Done():
	}
	select {
	case o := <-done: // it was in time after all, or heeds its context
		return t.result(ctx, o)
	default:
	}
	d.abandoned.Add(1)
	if !state.CompareAndSwap(running, givenUp) {
		d.abandoned.Add(-1) // it returned meanwhile
	}
	return t.result(ctx, outcome{err: context.Cause(ctx)})
}

const (
	running = iota
	returned
	givenUp
)

// run calls the function, encodes what it returns and sends the outcome, within
// reach of recover: both run code of the application.
func (d *definition) run(ctx context.Context, args json.RawMessage, done chan<- outcome) {
	// What is sent unless the function returns: recover gives nil where it
	// has called runtime.Goexit, as testing's FailNow does.
	o := outcome{err: &PanicError{}}
	defer func() {
		if v := recover(); v != nil {
			o = outcome{err: &PanicError{Value: v, Stack: debug.Stack()}}
		}
		done <- o
	}()
	value, err := d.call(ctx, args)
	var text json.RawMessage
	if err == nil {
		text, err = object(value, d.options.maxResult)
	}
	o = outcome{value: value, json: text, err: err}
}

// result makes the Result of an outcome. ctx is that of the call.
func (t Tool) result(ctx context.Context, o outcome) (r Result) {
	name := t.def.name
	defer func() {
		// An error of the application has methods of its own, which are
		// called here.
		if v := recover(); v != nil {
			r = failure(name, &PanicError{Value: v, Stack: debug.Stack()}, crashed(name))
		}
	}()
	var arguments *ArgumentsError
	switch cause := context.Cause(ctx); {
	case o.err == nil:
		return Result{Tool: name, Value: o.value, JSON: o.json}
	case errors.Is(o.err, ErrPanic):
		return failure(name, o.err, crashed(name))
	case errors.Is(o.err, ErrResult):
		return failure(name, o.err, name+" gave a result that cannot be read.")
	case errors.As(o.err, &arguments):
		return failure(name, o.err, arguments.Error())
	case cause == ErrTimeout && (errors.Is(o.err, ErrTimeout) || errors.Is(o.err, context.DeadlineExceeded)):
		err := fmt.Errorf("%w: more than %v", ErrTimeout, t.def.options.timeout)
		return failure(name, err, fmt.Sprintf("%s did not answer within %v.", name, t.def.options.timeout))
	case cause != nil && cause != ErrTimeout && (errors.Is(o.err, cause) || errors.Is(o.err, context.Canceled) || errors.Is(o.err, context.DeadlineExceeded)):
		return failure(name, fmt.Errorf("%w: %w", ErrCanceled, cause), "the call of "+name+" was cancelled.")
	}
	message := o.err.Error()
	if message == "" {
		message = name + " failed."
	}
	return failure(name, o.err, message)
}

func crashed(name string) string { return name + " crashed and gave no result." }
