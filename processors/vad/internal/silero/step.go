package silero

import (
	"math"

	"github.com/parley-go/parley/internal/dot"
)

// State is what the network remembers of a stream: 1,280 bytes. The zero State
// is the beginning of one. One goroutine at a time may use it.
type State struct {
	hidden, cell [cells]float32
	context      [64]float32 // the end of the window before
}

// scratch is the memory of one step, the largest of either rate. It is borrowed
// for the step, so that streams need none of their own.
//
// The rows of the layers are preceded and followed by one of zeros, which is the
// padding of the convolutions, and which nobody writes to: those of a shorter
// row lie elsewhere, so each rate has a pool of its own.
type scratch struct {
	samples   [64 + 512 + 64]float32
	magnitude [(frames + 2) * 136]float32
	layer1    [(frames + 2) * encoded1]float32
	layer2    [2 * encoded2]float32
	layer3    [encoded3]float32
	input     [2 * cells]float32 // of the LSTM
	gates     [gates]float32
}

// Step returns the probability of speech in a window, which follows the one
// that s was used for last. The window has the length [Model.Window] and is not
// kept.
func (m *Model) Step(s *State, window []float32) float32 {
	w := m.scratch.Get().(*scratch)
	m.transform(w, s, window)
	m.encode(w)
	p := m.decode(w, s)
	m.scratch.Put(w)
	return p
}

// transform computes the magnitudes of the spectra of four overlapping frames.
func (m *Model) transform(w *scratch, s *State, window []float32) {
	x := w.samples[:2*m.context+m.window]
	copy(x, s.context[:m.context])
	copy(x[m.context:], window[:m.window])
	copy(s.context[:], window[m.window-m.context:m.window])
	end := m.context + m.window
	for i := range m.context { // mirrored at the last sample
		x[end+i] = x[end-2-i]
	}
	for t := range frames {
		from := t * m.size / 2
		m.fourier.magnitudes(w.magnitude[(t+1)*m.row:], x[from:from+m.size])
	}
}

// encode computes the convolutions.
func (m *Model) encode(w *scratch) {
	var four [4]float32
	n := 3 * m.row
	for o := range encoded1 { // the four frames at once: the kernels are read once
		dot.Four(&four, m.conv1[o*n:(o+1)*n], w.magnitude[:], m.row)
		for t, v := range four {
			w.layer1[(t+1)*encoded1+o] = max(0, m.bias1[o]+v)
		}
	}
	for t := range frames / 2 { // every second frame
		layer(w.layer2[t*encoded2:(t+1)*encoded2], m.conv2, m.bias2, w.layer1[2*t*encoded1:(2*t+3)*encoded1])
	}
	layer(w.layer3[:], m.conv3, m.bias3, w.layer2[:]) // one frame is left
	layer(w.input[:encoded4], m.conv4, m.bias4, w.layer3[:])
}

// layer puts what a layer makes of in into out. There are rows of weights for a
// multiple of four outputs, as many as out takes.
func layer(out, weights, bias, in []float32) {
	var four [4]float32
	for o := 0; o < len(out); o += 4 {
		dot.Four(&four, in, weights[o*len(in):], len(in))
		for i, v := range four {
			out[o+i] = max(0, bias[o+i]+v)
		}
	}
}

// decode computes the LSTM cell and what it makes of its state.
func (m *Model) decode(w *scratch, s *State) float32 {
	copy(w.input[cells:], s.hidden[:])
	for g := 0; g < gates; g += 4 {
		dot.Four((*[4]float32)(w.gates[g:]), w.input[:], m.lstm[g*2*cells:], 2*cells)
	}
	for g, b := range m.lstmBias {
		w.gates[g] += b
	}
	return m.gate(w, s)
}

// gate computes the new state of the cells from their gates, and what comes of
// it. It goes through the cells once for each step, so that the processor can work
// on several at a time: from one gate to the end of a cell it would have to wait at
// every step.
func (m *Model) gate(w *scratch, s *State) float32 {
	g := w.gates[:]
	in, forget, news, out := g[:cells], g[cells:2*cells], g[2*cells:3*cells], g[3*cells:]
	for j, x := range in {
		in[j] = sigmoid(x)
	}
	for j, x := range forget {
		forget[j] = sigmoid(x)
	}
	for j, x := range news {
		news[j] = tanh(x)
	}
	for j, x := range out {
		out[j] = sigmoid(x)
	}
	for j := range s.cell {
		s.cell[j] = forget[j]*s.cell[j] + in[j]*news[j]
	}
	for j, x := range s.cell {
		s.hidden[j] = out[j] * tanh(x)
	}
	sum := m.outputBias
	for j, h := range s.hidden {
		if h > 0 {
			sum += h * m.output[j]
		}
	}
	return sigmoid(sum)
}

func sigmoid(x float32) float32 { return 1 / (1 + exp(-x)) }

func tanh(x float32) float32 {
	e := exp(-2 * x)
	return (1 - e) / (1 + e)
}

// exp is e^x to the precision of a float32, for x from -60 to 60, and the value
// there beyond, where nobody can tell a sigmoid from 0 or 1. math.Exp is more
// precise than is needed, and takes three times as long.
//
// It is 2^k times e^r, with an r of at most half of ln 2, for which a polynomial
// suffices: that of expf in the Cephes library.
func exp(x float32) float32 {
	if x < -60 {
		x = -60
	}
	if x > 60 {
		x = 60
	}
	const round = 3 << 22 // added to it, a float32 has no fraction
	shifted := x*(1/math.Ln2) + round
	k := shifted - round
	r := x - k*0.693359375 + k*2.12194440e-4 // ln 2 in two parts, of which the first is exact
	p := float32(1.9875691500e-4)
	p = p*r + 1.3981999507e-3
	p = p*r + 8.3334519073e-3
	p = p*r + 4.1665795894e-2
	p = p*r + 1.6666665459e-1
	p = p*r + 5.0000001201e-1
	p = p*r*r + r + 1
	return math.Float32frombits(math.Float32bits(p) + math.Float32bits(shifted)<<23) // k into the exponent
}
