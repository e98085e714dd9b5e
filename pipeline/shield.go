package pipeline

import (
	"errors"
	"runtime/debug"

	"github.com/parley-go/parley/frames"
)

// protect calls fn and returns its panic, or nil. Every function of a
// configuration is called through it, since on whose goroutine and under which
// locks that happens is none of the application's business.
func protect(fn func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	fn()
	return nil
}

// shield turns a panic into an error.
func (r *run) shield(n *node, fn func() error) (err error) {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			p := &PanicError{Value: v, Stack: debug.Stack()}
			n.logger.Error("processor panicked", "panic", v, "stack", string(p.Stack))
			err = &Error{Class: frames.ErrorApplication, Fatal: true, Err: p}
		} else if !returned {
			r.stop(outcome{err: &Error{Processor: n.name, Class: frames.ErrorApplication, Fatal: true, Err: errGoexit}})
		}
	}()
	err = fn()
	returned = true
	return err
}

var errGoexit = errors.New("it ended its goroutine, by runtime.Goexit or by failing a test from there")

// spawn starts a goroutine which serves n. Where a switch can do without n, the
// goroutine survives a panic of its processor.
func (r *run) spawn(n *node, loop func()) {
	r.crew.spawn(n.doing, func() {
		for !n.serve(loop) {
		}
	})
}

// serve runs loop, and reports whether it is done.
func (n *node) serve(loop func()) (done bool) {
	returned := false
	defer func() {
		v := recover()
		if returned {
			return
		}
		n.die()
		if v == nil {
			n.report(Fatal(Classify(frames.ErrorApplication, errGoexit)))
			return
		}
		n.panicked(v)
		done = n.scope == nil
	}()
	loop()
	returned = true
	return true
}
