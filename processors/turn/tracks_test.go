package turn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/turn"
)

// both lets audio of the caller come, and of somebody else, whose clock is ahead.
func (c *call) both(d time.Duration) {
	c.t.Helper()
	for ; d > 0; d -= 20 * ms {
		at := c.at
		c.wait(20 * ms)
		c.Send(&frames.AudioInput{Audio: frames.Audio{
			Format: audio.Mono(rate), Samples: make([]int16, rate.Samples(20*ms)), Track: "other", Position: at + 160000,
		}})
	}
}

func TestTimeIsThatOfOneTrackWhoeverElseIsHeard(t *testing.T) {
	for name, track := range map[string]string{"the first": "", "that of the configuration": "caller"} {
		t.Run(name, func(t *testing.T) {
			holding(t, turn.Config{Track: track, End: turn.Silence(600 * ms)}, func(c *call) {
				c.both(500 * ms)
				c.starts()
				c.both(500 * ms)
				end := c.at
				c.both(200 * ms)
				c.Send(&frames.VADStopped{Track: "caller", Position: end, Rate: rate})
				c.both(380 * ms)
				c.then("before 600 ms of silence", "interrupt", "started")
				c.both(20 * ms)
				c.then("after them", "stopped")
			})
		})
	}
}

func TestWithoutATrackTheCallersIsTheFirst(t *testing.T) {
	for name, first := range map[string]frames.Frame{
		"audio":              &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: make([]int16, 320), Track: "caller"}},
		"a voice":            &frames.VADStarted{Track: "caller", Rate: rate},
		"the end of one":     &frames.VADStopped{Track: "caller", Rate: rate},
		"an interim text":    &frames.InterimTranscription{Text: "so", Track: "caller"},
		"a final transcript": &frames.Transcription{Text: "so", Track: "caller"},
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, turn.Config{End: turn.Silence(600 * ms)}, func(c *call) {
				c.Send(&frames.Transcription{}, first, &frames.VADStopped{}) // some of no track
				c.wait(15 * time.Second)                                     // so that what it led to is over
				turns := c.turns.Stats().Turns
				c.story()
				c.Send(&frames.VADStarted{Track: "other", Rate: rate}, &frames.Transcription{Text: "hm", Track: "other"})
				c.wait(time.Second)
				c.then("somebody else's transcript passes", "hm")
				c.starts()
				c.then("the caller's voice takes the turn", "interrupt", "started")
				c.Send(&frames.VADStopped{Track: "other", Position: c.at, Rate: rate}, &frames.VADStarted{Track: "other", Position: c.at, Rate: rate})
				c.wait(time.Second)
				c.then("somebody else's does not end it")
				c.stops()
				c.wait(3 * time.Second)
				c.then("nor hold it up", "stopped")
				if n := c.turns.Stats().Turns; n != turns+1 {
					t.Errorf("there were %d turns after the first %d", n-turns, turns)
				}
			})
		})
	}
}

func TestOtherTracksAreReportedOnceIfNoneWasNamed(t *testing.T) {
	for name, c := range map[string]struct {
		track string
		want  int
	}{"none was": {"", 1}, "one was": {"caller", 0}} {
		t.Run(name, func(t *testing.T) {
			want := c.want
			holding(t, turn.Config{Track: c.track}, func(c *call) {
				c.wait(time.Second)
				if n := c.reported(turn.ErrTracks); n != 0 {
					t.Errorf("of one track, %d errors are reported: %v", n, c.Errors())
				}
				c.both(time.Second)
				c.Send(&frames.VADStarted{Track: "a third", Rate: rate})
				if n := c.reported(turn.ErrTracks); n != want {
					t.Fatalf("%d errors are reported, want %d: %v", n, want, c.Errors())
				}
				for _, f := range c.Errors() {
					for _, part := range []string{`"caller"`, `"other"`, "Config.Track"} {
						if !strings.Contains(f.Err.Error(), part) {
							t.Errorf("it does not say %s: %v", part, f.Err)
						}
					}
				}
			})
		})
	}
}

func TestWhoeverElseIsHeardIsNotMuted(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.both(20 * ms)
		c.turns.Mute(true)
		c.All()
		f := &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: speech(20 * ms), Track: "other", Position: 160320}}
		c.Send(f)
		if got := c.All(); len(got) != 1 || got[0] != frames.Frame(f) {
			t.Errorf("out comes %v, want what went in", got)
		}
	})
}
