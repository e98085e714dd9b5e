package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/audiofile"
)

// reader is what a recording is read with: a [decoded] source, the [feed] of one,
// or an audiofile.Reader.
type reader interface {
	Format() audio.Format
	Read(p []int16) (int, error)
	Duration() time.Duration
}

// recording is what the caller says: a reader, perhaps several times.
type recording struct {
	reader
	again func() (reader, error)      // from the beginning; nil if that cannot be
	wait  func(context.Context) error // for a pipe; nil if there is no need
	close func() error
	once  sync.Once
	shut  error
}

// openRecording opens what cfg names, and waits for its beginning until ctx is
// over.
func openRecording(ctx context.Context, cfg Config) (*recording, error) {
	switch {
	case cfg.Reader != nil:
		return begin(ctx, cfg, readerSource(cfg.Reader))
	case cfg.Input == stdio:
		s, err := openStdin()
		if err != nil {
			return nil, err
		}
		return begin(ctx, cfg, s)
	case cfg.InputFormat != Format{} || !mayBeRegular(cfg.Input):
		s, err := openPath(ctx, cfg.Input)
		if err != nil {
			return nil, err
		}
		return begin(ctx, cfg, s)
	}
	if likely := rawName(cfg.Input); likely != "" {
		if _, err := os.Stat(cfg.Input); err == nil {
			return nil, wrong("open", cfg.Input, ErrNoFormat,
				"say it with InputFormat, for instance "+likely+" (a coding, the rate in hertz, the channels)")
		}
	}
	return openOrdinary(cfg.Input)
}

// openOrdinary opens an ordinary WAV or MP3 file, and looks through it first: it
// would be a pity to find out at its end, with a caller in the middle of a
// sentence, that it was cut off.
func openOrdinary(path string) (*recording, error) {
	file, err := audiofile.Open(path)
	if err != nil {
		return nil, err
	}
	if err := audiofile.Check(path); err != nil {
		file.Close() // it was only read
		return nil, err
	}
	r := &recording{reader: file, close: func() error { return file.Close() }}
	r.again = func() (reader, error) {
		next, err := audiofile.Open(path)
		if err != nil {
			return nil, err
		}
		file.Close() // it was only read
		file = next
		return next, nil
	}
	return r, nil
}

// begin makes a recording of a source, which belongs to it.
func begin(ctx context.Context, cfg Config, s *source) (*recording, error) {
	if cfg.Repeat != 0 && cfg.Repeat != 1 && s.again == nil {
		s.Close() // it was not read
		return nil, wrong("repeat", s.name, errors.New("a pipe cannot be played again"), "save it to a file first, and name that")
	}
	type opened struct {
		*decoded
		err error
	}
	done := make(chan opened, 1)
	go func() {
		d, err := decode(s, cfg.InputFormat)
		done <- opened{d, err}
	}()
	cut := context.AfterFunc(ctx, func() { s.Close() }) // the error is that of ctx
	var d opened
	select {
	case d = <-done:
	case <-ctx.Done():
		if s.closing {
			select {
			case <-done:
			case <-time.After(patience):
			}
		}
	}
	if ctx.Err() != nil {
		d.err = context.Cause(ctx)
	}
	if d.err != nil {
		cut()
		s.Close() // it was only read
		return nil, d.err
	}
	r := &recording{reader: d.decoded}
	r.close = func() error {
		cut()
		return s.Close()
	}
	if !s.live() {
		cut() // nobody waits for it
		r.again = func() (reader, error) {
			if err := s.again(); err != nil {
				return nil, faulty("repeat", s.name, err)
			}
			return decode(s, cfg.InputFormat)
		}
	}
	return r, nil
}

// start begins to read what must be read on a goroutine of its own, and returns
// what ends that.
func (r *recording) start(chunk time.Duration) (stop func()) {
	d, ok := r.reader.(*decoded)
	if !ok || !d.live() {
		return func() {}
	}
	f := newFeed(d, chunk)
	r.reader, r.wait = f, f.wait
	return func() { f.finish() } // Close tells its error
}

// Close closes it.
func (r *recording) Close() error {
	r.once.Do(func() { r.shut = r.close() })
	return r.shut
}

// caller plays a recording as often as it is to be played.
type caller struct {
	*recording
	format audio.Format
	left   int   // how often it is still to be played behind this; negative: for ever
	gap    int64 // samples of silence between two times
	pause  int64 // of them, still to come
	raw    []int16
	over   bool

	repeats *atomic.Int64
}

// read appends what comes next to samples, mono, until there are n. With less,
// the error says why: io.EOF at the end, errStarved if the producer is late, or
// what is damaged.
func (c *caller) read(samples []int16, n int) ([]int16, error) {
	for len(samples) < n {
		if c.over {
			return samples, io.EOF
		}
		want := n - len(samples)
		if c.pause > 0 {
			silence := min(c.pause, int64(want))
			samples = audio.AppendSilence(samples, int(silence))
			c.pause -= silence
			continue
		}
		if need := want * c.format.Channels; cap(c.raw) < need {
			c.raw = make([]int16, need)
		}
		got, err := c.reader.Read(c.raw[:want*c.format.Channels])
		samples = audio.Remix(samples, c.raw[:got], c.format.Channels, 1)
		if errors.Is(err, io.EOF) {
			err = c.turn()
		}
		if err != nil {
			return samples, err
		}
	}
	return samples, nil
}

// turn goes back to the beginning, or ends.
func (c *caller) turn() error {
	if c.left == 0 || c.again == nil {
		c.over = true
		return nil
	}
	next, err := c.again()
	if err != nil {
		return err
	}
	if f := next.Format(); f != c.format {
		return fmt.Errorf("repeat: the recording was %v and is %v now: leave it alone while it is played", c.format, f)
	}
	c.reader, c.pause = next, c.gap
	c.repeats.Add(1)
	if c.left > 0 {
		c.left--
	}
	return nil
}
