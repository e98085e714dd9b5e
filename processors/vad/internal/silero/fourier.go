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
	reverse []uint8     // where each complex number goes before the first stage
	stage   []complex64 // e^(-2πik/n), n = size/2, for the stages
	last    []complex64 // e^(-2πik/size), to take the spectra apart
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
	for k := range n / 2 {
		f.stage = append(f.stage, unit(k, n))
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
	out = out[:n+1]
	for k := range out {
		a, b := z[k&(n-1)], z[(n-k)&(n-1)]
		// The spectrum of the even samples, and that of the odd ones.
		evenR, evenI := 0.5*(real(a)+real(b)), 0.5*(imag(a)-imag(b))
		oddR, oddI := 0.5*(imag(a)+imag(b)), 0.5*(real(b)-real(a))
		w := f.last[k]
		re := evenR + oddR*real(w) - oddI*imag(w)
		im := evenI + oddR*imag(w) + oddI*real(w)
		out[k] = float32(math.Sqrt(float64(re*re + im*im)))
	}
}

// transform does the stages on z, which is in reversed order.
func (f *fourier) transform(z []complex64) {
	for i := 0; i+1 < len(z); i += 2 { // the first has no factors
		a, b := z[i], z[i+1]
		z[i], z[i+1] = a+b, a-b
	}
	for half := 2; half < len(z); half *= 2 {
		step := len(z) / (2 * half)
		for i := 0; i < len(z); i += 2 * half {
			low, high := z[i:i+half], z[i+half:i+2*half]
			for j := range low {
				w := f.stage[j*step]
				a, b := low[j], high[j]
				re := real(b)*real(w) - imag(b)*imag(w)
				im := real(b)*imag(w) + imag(b)*real(w)
				low[j] = complex(real(a)+re, imag(a)+im)
				high[j] = complex(real(a)-re, imag(a)-im)
			}
		}
	}
}
