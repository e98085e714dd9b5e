package silero

import (
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
	sums      [encoded1][frames]float32
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
	if fourAtOnce {
		m.fourier.fourFrames(w.magnitude[m.row:], m.row, x)
		return
	}
	for t := range frames {
		from := t * m.size / 2
		m.fourier.magnitudes(w.magnitude[(t+1)*m.row:], x[from:from+m.size])
	}
}

// encode computes the convolutions.
func (m *Model) encode(w *scratch) {
	dot.MatFour(w.sums[:], m.conv1, w.magnitude[:], 3*m.row, m.row) // four frames
	for o, sums := range &w.sums {
		bias := m.bias1[o]
		for t, v := range sums {
			w.layer1[(t+1)*encoded1+o] = max(0, bias+v)
		}
	}
	for t := range frames / 2 { // every second frame
		layer(w.layer2[t*encoded2:(t+1)*encoded2], m.conv2, m.bias2, w.layer1[2*t*encoded1:(2*t+3)*encoded1])
	}
	layer(w.layer3[:], m.conv3, m.bias3, w.layer2[:]) // one frame is left
	layer(w.input[:encoded4], m.conv4, m.bias4, w.layer3[:])
}

// layer puts what a layer makes of in into out.
func layer(out, weights, bias, in []float32) {
	dot.MatVec(out, weights, in)
	for o, b := range bias[:len(out)] {
		out[o] = max(0, b+out[o])
	}
}

// decode computes the LSTM cell and what it makes of its state.
func (m *Model) decode(w *scratch, s *State) float32 {
	copy(w.input[cells:], s.hidden[:])
	dot.MatVec(w.gates[:], m.lstm, w.input[:])
	for g, b := range m.lstmBias {
		w.gates[g] += b
	}
	return m.gate(w, s)
}

// gate computes the new state of the cells from their gates, and what comes of
// it. It goes through all cells for each step: a cell by itself would wait at every
// step for the one before.
func (m *Model) gate(w *scratch, s *State) float32 {
	in, forget := w.gates[:cells], w.gates[cells:2*cells]
	news, out := w.gates[2*cells:3*cells], w.gates[3*cells:]
	dot.Logistic(w.gates[:2*cells])
	dot.Logistic(out)
	tanh(news, news)
	for j := range s.cell {
		s.cell[j] = forget[j]*s.cell[j] + in[j]*news[j]
	}
	tanh(s.hidden[:], s.cell[:])
	sum := [8]float32{m.outputBias}
	for j := range s.hidden {
		s.hidden[j] *= out[j]
		sum[0] += max(0, s.hidden[j]) * m.output[j]
	}
	dot.Logistic(sum[:])
	return sum[0]
}

// tanh puts the hyperbolic tangents of in into out.
func tanh(out, in []float32) {
	for j, x := range in {
		out[j] = 2 * x
	}
	dot.Logistic(out)
	for j, x := range out {
		out[j] = 2*x - 1
	}
}
