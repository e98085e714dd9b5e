package novasonic_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

// quick is a continuation of streams that live for a minute.
func quick() novasonic.Continuation {
	return novasonic.Continuation{
		Prepare: 20 * time.Second, Prefer: 30 * time.Second, Force: 40 * time.Second, Jitter: -1,
		Limit: 60 * time.Second,
	}
}

// short is the emulator's part of it.
func short(b sonictest.Brain) sonictest.Config {
	return sonictest.Config{Brain: b, Limits: sonictest.Limits{Life: 60 * time.Second}}
}

// swaps are the steps of all moves, in their order.
func swaps(r *rig) []*novasonic.Swap { return of[*novasonic.Swap](r) }

// cuts are the moves that were made.
func cuts(r *rig) []*novasonic.Swap {
	return slices.DeleteFunc(swaps(r), func(s *novasonic.Swap) bool { return s.Step != novasonic.SwapCut })
}

// said is what the agent said, by the text of record.
func said(r *rig) []string {
	return texts(r, func(f *frames.SpokenText) string { return strings.TrimSpace(f.Text) })
}

// seamless checks that every sentence that the emulator spoke on any stream was
// heard once, whole and in order, and nothing else.
func (r *rig) seamless(want ...string) {
	r.t.Helper()
	var sentences [][]int16
	for _, s := range r.streams() {
		for _, a := range s.Answers {
			for _, said := range a.Sentences {
				if slices.Contains(want, said.Text) {
					sentences = append(sentences, said.PCM)
				}
			}
		}
	}
	if len(sentences) != len(want) {
		r.t.Errorf("the emulator spoke %d of the %d sentences", len(sentences), len(want))
	}
	if report := voice.Analyse(r.ear.heard(), sentences...); !report.Seamless() {
		r.t.Errorf("the agent was heard with a seam:\n%s", report.String())
	}
}

func TestASwapInSilenceIsUnheard(t *testing.T) {
	call(t, short(echo()), novasonic.Config{Continuation: quick()}, func(r *rig) {
		r.says("1")
		r.waits(18 * time.Second)
		r.says("23")
		r.waits(18 * time.Second)
		r.says("456")
		r.waits(8 * time.Second)
		want := []string{"You said one.", "You said two three.", "You said four five six."}
		if got := said(r); !slices.Equal(got, want) {
			t.Errorf("the agent said %q, want %q", got, want)
		}
		r.seamless(want...)
		for _, s := range swaps(r) {
			t.Logf("%v %+v", s, s.SwapStatus)
		}
		for _, c := range cuts(r) {
			if c.Replayed != 0 || c.Forced || c.OutputGap != 0 || c.Reason != novasonic.SwapAge {
				t.Errorf("cut: %+v", c.SwapStatus)
			}
		}
		if n := len(r.streams()); n != 3 {
			t.Errorf("%d streams, want 3", n)
		}
	})
}

func TestAUserWhoSpeaksThroughEveryDeadlineIsHeardWhole(t *testing.T) {
	call(t, short(echo()), novasonic.Config{Continuation: quick()}, func(r *rig) {
		r.waits(17 * time.Second)
		digits := strings.Repeat("1234567890", 10) // 25 s
		r.says(digits)
		r.waits(70 * time.Second) // it takes long to say them all
		want := []string{"You said " + hearing.Words(digits) + "."}
		if got := said(r); !slices.Equal(got, want) {
			t.Errorf("the agent said %q, want %q", got, want)
		}
		if got := texts(r, func(f *frames.Transcription) string { return f.Text }); len(got) != 1 {
			t.Errorf("transcripts: %q", got)
		}
		for _, s := range swaps(r) {
			t.Logf("%v %+v", s, s.SwapStatus)
		}
	})
}

func TestTheOldStreamSpeaksToItsEnd(t *testing.T) {
	long := make([]string, 12)
	for i := range long {
		long[i] = "This is sentence number " + hearing.Words(string(rune('0'+i%10))) + " of a long answer, which takes its time and then some more."
	}
	sc := short(sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Text == "one" {
			return sonictest.Say(long...)
		}
		return sonictest.Say("You said " + turn.Text + ".")
	}))
	sc.Delivery.Speed = 1.1
	sc.Limits.Life = 120 * time.Second
	nc := novasonic.Config{Continuation: quick()}
	nc.Continuation.Limit = 120 * time.Second
	call(t, sc, nc, func(r *rig) {
		r.waits(10 * time.Second)
		r.says("1")
		r.waits(80 * time.Second)
		r.says("2")
		r.waits(8 * time.Second)
		want := append(slices.Clone(long), "You said two.")
		if got := said(r); !slices.Equal(got, want) {
			t.Errorf("the agent said %q, want %q", got, want)
		}
		r.seamless(want...)
		for _, s := range swaps(r) {
			t.Logf("%v %+v", s, s.SwapStatus)
		}
		for i, s := range r.streams() {
			t.Logf("stream %d: history %q answers %d end %v", i, s.History, len(s.Answers), s.End)
		}
	})
}
