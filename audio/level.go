package audio

import "math"

// RMS returns the root-mean-square level of samples in dBFS: 0 for a
// full-scale square wave, -3.01 for a full-scale sine, around -20 to -30 for
// speech, -Inf for silence and for no samples.
func RMS(samples []int16) float64 {
	if len(samples) == 0 {
		return math.Inf(-1)
	}
	var sum int64 // 2^30 a sample: enough for 2^33 of them
	for _, s := range samples {
		sum += int64(s) * int64(s)
	}
	const full = 32768.0 * 32768.0
	return 10 * math.Log10(float64(sum)/float64(len(samples))/full)
}

// Peak returns the level of the largest sample, of either sign, in dBFS: 0 for
// -32768, -Inf for silence and for no samples.
func Peak(samples []int16) float64 {
	peak := 0
	for _, s := range samples {
		peak = max(peak, int(s), -int(s))
	}
	return 20 * math.Log10(float64(peak)/32768)
}
