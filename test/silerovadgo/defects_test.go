// Package silerovadgo proves why processors/vad runs ONNX Runtime by another
// library than github.com/streamer45/silero-vad-go, whose model it has: one that
// judges windows as they come, many streams with one model, and tells the
// probability, cannot be built on its API, whatever is put around it. A test that
// fails here is good news: the library has been mended.
//
// It is a module of its own, since it takes cgo and ONNX Runtime to build.
// .ci/run does.
package silerovadgo

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/streamer45/silero-vad-go/speech"
)

// folder is where the library's test files are.
func folder(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/streamer45/silero-vad-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "testfiles")
}

func detector(t *testing.T) *speech.Detector {
	t.Helper()
	d, err := speech.NewDetector(speech.DetectorConfig{
		ModelPath: filepath.Join(folder(t), "silero_vad.onnx"), SampleRate: 16000, Threshold: 0.5, MinSilenceDurationMs: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Destroy() })
	return d
}

// talk is ten seconds with speech, at 16 kHz.
func talk(t *testing.T) []float32 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder(t), "samples2.pcm"))
	if err != nil {
		t.Fatal(err)
	}
	samples := make([]float32, len(b)/4)
	for i := range samples {
		samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return samples
}

func TestItHearsNothingInWindowsOfTheModelsLength(t *testing.T) {
	samples := talk(t)
	whole, err := detector(t).Detect(samples)
	if err != nil || len(whole) == 0 {
		t.Fatalf("in one piece it finds %v, %v", whole, err)
	}
	d := detector(t)
	for at := 0; at+512 <= len(samples); at += 512 {
		found, err := d.Detect(samples[at : at+512])
		if err != nil || len(found) > 0 {
			t.Fatalf("window by window it finds %v, %v: it has been mended", found, err)
		}
	}
}

func TestItFailsWhenSpeechEndsInALaterCallThanItBegan(t *testing.T) {
	samples := talk(t)
	d := detector(t)
	const piece = 1024 + 1 // the window at the end is left out
	for at := 0; at+piece <= len(samples); at += piece {
		if _, err := d.Detect(samples[at : at+piece]); err != nil {
			if !strings.Contains(err.Error(), "unexpected speech end") {
				t.Errorf("the error is %v", err)
			}
			return
		}
	}
	t.Error("it finds the ends of speech that began in an earlier call: it has been mended")
}

func TestItTellsNoProbability(t *testing.T) {
	d := reflect.TypeFor[*speech.Detector]()
	for i := range d.NumMethod() {
		switch name := d.Method(i).Name; name {
		case "Detect", "Reset", "Destroy":
		default:
			t.Errorf("it has a method %s%s: it may have been mended", name, strings.TrimPrefix(d.Method(i).Type.String(), "func"))
		}
	}
	s := reflect.TypeFor[speech.Segment]()
	for i := range s.NumField() {
		switch name := s.Field(i).Name; name {
		case "SpeechStartAt", "SpeechEndAt":
		default:
			t.Errorf("a segment has %s: it may have been mended", name)
		}
	}
}

func TestEveryDetectorHasAModelOfItsOwn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	detector(t)
	before := resident(t)
	const n = 20
	for range n {
		detector(t)
	}
	each := (resident(t) - before) / n
	t.Logf("a detector takes %.1f MB", float64(each)/(1<<20))
	if each < 2<<20 {
		t.Errorf("a detector takes only %d bytes: it may share the model now", each)
	}
}

// resident returns the memory that the process occupies.
func resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
