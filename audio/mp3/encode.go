package mp3

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3/internal/layer3"
)

// The bit rates of a Writer that is not told one, in bits a second.
const (
	DefaultMonoBitrate   = 64000
	DefaultStereoBitrate = 128000
)

// WriterOptions are the choices of NewWriter. Nil and the zero value are good
// ones.
type WriterOptions struct {
	// Bitrate is the constant bit rate in bits a second: 0 means
	// DefaultMonoBitrate or DefaultStereoBitrate. Other choices are, up to
	// 24 kHz (and so for 8 and 11.025 kHz), 8000 to 64000 in steps of 8000 and
	// 80000 to 160000 in steps of 16000; from 32 kHz on, 32, 40, 48, 56, 64,
	// 80, 96, 112, 128, 160, 192, 224, 256 and 320 thousand. At the defaults
	// the noise lies some 30 dB below speech.
	Bitrate int

	// Samples is how many samples of each channel will be written, if that is
	// known; 0 means that it is not. A stream to a writer that cannot seek
	// says how long it is only if Samples does, or if it is shorter than a frame
	// (24 to 36 ms), of which nothing is written before Close. Close reports an
	// error if another number was written.
	Samples int64
}

// A Writer encodes PCM as an MP3 file or stream: MPEG-1 or MPEG-2 Layer III at
// a constant bit rate.
//
// The file starts with an Info frame that says how many samples the codec adds
// in front and at the end, so that players give back exactly the samples that
// were written, in place: two files stay aligned, and files can be played
// without a gap. If the io.Writer can seek, Close writes the end into it;
// otherwise only the front is known, unless WriterOptions.Samples says more or
// all is shorter than a frame, and players add up to a frame of silence at the
// end.
//
// A Writer is not safe for concurrent use.
type Writer struct {
	w      io.Writer
	seeker io.WriteSeeker // w, if it can seek
	base   int64          // where in a seekable file the stream starts
	format audio.Format
	enc    *layer3.Encoder
	double *audio.Resampler // for the rates that MPEG-2 does not have; or nil

	pending []int16 // interleaved input, less than a frame's
	need    int     // how many values make a frame
	doubled []int16
	out     []byte // frames to write

	planned int64  // WriterOptions.Samples
	values  int64  // that Write was given
	frames  int64  // that were encoded
	bytes   int64  // that were written, with the Info frame
	crc     uint16 // of those behind the Info frame
	closed  bool
	err     error // the first failure
}

// NewWriter returns a Writer of PCM in format f to w: 1 or 2 channels at 16,
// 22.05, 24, 32, 44.1 or 48 kHz, or at 8 or 11.025 kHz, which it doubles, since
// these are not in MPEG-2: the file then has twice as many samples at twice the
// rate. It writes nothing yet. opts may be nil.
//
// If w can seek, the file starts where w is now. Close cannot write into a file
// that was opened to append: hide its Seek method then.
func NewWriter(w io.Writer, f audio.Format, opts *WriterOptions) (*Writer, error) {
	m, err := newWriter(w, f, opts)
	if err != nil {
		return nil, fmt.Errorf("mp3: new writer: %w", err)
	}
	return m, nil
}

func newWriter(w io.Writer, f audio.Format, opts *WriterOptions) (*Writer, error) {
	var o WriterOptions
	if opts != nil {
		o = *opts
	}
	if o.Samples < 0 {
		return nil, fmt.Errorf("number of samples %d is negative: use 0 if it is not known", o.Samples)
	}
	c := layer3.Config{Rate: int(f.Rate), Channels: f.Channels, Bitrate: o.Bitrate}
	half := f.Rate == audio.Rate8k || f.Rate == audio.Rate11k
	if half {
		c.Rate *= 2
	}
	if c.Bitrate == 0 {
		c.Bitrate = DefaultMonoBitrate
		if f.Channels == 2 {
			c.Bitrate = DefaultStereoBitrate
		}
	}
	enc, err := layer3.New(c)
	if err != nil {
		return nil, err
	}
	m := &Writer{w: w, format: f, enc: enc, planned: o.Samples, need: enc.FrameSamples() * f.Channels}
	if half {
		m.need /= 2
		if m.double, err = audio.NewResampler(f.Rate, 2*f.Rate, f.Channels); err != nil {
			return nil, err
		}
	}
	m.pending = make([]int16, 0, m.need)
	if s, ok := w.(io.WriteSeeker); ok {
		// A pipe is a file that has the method but cannot.
		if base, err := s.Seek(0, io.SeekCurrent); err == nil {
			m.seeker, m.base = s, base
		}
	}
	return m, nil
}

// Write encodes interleaved samples. Any number will do, even half a pair of
// left and right, whose other half then comes first next time. It keeps nothing
// of pcm. Whole frames of 24 to 36 ms come out. They lag by what is missing to a
// frame and by what the bit reservoir has left: up to 255 bytes at rates up to
// 24 kHz, 511 above. Close writes the rest.
//
// An error of the underlying writer is final: it is returned by all later calls.
func (m *Writer) Write(pcm []int16) error {
	if m.closed {
		return fmt.Errorf("mp3: write: %w", os.ErrClosed)
	}
	m.values += int64(len(pcm))
	for len(pcm) > 0 && m.err == nil {
		n := min(len(pcm), m.need-len(m.pending))
		m.pending = append(m.pending, pcm[:n]...)
		pcm = pcm[n:]
		if len(m.pending) == m.need {
			m.encode()
			m.send()
		}
	}
	if m.err != nil {
		return fmt.Errorf("mp3: write: %w", m.err)
	}
	return nil
}

// encode encodes the pending samples, a frame's worth.
func (m *Writer) encode() {
	pcm := m.pending
	if m.double != nil {
		m.doubled = m.double.Resample(m.doubled[:0], pcm)
		pcm = m.doubled
	}
	if m.frames == 0 {
		m.out = m.appendInfo(m.out, m.planned)
	}
	m.frames++
	m.out = m.enc.Encode(m.out, pcm)
	m.pending = m.pending[:0]
}

// send writes the frames that are ready.
func (m *Writer) send() {
	if m.err != nil || len(m.out) == 0 {
		return
	}
	body := m.out
	if m.bytes == 0 {
		body = body[m.enc.InfoBytes():]
	}
	m.crc = layer3.Checksum(m.crc, body)
	if m.bytes == 0 && m.closed { // all is known before the first byte leaves
		m.appendInfo(m.out[:0], m.samples())
	}
	m.bytes += int64(len(m.out))
	n, err := m.w.Write(m.out)
	if err == nil && n < len(m.out) {
		err = io.ErrShortWrite
	}
	m.err = err
	m.out = m.out[:0]
}

// Close encodes what is left, writes all frames and, if the underlying writer
// can seek, the length into the Info frame. It leaves that writer open, at its
// end. It reports the first error of all writes, or that the samples were not as
// many as WriterOptions.Samples or not a whole number for each channel; the file
// is complete even so. Closing again does nothing.
func (m *Writer) Close() error {
	if m.closed {
		return nil
	}
	m.closed = true
	if err := m.finish(); err != nil {
		return fmt.Errorf("mp3: close: %w", err)
	}
	return nil
}

func (m *Writer) finish() error {
	samples := m.samples()
	odd := m.values % int64(m.format.Channels)
	m.pending = m.pending[:len(m.pending)-int(odd)]
	for total := m.framesFor(samples); m.frames < total; {
		clear(m.pending[len(m.pending):m.need])
		m.pending = m.pending[:m.need]
		m.encode()
	}
	m.out = m.enc.Flush(m.out)
	m.send()
	m.patch()
	switch {
	case m.err != nil:
		return m.err
	case odd != 0:
		return errors.New("the last left sample has no right one and was left out")
	case m.planned != 0 && m.planned != samples:
		return fmt.Errorf("%d samples were written, but WriterOptions.Samples is %d", samples, m.planned)
	}
	return nil
}

// patch writes the Info frame again, now that all is known.
func (m *Writer) patch() {
	if m.seeker == nil || m.err != nil {
		return
	}
	m.out = m.appendInfo(m.out[:0], m.samples())
	if _, m.err = m.seeker.Seek(m.base, io.SeekStart); m.err != nil {
		return
	}
	if _, m.err = m.seeker.Write(m.out); m.err != nil {
		return
	}
	_, m.err = m.seeker.Seek(m.base+m.bytes, io.SeekStart)
}

// samples is how many samples of each channel were written.
func (m *Writer) samples() int64 { return m.values / int64(m.format.Channels) }

// delay is how many samples of the file go before the first that was written,
// without the decoder's own.
func (m *Writer) delay() int {
	if m.double == nil {
		return layer3.Delay
	}
	return layer3.Delay + m.double.Delay()
}

// fileSamples is how many samples of the file n written ones are.
func (m *Writer) fileSamples(n int64) int64 {
	if m.double == nil {
		return n
	}
	return 2 * n
}

// framesFor is how many frames it takes until a decoder has given back n samples
// of each channel.
func (m *Writer) framesFor(n int64) int64 {
	size := int64(m.enc.FrameSamples())
	return (m.fileSamples(n) + int64(m.delay()) + layer3.DecoderDelay + size - 1) / size
}

// appendInfo appends the Info frame for n samples of each channel, of which 0
// means that the number is not known.
func (m *Writer) appendInfo(dst []byte, n int64) []byte {
	i := layer3.Info{Delay: m.delay()}
	if n > 0 || m.closed {
		i.Frames = m.framesFor(n)
		i.Padding = int(i.Frames*int64(m.enc.FrameSamples()) - int64(m.delay()) - m.fileSamples(n))
		if m.closed {
			i.Checksum = m.crc
		}
	}
	return m.enc.AppendInfo(dst, i)
}
