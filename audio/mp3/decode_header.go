package mp3

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/parley-go/parley/audio"
)

// frameHeader is the first four bytes of a frame, ISO/IEC 11172-3, 2.4.1.3:
//
//	11 sync, 2 version, 2 layer, 1 no CRC, 4 bit rate, 2 sample rate, 1 padding,
//	1 private, 2 mode, 2 mode extension, 2 copyright and original, 2 emphasis
type frameHeader uint32

const headerSize = 4

func parseHeader(b []byte) frameHeader { return frameHeader(binary.BigEndian.Uint32(b)) }

// version is a frame's 2-bit version field.
type version uint8

const (
	mpeg25 version = 0 // an unofficial extension to lower rates
	mpeg2  version = 2
	mpeg1  version = 3
)

func (h frameHeader) version() version  { return version(h >> 19 & 3) }
func (h frameHeader) layer() int        { return int(h >> 17 & 3) } // 1 is III, 3 is I
func (h frameHeader) protected() bool   { return h>>16&1 == 0 }
func (h frameHeader) bitrateIndex() int { return int(h >> 12 & 15) }
func (h frameHeader) rateIndex() int    { return int(h >> 10 & 3) }
func (h frameHeader) padding() int      { return int(h >> 9 & 1) }
func (h frameHeader) mono() bool        { return h>>6&3 == 3 }

// isSync tells whether h can be the header of a frame of any layer, even of one
// that is not supported.
func (h frameHeader) isSync() bool {
	return h>>21 == 0x7FF && h.version() != 1 && h.layer() != 0 && h.bitrateIndex() != 15 && h.rateIndex() != 3
}

// unsupported says, for an isSync header, why its stream cannot be decoded; ""
// if it can.
func (h frameHeader) unsupported() string {
	const convert = "; convert it to WAV"
	switch {
	case h.layer() == 2:
		return "it is MPEG audio of layer II (MP2), not MP3" + convert
	case h.layer() == 3:
		return "it is MPEG audio of layer I (MP1), not MP3" + convert
	case h.bitrateIndex() == 0:
		return "MP3 of free bit rate is not supported" + convert
	case h.version() == mpeg25 && h.rateIndex() == 2:
		return "MP3 at 8 kHz (MPEG-2.5) is not supported" + convert
	}
	return ""
}

// sameStream tells whether two frames can belong to one stream: the version,
// the layer and the rate cannot change in it.
func (h frameHeader) sameStream(other frameHeader) bool {
	const mask = 0xFFE00000 | 3<<19 | 3<<17 | 3<<10
	return h&mask == other&mask
}

func (h frameHeader) rate() audio.SampleRate {
	rate := [3]audio.SampleRate{44100, 48000, 32000}[h.rateIndex()]
	switch h.version() {
	case mpeg2:
		return rate / 2
	case mpeg25:
		return rate / 4
	}
	return rate
}

func (h frameHeader) channels() int {
	if h.mono() {
		return 1
	}
	return 2
}

// samples returns how many samples on each channel a frame has.
func (h frameHeader) samples() int { return 576 * h.granules() }

func (h frameHeader) granules() int {
	if h.version() == mpeg1 {
		return 2
	}
	return 1
}

// The bit rates of layer III in kbit/s, by index.
var (
	bitratesMPEG1 = [15]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	bitratesMPEG2 = [15]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
)

// bitrate returns the bits a second of a supported frame.
func (h frameHeader) bitrate() int {
	if h.version() == mpeg1 {
		return 1000 * bitratesMPEG1[h.bitrateIndex()]
	}
	return 1000 * bitratesMPEG2[h.bitrateIndex()]
}

// size returns the length of a supported frame in bytes, header included.
func (h frameHeader) size() int {
	return h.samples()/8*h.bitrate()/int(h.rate()) + h.padding()
}

// sideSize returns the length of the side information, which follows the header
// and the CRC if there is one.
func (h frameHeader) sideSize() int {
	switch {
	case h.version() == mpeg1 && h.mono():
		return 17
	case h.version() == mpeg1:
		return 32
	case h.mono():
		return 9
	}
	return 17
}

// overhead returns the bytes before the main data.
func (h frameHeader) overhead() int {
	n := headerSize + h.sideSize()
	if h.protected() {
		n += 2
	}
	return n
}

func (h frameHeader) String() string {
	v := map[version]string{mpeg1: "MPEG-1", mpeg2: "MPEG-2", mpeg25: "MPEG-2.5"}[h.version()]
	return fmt.Sprintf("%s layer III", v)
}

// frame is one whole frame.
type frame struct {
	frameHeader
	bytes []byte // valid until the next frame is read
}

func (f frame) side() []byte { return f.bytes[f.overhead()-f.sideSize() : f.overhead()] }
func (f frame) main() []byte { return f.bytes[f.overhead():] }

// mainBegin returns how many bytes before this frame's main data, in the main
// data of earlier frames (the "bit reservoir"), what it needs begins.
func (f frame) mainBegin() int {
	if f.version() == mpeg1 {
		return bits(f.side(), 0, 9)
	}
	return bits(f.side(), 0, 8)
}

// mainBits returns how many bits of main data the frame needs from there.
func (f frame) mainBits() int {
	n := 0
	for at := range f.granuleChannels() {
		n += bits(f.side(), at, 12)
	}
	return n
}

// shortBlocks tells whether any of the frame's blocks is short. It is for MPEG-2.
func (f frame) shortBlocks() bool {
	for at := range f.granuleChannels() {
		const switched = 12 + 9 + 8 + 9 // bits before the flag, and the type behind it
		if bits(f.side(), at+switched, 3) == 1<<2|2 {
			return true
		}
	}
	return false
}

// granuleChannels yields where in the side information, in bits, that of each
// granule and channel begins.
func (f frame) granuleChannels() iter.Seq[int] {
	at, each := 8+1, 63
	switch {
	case f.version() == mpeg1 && f.mono():
		at, each = 9+5+4, 59
	case f.version() == mpeg1:
		at, each = 9+3+8, 59
	case !f.mono():
		at = 8 + 2
	}
	return func(yield func(int) bool) {
		for i := range f.granules() * f.channels() {
			if !yield(at + i*each) {
				return
			}
		}
	}
}

// bits returns n bits of b, beginning with bit at.
func bits(b []byte, at, n int) int {
	v := 0
	for i := at; i < at+n; i++ {
		v = v<<1 | int(b[i/8]>>(7-i%8)&1)
	}
	return v
}
