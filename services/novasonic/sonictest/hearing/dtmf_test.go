package hearing

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
)

// hear returns the events of a whole stream.
func hear(o Options, samples []int16) []Event {
	l := New(o)
	return append(l.Write(samples), l.Close()...)
}

func utterances(events []Event) []*Utterance {
	var us []*Utterance
	for _, e := range events {
		if e.Kind == SpeechEnded {
			us = append(us, e.Utterance)
		}
	}
	return us
}

func silence(rate audio.SampleRate, d time.Duration) []int16 {
	return make([]int16, rate.Samples(d))
}

func join(pieces ...[]int16) []int16 {
	var out []int16
	for _, p := range pieces {
		out = append(out, p...)
	}
	return out
}

func TestEveryKeyIsAWordAtEveryRate(t *testing.T) {
	const keys = "1234567890*#ABCD"
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate24k, audio.Rate48k} {
		t.Run(rate.String(), func(t *testing.T) {
			us := utterances(hear(Options{Rate: rate}, join(Speak(rate, keys), silence(rate, time.Second))))
			if len(us) != 1 {
				t.Fatalf("heard %d utterances, want 1", len(us))
			}
			if want := Words(keys); us[0].Text != want {
				t.Errorf("heard %q, want %q", us[0].Text, want)
			}
			for i, w := range us[0].Words {
				at := rate.Samples(time.Duration(i) * (ToneDuration + GapDuration))
				if off := rate.Duration(int64(w.Start) - at); off.Abs() > 2*time.Millisecond {
					t.Errorf("%q starts %v off", w.Text, off)
				}
				if math.Abs(w.Heard-1) > 0.02 {
					t.Errorf("%.3f of %q heard, want all of it", w.Heard, w.Text)
				}
			}
		})
	}
}

func TestACutKeyTellsHowMuchOfItWasHeard(t *testing.T) {
	const rate = audio.Rate16k
	spoken := join(Speak(rate, "159"), silence(rate, time.Second))
	second := ToneDuration + GapDuration
	for _, cut := range []time.Duration{30, 50, 75, 100, 120, 150, 170} {
		cut *= time.Millisecond
		t.Run(fmt.Sprintf("head of %v lost", cut), func(t *testing.T) {
			us := utterances(hear(Options{}, spoken[rate.Samples(second+cut):]))
			if len(us) != 1 || len(us[0].Words) != 2 {
				t.Fatalf("heard %+v, want two words", us)
			}
			checkHeard(t, us[0].Words[0], "five", 1-float64(cut)/float64(ToneDuration))
			checkHeard(t, us[0].Words[1], "nine", 1)
		})
		t.Run(fmt.Sprintf("tail after %v lost", cut), func(t *testing.T) {
			us := utterances(hear(Options{}, join(spoken[:rate.Samples(second+cut)], silence(rate, time.Second))))
			if len(us) != 1 || len(us[0].Words) != 2 {
				t.Fatalf("heard %+v, want two words", us)
			}
			checkHeard(t, us[0].Words[1], "five", float64(cut)/float64(ToneDuration))
		})
	}
}

func checkHeard(t *testing.T, w Word, text string, heard float64) {
	t.Helper()
	if w.Text != text || math.Abs(w.Heard-heard) > 0.02 {
		t.Errorf("heard %.3f of %q, want %.3f of %q", w.Heard, w.Text, heard, text)
	}
}
