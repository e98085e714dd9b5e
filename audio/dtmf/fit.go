package dtmf

import (
	"math"

	"github.com/parley-go/parley/audio"
)

// model is two sines and an offset, fitted to n samples. Its clock counts the
// samples from the first of them.
type model struct {
	n       int
	rate    float64
	freq    [2]float64
	cos     [2]float64 // amplitudes, in samples' units …
	sin     [2]float64 // … at the middle
	offset  float64
	energy  float64 // of the samples, without the offset
	residue float64 // what the model does not explain of it
}

// fit finds the two sines near the frequencies given that explain the samples
// best: by least squares, the frequencies by two steps of Gauss and Newton. ok is
// false if there are too few samples, or no such sines.
func fit(samples []int16, rate audio.SampleRate, freq [2]float64) (m model, ok bool) {
	const unknowns = 7 // cos, sin, cos, sin, offset, and a change of each frequency
	m = model{n: len(samples), rate: float64(rate), freq: freq}
	if m.n < 4*unknowns {
		return m, false
	}
	middle := float64(m.n-1) / 2
	for step := range 3 {
		n := unknowns
		if step == 0 {
			n -= 2 // the frequencies as they are
		}
		var normal [unknowns][unknowns + 1]float64
		var column [unknowns + 1]float64
		waves := m.oscillators(0)
		for i, s := range samples {
			t := (float64(i) - middle) / m.rate
			for g := range 2 {
				cos, sin := waves[g].next()
				column[2*g], column[2*g+1] = cos, sin
				column[5+g] = 2 * math.Pi * t * (m.sin[g]*cos - m.cos[g]*sin)
			}
			column[4] = 1
			column[unknowns] = float64(s)
			for a := range n {
				for b := a; b < n; b++ {
					normal[a][b] += column[a] * column[b]
				}
				normal[a][unknowns] += column[a] * column[unknowns]
			}
		}
		for a := range n {
			for b := range a {
				normal[a][b] = normal[b][a]
			}
		}
		x, ok := solve(&normal, n)
		if !ok {
			return m, false
		}
		m.cos, m.sin, m.offset = [2]float64{x[0], x[2]}, [2]float64{x[1], x[3]}, x[4]
		m.freq[0] += x[5]
		m.freq[1] += x[6]
		if math.Abs(m.freq[0]-freq[0]) > 40 || math.Abs(m.freq[1]-freq[1]) > 40 {
			return m, false // it has run away
		}
	}
	waves := m.oscillators(0)
	for _, s := range samples {
		x := float64(s) - m.offset
		r := x - m.next(&waves)
		m.energy += x * x
		m.residue += r * r
	}
	return m, true
}

// solve solves the first n equations by Gauss's elimination.
func solve(e *[7][8]float64, n int) (x [7]float64, ok bool) {
	const right = 7
	for i := range n {
		pivot := i
		for k := i + 1; k < n; k++ {
			if math.Abs(e[k][i]) > math.Abs(e[pivot][i]) {
				pivot = k
			}
		}
		e[i], e[pivot] = e[pivot], e[i]
		if math.Abs(e[i][i]) < 1e-12 {
			return x, false
		}
		for k := i + 1; k < n; k++ {
			factor := e[k][i] / e[i][i]
			for j := i; j < n; j++ {
				e[k][j] -= factor * e[i][j]
			}
			e[k][right] -= factor * e[i][right]
		}
	}
	for i := n - 1; i >= 0; i-- {
		v := e[i][right]
		for j := i + 1; j < n; j++ {
			v -= e[i][j] * x[j]
		}
		x[i] = v / e[i][i]
	}
	return x, true
}

// oscillator gives cosine and sine of one sample after the other, by turning a
// phasor: much faster than math.Sincos, and exact enough for some thousands.
type oscillator struct{ cos, sin, stepCos, stepSin float64 }

func (o *oscillator) next() (cos, sin float64) {
	cos, sin = o.cos, o.sin
	o.cos, o.sin = cos*o.stepCos-sin*o.stepSin, cos*o.stepSin+sin*o.stepCos
	return cos, sin
}

// oscillators returns the model's two, from sample at on.
func (m *model) oscillators(at float64) (waves [2]oscillator) {
	for g, f := range m.freq {
		w := 2 * math.Pi * f / m.rate
		waves[g].sin, waves[g].cos = math.Sincos(w * (at - float64(m.n-1)/2))
		waves[g].stepSin, waves[g].stepCos = math.Sincos(w)
	}
	return waves
}

// next returns the model's next sample, without its offset.
func (m *model) next(waves *[2]oscillator) (v float64) {
	for g := range waves {
		cos, sin := waves[g].next()
		v += m.cos[g]*cos + m.sin[g]*sin
	}
	return v
}

// evidence appends to dst how much each of some samples, the first of which is
// sample at of the model, speaks for the tone: how much less is left unexplained
// with it than without it.
func (m *model) evidence(dst []float64, samples []int16, at float64) []float64 {
	waves := m.oscillators(at)
	for _, s := range samples {
		v := m.next(&waves)
		dst = append(dst, (2*(float64(s)-m.offset)-v)*v)
	}
	return dst
}

// isKey reports whether the model is that of a key, within all tolerances.
func (m *model) isKey(key byte) bool {
	low, high, _ := Frequencies(key)
	if math.Abs(m.freq[0]-low) > tolerance*low || math.Abs(m.freq[1]-high) > tolerance*high {
		return false
	}
	if m.residue > (1-purity)*m.energy {
		return false
	}
	p := [2]float64{m.cos[0]*m.cos[0] + m.sin[0]*m.sin[0], m.cos[1]*m.cos[1] + m.sin[1]*m.sin[1]}
	twist := 10 * math.Log10(p[1]/p[0])
	level := 10 * math.Log10((p[0]+p[1])/2/fullScale)
	return twist <= highOverLow && twist >= -lowOverHigh && level >= quietest
}
