package vad

import "errors"

// ErrNoONNXRuntime is that the engine on ONNX Runtime is not part of the program.
var ErrNoONNXRuntime = errors.New("this program was built without ONNX Runtime: build it with 'go build -tags onnxruntime' (Linux or macOS; see docs/vad.md), or use Silero (vad.Silero(), --engine silero), which computes the same and needs nothing")

// ONNXConfig says where ONNX Runtime is.
type ONNXConfig struct {
	// Library is the file of the shared library, version 1.23 or later. Default:
	// what the environment variable ONNXRUNTIME_LIBRARY says, or else
	// libonnxruntime.so (macOS: libonnxruntime.dylib) from where the system looks
	// for libraries.
	//
	// It becomes part of the process: whoever chooses the file chooses what runs.
	Library string
}
