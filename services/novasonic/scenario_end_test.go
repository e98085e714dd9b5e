package novasonic_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// phases are the moments of a conversation's life at which it may be ended.
func phases() map[string]func(s *scene) {
	return map[string]func(s *scene){
		"before the first move": func(s *scene) { s.at(5 * time.Second) },
		"preparing":             func(s *scene) { s.at(22 * time.Second) }, // see slowly
		"ready":                 func(s *scene) { s.at(22 * time.Second); s.says("9"); s.at(27 * time.Second) },
		"just cut":              func(s *scene) { s.at(18 * time.Second); s.says("9"); s.waitsForCut(1) },
		"draining":              func(s *scene) { s.at(18 * time.Second); s.says("9"); s.at(34 * time.Second) },
		"after a forced cut":    func(s *scene) { s.at(21500 * time.Millisecond); s.begins(hearingKeys(90)); s.waitsForCut(1) },
		"reopening":             func(s *scene) { s.at(10 * time.Second); s.strike(0, sonictest.Reset()); s.waits(time.Second) },
		"reopening, user spoke": func(s *scene) {
			s.at(10 * time.Second)
			s.begins("12345")
			s.waits(700 * time.Millisecond)
			s.strike(0, sonictest.Reset())
			s.waits(time.Second)
		},
		"changing the settings": func(s *scene) {
			s.at(5 * time.Second)
			voice := "tiffany"
			s.sends(&frames.UpdateSettings{Settings: novasonic.Settings{Voice: &voice}})
			s.waits(time.Second)
		},
		"with a tool at work":    func(s *scene) { s.at(5 * time.Second); s.says("1"); s.waits(3 * time.Second) },
		"with a tool of the old": func(s *scene) { s.at(35 * time.Second); s.says("1"); s.at(42 * time.Second) },
	}
}

// slowly is the emulator of these calls: every stream but the first takes four
// seconds to be opened, in some of the phases.
func slowly(phase string) sonictest.Config {
	sc := short(sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Text == "nine" {
			return sonictest.Say(tale(4)...)
		}
		return forecaster().Answer(c, turn)
	}))
	switch phase {
	case "preparing", "reopening", "reopening, user spoke", "changing the settings":
		sc.Faults = []sonictest.Fault{{Streams: []int{1, 2, 3}, Do: sonictest.SlowOpen(4 * time.Second)}}
	}
	return sc
}

func TestScenarioAnOrderlyEndInAnyPhaseLetsTheAgentFinish(t *testing.T) {
	t.Parallel()
	for name, reach := range phases() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				book := &almanac{takes: map[string]time.Duration{"Ulm": 12 * time.Second}}
				nc := brief()
				nc.Tools = append(nc.Tools, book.tool())
				if name == "ready" || name == "just cut" || name == "draining" {
					nc.Continuation.Prepare = 23 * time.Second
				}
				s := enter(t, slowly(name), nc)
				reach(s)
				began := time.Now()
				s.pipe.End("enough")
				<-s.done
				if s.runErr != nil {
					t.Errorf("the run ended with: %v", s.runErr)
				}
				if took := time.Since(began); took > 40*time.Second {
					t.Errorf("it took %v", took)
				}
				s.srv.Close()
				want := outcome{errors: -1, again: 30 * time.Second, deaf: time.Minute}
				for _, l := range s.streams() {
					if l.End.Kind == sonictest.Dropped && len(l.Events) == 0 {
						want.doomed = append(want.doomed, l.Number) // it was given up while it was being opened
					}
					for _, a := range l.Answers {
						for _, said := range a.Sentences {
							if said.Started > 0 {
								want.agent = append(want.agent, said.Text) // all that was begun is heard
							}
						}
					}
				}
				s.ear.played = s.delivered() // this loudspeaker does not wait until it has played all
				s.check(want, 0)
			})
		})
	}
}

func TestScenarioACancelInAnyPhaseEndsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	for name, reach := range phases() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				book := &almanac{takes: map[string]time.Duration{"Ulm": 20 * time.Second}}
				nc := brief()
				nc.Tools = append(nc.Tools, book.tool())
				if name == "ready" || name == "just cut" || name == "draining" {
					nc.Continuation.Prepare = 23 * time.Second
				}
				s := enter(t, slowly(name), nc)
				reach(s)
				began := time.Now()
				s.pipe.Cancel("enough", nil)
				<-s.done
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
				s.waits(5 * time.Second) // for those who were being opened
				for _, l := range s.streams() {
					_, struck := s.struck.Load(l.Number)
					opening := len(l.Events) == 0
					if l.End.Kind != sonictest.ClosedBoth && !struck && !(opening && l.End.Kind == sonictest.Dropped) {
						t.Errorf("stream %d: %v, %s", l.Number, l.End.Kind, l.End.Message)
					}
					for _, v := range l.Violations {
						if v.Fatal {
							t.Errorf("stream %d broke a rule with %s: %s", l.Number, v.Event, v.Text)
						}
					}
				}
				s.srv.Close()
			})
		})
	}
}

func TestScenarioAnOrderlyEndWaitsForTheOutcomeOfTheOldStreamsTool(t *testing.T) {
	t.Parallel()
	// It moves while the tool is at work, and the tool returns behind the end.
	book := &almanac{takes: map[string]time.Duration{"Ulm": 12 * time.Second}}
	nc := brief()
	nc.Tools = append(nc.Tools, book.tool())
	nc.Continuation.Prepare, nc.Continuation.Prefer = 34*time.Second, 38*time.Second
	play(t, short(forecaster()), nc, outcome{agent: []string{"I hear of fog."}, streams: 2}, func(s *scene) {
		s.at(33600 * time.Millisecond)
		s.says("1")
		s.at(42 * time.Second)
		s.pipe.End("enough")
		<-s.done
	})
}
