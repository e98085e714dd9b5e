package turn_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/turn"
)

var reminders = []turn.Reminder{
	{After: 10 * time.Second, Do: turn.Say("there?")},
	{After: 20 * time.Second, Do: turn.Say("hello?")},
	{After: 30 * time.Second, Do: turn.HangUp("nobody is there")},
}

const (
	there = `Text(instruction "there?")`
	hello = `Text(instruction "hello?")`
)

func TestACallerWhoSaysNothingIsRemindedAndThenTheCallEnds(t *testing.T) {
	holding(t, turn.Config{Idle: reminders}, func(c *call) {
		c.wait(9980 * ms)
		c.then("before 10 s")
		c.wait(20 * ms)
		c.then("after 10 s", there)
		c.botStarts()
		c.wait(3 * time.Second) // does not count
		c.botStops()
		c.wait(9980 * ms)
		c.then("before another 10 s")
		c.wait(20 * ms)
		c.then("after them", hello)
		c.Advance(10 * time.Second)
		c.then("at last", "End(nobody is there)")
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestSilenceCountsFromWhenTheAgentStoppedBeingHeard(t *testing.T) {
	holding(t, turn.Config{Idle: reminders}, func(c *call) {
		c.speaks(time.Second)
		c.text("hi")
		c.wait(5 * time.Second) // the answer is being thought of
		c.botStarts()
		c.wait(30 * time.Second)
		c.botStops()
		c.story()
		c.wait(9980 * ms)
		c.then("9.98 s after the answer")
		c.wait(20 * ms)
		c.then("10 s after it", there)
	})
}

func TestSpeechAndKeysBeginTheCountAnew(t *testing.T) {
	for name, sign := range map[string]func(c *call){
		"a voice": func(c *call) { c.Send(&frames.VADStarted{}, &frames.VADStopped{}) },
		"a key":   func(c *call) { c.Send(&frames.DTMFInput{Digit: '1'}) },
		"a text":  func(c *call) { c.Send(&frames.Text{Text: "hi"}) },
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, turn.Config{Start: turn.Words(1), Idle: reminders}, func(c *call) {
				c.wait(12 * time.Second)
				c.then("after 12 s", there)
				sign(c)
				c.story()
				c.wait(9900 * ms)
				c.then("9.9 s after a sign of life")
				c.wait(200 * ms)
				c.then("and 10 s after it the first reminder again", there)
			})
		})
	}
}

func TestNobodyIsRemindedWhileTheySpeakOrAToolRunsOrTheyAreMuted(t *testing.T) {
	for name, busy := range map[string]func(c *call){
		"a voice": func(c *call) { c.starts() },
		"a tool":  func(c *call) { c.toolStarts("1") },
		"a mute":  func(c *call) { c.turns.Mute(true) },
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, turn.Config{Start: turn.Words(1), Idle: reminders}, func(c *call) {
				c.wait(5 * time.Second)
				busy(c)
				c.wait(time.Minute)
				c.then("during a minute of it")
			})
		})
	}
}

func TestAnAnswerThatDoesNotComeIsSilence(t *testing.T) {
	holding(t, turn.Config{Idle: reminders}, func(c *call) {
		c.speaks(time.Second)
		c.text("hi")
		c.wait(500 * ms)
		c.story()
		c.wait(19800 * ms)
		c.then("10 s for the answer, and not quite 10 s of silence")
		c.wait(200 * ms)
		c.then("and 10 s", there)
	})
}

func TestAnInstructionIsNoSignOfTheCallersLife(t *testing.T) {
	holding(t, turn.Config{Idle: reminders}, func(c *call) {
		c.wait(9 * time.Second)
		c.Send(&frames.Text{Text: "be brief", Instruction: true})
		c.story()
		c.wait(1100 * ms)
		c.then("10 s after nobody has said anything", there)
	})
}

func TestAHandlerIsCalledOffWhenTheCallerSpeaks(t *testing.T) {
	var ended error
	wait := func(ctx context.Context, _ *pipeline.Port) error {
		<-ctx.Done()
		ended = ctx.Err()
		return ended
	}
	holding(t, turn.Config{Idle: []turn.Reminder{{After: time.Second, Do: wait}}}, func(c *call) {
		c.wait(2 * time.Second)
		if ended != nil {
			t.Error("the handler ended by itself")
		}
		c.starts()
		if !errors.Is(ended, context.Canceled) {
			t.Error("the handler was not called off")
		}
		if len(c.Errors()) != 0 {
			t.Errorf("that is reported: %v", c.Errors())
		}
	})
}

func TestAHandlersErrorIsReported(t *testing.T) {
	broken := errors.New("broken")
	fails := func(context.Context, *pipeline.Port) error { return broken }
	holding(t, turn.Config{Idle: []turn.Reminder{{After: time.Second, Do: fails}}}, func(c *call) {
		c.wait(2 * time.Second)
		if c.reported(broken) != 1 {
			t.Errorf("the errors are %v", c.Errors())
		}
	})
}

func TestAHandlerThatPanicsIsReportedAndEndsNothing(t *testing.T) {
	panics := func(context.Context, *pipeline.Port) error { panic("no, thanks") }
	holding(t, turn.Config{Idle: []turn.Reminder{{After: time.Second, Do: panics}}}, func(c *call) {
		c.wait(2 * time.Second)
		if len(c.Errors()) != 1 || !strings.Contains(c.Errors()[0].Err.Error(), "no, thanks") {
			t.Errorf("the errors are %v", c.Errors())
		}
		c.speaks(time.Second)
		c.wait(2 * time.Second)
		c.then("the call goes on", "interrupt", "started", "stopped")
	})
}

func TestNobodyIsRemindedWhileThePipelineStandsStill(t *testing.T) {
	holding(t, turn.Config{Idle: reminders}, func(c *call) {
		c.wait(9 * time.Second)
		c.Send(&frames.Stop{})
		c.wait(time.Minute)
		c.then("stopped", "Stop()")
		c.speaks(time.Second)
		c.text("hello")
		c.wait(time.Second)
		c.story()
		c.botStarts()
		c.botStops()
		c.wait(10 * time.Second)
		c.then("when the call has gone on", there)
	})
}

func TestACoughDoesNotMakeAnAnswerThatIsAwaitedCountAsSilence(t *testing.T) {
	holding(t, turn.Config{Recovery: turn.Recovery{On: true}, Idle: []turn.Reminder{{After: 3 * time.Second, Do: turn.Say("there?")}}}, func(c *call) {
		c.transcribed()
		c.wait(time.Second)
		c.speaks(200 * ms)
		c.wait(7 * time.Second)
		c.then("while the answer is awaited")
		c.wait(4 * time.Second)
		c.then("when it has not come", there)
	})
}

func TestSilenceBeforeAndAfterAnAnnouncementAddsUp(t *testing.T) {
	holding(t, turn.Config{Idle: reminders}, func(c *call) {
		c.wait(6 * time.Second)
		c.botStarts()
		c.wait(5 * time.Second)
		c.botStops()
		c.wait(3980 * ms)
		c.then("after 6 s and not quite 4 s")
		c.wait(40 * ms)
		c.then("after 10 s in all", there)
	})
}
