// Package virtualtime runs a function in a world whose clock stands still
// while anything computes and jumps to the next timer when everything waits:
// hours of conversation pass in seconds, with the same code, in the same order
// and at the same positions as in real time.
//
// It is the bubble of testing/synctest, outside a test: the AWS SDK, net/http
// and every timer in the framework read the virtual clock without knowing it.
// The standard library offers that bubble only through a *testing.T, of which
// it needs no more than the zero value, so that is what Run gives it.
//
// Everything that a function waits for must be inside: in-memory connections
// instead of sockets. Reading and writing files is fine, since it ends by
// itself. The virtual clock starts at midnight UTC, 2000-01-01.
package virtualtime

import (
	"fmt"
	"runtime/debug"
	"testing"
	"testing/synctest"
)

// Run calls f in virtual time and returns its error when f and every goroutine
// that it started have ended. A panic in f is returned as an error with its
// stack. Goroutines that wait for ever when f has returned make the process
// panic with their stacks: they are a leak, and there is no clock left that
// could wake them.
//
// Run must not be called from within Run, or from a test that is itself in a
// bubble.
func Run(f func() error) (err error) {
	var t testing.T
	synctest.Test(&t, func(*testing.T) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		err = f()
	})
	return err
}
