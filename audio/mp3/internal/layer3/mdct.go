package layer3

import "math"

// butterflies is how many lines on each side of a subband's edge take part in
// alias reduction.
const butterflies = 8

// The coefficients of ISO/IEC 11172-3, table B.9.
var aliasC = [butterflies]float64{-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037}

func (t *trig) initMDCT() {
	for k := range slots {
		for n := range slots {
			t.dct4[k][n] = math.Cos(math.Pi / slots * (float64(n) + 0.5) * (float64(k) + 0.5))
		}
	}
	for n := range t.sine {
		// The decoder's inverse has no scale, which multiplies by half the
		// block.
		t.sine[n] = math.Sin(math.Pi/(2*slots)*(float64(n)+0.5)) * 2 / slots
	}
	for i, c := range aliasC {
		t.cs[i] = 1 / math.Sqrt(1+c*c)
		t.ca[i] = c / math.Sqrt(1+c*c)
	}
}

// mdct turns a granule of subband samples into frequency lines: a long block of
// 36 samples, half of them from the granule before, for each subband, and then
// alias reduction between neighbours.
func (f *filterbank) mdct(x *[lines]float64, sub *[subbands][slots]float64) {
	for sb := range sub {
		cur, last := &sub[sb], &f.overlap[sb]
		if sb%2 == 1 {
			// An odd subband's spectrum is upside down; this turns it.
			for i := 1; i < slots; i += 2 {
				cur[i] = -cur[i]
			}
		}
		// The block folds to 18 values about its quarters, which is exactly
		// the alias that the decoder's overlap cancels.
		var u [slots]float64
		const half = slots / 2
		for n := range half {
			u[n] = -cur[half-1-n]*f.sine[3*half-1-n] - cur[half+n]*f.sine[3*half+n]
			u[half+n] = last[n]*f.sine[n] - last[slots-1-n]*f.sine[slots-1-n]
		}
		for k := range slots {
			var sum float64
			for n, c := range &f.dct4[k] {
				sum += c * u[n]
			}
			x[sb*slots+k] = sum
		}
		*last = *cur
	}
	for edge := slots; edge < lines; edge += slots {
		for i := range butterflies {
			lo, hi := x[edge-1-i], x[edge+i]
			x[edge-1-i] = lo*f.cs[i] + hi*f.ca[i]
			x[edge+i] = hi*f.cs[i] - lo*f.ca[i]
		}
	}
}
