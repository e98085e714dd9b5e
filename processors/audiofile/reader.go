package audiofile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/internal/ffmpeg"
	"github.com/parley-go/parley/internal/fifo"
)

const (
	maxChannels = 2
	minRate     = 4000
	maxRate     = 192000
	sniffBytes  = 16   // enough for audio.Identify to tell audio from other things
	blockValues = 4096 // samples that are read at a time
)

// decoder is what the readers of wav and mp3 have in common.
type decoder interface {
	Format() audio.Format
	Read(p []int16) (int, error)
	Frames() int64
}

// Reader reads the samples of a WAV or MP3 file. It is used by one goroutine at
// a time; Close may be called by any.
type Reader struct {
	path   string
	kind   string
	dec    decoder
	format audio.Format
	first  []int16 // the beginning, read to see whether there is any audio

	close func() error // of the file, once
}

// Open opens a WAV or MP3 file with one or two channels, at 4 to 192 kHz. The
// error is an [*Error]; it wraps [ErrEmpty], [ErrExtension], the error of the
// decoder, or that of the operating system. For a named pipe it waits as long as it
// takes: see [OpenContext].
func Open(path string) (*Reader, error) { return OpenContext(context.Background(), path) }

// OpenContext is Open for a file that may keep one waiting: a named pipe, for
// whoever opens its other end, and a pipe or device for its beginning. When ctx is
// over the [*Error] wraps its cause. Once the file is open ctx has no part in it:
// a Read that waits is ended by [Reader.Close].
func OpenContext(ctx context.Context, path string) (*Reader, error) {
	named, err := extension("open", path, "convert it first, for instance with: "+ffmpeg.Command(path, "-converted.wav"))
	if err != nil {
		if _, missing := os.Stat(path); missing != nil {
			return nil, system("open", path, missing)
		}
		return nil, err
	}
	f, err := fifo.Open(ctx, path, os.O_RDONLY)
	if err != nil {
		return nil, system("open", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close() // it was only read
		return nil, system("open", path, err)
	}
	file := io.ReadCloser(f)
	if !info.Mode().IsRegular() {
		file = fifo.NewReader(f)
	}
	stop := context.AfterFunc(ctx, func() { file.Close() })
	r, err := newReader(file, info, path, named)
	if !stop() { // what is closed meanwhile may look like anything to a decoder
		err = system("open", path, context.Cause(ctx))
	}
	if err != nil {
		file.Close() // it was only read
		return nil, err
	}
	return r, nil
}

func newReader(f io.ReadCloser, info os.FileInfo, path, named string) (*Reader, error) {
	if isFolder(info) {
		return nil, failed("open", path, errors.New("it is a folder"), "name a file in it")
	}
	src := io.Reader(f)
	head := make([]byte, sniffBytes)
	var err error
	if file, ok := f.(io.ReaderAt); ok {
		if info.Size() == 0 {
			return nil, failed("open", path, ErrEmpty, "the file has no bytes: record it again")
		}
		n, err := file.ReadAt(head, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, system("open", path, err)
		}
		head = head[:n]
	} else { // a pipe or device, which cannot be read twice
		b := bufio.NewReader(f)
		src = b
		if head, err = b.Peek(sniffBytes); err != nil && !errors.Is(err, io.EOF) {
			return nil, system("open", path, err)
		}
	}
	r := &Reader{path: path, kind: sniff(head, named), close: sync.OnceValue(f.Close)}
	if r.dec, err = decode(r.kind, src); err != nil {
		return nil, unreadable(path, head, err)
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}

// sniff tells what a file is from its first bytes, or else from its name.
func sniff(head []byte, named string) string {
	switch {
	case bytes.HasPrefix(head, []byte("RIFF")), bytes.HasPrefix(head, []byte("RF64")), bytes.HasPrefix(head, []byte("RIFX")):
		return kindWAV
	case bytes.HasPrefix(head, []byte("ID3")):
		return kindMP3
	case len(head) > 1 && head[0] == 0xFF && head[1]&0xE6 == 0xE2: // the sync word, and layer III
		return kindMP3
	case named == "":
		return kindWAV // its reader says best what a file is if it is not a WAV file
	}
	return named
}

func decode(kind string, src io.Reader) (decoder, error) {
	if kind == kindMP3 {
		return mp3.NewReader(src)
	}
	return wav.NewReader(src)
}

// check refuses what a conversation cannot be made of, and reads the beginning.
func (r *Reader) check() error {
	r.format = r.dec.Format()
	mend := func(what string) string {
		return fmt.Sprintf("%s, for instance with: %s", what, ffmpeg.Command(r.path, "-mono.wav", "-ac", "1", "-ar", "48000"))
	}
	switch f := r.format; {
	case f.Channels > maxChannels:
		return failed("open", r.path, fmt.Errorf("it has %d channels at %v, more than left and right", f.Channels, f.Rate), "%s", mend("mix it down"))
	case f.Rate < minRate || f.Rate > maxRate:
		return failed("open", r.path, fmt.Errorf("its rate of %v is not between %v and %v", f.Rate, audio.SampleRate(minRate), audio.SampleRate(maxRate)), "%s", mend("convert it"))
	}
	r.first = make([]int16, blockValues)
	n, err := r.dec.Read(r.first)
	r.first = r.first[:n]
	switch {
	case n > 0:
		return nil // an error, if there is one, comes again
	case errors.Is(err, io.EOF):
		return failed("open", r.path, ErrEmpty, "its length is zero: record it again")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return failed("open", r.path, err, nothingToKeep)
	case err != nil:
		return undecodable("open", r.path, err)
	}
	return nil
}

// nothingToKeep is what to do about a file that ends before its audio begins.
const nothingToKeep = "there is no audio in it: copy it again, or record it again"

// unreadable explains why a decoder did not take a file that begins with head.
func unreadable(path string, head []byte, err error) error {
	var wavFormat *wav.FormatError
	var mp3Format *mp3.FormatError
	switch kind := audio.Identify(head); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return failed("open", path, err, nothingToKeep)
	case !errors.As(err, &wavFormat) && !errors.As(err, &mp3Format):
		return system("open", path, err)
	case strings.Contains(err.Error(), "damaged"):
		return failed("open", path, err, "copy it again, or see what can be saved with: %s", ffmpeg.Command(path, "-saved.wav"))
	case kind == "":
		return failed("open", path, err, "name a WAV or MP3 file; if it is audio of another kind, convert it, for instance with: %s", ffmpeg.Command(path, "-converted.wav"))
	}
	return failed("open", path, err, "%s", ffmpeg.Convert(path, err))
}

// undecodable explains a failure of a decoder behind the beginning of the audio.
func undecodable(op, path string, err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return failed(op, path, err, "copy it again, or keep what there is with: %s", ffmpeg.Command(path, "-whole.wav"))
	case errors.Is(err, mp3.ErrDamaged), errors.Is(err, wav.ErrDamaged):
		return failed(op, path, err, "copy it again, or keep what is left with: %s", ffmpeg.Command(path, "-whole.wav"))
	}
	return system(op, path, err)
}

// Path returns the path that Open was given.
func (r *Reader) Path() string { return r.path }

// Kind returns "WAV" or "MP3".
func (r *Reader) Kind() string { return r.kind }

// Format returns the file's rate and number of channels.
func (r *Reader) Format() audio.Format { return r.format }

// Duration returns how long the file is; 0 if that is not known before it has
// been read, as of an MP3 file without the header that tells, or a pipe.
func (r *Reader) Duration() time.Duration {
	return r.format.Rate.Duration(max(0, r.dec.Frames()))
}

// Read reads up to len(p) interleaved samples, always whole frames. At the end
// it returns [io.EOF]; at the end of a file that is damaged or shorter than its
// header says, an [*Error], after all samples that there are. p must have room
// for one frame.
func (r *Reader) Read(p []int16) (int, error) {
	if len(r.first) > 0 {
		n := copy(p[:len(p)/r.format.Channels*r.format.Channels], r.first)
		r.first = r.first[n:]
		return n, nil
	}
	n, err := r.dec.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = undecodable("read", r.path, err)
	}
	return n, err
}

// Close closes the file, and ends a Read that waits for it. It may be called by any
// goroutine; closing again does nothing.
func (r *Reader) Close() error {
	if err := r.close(); err != nil {
		return system("close", r.path, err)
	}
	return nil
}

// Check reads a WAV or MP3 file from its beginning to its end, and returns an
// error if it cannot be read entirely: what Open returns, or that the file is
// damaged or truncated. An MP3
// file is not decoded for that. It takes some milliseconds for a minute of audio.
func Check(path string) error {
	r, err := Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	if r.kind == kindMP3 {
		f, err := os.Open(path)
		if err != nil {
			return system("open", path, err)
		}
		defer f.Close()
		if err := mp3.Verify(f); err != nil { // Open has taken its beginning
			return undecodable("read", path, err)
		}
		return nil
	}
	block := make([]int16, 4*blockValues)
	for {
		switch _, err := r.Read(block); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
