package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/internal/fifo"
	"github.com/parley-go/parley/internal/pathfault"
	"github.com/parley-go/parley/processors/audiofile"
)

// source is where a recording's bytes come from, if it is no ordinary WAV or MP3
// file.
type source struct {
	io.Reader
	name  string       // for people
	size  int64        // -1 if it is not known, as of a pipe
	again func() error // goes back to its beginning; nil if it cannot

	// closer ends the source. closing reports whether that also ends a Read that
	// waits; if not, the goroutine of that Read stays until it returns.
	closer  io.Closer
	closing bool
	cut     atomic.Bool // closed before its end
	close   sync.Once
	closed  error
}

// Close ends the source, and a Read that waits for it where it can.
func (s *source) Close() error {
	s.close.Do(func() {
		s.cut.Store(true)
		if s.closer != nil {
			s.closed = s.closer.Close()
		}
	})
	return s.closed
}

// live reports whether a Read may have to wait for a producer.
func (s *source) live() bool { return s.size < 0 }

// standardInput is what people call "-".
const standardInput = "standard input"

// openStdin returns standard input: a pipe, a file, or whatever the shell has
// made of it.
func openStdin() (*source, error) {
	f := os.Stdin
	info, err := f.Stat()
	if err != nil {
		return nil, wrong("open", standardInput, errors.New("it is closed"), "pipe audio into it, or name a file")
	}
	if term.IsTerminal(int(f.Fd())) {
		return nil, wrong("open", standardInput, errors.New("it is a terminal"), "pipe audio into it, for instance with: arecord -f S16_LE -r 16000 | …, or name a file")
	}
	own, reopened := private(f, os.O_RDONLY)
	s := fileSource(own, info, standardInput)
	if !reopened {
		s.closer, s.closing = nil, false // it is everybody's
	}
	return s, nil
}

// fileSource reads an open file, which belongs to the source from then on.
func fileSource(f *os.File, info os.FileInfo, name string) *source {
	if !info.Mode().IsRegular() {
		r := fifo.NewReader(f)
		return &source{Reader: r, name: name, size: -1, closer: r, closing: true}
	}
	s := &source{Reader: f, name: name, size: -1, closer: f}
	if at, err := f.Seek(0, io.SeekCurrent); err == nil {
		s.size = max(0, info.Size()-at)
		s.again = func() error { _, err := f.Seek(at, io.SeekStart); return err }
	}
	return s
}

// readerSource reads what a program has given to Config.Reader.
func readerSource(r io.Reader) *source {
	const name = "the recording in Config.Reader"
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			return fileSource(f, info, name)
		}
	}
	s := &source{Reader: r, name: name, size: -1}
	if c, ok := r.(io.Closer); ok {
		s.closer, s.closing = c, true
	}
	if seeker, ok := r.(io.Seeker); ok {
		at, err := seeker.Seek(0, io.SeekCurrent)
		end, endErr := seeker.Seek(0, io.SeekEnd)
		if _, back := seeker.Seek(at, io.SeekStart); err == nil && endErr == nil && back == nil {
			s.size = end - at
			s.again = func() error { _, err := seeker.Seek(at, io.SeekStart); return err }
		}
	}
	return s
}

// openPath opens a file, a device or a named pipe, and waits for a pipe's other
// end until ctx is over.
func openPath(ctx context.Context, path string) (*source, error) {
	f, err := fifo.Open(ctx, path, os.O_RDONLY)
	if err != nil {
		return nil, faulty("open", path, err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	if err != nil {
		f.Close() // it was only read
		return nil, faulty("open", path, err)
	}
	return fileSource(f, info, path), nil
}

// decoded is a source with its decoder.
type decoded struct {
	decoder
	*source
	first []int16 // the beginning, read to see whether there is any audio
	kind  Coding
}

// decoder is what the readers of wav, mp3 and raw audio have in common.
type decoder interface {
	Format() audio.Format
	Read(p []int16) (int, error)
}

// decode finds out what a source holds, if format does not tell, and reads its
// beginning, for which it waits.
func decode(s *source, format Format) (*decoded, error) {
	d := &decoded{source: s, kind: format.Coding}
	var src io.Reader = s
	var head []byte
	if !format.Coding.Raw() {
		b := bufio.NewReaderSize(s, readSize)
		var err error
		if head, err = b.Peek(audio.IdentifySize); err != nil && !errors.Is(err, io.EOF) {
			return nil, faulty("read", s.name, err)
		}
		if len(head) == 0 {
			return nil, wrong("open", s.name, audiofile.ErrEmpty, emptyMend(s))
		}
		src = b
		if d.kind == "" {
			d.kind = WAV
			if audio.Identify(head) == audio.KindMP3 {
				d.kind = MP3
			}
		}
	}
	var err error
	switch d.kind {
	case WAV:
		d.decoder, err = wav.NewReader(src)
	case MP3:
		d.decoder, err = mp3.NewReader(src)
	default:
		d.decoder = newRawReader(src, format, s.size)
	}
	if err != nil {
		return nil, unreadable(s, head, format.Coding, err)
	}
	f := d.decoder.Format()
	switch {
	case f.Channels > maxChannels:
		return nil, wrong("open", s.name, fmt.Errorf("it has %d channels at %v, more than left and right", f.Channels, f.Rate), "mix it down on its way here, for instance with: ffmpeg … -ac 1")
	case f.Rate < minRate || f.Rate > maxRate:
		return nil, wrong("open", s.name, fmt.Errorf("its rate of %v is not between %v and %v", f.Rate, minRate, maxRate), "convert it on its way here, for instance with: ffmpeg … -ar 16000")
	}
	d.first = make([]int16, blockFrames*f.Channels)
	n, err := d.decoder.Read(d.first)
	d.first = d.first[:n]
	switch {
	case n > 0:
		return d, nil
	case errors.Is(err, io.EOF):
		return nil, wrong("open", s.name, audiofile.ErrEmpty, emptyMend(s))
	}
	return nil, d.failed("open", err)
}

// blockFrames is how many samples of each channel are decoded at a time.
const blockFrames = 2048

func emptyMend(s *source) string {
	if s.live() {
		return "see whether whoever sends it says why"
	}
	return "record it again"
}

// Read reads whole frames.
func (d *decoded) Read(p []int16) (int, error) {
	if len(d.first) > 0 {
		channels := d.Format().Channels
		n := copy(p[:len(p)/channels*channels], d.first)
		d.first = d.first[n:]
		return n, nil
	}
	n, err := d.decoder.Read(p)
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case d.cut.Load():
		return n, io.EOF // however that looks to the decoder
	case d.live() && errors.Is(err, wav.ErrTruncated) && d.boundless():
		return n, io.EOF
	}
	return n, d.failed("read", err)
}

// boundless reports whether a WAV header announces so much, 2 GiB, that it means
// "until somebody stops me": arecord writes that.
func (d *decoded) boundless() bool {
	w, ok := d.decoder.(*wav.Reader)
	return ok && w.Frames()*int64(w.Format().Channels) >= 1<<29
}

// Duration returns how long the recording is; 0 if that is not known.
func (d *decoded) Duration() time.Duration {
	switch r := d.decoder.(type) {
	case *rawReader:
		return r.Duration()
	case interface{ Frames() int64 }:
		if d.boundless() {
			return 0
		}
		return d.Format().Rate.Duration(max(0, r.Frames()))
	}
	return 0
}

// failed explains a failure of the decoder in the middle of the audio.
func (d *decoded) failed(op string, err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return wrong(op, d.name, err, "see whether whoever sends it was ended before its time, and says why")
	case errors.Is(err, mp3.ErrDamaged):
		return wrong(op, d.name, err, "see what is lost on its way here")
	}
	return faulty(op, d.name, err)
}

// unreadable explains why what begins with head is not taken. Whether it is what it
// is said to be was not looked at if kind was given.
func unreadable(s *source, head []byte, given Coding, err error) error {
	var wavFormat *wav.FormatError
	var mp3Format *mp3.FormatError
	switch kind := audio.Identify(head); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return wrong("open", s.name, err, "there is no audio in it: see whether whoever sends it says why")
	case !errors.As(err, &wavFormat) && !errors.As(err, &mp3Format):
		return faulty("open", s.name, err)
	case given == WAV && kind == audio.KindMP3, given == MP3 && kind == audio.KindWAV:
		return wrong("open", s.name, err, fmt.Sprintf("leave out InputFormat, which says %s: what it is shows", given))
	case kind == "":
		return wrong("open", s.name, err, "send WAV or MP3; if it is raw audio, say of which format, as in s16le:8000:1 (a coding, the rate in hertz, the channels)")
	}
	return wrong("open", s.name, err, "send WAV or MP3, for instance with: ffmpeg … -c:a pcm_s16le -f wav -")
}

// wrong is what is wrong with a stream, in the one line of package audiofile.
func wrong(op, name string, err error, mend string) error {
	return &audiofile.Error{Op: op, Path: name, Err: err, Mend: mend}
}

// faulty explains a failure of the operating system.
func faulty(op, name string, err error) error {
	mend, what := pathfault.Explain(err, name, op != "open" && op != "read")
	return wrong(op, name, what, mend)
}
