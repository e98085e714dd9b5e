package local

import "math"

// half is half the length of the filter that interpolates, and by how many
// samples what it lets through is late.
const half = 16

// stretcher passes samples on as they are, half samples later, and makes a sample
// more or fewer of a piece where it is asked to: what clocks that differ need. For
// that it reads the piece a little slower or faster, between the samples, with a
// windowed sinc; at the piece's ends it is at whole samples again, so that what
// is not stretched is not touched.
type stretcher struct {
	past [2 * half]int16
	work []int16
}

// stretch appends to dst the m samples that are made of src.
func (s *stretcher) stretch(dst, src []int16, m int) []int16 {
	s.work = append(append(s.work[:0], s.past[:]...), src...)
	if n := len(src); m == n {
		dst = append(dst, s.work[half:half+n]...)
	} else {
		for j := range m {
			at, phase := j*n/m, float64(j*n%m)/float64(m)
			dst = append(dst, between(s.work[at:at+2*half+1], phase))
		}
	}
	copy(s.past[:], s.work[len(src):])
	return dst
}

// reset forgets what came before.
func (s *stretcher) reset() { s.past = [2 * half]int16{} }

// between returns the value of a signal a fraction of a sample behind x[half].
func between(x []int16, phase float64) int16 {
	if phase == 0 {
		return x[half]
	}
	// sin(π(k+phase)) is the same for all k but for its sign.
	sine := math.Sin(math.Pi * phase)
	var sum, weights float64
	for i := 1; i <= 2*half; i++ {
		k := float64(half-i) + phase
		w := sine / (math.Pi * k)
		if (half-i)%2 != 0 {
			w = -w
		}
		w *= window(k / half)
		sum += w * float64(x[i])
		weights += w
	}
	return int16(math.Round(min(max(sum/weights, math.MinInt16), math.MaxInt16)))
}

// window is Blackman's, from -1 to 1.
func window(x float64) float64 {
	return 0.42 + 0.5*math.Cos(math.Pi*x) + 0.08*math.Cos(2*math.Pi*x)
}
