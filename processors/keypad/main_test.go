package keypad_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/keypad"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProcessorsKeepTheRules(t *testing.T) {
	pressed := pipelinetest.With(func() frames.Frame { return &frames.DTMFInput{Digit: '4'} })
	press := pipelinetest.With(func() frames.Frame { return &frames.DTMFOutput{Digit: '4'} })
	for name, make := range map[string]func() pipeline.Processor{
		"detector":                func() pipeline.Processor { return keypad.NewDetector(keypad.DetectorConfig{}) },
		"detector that removes":   func() pipeline.Processor { return keypad.NewDetector(keypad.DetectorConfig{Remove: true}) },
		"detector of whole tones": func() pipeline.Processor { return keypad.NewDetector(keypad.DetectorConfig{Released: true}) },
		"dialler":                 func() pipeline.Processor { return keypad.NewDialler(keypad.DiallerConfig{}) },
		"keys":                    func() pipeline.Processor { return keypad.NewKeys(keypad.KeysConfig{}) },
		"keys that are swallowed": func() pipeline.Processor { return keypad.NewKeys(keypad.KeysConfig{Swallow: true}) },
		"keys without an end":     func() pipeline.Processor { return keypad.NewKeys(keypad.KeysConfig{End: keypad.NoEnd}) },
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.Check(t, make, pressed, press) })
	}
}

// through sends frames through a processor, in order, and then End. It returns
// what comes out of it downstream, and the errors that were reported.
func through(t *testing.T, p pipeline.Processor, list ...frames.Frame) ([]frames.Frame, []error) {
	t.Helper()
	var mu sync.Mutex
	var got []frames.Frame
	var errs []error
	collect := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := f.(*frames.Start); !ok && dir == frames.Downstream {
			got = append(got, f)
		}
		return out.Send(ctx, f, dir)
	})
	line := pipeline.New(pipeline.Config{OnError: func(f *frames.Error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, f.Err)
	}}, p, collect)
	done := make(chan error, 1)
	go func() { done <- line.Run(t.Context()) }()
	for _, f := range append(list, &frames.End{}) {
		if err := line.Send(t.Context(), f); err != nil {
			t.Errorf("Send: %v", err)
		}
		synctest.Wait() // so that system frames do not overtake
	}
	if err := <-done; err != nil {
		t.Fatalf("Run: %v", err)
	}
	return got, errs
}

// tones returns keys as they sound, after 100 ms of silence.
func tones(t *testing.T, rate audio.SampleRate, keys string) []int16 {
	t.Helper()
	s, err := dtmf.Generator{Rate: rate}.Append(make([]int16, rate/10), keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// packets cuts audio of the caller's track into frames of 20 ms.
func packets(f audio.Format, position audio.Position, samples []int16) []frames.Frame {
	n := int(f.Rate) / 50 * f.Channels
	var list []frames.Frame
	for len(samples) > 0 {
		k := min(n, len(samples))
		a := &frames.AudioInput{Audio: frames.Audio{Format: f, Samples: samples[:k], Track: "caller", Position: position}}
		position = a.End()
		samples = samples[k:]
		list = append(list, a)
	}
	return list
}

// keysIn returns the keys among frames.
func keysIn(list []frames.Frame) string {
	var keys []byte
	for _, f := range list {
		if k, ok := f.(*frames.DTMFInput); ok {
			keys = append(keys, k.Digit)
		}
	}
	return string(keys)
}

// audioIn returns the audio frames among frames.
func audioIn(list []frames.Frame) []*frames.AudioInput {
	var found []*frames.AudioInput
	for _, f := range list {
		if a, ok := f.(*frames.AudioInput); ok {
			found = append(found, a)
		}
	}
	return found
}
