package continuity

import (
	"testing"
	"time"
)

// steady is a world with a stream that listens, opened at the epoch.
func steady(t *testing.T, change func(*Policy)) *world {
	t.Helper()
	p := policy()
	p.Jitter = 0
	if change != nil {
		change(&p)
	}
	w := newWorld(t, p)
	w.step(Start{}, Situation{})
	w.opened(1, time.Time{}, Situation{})
	return w
}

// at moves the world's clock to an age of the first stream.
func (w *world) at(age time.Duration, s Situation) {
	w.t.Helper()
	w.now = epoch.Add(age)
	w.step(nil, s)
}

var (
	user  = Situation{UserSpeaking: true}
	agent = Situation{AgentSpeaking: true}
	tools = Situation{ToolPending: true}
	asked = Situation{Unanswered: true}
)

func TestEachWindowLetsItsMomentsThrough(t *testing.T) {
	for _, tc := range []struct {
		name      string
		situation Situation
		cut       time.Duration // the age at which the next stream takes over
	}{
		{"silence", Situation{}, 330 * time.Second},
		{"the agent speaks", agent, 405 * time.Second},
		{"the user speaks", user, 450 * time.Second},
		{"an answer is owed", asked, 452 * time.Second},
		{"the user speaks to a stream that is deaf", Situation{UserSpeaking: true, Deaf: true}, 330 * time.Second},
		{"the user speaks, with an answer owed", Situation{UserSpeaking: true, Unanswered: true}, 450 * time.Second},
		{"a tool is at work", tools, 450 * time.Second},
		{"the agent speaks while a tool is at work", Situation{AgentSpeaking: true, ToolPending: true}, 450 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := steady(t, func(p *Policy) { p.StandbyLife = time.Hour })
			w.at(329999*time.Millisecond, tc.situation)
			if w.m.State() != Steady {
				t.Fatalf("before Prepare the state is %v", w.m.State())
			}
			w.at(330*time.Second, tc.situation)
			w.opened(2, time.Time{}, tc.situation)
			for age := 330 * time.Second; age <= 460*time.Second; age += 100 * time.Millisecond {
				w.at(age, tc.situation)
				if (w.listening == 2) != (age >= tc.cut) {
					t.Fatalf("at %v stream %d listens, and the cut is due at %v", age, w.listening, tc.cut)
				}
			}
		})
	}
}

func TestAMomentIsNotMissedByAnybodyWhoSleepsUntilWake(t *testing.T) {
	for _, s := range []Situation{agent, user, asked} {
		w := steady(t, func(p *Policy) { p.StandbyLife = time.Hour })
		for w.m.Draining() == 0 {
			wake := w.m.Wake()
			if wake.IsZero() || wake.After(epoch.Add(452*time.Second)) {
				t.Fatalf("%+v: it would sleep until %v", s, wake)
			}
			w.at(wake.Sub(epoch), s)
			if w.m.State() == Preparing {
				w.opened(2, time.Time{}, s)
			}
		}
	}
}

func TestAStandbyDoesNotGrowOld(t *testing.T) {
	w := steady(t, nil)
	opens := 0
	for age := 330 * time.Second; age < 450*time.Second; age += time.Second {
		w.at(age, user)
		for _, id := range ids(w.opening) {
			opens++
			w.opened(id, time.Time{}, user)
		}
		if since, ok := w.alive[w.m.Standby()]; ok && w.now.Sub(since) > 46*time.Second {
			t.Fatalf("at %v the standby is %v old", age, w.now.Sub(since))
		}
	}
	if opens != 3 {
		t.Errorf("%d opens, want 3: at 330, 375 and 420 s", opens)
	}
}

func TestTheWeightiestReasonNamesTheMove(t *testing.T) {
	w := steady(t, nil)
	w.now = epoch.Add(time.Minute)
	w.step(Ask{Reason: Request}, user)
	w.known[1] = true
	w.step(Ask{Reason: Change, Version: 1}, user)
	if r := w.m.move.Reason; r != Change {
		t.Errorf("the reason is %v, want change", r)
	}
	w.step(Died{Stream: 1, Err: errTest}, user)
	if r := w.m.move.Reason; r != Failure {
		t.Errorf("the reason is %v, want failure", r)
	}
}

func TestARefusedChangeKeepsTheStreamAndTheOldSettings(t *testing.T) {
	for name, refuse := range map[string]func(w *world){
		"when it is opened": func(w *world) { delete(w.opening, 2); w.step(Refused{Stream: 2, Verdict: GiveUp, Err: errTest}, user) },
		"while it stands by": func(w *world) {
			w.opened(2, time.Time{}, user)
			delete(w.alive, 2)
			w.step(Died{Stream: 2, Verdict: Mend, Err: errTest}, user)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := steady(t, nil)
			w.now = epoch.Add(time.Minute)
			w.known[1] = true
			w.step(Ask{Reason: Change, Version: 1}, user)
			refuse(w)
			if w.m.State() != Steady || w.listening != 1 || w.m.version != 0 {
				t.Errorf("state %v, stream %d listens, version %d", w.m.State(), w.listening, w.m.version)
			}
			w.at(330*time.Second, user)
			if got := w.opening[3]; w.m.State() != Preparing || got != 0 {
				t.Errorf("state %v, the next stream has version %d, want 0", w.m.State(), got)
			}
		})
	}
}

func TestAChangeThatKillsItsStreamIsTakenBack(t *testing.T) {
	w := steady(t, nil)
	w.now = epoch.Add(time.Minute)
	w.known[1] = true
	w.step(Ask{Reason: Change, Version: 1}, Situation{})
	w.opened(2, time.Time{}, Situation{})
	if w.listening != 2 {
		t.Fatal("the change did not take effect")
	}
	w.now = w.now.Add(time.Second)
	delete(w.alive, 2)
	w.step(Died{Stream: 2, Verdict: GiveUp, Err: errTest}, Situation{})
	if w.over || w.m.version != 0 {
		t.Errorf("over: %v, version %d", w.over, w.m.version)
	}
}

func TestCredentialsThatEndMoveTheConversationBefore(t *testing.T) {
	p := policy()
	w := newWorld(t, p)
	w.step(Start{}, Situation{})
	w.opened(1, epoch.Add(200*time.Second), Situation{})
	w.at(49*time.Second, Situation{})
	if w.m.State() != Steady {
		t.Errorf("at 49 s the state is %v", w.m.State())
	}
	w.at(50*time.Second, Situation{})
	if w.m.State() != Preparing || w.m.move.Reason != Credentials {
		t.Errorf("at 50 s the state is %v, for %v", w.m.State(), w.m.move.Reason)
	}
	// The provider still has the old ones.
	w.opened(2, epoch.Add(200*time.Second), Situation{})
	if w.m.State() != Steady || w.listening != 1 {
		t.Errorf("it moved to a stream that lives no longer: state %v", w.m.State())
	}
	w.at(w.m.Wake().Sub(epoch), Situation{})
	w.opened(3, epoch.Add(time.Hour), Situation{})
	if w.listening != 3 {
		t.Errorf("stream %d listens, want 3", w.listening)
	}
}

func TestAStreamThatDrainsIsClosedBeforeTheServiceEndsIt(t *testing.T) {
	for name, tc := range map[string]struct {
		expires   time.Duration // zero: never
		cut, gone time.Duration
	}{
		"it grows old":           {0, 450 * time.Second, 479 * time.Second},
		"its credentials expire": {200 * time.Second, 170 * time.Second, 199 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			p := policy()
			p.Jitter, p.StandbyLife = 0, time.Hour
			w := newWorld(t, p)
			w.step(Start{}, Situation{})
			var expires time.Time
			if tc.expires > 0 {
				expires = epoch.Add(tc.expires)
			}
			w.opened(1, expires, Situation{})
			for w.m.State() != Preparing { // the user never stops
				w.at(w.m.Wake().Sub(epoch), user)
			}
			w.opened(2, time.Time{}, user)
			w.at(tc.cut-time.Second, user)
			w.at(tc.cut, user)
			if w.listening != 2 || w.m.Draining() != 1 {
				t.Fatalf("stream %d listens, and %d drains", w.listening, w.m.Draining())
			}
			speaking := user
			speaking.Finishing = true
			w.at(tc.gone-lastWords, speaking)
			w.at(tc.gone-time.Millisecond, speaking)
			if w.m.Draining() != 1 {
				t.Error("it is closed early")
			}
			if w.at(tc.gone, speaking); w.m.Draining() != 0 {
				t.Error("it is left to the service to end it")
			}
		})
	}
}

func TestAStreamThatIsAboutToEndBeginsNothing(t *testing.T) {
	w := steady(t, func(p *Policy) { p.Drain = time.Hour })
	for w.m.Draining() == 0 {
		if w.at(w.m.Wake().Sub(epoch), Situation{}); w.m.State() == Preparing {
			w.opened(2, time.Time{}, Situation{})
		}
	}
	last := w.m.p.Limit - goodbye - lastWords
	w.at(last-time.Millisecond, Situation{})
	if w.m.Draining() != 1 {
		t.Error("it is closed early")
	}
	if w.at(last, Situation{}); w.m.Draining() != 0 {
		t.Error("it may begin to say what it will not finish")
	}
}

func TestAStreamThatDrainsForTooLongMayFinishItsAnswer(t *testing.T) {
	finishing := Situation{Finishing: true}
	for name, tc := range map[string]struct {
		said, gone time.Duration // when it has finished, and is gone, from when it began to drain
	}{
		"it finishes in time":           {30 * time.Second, 60 * time.Second},
		"it finishes a while later":     {75 * time.Second, 75 * time.Second},
		"it does not before it must go": {time.Hour, 149 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := steady(t, nil)
			for w.m.Draining() == 0 {
				if w.at(w.m.Wake().Sub(epoch), Situation{}); w.m.State() == Preparing {
					w.opened(2, time.Time{}, Situation{})
				}
			}
			began := w.now
			for at := began; w.m.Draining() != 0; at = at.Add(100 * time.Millisecond) {
				s := finishing
				if at.Sub(began) >= tc.said {
					s = Situation{}
				}
				w.at(at.Sub(epoch), s)
				if wake := w.m.Wake(); w.m.Draining() != 0 && !wake.After(w.now) {
					t.Fatalf("it is to be asked again at once, after %v", at.Sub(began))
				}
			}
			if gone := w.now.Sub(began); gone != tc.gone {
				t.Errorf("it is gone after %v, want %v", gone, tc.gone)
			}
		})
	}
}

func TestItGivesUpWhenNoStreamStays(t *testing.T) {
	w := steady(t, nil)
	w.now = epoch.Add(time.Minute)
	delete(w.alive, 1)
	w.step(Died{Stream: 1, Err: errTest}, Situation{})
	tries := 0
	for !w.over {
		for _, id := range ids(w.opening) {
			tries++
			delete(w.opening, id)
			w.step(Refused{Stream: id, Err: errTest}, Situation{})
		}
		if w.over {
			break
		}
		w.now = w.m.Wake()
		w.step(nil, Situation{})
		if w.now.Sub(epoch) > 2*time.Minute {
			t.Fatal("it never gives up")
		}
	}
	if took := w.now.Sub(epoch) - time.Minute; took < 30*time.Second || took > 35*time.Second {
		t.Errorf("it gave up after %v", took)
	}
	if tries < 8 || tries > 20 {
		t.Errorf("%d tries", tries)
	}
}

func TestARefusedChangeIsTakenBackAfterADeath(t *testing.T) {
	w := newWorld(t, policy())
	w.step(Start{}, Situation{})
	w.opened(1, time.Time{}, Situation{})
	w.now = w.now.Add(time.Minute)
	w.version, w.known[1] = 1, true
	w.step(Ask{Reason: Change, Version: 1}, Situation{})
	delete(w.alive, 1)
	w.step(Died{Stream: 1, Verdict: Retry, Err: errTest}, Situation{})
	for range 200 {
		for _, id := range ids(w.opening) {
			v := w.opening[id]
			delete(w.opening, id)
			if v == 0 {
				w.opened(id, time.Time{}, Situation{})
				return
			}
			w.step(Refused{Stream: id, Verdict: GiveUp, Err: errTest}, Situation{})
		}
		w.now = w.now.Add(time.Second)
		w.step(nil, Situation{})
	}
	t.Fatalf("the old settings were never tried again; over: %v", w.over)
}

func TestARequestOutlivesARefusedChange(t *testing.T) {
	w := newWorld(t, policy())
	w.step(Start{}, Situation{})
	w.opened(1, time.Time{}, Situation{})
	w.now = w.now.Add(time.Minute)
	w.step(Ask{Reason: Request}, Situation{})
	w.version, w.known[1] = 1, true
	w.step(Ask{Reason: Change, Version: 1}, Situation{})
	for _, id := range ids(w.opening) {
		delete(w.opening, id)
		w.step(Refused{Stream: id, Verdict: Mend, Err: errTest}, Situation{})
	}
	w.now = w.now.Add(10 * time.Second)
	w.step(nil, Situation{})
	if w.m.State() == Steady {
		t.Fatal("the request is forgotten")
	}
}
