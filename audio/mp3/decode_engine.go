package mp3

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	gomp3 "github.com/hajimehoshi/go-mp3"
)

// maxReservoir is the farthest that a frame's main data can begin before the
// frame.
const maxReservoir = 511

// engine decodes single frames with go-mp3, around its defects:
//
//   - It panics on some damaged frames, and is of no use after that: the engine
//     recovers, and continues with a new decoder.
//   - A new decoder knows no earlier main data and takes the wrong bytes: it is
//     first given a frame that carries them.
//   - At 22.05 kHz it computes the length of padded frames one byte too short at
//     half of the bit rates, and it refuses MPEG-2.5: there, each frame is
//     rewritten as one that decodes alike.
//   - It takes frames with the reserved emphasis for noise: it sees none.
//   - It allocates what a tag claims: it sees no tags.
//   - It ends M/S decoding of short blocks a few lines early, up to 46 dB below
//     the signal. That is left as it is.
//
// TestDefect… show them as long as they exist.
type engine struct {
	feed      feed
	dec       *gomp3.Decoder // nil if it has to begin anew
	reservoir []byte         // the last main data of the stream, up to maxReservoir bytes
	kept      int            // of those, how many dec's last frame ended with
	packed    []byte
	pcm       [2 * 1152 * 2]byte
}

// feed gives a decoder one frame at a time.
type feed struct{ rest []byte }

func (f *feed) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// decode returns the samples of a frame as 16-bit little-endian stereo, the same
// on both sides if it is mono. They are valid until the next call. If the frame
// is damaged, ok is false, and the samples are silent.
func (e *engine) decode(f frame) (pcm []byte, ok bool) {
	pcm = e.pcm[:f.samples()*4]
	if err := e.try(f, pcm); err != nil {
		e.dec = nil
		clear(pcm)
	} else {
		ok = true
	}
	e.remember(f.main())
	return pcm, ok
}

// remember appends main data to the reservoir.
func (e *engine) remember(main []byte) {
	e.reservoir = append(e.reservoir, main...)
	if extra := len(e.reservoir) - maxReservoir; extra > 0 {
		e.reservoir = e.reservoir[:copy(e.reservoir, e.reservoir[extra:])]
	}
}

func (e *engine) try(f frame, pcm []byte) error {
	begin := f.mainBegin()
	if begin > len(e.reservoir) {
		return fmt.Errorf("frame needs %d bytes from before the beginning", begin)
	}
	if f.mainBits() > 8*(begin+len(f.main())) {
		return errors.New("frame needs more bytes than it has")
	}
	if e.dec == nil && begin > 0 {
		if err := e.run(e.carrier(f.frameHeader), pcm); err != nil {
			return err
		}
		e.kept = begin
	}
	if needsRepacking(f.frameHeader) {
		packed, err := e.repack(f, begin)
		if err != nil {
			return err
		}
		return e.run(packed, pcm)
	}
	f.bytes[3] &^= 3 // no emphasis, which means nothing here
	return e.run(f.bytes, pcm)
}

// run decodes one frame.
func (e *engine) run(frame, pcm []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decoder panicked: %v", p)
		}
	}()
	e.feed.rest = frame
	if e.dec == nil {
		if e.dec, err = gomp3.NewDecoder(&e.feed); err != nil {
			return err
		}
	}
	if _, err := io.ReadFull(e.dec, pcm); err != nil {
		return err
	}
	if len(e.feed.rest) != 0 {
		return fmt.Errorf("decoder left %d bytes", len(e.feed.rest))
	}
	return nil
}

// carrier returns a silent frame like those of h, whose main data ends with the
// reservoir.
func (e *engine) carrier(h frameHeader) []byte {
	h = widest(h, false)
	b := e.blank(h)
	main := b[h.overhead():]
	// MPEG-2, whose frames may have less room than the reservoir, reaches back
	// for 255 bytes at most.
	tail := e.reservoir[max(len(e.reservoir)-len(main), 0):]
	copy(main[len(main)-len(tail):], tail)
	return b
}

// blank returns a frame with header h and zeros.
func (e *engine) blank(h frameHeader) []byte {
	if cap(e.packed) < h.size() {
		e.packed = make([]byte, h.size())
	}
	e.packed = e.packed[:h.size()]
	clear(e.packed)
	binary.BigEndian.PutUint32(e.packed, uint32(h))
	return e.packed
}

// widest returns the header of the frame with the most room that go-mp3 decodes
// as it would one of h if it could: of the largest bit rate, without padding,
// CRC and emphasis.
//
// The rate in the header matters for nothing but the scale factor bands. Those
// of MPEG-2.5 at 11.025 and 12 kHz are those of MPEG-2 at 16 kHz; so are those of
// long blocks at 22.05 kHz. Frames of 16 kHz have more room than those of 22.05.
func widest(h frameHeader, shortBlocks bool) frameHeader {
	if h.version() == mpeg25 || h.version() == mpeg2 && h.rateIndex() == 0 && !shortBlocks {
		h = h&^(3<<10) | 2<<10 | 2<<19
	}
	return h&^(0xF<<12|1<<9|3) | 14<<12 | 1<<16
}

// needsRepacking tells whether go-mp3 cannot decode such frames as they are.
func needsRepacking(h frameHeader) bool {
	return h.version() == mpeg25 || h.version() == mpeg2 && h.rateIndex() == 0
}

// repack returns a frame that decodes to the same samples as f, in the widest
// form. Main data is one stream across frames: what f does not need of its own
// comes at the end again, where the next frame looks for it. Where that had no
// room, as at the largest bit rate, the frame is made to need nothing from
// before it.
func (e *engine) repack(f frame, begin int) ([]byte, error) {
	h := widest(f.frameHeader, f.shortBlocks())
	b := e.blank(h)
	copy(b[headerSize:], f.side())
	main := b[h.overhead():]
	own := f.main()
	need := max((f.mainBits()+7)/8-begin, 0)
	before := e.reservoir[len(e.reservoir)-begin:]
	if begin <= e.kept {
		before = nil
	} else {
		b[headerSize] = 0 // all eight bits of where the main data begins
	}
	if len(before)+need > len(main) {
		return nil, fmt.Errorf("frame needs %d bytes, and there is room for %d", len(before)+need, len(main))
	}
	n := copy(main, before)
	n += copy(main[n:], own[:need])

	// What the stream ends with, from the reservoir and from f.
	e.kept = min(len(main)-n, len(e.reservoir)+len(own))
	tail := main[len(main)-e.kept:]
	n = copy(tail, e.reservoir[len(e.reservoir)-max(e.kept-len(own), 0):])
	copy(tail[n:], own[max(len(own)-e.kept, 0):])
	return b, nil
}
