package turn_test

import (
	"testing"
	"time"

	"github.com/parley-go/parley/processors/turn"
)

func TestAShortAnswerThatTheDetectorMissedIsAnsweredOnceTheAgentHasSpoken(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.wait(time.Second)
		c.speaks(time.Second)
		c.text("book it")
		c.wait(600 * ms)
		c.botStarts()
		c.wait(500 * ms)
		c.botStops()
		c.then("the first turn", "interrupt", "started", "book it", "stopped")
		c.wait(300 * ms)
		c.text("yes")
		c.wait(5 * time.Second)
		c.then("a second after it", "interrupt", "started", "yes", "stopped")
	})
}

func TestAnAnswerIsLateForShortOnly(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.wait(time.Second)
		c.speaks(time.Second)
		c.wait(1300 * ms)
		c.then("a turn without words", "interrupt", "started", "stopped")
		c.wait(1900 * ms)
		c.text("book it")
		c.wait(200 * ms)
		c.then("when they come late", "book it")
		c.text("yes")
		c.wait(5 * time.Second)
		c.then("when it is too late for them", "interrupt", "started", "yes", "stopped")
	})
}

func TestAYesAfterACoughThatWasIgnoredIsATurn(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.transcribed()
		c.botStarts()
		c.wait(time.Second)
		c.speaks(200 * ms) // the cough
		c.wait(4 * time.Second)
		c.botStops()
		c.then("the cough", "pause", "resume")
		c.wait(500 * ms)
		c.text("yes")
		c.wait(5 * time.Second)
		c.then("yes", "interrupt", "started", "yes", "stopped")
	})
}

func TestTheLastWordsOfWhatWasIgnoredAreIgnoredAndTheNextAreNot(t *testing.T) {
	holding(t, turn.Config{Interrupt: turn.Words(3), Barred: turn.Ignore}, func(c *call) {
		c.transcribed()
		c.botStarts()
		c.starts()
		c.interim("uh")
		c.wait(300 * ms)
		c.stops()
		c.wait(2 * time.Second)
		c.botStops()
		c.text("uh huh") // slowly
		c.wait(500 * ms)
		c.then("what was ignored, when its transcript came after all")
		c.text("yes")
		c.wait(2 * time.Second)
		c.then("the next words", "interrupt", "started", "yes", "stopped")
	})
}
