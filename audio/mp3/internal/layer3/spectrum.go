package layer3

import "math"

const (
	// maxValue is the largest quantized magnitude: 15 and an escape of 13 bits.
	maxValue = 15 + 1<<13 - 1

	// rounding is what a magnitude gets before it is cut to an integer. It is
	// less than half because the inverse, x^(4/3), is convex (ISO/IEC
	// 11172-3, C.1.5.4.4.1 rounds with -0.0946).
	rounding = 0.5 - 0.0946

	// maxGain is the largest global gain.
	maxGain = 255

	// unitGain is the global gain whose quantizer step is 1, full scale. Each
	// unit more makes the step larger by a quarter of an octave.
	unitGain = 210

	// quietNoise is how the noise that rounding to 16 bits makes looks on a
	// line, as energy: 1/12 of a squared step of 2^-15. The transforms spread
	// a sample's energy over the lines and scale it by 1/288.
	quietNoise = 1.0 / (1 << 30) / 12 / 288

	// shaping says how far noise follows the signal: the exponent of the
	// masking energy. 0 would make the noise white and the error smallest; 1
	// would keep the distance to the mask the same everywhere, which spends
	// bits on what is barely heard.
	shaping = 0.5
)

// A spectrum is a granule of one channel, ready to be quantized.
type spectrum struct {
	abs34 [lines]float64 // |x|^(3/4), which is quantized uniformly
	neg   [lines]bool
	bands [bandCount]bandTarget
}

// A bandTarget says which step a scale factor band should have, as a global
// gain. A coarseness k asks for base+k.
type bandTarget struct {
	base  int // step for the band's relative noise at coarseness 0
	floor int // a finer one is of no use, or its values would be too large
	zero  int // from here on all values are 0
}

// at is the gain for coarseness k.
func (t bandTarget) at(k int) int { return max(t.floor, t.base+k) }

// audible is false if the band is silent at any coarseness.
func (t bandTarget) audible() bool { return t.floor < t.zero }

// set takes the lines of a granule.
func (s *spectrum) set(x *[lines]float64, l *bandLayout) {
	var energy, roots, peak [bandCount]float64
	for b := range bandCount {
		var e, r, p float64
		for i := l.edges[b]; i < l.edges[b+1]; i++ {
			v := x[i]
			s.neg[i] = v < 0
			v = math.Abs(v)
			root := math.Sqrt(v)
			s.abs34[i] = root * math.Sqrt(root)
			e += v * v
			r += root
			p = max(p, s.abs34[i])
		}
		width := float64(l.edges[b+1] - l.edges[b])
		energy[b], roots[b], peak[b] = e/width, r/width, p
	}

	mask := energy
	for b := 1; b < bandCount; b++ {
		mask[b] = max(mask[b], mask[b-1]*l.up[b-1])
	}
	for b := lastBand; b > 0; b-- {
		mask[b-1] = max(mask[b-1], mask[b]*l.down[b])
	}
	for b := range bandCount {
		s.bands[b] = target(mask[b], roots[b], peak[b])
	}
	if d := l.disputed; d > 0 {
		both := s.bands[d-1].and(s.bands[d])
		s.bands[d-1], s.bands[d] = both, both
	}
}

// and is a target that does for two bands.
func (t bandTarget) and(u bandTarget) bandTarget {
	switch {
	case !t.audible():
		return u
	case !u.audible():
		return t
	}
	return bandTarget{
		base:  min(t.base, u.base),
		floor: max(t.floor, u.floor),
		zero:  max(t.zero, u.zero),
	}
}

// target derives a band's steps from the energy that masks its noise, from the
// mean of the square roots of its magnitudes and from its largest magnitude to
// the power of 3/4.
//
// A step of d, that is x = d·q^(4/3), has errors of up to 1/2 in q, uniformly
// spread; so the noise at x has the energy (dx/dq)²/12 = 4/27 · d^(3/2) · |x|^(1/2).
// Solved for d with the band's mean, this is the step for a given noise.
func target(mask, root, peak34 float64) bandTarget {
	if peak34 < 1e-12 {
		return bandTarget{} // digital silence
	}
	gain := func(noise float64) float64 {
		return unitGain + 8.0/3*math.Log2(27.0/4*noise/root)
	}
	// |x|^(3/4) · 2^(-3/16·(gain-210)) has to round to maxValue or less.
	limit := unitGain + 16.0/3*math.Log2(peak34/maxValue)
	zero := unitGain + 16.0/3*math.Log2(peak34/(1-rounding))
	return bandTarget{
		base:  int(math.Floor(gain(math.Pow(mask, shaping)))),
		floor: max(0, int(math.Ceil(limit)), int(math.Floor(gain(quietNoise)))),
		zero:  min(maxGain+1, int(math.Ceil(zero))),
	}
}
