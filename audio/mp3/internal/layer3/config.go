package layer3

import (
	"fmt"
	"slices"
)

// Config says what a stream is. All its frames are alike: the bit rate is
// constant.
type Config struct {
	Rate     int // samples a second: 16000, 22050, 24000, 32000, 44100 or 48000
	Channels int // 1 or 2
	Bitrate  int // bits a second, one of Bitrates(Rate)
}

// The bit rates of ISO/IEC 11172-3, 2.4.2.3 and ISO/IEC 13818-3, 2.4.2.3, in
// kbit/s; a header names one by its index, of which 0 means "free format".
var (
	bitrates1 = []int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	bitrates2 = []int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
)

// rateIndex is how a header names a sampling rate.
var rateIndex = map[int]uint32{44100: 0, 48000: 1, 32000: 2, 22050: 0, 24000: 1, 16000: 2}

// Rates returns the sampling rates, in hertz and ascending.
func Rates() []int { return []int{16000, 22050, 24000, 32000, 44100, 48000} }

// Bitrates returns the bit rates that a stream of a sampling rate may have, in
// bits a second and ascending; none for an unknown sampling rate.
func Bitrates(rate int) []int {
	if _, ok := rateIndex[rate]; !ok {
		return nil
	}
	var all []int
	for _, kbit := range bitrateTable(rate)[1:] {
		all = append(all, kbit*1000)
	}
	return all
}

func bitrateTable(rate int) []int {
	if rate >= 32000 {
		return bitrates1
	}
	return bitrates2
}

// Validate returns an error that says what is wrong and what would be right.
func (c Config) Validate() error {
	if _, ok := rateIndex[c.Rate]; !ok {
		return fmt.Errorf("sample rate %d Hz is not one of %v", c.Rate, Rates())
	}
	if c.Channels != 1 && c.Channels != 2 {
		return fmt.Errorf("%d channels are not 1 or 2", c.Channels)
	}
	if all := Bitrates(c.Rate); !slices.Contains(all, c.Bitrate) {
		return fmt.Errorf("bit rate %d bit/s at %d Hz is not one of %v", c.Bitrate, c.Rate, all)
	}
	return nil
}

// mpeg1 tells MPEG-1 (32 kHz and up) from MPEG-2, the low sampling rates.
func (c Config) mpeg1() bool { return c.Rate >= 32000 }

// granules is how many granules a frame has.
func (c Config) granules() int {
	if c.mpeg1() {
		return 2
	}
	return 1
}

// FrameSamples is how many samples of each channel a frame holds.
func (c Config) FrameSamples() int { return c.granules() * lines }

// HeaderBytes is the length of a frame's header and side information: where its
// main data starts.
func (c Config) HeaderBytes() int {
	switch {
	case c.mpeg1() && c.Channels == 2:
		return 4 + 32
	case c.mpeg1() || c.Channels == 2:
		return 4 + 17
	}
	return 4 + 9
}

// FrameBytes is the length of the n-th frame.
//
// A frame's share of the bit rate is a whole number of bytes only at some
// rates. At 44.1 kHz a padding byte in some of the frames makes up for that. At
// 22.05 kHz no frame is padded, since some decoders round the length of a
// padded MPEG-2 frame down and lose the next one's start; the stream then has up
// to one byte less a frame than the nominal rate.
func (c Config) FrameBytes(n int64) int {
	return int(c.Bytes(n+1) - c.Bytes(n))
}

// Bytes is the length of the first n frames, of which there are fewer than 2^37.
func (c Config) Bytes(n int64) int64 {
	if !c.mpeg1() {
		return n * int64(c.shortFrame())
	}
	return n * int64(c.FrameSamples()/8*c.Bitrate) / int64(c.Rate)
}

// shortFrame is the length of a frame without a padding byte.
func (c Config) shortFrame() int {
	return c.FrameSamples() / 8 * c.Bitrate / c.Rate
}

// Header returns the header of a frame: ISO/IEC 11172-3, 2.4.1.3.
func (c Config) Header(padded, midSide bool) [4]byte {
	const (
		sync   = 0x7ff << 21
		mpeg1  = 3 << 19
		mpeg2  = 2 << 19
		layer3 = 1 << 17
		noCRC  = 1 << 16
		own    = 1 << 2 // original, not a copy
	)
	h := uint32(sync | layer3 | noCRC | own)
	if c.mpeg1() {
		h |= mpeg1
	} else {
		h |= mpeg2
	}
	h |= uint32(slices.Index(bitrateTable(c.Rate), c.Bitrate/1000)) << 12
	h |= rateIndex[c.Rate] << 10
	if padded {
		h |= 1 << 9
	}
	// Stereo is always "joint", whether the frame makes use of it or not: some
	// players take a change of mode for the end of the stream.
	if c.Channels == 1 {
		h |= 3 << 6
	} else {
		h |= 1 << 6
	}
	if midSide {
		h |= 2 << 4
	}
	return [4]byte{byte(h >> 24), byte(h >> 16), byte(h >> 8), byte(h)}
}

// reservoirBytes is how much of earlier frames a frame's main data may use:
// what main_data_begin can say, unless the decoder's input buffer of 7680 bits
// would not hold that and the frame.
func (c Config) reservoirBytes() int {
	most := 255
	if c.mpeg1() {
		most = 511
	}
	return max(0, min(most, 7680/8-c.shortFrame()-1))
}
