package layer3

import (
	"encoding/binary"
	"math"
	"slices"
)

// An Info says what the first frame of a stream tells players. It is not part
// of MPEG: a decoder that does not know it hears a frame of silence. Players
// agree on the layout of the "Xing" tag, called "Info" where the bit rate is
// constant, and of the LAME encoder's extension to it, which has the delays.
type Info struct {
	// Frames is how many frames follow; 0 if that is not known yet.
	Frames int64
	// Delay and Padding are how many samples of each channel the frames have
	// in front of the first and behind the last one, the former without
	// DecoderDelay: 0 to 4095.
	Delay, Padding int
	// Checksum is the CRC of all frames that follow, 0 if that is not known.
	Checksum uint16
}

const (
	infoFrames = 1 << iota // flags of what the tag has
	infoBytes
	infoContents
)

// The tag, and the extension behind it.
const (
	xingBytes = 4 + 4 + 4 + 4 + 100
	lameBytes = 36
)

// infoConfig is the configuration of the Info frame: c, or with the least higher
// bit rate whose frames have room for the tag.
func (c Config) infoConfig() Config {
	need := c.HeaderBytes() + xingBytes + lameBytes
	for _, b := range Bitrates(c.Rate) {
		if b < c.Bitrate {
			continue
		}
		if c.Bitrate = b; c.shortFrame() >= need {
			break
		}
	}
	return c
}

// InfoBytes is the length of the Info frame.
func (c Config) InfoBytes() int { return c.infoConfig().shortFrame() }

// AppendInfo appends the Info frame of c's stream to dst.
func (c Config) AppendInfo(dst []byte, i Info) []byte {
	ic := c.infoConfig()
	size := ic.shortFrame()
	start := len(dst)
	dst = slices.Grow(dst, size)

	header := ic.Header(false, false)
	dst = append(dst, header[:]...)
	// Side information of zeros: nothing to decode.
	dst = append(dst, make([]byte, c.HeaderBytes()-len(header))...)

	be := binary.BigEndian
	bytes := int64(size) + c.Bytes(i.Frames)
	known := i.Frames > 0 && bytes <= math.MaxUint32
	if !known {
		i.Frames, bytes = 0, 0
	}
	dst = append(dst, "Info"...)
	if known {
		dst = be.AppendUint32(dst, infoFrames|infoBytes|infoContents)
		dst = be.AppendUint32(dst, uint32(i.Frames))
		dst = be.AppendUint32(dst, uint32(bytes))
		// Where each percent of the time starts, in 256ths of the bytes.
		for percent := range 100 {
			dst = append(dst, byte(percent*256/100))
		}
	} else {
		dst = be.AppendUint32(dst, 0)
	}
	dst = c.appendLAME(dst, i, uint32(bytes))
	dst = be.AppendUint16(dst, Checksum(0, dst[start:]))
	return append(dst, make([]byte, start+size-len(dst))...)
}

// appendLAME appends the extension without its checksum.
func (c Config) appendLAME(dst []byte, i Info, bytes uint32) []byte {
	be := binary.BigEndian
	// Nine characters name the encoder. Players only believe the delays if
	// the first four are these.
	dst = append(dst, "LAME-like"...)
	const revision0ConstantRate = 0<<4 | 1
	dst = append(dst, revision0ConstantRate, 0) // low-pass frequency: unknown
	dst = append(dst, make([]byte, 4+2+2+1)...) // peak, two gains, flags: none
	dst = append(dst, byte(min(c.Bitrate/1000, 255)))
	dst = append(dst, byte(i.Delay>>4), byte(i.Delay<<4|i.Padding>>8), byte(i.Padding))
	misc := byte(0)
	if c.Channels == 2 {
		misc |= 1 << 2
	}
	switch c.Rate {
	case 44100:
		misc |= 1 << 6
	case 48000:
		misc |= 2 << 6
	}
	dst = append(dst, misc, 0, 0, 0) // gain, preset: none
	dst = be.AppendUint32(dst, bytes)
	return be.AppendUint16(dst, i.Checksum)
}

// Checksum continues a CRC-16 (polynomial 0x8005, least significant bit first,
// from 0) over p.
func Checksum(crc uint16, p []byte) uint16 {
	for _, b := range p {
		crc ^= uint16(b)
		for range 8 {
			low := crc & 1
			crc = crc>>1 ^ low*0xa001
		}
	}
	return crc
}
