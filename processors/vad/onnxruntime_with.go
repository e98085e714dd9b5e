//go:build onnxruntime && (linux || darwin)

package vad

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/shota3506/onnxruntime-purego/onnxruntime"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/vad/internal/silero"
)

// ortAPI is the version of the C interface that is used, which ONNX Runtime 1.23
// and all later ones have.
const ortAPI = 23

// libraryVariable is the environment variable that names the library.
const libraryVariable = "ONNXRUNTIME_LIBRARY"

// ONNXRuntime is an engine that computes Silero VAD with ONNX Runtime. All streams
// share one session, which costs some 50 MB once; a stream has 1.3 kB of its own,
// besides its buffers. It is there to compare with [Silero], and for processors
// for which Go has no vector instructions.
type ONNXRuntime struct {
	runtime *onnxruntime.Runtime
	env     *onnxruntime.Env
	session *onnxruntime.Session

	mu     sync.RWMutex // held for reading while the session is in use
	closed bool
}

// NewONNXRuntime loads the library and the model, the one that [Silero] has. The
// engine should be closed when no stream of it is in use any more.
func NewONNXRuntime(cfg ONNXConfig) (*ONNXRuntime, error) {
	library := cmp.Or(cfg.Library, os.Getenv(libraryVariable))
	e := &ONNXRuntime{}
	if err := e.open(library); err != nil {
		_ = e.Close() // what was opened before that
		return nil, fmt.Errorf("open ONNX Runtime %q: %w (docs/vad.md tells where to get it and how to name it)", library, err)
	}
	return e, nil
}

func (e *ONNXRuntime) open(library string) error {
	var err error
	if e.runtime, err = onnxruntime.NewRuntime(library, ortAPI); err != nil {
		return err
	}
	if e.env, err = e.runtime.NewEnv("parley", onnxruntime.LoggingLevelError); err != nil {
		return err
	}
	// More threads than one make a network of this size slower.
	e.session, err = e.runtime.NewSessionFromReader(e.env, bytes.NewReader(silero.File()), &onnxruntime.SessionOptions{IntraOpNumThreads: 1})
	return err
}

// Version returns the version of the library: "1.27.1".
func (e *ONNXRuntime) Version() string { return e.runtime.GetVersionString() }

// Close waits for the windows that are being judged, and lets go of the session.
// Streams then fail.
func (e *ONNXRuntime) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	if e.session != nil {
		e.session.Close()
	}
	if e.env != nil {
		e.env.Close()
	}
	if e.runtime != nil {
		return e.runtime.Close()
	}
	return nil
}

var errClosed = errors.New("the ONNX Runtime engine is closed")

// Open begins a stream.
func (e *ONNXRuntime) Open(rate audio.SampleRate) (Stream, error) {
	if err := audio.Mono(rate).Validate(); err != nil {
		return nil, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return nil, errClosed
	}
	s := &ortStream{engine: e, rate: sileroRate(rate), window: 512, context: 64}
	if s.rate == audio.Rate8k {
		s.window, s.context = 256, 32
	}
	s.input = make([]float32, s.context+s.window)
	s.state = make([]float32, 2*128)
	return s, nil
}

// ortStream is a stream. The model wants the end of the window before in front of
// each window, zeros at first.
type ortStream struct {
	engine          *ONNXRuntime
	rate            audio.SampleRate
	window, context int
	input, state    []float32
}

func (s *ortStream) Rate() audio.SampleRate { return s.rate }
func (s *ortStream) Window() int            { return s.window }

func (s *ortStream) Reset() {
	clear(s.input)
	clear(s.state)
}

func (s *ortStream) Probability(window []float32) (float32, error) {
	if err := checkWindow(window, s.window); err != nil {
		return 0, fmt.Errorf("onnxruntime: %w", err)
	}
	copy(s.input, s.input[s.window:])
	copy(s.input[s.context:], window)
	p, err := s.run()
	if err != nil {
		return 0, fmt.Errorf("onnxruntime: %w", err)
	}
	return p, nil
}

func (s *ortStream) run() (float32, error) {
	e := s.engine
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return 0, errClosed
	}
	// The tensors are views of Go's memory, which must stay where it is until
	// they are closed.
	var pins runtime.Pinner
	defer pins.Unpin()
	rate := []int64{int64(s.rate)}
	pins.Pin(&s.input[0])
	pins.Pin(&s.state[0])
	pins.Pin(&rate[0])
	in, err := onnxruntime.NewTensorValue(e.runtime, s.input, []int64{1, int64(len(s.input))})
	if err != nil {
		return 0, err
	}
	defer in.Close()
	state, err := onnxruntime.NewTensorValue(e.runtime, s.state, []int64{2, 1, 128})
	if err != nil {
		return 0, err
	}
	defer state.Close()
	sr, err := onnxruntime.NewTensorValue(e.runtime, rate, []int64{1})
	if err != nil {
		return 0, err
	}
	defer sr.Close()
	out, err := e.session.Run(context.Background(), map[string]*onnxruntime.Value{"input": in, "state": state, "sr": sr})
	if err != nil {
		return 0, err
	}
	for _, v := range out {
		defer v.Close()
	}
	if out["output"] == nil || out["stateN"] == nil {
		return 0, errors.New("the model has no output with the name output or stateN")
	}
	p, _, err := onnxruntime.GetTensorData[float32](out["output"])
	if err != nil {
		return 0, err
	}
	next, _, err := onnxruntime.GetTensorData[float32](out["stateN"])
	if err != nil {
		return 0, err
	}
	if len(p) != 1 || len(next) != len(s.state) {
		return 0, fmt.Errorf("the model returns %d probabilities and a state of %d", len(p), len(next))
	}
	copy(s.state, next)
	return p[0], nil
}
