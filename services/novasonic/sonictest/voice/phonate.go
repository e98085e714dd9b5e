package voice

import (
	"math"
	"math/rand/v2"
	"time"
)

// control is how often the mouth moves; between, it is still.
const control = 2 * time.Millisecond

// phonate makes the wave of a track: a glottal pulse train through three
// formants, and noise through a fourth resonance (a source-filter synthesiser).
// The mouth glides from one setting to the next, which is what makes it sound
// like speech rather than like an organ.
func phonate(track []sound, samples int, o Options, random *rand.Rand) []float64 {
	rate := float64(o.Rate)
	step := max(int(o.Rate.Samples(control)), 1)
	glide := 1 - math.Exp(-control.Seconds()/0.018)

	out := make([]float64, samples)
	var mouth sound
	if len(track) > 0 {
		mouth = track[0]
	}
	var first, second, third, hiss resonator
	phase, drift := 0.0, 0.0
	current := 0
	for at := 0; at < samples; at += step {
		for current+1 < len(track) && at >= track[current+1].start {
			current++
		}
		mouth.glide(track[current], glide)
		drift = 0.98*drift + 0.006*(2*random.Float64()-1)
		increment := o.Pitch * mouth.tone * (1 + drift) / rate

		first.tune(mouth.f1, 80, rate)
		second.tune(mouth.f2, 110, rate)
		third.tune(mouth.f3, 170, rate)
		hiss.tune(min(mouth.hiss, 0.42*rate), 900, rate)
		for i := at; i < min(at+step, samples); i++ {
			phase += increment
			if phase >= 1 {
				phase--
			}
			source := mouth.voice * glottis(phase)
			voiced := first.pass(source) + 0.7*second.pass(source) + 0.5*third.pass(source)
			out[i] = voiced + mouth.breath*hiss.pass(2*random.Float64()-1)
		}
	}
	level(out, rate)
	return out
}

// level halves, in decibels, how much louder some sounds are than others, as
// any telephone does.
func level(wave []float64, rate float64) {
	const floor = 1e-4 // of full scale: pauses stay pauses
	follow := 1 - math.Exp(-1/(0.015*rate))
	envelope := 0.0
	for i, v := range wave {
		envelope += follow * (math.Abs(v) - envelope)
		wave[i] = v / math.Sqrt(envelope+floor)
	}
}

// glide moves the mouth towards a target.
func (s *sound) glide(target sound, by float64) {
	s.voice += by * (target.voice - s.voice)
	s.breath += by * (target.breath - s.breath)
	s.f1 += by * (target.f1 - s.f1)
	s.f2 += by * (target.f2 - s.f2)
	s.f3 += by * (target.f3 - s.f3)
	s.hiss += by * (target.hiss - s.hiss)
	s.tone += by * (target.tone - s.tone)
}

// glottis is one period of the flow's derivative: a slow opening and a steep
// closing at 60 % of the period (after Rosenberg).
func glottis(phase float64) float64 {
	const opening, closed = 0.4, 0.6
	switch {
	case phase < opening:
		x := phase / opening
		return 2 * x * (1 - x)
	case phase < closed:
		x := (phase - opening) / (closed - opening)
		return -2 * x * (1 - 0.5*x)
	}
	return 0
}

// resonator is a two-pole filter with unit gain at its centre frequency.
type resonator struct {
	a, b, c float64
	y1, y2  float64
}

func (r *resonator) tune(centre, bandwidth, rate float64) {
	radius := math.Exp(-math.Pi * bandwidth / rate)
	angle := 2 * math.Pi * min(centre, 0.45*rate) / rate
	r.b = 2 * radius * math.Cos(angle)
	r.c = -radius * radius
	// |1 - b z - c z²| at the centre frequency
	re := 1 - r.b*math.Cos(angle) - r.c*math.Cos(2*angle)
	im := r.b*math.Sin(angle) + r.c*math.Sin(2*angle)
	r.a = math.Hypot(re, im)
}

func (r *resonator) pass(x float64) float64 {
	y := r.a*x + r.b*r.y1 + r.c*r.y2
	r.y2, r.y1 = r.y1, y
	return y
}
