package turn_test

import (
	"testing"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/turn"
)

// bounds checks where the last turn began and ended, to a frame of the caller's.
func (c *call) bounds(begin, end time.Duration) {
	c.t.Helper()
	var from, to time.Duration
	for _, f := range c.All() {
		switch f := f.(type) {
		case *frames.UserStartedSpeaking:
			from = at(f.Position)
		case *frames.UserStoppedSpeaking:
			to = at(f.Position)
		}
	}
	if !near(from, begin, 20*ms) || !near(to, end, 20*ms) {
		c.t.Errorf("a turn lasts from %v to %v, want %v to %v: %v", from, to, begin, end, c)
	}
}

func TestATurnOfANoiseWithoutLengthEndsWhereItBegan(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.wait(time.Second)
		c.starts()
		c.stops()
		c.wait(2 * time.Second)
		c.bounds(time.Second, time.Second)
	})
}

// A voice that ended before a turn is not the end of it.
func TestATurnOfWordsBehindAVoiceOfTheLastDoesNotEndBeforeThem(t *testing.T) {
	holding(t, turn.Config{Start: turn.Words(1)}, func(c *call) {
		c.starts()
		c.wait(500 * ms)
		c.text("one moment")
		c.wait(500 * ms)
		end := c.at
		c.wait(100 * ms)
		c.Send(&frames.Stop{}) // before the detector is sure of the silence
		c.bounds(0, 1100*ms)
		c.wait(100 * ms)
		c.Send(&frames.VADStopped{Track: "caller", Position: end, Rate: rate})
		c.wait(500 * ms)
		c.Send(&frames.Transcription{Text: "well then", Track: "caller", Start: 22400, End: 25600, Rate: rate}) // up to 1.6 s
		c.wait(time.Second)
		c.bounds(1100*ms, 1900*ms)
	})
}

func TestATurnDoesNotEndBeforeItsButtonWasPressed(t *testing.T) {
	holding(t, turn.Config{Start: turn.Pressed(), End: turn.Released()}, func(c *call) {
		c.wait(time.Second)
		c.turns.Press(true)
		c.wait(100 * ms)
		c.Send(&frames.Transcription{Text: "so", Track: "caller", Start: 8000, End: 12000, Rate: rate}) // of what was said before
		c.wait(500 * ms)
		c.turns.Press(false)
		c.wait(20 * ms)
		c.bounds(time.Second, time.Second)
	})
}

func TestAnAgentThatGoesOnWithoutSayingSoIsStillHeard(t *testing.T) {
	holding(t, turn.Config{Recovery: turn.Recovery{On: true}}, func(c *call) {
		c.botStarts()
		c.wait(time.Second)
		c.speaks(200 * ms) // and the output tells neither of the pause nor of its end
		c.wait(5 * time.Second)
		c.then("after a cough", "pause", "resume")
		c.starts()
		c.text("stop it")
		if n := c.turns.Stats().Interruptions; n != 1 {
			t.Errorf("the agent that speaks is interrupted %d times: %v", n, c)
		}
	})
}
