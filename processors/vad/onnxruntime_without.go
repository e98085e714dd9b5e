//go:build !onnxruntime || !(linux || darwin)

package vad

import "github.com/parley-go/parley/audio"

// ONNXRuntime is an engine that computes Silero VAD with ONNX Runtime. This
// program was built without it.
type ONNXRuntime struct{ _ byte }

// NewONNXRuntime returns [ErrNoONNXRuntime].
func NewONNXRuntime(ONNXConfig) (*ONNXRuntime, error) { return nil, ErrNoONNXRuntime }

// Open returns [ErrNoONNXRuntime].
func (*ONNXRuntime) Open(audio.SampleRate) (Stream, error) { return nil, ErrNoONNXRuntime }

// Version returns nothing.
func (*ONNXRuntime) Version() string { return "" }

// Close does nothing.
func (*ONNXRuntime) Close() error { return nil }
