package audiofile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/audio/wav"
)

// encoder is what the writers of wav and mp3 have in common.
type encoder interface {
	Write(p []int16) error
	Close() error
}

// Writer writes samples to a WAV or MP3 file. It is used by one goroutine at a
// time.
type Writer struct {
	path   string
	kind   string
	file   *os.File
	enc    encoder // nil until something is written
	format audio.Format
	frames int64
	err    error // the first failure, which stays
	closed bool
	fresh  bool // the file was not there before
}

// Create makes a WAV or MP3 file, as its extension says, for audio of format f,
// with one or two channels. A file of that name is replaced. MP3 takes the rates
// 8, 11.025, 16, 22.05, 24, 32, 44.1 and 48 kHz. The error is an [*Error].
func Create(path string, f audio.Format) (*Writer, error) {
	w, err := Reserve(path, f)
	if err != nil {
		return nil, err
	}
	if err := w.begin(); err != nil {
		w.file.Close() // it was not written; the failure to begin is what matters
		return nil, err
	}
	return w, nil
}

// Reserve is Create for something that may never be recorded: it finds out that
// the file can be written, but leaves one that is there as it is until the first
// Write replaces it. If nothing is written, Close leaves everything as it was.
func Reserve(path string, f audio.Format) (*Writer, error) {
	kind, err := extension("create", path, "name a .wav or .mp3 file")
	if err != nil {
		return nil, err
	}
	switch {
	case path == "":
		return nil, system("create", path, nil)
	case kind == "":
		return nil, failed("create", path, fmt.Errorf("%w: there is none", ErrExtension), "name a .wav or .mp3 file")
	}
	if err := f.Validate(); err != nil {
		return nil, failed("create", path, err, "")
	}
	if f.Channels > maxChannels {
		return nil, failed("create", path, fmt.Errorf("%d channels are more than left and right", f.Channels), "mix them down")
	}
	if kind == kindMP3 {
		// Before the file is emptied.
		if _, err := mp3.NewWriter(io.Discard, f, nil); err != nil {
			return nil, failed("create", path, err, "")
		}
	}
	_, missing := os.Stat(path)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, system("create", path, err)
	}
	return &Writer{path: path, file: file, format: f, kind: kind, fresh: errors.Is(missing, os.ErrNotExist)}, nil
}

// begin empties the file and writes its header.
func (w *Writer) begin() error {
	info, err := w.file.Stat()
	if err == nil && info.Mode().IsRegular() { // a pipe or a device has nothing to empty
		err = w.file.Truncate(0)
	}
	if err != nil {
		return system("create", w.path, err)
	}
	if w.kind == kindMP3 {
		w.enc, err = mp3.NewWriter(w.file, w.format, nil)
	} else {
		w.enc, err = wav.NewWriter(w.file, w.format)
	}
	if err != nil {
		w.enc = nil
		return system("create", w.path, err)
	}
	return nil
}

// Path returns the path that Create was given.
func (w *Writer) Path() string { return w.path }

// Format returns the format that Create was given.
func (w *Writer) Format() audio.Format { return w.format }

// Duration returns how much audio was written.
func (w *Writer) Duration() time.Duration { return w.format.Rate.Duration(w.frames) }

// Write writes interleaved samples, whole frames of them. It does not keep p. A
// failure, an [*Error], stays; what was written before is kept.
func (w *Writer) Write(p []int16) error {
	if w.err != nil {
		return w.err
	}
	if w.closed {
		return failed("write", w.path, os.ErrClosed, "")
	}
	if len(p)%w.format.Channels != 0 {
		return failed("write", w.path, fmt.Errorf("%d values are not whole frames of %d channels", len(p), w.format.Channels), "")
	}
	if w.enc == nil {
		if w.err = w.begin(); w.err != nil {
			return w.err
		}
	}
	if err := w.enc.Write(p); err != nil {
		w.err = system("write", w.path, err)
		return w.err
	}
	w.frames += int64(w.format.Frames(len(p)))
	return nil
}

// Close completes the file. Closing again does nothing.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if w.enc == nil {
		err := w.file.Close()
		if w.fresh {
			err = errors.Join(err, os.Remove(w.path))
		}
		if err != nil {
			return system("close", w.path, err)
		}
		return nil
	}
	if err := errors.Join(w.enc.Close(), w.file.Close()); err != nil {
		return system("write", w.path, err)
	}
	return nil
}
