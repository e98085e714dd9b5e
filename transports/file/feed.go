package file

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
)

// ahead is how much of a pipe is decoded before its time, so that a producer may
// be late by as much. What a pipe holds comes on top.
const ahead = time.Second

// errStarved says that the producer of a recording is late.
var errStarved = errors.New("nothing has come")

// feed reads a pipe, which may have to wait for its producer, on a goroutine of
// its own, so that the clock of the call does not.
type feed struct {
	from  *decoded
	limit int // values that may be ready before the next are read

	mu    sync.Mutex // protects both
	ready []int16
	end   error // behind ready: io.EOF, or what is wrong

	more, room chan struct{} // each wakes one who waits
	stop, done chan struct{}
}

// newFeed begins to read. chunk is what will be asked for at a time.
func newFeed(from *decoded, chunk time.Duration) *feed {
	f := &feed{
		from: from, limit: int(from.Format().Rate.Samples(ahead+chunk)) * from.Format().Channels,
		more: make(chan struct{}, 1), room: make(chan struct{}, 1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go f.run()
	return f
}

func (f *feed) run() {
	defer close(f.done)
	block := make([]int16, blockFrames*f.from.Format().Channels)
	for {
		n, err := f.from.Read(block)
		f.mu.Lock()
		f.ready = append(f.ready, block[:n]...)
		f.end = err
		full := len(f.ready) >= f.limit
		f.mu.Unlock()
		wake(f.more)
		if err != nil {
			return
		}
		for full {
			select {
			case <-f.room:
			case <-f.stop:
				return
			}
			f.mu.Lock()
			full = len(f.ready) >= f.limit
			f.mu.Unlock()
		}
		select {
		case <-f.stop:
			return
		default:
		}
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Format is that of the recording.
func (f *feed) Format() audio.Format { return f.from.Format() }

// Duration is that of the recording.
func (f *feed) Duration() time.Duration { return f.from.Duration() }

// Read returns what has come, in whole frames, and does not wait for more: if
// there is nothing, the error is errStarved.
func (f *feed) Read(p []int16) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ready) == 0 {
		if f.end != nil {
			return 0, f.end
		}
		return 0, errStarved
	}
	n := copy(p, f.ready)
	f.ready = f.ready[:copy(f.ready, f.ready[n:])]
	wake(f.room)
	return n, nil
}

// wait returns when there is something to be read, or ctx is over.
func (f *feed) wait(ctx context.Context) error {
	for {
		f.mu.Lock()
		there := len(f.ready) > 0 || f.end != nil
		f.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-f.more:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// finish ends the reading, and waits until it has ended where the source can be
// called back.
func (f *feed) finish() error {
	close(f.stop)
	err := f.from.Close()
	if f.from.closing {
		select {
		case <-f.done:
		case <-time.After(patience):
		}
	}
	return err
}

// patience is for a Reader whose Close should end a Read that waits, and does not.
const patience = time.Second
