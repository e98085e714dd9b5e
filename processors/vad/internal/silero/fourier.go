package silero

import (
	"fmt"
	"math"
	"math/bits"
)

// fourier computes the magnitudes of the spectrum of a frame of real samples. The
// network has a convolution with cosines and sines for that; they are those of
// the discrete Fourier transform with a Hann window, which the fast algorithm
// gets by with a tenth of the work.
//
// The even samples are taken for real parts and the odd ones for imaginary
// parts of half as many complex numbers; the two spectra are taken apart at the
// end.
type fourier struct {
	size    int // of a frame: a power of two, at most 256
	window  []float32
	reverse []uint8       // where each complex number goes before the first stage
	stages  [][]complex64 // of h each, e^(-πik/h)
	last    []complex64   // e^(-2πik/size), to take the spectra apart
}

func newFourier(size int) *fourier {
	n := size / 2
	f := &fourier{size: size}
	unit := func(k, n int) complex64 {
		sin, cos := math.Sincos(-2 * math.Pi * float64(k) / float64(n))
		return complex(float32(cos), float32(sin))
	}
	for i := range size {
		f.window = append(f.window, float32(hann(i, size)))
	}
	for i := range n {
		f.reverse = append(f.reverse, uint8(bits.Reverse8(uint8(i))>>(8-bits.Len(uint(n-1)))))
	}
	for half := 1; half < n; half *= 2 {
		var factors []complex64
		for k := range half {
			factors = append(factors, unit(k, 2*half))
		}
		f.stages = append(f.stages, factors)
	}
	for k := range n + 1 {
		f.last = append(f.last, unit(k, size))
	}
	return f
}

func hann(i, size int) float64 {
	return 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(size))
}

// check compares what f computes with the network's own basis: its cosines, then
// its sines, for each bin.
func (f *fourier) check(basis []float32) error {
	for bin := range f.size/2 + 1 {
		for i := range f.size {
			sin, cos := math.Sincos(2 * math.Pi * float64(bin*i%f.size) / float64(f.size))
			re, im := basis[bin*f.size+i], basis[(f.size/2+1+bin)*f.size+i]
			if math.Abs(float64(re)-hann(i, f.size)*cos) > 1e-6 || math.Abs(float64(im)+hann(i, f.size)*sin) > 1e-6 {
				return fmt.Errorf("the basis of its transform is not Fourier's with a Hann window: this is not version 5 of the model")
			}
		}
	}
	return nil
}

// magnitudes writes the size/2+1 magnitudes of the spectrum of x to out.
func (f *fourier) magnitudes(out, x []float32) {
	var memory [128]complex64
	z := memory[:f.size/2]
	x = x[:2*len(z)]
	for i, r := range f.reverse[:len(z)] {
		z[r] = complex(x[2*i]*f.window[2*i], x[2*i+1]*f.window[2*i+1])
	}
	f.transform(z)
	n := len(z)
	out, last := out[:n+1], f.last[:n+1]
	for k := 0; k <= n/2; k++ {
		a, b := z[k], z[(n-k)&(n-1)]
		// The spectrum of the even samples, and that of the odd ones, turned.
		evenR, evenI := 0.5*(real(a)+real(b)), 0.5*(imag(a)-imag(b))
		oddR, oddI := 0.5*(imag(a)+imag(b)), 0.5*(real(b)-real(a))
		w := last[k]
		turnR, turnI := oddR*real(w)-oddI*imag(w), oddR*imag(w)+oddI*real(w)
		out[k] = magnitude(evenR+turnR, evenI+turnI)
		out[n-k] = magnitude(evenR-turnR, evenI-turnI) // the same, but for signs
	}
}

// fourFrames is magnitudes of four frames, each of which begins half a frame behind
// the one before, all at once: their results are row apart. It is for processors with
// vectors of eight numbers, which are the four real and the four imaginary parts.
func (f *fourier) fourFrames(out []float32, row int, x []float32) {
	var memory [128 * 8]float32
	n := f.size / 2
	z := memory[:8*n]
	x0, x1, x2, x3 := x[:2*n], x[n:3*n], x[2*n:4*n], x[3*n:5*n]
	window := f.window[:2*n]
	for i, r := range f.reverse[:n] {
		z := (*[8]float32)(z[8*int(r):])
		even, odd := window[2*i], window[2*i+1]
		z[0], z[4] = x0[2*i]*even, x0[2*i+1]*odd
		z[1], z[5] = x1[2*i]*even, x1[2*i+1]*odd
		z[2], z[6] = x2[2*i]*even, x2[2*i+1]*odd
		z[3], z[7] = x3[2*i]*even, x3[2*i+1]*odd
	}
	for _, factors := range f.stages {
		stageAVX2(&z[0], n, &factors[0], len(factors))
	}
	var bins [129 * 4]float32
	spectrumAVX2(&bins[0], &z[0], &f.last[0], n)
	out0, out1, out2, out3 := out[:n+1], out[row:row+n+1], out[2*row:2*row+n+1], out[3*row:3*row+n+1]
	for k := range out0 {
		b := (*[4]float32)(bins[4*k:])
		out0[k], out1[k], out2[k], out3[k] = b[0], b[1], b[2], b[3]
	}
}

func magnitude(re, im float32) float32 { return float32(math.Sqrt(float64(re*re + im*im))) }

// transform does the stages on z, which is in reversed order.
func (f *fourier) transform(z []complex64) {
	for q := z; len(q) >= 4; q = q[4:] { // the first two have no factors but 1 and -i
		a, b, c, d := q[0]+q[1], q[0]-q[1], q[2]+q[3], q[2]-q[3]
		d = complex(imag(d), -real(d))
		q[0], q[1], q[2], q[3] = a+c, b+d, a-c, b-d
	}
	for _, factors := range f.stages[2:] {
		half := len(factors)
		for q := z; len(q) >= 2*half; q = q[2*half:] {
			low, high := q[:half], q[half:2*half]
			for j, w := range factors {
				a, b := low[j], high[j]
				re := real(b)*real(w) - imag(b)*imag(w)
				im := real(b)*imag(w) + imag(b)*real(w)
				low[j] = complex(real(a)+re, imag(a)+im)
				high[j] = complex(real(a)-re, imag(a)-im)
			}
		}
	}
}
