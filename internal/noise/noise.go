// Package noise makes audio for tests in which every sample can be found again.
package noise

// Samples returns n samples in which every one can be told from its neighbours
// and none is silent. Another seed gives others.
func Samples(seed, n int) []int16 {
	s := make([]int16, n)
	x := uint32(seed)
	for i := range s {
		x = x*1664525 + 1013904223
		s[i] = int16(x>>17) | 1
		if i > 0 && s[i] == s[i-1] {
			s[i] ^= 2
		}
	}
	return s
}
