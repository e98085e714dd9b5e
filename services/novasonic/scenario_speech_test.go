package novasonic_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// The deadlines of streams that live for a minute: prepare at 20 s, prefer
// until 30 s, force at 40 s.

func TestScenarioAnAgentThatSpeaksAtADeadlineIsHeardToItsEnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		asked           time.Duration
		sentences       int
		prepare, prefer time.Duration
		at, to          time.Duration // when the microphone moves
	}{
		"prepare":              {18 * time.Second, 1, 20 * time.Second, 30 * time.Second, 23 * time.Second, 25 * time.Second},
		"prefer":               {27 * time.Second, 2, 29 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		"prepare and prefer":   {18 * time.Second, 4, 20 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		"force":                {27 * time.Second, 4, 29 * time.Second, 40 * time.Second, 40 * time.Second, 40 * time.Second},
		"all of them":          {18 * time.Second, 6, 20 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		"begins with the cut":  {28800 * time.Millisecond, 2, 29 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
		"ends with the cut":    {23900 * time.Millisecond, 1, 24 * time.Second, 30 * time.Second, 29 * time.Second, 30 * time.Second},
		"speaks until the end": {27 * time.Second, 6, 29 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			sentences := tale(tc.sentences)
			nc := brief()
			nc.Continuation.Prepare, nc.Continuation.Prefer = tc.prepare, tc.prefer
			want := outcome{agent: append(sentences, youSaid("12")), user: []string{"nine", "one two"}}
			play(t, short(teller(sentences...)), nc, want, func(s *scene) {
				s.at(tc.asked)
				s.says("9")
				s.at(tc.asked + time.Duration(tc.sentences)*5*time.Second + 4*time.Second)
				s.says("12")
				s.waits(5 * time.Second)
				l := s.streams()[1]
				if moved := l.Opened.Add(l.Audio[0].Opened).Sub(s.began); moved < tc.at-20*time.Millisecond || moved > tc.to+20*time.Millisecond {
					t.Errorf("the microphone moved at %v, want %v to %v", moved, tc.at, tc.to)
				}
			})
		})
	}
}

func TestScenarioAUserWhoSpeaksAtADeadlineIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		from   time.Duration
		keys   int
		again  bool // the utterance has to be heard again
		change func(*novasonic.Continuation)
	}{
		"prepare":            {from: 18 * time.Second, keys: 15},
		"prefer":             {from: 28 * time.Second, keys: 15},
		"force":              {from: 38 * time.Second, keys: 15, change: func(c *novasonic.Continuation) { c.Prepare = 39 * time.Second; c.Prefer = 39 * time.Second }, again: true},
		"prepare to prefer":  {from: 18 * time.Second, keys: 50},
		"prepare to force":   {from: 18 * time.Second, keys: 90, again: true},
		"just before force":  {from: 21 * time.Second, keys: 66},
		"ends in the cut":    {from: 21 * time.Second, keys: 67, again: true},
		"begins in the cut":  {from: 19900 * time.Millisecond, keys: 15, again: true},
		"begins a bit later": {from: 20 * time.Second, keys: 15},
	} {
		t.Run(name, func(t *testing.T) {
			keys := strings.Repeat("12345678", 12)[:tc.keys]
			nc := brief()
			if tc.change != nil {
				tc.change(&nc.Continuation)
			}
			want := outcome{agent: []string{youSaid(keys), youSaid("9")}, user: []string{hearing.Words(keys), "nine"}}
			if tc.again {
				want.again = 30 * time.Second
			}
			play(t, short(echo()), nc, want, func(s *scene) {
				s.at(tc.from)
				s.says(keys)
				s.waits(5*time.Second + time.Duration(tc.keys)*400*time.Millisecond)
				s.says("9")
				s.waits(5 * time.Second)
				if n := len(of[*frames.UserStartedSpeaking](s.rig)); n != 2 {
					t.Errorf("the user is said to have begun to speak %d times, want 2", n)
				}
			})
		})
	}
}

func TestScenarioAnUtteranceIsHeardWholeWhereverTheCutFalls(t *testing.T) {
	t.Parallel()
	// The cut is forced at 40 s; the utterance of 1.7 s begins around that.
	for ms := -2400; ms <= 400; ms += 200 {
		t.Run(fmt.Sprintf("%d ms from it", ms), func(t *testing.T) {
			nc := brief()
			nc.Continuation.Prepare, nc.Continuation.Prefer = 40*time.Second, 40*time.Second
			want := outcome{agent: []string{youSaid("123456")}, user: []string{"one two three four five six"}, again: 3 * time.Second}
			play(t, short(echo()), nc, want, func(s *scene) {
				s.at(40*time.Second + time.Duration(ms)*time.Millisecond)
				s.says("123456")
				s.waits(7 * time.Second)
			})
		})
	}
}

func TestScenarioOfAMonologueLongerThanTheRingTheNewestPartIsHeardAgain(t *testing.T) {
	t.Parallel()
	nc := brief()
	nc.Keep = 12 * time.Second
	keys := strings.Repeat("1234567890", 13)[:125] // 35 s
	want := outcome{again: 12 * time.Second}
	playOut(t, short(echo()), nc, &want, func(s *scene) {
		s.at(10 * time.Second)
		s.says(keys) // the cut is forced at 40 s
		s.waits(40 * time.Second)
		heard := s.streams()[1].Heard
		if len(heard) != 1 || !strings.HasSuffix(hearing.Words(keys), heard[0].Text) || len(heard[0].Words) < 55 {
			t.Errorf("the second stream heard %v", heard)
			return
		}
		want.agent = []string{"You said " + heard[0].Text + "."}
		want.user = []string{heard[0].Text}
		if c := cuts(s.rig)[0]; (c.Lost-18*time.Second).Abs() > 500*time.Millisecond || (c.Replayed-12*time.Second).Abs() > 20*time.Millisecond {
			t.Errorf("%v are said to have been lost and %v replayed, want 18 s and 12 s", c.Lost, c.Replayed)
		}
	})
}

func TestScenarioABargeInAroundTheCutSilencesTheAgentOnce(t *testing.T) {
	t.Parallel()
	// The agent speaks from 22.7 s on, and the microphone moves at 30 s.
	sentences := tale(4)
	for _, speed := range []float64{2.5, 50} {
		for _, at := range []time.Duration{
			25 * time.Second, // before the cut: the old stream hears it
			29 * time.Second, 29500 * time.Millisecond,
			29800 * time.Millisecond, 29900 * time.Millisecond, 29960 * time.Millisecond, // both hear some of it
			30 * time.Second, 30100 * time.Millisecond, 30300 * time.Millisecond, // after it: the old stream drains, and hears nothing
			32 * time.Second, 37 * time.Second,
		} {
			if speed > 10 && at%time.Second != 0 {
				continue // a few will do
			}
			t.Run(fmt.Sprintf("at %v, audio %gx as fast as it plays", at, speed), func(t *testing.T) {
				sc := short(teller(sentences...))
				sc.Delivery.Speed = speed
				heard := int((at - 22700*time.Millisecond) / (5 * time.Second)) // sentences that are over
				want := outcome{again: 2 * time.Second, user: []string{"nine", "one two three", "four"}}
				want.agent = append(sentences[:heard:heard], cut(sentences[heard]), youSaid("123"), youSaid("4"))
				nc := brief()
				nc.Continuation.Prepare = 23 * time.Second
				play(t, sc, nc, want, func(s *scene) {
					s.at(22 * time.Second)
					s.says("9")
					s.at(at)
					s.begins("123")
					s.waits(700 * time.Millisecond)
					silent := len(s.ear.heard())
					s.waits(600 * time.Millisecond)
					if more := len(s.ear.heard()) - silent; more > 0 {
						t.Errorf("the agent went on to speak 700 ms after the user began, for another %d samples", more)
					}
					s.waits(5 * time.Second)
					s.says("4")
					s.waits(5 * time.Second)
					if n := len(of[*frames.Interruption](s.rig)); n != 1 {
						t.Errorf("%d interruptions, want 1", n)
					}
					s.at(55 * time.Second) // the next move
					if told := memory(s.streams()[2]); !strings.Contains(told, "[interrupted]") || strings.Contains(told, sentences[heard]) {
						t.Errorf("the last stream was told:\n%s", told)
					}
				})
			})
		}
	}
}

func TestScenarioABargeInWithoutItsMarkerIsNoticed(t *testing.T) {
	t.Parallel()
	sentences := tale(4)
	for name, form := range map[string]sonictest.Interruption{
		"no marker":             {NoMarker: true},
		"audio INTERRUPTED":     {NoMarker: true, AudioInterrupted: true},
		"audio trickles in":     {Trailing: time.Second},
		"text of what was said": {FinalTruncated: true},
	} {
		for _, at := range []time.Duration{25 * time.Second, 29900 * time.Millisecond, 31 * time.Second} {
			t.Run(fmt.Sprintf("%s, at %v", name, at), func(t *testing.T) {
				sc := short(teller(sentences...))
				sc.Behaviour.Interruption = form
				heard := int((at - 22700*time.Millisecond) / (5 * time.Second))
				want := outcome{again: 2 * time.Second, user: []string{"nine", "one two three", "four"}}
				want.agent = append(sentences[:heard:heard], cut(sentences[heard]), youSaid("123"), youSaid("4"))
				nc := brief()
				nc.Continuation.Prepare = 23 * time.Second
				play(t, sc, nc, want, func(s *scene) {
					s.at(22 * time.Second)
					s.says("9")
					s.at(at)
					s.says("123")
					s.waits(7 * time.Second)
					s.says("4")
					s.waits(5 * time.Second)
				})
			})
		}
	}
}
