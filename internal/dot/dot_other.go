//go:build purego || !(amd64 || arm64)

package dot

// Product returns the sum of the products of a and b. The length of a is a
// multiple of 8, and b is at least as long: the rest of it does not count.
func Product(a, b []float32) float32 { return Generic(a, b[:len(a)]) }

// Fused is Product. On other architectures it is faster.
func Fused(a, b []float32) float32 { return Product(a, b) }

// MatVec puts the products of the rows of m with v into out, one for each row. The
// length of out is a multiple of 4, that of v one of 8.
func MatVec(out, m, v []float32) { rowByRow(out, matrix(m, len(out), 4, len(v)), v) }

// MatFour puts the products of the rows of m, of n numbers each, with four vectors,
// which begin stride apart in v, into out, four for each row. The length of out is a
// multiple of 2, and n one of 8.
func MatFour(out [][4]float32, m, v []float32, n, stride int) {
	fourByFour(out, matrix(m, len(out), 2, n), fourIn(v, n, stride), n, stride)
}

// Logistic replaces each x by 1/(1+e^-x), to 1e-7. The length of x is a multiple
// of 8.
func Logistic(x []float32) { GenericLogistic(x) }
