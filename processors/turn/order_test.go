package turn_test

import (
	"sync"
	"testing"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/turn"
)

func TestAVoiceThatWasToldOfIsToldToHaveStoppedWhenAMuteComesAtTheSameMoment(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.wait(20 * ms)
		for range 200 {
			var both sync.WaitGroup
			both.Go(func() { c.turns.Mute(true) })
			c.starts()
			both.Wait()
			c.wait(20 * ms)
			c.Send(&frames.VADStopped{Track: "caller", Position: c.at, Rate: rate})
			c.turns.Mute(false)
			c.wait(20 * ms)
			on := false
			for _, f := range c.All() {
				switch f.(type) {
				case *frames.VADStarted, *frames.VADStopped:
					if _, started := f.(*frames.VADStarted); started == on {
						t.Fatalf("%v comes while the voice is told to be on: %v", f, on)
					}
					on = !on
				}
			}
			if on {
				t.Fatal("the voice was told to have started and never to have stopped")
			}
		}
	})
}

func TestSettingsMayBeGivenByAPointer(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.Send(&frames.UpdateSettings{Settings: &turn.Settings{Start: turn.Never()}})
		c.starts()
		c.then("when the voice was heard")
		c.Send(&frames.UpdateSettings{Settings: (*turn.Settings)(nil)})
	})
}
