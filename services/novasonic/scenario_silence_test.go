package novasonic_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

func TestScenarioTwentyMinutesOfSilenceAreSurvived(t *testing.T) {
	t.Parallel()
	want := outcome{agent: []string{youSaid("1")}, user: []string{"one"}, streams: 4}
	play(t, sonictest.Config{Brain: echo()}, novasonic.Config{Continuation: novasonic.Continuation{Jitter: -1}}, want, func(s *scene) {
		s.waits(20 * time.Minute) // a stream lives for 8
		s.says("1")
		s.waits(4 * time.Second)
	})
}

func TestScenarioAnAgentThatNeverSpokeIsContinued(t *testing.T) {
	t.Parallel()
	mute := sonictest.BrainFunc(func(*sonictest.Conversation, sonictest.Turn) sonictest.Answer { return sonictest.Answer{} })
	want := outcome{user: []string{"one", "two", "three", "four"}, streams: 4}
	play(t, short(mute), brief(), want, func(s *scene) {
		for _, key := range []string{"1", "2", "3", "4"} {
			s.says(key)
			s.waits(17 * time.Second)
		}
		if got := memory(s.streams()[3]); !strings.Contains(got, "one\ntwo\nthree") {
			t.Errorf("the last stream was told %q", got)
		}
	})
}

func TestScenarioFiftySwapsBetweenNormalTurnsAreUnheard(t *testing.T) {
	t.Parallel()
	nc := novasonic.Config{Continuation: novasonic.Continuation{
		Prepare: 8 * time.Second, Prefer: 12 * time.Second, Force: 16 * time.Second, Jitter: -1, Limit: 20 * time.Second,
	}}
	sc := sonictest.Config{Brain: echo(), Limits: sonictest.Limits{Life: 20 * time.Second}}
	want := outcome{again: 5 * time.Second} // in all, where a swap finds the user beginning to speak
	var turns []string
	for i := range 90 {
		keys := fmt.Sprint(i)
		turns = append(turns, keys)
		want.user = append(want.user, hearing.Words(keys))
		want.agent = append(want.agent, youSaid(keys))
	}
	play(t, sc, nc, want, func(s *scene) {
		for i, keys := range turns {
			s.says(keys)
			s.at(time.Duration(i+1) * 5 * time.Second)
		}
		if n := len(cuts(s.rig)); n < 50 {
			t.Errorf("%d swaps, want 50", n)
		}
		for _, l := range s.streams() {
			// Each was told all that was said until then, once.
			told := memory(l)
			for i := range l.History {
				if i%2 == 0 {
					if keys := turns[i/2]; l.History[i].Text != hearing.Words(keys) {
						t.Errorf("stream %d was told %q", l.Number, told)
						return
					}
				}
			}
			if n := len(l.History) / 2; l.Number > 0 && (n == 0 || l.Opened.Sub(s.began)-time.Duration(n)*5*time.Second > 8*time.Second) {
				t.Errorf("stream %d, opened at %v, was told only of %d turns", l.Number, l.Opened.Sub(s.began), n)
			}
		}
	})
}

func TestScenarioAMutedMicrophoneIsContinued(t *testing.T) {
	t.Parallel()
	want := outcome{agent: []string{youSaid("1"), youSaid("23")}, user: []string{"one", "two three"}}
	play(t, short(echo()), brief(), want, func(s *scene) {
		s.says("1")
		s.waits(5 * time.Second)
		s.caller.mute(true) // no frames at all
		s.waits(3 * time.Minute)
		s.caller.mute(false)
		s.says("23")
		s.waits(5 * time.Second)
	})
}

func TestScenarioAMicrophoneThatIsMutedWhileTheAgentSpeaksLetsItFinish(t *testing.T) {
	t.Parallel()
	sentences := tale(4)
	want := outcome{agent: append(sentences[:4:4], youSaid("1")), user: []string{"nine", "one"}}
	play(t, short(teller(sentences...)), brief(), want, func(s *scene) {
		s.at(15 * time.Second)
		s.says("9")
		s.caller.mute(true)
		s.waits(40 * time.Second)
		s.caller.mute(false)
		s.says("1")
		s.waits(5 * time.Second)
	})
}
