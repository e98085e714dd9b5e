package turn_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/turn"
)

func TestByDefaultTheVoiceTakesTheTurnAndItsTranscriptEndsIt(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.wait(time.Second)
		c.starts()
		c.then("when the voice was heard", "interrupt", "started")
		c.wait(time.Second)
		c.stops() // 200 ms ago
		c.text("what time is it")
		c.wait(380 * ms)
		c.then("580 ms after the voice", "what time is it")
		c.wait(20 * ms)
		c.then("600 ms after the voice", "stopped")
	})
}

func TestATurnSaysWhereOnTheCallersTrackItBeganAndEnded(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.wait(time.Second)
		c.speaks(1500 * ms)
		c.text("hello")
		c.wait(time.Second)
		var start, stop int64
		for _, f := range c.All() {
			switch f := f.(type) {
			case *frames.UserStartedSpeaking:
				start = int64(f.Position)
				if f.Track != "caller" || f.Rate != rate {
					t.Errorf("the turn is on track %q at %v", f.Track, f.Rate)
				}
			case *frames.UserStoppedSpeaking:
				stop = int64(f.Position)
			}
		}
		if start != rate.Samples(time.Second) || stop != rate.Samples(2500*ms) {
			t.Errorf("the turn is from %d to %d, want from %d to %d", start, stop, rate.Samples(time.Second), rate.Samples(2500*ms))
		}
	})
}

func TestATurnIsToldInBothDirectionsByTwoFrames(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.speaks(time.Second)
		c.text("hello")
		c.wait(time.Second)
		ids := map[uint64]bool{}
		for _, f := range append(c.All(), c.AllUp()...) {
			switch f.(type) {
			case *frames.UserStartedSpeaking, *frames.UserStoppedSpeaking:
				ids[f.ID()] = true
			}
		}
		if len(ids) != 4 {
			t.Errorf("a turn was told by %d frames, want 4: its start and end, each in both directions", len(ids))
		}
	})
}

func TestWhoGoesOnSpeakingAfterAPauseHasNotEndedTheTurn(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.speaks(time.Second)
		c.text("I would like")
		c.wait(300 * ms)
		c.speaks(time.Second)
		c.text("a pizza")
		c.then("before the end", "interrupt", "started", "I would like", "a pizza")
		c.wait(time.Second)
		c.then("at the end", "stopped")
	})
}

func TestATurnWaitsForATranscriptAndForOneThatDoesNotComeNotForEver(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.starts()
		c.wait(time.Second)
		c.interim("what is")
		c.stops()
		c.wait(1280 * ms)
		c.then("before 1.5 s are over", "interrupt", "started")
		c.wait(40 * ms)
		c.then("afterwards", "stopped")
		c.wait(500 * ms)
		c.text("what is the time")
		c.then("a late transcript passes on and starts nothing", "what is the time")
		c.wait(10 * time.Second)
		c.then("later")
	})
}

func TestWithoutARecogniserOnlyTheFirstTurnWaitsForATranscript(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.speaks(time.Second)
		c.wait(1400 * ms)
		c.then("the first turn", "interrupt", "started", "stopped")
		c.speaks(time.Second)
		c.wait(420 * ms)
		c.then("600 ms after the second", "started", "interrupt", "stopped")
	})
}

func TestWordsStartATurnThatTheDetectorMissed(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.wait(time.Second)
		c.text("hello there")
		c.then("when the words came", "interrupt", "started", "hello there")
		c.wait(time.Second)
		c.then("later", "stopped")
	})
}

func TestNoTurnStartsBeforeEnoughWords(t *testing.T) {
	cfg := turn.Config{Start: turn.Words(3), End: turn.Transcript(500*ms, time.Second)}
	holding(t, cfg, func(c *call) {
		c.starts()
		c.interim("I")
		c.interim("I want")
		c.then("after two words")
		c.interim("I want to")
		c.then("after three", "interrupt", "started")
		c.stops()
		c.text("I want to go")
		c.wait(time.Second)
		c.then("at the end", "I want to go", "stopped")

		c.speaks(300 * ms)
		c.text("uh huh")
		c.wait(5 * time.Second)
		c.then("two words are no turn, and go no further")
		if got := c.turns.Stats().Ignored; got != 1 {
			t.Errorf("%d transcripts were ignored, want 1", got)
		}
		c.speaks(300 * ms)
		c.text("yes")
		c.then("words of another utterance do not count")
	})
}

func TestFinalTranscriptsOfAnUtteranceAddUpToWords(t *testing.T) {
	holding(t, turn.Config{Start: turn.Words(3)}, func(c *call) {
		c.speaks(500 * ms)
		c.text("well then")
		c.then("after two words")
		c.speaks(500 * ms)
		c.text("let's go")
		c.then("all that was kept back goes on behind the start, in order", "interrupt", "started", "well then", "let's go")
	})
}

func TestTheAgentSleepsUntilAPhraseWakesItAndAgainAfterAWhile(t *testing.T) {
	wake := turn.Wake(turn.WakeConfig{Phrases: []string{"Hey Parley", "ok, computer!"}, Timeout: 5 * time.Second})
	holding(t, turn.Config{Start: wake}, func(c *call) {
		c.speaks(time.Second)
		c.text("they parley in the hall")
		c.wait(4 * time.Second)
		c.then("asleep")

		c.starts()
		c.interim("so HEY")
		c.then("with half of the phrase")
		c.interim("so HEY, Parley")
		c.then("with the phrase", "interrupt", "started")
		c.wait(500 * ms)
		c.stops()
		c.text("so hey, parley what time is it")
		c.wait(time.Second)
		c.then("at the end", "so hey, parley what time is it", "stopped")

		c.wait(3 * time.Second)
		c.speaks(500 * ms)
		c.text("and in Rome")
		c.wait(time.Second)
		c.then("while awake no phrase is needed", "started", "interrupt", "and in Rome", "stopped")

		c.wait(6 * time.Second)
		c.speaks(500 * ms)
		c.text("what a day")
		c.wait(4 * time.Second)
		c.then("asleep again")
		c.speaks(500 * ms)
		c.text("OK Computer")
		c.then("the other phrase, in a final transcript", "interrupt", "started", "OK Computer")
	})
}

func TestTheAgentStaysAwakeWhileItSpeaks(t *testing.T) {
	holding(t, turn.Config{Start: turn.Wake(turn.WakeConfig{Phrases: []string{"hey"}, Timeout: 2 * time.Second})}, func(c *call) {
		c.speaks(500 * ms)
		c.text("hey")
		c.wait(time.Second)
		c.botStarts()
		c.wait(10 * time.Second)
		c.botStops()
		c.wait(time.Second)
		c.story()
		c.starts()
		c.then("a second after a long answer", "interrupt", "started")
	})
}

func TestTheAgentStaysAwakeWhileItSpeaksThoughNoAudioComes(t *testing.T) {
	holding(t, turn.Config{Start: turn.Wake(turn.WakeConfig{Phrases: []string{"hey"}, Timeout: 2 * time.Second})}, func(c *call) {
		c.mute = true
		c.text("hey")
		c.wait(time.Second)
		c.botStarts()
		c.wait(10 * time.Second)
		c.botStops()
		c.wait(1980 * ms)
		c.story()
		c.text("and then")
		c.wait(time.Second)
		c.then("not quite 2 s after a long answer", "interrupt", "started", "and then", "stopped")
		c.botStarts()
		c.wait(10 * time.Second)
		c.botStops()
		c.wait(2 * time.Second)
		c.text("and then")
		c.wait(3 * time.Second)
		c.then("2 s after another")
	})
}

func TestOnceAwakeForOneTurnOnly(t *testing.T) {
	wake := turn.Wake(turn.WakeConfig{Phrases: []string{"hey"}, Once: true})
	holding(t, turn.Config{Start: wake}, func(c *call) {
		for range 2 {
			c.speaks(500 * ms)
			c.text("hey you")
			c.wait(time.Second)
			c.then("with the phrase", "interrupt", "started", "hey you", "stopped")
			c.speaks(500 * ms)
			c.text("and then")
			c.wait(4 * time.Second)
			c.then("without it")
		}
	})
}

func TestAButtonTakesAndGivesBackTheTurn(t *testing.T) {
	cfg := turn.Config{Start: turn.Pressed(), End: turn.Released()}
	holding(t, cfg, func(c *call) {
		c.speaks(time.Second)
		c.then("a voice without the button")
		c.turns.Press(true)
		c.then("pressed", "interrupt", "started")
		c.starts()
		c.wait(10 * time.Second)
		c.then("held")
		c.turns.Press(false)
		c.then("released, though the voice goes on", "stopped")
		c.stops()
		c.Send(&turn.Button{Pressed: true})
		c.then("pressed by a frame", "interrupt", "started")
		c.SendUp(&turn.Button{Pressed: false})
		c.then("released by a frame from the other side", "stopped")
	})
}

func TestAButtonMayWaitForTheTranscript(t *testing.T) {
	cfg := turn.Config{Start: turn.Pressed(), End: turn.All(turn.Released(), turn.Transcript(0, time.Second))}
	holding(t, cfg, func(c *call) {
		c.turns.Press(true)
		c.speaks(time.Second)
		c.wait(3 * time.Second)
		c.turns.Press(false)
		c.wait(500 * ms)
		c.then("released, with no transcript yet", "interrupt", "started")
		c.text("go left")
		c.wait(20 * ms)
		c.then("the transcript goes before the end", "go left", "stopped")
	})
}

func TestWithPushToTalkNobodyIsHeardWithoutTheButton(t *testing.T) {
	cfg := turn.Config{
		Start: turn.Pressed(),
		End:   turn.All(turn.Released(), turn.Transcript(0, time.Second)),
		Mute:  turn.Func(func(f *turn.Facts) (bool, time.Duration) { return !f.Pressed && !f.Turn, 0 }),
	}
	holding(t, cfg, func(c *call) {
		c.speaks(time.Second)
		c.text("not for you")
		c.wait(time.Second)
		c.then("without it")
		c.turns.Press(true)
		c.speaks(time.Second)
		c.turns.Press(false)
		c.wait(300 * ms)
		c.text("go left")
		c.wait(20 * ms)
		c.then("with it", "interrupt", "started", "go left", "stopped")
		if !c.turns.Stats().Muted {
			t.Error("the caller is heard afterwards")
		}
	})
}

func TestPushToTalkEndsAfterTheReleaseHoweverLoudItIs(t *testing.T) {
	cfg := turn.Config{
		Start: turn.Pressed(),
		End:   turn.All(turn.Released(), turn.Transcript(0, time.Second)),
		Mute:  turn.Func(func(f *turn.Facts) (bool, time.Duration) { return !f.Pressed && !f.Turn, 0 }),
	}
	holding(t, cfg, func(c *call) {
		c.starts() // the noise, which the detector takes for a voice
		c.wait(time.Second)
		c.turns.Press(true)
		c.wait(2 * time.Second)
		c.text("hello")
		c.wait(500 * ms)
		c.turns.Press(false)
		c.wait(980 * ms)
		c.then("while something may still come of what was heard", "interrupt", "started", "hello")
		c.wait(20 * ms)
		c.then("a second after the release", "stopped")

		c.turns.Press(true)
		c.wait(2 * time.Second)
		c.turns.Press(false)
		c.wait(300 * ms)
		c.text("go left")
		c.wait(20 * ms)
		c.then("when the transcript came", "interrupt", "started", "go left", "stopped")

		c.turns.Press(true)
		c.wait(2 * time.Second)
		c.turns.Press(false)
		for range 5 {
			c.interim("and the news") // somebody else's
			c.wait(200 * ms)
		}
		c.then("though interim transcripts go on and on", "interrupt", "started", "stopped")
	})
}

func TestAfterTheReleaseNothingIsWaitedForThatIsThere(t *testing.T) {
	cfg := turn.Config{Start: turn.Pressed(), End: turn.All(turn.Released(), turn.Transcript(0, time.Second))}
	holding(t, cfg, func(c *call) {
		c.turns.Press(true)
		c.speaks(time.Second)
		c.text("hello")
		c.wait(time.Second)
		c.turns.Press(false)
		c.wait(20 * ms)
		c.then("the transcript came before it", "interrupt", "started", "hello", "stopped")
	})
}

func TestWhatWasSaidBeforeTheButtonIsNotPartOfTheTurn(t *testing.T) {
	holding(t, turn.Config{Start: turn.Pressed(), End: turn.Released()}, func(c *call) {
		c.speaks(500 * ms)
		c.text("before")
		c.turns.Press(true)
		c.wait(100 * ms)
		c.then("pressed soon after", "interrupt", "started")
	})
}

func TestAServiceThatDecidesIsPassedOnAndNothingIsAdded(t *testing.T) {
	holding(t, turn.Config{Start: turn.External(), End: turn.External()}, func(c *call) {
		c.speaks(time.Second)
		c.text("hello")
		c.then("a voice and a transcript", "hello")
		start, stop := &frames.UserStartedSpeaking{Track: "caller", Position: 7, Rate: rate}, &frames.UserStoppedSpeaking{}
		c.AllUp()
		c.SendUp(start)
		if !c.turns.Stats().Speaking {
			t.Error("the caller is not known to have the turn")
		}
		c.SendUp(stop)
		up := c.AllUp()
		if len(up) != 2 || up[0] != frames.Frame(start) || up[1] != frames.Frame(stop) {
			t.Errorf("upstream came %v, want the service's own two frames", up)
		}
		c.wait(time.Minute)
		c.then("later")
		if s := c.turns.Stats(); s.Turns != 1 || s.Interruptions != 0 {
			t.Errorf("it counts %+v, want one turn", s)
		}
	})
}

func TestWhoeverElseTellsOfTurnsIsNotPassedOn(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.SendUp(&frames.UserStartedSpeaking{})
		c.Send(&frames.UserStoppedSpeaking{})
		c.then("downstream")
		if up := c.AllUp(); len(up) != 0 {
			t.Errorf("upstream came %v", up)
		}
	})
}

func TestAllAndAnyOfSeveral(t *testing.T) {
	cfg := turn.Config{
		Start: turn.Any(turn.Pressed(), turn.All(turn.Speech(500*ms), turn.Words(2))),
		End:   turn.Silence(400 * ms),
	}
	holding(t, cfg, func(c *call) {
		c.starts()
		c.interim("one two")
		c.wait(480 * ms)
		c.then("words, but not enough speech")
		c.wait(20 * ms)
		c.then("both", "interrupt", "started")
		c.stops()
		c.wait(220 * ms)
		c.then("at the end", "stopped")
		c.turns.Press(true)
		c.then("or the button", "interrupt", "started")
	})
}

func TestSpeechIsMeasuredByTheDetectorsPositions(t *testing.T) {
	cfg := turn.Config{Start: turn.Speech(300 * ms), End: turn.Silence(0)}
	holding(t, cfg, func(c *call) {
		c.wait(time.Second)
		c.loud = true
		begin := c.at
		c.wait(400 * ms) // before the detector is sure
		c.Send(&frames.VADStarted{Track: "caller", Position: begin, Rate: rate})
		c.then("it told late, of 400 ms", "interrupt", "started")
	})
}

func TestEventsOutOfOrderDoNoHarm(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.Send(&frames.VADStopped{Track: "caller", Rate: rate})
		c.wait(time.Second)
		c.then("an end without a beginning")
		c.starts()
		c.starts()
		c.then("two beginnings", "interrupt", "started")
		c.stops()
		c.Send(&frames.VADStopped{Track: "caller", Position: c.at, Rate: rate})
		c.text("hi")
		c.wait(time.Second)
		c.then("two ends", "hi", "stopped")
		c.botStops()
		c.toolReturns("unknown")
		c.wait(time.Second)
		c.then("ends of what was not begun")
	})
}

func TestALateTranscriptOfATurnIsToldFromTheBeginningOfTheNextByItsPosition(t *testing.T) {
	holding(t, turn.Config{Start: turn.Words(2), End: turn.Silence(300 * ms)}, func(c *call) {
		c.speaks(time.Second) // ends at 1 s
		c.interim("good day")
		c.wait(400 * ms)
		c.then("the first turn", "interrupt", "started", "stopped")
		c.starts()
		c.Send(&frames.Transcription{Text: "good day to you", Track: "caller", Start: 0, End: c.at.At(rate, rate) - 6400, Rate: rate})
		c.then("it passes on, and its words do not start another turn", "good day to you")
	})
}

func TestAnEndInMidTurnEndsItFirst(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.starts()
		c.wait(time.Second)
		if err := c.End(); err != nil {
			t.Error(err)
		}
		c.then("at the end", "interrupt", "started", "stopped", "End(the test ends it)")
	})
}

func TestAStopEndsTheTurnAndTheNextVoiceTakesAnother(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		c.starts()
		c.Send(&frames.Stop{})
		c.then("at the stop", "interrupt", "started", "stopped", "Stop()")
		c.wait(time.Second)
		c.then("the voice that goes on does not start one")
		c.stops()
		c.starts()
		c.then("the next does", "interrupt", "started")
	})
}

func TestASpeakerOnAnotherTrackIsNotTheCaller(t *testing.T) {
	holding(t, turn.Config{Track: "caller"}, func(c *call) {
		c.Send(&frames.VADStarted{Track: "agent", Rate: rate}, &frames.Transcription{Text: "hm", Track: "agent"})
		c.wait(time.Second)
		c.then("the other's transcript passes", "hm")
	})
}

func TestTheRestOfATurnThatWasReleasedIsNotPartOfTheNext(t *testing.T) {
	held := turn.Func(func(f *turn.Facts) (bool, time.Duration) { return f.Held, 0 })
	cfg := turn.Config{Start: turn.Any(turn.Pressed(), turn.Voice()), End: turn.All(turn.Released(), turn.Any(held, turn.Silence(0)))}
	holding(t, cfg, func(c *call) {
		c.turns.Press(true)
		c.starts()
		c.wait(time.Second)
		c.turns.Press(false)
		c.wait(500 * ms)
		c.stops()
		c.then("released in mid-word", "interrupt", "started", "stopped")
		c.wait(300 * ms)
		begin := c.at
		c.starts()
		began := 0
		for _, f := range c.All() {
			if s, ok := f.(*frames.UserStartedSpeaking); ok {
				began++
				if s.Position != begin {
					t.Errorf("the next begins at %v, want %v", at(s.Position), at(begin))
				}
			}
		}
		if began != 1 {
			t.Errorf("%d turns began with the next voice, want 1", began)
		}
	})
}

func TestAButtonThatIsHeldBeforeTheCallBeginsTakesTheTurnWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := turn.New(turn.Config{Start: turn.Pressed(), End: turn.Released()})
		p.Press(true)
		c := &call{t: t, turns: p, Harness: pipelinetest.New(t, p)}
		c.wait(20 * ms)
		c.then("at the beginning", "started")
	})
}
