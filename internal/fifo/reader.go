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

	close sync.Once
	err   error // of the close

	mu     sync.Mutex // protects the following, of a Read that is not recalled
	closed bool
	read   *read // that waits, or did last
}

// read is a Read that may be left behind. What ends the waiting for it unlocks done:
// Close may be called from outside of a bubble of virtual time in which the Read
// waits, and there a channel of the bubble's may not be used.
type read struct {
	end  sync.Once
	done sync.Mutex
	n    int
	err  error
}

func (r *read) ended(n int, err error) {
	r.end.Do(func() {
		r.n, r.err = n, err
		r.done.Unlock()
	})
}

// NewReader reads f.
func NewReader(f *os.File) *Reader {
	// What the operating system can wait for in the way of select takes a deadline,
	// and a Read of it is ended by Close.
	return newReader(f, f.SetReadDeadline(time.Time{}) == nil)
}

func newReader(file io.ReadCloser, recalled bool) *Reader {
	return &Reader{file: file, recalled: recalled}
}

// Read reads what there is, up to len(p) bytes, and waits for the first. After Close
// the error is [os.ErrClosed].
func (r *Reader) Read(p []byte) (int, error) {
	if r.recalled {
		return r.file.Read(p)
	}
	own := make([]byte, len(p)) // p is the caller's again when Read returns
	w := &read{}
	w.done.Lock()
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return 0, os.ErrClosed
	}
	r.read = w
	r.mu.Unlock()
	go func() { w.ended(r.file.Read(own)) }()
	w.done.Lock() // until it has ended
	return copy(p, own[:w.n]), w.err
}

// Close closes the file. It may be called by any goroutine; closing again does
// nothing.
func (r *Reader) Close() error {
	r.close.Do(func() {
		r.mu.Lock()
		r.closed = true
		if r.read != nil {
			r.read.ended(0, os.ErrClosed)
		}
		r.mu.Unlock()
		r.err = r.file.Close()
	})
	return r.err
}
