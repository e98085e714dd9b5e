package novasonic_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// deaths are the ways in which a stream can die at once.
func deaths() map[string]sonictest.Action {
	return map[string]sonictest.Action{
		"timed out":       sonictest.TimedOut(),
		"reset":           sonictest.Reset(),
		"clean end":       sonictest.EndStream(),
		"connection lost": sonictest.KillConnection(),
	}
}

func TestScenarioAListeningStreamThatDiesIsReplacedUnheard(t *testing.T) {
	t.Parallel()
	sentences := tale(3)
	for name, tc := range map[string]struct {
		brain   sonictest.Brain
		fault   []sonictest.Fault
		happens func(s *scene, dies func())
		want    outcome
	}{
		"while it is idle": {
			happens: func(s *scene, dies func()) { s.at(10 * time.Second); dies() },
			want:    outcome{},
		},
		"while the user speaks": {
			happens: func(s *scene, dies func()) { s.at(10 * time.Second); s.begins("12345"); s.waits(time.Second); dies() },
			want:    outcome{agent: []string{youSaid("12345")}, user: []string{"one two three four five"}},
		},
		"when the user begins to speak": {
			happens: func(s *scene, dies func()) {
				s.at(10 * time.Second)
				s.begins("12345")
				s.waits(50 * time.Millisecond)
				dies()
			},
			want: outcome{agent: []string{youSaid("12345")}, user: []string{"one two three four five"}},
		},
		"when the user has just spoken": {
			happens: func(s *scene, dies func()) {
				s.at(10 * time.Second)
				s.says("12345")
				s.waits(300 * time.Millisecond)
				dies()
			},
			want: outcome{agent: []string{youSaid("12345")}, user: []string{"one two three four five"}},
		},
		"while it thinks": {
			happens: func(s *scene, dies func()) {
				s.at(10 * time.Second)
				s.says("12345")
				s.waits(600 * time.Millisecond)
				dies()
			},
			want: outcome{agent: []string{youSaid("12345")}, user: []string{"one two three four five"}},
		},
		"while the agent speaks, who has been given all": {
			happens: func(s *scene, dies func()) {
				s.at(10 * time.Second)
				s.says("9")
				s.waits(10 * time.Second)
				dies()
				s.waits(8 * time.Second)
			},
			want: outcome{agent: sentences, user: []string{"nine"}},
		},
		"while the user speaks and the next is being opened": {
			fault:   []sonictest.Fault{{Streams: []int{1}, Do: sonictest.SlowOpen(3 * time.Second)}},
			happens: func(s *scene, dies func()) { s.at(21 * time.Second); s.begins("12345"); s.waits(time.Second); dies() },
			want:    outcome{agent: []string{youSaid("12345")}, user: []string{"one two three four five"}},
		},
		"while nobody speaks and the next is being opened": {
			fault:   []sonictest.Fault{{Streams: []int{1}, Do: sonictest.SlowOpen(3 * time.Second)}},
			happens: func(s *scene, dies func()) { s.at(21 * time.Second); dies() },
		},
		"while the user speaks and the next is ready": {
			happens: func(s *scene, dies func()) {
				s.at(19 * time.Second)
				s.begins("12345")
				s.at(20500 * time.Millisecond)
				dies()
			},
			want: outcome{agent: []string{youSaid("12345")}, user: []string{"one two three four five"}},
		},
		"while the user speaks, and the next dies while it hears that again": {
			fault:   []sonictest.Fault{{Streams: []int{1}, Input: "audioInput", Nth: 4, Do: sonictest.Reset()}},
			happens: func(s *scene, dies func()) { s.at(10 * time.Second); s.begins("12345"); s.waits(time.Second); dies() },
			want:    outcome{agent: []string{youSaid("12345")}, user: []string{"one two three four five"}, doomed: []int{1}, errors: 1},
		},
		"while the user speaks, and the next two before they hear that": {
			fault:   []sonictest.Fault{{Streams: []int{1, 2}, Input: "sessionStart", Do: sonictest.Instability()}},
			happens: func(s *scene, dies func()) { s.at(10 * time.Second); s.begins("12345"); s.waits(time.Second); dies() },
			want:    outcome{agent: []string{youSaid("12345")}, user: []string{"one two three four five"}, doomed: []int{1, 2}, errors: 2},
		},
		"while the user speaks, and the service refuses the next two": {
			fault:   []sonictest.Fault{{Streams: []int{1, 2}, Do: sonictest.Refuse(429, "ThrottlingException", "Too many requests")}},
			happens: func(s *scene, dies func()) { s.at(10 * time.Second); s.begins("12345"); s.waits(time.Second); dies() },
			want:    outcome{agent: []string{youSaid("12345")}, user: []string{"one two three four five"}, doomed: []int{1, 2}},
		},
	} {
		for how, action := range deaths() {
			t.Run(name+", "+how, func(t *testing.T) {
				brain := tc.brain
				if brain == nil {
					brain = teller(sentences...)
				}
				sc := short(brain)
				sc.Faults = tc.fault
				want := tc.want
				want.agent = append(slices.Clone(want.agent), youSaid("8"))
				want.user = append(slices.Clone(want.user), "eight")
				want.errors++
				want.again, want.deaf = 5*time.Second, 5*time.Second
				play(t, sc, brief(), want, func(s *scene) {
					tc.happens(s, func() { s.strike(0, action) })
					s.waits(10 * time.Second)
					s.says("8")
					s.waits(5 * time.Second)
				})
			})
		}
	}
}

func TestScenarioAStreamThatStallsIsReplaced(t *testing.T) {
	t.Parallel()
	idle := func(s *scene, stalls func()) { s.at(5 * time.Second); stalls(); s.at(40 * time.Second) }
	before := func(s *scene, stalls func()) {
		s.at(5 * time.Second)
		stalls()
		s.waits(500 * time.Millisecond)
		s.says("12345")
	}
	during := func(s *scene, stalls func()) {
		s.at(5 * time.Second)
		s.begins("12345")
		s.waits(700 * time.Millisecond)
		stalls()
	}
	after := func(s *scene, stalls func()) {
		s.at(5 * time.Second)
		s.says("12345")
		s.waits(600 * time.Millisecond)
		stalls()
	}
	for name, tc := range map[string]struct {
		stall   sonictest.Action
		happens func(s *scene, stalls func())
	}{
		"reads nothing, while nobody speaks":     {sonictest.StallReads(), idle},
		"reads nothing, before the user speaks":  {sonictest.StallReads(), before},
		"reads nothing, while the user speaks":   {sonictest.StallReads(), during},
		"reads nothing, while it thinks":         {sonictest.StallReads(), after},
		"neither, while nobody speaks":           {sonictest.Stall(), idle},
		"neither, before the user speaks":        {sonictest.Stall(), before},
		"neither, while the user speaks":         {sonictest.Stall(), during},
		"neither, while it thinks":               {sonictest.Stall(), after},
		"writes nothing, while nobody speaks":    {sonictest.StallWrites(), idle},
		"writes nothing, while the user speaks":  {sonictest.StallWrites(), during},
		"writes nothing, before the user speaks": {sonictest.StallWrites(), before},
		// One that writes nothing while it thinks, after it has told what it
		// understood, cannot be told from a model that chooses not to answer, until
		// the user goes on.
	} {
		t.Run(name, func(t *testing.T) {
			want := outcome{agent: []string{youSaid("12345"), youSaid("8")}, user: []string{"one two three four five", "eight"}}
			if strings.Contains(name, "nobody") {
				want.agent, want.user = want.agent[1:], want.user[1:]
			}
			want.again, want.deaf, want.errors = 20*time.Second, 20*time.Second, -1
			play(t, short(echo()), brief(), want, func(s *scene) {
				tc.happens(s, func() { s.strike(0, tc.stall) })
				s.waits(25 * time.Second)
				s.says("8")
				s.waits(5 * time.Second)
			})
		})
	}
}

func TestScenarioAfterAFailureTheAnswerIsAtMostASecondAndAHalfLater(t *testing.T) {
	t.Parallel()
	answer := func(t *testing.T, dies bool) (after time.Duration) {
		sc := sonictest.Config{Brain: echo(), Latency: sonictest.Latency{Jitter: -1}}
		want := outcome{agent: []string{youSaid("12345")}, user: []string{"one two three four five"}, again: 2 * time.Second}
		if dies {
			want.errors = 1
		}
		play(t, sc, novasonic.Config{}, want, func(s *scene) {
			s.at(10 * time.Second)
			s.begins("12345")
			s.waits(time.Second)
			if dies {
				s.strike(0, sonictest.Reset())
			}
			s.hears()
			after = time.Since(s.began)
			s.waits(5 * time.Second)
		})
		return after
	}
	without, with := answer(t, false), answer(t, true)
	t.Logf("the answer comes %v later", with-without)
	if with-without > 1500*time.Millisecond {
		t.Errorf("the answer comes %v later", with-without)
	}
}

func TestScenarioAConversationThatCannotBeContinuedEndsWithAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sc := short(echo())
		for i := 1; i < 100; i++ {
			sc.Faults = append(sc.Faults, sonictest.Fault{Streams: []int{i}, Do: sonictest.Refuse(503, "ServiceUnavailableException", "The service is unavailable.")})
		}
		s := enter(t, sc, brief())
		s.at(10 * time.Second)
		s.strike(0, sonictest.Reset())
		<-s.done
		if took := time.Since(s.began) - 10*time.Second; took < 20*time.Second || took > 40*time.Second {
			t.Errorf("it gave up after %v", took)
		}
		if !errors.Is(s.runErr, novasonic.ErrGaveUp) {
			t.Errorf("the run ended with: %v", s.runErr)
		}
		if n := len(s.streams()); n < 6 || n > 30 {
			t.Errorf("%d streams were asked for in half a minute", n)
		}
		errs := s.ear.errors()
		if len(errs) == 0 || !slices.ContainsFunc(of[*novasonic.Swap](s.rig), func(w *novasonic.Swap) bool { return w.Step == novasonic.SwapRetried }) {
			t.Errorf("it was not told: %v", errs)
		}
		s.srv.Close()
	})
}

func TestScenarioAConversationSurvivesManyFailures(t *testing.T) {
	t.Parallel()
	// LiveKit's second restart is silent: see reference/other-peers.md, B.5.
	var want outcome
	want.again, want.deaf, want.errors = time.Minute, time.Minute, 6
	keys := []string{"1", "2", "3", "4", "5", "67"}
	for _, k := range keys {
		want.agent = append(want.agent, youSaid(k))
	}
	play(t, sonictest.Config{Brain: echo()}, novasonic.Config{}, want, func(s *scene) {
		for i, k := range keys {
			s.says(k)
			s.waits(22 * time.Second)
			s.strike(i, deaths()[[]string{"reset", "clean end", "timed out", "connection lost"}[i%4]])
			s.waits(time.Second)
		}
		if n := len(of[*frames.Transcription](s.rig)); n != len(keys) {
			t.Errorf("%d transcripts, want %d", n, len(keys))
		}
	})
}

func TestScenarioTheNextStreamIsToldWhatPlaysOnAfterADrainingOneDied(t *testing.T) {
	t.Parallel()
	// The agent speaks from 28.2 s on, and the microphone moves at 30 s.
	sentences := tale(3)
	nc := brief()
	nc.Continuation.Prepare, nc.Continuation.Prefer = 29*time.Second, 30*time.Second
	want := outcome{agent: []string{sentences[0], cut(sentences[1])}, user: []string{"nine"}}
	play(t, short(teller(sentences...)), nc, want, func(s *scene) {
		s.at(27 * time.Second)
		s.says("9")
		s.waitsForCut(1)
		s.waits(time.Second)
		s.strike(0, sonictest.Reset()) // with half of the second sentence on its way
		s.waits(100 * time.Millisecond)
		for range 2 { // once while it is heard, once when it has been
			if err := s.sonic.Rotate(context.Background(), "test"); err != nil {
				t.Error(err)
			}
			s.waits(12 * time.Second)
		}
		if n := len(s.streams()); n != 4 {
			t.Errorf("%d streams were used, want 4", n)
		}
		for _, l := range s.streams()[2:] {
			told := l.History[len(l.History)-1].Text
			first, second, _ := strings.Cut(told, "\n")
			heard, marked := strings.CutSuffix(second, " [interrupted]")
			if first != sentences[0] || !strings.HasPrefix(sentences[1], heard) || len(heard) < 20 || !marked {
				t.Errorf("stream %d was told that the agent said %q", l.Number, told)
			}
		}
	})
}
