package enhance

import (
	"fmt"
	"math"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/mistakes"
)

// HighPass takes away what is below speech: the hum of the mains, the rumble of
// traffic, an offset. It is a Butterworth filter: flat above the cut-off, where it
// is 3 dB down, and then falling by 12 dB an octave, or 24. It has no latency. The
// zero value is good.
type HighPass struct {
	// Cutoff is the frequency in hertz at which it is 3 dB down; 90 by default,
	// just below the lowest voices. It must be above 0 and below 0.45 of the
	// sample rate.
	Cutoff float64

	// Order is 2 or 4: 12 or 24 dB an octave; 2 by default.
	Order int
}

// Stage makes the filter.
func (h HighPass) Stage(f audio.Format) (Filter, error) {
	if h.Cutoff == 0 {
		h.Cutoff = 90
	}
	if h.Order == 0 {
		h.Order = 2
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	var wrong mistakes.List
	if h.Order != 2 && h.Order != 4 {
		wrong.Add("order %d is neither 2 nor 4", h.Order)
	}
	if most := 0.45 * float64(f.Rate); !(h.Cutoff > 0 && h.Cutoff <= most) {
		wrong.Add("a cut-off of %g Hz is not between 0 and %g Hz, for %v", h.Cutoff, most, f)
	}
	if err := wrong.Err(); err != nil {
		return nil, fmt.Errorf("high-pass: %w", err)
	}
	p := &highPass{channels: f.Channels}
	for k := range h.Order / 2 {
		p.sections = append(p.sections, newSection(h.Cutoff/float64(f.Rate), k, h.Order, f.Channels))
	}
	return p, nil
}

// highPass is sections of second order, one behind the other.
type highPass struct {
	channels int
	sections []section
}

// section is two poles and two zeros at 0 Hz, in the transposed direct form II.
// The zeros make b1 = -2·b0 and b2 = b0.
type section struct {
	b0, a1, a2 float64
	state      [][2]float64 // of each channel
}

// newSection designs the k-th section of a Butterworth filter by the bilinear
// transform, with the cut-off (in cycles a sample) where it should be.
func newSection(cutoff float64, k, order, channels int) section {
	w := math.Tan(math.Pi * cutoff)
	damping := 2 * math.Sin(math.Pi*float64(2*k+1)/float64(2*order)) // 1/Q
	scale := 1 / (1 + damping*w + w*w)
	return section{
		b0: scale, a1: 2 * (w*w - 1) * scale, a2: (1 - damping*w + w*w) * scale,
		state: make([][2]float64, channels),
	}
}

// Filter filters each channel on its own.
func (p *highPass) Filter(samples []float32) {
	for i := range p.sections {
		s := &p.sections[i]
		for c := range p.channels {
			s.filter(samples, c, p.channels)
		}
	}
}

func (s *section) filter(samples []float32, from, step int) {
	z := s.state[from]
	for i := from; i < len(samples); i += step {
		x := s.b0 * float64(samples[i])
		y := x + z[0]
		z[0] = -2*x - s.a1*y + z[1]
		z[1] = x - s.a2*y
		samples[i] = float32(y)
	}
	// In long silence the state would become so small that it slows the processor
	// down.
	const inaudible = 1e-20
	for i := range z {
		if !(math.Abs(z[i]) > inaudible) || math.IsInf(z[i], 0) { // NaN as well
			z[i] = 0
		}
	}
	s.state[from] = z
}

func (p *highPass) Latency() int { return 0 }

func (p *highPass) Reset() {
	for i := range p.sections {
		clear(p.sections[i].state)
	}
}
