package turn_test

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/turn"
)

// understood returns what transcripts came out since it was asked last; interim
// ones in brackets.
func (c *call) understood() []string {
	var told []string
	for _, f := range c.All() {
		switch f := f.(type) {
		case *frames.InterimTranscription:
			told = append(told, "("+f.Text+")")
		case *frames.Transcription:
			told = append(told, f.Text)
		case *frames.UserStartedSpeaking:
			told = append(told, "started")
		}
	}
	return told
}

func (c *call) understoodIs(when string, want ...string) {
	c.t.Helper()
	if got := c.understood(); !slices.Equal(got, want) {
		c.t.Errorf("%s, it was understood %q, want %q", when, got, want)
	}
}

func TestWhatIsSaidWithoutTheNameIsNotShownEither(t *testing.T) {
	holding(t, turn.Config{Start: turn.Wake(turn.WakeConfig{Phrases: []string{"hey parley"}})}, func(c *call) {
		c.starts()
		c.interim("private")
		c.wait(time.Second)
		c.interim("private talk")
		c.stops()
		c.text("private talk")
		c.wait(5 * time.Second)
		c.understoodIs("without the name")
		c.starts()
		c.interim("hey")
		c.interim("hey parley")
		c.wait(200 * ms)
		c.interim("hey parley what")
		c.stops()
		c.text("hey parley what time is it")
		c.wait(time.Second)
		c.understoodIs("with it", "started", "(hey)", "(hey parley)", "(hey parley what)", "hey parley what time is it")
		c.interim("a secret") // that the detector missed
		c.wait(5 * time.Second)
		c.understoodIs("after the turn")
	})
}

func TestWhatIsIgnoredIsNotShownEither(t *testing.T) {
	holding(t, turn.Config{Interrupt: turn.Words(3), Barred: turn.Ignore}, func(c *call) {
		c.botStarts()
		c.starts()
		c.interim("uh")
		c.wait(300 * ms)
		c.stops()
		c.text("uh huh")
		c.wait(5 * time.Second)
		c.understoodIs("a backchannel")
		if s := c.turns.Stats(); s.Ignored != 1 {
			t.Errorf("%d final transcripts are counted as ignored, want 1", s.Ignored)
		}
	})
}

func TestWhatSeemedToBeSaidGoesOnWithTheTurnThatItBecomes(t *testing.T) {
	holding(t, turn.Config{Interrupt: turn.Never(), Barred: turn.Ignore}, func(c *call) {
		c.botStarts()
		c.starts()
		c.interim("I")
		c.interim("I want")
		c.understoodIs("while the agent speaks")
		c.botStops()
		c.understoodIs("when it has stopped", "started", "(I want)")
	})
}

func TestWhatWasShownAndIsMutedIsWithdrawn(t *testing.T) {
	for name, mute := range map[string]func(c *call){
		"in the turn": func(c *call) { c.turns.Mute(true) },
		"after it, and the transcript comes in the mute": func(c *call) {
			c.stops()
			c.wait(5 * time.Second)
			c.turns.Mute(true)
			c.text("my card is")
		},
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, turn.Config{}, func(c *call) {
				c.starts()
				c.interim("my card")
				c.wait(time.Second)
				c.understoodIs("before", "started", "(my card)")
				mute(c)
				c.wait(20 * ms)
				c.understoodIs("muted", "()")
				c.wait(5 * time.Second)
				c.understoodIs("later")
			})
		})
	}
}

func TestWhatTheRecogniserTakesBackCountsNoMore(t *testing.T) {
	holding(t, turn.Config{Start: turn.Words(2)}, func(c *call) {
		c.starts()
		c.interim("hello")
		c.interim("")
		c.interim("there")
		c.understoodIs("one word at a time is no turn")
	})
}
