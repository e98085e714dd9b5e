package dot

import "math"

// GenericLogistic is [Logistic] in Go.
func GenericLogistic(x []float32) {
	for i, v := range x {
		e := exp(v)
		x[i] = e / (1 + e)
	}
}

// exp is e^x to the precision of a float32, for x from -60 to 60, and the value
// there beyond, where nobody can tell a logistic function from 0 or 1. math.Exp is
// more precise than is needed, and takes three times as long.
//
// It is 2^k times e^r, with an r of at most half of ln 2, for which a polynomial
// suffices: that of expf in the Cephes library.
func exp(x float32) float32 {
	if x < -60 {
		x = -60
	}
	if x > 60 {
		x = 60
	}
	const round = 3 << 22 // added to it, a float32 has no fraction
	shifted := x*(1/math.Ln2) + round
	k := shifted - round
	r := x - k*0.693359375 + k*2.12194440e-4 // ln 2 in two parts, of which the first is exact
	p := float32(1.9875691500e-4)
	p = p*r + 1.3981999507e-3
	p = p*r + 8.3334519073e-3
	p = p*r + 4.1665795894e-2
	p = p*r + 1.6666665459e-1
	p = p*r + 5.0000001201e-1
	p = p*r*r + r + 1
	return math.Float32frombits(math.Float32bits(p) + math.Float32bits(shifted)<<23) // k into the exponent
}
