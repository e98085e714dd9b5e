package turn_test

import (
	"testing"
	"time"

	"github.com/parley-go/parley/processors/turn"
)

// The agent is to answer, and has not begun to.

func TestACoughDoesNotPutAnEndToAnAnswerThatIsAwaited(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   turn.Config
		cough []string
	}{
		"with recovery":    {turn.Config{Recovery: turn.Recovery{On: true}}, nil},
		"without recovery": {turn.Config{}, []string{"started", "stopped"}}, // a turn, which interrupts nothing
		// Interrupt is not asked, so that Recovery acts though nothing may interrupt.
		"with recovery, and nothing may interrupt":    {turn.Config{Recovery: turn.Recovery{On: true}, Interrupt: turn.Never()}, nil},
		"without recovery, and nothing may interrupt": {turn.Config{Interrupt: turn.Never()}, []string{"started", "stopped"}},
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, c.cfg, func(h *call) {
				h.transcribed()
				h.wait(500 * ms)
				h.speaks(200 * ms)
				h.wait(4 * time.Second)
				h.then("a cough", c.cough...)
				h.botStarts()
				h.wait(5 * time.Second)
				h.then("while the agent answers")
			})
		})
	}
}

func TestTheAgentThatBeginsToAnswerSoonAfterACoughIsNotInterruptedEither(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.transcribed()
		c.speaks(200 * ms)
		c.botStarts()
		c.wait(5 * time.Second)
		c.then("a cough, and then the answer", "started", "stopped")
	})
}

func TestTheAgentThatBeginsToAnswerWhileTheCallerSpeaksIsInterrupted(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.transcribed()
		c.starts()
		c.wait(500 * ms)
		c.then("before it begins", "started")
		c.botStarts()
		c.then("when it begins", "interrupt")
	})
}

func TestTheAgentThatBeginsToAnswerInDoubtIsHeld(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.transcribed()
		c.starts()
		c.wait(500 * ms)
		c.then("before it begins")
		c.botStarts()
		c.then("when it begins", "pause")
		c.interim("and")
		c.then("when there are words", "interrupt", "started")
	})
	holding(t, recovering, func(c *call) {
		c.transcribed()
		c.speaks(200 * ms) // and 200 ms until that is known
		c.wait(time.Second)
		c.botStarts()
		c.wait(780 * ms)
		c.then("1.98 s after a cough", "pause")
		c.wait(20 * ms)
		c.then("2 s after it", "resume")
	})
}

func TestWordsPutAnEndToAnAnswerThatIsAwaited(t *testing.T) {
	for name, c := range map[string]struct {
		recovery            turn.Recovery
		voice, words, final []string
	}{
		"with recovery":    {turn.Recovery{On: true}, nil, []string{"interrupt", "started"}, []string{"and in Rome", "stopped"}},
		"without recovery": {turn.Recovery{}, []string{"started"}, []string{"interrupt"}, []string{"and in Rome", "stopped"}},
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, turn.Config{Recovery: c.recovery, Barred: turn.Ignore}, func(h *call) {
				h.transcribed()
				h.starts()
				h.wait(500 * ms)
				h.then("a voice", c.voice...)
				h.interim("and")
				h.then("the first word", c.words...)
				h.wait(500 * ms)
				h.stops()
				h.text("and in Rome")
				h.wait(time.Second)
				h.then("the end", c.final...)
			})
		})
	}
}

func TestSpeechPutsAnEndToAnAnswerThatIsAwaitedWhereNobodyTranscribes(t *testing.T) {
	for name, c := range map[string]struct {
		recovery turn.Recovery
		voice    []string
		speech   []string
	}{
		"with recovery":    {turn.Recovery{On: true}, nil, []string{"interrupt", "started"}},
		"without recovery": {turn.Recovery{}, []string{"started"}, []string{"interrupt"}},
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, turn.Config{End: turn.Silence(600 * ms), Recovery: c.recovery}, func(h *call) {
				h.speaks(time.Second)
				h.wait(time.Second)
				h.story()
				h.starts()
				h.wait(680 * ms)
				h.then("680 ms of speech", c.voice...)
				h.wait(20 * ms)
				h.then("700 ms", c.speech...)
			})
		})
	}
}

func TestACoughDoesNotPutAnEndToAFunction(t *testing.T) {
	for name, cfg := range map[string]turn.Config{"with recovery": recovering, "without recovery": {}} {
		t.Run(name, func(t *testing.T) {
			holding(t, cfg, func(c *call) {
				c.transcribed()
				c.toolStarts("1")
				c.speaks(200 * ms)
				c.wait(5 * time.Second)
				if s := c.turns.Stats(); s.Interruptions != 0 {
					t.Errorf("a cough has interrupted it: %v", c.story())
				}
				c.story()
				c.starts()
				c.interim("no")
				if s := c.turns.Stats(); s.Interruptions != 1 {
					t.Errorf("words have not: %v", c.story())
				}
			})
		})
	}
}

func TestATurnWithoutWordsLeavesTheAnswerAwaited(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.transcribed()
		for range 2 {
			c.speaks(200 * ms)
			c.wait(2 * time.Second)
			c.then("a cough", "started", "stopped")
		}
	})
}

func TestAnAnswerThatSomebodyGaveUpIsNotAwaited(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.transcribed()
		c.Interrupt("the application")
		c.wait(20 * ms)
		c.starts()
		c.then("a voice", "interrupt", "started")
	})
}

func TestTheAgentIsNotHeldForANoiseThatIsOverWhereNobodyTranscribes(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.speaks(time.Second)
		c.wait(1500 * ms)
		c.story()
		c.speaks(200 * ms)
		c.botStarts()
		c.wait(5 * time.Second)
		c.then("a short noise, and then the answer")
	})
}
