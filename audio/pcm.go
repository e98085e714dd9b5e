package audio

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"
)

// littleEndian is whether this machine keeps the low byte of a sample first,
// as PCM on every wire that Parley speaks does. The compiler folds it.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// EncodePCM appends samples to dst as signed 16-bit little-endian bytes, two
// for each sample ("s16le", "audio/lpcm").
func EncodePCM(dst []byte, samples []int16) []byte {
	if b, ok := PCMBytes(samples); ok {
		return append(dst, b...)
	}
	return encodePCM(dst, samples)
}

// encodePCM is EncodePCM for machines of either byte order.
func encodePCM(dst []byte, samples []int16) []byte {
	dst = slices.Grow(dst, 2*len(samples))
	for _, s := range samples {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(s))
	}
	return dst
}

// DecodePCM appends to dst the samples that signed 16-bit little-endian bytes
// hold. A last single byte is half a sample and is ignored: whoever reads a
// stream keeps it for the next call.
func DecodePCM(dst []int16, b []byte) []int16 {
	if !littleEndian {
		return decodePCM(dst, b)
	}
	n := len(b) / 2
	dst = slices.Grow(dst, n)[:len(dst)+n]
	// The view is of dst, which is aligned for int16; b need not be.
	if view, ok := PCMBytes(dst[len(dst)-n:]); ok {
		copy(view, b)
	}
	return dst
}

// decodePCM is DecodePCM for machines of either byte order.
func decodePCM(dst []int16, b []byte) []int16 {
	dst = slices.Grow(dst, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		dst = append(dst, int16(binary.LittleEndian.Uint16(b)))
	}
	return dst
}

// PCMBytes returns the samples themselves, without a copy, as signed 16-bit
// little-endian bytes. ok is false on a big-endian machine: use [EncodePCM].
// The bytes share the memory of samples and are valid as long as that is.
// Whoever may not write to the samples may not write to the bytes.
func PCMBytes(samples []int16) (b []byte, ok bool) {
	if !littleEndian {
		return nil, false
	}
	if len(samples) == 0 {
		return nil, true
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(samples))), 2*len(samples)), true
}

// floatScale is what 1.0 is in 16 bits. Both directions use it, so that int16
// to float32 and back is exact for all 65,536 values and zero stays zero. The
// price is that +1.0 itself, one step beyond the largest sample, saturates.
const floatScale = 32768

// ToFloat32 appends the samples to dst as floats: -32768 becomes -1, 32767
// becomes 0.99997. The conversion is exact.
func ToFloat32(dst []float32, samples []int16) []float32 {
	at := len(dst)
	dst = slices.Grow(dst, len(samples))[:at+len(samples)]
	out := dst[at:]
	for i, s := range samples {
		out[i] = float32(s) * (1.0 / floatScale)
	}
	return dst
}

// FromFloat32 appends floats of full scale ±1 to dst, rounded to the nearest
// sample. What is beyond full scale saturates; NaN becomes 0.
func FromFloat32(dst []int16, samples []float32) []int16 {
	at := len(dst)
	dst = slices.Grow(dst, len(samples))[:at+len(samples)]
	out := dst[at:]
	for i, f := range samples {
		out[i] = round16(f * floatScale)
	}
	return dst
}

// round16 rounds to the nearest integer, halves to even, and saturates. NaN
// becomes 0.
func round16(f float32) int16 {
	switch {
	case f >= math.MaxInt16:
		return math.MaxInt16
	case f <= math.MinInt16:
		return math.MinInt16
	case f != f:
		return 0
	}
	// Adding 1.5 * 2^23 leaves no room for a fraction in a float32's mantissa,
	// so that the addition itself rounds, halves to even. The conversion keeps
	// the compiler from fusing it with a multiplication before it.
	const magic = 3 << 22
	return int16(int32(math.Float32bits(float32(f)+magic)) - int32(0x4B400000))
}

// saturate16 clips v to the range of a sample.
func saturate16(v int) int16 {
	return int16(min(max(v, math.MinInt16), math.MaxInt16))
}
