package talk

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestARequestIsUnderstoodWholeOrNotAtAll(t *testing.T) {
	r := Request{ID: 42, Kind: SlowTool, More: "77"}
	if got, ok := ParseSpoken(r.Spoken()); !ok || got != r {
		t.Errorf("heard %+v, %v, want %+v", got, ok, r)
	}
	if got, ok := ParseTyped(r.Typed()); !ok || got.ID != r.ID || got.Kind != r.Kind {
		t.Errorf("read %+v, %v", got, ok)
	}
	words := slices.Collect(func(yield func(string) bool) {
		text := r.Spoken()
		for i := range text {
			if i == 0 || text[i-1] == ' ' {
				if !yield(text[i:]) {
					return
				}
			}
		}
	})
	for _, tail := range words[1:] {
		if got, ok := ParseSpoken(tail); ok {
			t.Errorf("%q, the end of a request, was taken for %+v", tail, got)
		}
	}
	for i := range r.Spoken() {
		if got, ok := ParseSpoken(r.Spoken()[:i]); ok {
			t.Errorf("%q, the beginning of a request, was taken for %+v", r.Spoken()[:i], got)
		}
	}
	if _, ok := ParseSpoken(r.Spoken() + " " + r.Spoken()); ok {
		t.Error("two requests were taken for one")
	}
}

func TestTheEmulatorHearsTheTrackAndNothingElse(t *testing.T) {
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate24k} {
		track := NewTrack(5, rate)
		r := Request{ID: 7, Kind: Long, More: "12,34"}
		u := track.Say(r, rate.Samples(3*time.Second)+11)
		l := hearing.New(hearing.Options{Rate: rate})
		var heard []*hearing.Utterance
		for from := int64(0); from < rate.Samples(20*time.Second); from += 77 {
			for _, e := range l.Write(track.Samples(from, from+77)) {
				if e.Kind == hearing.SpeechEnded {
					heard = append(heard, e.Utterance)
				}
			}
		}
		if len(heard) != 1 || heard[0].Text != r.Spoken() {
			t.Fatalf("at %v %d utterances were heard", rate, len(heard))
		}
		if off := rate.Duration(int64(heard[0].End) - u.To).Abs(); off > 20*time.Millisecond {
			t.Errorf("at %v it ended %v off", rate, off)
		}
	}
}

func TestEverySampleOfTheTrackIsTheSameWheneverItIsAskedFor(t *testing.T) {
	track := NewTrack(9, audio.Rate8k)
	track.Say(Request{ID: 1}, 1003)
	all := track.Samples(0, 20_000)
	for from := int64(0); from < 19_000; from += 613 {
		if !slices.Equal(track.Samples(from, from+777), all[from:from+777]) {
			t.Fatalf("samples from %d on differ", from)
		}
	}
	if i := slices.Index(all, 0); i >= 0 {
		t.Errorf("sample %d is zero, as silence is that is not the caller's", i)
	}
}

func TestTheBrainAnswersEachRequestWithWhatItIsSaidTo(t *testing.T) {
	for k := range Kinds {
		r := Request{ID: 30 + k, Kind: Kind(k)}
		a := answer(sonictest.Turn{Kind: sonictest.Spoken, Text: r.Spoken()})
		var texts []string
		for _, s := range a.Sentences {
			texts = append(texts, s.Text)
		}
		if !slices.Equal(texts, r.Sentences()) || len(a.Calls) != len(r.Calls()) {
			t.Errorf("kind %d: said %q and called %v", k, texts, a.Calls)
		}
		for _, c := range r.Calls() {
			text := "[The result: " + c.Token() + "]"
			if next, ok := c.Next(); ok {
				a := answer(sonictest.Turn{Kind: sonictest.ToolResults, Latest: sonictest.ToolResult{Content: text}})
				if len(a.Sentences) != 0 || len(a.Calls) != 1 || a.Calls[0].Arguments != next.Arguments() || next.Token() == c.Token() {
					t.Errorf("kind %d: the outcome of the first call leads to %+v", k, a)
				}
				text += " [And: " + next.Token() + "]"
			}
			told := answer(sonictest.Turn{Kind: sonictest.Written, Text: text})
			if len(told.Sentences) != 1 || told.Sentences[0].Text != r.Outcome()[0] {
				t.Errorf("kind %d: the outcome is told as %+v", k, told.Sentences)
			}
		}
	}
	if a := answer(sonictest.Turn{Kind: sonictest.Spoken, Text: "zero one pound"}); a.Sentences[0].Text != Puzzled {
		t.Errorf("to a fragment it says %q", a.Sentences[0].Text)
	}
}
