//go:build !purego

package dot

import "golang.org/x/sys/cpu"

// Product returns the sum of the products of a and b. The length of a is a
// multiple of 8, and b is at least as long: the rest of it does not count.
func Product(a, b []float32) float32 { return dotSSE(a, b[:len(a)]) }

// Fused is Product by the widest vectors that the processor has. The results of
// different processors of one architecture may differ in the last bits, which
// those of Product do not.
func Fused(a, b []float32) float32 {
	if hasAVX2 {
		return dotAVX2(a, b[:len(a)])
	}
	return dotSSE(a, b[:len(a)])
}

var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func dotSSE(a, b []float32) float32

//go:noescape
func dotAVX2(a, b []float32) float32

// MatVec puts the products of the rows of m with v into out, one for each row, by the
// widest vectors that the processor has. The length of out is a multiple of 4, that of
// v one of 8.
func MatVec(out, m, v []float32) {
	m = matrix(m, len(out), 4, len(v))
	if hasAVX2 {
		matVecAVX2(out, m, v)
		return
	}
	rowByRow(out, m, v)
}

//go:noescape
func matVecAVX2(out, m, v []float32)

// MatFour puts the products of the rows of m, of n numbers each, with four vectors,
// which begin stride apart in v, into out, four for each row, by the widest vectors that
// the processor has. The length of out is a multiple of 2, and n one of 8.
func MatFour(out [][4]float32, m, v []float32, n, stride int) {
	m, v = matrix(m, len(out), 2, n), fourIn(v, n, stride)
	if hasAVX2 {
		matFourAVX2(out, m, v, n, stride)
		return
	}
	fourByFour(out, m, v, n, stride)
}

//go:noescape
func matFourAVX2(out [][4]float32, m, v []float32, n, stride int)

// Logistic replaces each x by 1/(1+e^-x), to 1e-7. The length of x is a multiple
// of 8.
func Logistic(x []float32) {
	if hasAVX2 {
		logisticAVX2(x)
		return
	}
	GenericLogistic(x)
}

//go:noescape
func logisticAVX2(x []float32)
