package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/parley-go/parley/audio"
)

// Writer writes 16-bit PCM as a WAV file. It is used by one goroutine at a time.
//
// Every Write goes straight to the file: whoever writes tiny pieces puts a
// [bufio.Writer] in between, at the price of what is in it when the program
// crashes, and of the header, which can then not be brought up to date.
type Writer struct {
	w      io.Writer
	seek   io.Seeker // nil if w is a pipe
	format audio.Format

	start   int64 // where in w the file begins
	header  int64 // bytes before the samples
	data    int64 // bytes of samples that were written
	told    int64 // of those, what the header tells
	limit   int64 // the largest data
	scratch []byte
	err     error // the first failure of w, or ErrClosed
}

// NewWriter writes the header for audio of format f to w. If w is an
// [io.WriteSeeker] and lets itself be positioned, the length in the header is
// corrected from time to time and by Close; if not, it says "unknown" (the
// value 0xFFFFFFFF), which ffmpeg, sox and [Reader] take as: to the end. More
// than two channels get an EXTENSIBLE header without positions of speakers.
func NewWriter(w io.Writer, f audio.Format) (*Writer, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("wav: write header: %w", err)
	}
	out := &Writer{w: w, format: f, limit: math.MaxInt64}
	if s, ok := w.(io.Seeker); ok && overwritable(w) {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			out.seek, out.start = s, at
		}
	}
	h := newHeader(f)
	out.header = int64(len(h))
	if out.seek != nil {
		// 36 or 60 bytes of what the RIFF length counts are not audio.
		out.limit = math.MaxUint32 - (out.header - 8)
		out.limit -= out.limit % int64(out.frame())
	}
	if _, err := w.Write(h); err != nil {
		return nil, fmt.Errorf("wav: write header: %w", err)
	}
	return out, nil
}

// overwritable tells whether what w has written can be changed: not if it is a
// file that was opened for appending, which puts everything at its end.
func overwritable(w io.Writer) bool {
	if at, ok := w.(io.WriterAt); ok {
		_, err := at.WriteAt(nil, 0)
		return err == nil
	}
	return true
}

// newHeader returns a header that tells no length.
func newHeader(f audio.Format) []byte {
	le := binary.LittleEndian
	const unknown = math.MaxUint32
	frame := 2 * f.Channels
	b := append([]byte(nil), "RIFF"...)
	b = le.AppendUint32(b, unknown)
	b = append(b, "WAVEfmt "...)
	tag, size := uint16(tagPCM), uint32(16)
	if f.Channels > 2 {
		tag, size = tagExtensible, 40
	}
	b = le.AppendUint32(b, size)
	b = le.AppendUint16(b, tag)
	b = le.AppendUint16(b, uint16(f.Channels))
	b = le.AppendUint32(b, uint32(f.Rate))
	b = le.AppendUint32(b, uint32(int(f.Rate)*frame))
	b = le.AppendUint16(b, uint16(frame))
	b = le.AppendUint16(b, 16) // bits in a sample
	if tag == tagExtensible {
		b = le.AppendUint16(b, 22) // bytes that follow
		b = le.AppendUint16(b, 16) // bits in a sample that count
		b = le.AppendUint32(b, 0)  // no positions
		b = le.AppendUint16(b, tagPCM)
		b = append(b, subFormat...)
	}
	b = append(b, "data"...)
	return le.AppendUint32(b, unknown)
}

func (w *Writer) frame() int { return 2 * w.format.Channels }

// Format returns what NewWriter was given.
func (w *Writer) Format() audio.Format { return w.format }

// Frames returns how many samples on each channel were written.
func (w *Writer) Frames() int64 { return w.data / int64(w.frame()) }

// Write writes interleaved samples, which must be whole frames. It does not
// keep p. After a failure of the file nothing more is written, and the error
// stays; Close still corrects the header to what got through.
//
// [ErrTooLarge] refuses, whole, what would make a seekable file larger than its
// header can tell; [ErrClosed] is for what comes after Close.
func (w *Writer) Write(p []int16) error {
	if w.err != nil {
		return w.err
	}
	if len(p)%w.format.Channels != 0 {
		return fmt.Errorf("wav: write: %d values are not whole frames of %d channels", len(p), w.format.Channels)
	}
	if w.data+2*int64(len(p)) > w.limit {
		return ErrTooLarge
	}
	b, ok := audio.PCMBytes(p)
	if !ok {
		w.scratch = audio.EncodePCM(w.scratch[:0], p)
		b = w.scratch
	}
	n, err := w.w.Write(b)
	w.data += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("wav: write: %w", err)
		return w.err
	}
	if second := int64(w.format.Rate) * int64(w.frame()); w.seek != nil && w.data-w.told >= second {
		w.err = w.tell()
	}
	return w.err
}

// Close corrects the header, if w can be positioned. It closes nothing. The
// error is that of the header: failures of Write were Write's to report. Closing
// again does nothing.
func (w *Writer) Close() error {
	if errors.Is(w.err, ErrClosed) {
		return nil
	}
	w.err = ErrClosed
	if w.seek == nil {
		return nil
	}
	return w.tell()
}

// tell brings the lengths in the header up to date, and goes back to the end.
func (w *Writer) tell() error {
	whole := w.data - w.data%int64(w.frame())
	err := w.patch(4, w.header-8+whole)
	if err == nil {
		err = w.patch(w.header-4, whole)
	}
	// Back, in any case.
	if _, seekErr := w.seek.Seek(w.start+w.header+w.data, io.SeekStart); err == nil {
		err = seekErr
	}
	if err != nil {
		return fmt.Errorf("wav: update header: %w", err)
	}
	w.told = w.data
	return nil
}

func (w *Writer) patch(at, length int64) error {
	if _, err := w.seek.Seek(w.start+at, io.SeekStart); err != nil {
		return err
	}
	_, err := w.w.Write(binary.LittleEndian.AppendUint32(nil, uint32(length)))
	return err
}
