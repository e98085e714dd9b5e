package wav

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/parley-go/parley/audio"
)

// readSize is how many bytes are asked of the file at once.
const readSize = 32 << 10

// maxEmptyReads is how often a reader may return nothing, or a few bytes, before
// a frame (of at most 512 bytes) is complete.
const maxEmptyReads = 1000

// Reader reads the samples of a WAV file, from its start to its end. It is used
// by one goroutine at a time.
type Reader struct {
	src    *bufio.Reader
	header *header
	frames int64 // in the whole file; -1 if unknown
	done   int64 // frames that were read
	left   int64 // bytes of audio that were not yet read; unknownLength
	raw    []byte
	have   int   // bytes of an incomplete frame at the start of raw
	flaws  int64 // samples that were no finite numbers
	flaw   int64 // the frame of the first
	err    error
}

// NewReader reads the header of a WAV file from r. It fails with a
// [*FormatError] if r is not a WAV file, or not one that can be played, and with
// the error of r if that fails.
//
// r may be a pipe. It is read ahead, by up to 64 kB, but never waits for more
// than the next samples need. If r is an [io.Seeker], its length is found out,
// so that Frames is known even if the header does not tell.
func NewReader(r io.Reader) (*Reader, error) {
	size, err := remaining(r)
	if err != nil {
		return nil, fmt.Errorf("wav: read header: %w", err)
	}
	counted := &counter{r: r}
	src := bufio.NewReaderSize(counted, readSize)
	h, err := readHeader(src, size)
	if err != nil {
		return nil, err
	}
	w := &Reader{src: src, header: h, left: h.length, frames: -1}
	// The audio begins at what was read and not kept.
	switch begin := counted.n - int64(src.Buffered()); {
	case h.length != unknownLength:
		w.frames = h.length / int64(h.frame)
	case size >= 0:
		w.frames = max(size-begin, 0) / int64(h.frame)
	}
	w.raw = make([]byte, max(readSize, h.frame))
	return w, nil
}

// remaining returns how many bytes r has from here to its end; -1 if it is not
// seekable.
func remaining(r io.Reader) (int64, error) {
	s, ok := r.(io.Seeker)
	if !ok {
		return -1, nil
	}
	at, err := s.Seek(0, io.SeekCurrent)
	if err != nil {
		return -1, nil // a pipe in the guise of a file
	}
	end, err := s.Seek(0, io.SeekEnd)
	if err != nil {
		return -1, nil
	}
	if _, err := s.Seek(at, io.SeekStart); err != nil {
		return -1, err
	}
	return end - at, nil
}

// counter counts what is read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// Format returns the rate and the number of channels of the file.
func (r *Reader) Format() audio.Format { return r.header.format }

// Coding says how the file stores samples: "24-bit PCM", "32-bit float",
// "µ-law".
func (r *Reader) Coding() string { return r.header.coding.name }

// Frames returns how many samples on each channel the file has, according to
// its header, or, if that does not tell, to the file's length; -1 if neither is
// known. A truncated file has fewer.
func (r *Reader) Frames() int64 { return r.frames }

// Read reads up to len(p) interleaved samples, always whole frames, converted to
// 16 bits: wider samples are rounded, and floats beyond ±1 saturate; so do
// infinite ones, and NaN becomes 0. It waits
// until it has at least one frame, and then returns what there is, which may be
// less than p has room for.
//
// At the end it returns [io.EOF]; at the end of a file that is shorter than its
// header says, or that ends within a frame, an error that wraps [ErrTruncated];
// and at the end of another with samples that are NaN or infinite, one that wraps
// [ErrDamaged].
// Errors come without samples, after the last ones, and stay. If p has no room
// for a single frame, the error is [io.ErrShortBuffer], unless p is empty.
func (r *Reader) Read(p []int16) (int, error) {
	channels, frame := r.header.format.Channels, r.header.frame
	if len(p) == 0 {
		return 0, nil
	}
	if len(p) < channels {
		return 0, io.ErrShortBuffer
	}
	if r.err != nil {
		return 0, r.err
	}
	want := min(len(p)/channels, len(r.raw)/frame) * frame
	for tries := 0; r.have < frame; tries++ {
		limit := want
		if r.left != unknownLength {
			limit = int(min(int64(limit), int64(r.have)+r.left))
		}
		if limit == r.have {
			return 0, r.end(nil)
		}
		if tries >= maxEmptyReads {
			return 0, r.end(io.ErrNoProgress)
		}
		n, err := r.src.Read(r.raw[r.have:limit])
		r.have += n
		if r.left != unknownLength {
			r.left -= int64(n)
		}
		if err != nil && r.have < frame {
			return 0, r.end(err)
		}
		// bufio keeps an error that came with bytes for the next call.
	}
	whole := r.have / frame * frame
	n := len(r.header.coding.decode(p[:0], r.raw[:whole]))
	if r.header.coding.flaws != nil {
		first, flaws := r.header.coding.flaws(r.raw[:whole])
		if r.flaws == 0 {
			r.flaw = r.done + int64(first/channels)
		}
		r.flaws += int64(flaws)
	}
	r.have = copy(r.raw, r.raw[whole:r.have])
	r.done += int64(n / channels)
	return n, nil
}

// end decides what the end of the audio, or of the file, means.
func (r *Reader) end(err error) error {
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		r.err = fmt.Errorf("wav: read: %w", err)
	case r.left > 0:
		r.err = fmt.Errorf("%w: it has %d of the %d samples that its header announces", ErrTruncated, r.done, r.frames)
	case r.have > 0 && r.left == unknownLength:
		r.err = fmt.Errorf("%w: it ends in the middle of a sample, after %d whole ones", ErrTruncated, r.done)
	case r.flaws > 0:
		r.err = fmt.Errorf("%w: %d of its samples are NaN or infinite, the first at %v (sample %d)",
			ErrDamaged, r.flaws, r.header.format.Rate.Duration(r.flaw), r.flaw)
	default:
		r.err = io.EOF
	}
	return r.err
}
