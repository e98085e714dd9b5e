//go:build onnxruntime && (linux || darwin)

package vad_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/vad"
	"github.com/parley-go/parley/processors/vad/internal/recorded"
)

func openONNX(t testing.TB) *vad.ONNXRuntime {
	t.Helper()
	e, err := vad.NewONNXRuntime(vad.ONNXConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestONNXRuntimeAndGoComputeTheSame(t *testing.T) {
	e := openONNX(t)
	t.Logf("ONNX Runtime %s", e.Version())
	for _, sound := range sounds(t) {
		ort := judge(t, open(t, e, sound.Rate), sound)
		if d, at := farthest(t, judge(t, open(t, vad.Silero(), sound.Rate), sound), ort); d > tolerance {
			t.Errorf("%s: window %d differs by %.2g", sound.Name, at, d)
		}
		want, same, err := recorded.Read(sound)
		if err != nil {
			t.Fatal(err)
		}
		if d, at := farthest(t, ort, want); same && d > tolerance {
			t.Errorf("%s: window %d differs by %.2g from what was recorded", sound.Name, at, d)
		}
	}
}

// One session serves all: a detector of silero-vad-go has a session of its own,
// which costs 10 MB.
func TestAHundredStreamsOfONNXRuntimeCostNoMoreThanTheirOwnState(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	e := openONNX(t)
	window := make([]float32, 512)
	one := func() {
		s := open(t, e, audio.Rate16k)
		for range 3 {
			if _, err := s.Probability(window); err != nil {
				t.Error(err)
			}
		}
	}
	one()
	before := resident(t)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(one)
	}
	wg.Wait()
	if grown := resident(t) - before; grown > 50<<20 {
		t.Errorf("a hundred streams took %d MB", grown>>20)
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

func TestAClosedEngineFailsAndDoesNotCrash(t *testing.T) {
	e := openONNX(t)
	s := open(t, e, audio.Rate16k)
	var wg sync.WaitGroup
	for range 4 {
		other := open(t, e, audio.Rate16k)
		wg.Go(func() {
			for range 200 {
				if _, err := other.Probability(make([]float32, 512)); err != nil {
					if !strings.Contains(err.Error(), "closed") {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	wg.Wait()
	if _, err := s.Probability(make([]float32, 512)); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a window after the end: %v", err)
	}
	if _, err := e.Open(audio.Rate16k); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a stream after the end: %v", err)
	}
}
