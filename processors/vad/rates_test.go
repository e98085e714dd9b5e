package vad_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/vad"
)

// atRates cuts a track, given at 48 kHz, into pieces of a length whose rates take
// turns.
func atRates(t testing.TB, samples []int16, length time.Duration, rates ...audio.SampleRate) []*frames.Audio {
	t.Helper()
	whole := map[audio.SampleRate][]int16{}
	for _, rate := range rates {
		r, err := audio.NewResampler(audio.Rate48k, rate, 1)
		if err != nil {
			t.Fatal(err)
		}
		s := r.Resample(nil, samples)
		skip := r.Delay()
		whole[rate] = append(s, r.Flush(nil)...)[skip:]
	}
	total := audio.Rate48k.Duration(int64(len(samples)))
	var list []*frames.Audio
	for i := 0; time.Duration(i+1)*length <= total; i++ {
		rate := rates[i%len(rates)]
		from, to := rate.Samples(time.Duration(i)*length), rate.Samples(time.Duration(i+1)*length)
		list = append(list, piece(audio.Mono(rate), int(from), whole[rate][from:to]))
	}
	return list
}

func TestSpeechIsHeardHoweverOftenTheRateChanges(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	const second = int(audio.Rate48k)
	const tones = 5
	var samples []int16
	for range tones { // half a second in every two
		samples = append(samples, track(audio.Rate48k, 2*second, span{second / 2, second})...)
	}
	for name, e := range map[string]vad.Engine{
		"an engine of one rate":        loud{rate: 16000, window: 512},
		"an engine of the audio's own": loud{window: 400},
	} {
		for _, rates := range [][]audio.SampleRate{{16000, 24000}, {24000, 16000}, {8000, 16000}, {16000, 8000}, {11025, 44100, 16000}, {48000, 22050}} {
			for _, length := range []time.Duration{20 * time.Millisecond, 7 * time.Millisecond} {
				t.Run(fmt.Sprint(name, rates, length), func(t *testing.T) {
					var windows time.Duration
					d := detector(t, vad.Config{Engine: e, Observe: func(w vad.Window) { windows += w.Rate.Duration(int64(w.To - w.From)) }})
					var got []vad.Event
					for _, a := range atRates(t, samples, length, rates...) {
						var err error
						if got, err = d.Detect(got, a); err != nil {
							t.Fatal(err)
						}
					}
					if len(got) != 2*tones {
						t.Fatalf("%d events of %d tones: %v", len(got), tones, got)
					}
					if total := audio.Rate48k.Duration(int64(len(samples))); (windows - total).Abs() > 200*time.Millisecond {
						t.Errorf("windows of %v were judged in %v", windows, total)
					}
					const window, rounding = 0.050, 0.002 // at 8 kHz; and the ringing of the resamplers
					for i, e := range got {
						want := 2*float64(i/2) + 0.5
						if !e.Speech {
							want += 0.5
						}
						off := float64(e.Position)/float64(e.Rate) - want
						if e.Speech != (i%2 == 0) || e.Speech && (off > 0 || off < -2*window-rounding) || !e.Speech && (off < -rounding || off > window+rounding) {
							t.Errorf("tone %d: %+v is off by %.4f s", i/2, e, off)
						}
					}
				})
			}
		}
	}
}

func TestSileroHearsTheSameVoiceWhenTheRateChangesAllTheTime(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	sound := sounds(t)[0]
	up, err := audio.NewResampler(sound.Rate, audio.Rate48k, 1)
	if err != nil {
		t.Fatal(err)
	}
	samples := up.Resample(nil, sound.Samples[:6*sound.Rate])
	seconds := func(rates ...audio.SampleRate) []float64 {
		d := detector(t, vad.Config{})
		var events []vad.Event
		for _, a := range atRates(t, samples, 20*time.Millisecond, rates...) {
			if events, err = d.Detect(events, a); err != nil {
				t.Fatal(err)
			}
		}
		var s []float64
		for _, e := range events {
			s = append(s, float64(e.Position)/float64(e.Rate))
		}
		return s
	}
	for _, rates := range [][]audio.SampleRate{{16000, 24000}, {16000, 8000}, {8000, 16000}, {48000, 16000, 11025}} {
		want, got := seconds(rates[0]), seconds(rates...) // the first chooses the network
		if len(want) != 2 || len(got) != 2 || math.Abs(got[0]-want[0]) > 0.15 || math.Abs(got[1]-want[1]) > 0.15 {
			t.Errorf("at %v speech is from and to %.2f s, want %.2f", rates, got, want)
		}
	}
}

func TestAFlushedDetectorTakesTheEngineThatSuitsTheNextRate(t *testing.T) {
	var rates []audio.SampleRate
	d := detector(t, vad.Config{Engine: opened{loud{window: 400}, &rates}})
	feed(t, d, audio.Mono(8000), 0, track(8000, 16000), 160)
	feed(t, d, audio.Mono(16000), 32000, track(16000, 16000), 320)
	if len(rates) != 1 {
		t.Errorf("in mid-track the engine was opened for %v, want 8 kHz only", rates)
	}
	if _, err := d.Flush(nil); err != nil {
		t.Fatal(err)
	}
	got := feed(t, d, audio.Mono(24000), 72000, track(24000, 72000, span{24000, 48000}), 480)
	if len(rates) != 2 || rates[1] != 24000 {
		t.Errorf("the engine was opened for %v, want 8 and then 24 kHz", rates)
	}
	if len(got) != 2 || got[0].Position > 96000 || got[0].Position < 96000-800 || got[1].Position < 120_000 || got[1].Position > 120_400 {
		t.Errorf("events %v", got)
	}
}

func TestAFlushedDetectorForgetsTheRateThatItBeganAt(t *testing.T) {
	var rates []audio.SampleRate
	d := detector(t, vad.Config{Engine: opened{loud{window: 400}, &rates}})
	feed(t, d, audio.Mono(8000), 0, track(8000, 16000), 160)
	feed(t, d, audio.Mono(16000), 32000, track(16000, 16000), 320)
	if _, err := d.Flush(nil); err != nil {
		t.Fatal(err)
	}
	feed(t, d, audio.Mono(16000), 48000, track(16000, 16000), 320)
	if len(rates) != 2 || rates[1] != 16000 {
		t.Errorf("the engine was opened for %v, want 8 and then 16 kHz", rates)
	}
}

func TestTheEngineGoesOnAtItsRateBehindAClockThatWasSetBack(t *testing.T) {
	var rates []audio.SampleRate
	d := detector(t, vad.Config{Engine: opened{loud{window: 512}, &rates}})
	feed(t, d, audio.Mono(16000), 100_000, track(16000, 16000), 320)
	// Most of a window is heard, and not judged, when the rate changes.
	got, err := d.Detect(nil, piece(audio.Mono(16000), 0, track(16000, 16_300, span{0, 16_300})))
	if !errors.Is(err, vad.ErrRestart) {
		t.Errorf("the error is %v", err)
	}
	got = append(got, feed(t, d, audio.Mono(8000), 8150, track(8000, 24_000, span{0, 8000}), 160)...)
	if len(rates) != 1 {
		t.Errorf("in mid-speech the engine was opened for %v", rates)
	}
	if len(got) != 2 || got[0] != began(0, 16000) || got[1].Position < 16_150 || got[1].Position > 16_150+300 {
		t.Errorf("events %v", got)
	}
}

// opened notes the rates for which an engine is opened.
type opened struct {
	loud
	rates *[]audio.SampleRate
}

func (e opened) Open(rate audio.SampleRate) (vad.Stream, error) {
	*e.rates = append(*e.rates, rate)
	return e.loud.Open(rate)
}

func TestAnEngineThatFailsWhereTheRateChangesDoesNotLoseWhatComesThen(t *testing.T) {
	var heard []vad.Window
	d := detector(t, vad.Config{Engine: failsOnce{loud{rate: 16000, window: 512}}, Observe: func(w vad.Window) { heard = append(heard, w) }})
	feed(t, d, audio.Mono(24000), 0, track(24000, 768), 768)
	_, err := d.Detect(nil, piece(audio.Mono(16000), 512, make([]int16, 512)))
	if err == nil || len(heard) != 1 || heard[0].From != 512 || heard[0].To != 1024 {
		t.Errorf("the error is %v, and then it hears %+v, want samples 512 to 1024", err, heard)
	}
}

// failsOnce makes streams that cannot judge their first window.
type failsOnce struct{ loud }

type failsOnceStream struct {
	vad.Stream
	failed bool
}

func (e failsOnce) Open(rate audio.SampleRate) (vad.Stream, error) {
	s, err := e.loud.Open(rate)
	return &failsOnceStream{Stream: s}, err
}

func (s *failsOnceStream) Probability(window []float32) (float32, error) {
	if !s.failed {
		s.failed = true
		return 0, errors.New("not now")
	}
	return s.Stream.Probability(window)
}
