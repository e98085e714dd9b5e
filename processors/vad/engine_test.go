package vad_test

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/vad"
	"github.com/parley-go/parley/processors/vad/internal/recorded"
)

func sounds(t testing.TB) []recorded.Sound {
	t.Helper()
	list, err := recorded.Sounds()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func open(t testing.TB, e vad.Engine, rate audio.SampleRate) vad.Stream {
	t.Helper()
	s, err := e.Open(rate)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// engines returns all that this program has. A program that was built with ONNX
// Runtime must find it.
func engines(t testing.TB) map[string]vad.Engine {
	t.Helper()
	all := map[string]vad.Engine{"silero": vad.Silero(), "energy": vad.Energy()}
	ort, err := vad.NewONNXRuntime(vad.ONNXConfig{})
	if err == nil {
		t.Cleanup(func() { ort.Close() })
		all["onnxruntime"] = ort
	} else if !errors.Is(err, vad.ErrNoONNXRuntime) {
		t.Fatal(err)
	}
	return all
}

// judge returns the probabilities of all windows of a sound.
func judge(t testing.TB, s vad.Stream, sound recorded.Sound) []float32 {
	t.Helper()
	if s.Rate() != sound.Rate {
		t.Fatalf("the stream works at %v, and %s has %v", s.Rate(), sound.Name, sound.Rate)
	}
	var list []float32
	err := sound.Windows(s.Window(), func(window []float32) error {
		p, err := s.Probability(window)
		list = append(list, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// farthest returns the largest difference of two lists.
func farthest(t testing.TB, a, b []float32) (most float64, at int) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d windows and %d", len(a), len(b))
	}
	for i := range a {
		if d := math.Abs(float64(a[i]) - float64(b[i])); !(d <= most) {
			most, at = d, i
		}
	}
	return most, at
}

// tolerance is by how much two ways to compute the network may differ.
const tolerance = 1e-5

func TestSileroComputesWhatONNXRuntimeHasComputed(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	compared := 0
	for _, sound := range sounds(t) {
		want, same, err := recorded.Read(sound)
		if err != nil {
			t.Fatal(err)
		}
		if !same {
			t.Logf("%s is decoded to other samples on this architecture: left out", sound.Name)
			continue
		}
		compared++
		low, high := want[0], want[0]
		for _, p := range want {
			low, high = min(low, p), max(high, p)
		}
		if low > 0.01 || high < 0.99 {
			t.Errorf("%s has probabilities from %v to %v only: it proves little", sound.Name, low, high)
		}
		if d, at := farthest(t, judge(t, open(t, vad.Silero(), sound.Rate), sound), want); d > tolerance {
			t.Errorf("%s: window %d differs by %.2g", sound.Name, at, d)
		} else {
			t.Logf("%s: %d windows differ by %.2g at most", sound.Name, len(want), d)
		}
	}
	if compared < 2 {
		t.Errorf("only %d sounds were compared", compared)
	}
}

func TestStreamsOfAnEngineDoNotHearEachOther(t *testing.T) {
	list := sounds(t)[:2]
	for name, e := range engines(t) {
		t.Run(name, func(t *testing.T) {
			var want [2][]float32
			for i, sound := range list {
				want[i] = judge(t, open(t, e, sound.Rate), sound)
			}
			var got [8][]float32
			var wg sync.WaitGroup
			for i := range got {
				s := open(t, e, list[i%2].Rate)
				wg.Go(func() { got[i] = judge(t, s, list[i%2]) })
			}
			wg.Wait()
			for i := range got {
				if d, at := farthest(t, got[i], want[i%2]); d != 0 {
					t.Errorf("stream %d: window %d differs by %v when others are judged at the same time", i, at, d)
				}
			}
		})
	}
}

func TestAResetStreamIsANewOne(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	sound := sounds(t)[0]
	for name, e := range engines(t) {
		s := open(t, e, sound.Rate)
		first := judge(t, s, sound)
		s.Reset()
		if d, at := farthest(t, judge(t, s, sound), first); d != 0 {
			t.Errorf("%s: window %d differs by %v after a reset", name, at, d)
		}
	}
}

func TestAWindowThatCannotBeJudgedIsRefusedAndForgotten(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	sound := sounds(t)[0]
	sound.Samples = sound.Samples[2*sound.Rate : 4*sound.Rate] // in the middle of an utterance
	for name, e := range engines(t) {
		t.Run(name, func(t *testing.T) {
			n := open(t, e, sound.Rate).Window()
			spoilt := func(v float32) []float32 {
				w := make([]float32, n)
				w[n/2] = v
				return w
			}
			undisturbed := open(t, e, sound.Rate)
			judge(t, undisturbed, sound)
			then := judge(t, undisturbed, sound)
			for want, window := range map[string][]float32{
				"is NaN":                 spoilt(float32(math.NaN())),
				"is +Inf":                spoilt(float32(math.Inf(1))),
				"is -Inf":                spoilt(float32(math.Inf(-1))),
				"divide 16-bit samples":  spoilt(20000),
				"full scale is ±1":       spoilt(-30), // of soft ones, too
				"a window of 0 samples":  nil,
				"a window of 1 samples":  {0},
				"a window of 16000 samp": make([]float32, 16000),
			} {
				s := open(t, e, sound.Rate)
				judge(t, s, sound)
				if p, err := s.Probability(window); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v and the error %v, want one with %q", p, err, want)
				}
				if d, at := farthest(t, judge(t, s, sound), then); d != 0 {
					t.Errorf("%s: window %d differs by %v after it", want, at, d)
				}
			}
		})
	}
}

func TestJudgingAllocatesNothing(t *testing.T) {
	for name, e := range engines(t) {
		if name == "onnxruntime" {
			continue // which allocates what it passes to C
		}
		s := open(t, e, audio.Rate16k)
		window := make([]float32, s.Window())
		if n := testing.AllocsPerRun(100, func() { _, _ = s.Probability(window) }); n != 0 {
			t.Errorf("%s allocates %v times a window", name, n)
		}
	}
}

func TestEnginesRefuseRatesThatAreNone(t *testing.T) {
	for name, e := range engines(t) {
		for _, rate := range []audio.SampleRate{0, -8000, 10_000_000} {
			if _, err := e.Open(rate); err == nil {
				t.Errorf("%s opens a stream at %d Hz", name, rate)
			}
		}
	}
}

func TestONNXRuntimeSaysWhatToDoWhereItIsNot(t *testing.T) {
	e, err := vad.NewONNXRuntime(vad.ONNXConfig{Library: "/nowhere/libonnxruntime.so"})
	if err == nil {
		e.Close()
		t.Fatal("it was opened from a file that does not exist")
	}
	if errors.Is(err, vad.ErrNoONNXRuntime) {
		for _, want := range []string{"-tags onnxruntime", "vad.Silero()", "docs/vad.md"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error does not say %q: %v", want, err)
			}
		}
		return
	}
	if !strings.Contains(err.Error(), "/nowhere/libonnxruntime.so") || !strings.Contains(err.Error(), "docs/vad.md") {
		t.Errorf("the error names no file and no remedy: %v", err)
	}
}
