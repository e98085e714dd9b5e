// Package silero computes Silero VAD v5, a small neural network that tells
// speech from other sounds, in Go.
//
//	     context 64 + window 512 + the last 64, mirrored
//	                     │
//	short-time Fourier transform: 4 frames of 129 bins
//	                     │
//	four convolutions: 129 → 128 → 64 → 64 → 128 channels
//	                     │
//	         LSTM cell of 128, with its state ◀── from the window before
//	                     │
//	     128 → 1, sigmoid: the probability of speech
//
// At 8 kHz everything before the second convolution is half as large. The two
// rates have weights of their own.
//
// The weights are those of silero_vad.onnx, as the Silero Team has published them
// under the MIT licence (LICENSE.silero); the file is the one that
// github.com/streamer45/silero-vad-go v0.2.1 carries. What is computed is what
// ONNX Runtime computes of that file, to 1e-5: the tests compare it with
// recorded results.
package silero

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"github.com/parley-go/parley/processors/vad/internal/onnx"
)

// SHA256 is the checksum of the embedded file.
const SHA256 = "6b99cbfd39246b6706f98ec13c7c50c6b299181f2474fa05cbc8046acc274396"

//go:embed silero_vad.onnx
var file []byte

// File returns the model as it was published. Nobody may write to it.
func File() []byte { return file }

// The layers that do not depend on the sample rate.
const (
	frames   = 4   // of the Fourier transform in a window
	encoded1 = 128 // channels after each convolution
	encoded2 = 64
	encoded3 = 64
	encoded4 = 128
	cells    = 128 // of the LSTM
	gates    = 4 * cells
)

// Model is the network for one sample rate. It is immutable: any number of
// goroutines may use it, each with states of its own.
type Model struct {
	window  int // samples
	context int // samples of the window before that are looked at again
	size    int // of the Fourier transform
	bins    int // of its result
	row     int // bins, rounded up to what package dot takes

	fourier *fourier

	// Weights are stored in the order in which they are used: for each output,
	// all inputs of the first tap, then of the second. Rows are filled up with
	// zeros.
	conv1        []float32 // [128][3*row]
	conv2        []float32 // [64][3*128]
	conv3        []float32 // [64][2*64]: the first tap sees only padding
	conv4        []float32 // [128][64]: the other taps see only padding
	bias1, bias2 []float32
	bias3, bias4 []float32
	lstm         []float32 // [512][128+128]: what comes in, then what was
	lstmBias     []float32 // the sum of the two
	output       []float32 // [128]
	outputBias   float32
	scratch      sync.Pool // of *scratch
}

var (
	embedded8k  = sync.OnceValues(func() (*Model, error) { return Load(file, 8000) })
	embedded16k = sync.OnceValues(func() (*Model, error) { return Load(file, 16000) })
)

// Embedded returns the network for 8 or 16 kHz, which all that ask for it share.
// The first call takes a few milliseconds.
func Embedded(rate int) (*Model, error) {
	if rate == 8000 {
		return embedded8k()
	}
	return embedded16k()
}

// Load reads the network for 8 or 16 kHz from a file like the one that is
// embedded. It keeps nothing of it.
func Load(model []byte, rate int) (*Model, error) {
	m := &Model{window: 512, context: 64, size: 256}
	branch := "then_branch"
	if rate == 8000 {
		m.window, m.context, m.size = 256, 32, 128
		branch = "else_branch"
	}
	m.bins = m.size/2 + 1
	m.row = (m.bins + 7) &^ 7
	m.scratch.New = func() any { return new(scratch) }
	all, err := onnx.Floats(model)
	if err != nil {
		return nil, fmt.Errorf("read Silero VAD: %w", err)
	}
	w := weights{all: all, branch: branch}
	basis := w.get("stft.forward_basis_buffer", 2*m.bins, 1, m.size)
	m.conv1 = w.conv("encoder.0.reparam_conv.weight", encoded1, m.bins, m.row, 0, 1, 2)
	m.conv2 = w.conv("encoder.1.reparam_conv.weight", encoded2, encoded1, encoded1, 0, 1, 2)
	m.conv3 = w.conv("encoder.2.reparam_conv.weight", encoded3, encoded2, encoded2, 1, 2)
	m.conv4 = w.conv("encoder.3.reparam_conv.weight", encoded4, encoded3, encoded3, 1)
	m.bias1 = w.get("encoder.0.reparam_conv.bias", encoded1)
	m.bias2 = w.get("encoder.1.reparam_conv.bias", encoded2)
	m.bias3 = w.get("encoder.2.reparam_conv.bias", encoded3)
	m.bias4 = w.get("encoder.3.reparam_conv.bias", encoded4)
	in, was := w.get("decoder.rnn.weight_ih", gates, cells), w.get("decoder.rnn.weight_hh", gates, cells)
	biasIn, biasWas := w.get("decoder.rnn.bias_ih", gates), w.get("decoder.rnn.bias_hh", gates)
	m.output = w.get("decoder.decoder.2.weight", 1, cells, 1)
	outputBias := w.get("decoder.decoder.2.bias", 1)
	m.fourier = newFourier(m.size)
	if w.err == nil {
		w.err = m.fourier.check(basis)
	}
	if w.err != nil {
		return nil, fmt.Errorf("read Silero VAD for %d Hz: %w", rate, w.err)
	}
	m.outputBias = outputBias[0]
	for g := range gates {
		m.lstm = append(append(m.lstm, in[g*cells:(g+1)*cells]...), was[g*cells:(g+1)*cells]...)
		m.lstmBias = append(m.lstmBias, biasIn[g]+biasWas[g])
	}
	return m, nil
}

// Window returns how many samples a window has.
func (m *Model) Window() int { return m.window }

// weights gets tensors by their names, and keeps the first error.
type weights struct {
	all    map[string]onnx.Tensor
	branch string
	err    error
}

// get returns the tensor of the branch whose name ends so, if it has these
// dimensions. The prefix is what the exporter made of the graph.
func (w *weights) get(name string, dims ...int) []float32 {
	count := 1
	for _, d := range dims {
		count *= d
	}
	for full, t := range w.all {
		if !strings.Contains(full, w.branch) || !strings.HasSuffix(full, "__"+name) {
			continue
		}
		if fmt.Sprint(t.Dims) != fmt.Sprint(dims) {
			w.fail(fmt.Errorf("%s has the dimensions %v, want %v: this is not version 5 of the model", name, t.Dims, dims))
			break
		}
		for i, v := range t.Data {
			if v-v != 0 { // NaN, or infinite
				w.fail(fmt.Errorf("%s[%d] is %v: the file is damaged", name, i, v))
			}
		}
		return t.Data
	}
	w.fail(fmt.Errorf("%s is missing: this is not version 5 of the model", name))
	return make([]float32, count)
}

func (w *weights) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// conv returns the kernel [out][in][3] as [out][taps][stride], with the given
// taps only.
func (w *weights) conv(name string, out, in, stride int, taps ...int) []float32 {
	const kernel = 3
	t := w.get(name, out, in, kernel)
	r := make([]float32, out*len(taps)*stride)
	for o := range out {
		for k, tap := range taps {
			for i := range in {
				r[(o*len(taps)+k)*stride+i] = t[(o*in+i)*kernel+tap]
			}
		}
	}
	return r
}
