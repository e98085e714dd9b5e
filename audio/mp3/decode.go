package mp3

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/parley-go/parley/audio"
)

// Reader reads the samples of an MP3 file, from its start to its end. It is used
// by one goroutine at a time.
type Reader struct {
	framer framer
	engine engine
	info   streamInfo
	format audio.Format
	coding string
	frames int64 // in the whole file; -1 if unknown

	// Decoded samples that were not read yet are pending[at:]. While more can
	// come, the last info.padding frames of them may be padding.
	pending []int16
	at      int
	skip    int   // frames that come next but are not audio
	decoded int64 // MPEG frames
	damaged int64
	held    bool // the framer's frame, read by NewReader, is to be decoded next
	first   frame
	end     error // why no more frames come
}

// NewReader reads the start of an MP3 file from r: MPEG-1, MPEG-2 or MPEG-2.5
// layer III, at 11.025 to 48 kHz (not 8 kHz), mono or stereo, at a constant or
// variable bit rate, with or without tags. It fails with a [*FormatError] if r
// is not an MP3 file, or not one that can be decoded, and with the error of r if
// that fails.
//
// r may be a pipe. It is read ahead, by up to 32 kB, but never waits for more
// than the next samples need. If r is an [io.Seeker] and does not tell how many
// frames it has, they are counted, which reads it to the end once.
func NewReader(r io.Reader) (*Reader, error) {
	seeker, start := seekable(r)
	m := &Reader{frames: -1, held: true}
	m.framer.r = bufio.NewReaderSize(r, readSize)
	first, err := m.framer.first()
	if err != nil {
		return nil, err
	}
	m.first = first
	m.format = audio.Format{Rate: first.rate(), Channels: first.channels()}
	m.coding = first.String()
	if info, ok := parseInfo(first); ok {
		// A silent frame, which it does not count itself.
		m.info, m.skip, m.held = info, info.skip, false
	}
	frames := m.info.frames
	if frames == 0 && seeker != nil {
		if frames, err = count(r, seeker, start); err != nil {
			return nil, fmt.Errorf("mp3: count frames: %w", err)
		}
		if !m.held {
			frames--
		}
	}
	if frames > 0 || seeker != nil {
		m.frames = max(frames*int64(first.samples())-int64(m.info.skip)-int64(m.info.padding), 0)
	}
	return m, nil
}

// seekable returns r as an io.Seeker and where it is, or nil if it is a pipe.
func seekable(r io.Reader) (io.Seeker, int64) {
	s, ok := r.(io.Seeker)
	if !ok {
		return nil, 0
	}
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, 0
	}
	return s, at
}

// count returns how many frames there are from start, and leaves r where it is.
func count(r io.Reader, s io.Seeker, start int64) (n int64, err error) {
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if _, err := s.Seek(start, io.SeekStart); err != nil {
		return 0, err
	}
	f := framer{r: bufio.NewReaderSize(r, readSize)}
	for ; ; n++ {
		if _, err := f.next(); err != nil {
			break // Read will find it too, and say what it is
		}
	}
	_, err = s.Seek(at, io.SeekStart)
	return n, err
}

// Format returns the rate and the number of channels of the file.
func (m *Reader) Format() audio.Format { return m.format }

// Coding says how the file stores samples: "MPEG-1 layer III".
func (m *Reader) Coding() string { return m.coding }

// Frames returns how many samples on each channel the file has, without those
// that the encoder added, if it tells; -1 if that is not known. A truncated or
// damaged file may have fewer.
func (m *Reader) Frames() int64 { return m.frames }

// Damaged returns how many MPEG frames, of 24 to 72 ms, have been replaced by
// silence so far because they could not be decoded. The first frames of a
// recording of a stream often are among them.
func (m *Reader) Damaged() int64 { return m.damaged }

// Read reads up to len(p) interleaved samples, always whole frames: one value
// for mono, a left and a right one for stereo. It waits until it has at least
// one, and then returns what there is, which may be less than p has room for.
// The samples that the encoder added at the start and at the end are left out
// if the file tells how many they are.
//
// At the end it returns [io.EOF]; at the end of a file that ends within a frame,
// or has fewer than it announces, an error that wraps [ErrTruncated], or
// [ErrDamaged] if they are missing from its middle. Errors
// come without samples, after the last ones, and stay. If p has no room for a
// single frame, the error is [io.ErrShortBuffer], unless p is empty.
func (m *Reader) Read(p []int16) (int, error) {
	channels := m.format.Channels
	if len(p) == 0 {
		return 0, nil
	}
	if len(p) < channels {
		return 0, io.ErrShortBuffer
	}
	for {
		if n := m.ready(); n > 0 {
			n = copy(p[:len(p)/channels*channels], m.pending[m.at:m.at+n])
			m.at += n
			return n, nil
		}
		if m.end != nil {
			return 0, m.end
		}
		if err := m.more(); err != nil {
			m.finish(err)
		}
	}
}

// ready returns how many values of pending can be given out.
func (m *Reader) ready() int {
	n := len(m.pending) - m.at
	if m.end == nil {
		n -= m.info.padding * m.format.Channels
	}
	return n
}

// more decodes the next frame.
func (m *Reader) more() error {
	f := m.first
	if !m.held {
		var err error
		if f, err = m.framer.next(); err != nil {
			return err
		}
	}
	m.held = false
	pcm, ok := m.engine.decode(f)
	if !ok {
		m.damaged++
	}
	m.decoded++

	m.pending = m.pending[:copy(m.pending, m.pending[m.at:])]
	m.at = 0
	begin := len(m.pending)
	m.pending = audio.DecodePCM(m.pending, pcm)
	if m.format.Channels == 1 {
		stereo := m.pending[begin:]
		for i := range len(stereo) / 2 {
			// Both are the same, unless the file changes from mono to stereo.
			stereo[i] = int16((int(stereo[2*i]) + int(stereo[2*i+1])) >> 1)
		}
		m.pending = m.pending[:begin+len(stereo)/2]
	}
	if m.skip > 0 {
		n := min(m.skip, f.samples())
		m.skip -= n
		m.pending = append(m.pending[:begin], m.pending[begin+n*m.format.Channels:]...)
	}
	return nil
}

// Verify reads an MP3 file to its end without decoding it, which takes a
// hundredth of the time. It returns what NewReader would, or what Read would at
// the end: nil if all is there.
func Verify(r io.Reader) error {
	m, err := NewReader(r)
	if err != nil {
		return err
	}
	if m.held {
		m.decoded++
	}
	for {
		if _, err := m.framer.next(); err != nil {
			m.finish(err)
			break
		}
		m.decoded++
	}
	if errors.Is(m.end, io.EOF) {
		return nil
	}
	return m.end
}

// finish decides what the end of the file means.
func (m *Reader) finish(err error) {
	switch {
	case errors.Is(err, ErrTruncated) && m.info.frames == 0:
		m.end = fmt.Errorf("%w: it ends within a frame, after %d whole ones", ErrTruncated, m.decoded)
	case errors.Is(err, io.EOF) && m.framer.torn && m.decoded < m.info.frames:
		m.end = fmt.Errorf("%w: it has %d of the %d frames that it announces, and something else between them", ErrDamaged, m.decoded, m.info.frames)
	case (errors.Is(err, ErrTruncated) || errors.Is(err, io.EOF)) && m.decoded < m.info.frames:
		m.end = fmt.Errorf("%w: it has %d of the %d frames that it announces", ErrTruncated, m.decoded, m.info.frames)
	case errors.Is(err, io.EOF), errors.Is(err, ErrTruncated):
		// All that was announced, and perhaps a piece of something else.
		padding := min(m.info.padding*m.format.Channels, len(m.pending)-m.at)
		m.pending = m.pending[:len(m.pending)-padding]
		m.end = io.EOF
	default:
		m.end = wrapRead(err)
	}
}
