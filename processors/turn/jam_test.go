package turn_test

import (
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/turn"
)

// jams lets no audio come for a while, and then all of it at once.
func (c *call) jams(d time.Duration) {
	c.t.Helper()
	c.Advance(d)
	c.comes(d)
}

// comes lets audio come that is late.
func (c *call) comes(d time.Duration) {
	c.t.Helper()
	for ; d > 0; d -= 20 * ms {
		n := rate.Samples(20 * ms)
		c.Send(&frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: make([]int16, n), Track: "caller", Position: c.at}})
		c.at += audio.Position(n)
	}
}

func TestAJamIsNoSpeech(t *testing.T) {
	holding(t, turn.Config{Start: turn.Speech(700 * ms), End: turn.Silence(600 * ms)}, func(c *call) {
		c.wait(500 * ms)
		c.starts()
		c.wait(100 * ms)
		c.Advance(time.Second)
		c.then("100 ms of voice, and then a jam")
		end := c.at
		c.comes(200 * ms)
		c.Send(&frames.VADStopped{Track: "caller", Position: end, Rate: rate})
		c.comes(800 * ms)
		c.wait(time.Second)
		c.then("when it is known that there were no more")
	})
}

func TestSpeechThatWasJammedCountsAsItWasSpoken(t *testing.T) {
	for name, arrives := range map[string]func(c *call){
		"in its time":     func(c *call) { c.wait(600 * ms) },
		"after a jam":     func(c *call) { c.jams(600 * ms) },
		"after two jams":  func(c *call) { c.jams(300 * ms); c.jams(300 * ms) },
		"partly in a jam": func(c *call) { c.wait(200 * ms); c.jams(400 * ms) },
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, turn.Config{Start: turn.Speech(700 * ms)}, func(c *call) {
				c.wait(500 * ms)
				c.starts()
				c.wait(80 * ms)
				arrives(c)
				c.then("with 680 ms of it")
				c.wait(20 * ms)
				c.then("with 700 ms", "interrupt", "started")
			})
		})
	}
}

func TestSpeechInTwoStretchesAddsUp(t *testing.T) {
	holding(t, turn.Config{Start: turn.Speech(700 * ms)}, func(c *call) {
		c.speaks(400 * ms)
		c.starts()
		c.wait(280 * ms)
		c.then("with 680 ms of it")
		c.wait(20 * ms)
		c.then("with 700 ms", "interrupt", "started")
	})
}

// What goes on behind the end of a turn belongs to the next, from there on.
func TestAVoiceThatGoesOnBehindATurnIsCountedAnew(t *testing.T) {
	over := false
	end := turn.Func(func(*turn.Facts) (bool, time.Duration) { return over, 0 })
	holding(t, turn.Config{Start: turn.Speech(500 * ms), End: end}, func(c *call) {
		c.starts()
		c.wait(980 * ms)
		over = true
		c.wait(20 * ms)
		over = false
		stopped := last[*frames.UserStoppedSpeaking](c)
		c.wait(480 * ms)
		if n := c.turns.Stats(); n.Turns != 1 || n.Speaking {
			t.Fatalf("480 ms after the first turn: %v", c)
		}
		c.wait(20 * ms)
		started := last[*frames.UserStartedSpeaking](c)
		if !c.turns.Stats().Speaking || at(stopped.Position) != time.Second || started.Position != stopped.Position {
			t.Errorf("a turn ends at %v, and with 500 ms of speech since the next begins at %v: %v", at(stopped.Position), at(started.Position), c)
		}
	})
}

func TestTheFactsTellUpToWhereAVoiceIsHeard(t *testing.T) {
	var facts turn.Facts
	look := turn.Func(func(f *turn.Facts) (bool, time.Duration) { facts = *f; return false, 0 })
	holding(t, turn.Config{Start: look}, func(c *call) {
		c.wait(time.Second)
		c.starts()
		c.wait(200 * ms)
		c.Advance(600 * ms)
		c.botStarts() // so that it is looked at
		if f := facts; !f.Voice || f.Voiced != 200*ms || f.VoiceTo-f.VoiceFrom != 200*ms || f.Now-f.VoiceTo != 600*ms {
			t.Errorf("200 ms of voice and 600 ms of nothing are %+v", f)
		}
	})
}

func TestSpeechIsCountedByTheWallsClockWhereNoAudioComesBy(t *testing.T) {
	holding(t, turn.Config{Start: turn.Speech(700 * ms)}, func(c *call) {
		c.mute = true
		c.Send(&frames.VADStarted{Track: "caller"})
		c.wait(680 * ms)
		c.then("with 680 ms of it")
		c.wait(20 * ms)
		c.then("with 700 ms", "interrupt", "started")
	})
}

// Everything is late by the jam, and nothing else.
func TestAPauseThatIsShortIsNoEndThoughItComesInAJam(t *testing.T) {
	holding(t, turn.Config{End: turn.Silence(600 * ms)}, func(c *call) {
		c.speaks(time.Second) // and 200 ms of silence
		c.wait(100 * ms)
		c.starts()
		c.wait(100 * ms)
		c.then("with a pause of 300 ms", "interrupt", "started")
		c.Advance(900 * ms)
		end := c.at
		c.comes(200 * ms)
		c.Send(&frames.VADStopped{Track: "caller", Position: end, Rate: rate})
		c.comes(100 * ms)
		c.starts()
		c.comes(600 * ms)
		c.wait(time.Second)
		c.then("with such a pause in what has jammed")
		c.stops()
		c.wait(380 * ms)
		c.then("before 600 ms of silence")
		c.wait(20 * ms)
		c.then("after them", "stopped")
	})
}

func TestJamsDoNotMakeACallersSilenceLonger(t *testing.T) {
	holding(t, turn.Config{Idle: reminders}, func(c *call) {
		for range 9 {
			c.wait(700 * ms)
			c.jams(300 * ms)
		}
		c.wait(980 * ms)
		c.then("before 10 s of silence")
		c.wait(20 * ms)
		c.then("after them", there)
	})
}
