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
	n := 3 * m.row
	for o := range encoded1 {
		kernel := m.conv1[o*n : (o+1)*n]
		for t := range frames {
			w.layer1[(t+1)*encoded1+o] = max(0, m.bias1[o]+dot.Fused(kernel, w.magnitude[t*m.row:t*m.row+n]))
		}
	}
	n = 3 * encoded1
	for o := range encoded2 { // every second frame
		kernel := m.conv2[o*n : (o+1)*n]
		for t := range frames / 2 {
			w.layer2[t*encoded2+o] = max(0, m.bias2[o]+dot.Fused(kernel, w.layer1[2*t*encoded1:2*t*encoded1+n]))
		}
	}
	n = 2 * encoded2
	for o := range encoded3 { // one frame is left
		w.layer3[o] = max(0, m.bias3[o]+dot.Fused(m.conv3[o*n:(o+1)*n], w.layer2[:]))
	}
	n = encoded3
	for o := range encoded4 {
		w.input[o] = max(0, m.bias4[o]+dot.Fused(m.conv4[o*n:(o+1)*n], w.layer3[:]))
	}
}

// decode computes the LSTM cell and what it makes of its state.
func (m *Model) decode(w *scratch, s *State) float32 {
	copy(w.input[cells:], s.hidden[:])
	for g := range gates {
		w.gates[g] = m.lstmBias[g] + dot.Fused(m.lstm[g*2*cells:(g+1)*2*cells], w.input[:])
	}
	sum := m.outputBias
	for j := range cells {
		in, forget := sigmoid(w.gates[j]), sigmoid(w.gates[cells+j])
		news, out := tanh(w.gates[2*cells+j]), sigmoid(w.gates[3*cells+j])
		s.cell[j] = forget*s.cell[j] + in*news
		s.hidden[j] = out * tanh(s.cell[j])
		sum += max(0, s.hidden[j]) * m.output[j]
	}
	return sigmoid(sum)
}

func sigmoid(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }

func tanh(x float32) float32 { return float32(2/(1+math.Exp(-2*float64(x))) - 1) }
