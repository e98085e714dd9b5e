//go:build !onnxruntime || !(linux || darwin)

// Record judges the sounds of package recorded with ONNX Runtime, and writes the
// results where that package has them. See there.
package main

import (
	"fmt"
	"os"

	"github.com/parley-go/parley/processors/vad"
)

func main() {
	fmt.Fprintln(os.Stderr, "record:", vad.ErrNoONNXRuntime)
	os.Exit(1)
}
