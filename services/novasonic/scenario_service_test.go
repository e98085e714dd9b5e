package novasonic_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

func TestScenarioWheneverTheTextsOfRecordComeTheMemoryIsTheSame(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]sonictest.Behaviour{
		"by the input's clock":   {},
		"by the wall clock":      {FinalText: sonictest.FinalOnWallClock},
		"4 s late":               {FinalLate: 4 * time.Second},
		"9 s late":               {FinalLate: 9 * time.Second},
		"30 s late":              {FinalLate: 30 * time.Second},
		"with the next input":    {FinalText: sonictest.FinalAtNextInput},
		"out of order":           {FinalText: sonictest.FinalOutOfOrder},
		"out of order, and late": {FinalText: sonictest.FinalOutOfOrder, FinalLate: 4 * time.Second},
		"never":                  {FinalText: sonictest.FinalMissing},
	} {
		t.Run(name, func(t *testing.T) {
			// The agent speaks from 20 to 40 s, the microphone moves at 30 s and
			// again at about 55 s.
			sentences := tale(4)
			sc := short(teller(sentences...))
			sc.Behaviour = b
			nc := brief()
			nc.Continuation.Prepare = 22 * time.Second
			want := outcome{agent: append(slices.Clone(sentences), youSaid("12"), youSaid("3")), user: []string{"nine", "one two", "three"}}
			if b.FinalText == sonictest.FinalOutOfOrder {
				want.agent = nil // the record has them as they came: see below
			}
			playOut(t, sc, nc, &want, func(s *scene) {
				s.at(19 * time.Second)
				s.says("9")
				s.at(43 * time.Second)
				s.says("12")
				s.at(62 * time.Second)
				s.says("3")
				s.waits(5 * time.Second)
				l := s.streams()
				if told := memory(l[1]); strings.Count(told, "This is sentence") < 2 || !strings.HasPrefix(told, "USER: nine\nASSISTANT: This is sentence number 01") {
					t.Errorf("while the agent spoke the second stream was told:\n%s", told)
				}
				all := "USER: nine\nASSISTANT: " + strings.Join(sentences, "\n") + "\nUSER: one two\nASSISTANT: " + youSaid("12") + "\n"
				if told := memory(l[2]); told != all {
					t.Errorf("the third stream was told:\n%s", told)
				}
				if b.FinalText == sonictest.FinalOutOfOrder {
					want.agent = append(slices.Clone(sentences), youSaid("12"), youSaid("3"))
					want.anyOrder = true
				}
			})
		})
	}
}

func TestScenarioWithoutEventsOfTheUsersSpeechEveryUtteranceIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	long := hearingKeys(90) // 25 s
	sentences := tale(4)
	for name, tc := range map[string]struct {
		happens func(s *scene)
		change  func(*novasonic.Continuation)
		agent   []string
		user    []string
		again   time.Duration
	}{
		"turns": {
			happens: func(s *scene) {
				for i, keys := range []string{"1", "23", "4", "56", "7"} {
					s.at(time.Duration(i+1) * 11 * time.Second)
					s.says(keys)
				}
			},
			agent: []string{youSaid("1"), youSaid("23"), youSaid("4"), youSaid("56"), youSaid("7")},
			user:  []string{"one", "two three", "four", "five six", "seven"},
			again: time.Second,
		},
		"speech through every deadline": {
			happens: func(s *scene) { s.at(18 * time.Second); s.says(long); s.waits(37 * time.Second) },
			agent:   []string{youSaid(long)}, user: []string{hearing.Words(long)}, again: 30 * time.Second,
		},
		"speech through a forced cut": {
			happens: func(s *scene) { s.at(39 * time.Second); s.says("1234567"); s.waits(4 * time.Second) },
			change:  func(c *novasonic.Continuation) { c.Prepare, c.Prefer = 40*time.Second, 40*time.Second },
			agent:   []string{youSaid("1234567")}, user: []string{"one two three four five six seven"}, again: 3 * time.Second,
		},
		"a forced cut right after speech": {
			happens: func(s *scene) { s.at(38200 * time.Millisecond); s.says("123456"); s.waits(4 * time.Second) },
			change:  func(c *novasonic.Continuation) { c.Prepare, c.Prefer = 40*time.Second, 40*time.Second },
			agent:   []string{youSaid("123456")}, user: []string{"one two three four five six"}, again: 3 * time.Second,
		},
		"the agent speaks through the cut": {
			happens: func(s *scene) { s.at(21 * time.Second); s.says("9"); s.at(45 * time.Second) },
			change:  func(c *novasonic.Continuation) { c.Prepare = 22 * time.Second },
			agent:   sentences, user: []string{"nine"},
		},
		"a barge-in while the old stream drains": {
			happens: func(s *scene) {
				s.at(21 * time.Second)
				s.says("9")
				s.at(34 * time.Second)
				s.says("123")
				s.waits(4 * time.Second)
			},
			change: func(c *novasonic.Continuation) { c.Prepare = 22 * time.Second },
			agent:  []string{sentences[0], sentences[1], cut(sentences[2]), youSaid("123")}, user: []string{"nine", "one two three"},
		},
		"a failure while the user speaks": {
			happens: func(s *scene) {
				s.at(10 * time.Second)
				s.begins("1234567")
				s.waits(time.Second)
				s.strike(0, sonictest.Reset())
				s.waits(5 * time.Second)
			},
			agent: []string{youSaid("1234567")}, user: []string{"one two three four five six seven"}, again: 3 * time.Second,
		},
	} {
		for _, detects := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, with a detector: %v", name, detects), func(t *testing.T) {
				sc := short(teller(sentences...))
				sc.Behaviour.UserSpeech = sonictest.Off
				nc := brief()
				if tc.change != nil {
					tc.change(&nc.Continuation)
				}
				want := outcome{agent: append(slices.Clone(tc.agent), youSaid("8")), user: append(slices.Clone(tc.user), "eight"), again: tc.again}
				playOut(t, sc, nc, &want, func(s *scene) {
					s.room.detects.Store(detects)
					tc.happens(s)
					s.waits(8 * time.Second)
					s.says("8")
					s.waits(6 * time.Second)
					s.struck.Range(func(any, any) bool { want.errors, want.deaf = 1, time.Second; return true })
				})
			})
		}
	}
}

func TestScenarioTheFirstModelIsContinuedToo(t *testing.T) {
	t.Parallel()
	// It has neither events of the user's speech nor text in mid-call.
	var want outcome
	for _, k := range []string{"1", "23", "4", "56"} {
		want.agent = append(want.agent, youSaid(k))
	}
	want.agent = append(want.agent, tale(3)...)
	want.again = 2 * time.Second
	nc := brief()
	nc.Model = novasonic.ModelV1
	play(t, short(teller(tale(3)...)), nc, want, func(s *scene) {
		for i, keys := range []string{"1", "23", "4", "56"} {
			s.at(time.Duration(i)*14*time.Second + 3*time.Second)
			s.says(keys)
		}
		s.at(60 * time.Second)
		s.says("9")
		s.waits(20 * time.Second)
	})
}
