package layer3

import (
	"math"
	"sync"
)

const (
	subbands = 32
	slots    = lines / subbands // samples of each subband in a granule
	taps     = 512
	history  = taps - subbands // samples kept from the granule before
)

// trig holds the constants of both transforms. It is built once and then only
// read.
type trig struct {
	window [taps]float64         // analysis window C
	even   [16][subbands]float64 // cosines of the subband matrix, folded
	dct4   [slots][slots]float64 // cosines of the MDCT, folded
	sine   [2 * slots]float64    // long block window, with the MDCT's scale
	cs, ca [butterflies]float64  // alias reduction
}

var constants = sync.OnceValue(func() *trig {
	t := new(trig)
	for i := range t.window {
		h := prototype[min(i, taps-i)]
		if i/64%2 == 1 {
			h = -h
		}
		t.window[i] = float64(h) / (65536 * subbands)
	}
	for i := range t.even {
		for m := range subbands {
			t.even[i][m] = math.Cos(float64((2*i+1)*m) * math.Pi / 64)
		}
	}
	t.initMDCT()
	return t
})

// A filterbank turns one channel's samples into frequency lines. Its delay,
// together with that of a decoder, is 1057 samples.
type filterbank struct {
	*trig
	pcm     [history + lines]float64 // oldest first
	overlap [subbands][slots]float64 // the granule before, for the MDCT
}

// transform consumes a granule of samples, each in [-1, 1), taken from src at
// every stride-th value, and sets the 576 frequency lines of x.
func (f *filterbank) transform(x *[lines]float64, src []int16, stride int) {
	copy(f.pcm[:history], f.pcm[lines:])
	for i := range lines {
		f.pcm[history+i] = float64(src[i*stride]) / 32768
	}
	var sub [subbands][slots]float64
	for s := range slots {
		f.analyse(&sub, s)
	}
	f.mdct(x, &sub)
}

// analyse runs the polyphase filters of ISO/IEC 11172-3, C.1.3 for one slot of
// 32 samples.
func (f *filterbank) analyse(sub *[subbands][slots]float64, slot int) {
	// z[k] is the windowed past, folded to 64 values. The newest sample is
	// the first of the window.
	var z [64]float64
	newest := history + slot*subbands + subbands - 1
	for k := range z {
		var sum float64
		for i := k; i < taps; i += 64 {
			sum += f.window[i] * f.pcm[newest-i]
		}
		z[k] = sum
	}
	// The matrix is cos((2i+1)(k-16)π/64): even in k-16, odd about k-16 = 32.
	// That folds 64 values to 32.
	var t [subbands]float64
	t[0] = z[16]
	for m := 1; m <= 16; m++ {
		t[m] = z[16+m] + z[16-m]
	}
	for m := 17; m < subbands; m++ {
		t[m] = z[16+m] - z[80-m]
	}
	// Subbands i and 31-i have the same cosines, but for the sign at odd m.
	for i := range f.even {
		row := &f.even[i]
		var even, odd float64
		for m := 0; m < subbands; m += 2 {
			even += row[m] * t[m]
			odd += row[m+1] * t[m+1]
		}
		sub[i][slot] = even + odd
		sub[subbands-1-i][slot] = even - odd
	}
}
