//go:build !purego

package audio

// dot returns the sum of the products of a and b, which have the same length, a
// multiple of 8. It is where the resampler spends its time, and the compiler
// does not vectorise.
func dot(a, b []float32) float32 { return dotNEON(a, b[:len(a)]) }

//go:noescape
func dotNEON(a, b []float32) float32
