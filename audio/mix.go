package audio

import (
	"math"
	"slices"
)

// Add mixes src into dst, sample by sample. Sums beyond full scale saturate. It
// mixes as many samples as the shorter of the two has and returns their number.
func Add(dst, src []int16) int {
	n := min(len(dst), len(src))
	dst, src = dst[:n], src[:n]
	for i, s := range src {
		dst[i] = saturate16(int(dst[i]) + int(s))
	}
	return n
}

// Gain makes samples louder or softer by db decibels, in place; 6.02 dB doubles
// the amplitude, -Inf silences. What would be beyond full scale saturates.
func Gain(samples []int16, db float64) {
	if db == 0 {
		return
	}
	// Float32 holds a sample times any factor with more precision than the
	// rounding at its end keeps.
	factor := float32(math.Pow(10, db/20))
	for i, s := range samples {
		samples[i] = round16(float32(s) * factor)
	}
}

// AppendSilence appends n zero samples to dst; none if n is negative.
func AppendSilence(dst []int16, n int) []int16 {
	if n <= 0 {
		return dst
	}
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	clear(dst[at:])
	return dst
}

// IsSilent returns whether all samples are zero: digital silence, which real
// microphones do not produce.
func IsSilent(samples []int16) bool {
	for _, s := range samples {
		if s != 0 {
			return false
		}
	}
	return true
}
