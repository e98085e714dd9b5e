//go:build purego || !(amd64 || arm64)

package dot

// Product returns the sum of the products of a and b. The length of a is a
// multiple of 8, and b is at least as long: the rest of it does not count.
func Product(a, b []float32) float32 { return Generic(a, b[:len(a)]) }

// Fused is Product. On other architectures it is faster.
func Fused(a, b []float32) float32 { return Product(a, b) }

// Four puts the products of a with four parts of b, as long as a and stride
// apart, into out. The length of a is a multiple of 8.
func Four(out *[4]float32, a, b []float32, stride int) { oneByOne(out, a, b, stride) }

// Logistic replaces each x by 1/(1+e^-x), to 1e-7. The length of x is a multiple
// of 8.
func Logistic(x []float32) { GenericLogistic(x) }
