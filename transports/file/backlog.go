package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/pipeline"
)

// encoder is what the writers of wav, mp3 and raw audio have in common.
type encoder interface {
	Write(p []int16) error
	Close() error
}

// newEncoder begins to write audio of format f to w.
func newEncoder(w io.Writer, c Coding, f audio.Format) (encoder, error) {
	switch c {
	case WAV, "":
		return wav.NewWriter(w, f)
	case MP3:
		return mp3.NewWriter(w, f, nil)
	}
	return &rawWriter{w: w, coding: c}, nil
}

// maxBacklog is how much of the conversation waits for a slow reader before what
// is more is left out.
const maxBacklog = 10 * time.Second

// backlog writes the conversation to a pipe on a goroutine of its own. A pipe may
// be read slowly, or not at all for a while, and the call does not wait for it:
// what is read is in the past already.
type backlog struct {
	name    string
	writer  io.Writer
	closer  io.Closer // nil if it is everybody's
	closing bool      // and that ends a Write that waits
	coding  Coding
	format  audio.Format
	limit   int // values that may wait
	piece   int // values that are written at a time

	mu     sync.Mutex // protects all below
	queue  []int16
	taken  int   // values that are being written
	lost   int64 // values
	failed error // of the encoder
	last   bool  // no more will come

	more chan struct{} // wakes run
	done chan struct{} // run has returned; nil until it was begun
}

func newBacklog(name string, w io.Writer, c Coding, f audio.Format) *backlog {
	return &backlog{name: name, writer: w, coding: c, format: f,
		limit: int(f.Rate.Samples(maxBacklog)) * f.Channels, piece: blockFrames * f.Channels, more: make(chan struct{}, 1)}
}

// Write takes interleaved samples, or leaves them out if too many wait. The error
// is that of an earlier one.
func (b *backlog) Write(p []int16) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil {
		return b.failed
	}
	if b.done == nil {
		b.done = make(chan struct{})
		go b.run()
	}
	fits := max(0, min(len(p), b.limit-len(b.queue)-b.taken))
	fits -= fits % b.format.Channels
	b.queue = append(b.queue, p[:fits]...)
	b.lost += int64(len(p) - fits)
	wake(b.more)
	return nil
}

func (b *backlog) run() {
	defer close(b.done)
	enc, err := newEncoder(b.writer, b.coding, b.format)
	var block []int16
	for err == nil {
		b.mu.Lock()
		block = append(block[:0], b.queue[:min(len(b.queue), b.piece)]...)
		b.queue = b.queue[:copy(b.queue, b.queue[len(block):])]
		b.taken = len(block)
		last := b.last
		b.mu.Unlock()
		if len(block) > 0 {
			err = enc.Write(block)
			continue
		}
		if last {
			err = enc.Close()
			break
		}
		<-b.more
	}
	if err != nil {
		b.mu.Lock()
		b.failed = b.explain(err)
		b.queue = nil
		b.mu.Unlock()
	}
}

// explain says what is wrong with a pipe that cannot be written.
func (b *backlog) explain(err error) error {
	for _, gone := range []error{syscall.EPIPE, io.ErrClosedPipe} {
		if errors.Is(err, gone) {
			return wrong("write", b.name, fmt.Errorf("its reader has gone: %w", gone), "see why it ends before the call does")
		}
	}
	return faulty("write", b.name, err)
}

// Close writes what waits, for almost as long as ctx allows, and closes the pipe.
// Closing again does nothing.
func (b *backlog) Close(ctx context.Context) error {
	b.mu.Lock()
	again := b.last
	b.last = true
	told, done := b.failed, b.done
	b.mu.Unlock()
	switch {
	case again:
		return nil
	case done == nil:
		return b.shut()
	}
	wake(b.more)
	allowed := pipeline.DefaultCancelTimeout
	if deadline, ok := ctx.Deadline(); ok {
		allowed = time.Until(deadline)
	}
	limit := time.NewTimer(allowed * 8 / 10) // the rest is to say why it failed
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		return b.giveUp(allowed / 10)
	}
	closing := b.shut()
	switch {
	case told != nil: // by Write
		return nil
	case b.failed != nil: // by run, which has returned
		return b.failed
	}
	return closing
}

// giveUp closes a pipe that nobody reads, and waits a little for the Write to it.
func (b *backlog) giveUp(patience time.Duration) error {
	b.mu.Lock()
	waits := b.format.Duration(b.taken + len(b.queue))
	b.mu.Unlock()
	b.shut() // what matters is that it is not read
	if b.closing {
		select {
		case <-b.done:
		case <-time.After(patience):
		}
	}
	return wrong("write", b.name, fmt.Errorf("its reader is %v behind and does not go on", waits.Round(time.Millisecond)), "let it read to the end")
}

func (b *backlog) shut() error {
	if b.closer == nil {
		return nil
	}
	if err := b.closer.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return faulty("close", b.name, err)
	}
	return nil
}

// Lost is how much was left out, because too much waited.
func (b *backlog) Lost() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.format.Rate.Duration(b.lost / int64(b.format.Channels))
}
