// Package fifo opens and reads files that may keep one waiting: named pipes and
// devices. Whoever waits can be called back.
package fifo

import (
	"context"
	"os"
	"runtime"
	"syscall"
)

// IsNamedPipe reports whether a path is that of a named pipe.
func IsNamedPipe(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

// Open opens a path to read (O_RDONLY) or to write (O_WRONLY). To open a named pipe
// waits for somebody who opens its other end. If ctx is over first, that is done
// here, for a moment, since nothing else ends the waiting, and the error is ctx's
// cause.
func Open(ctx context.Context, path string, flag int) (*os.File, error) {
	if !IsNamedPipe(path) {
		return os.OpenFile(path, flag, 0)
	}
	var (
		f    *os.File
		err  error
		done = make(chan struct{})
	)
	go func() {
		defer close(done)
		f, err = os.OpenFile(path, flag, 0)
	}()
	select {
	case <-done:
		return f, err
	case <-ctx.Done():
	}
	for waiting := true; waiting; {
		other, openErr := os.OpenFile(path, (os.O_WRONLY-flag)|syscall.O_NONBLOCK, 0)
		select {
		case <-done:
			waiting = false
		default:
			if openErr == nil {
				<-done
				waiting = false
			}
			runtime.Gosched() // it is on its way to where it waits
		}
		if openErr == nil {
			other.Close() // it was to be there
		}
	}
	if err == nil {
		f.Close() // nothing was read or written
	}
	return nil, context.Cause(ctx)
}
