// Package recorded has sounds, and what ONNX Runtime made of them: the oracle of
// the network in Go. Its files are made by
//
//	ONNXRUNTIME_LIBRARY=/path/to/libonnxruntime.so go run -tags onnxruntime ./processors/vad/internal/recorded/record
//
// (docs/vad.md tells where to get the library). The sounds are the shipped
// recordings of callers. Those which begin as MP3 are only the same to the bit on
// the architecture on which the results were recorded, so each file has a
// checksum of the samples that were judged.
package recorded

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/testdata/calls"
)

//go:embed *.txt
var files embed.FS

// Sound is a mono recording.
type Sound struct {
	Name    string // of the file that has its results, without .txt
	Rate    audio.SampleRate
	Samples []int16
}

// Sum returns the checksum of the samples.
func (s Sound) Sum() string { return fmt.Sprintf("%x", sha256.Sum256(audio.EncodePCM(nil, s.Samples))) }

// Windows calls judge for each whole window of n samples, as floats.
func (s Sound) Windows(n int, judge func(window []float32) error) error {
	window := make([]float32, 0, n)
	for at := 0; at+n <= len(s.Samples); at += n {
		window = audio.ToFloat32(window[:0], s.Samples[at:at+n])
		if err := judge(window); err != nil {
			return err
		}
	}
	return nil
}

// Sounds returns all of them. The first two are the same everywhere.
func Sounds() ([]Sound, error) {
	bargein, err := read("bargein.wav")
	if err != nil {
		return nil, err
	}
	order, err := read("order.mp3")
	if err != nil {
		return nil, err
	}
	noisy, err := read("noisy.mp3")
	if err != nil {
		return nil, err
	}
	return []Sound{bargein, doubled(bargein), order, noisy}, nil
}

// doubled is s at twice the rate, with straight lines between the samples: in
// whole numbers, so that it is the same on every machine.
func doubled(s Sound) Sound {
	d := Sound{Name: s.Name + "-doubled", Rate: 2 * s.Rate}
	before := 0
	for _, v := range s.Samples {
		d.Samples = append(d.Samples, int16((before+int(v))>>1), v)
		before = int(v)
	}
	return d
}

func read(name string) (Sound, error) {
	samples, format, err := calls.Read(name)
	return Sound{Name: strings.TrimSuffix(name, path.Ext(name)), Rate: format.Rate, Samples: samples}, err
}

// Write writes results as [Read] reads them.
func Write(w io.Writer, s Sound, by string, probabilities []float32) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# %s at %v, judged by %s.\n# sha256 of the samples, as little-endian 16-bit PCM:\n%s\n", s.Name, s.Rate, by, s.Sum())
	for _, p := range probabilities {
		fmt.Fprintf(b, "%.7f\n", p)
	}
	return b.Flush()
}

// Read returns the probability of each window of s, and whether they are of the
// samples that s has here.
func Read(s Sound) (probabilities []float32, same bool, err error) {
	b, err := files.ReadFile(s.Name + ".txt")
	if err != nil {
		return nil, false, err
	}
	sum := ""
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case sum == "":
			sum = line
		default:
			p, err := strconv.ParseFloat(line, 32)
			if err != nil {
				return nil, false, fmt.Errorf("read %s.txt: %w", s.Name, err)
			}
			probabilities = append(probabilities, float32(p))
		}
	}
	return probabilities, sum == s.Sum(), nil
}
