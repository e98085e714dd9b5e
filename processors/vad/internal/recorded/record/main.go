//go:build onnxruntime && (linux || darwin)

// Record judges the sounds of package recorded with ONNX Runtime, and writes the
// results where that package has them. See there.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/parley-go/parley/processors/vad"
	"github.com/parley-go/parley/processors/vad/internal/recorded"
)

func main() {
	if err := run("processors/vad/internal/recorded"); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	engine, err := vad.NewONNXRuntime(vad.ONNXConfig{})
	if err != nil {
		return err
	}
	defer engine.Close()
	sounds, err := recorded.Sounds()
	if err != nil {
		return err
	}
	for _, s := range sounds {
		if err := record(filepath.Join(folder, s.Name+".txt"), s, engine); err != nil {
			return err
		}
	}
	return nil
}

func record(name string, s recorded.Sound, engine *vad.ONNXRuntime) error {
	stream, err := engine.Open(s.Rate)
	if err != nil {
		return err
	}
	var list []float32
	err = s.Windows(stream.Window(), func(window []float32) error {
		p, err := stream.Probability(window)
		list = append(list, p)
		return err
	})
	if err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := recorded.Write(f, s, "ONNX Runtime "+engine.Version(), list); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
