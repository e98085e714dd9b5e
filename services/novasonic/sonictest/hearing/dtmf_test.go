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

func TestTonesThatAbutAreToldApart(t *testing.T) {
	const rate = audio.Rate16k
	one, five := Speak(rate, "1"), Speak(rate, "5")
	for _, cut := range []time.Duration{40, 70, 100, 133, 160} {
		cut *= time.Millisecond
		us := utterances(hear(Options{}, join(one[:rate.Samples(cut)], five, silence(rate, time.Second))))
		if len(us) != 1 || len(us[0].Words) != 2 {
			t.Fatalf("after %v heard %+v, want two words", cut, us)
		}
		for i, want := range []struct {
			text  string
			heard float64
		}{{"one", float64(cut) / float64(ToneDuration)}, {"five", 1}} {
			if w := us[0].Words[i]; w.Text != want.text || math.Abs(w.Heard-want.heard) > 0.03 {
				t.Errorf("after %v heard %.3f of %q, want %.3f of %q", cut, w.Heard, w.Text, want.heard, want.text)
			}
		}
	}
}

func TestATonePartlyHeardTwiceIsMoreThanOneWord(t *testing.T) {
	const rate = audio.Rate16k
	five := Speak(rate, "5")
	us := utterances(hear(Options{}, join(five[:rate.Samples(140*time.Millisecond)], five[rate.Samples(60*time.Millisecond):], silence(rate, time.Second))))
	var heard float64
	for _, u := range us {
		for _, w := range u.Words {
			if w.Text != "five" {
				t.Errorf("heard %q", w.Text)
			}
			heard += w.Heard
		}
	}
	if math.Abs(heard-1.4) > 0.05 {
		t.Errorf("heard %.2f of a word of which 80 ms of 200 are repeated, want 1.4", heard)
	}
}

func TestKeysAreUnderstoodInNoise(t *testing.T) {
	const keys = "4711*"
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate24k} {
		noisy := addNoise(join(silence(rate, time.Second), Speak(rate, keys), silence(rate, time.Second)), 15)
		if us := utterances(hear(Options{Rate: rate}, noisy)); len(us) != 1 || us[0].Text != Words(keys) {
			t.Errorf("at %v heard %q, want %q", rate, texts(us), Words(keys))
		}
	}
}

func checkHeard(t *testing.T, w Word, text string, heard float64) {
	t.Helper()
	if w.Text != text || math.Abs(w.Heard-heard) > 0.02 {
		t.Errorf("heard %.3f of %q, want %.3f of %q", w.Heard, w.Text, heard, text)
	}
}
