package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/internal/fifo"
	"github.com/parley-go/parley/processors/audiofile"
)

// keeper is where the conversation is kept.
type keeper interface {
	Write(p []int16) error
	Close(ctx context.Context) error
	Lost() time.Duration // what was left out, because it is read too slowly
}

// openKeeper opens what cfg names, for audio of format f, and waits for the reader
// of a named pipe until ctx is over. It returns nil if nothing is to be kept.
func openKeeper(ctx context.Context, cfg Config, f audio.Format) (keeper, error) {
	coding := cfg.OutputFormat.Coding
	if coding == MP3 {
		if _, err := mp3.NewWriter(io.Discard, f, nil); err != nil {
			return nil, fmt.Errorf("configure call: %w", err)
		}
	}
	switch {
	case cfg.Writer != nil:
		b := newBacklog("the conversation to Config.Writer", cfg.Writer, coding, f)
		b.closer, b.closing = closerOf(cfg.Writer)
		return b, nil
	case cfg.Output == "":
		return nil, nil
	case cfg.Output == stdio:
		return openStdout(coding, f)
	}
	if mayBeRegular(cfg.Output) {
		if coding != "" {
			return createRaw(cfg.Output, coding, f)
		}
		if rawName(cfg.Output) != "" {
			return nil, wrong("create", cfg.Output, ErrNoFormat, "say it with OutputFormat, for instance s16le")
		}
		w, err := audiofile.Reserve(cfg.Output, f)
		if err != nil {
			return nil, err
		}
		return ordinary{w}, nil
	}
	if coding == "" && isMP3(cfg.Output) {
		coding = MP3
	}
	pipe, err := fifo.Open(ctx, cfg.Output, os.O_WRONLY)
	if err != nil {
		return nil, faulty("create", cfg.Output, err)
	}
	b := newBacklog(cfg.Output, pipe, coding, f)
	b.closer, b.closing = closerOf(pipe)
	return b, nil
}

// standardOutput is what people call "-".
const standardOutput = "standard output"

func openStdout(coding Coding, f audio.Format) (keeper, error) {
	if _, err := os.Stdout.Stat(); err != nil {
		return nil, wrong("write", standardOutput, errors.New("it is closed"), "pipe it into another program, or name a file")
	}
	if term.IsTerminal(int(os.Stdout.Fd())) {
		return nil, wrong("write", standardOutput, errors.New("it is a terminal"), "pipe it into another program, for instance: … | ffplay -i -, or name a file")
	}
	out, own := private(os.Stdout, os.O_WRONLY)
	b := newBacklog(standardOutput, out, coding, f)
	if own {
		b.closer, b.closing = closerOf(out)
	}
	return b, nil
}

// closerOf returns what closes a writer, if something does, and whether that ends
// a Write that waits.
func closerOf(w io.Writer) (io.Closer, bool) {
	if f, ok := w.(*os.File); ok {
		return f, f.SetWriteDeadline(time.Time{}) == nil
	}
	c, ok := w.(io.Closer)
	return c, ok
}

// createRaw reserves an ordinary file, which is replaced when something is
// written.
func createRaw(path string, coding Coding, f audio.Format) (keeper, error) {
	_, missing := os.Stat(path)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, faulty("create", path, err)
	}
	r := &reserved{File: file, fresh: errors.Is(missing, os.ErrNotExist)}
	b := newBacklog(path, r, coding, f)
	b.closer = r
	return b, nil
}

// reserved is a file that stays as it is until something is written.
type reserved struct {
	*os.File
	fresh bool // it was not there before
	begun bool
}

func (r *reserved) Write(p []byte) (int, error) {
	if !r.begun {
		r.begun = true
		if err := r.Truncate(0); err != nil {
			return 0, err
		}
	}
	return r.File.Write(p)
}

func (r *reserved) Close() error {
	err := r.File.Close()
	if r.fresh && !r.begun {
		err = errors.Join(err, os.Remove(r.Name()))
	}
	return err
}

// ordinary is an ordinary WAV or MP3 file.
type ordinary struct{ *audiofile.Writer }

func (o ordinary) Close(context.Context) error { return o.Writer.Close() }

func (o ordinary) Lost() time.Duration { return 0 }
