package fifo

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/internal/fifo/fifotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the operating system waits for is tested in real time: a bubble does not
// know of it.

func TestOpenWaitsForTheOtherEndUntilTheContextIsOver(t *testing.T) {
	path := fifotest.New(t, "pipe")
	for name, flag := range map[string]int{"to read": os.O_RDONLY, "to write": os.O_WRONLY} {
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { cancel(enough) })
		if f, err := Open(ctx, path, flag); f != nil || !errors.Is(err, enough) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	// Nobody is left at either end.
	if w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		w.Close()
		t.Error("somebody still has the pipe open to read")
	}
}

func TestOpenOpensWhatThereIs(t *testing.T) {
	path := fifotest.New(t, "pipe")
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(path, []byte("hello"), 0) }()
	f, err := Open(t.Context(), path, os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(f)
	if got, err := io.ReadAll(r); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := errors.Join(<-written, r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "none"), os.O_RDONLY); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}

func TestCloseEndsAReadThatWaits(t *testing.T) {
	f, err := os.OpenFile(fifotest.New(t, "pipe"), os.O_RDWR, 0) // there is a writer, who says nothing
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(f)
	time.AfterFunc(20*time.Millisecond, func() { r.Close() })
	if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("%d, %v", n, err)
	}
}

// waiting is the Read that waits, or did last.
func (r *Reader) waiting() *read {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read
}

// deaf is a file whose Close ends no Read.
type deaf struct {
	*io.PipeReader
	closed bool
}

func (d *deaf) Close() error { d.closed = true; return nil }

func TestCloseEndsAReadThatTheOperatingSystemDoesNot(t *testing.T) {
	waits := make(chan *Reader)
	go func() { // outside of the bubble, as signals are
		r := <-waits
		last := r.waiting()
		waits <- nil
		for r.waiting() == last {
			runtime.Gosched()
		}
		r.Close()
	}()
	synctest.Test(t, func(t *testing.T) {
		pipe, w := io.Pipe()
		d := &deaf{PipeReader: pipe}
		r := newReader(d, false)
		go w.Write([]byte("hello"))
		p := make([]byte, 3)
		for _, want := range []string{"hel", "lo"} {
			if n, err := r.Read(p); string(p[:n]) != want || err != nil {
				t.Errorf("%q, %v; want %q", p[:n], err, want)
			}
		}
		waits <- r
		<-waits
		if n, err := r.Read(p); n != 0 || !errors.Is(err, os.ErrClosed) {
			t.Errorf("%d, %v", n, err)
		}
		if err := r.Close(); err != nil || !d.closed { // which waits for the first
			t.Errorf("%v, closed %v", err, d.closed)
		}
		kept := string(p)
		w.Write([]byte("new")) // which ends the goroutine, and is nobody's
		synctest.Wait()
		if string(p) != kept {
			t.Errorf("%q was written to a buffer that had been given back", p)
		}
	})
}
