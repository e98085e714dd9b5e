package audio

import (
	"math/bits"
	"slices"
)

// G.711 is implemented as ITU-T Recommendation G.711 defines it, with its
// decision values, and with the sign taken by one's complement, as the reference
// software of ITU-T G.191 does, so that both halves of the range are treated
// alike. (The often copied g711.c of Sun shifts negative samples before it
// negates them, and so turns -1 into -8; ffmpeg does too, and also decides in the
// middle between two values, which at the ends of the segments is not where the
// Recommendation does. Everybody decodes to the same values.)

// EncodeULaw appends samples to dst as G.711 µ-law, one byte each ("PCMU").
// Silence is 0xFF.
func EncodeULaw(dst []byte, samples []int16) []byte {
	dst = slices.Grow(dst, len(samples))
	for _, s := range samples {
		dst = append(dst, ulaw(s))
	}
	return dst
}

// DecodeULaw appends to dst the samples that G.711 µ-law bytes stand for, of
// -32124 to 32124.
func DecodeULaw(dst []int16, b []byte) []int16 {
	dst = slices.Grow(dst, len(b))
	for _, c := range b {
		dst = append(dst, fromULaw(c))
	}
	return dst
}

// EncodeALaw appends samples to dst as G.711 A-law, one byte each ("PCMA").
// Silence is 0xD5.
func EncodeALaw(dst []byte, samples []int16) []byte {
	dst = slices.Grow(dst, len(samples))
	for _, s := range samples {
		dst = append(dst, alaw(s))
	}
	return dst
}

// DecodeALaw appends to dst the samples that G.711 A-law bytes stand for, of
// -32256 to 32256. A-law has no zero: its silence is 8.
func DecodeALaw(dst []int16, b []byte) []int16 {
	dst = slices.Grow(dst, len(b))
	for _, c := range b {
		dst = append(dst, fromALaw(c))
	}
	return dst
}

const (
	ulawBias = 33     // added so that every segment starts at a power of two
	ulawMax  = 0x1FFF // the largest biased 14-bit magnitude
)

// ulaw's code is, inverted: sign, 3 bits of segment, 4 bits of step. A
// segment's steps are twice as wide as those of the one below.
func ulaw(s int16) byte {
	sign := s >> 15 // 0 or -1
	magnitude := min(uint(s^sign)>>2+ulawBias, ulawMax)
	segment := uint(bits.Len(magnitude)) - 6 // 0 to 7
	step := magnitude >> (segment + 1) & 0xF
	return ^byte(uint(sign)&0x80 | segment<<4 | step)
}

func fromULaw(c byte) int16 {
	c = ^c
	segment, step := c>>4&7, int(c&0xF)
	v := ((2*step+ulawBias)<<segment - ulawBias) << 2
	if c&0x80 != 0 {
		v = -v
	}
	return int16(v)
}

// alaw's code is: sign (set is positive), 3 bits of segment, 4 bits of step,
// every other bit inverted (0x55). The first two segments have steps of the same
// width; then the width doubles.
func alaw(s int16) byte {
	sign := s >> 15
	magnitude := uint(s^sign) >> 4 // 11 bits
	var segment uint
	if magnitude > 0xF {
		segment = uint(bits.Len(magnitude)) - 4
		magnitude >>= segment - 1
	}
	return byte(^uint(sign)&0x80|segment<<4|magnitude&0xF) ^ 0x55
}

func fromALaw(c byte) int16 {
	c ^= 0x55
	segment, step := c>>4&7, int(c&0xF)
	v := step<<4 + 8
	if segment > 0 {
		v = (v + 0x100) << (segment - 1)
	}
	if c&0x80 == 0 {
		v = -v
	}
	return int16(v)
}
