package turn_test

import (
	"errors"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/turn"
)

func TestAMutedCallersAudioIsSilenceOfTheSameLengthAndPlace(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.loud = true
		c.wait(100 * ms)
		c.turns.Mute(true)
		c.wait(100 * ms)
		c.Send(&turn.SetMute{On: false})
		c.wait(100 * ms)
		next, silent := audio.Position(0), 0
		for _, f := range c.All() {
			a, ok := f.(*frames.AudioInput)
			if !ok {
				continue
			}
			if a.Position != next || a.Format != audio.Mono(rate) || a.Track != "caller" {
				t.Fatalf("%v comes at %d", a, next)
			}
			next = a.End()
			muted := at(a.Position) >= 100*ms && at(a.Position) < 200*ms
			if audio.IsSilent(a.Samples) != muted {
				t.Errorf("the audio at %v is silent: %v", at(a.Position), !muted)
			}
			if muted {
				silent += len(a.Samples)
			}
		}
		if at(next) != 300*ms || int64(silent) != rate.Samples(100*ms) {
			t.Errorf("audio goes to %v, of which %d samples are silence", at(next), silent)
		}
	})
}

func TestNothingIsHeardOfAMutedCaller(t *testing.T) {
	holding(t, turn.Config{Mute: turn.BotSpeaking()}, func(c *call) {
		c.botStarts()
		c.speaks(time.Second)
		c.interim("what")
		c.text("what is")
		c.wait(time.Second)
		c.botStops()
		c.wait(500 * ms)
		for _, f := range c.All() {
			switch f := f.(type) {
			case *frames.VADStarted, *frames.VADStopped, *frames.UserStartedSpeaking, *frames.InterimTranscription, *frames.Transcription, *interrupted:
				t.Errorf("%v went on", f)
			}
		}
		c.text("what is the time")
		c.then("a transcript of it that comes later")
		c.speaks(500 * ms)
		c.text("hello")
		c.wait(time.Second)
		c.then("what is said afterwards", "interrupt", "started", "hello", "stopped")
	})
}

func TestAMuteEndsTheTurnInProgressAndWhoeverStillSpeaksAfterItHasTheNext(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.starts()
		c.wait(time.Second)
		c.turns.Mute(true)
		c.wait(time.Second)
		c.turns.Mute(false)
		c.wait(20 * ms)
		var told []string
		var where []time.Duration
		for _, f := range c.All() {
			switch f := f.(type) {
			case *frames.VADStarted:
				told, where = append(told, "voice"), append(where, at(f.Position))
			case *frames.VADStopped:
				told, where = append(told, "no voice"), append(where, at(f.Position))
			case *frames.UserStartedSpeaking:
				told, where = append(told, "started"), append(where, at(f.Position))
			case *frames.UserStoppedSpeaking:
				told, where = append(told, "stopped"), append(where, at(f.Position))
			}
		}
		want := []string{"voice", "started", "stopped", "no voice", "voice", "started"}
		places := []time.Duration{0, 0, time.Second, time.Second, 2 * time.Second, 2 * time.Second}
		for i := range want {
			if i >= len(told) || told[i] != want[i] || !near(where[i], places[i], 20*ms) {
				t.Fatalf("it told %v at %v, want %v at %v", told, where, want, places)
			}
		}
	})
}

func TestTheTranscriptOfATurnBeforeTheMuteIsNotLost(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.speaks(time.Second)
		c.turns.Mute(true)
		c.text("said before")
		c.then("muted before the transcript came", "interrupt", "started", "stopped", "said before")
	})
}

func TestTheCallerIsMutedUntilTheGreetingWasHeard(t *testing.T) {
	holding(t, turn.Config{Mute: turn.Greeting(5 * time.Second)}, func(c *call) {
		muted := func(when string, want bool) {
			t.Helper()
			if got := c.turns.Stats().Muted; got != want {
				t.Errorf("%s, the caller is muted: %v", when, got)
			}
		}
		c.wait(time.Second)
		muted("before", true)
		c.botStarts()
		c.wait(10 * time.Second)
		muted("during", true)
		c.botStops()
		muted("after", false)
		c.botStarts()
		muted("during the next answer", false)
	})
	holding(t, turn.Config{Mute: turn.Greeting(5 * time.Second)}, func(c *call) {
		c.mute = true // no audio comes at all
		c.wait(4980 * ms)
		if !c.turns.Stats().Muted {
			t.Error("the caller is not muted any more before the limit")
		}
		c.wait(40 * ms)
		if c.turns.Stats().Muted {
			t.Error("the caller is muted for ever, since there was no greeting")
		}
	})
}

func TestMutingWhileAToolRunsAndByOnesOwnFunction(t *testing.T) {
	number := turn.Func(func(f *turn.Facts) (bool, time.Duration) { return f.Turns == 1, 0 })
	holding(t, turn.Config{Mute: turn.Any(turn.ToolRunning(), number), End: turn.Silence(300 * ms)}, func(c *call) {
		c.toolStarts("1")
		if !c.turns.Stats().Muted {
			t.Error("not muted while a tool runs")
		}
		c.toolReturns("1")
		if c.turns.Stats().Muted {
			t.Error("muted when it has returned")
		}
		c.speaks(time.Second)
		c.wait(200 * ms)
		if !c.turns.Stats().Muted {
			t.Error("not muted after the first turn, as the function says")
		}
	})
}

// ---- what must not last for ever

func (c *call) reported(target error) int {
	n := 0
	for _, f := range c.Errors() {
		if errors.Is(f.Err, target) {
			n++
		}
	}
	return n
}

func TestATurnThatDoesNotEndIsEnded(t *testing.T) {
	holding(t, turn.Config{MaxTurn: 30 * time.Second}, func(c *call) {
		c.starts()
		c.wait(29980 * ms)
		c.then("before", "interrupt", "started")
		c.wait(20 * ms)
		c.then("after 30 s", "stopped")
		if c.reported(turn.ErrEndless) != 1 {
			t.Errorf("the errors are %v", c.Errors())
		}
		c.wait(time.Minute)
		c.then("the same voice does not take another turn")
		c.stops()
		c.starts()
		c.then("the next one does", "interrupt", "started")
	})
}

func TestAVoiceThatNobodyEndsEndsWithTheAudio(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.starts()
		c.wait(time.Second)
		c.text("hello")
		c.mute = true // the connection is lost
		c.wait(2980 * ms)
		c.then("before", "interrupt", "started", "hello")
		c.wait(40 * ms)
		var stop *frames.UserStoppedSpeaking
		for _, f := range c.All() {
			if s, ok := f.(*frames.UserStoppedSpeaking); ok {
				stop = s
			}
		}
		if stop == nil || at(stop.Position) != time.Second {
			t.Errorf("the turn ended with %v, want it ended at 1 s, where the audio did", stop)
		}
		if c.reported(turn.ErrStuckVoice) != 1 {
			t.Errorf("the errors are %v", c.Errors())
		}
	})
}

func TestAToolThatNeverReturnsDoesNotBarTheCallerForEver(t *testing.T) {
	cfg := turn.Config{Interrupt: turn.Not(turn.ToolRunning()), Barred: turn.Ignore, MaxTool: time.Minute}
	holding(t, cfg, func(c *call) {
		c.toolStarts("lost")
		c.wait(61 * time.Second)
		c.starts()
		c.then("after a minute", "interrupt", "started")
		if c.reported(turn.ErrStuckTool) != 1 {
			t.Errorf("the errors are %v", c.Errors())
		}
	})
}

func TestAServicesEndlessTurnIsReportedAndNothingIsAdded(t *testing.T) {
	cfg := turn.Config{Start: turn.External(), End: turn.External(), MaxTurn: 10 * time.Second}
	holding(t, cfg, func(c *call) {
		c.SendUp(&frames.UserStartedSpeaking{})
		c.wait(11 * time.Second)
		c.then("after 10 s")
		if c.reported(turn.ErrEndless) != 1 || c.turns.Stats().Speaking {
			t.Errorf("it counts %+v, with errors %v", c.turns.Stats(), c.Errors())
		}
	})
}

func TestATranscriptOfWhatWasMutedIsKnownByItsPosition(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.wait(time.Second)
		c.turns.Mute(true)
		c.wait(2 * time.Second)
		c.turns.Mute(false)
		c.wait(time.Second)
		c.starts()
		c.story()
		said := func(text string, from, to time.Duration) {
			t.Helper()
			c.Send(&frames.Transcription{Text: text, Track: "caller", Rate: rate,
				Start: audio.Position(rate.Samples(from)), End: audio.Position(rate.Samples(to))})
		}
		said("secret", 1500*ms, 2500*ms)
		said("half a secret", 500*ms, 1500*ms)
		c.wait(500 * ms)
		said("hello", 4*time.Second, 4500*ms)
		c.then("though another turn has begun", "hello")
	})
}
