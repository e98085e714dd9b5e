package novasonic_test

import (
	"testing"
	"time"

	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// What is not certain of the service, and is no matter of other scenarios, must
// not be heard.
func TestScenarioWhateverIsUncertainOfTheServiceNobodyHearsIt(t *testing.T) {
	t.Parallel()
	endsWithUser := []novasonic.Message{{Role: novasonic.User, Text: "Hi."}, {Role: novasonic.Assistant, Text: "Hello."}, {Role: novasonic.User, Text: "Wait."}}
	for name, tc := range map[string]struct {
		behaviour sonictest.Behaviour
		history   []novasonic.Message
	}{
		"the transcript before the end of speech": {behaviour: sonictest.Behaviour{TranscriptFirst: true}},
		"… in blocks":                              {behaviour: sonictest.Behaviour{TranscriptFirst: true, SplitTranscript: true}},
		"texts in parts":                           {behaviour: sonictest.Behaviour{TextInParts: true}},
		"a history that must not end with USER":    {behaviour: sonictest.Behaviour{RefuseTrailingUser: true}, history: endsWithUser},
		"SYSTEM needed":                            {behaviour: sonictest.Behaviour{RequireSystem: true}},
		"no empty texts":                           {behaviour: sonictest.Behaviour{RefuseEmptyText: true}},
		"no half-close without sessionEnd":         {behaviour: sonictest.Behaviour{HalfCloseRefused: true}},
		"the content type needed":                  {behaviour: sonictest.Behaviour{ContentTypeRequired: true}},
		"results of interrupted calls are refused": {behaviour: sonictest.Behaviour{LateResults: sonictest.Off}},
	} {
		t.Run(name, func(t *testing.T) {
			sc := short(teller(tale(2)...))
			sc.Behaviour = tc.behaviour
			nc := brief()
			nc.History = tc.history
			want := outcome{agent: []string{youSaid("12"), cut(tale(2)[0]), youSaid("34"), youSaid("5")}, user: []string{"one two", "nine", "three four", "five"}}
			if tc.behaviour.SplitTranscript {
				want.user = []string{"one", "two", "nine", "three", "four", "five"}
			}
			play(t, sc, nc, want, func(s *scene) {
				s.at(3 * time.Second)
				s.says("12")
				s.at(10 * time.Second)
				s.says("9")
				s.waits(3 * time.Second)
				s.says("34")
				s.at(50 * time.Second) // on another stream
				s.says("5")
				s.waits(5 * time.Second)
				if n := len(s.streams()); n < 2 {
					t.Errorf("%d streams were used: the call did not move", n)
				}
			})
		})
	}
}

func TestScenarioSpeechThatTheServiceIgnoresFailsNothing(t *testing.T) {
	t.Parallel()
	sc := sonictest.Config{Brain: echo(), Behaviour: sonictest.Behaviour{IgnoreShort: 300 * time.Millisecond}}
	want := outcome{agent: []string{youSaid("234")}, user: []string{"two three four"}, again: 10 * time.Second}
	play(t, sc, novasonic.Config{}, want, func(s *scene) {
		s.at(3 * time.Second)
		s.says("1") // 200 ms
		s.at(15 * time.Second)
		s.says("234")
		s.waits(5 * time.Second)
		if n := len(s.streams()); n > 2 {
			t.Errorf("%d streams were used: one that ignores a sound may be left, once", n)
		}
	})
}

func TestScenarioAStreamThatMindsAudioAtOnceIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	sc := short(echo())
	sc.Faults = []sonictest.Fault{{Streams: []int{1}, Do: sonictest.Behave(func(b *sonictest.Behaviour) { b.AudioSettle = 500 * time.Millisecond })}}
	want := outcome{agent: []string{youSaid("1"), youSaid("23"), youSaid("4")}, user: []string{"one", "two three", "four"}, doomed: []int{1}, forbidden: "Invalid input request", errors: 1, again: time.Second}
	play(t, sc, brief(), want, func(s *scene) {
		s.at(3 * time.Second)
		s.says("1")
		s.waitsForCut(1)
		s.says("23")
		s.at(40 * time.Second)
		s.says("4")
		s.waits(5 * time.Second)
	})
}
