package fifo

import (
	"io"
	"os"
	"sync"
	"time"
)

// Reader reads an open file, which belongs to it. Close ends a Read that waits,
// whatever the file is.
type Reader struct {
	file io.ReadCloser

	// recalled is that the operating system ends a Read of what is closed. Where it
	// does not, as for named pipes of macOS, the goroutine of a Read stays behind
	// until something comes.
	recalled bool

	close  sync.Once
	closed chan struct{} // nil where a Read is recalled
	err    error         // of the close
}

// NewReader reads f.
func NewReader(f *os.File) *Reader {
	// What the operating system can wait for in the way of select takes a deadline,
	// and a Read of it is ended by Close.
	return newReader(f, f.SetReadDeadline(time.Time{}) == nil)
}

func newReader(file io.ReadCloser, recalled bool) *Reader {
	r := &Reader{file: file, recalled: recalled}
	if !recalled {
		r.closed = make(chan struct{})
	}
	return r
}

// Read reads what there is, up to len(p) bytes, and waits for the first. After Close
// the error is [os.ErrClosed].
func (r *Reader) Read(p []byte) (int, error) {
	if r.recalled {
		return r.file.Read(p)
	}
	select {
	case <-r.closed:
		return 0, os.ErrClosed
	default:
	}
	type result struct {
		n   int
		err error
	}
	own := make([]byte, len(p)) // p is the caller's again when Read returns
	done := make(chan result, 1)
	go func() {
		n, err := r.file.Read(own)
		done <- result{n, err}
	}()
	select {
	case got := <-done:
		return copy(p, own[:got.n]), got.err
	case <-r.closed:
		return 0, os.ErrClosed
	}
}

// Close closes the file. It may be called by any goroutine; closing again does
// nothing.
func (r *Reader) Close() error {
	r.close.Do(func() {
		// In virtual time a channel of the bubble's may not be closed from outside of
		// it, which is where signals come from.
		if r.closed != nil {
			close(r.closed)
		}
		r.err = r.file.Close()
	})
	return r.err
}
