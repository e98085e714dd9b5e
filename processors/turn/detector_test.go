package turn_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/turn"
	"github.com/parley-go/parley/processors/vad"
)

// loud is an engine that takes what is loud for speech.
type loud struct{}

func (loud) Open(audio.SampleRate) (vad.Stream, error) { return loud{}, nil }
func (loud) Rate() audio.SampleRate                    { return rate }
func (loud) Window() int                               { return 320 }
func (loud) Reset()                                    {}
func (loud) Probability(window []float32) (float32, error) {
	if slices.Max(window) > .1 {
		return 1, nil
	}
	return 0, nil
}

// speech is a noise that loud takes for speech.
func speech(d time.Duration) []int16 {
	s := make([]int16, rate.Samples(d))
	for i := range s {
		s[i] = int16(10000 * (i % 2))
	}
	return s
}

func TestTheCallerWaitsForTheDetectorsStopAndForWhatTheTurnAddsToIt(t *testing.T) {
	const word = time.Second
	for name, c := range map[string]struct {
		params vad.Params
		end    turn.Condition
		want   time.Duration // from the end of the voice
	}{
		"a short stop, and the rest of the silence": {vad.Params{Stop: 200 * ms}, turn.Silence(600 * ms), 600 * ms},
		"a short stop, and no more":                 {vad.Params{Stop: 200 * ms}, turn.Silence(0), 200 * ms},
		"the default stop, which is longer":         {vad.Params{}, turn.Silence(600 * ms), 800 * ms},
		"a model that is asked at the stop":         {vad.Params{Stop: 200 * ms}, turn.Semantic(turn.SemanticConfig{Model: yes}), 200 * ms},
		"a model that waits for the default stop":   {vad.Params{}, turn.Semantic(turn.SemanticConfig{Model: yes}), 800 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mic, began := &microphone{}, time.Now()
				var waited time.Duration
				watch := pipeline.On(func(ctx context.Context, f *frames.UserStoppedSpeaking, dir frames.Direction, out *pipeline.Port) error {
					waited = time.Since(began) - word
					return out.Send(ctx, f, dir)
				})
				p := pipeline.New(pipeline.Config{}, mic, vad.New(vad.Config{Engine: loud{}, Params: c.params}), turn.New(turn.Config{End: c.end}), watch)
				done := make(chan error, 1)
				go func() { done <- p.Run(context.Background()) }()
				time.Sleep(ms)
				began = time.Now()
				mic.add(speech(word))
				time.Sleep(5 * time.Second)
				p.End("the test is over")
				if err := <-done; err != nil {
					t.Error(err)
				}
				if !near(waited, c.want, 50*ms) {
					t.Errorf("the caller waited for %v, want %v", waited, c.want)
				}
			})
		})
	}
}

func TestARecordingThatIsReadAtOnceHasTheTurnsThatWereSpoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := turn.New(turn.Config{End: turn.Silence(600 * ms)})
		var told []time.Duration
		watch := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
			switch f := f.(type) {
			case *frames.UserStartedSpeaking:
				told = append(told, at(f.Position))
			case *frames.UserStoppedSpeaking:
				told = append(told, at(f.Position))
			}
			return out.Send(ctx, f, dir)
		})
		p := pipeline.New(pipeline.Config{}, vad.New(vad.Config{Engine: loud{}, Params: vad.Params{Stop: 200 * ms}}), turns, watch)
		done := make(chan error, 1)
		go func() { done <- p.Run(context.Background()) }()
		var recording []int16
		pause := func(d time.Duration) { recording = append(recording, make([]int16, rate.Samples(d))...) }
		pause(time.Second)
		recording = append(recording, speech(time.Second)...)
		pause(300 * ms) // within a turn, though the detector takes 200 ms to be sure of what comes then
		recording = append(recording, speech(time.Second)...)
		pause(time.Second)
		recording = append(recording, speech(300*ms)...) // short, and soon after a turn
		pause(time.Second)
		for pos := 0; pos < len(recording); pos += 320 {
			f := &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: recording[pos:min(pos+320, len(recording))], Track: "caller", Position: audio.Position(pos)}}
			if err := p.Send(context.Background(), f); err != nil {
				t.Fatal(err)
			}
		}
		p.End("it has been read")
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := []time.Duration{time.Second, 3300 * ms, 4300 * ms, 4600 * ms}
		if !slices.EqualFunc(told, want, func(a, b time.Duration) bool { return near(a, b, 40*ms) }) {
			t.Errorf("turns begin and end at %v, want %v", told, want)
		}
	})
}
