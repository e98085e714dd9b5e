// Package dot multiplies vectors of floats, and computes the logistic function of
// them: for the resampler's filter, and for the layers of a neural network. The compiler does not vectorise.
package dot

// Generic is [Product] in Go, for processors without a version of their own, and
// what the others are compared with. Eight partial sums keep the processor's
// adders busy, and are what the vector versions compute too.
func Generic(a, b []float32) float32 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for len(a) >= 8 && len(b) >= 8 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		s4 += a[4] * b[4]
		s5 += a[5] * b[5]
		s6 += a[6] * b[6]
		s7 += a[7] * b[7]
		a, b = a[8:], b[8:]
	}
	return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
}

// rowByRow is [MatVec] by one product after the other.
func rowByRow(out, m, v []float32) {
	for i := range out {
		out[i] = Fused(v, m[i*len(v):])
	}
}

// fourByFour is [MatFour] by one product after the other.
func fourByFour(out [][4]float32, m, v []float32, n, stride int) {
	for i := range out {
		for j := range out[i] {
			out[i][j] = Fused(m[i*n:(i+1)*n], v[j*stride:])
		}
	}
}

// matrix returns so many rows of n numbers of m, and panics if they are not there, or if
// there are not a multiple of rows.
func matrix(m []float32, rows, multiple, n int) []float32 {
	if n < 0 || n%8 != 0 || rows%multiple != 0 {
		panic("dot: a matrix of these dimensions cannot be multiplied")
	}
	return m[: rows*n : len(m)]
}

// fourIn returns the part of v where the four vectors are, and panics if they are not
// there.
func fourIn(v []float32, n, stride int) []float32 {
	if stride < 0 {
		panic("dot: the stride is negative")
	}
	return v[: 3*stride+n : len(v)]
}
