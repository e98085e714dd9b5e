package layer3

import "math"

// midSideGain is what sum and difference have to save, as a part of the bits of
// left and right, before a frame is coded that way. Noise in sum and difference
// is heard on both sides; so the one of two independent speakers who is silent
// stays so.
const midSideGain = 1.0 / 16

// useMidSide prepares the sum and the difference of the frame's left and right
// lines and says whether they are cheaper at the same coarseness.
func (e *Encoder) useMidSide() bool {
	if e.Channels != 2 || !e.rate.known {
		return false
	}
	k := e.rate.coarseness()
	parts := e.granules() * 2
	leftRight, _ := e.quantizeAll(e.spectra[:parts], k)
	for i := 0; i < parts; i += 2 {
		left, right := &e.x[i], &e.x[i+1]
		for n, l := range left {
			r := right[n]
			left[n], right[n] = (l+r)*math.Sqrt2/2, (l-r)*math.Sqrt2/2
		}
		e.midSide[i].set(left, e.layout)
		e.midSide[i+1].set(right, e.layout)
	}
	midSide, _ := e.quantizeAll(e.midSide[:parts], k)
	return float64(midSide) < (1-midSideGain)*float64(leftRight)
}
