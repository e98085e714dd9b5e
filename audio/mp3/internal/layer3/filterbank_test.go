package layer3

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The formulas of ISO/IEC 11172-3, C.1.3 and 2.4.3.4.10, as they stand there.
func TestTransformsAgreeWithTheStandardsFormulas(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	const granules = 3
	pcm := make([]int16, granules*lines)
	for i := range pcm {
		pcm[i] = int16(rng.IntN(65536) - 32768)
	}
	f := &filterbank{trig: constants()}
	var last [subbands][slots]float64
	for gr := range granules {
		var got [lines]float64
		f.transform(&got, pcm[gr*lines:], 1)

		var cur [subbands][slots]float64
		for s := range slots {
			for sb, v := range plainAnalysis(pcm, gr*lines+s*subbands+subbands-1) {
				if sb%2 == 1 && s%2 == 1 {
					v = -v
				}
				cur[sb][s] = v
			}
		}
		want := plainMDCT(&last, &cur)
		last = cur
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-12 {
				t.Fatalf("granule %d, line %d: %g, not %g", gr, i, got[i], want[i])
			}
		}
	}
}

func plainAnalysis(pcm []int16, newest int) (s [subbands]float64) {
	var z [taps]float64
	for i := range z {
		if newest-i >= 0 {
			z[i] = constants().window[i] * float64(pcm[newest-i]) / 32768
		}
	}
	for i := range s {
		for k := range 64 {
			var y float64
			for j := range 8 {
				y += z[k+64*j]
			}
			s[i] += math.Cos(float64((2*i+1)*(k-16))*math.Pi/64) * y
		}
	}
	return s
}

func plainMDCT(last, cur *[subbands][slots]float64) (x [lines]float64) {
	for sb := range subbands {
		for k := range slots {
			for n := range 2 * slots {
				v := last[sb][n%slots]
				if n >= slots {
					v = cur[sb][n-slots]
				}
				v *= math.Sin(math.Pi / 36 * (float64(n) + 0.5))
				x[sb*slots+k] += v * math.Cos(math.Pi/72*float64((2*n+1+18)*(2*k+1))) / 9
			}
		}
	}
	// The decoder's butterflies turn by the angle with this tangent; the
	// encoder's turn back.
	for sb := 1; sb < subbands; sb++ {
		for i, c := range []float64{-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037} {
			phi := math.Atan(c)
			lo, hi := x[18*sb-1-i], x[18*sb+i]
			x[18*sb-1-i] = lo*math.Cos(phi) + hi*math.Sin(phi)
			x[18*sb+i] = hi*math.Cos(phi) - lo*math.Sin(phi)
		}
	}
	return x
}

// quietNoise rests on this.
func TestWhiteNoiseSpreadsEvenlyOverTheLines(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	f := &filterbank{trig: constants()}
	var in, out float64
	var x [lines]float64
	pcm := make([]int16, lines)
	const granules = 200
	for range granules {
		for i := range pcm {
			pcm[i] = int16(rng.NormFloat64() * 3000)
			in += math.Pow(float64(pcm[i])/32768, 2)
		}
		f.transform(&x, pcm, 1)
		for _, v := range x {
			out += v * v
		}
	}
	if got := in / out; math.Abs(got-288) > 288*0.02 {
		t.Errorf("a sample has %.1f times the energy of a line, not 288 times", got)
	}
}
