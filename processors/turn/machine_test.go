package turn

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
)

const testRate = audio.Rate16k

// modelled runs a machine and checks, after each event, what must always be true
// of what it does.
type modelled struct {
	t  *rapid.T
	m  *machine
	at time.Duration

	never    bool // Interrupt is Never
	external bool

	talking, paused, muted, over bool
	start                        mark
	held                         int
	log                          []string
}

func (s *modelled) here() mark {
	return mark{at: s.at, by: s.at, pos: audio.Position(testRate.Samples(s.at)), rate: testRate}
}

func (s *modelled) event(name string, ends bool, do func(m *machine)) {
	s.log = append(s.log, fmt.Sprintf("%v %s", s.at, name))
	awaited := s.m.facts.Awaited && !s.m.facts.BotSpeaking && s.at < s.m.askedAt+answerWait
	turns := s.m.facts.Turns
	s.m.on(s.here(), ends, do)
	if f := &s.m.facts; awaited && name != "bot on" && name != "interruption" && turns == f.Turns && slices.ContainsFunc(s.m.effects, func(e effect) bool { return e.kind == doInterrupt }) {
		sure, _ := s.m.confirm.Holds(f)
		s.must(sure || f.Pressed, "an answer that is awaited is given up for what may be a cough")
	}
	s.check()
}

func (s *modelled) must(ok bool, format string, args ...any) {
	if !ok {
		s.t.Fatalf("%s, in %v, after:\n%v", fmt.Sprintf(format, args...), s.m.state, s.log[max(0, len(s.log)-25):])
	}
}

// check follows what is to be done.
func (s *modelled) check() {
	for _, e := range s.m.take() {
		s.log = append(s.log, "    → "+e.kind.String())
		switch e.kind {
		case doStarted:
			s.must(!s.talking, "a turn starts within another")
			s.must(!s.muted, "a turn starts while the caller is muted")
			s.must(!s.over || !s.m.over, "a turn starts after the end")
			s.must(!s.paused, "a turn starts and the agent is still held")
			s.must(e.mark.at <= s.at, "a turn starts in the future, at %v", e.mark.at)
			s.talking, s.start = true, e.mark
		case doStopped:
			s.must(s.talking, "a turn stops that has not started")
			s.must(e.mark.pos >= s.start.pos, "a turn stops at %d, before its start at %d", e.mark.pos, s.start.pos)
			s.talking = false
		case doInterrupt:
			s.must(!s.never || e.reason != bargeIn, "the agent is interrupted, and never is to be")
			s.paused = false
		case doPause:
			s.must(!s.paused && !s.talking, "the agent is held: it is already, or the turn is decided")
			s.paused = true
		case doResume:
			s.must(s.paused, "the agent goes on that was not held")
			s.paused = false
		case doRelease, doDrop:
			s.must(s.held > 0, "nothing is kept back")
			s.held = 0
		case doMute, doUnmute:
			s.must(s.muted == (e.kind == doUnmute), "muted twice, or not muted at all")
			s.muted = !s.muted
			s.must(!s.talking || s.external, "muted, and the turn goes on")
		}
		if s.external {
			s.must(e.kind >= doMute, "%v, though a service decides", e.kind)
		}
	}
	s.must(s.external || s.talking == (s.m.state == talking), "a turn is told: %v", s.talking)
	s.must(s.paused == s.m.paused, "the agent is held: %v", s.paused)
	s.must(s.m.facts.Muted == s.muted, "the caller is muted: %v", s.muted)
	s.must(s.m.next == 0 || s.m.next > s.m.facts.Now, "it wants to look again at %v, which has passed", s.m.next)
}

// pass lets time go by, event by event.
func (s *modelled) pass(d time.Duration) {
	until := s.at + d
	for n := 0; s.m.next != 0 && s.m.next <= until; n++ {
		s.must(n < 2000, "it does not come to rest")
		s.at = max(s.at, s.m.next)
		s.event("time", true, nil)
	}
	s.at = until
}

func drawCondition(t *rapid.T, label string, depth int, leaves []func() Condition) Condition {
	if depth > 0 {
		switch rapid.IntRange(0, 5).Draw(t, label+" kind") {
		case 0:
			return All(drawCondition(t, label, depth-1, leaves), drawCondition(t, label, depth-1, leaves))
		case 1:
			return Any(drawCondition(t, label, depth-1, leaves), drawCondition(t, label, depth-1, leaves))
		case 2:
			return Not(drawCondition(t, label, depth-1, leaves))
		}
	}
	return rapid.SampledFrom(leaves).Draw(t, label)()
}

func leaf(c Condition) func() Condition { return func() Condition { return c } }

var (
	starts = []func() Condition{
		leaf(Voice()), leaf(Speech(300 * time.Millisecond)), leaf(Words(1)), leaf(Words(2)), leaf(Pressed()), leaf(Always()), leaf(Never()),
		leaf(Wake(WakeConfig{Phrases: []string{"one"}, Timeout: 3 * time.Second})), leaf(Wake(WakeConfig{Phrases: []string{"one"}, Once: true})),
	}
	ends = []func() Condition{
		leaf(Silence(500 * time.Millisecond)), leaf(Transcript(200*time.Millisecond, time.Second)), leaf(Released()), leaf(Always()), leaf(Never()),
		leaf(Semantic(SemanticConfig{Model: EndOfTurnFunc(func(context.Context, Utterance) (float64, error) { return 0, nil })})),
	}
	policies = []func() Condition{
		leaf(Always()), leaf(Never()), leaf(Not(ToolRunning())), leaf(Words(2)), leaf(Speech(400 * time.Millisecond)), leaf(Not(FirstAnswer())),
	}
	mutes = []func() Condition{leaf(Never()), leaf(Never()), leaf(BotSpeaking()), leaf(ToolRunning()), leaf(Greeting(5 * time.Second))}
)

func newModelled(t *rapid.T) *modelled {
	cfg := Config{Barred: rapid.SampledFrom([]Barred{Keep, Ignore}).Draw(t, "barred")}
	s := &modelled{t: t, external: rapid.IntRange(0, 7).Draw(t, "external") == 0}
	if s.external {
		cfg.Start, cfg.End = External(), External()
	} else {
		if rapid.Bool().Draw(t, "own start") {
			cfg.Start = drawCondition(t, "start", 2, starts)
		}
		if rapid.Bool().Draw(t, "own end") {
			cfg.End = drawCondition(t, "end", 2, ends)
		}
		cfg.Interrupt = drawCondition(t, "interrupt", 1, policies)
		b, ok := cfg.Interrupt.(*builtin)
		s.never = ok && b.name == "Never"
		cfg.Recovery.On = rapid.Bool().Draw(t, "recovery")
		cfg.Recovery.Words = rapid.IntRange(0, 2).Draw(t, "recovery words")
	}
	cfg.Mute = drawCondition(t, "mute", 1, mutes)
	for i := range rapid.IntRange(0, 3).Draw(t, "reminders") {
		cfg.Idle = append(cfg.Idle, Reminder{After: time.Duration(i+1) * 4 * time.Second, Do: Say("")})
	}
	s.m = newMachine(cfg)
	s.m.take()
	return s
}

// words makes the caller be understood.
func (s *modelled) words(final, located bool, text string) {
	t := transcript{text: text, final: final}
	if located {
		t.located = true
		t.end = s.here()
		t.start = mark{at: max(0, s.at-time.Second), by: s.at - time.Second, rate: testRate, pos: max(0, t.end.pos-audio.Position(testRate.Samples(time.Second)))}
	}
	var v verdict
	name := fmt.Sprintf("text %q final %v located %v", text, final, located)
	s.event(name, false, func(m *machine) { v = m.hearWords(t) })
	if v == hold {
		s.held++
		s.must(s.m.state != talking && !s.external && !s.muted, "a transcript is kept back")
	}
	s.event("text has gone on", true, nil)
}

func TestWhateverHappensTurnsAlternateAndEveryStateHasAWayOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newModelled(t)
		calls := 0
		ears := rapid.Bool().Draw(t, "audio comes by")
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			s.pass(rapid.SampledFrom([]time.Duration{0, 0, 20, 200, 350, 700, 1500, 2500, 8000}).Draw(t, "ms") * time.Millisecond)
			if ears {
				s.event("audio", true, func(m *machine) { m.audioTo(m.here) })
			}
			switch rapid.IntRange(0, 19).Draw(t, "event") {
			case 0, 1, 2:
				s.event("voice on", true, func(m *machine) { m.voiceOn(m.here) })
			case 3, 4, 5:
				s.event("voice off", true, func(m *machine) { m.voiceOff(m.here) })
			case 6, 7, 8:
				s.words(rapid.Bool().Draw(t, "final"), rapid.Bool().Draw(t, "located"), rapid.SampledFrom([]string{"", "one", "one two", "three four five"}).Draw(t, "text"))
			case 9:
				s.event("button", true, func(m *machine) { m.press(!m.facts.Pressed) })
			case 10, 11:
				s.event("bot on", true, (*machine).botStarted)
			case 12, 13:
				s.event("bot off", true, (*machine).botStopped)
			case 14:
				calls++
				s.event("tool on", true, func(m *machine) { m.toolStarted(fmt.Sprint(calls)) })
			case 15:
				s.event("tool off", true, func(m *machine) { m.toolEnded(rapid.SampledFrom([]string{"", "1", fmt.Sprint(calls)}).Draw(t, "call")) })
			case 16:
				s.paused = false // whoever raised it, it throws away what was held
				s.event("interruption", true, (*machine).interrupted)
			case 17:
				on := rapid.Bool().Draw(t, "mute")
				s.event("mute request", true, func(m *machine) { m.requestMute(on) })
			case 18:
				if s.external {
					s.event("service started", true, func(m *machine) { m.serviceStarted(m.here) })
					break
				}
				s.event("the model answers", true, func(m *machine) {
					for _, j := range m.semantics {
						j.answer(j.ticket, rapid.SampledFrom([]float64{0, 1}).Draw(t, "probability"), nil)
					}
				})
			case 19:
				s.event("service stopped", true, (*machine).serviceStopped)
				s.event("reminder done", true, func(m *machine) { m.idle.reminded() })
			}
		}
		if rapid.Bool().Draw(t, "the run ends") {
			s.event("end", true, (*machine).ends)
			s.over = true
			s.must(!s.talking && s.m.state == quiet && !s.paused && s.held == 0, "something is left at the end")
		}
		// Nobody does anything any more: what is going on ends by itself.
		always := s.m.cfg.Start
		s.pass(10 * time.Minute)
		s.must(!s.paused, "the agent is held for ever")
		s.must(s.m.state != doubtful, "there is doubt for ever")
		s.must(s.held == 0 || s.muted, "%d transcripts are kept back for ever", s.held)
		s.must(s.m.facts.Tools == 0, "a function runs for ever")
		s.must(s.m.state != talking || holdsWithoutCause(always), "a turn lasts for ever")
	})
}

// holdsWithoutCause reports whether a start may hold though nobody says anything,
// so that one turn follows the other.
func holdsWithoutCause(c Condition) bool {
	found := false
	walk(c, func(c Condition) {
		b, ok := c.(*builtin)
		_, negated := c.(not)
		found = found || negated || ok && slices.Contains([]string{"Always", "Never", "Pressed"}, b.name)
	})
	return found
}

func TestNothingBeginsAfterTheEnd(t *testing.T) {
	m := newMachine(Config{})
	m.on(mark{at: 1}, true, (*machine).ends)
	m.take()
	m.on(mark{at: 2}, true, func(m *machine) { m.voiceOn(m.here) })
	m.on(mark{at: 3}, true, func(m *machine) { m.hearWords(transcript{text: "hello", final: true}) })
	if e := m.take(); len(e) != 0 {
		t.Errorf("it does %v", e)
	}
}

// An answer that was on its way when the next question came is about what is no
// longer so.
func TestAnAnswerToTheLastQuestionIsNoneToTheNext(t *testing.T) {
	s := Semantic(SemanticConfig{Model: EndOfTurnFunc(nil)}).(*semantic)
	f := &Facts{Now: time.Second, Turn: true, Detector: true, Text: "I would like"}
	s.Holds(f)
	first := s.ticket
	f.Text += " a pizza"
	s.Holds(f)
	s.answer(first, 1, nil)
	if holds, _ := s.Holds(f); holds {
		t.Error("the answer to the first ends the turn")
	}
	s.answer(s.ticket, 1, nil)
	if holds, _ := s.Holds(f); !holds {
		t.Error("the answer to the second does not")
	}
}
