package turn_test

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/turn"
)

func TestSpeechThatMayNotInterruptIsKeptOrIgnored(t *testing.T) {
	for name, c := range map[string]struct {
		barred turn.Barred
		start  []string
		end    []string
	}{
		"kept":    {turn.Keep, []string{"started"}, []string{"go faster", "stopped"}},
		"ignored": {turn.Ignore, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := turn.Config{Interrupt: turn.Not(turn.ToolRunning()), Barred: c.barred}
			holding(t, cfg, func(h *call) {
				h.toolStarts("1")
				h.starts()
				h.then("when the voice was heard", c.start...)
				h.wait(500 * ms)
				h.stops()
				h.text("go faster")
				h.wait(5 * time.Second)
				h.then("at the end", c.end...)
				h.toolReturns("1")
				h.wait(5 * time.Second)
				h.then("when the tool had returned")
				h.wait(time.Second) // nothing is awaited any more
				h.starts()
				h.then("afterwards", "interrupt", "started")
			})
		})
	}
}

func TestWhoeverStillSpeaksWhenTheToolReturnsHasTheTurn(t *testing.T) {
	for barred, want := range map[turn.Barred][2][]string{
		turn.Keep:   {{"started"}, {}},
		turn.Ignore: {{}, {"interrupt", "started"}},
	} {
		cfg := turn.Config{Interrupt: turn.Not(turn.ToolRunning()), Barred: barred}
		holding(t, cfg, func(c *call) {
			c.toolStarts("1")
			c.starts()
			c.then("while it runs", want[0]...)
			c.Send(&frames.FunctionCallCancel{CallID: "1"})
			c.story() // the cancellation itself is shown
			c.wait(20 * ms)
			if barred == turn.Keep {
				c.then("when it was cancelled", want[1]...)
			} else if !c.turns.Stats().Speaking {
				t.Error("the turn did not begin")
			}
		})
	}
}

func TestAFewWordsDoNotInterruptTheAgentButEnoughDo(t *testing.T) {
	cfg := turn.Config{Interrupt: turn.Words(3), Barred: turn.Ignore}
	holding(t, cfg, func(c *call) {
		c.botStarts()
		c.speaks(300 * ms)
		c.text("uh huh")
		c.wait(5 * time.Second)
		c.then("a backchannel")
		c.starts()
		c.interim("no wait")
		c.then("after two words")
		c.interim("no wait please")
		c.then("after three", "interrupt", "started")
		c.botStops()
		c.stops()
		c.text("no wait please")
		c.wait(time.Second)
		c.then("at the end", "no wait please", "stopped")
		c.speaks(300 * ms)
		c.text("yes")
		c.wait(time.Second)
		c.then("one word before it has answered", "started", "interrupt", "yes", "stopped")
	})
}

func TestAKeptTurnInterruptsAsSoonAsItMay(t *testing.T) {
	holding(t, turn.Config{Interrupt: turn.Speech(500 * ms)}, func(c *call) {
		c.botStarts()
		c.starts()
		c.then("at once", "started")
		c.wait(480 * ms)
		c.then("after 480 ms")
		c.wait(20 * ms)
		c.then("after 500 ms", "interrupt")
		c.wait(5 * time.Second)
		c.then("once only")
	})
}

func TestTheFirstAnswerIsNotInterruptedButTheSecondIs(t *testing.T) {
	holding(t, turn.Config{Interrupt: turn.Not(turn.FirstAnswer())}, func(c *call) {
		c.starts()
		c.then("before the agent has spoken there is nothing to protect", "interrupt", "started")
		c.stops()
		c.text("hi")
		c.wait(time.Second)
		c.story()
		c.botStarts()
		c.speaks(300 * ms)
		c.text("hello")
		c.wait(time.Second)
		c.then("during the first answer", "started", "hello", "stopped")
		c.botStops()
		c.botStarts()
		c.starts()
		c.then("during the second", "interrupt", "started")
	})
}

func TestTheFirstSentenceIsNotInterruptedButTheSecondIs(t *testing.T) {
	holding(t, turn.Config{Interrupt: turn.Not(turn.FirstSentence()), Barred: turn.Ignore}, func(c *call) {
		c.botStarts()
		c.speaks(300 * ms)
		c.wait(3 * time.Second)
		c.then("during the first sentence")
		c.Send(&frames.SpokenText{Text: "Welcome."})
		c.story()
		c.starts()
		c.then("during the second", "interrupt", "started")
	})
}

func TestAnInterruptionSaysWhetherThereWasSomethingToInterrupt(t *testing.T) {
	holding(t, turn.Config{}, func(c *call) {
		reason := func() string {
			c.starts()
			defer c.stops()
			for _, f := range c.All() {
				if i, ok := f.(*interrupted); ok {
					return i.reason
				}
			}
			return ""
		}
		if got := reason(); got != "user turn" {
			t.Errorf("while nothing went on, the reason is %q", got)
		}
		c.text("hi")
		c.wait(time.Second)
		c.botStarts()
		if got := reason(); got != "barge-in" {
			t.Errorf("while the agent spoke, the reason is %q", got)
		}
		if got := c.turns.Stats().Interruptions; got != 1 {
			t.Errorf("%d barge-ins are counted, want 1", got)
		}
	})
}

// ---- false interruptions

var recovering = turn.Config{Recovery: turn.Recovery{On: true}, Barred: turn.Ignore}

// transcribed lets the caller have a turn with a transcript, so that it is known
// that there is a recogniser.
func (c *call) transcribed() {
	c.t.Helper()
	c.speaks(500 * ms)
	c.text("hello")
	c.wait(time.Second)
	c.story()
}

func TestACoughHoldsTheAgentForAMomentOnly(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.transcribed()
		c.botStarts()
		c.starts()
		c.then("when a voice was heard", "pause")
		c.botStops() // which the output reports
		c.wait(300 * ms)
		c.stops() // 500 ms after the pause
		c.wait(1480 * ms)
		c.then("1.98 s after the pause")
		c.wait(20 * ms)
		c.then("2 s after the pause", "resume")
		c.botStarts()
		c.wait(5 * time.Second)
		c.then("later")
		c.starts()
		c.then("the next voice", "pause")
	})
}

func TestWordsMakeABargeInReal(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.transcribed()
		c.botStarts()
		c.starts()
		c.botStops()
		c.wait(700 * ms)
		c.interim("stop")
		c.then("when a word came", "pause", "interrupt", "started")
		c.stops()
		c.text("stop it")
		c.wait(time.Second)
		c.then("at the end", "stop it", "stopped")
		if s := c.turns.Stats(); s.Doubts != 1 || s.Resumed != 0 {
			t.Errorf("it counts %+v, want one doubt and no resumption", s)
		}
	})
}

func TestWithoutARecogniserTheLengthOfSpeechDecides(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.botStarts()
		c.starts()
		c.botStops()
		c.wait(300 * ms)
		c.then("after 300 ms", "pause")
		c.stops()
		c.then("when they were all", "resume")
		c.botStarts()
		c.starts()
		c.botStops()
		c.wait(680 * ms)
		c.then("after 680 ms of the next", "pause")
		c.wait(20 * ms)
		c.then("after 700 ms", "interrupt", "started")
	})
}

func TestTheFirstWordOfACallIsNotLostBecauseNoRecogniserWasKnown(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.botStarts()
		c.starts()
		c.botStops()
		c.wait(300 * ms)
		c.stops()
		c.then("after a short voice", "pause", "resume")
		c.botStarts()
		c.wait(200 * ms)
		c.text("stop")
		c.then("when its transcript came", "interrupt", "started", "stop")
	})
}

func TestWordsThatComeAfterTheAgentWentOnInterruptItNevertheless(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.transcribed()
		c.botStarts()
		c.starts()
		c.botStops()
		c.wait(2100 * ms)
		c.then("a long voice without words", "pause", "resume")
		c.botStarts()
		c.wait(time.Second)
		c.then("which goes on")
		c.interim("could you")
		c.then("and has words at last", "interrupt", "started")
	})
}

func TestFewerWordsThanAskedForAreAFalseInterruption(t *testing.T) {
	for barred, want := range map[turn.Barred][]string{
		turn.Ignore: {"pause", "resume"},
		turn.Keep:   {"pause", "resume", "started", "mm hm", "stopped"},
	} {
		cfg := turn.Config{Recovery: turn.Recovery{On: true, Words: 3}, Barred: barred}
		holding(t, cfg, func(c *call) {
			c.transcribed()
			c.botStarts()
			c.speaks(300 * ms)
			c.botStops()
			c.text("mm hm")
			c.wait(2 * time.Second)
			c.botStarts()
			c.wait(2 * time.Second)
			c.then("after two words", want...)
		})
	}
}

func TestAButtonIsNoFalseInterruption(t *testing.T) {
	cfg := turn.Config{Start: turn.Any(turn.Voice(), turn.Pressed()), Recovery: turn.Recovery{On: true}}
	holding(t, cfg, func(c *call) {
		c.botStarts()
		c.turns.Press(true)
		c.then("at once", "interrupt", "started")
	})
}

func TestAButtonThatIsHeldUntilTheAgentIsSilentTakesTheTurnThen(t *testing.T) {
	cfg := turn.Config{Start: turn.Pressed(), End: turn.Released(), Interrupt: turn.Never(), Barred: turn.Ignore}
	holding(t, cfg, func(c *call) {
		c.botStarts()
		c.turns.Press(true)
		c.wait(10 * time.Second)
		c.then("while it speaks")
		c.botStops()
		c.then("when it has stopped", "interrupt", "started")
	})
}

func TestWordsThatWereIgnoredDoNotStartATurnWhenTheAgentStops(t *testing.T) {
	cfg := turn.Config{Start: turn.Words(1), Interrupt: turn.Words(3), Barred: turn.Ignore}
	holding(t, cfg, func(c *call) {
		c.botStarts()
		c.text("uh huh") // there is no detector
		c.wait(500 * ms)
		c.botStops()
		c.wait(5 * time.Second)
		c.then("afterwards")
		c.text("hello")
		c.then("new words do", "interrupt", "started", "hello")
	})
}

func TestNothingIsHeldWhereInterruptionIsNotAllowedAnyhow(t *testing.T) {
	cfg := turn.Config{Interrupt: turn.Not(turn.ToolRunning()), Barred: turn.Ignore, Recovery: turn.Recovery{On: true}}
	holding(t, cfg, func(c *call) {
		c.transcribed()
		c.botStarts()
		c.toolStarts("1")
		c.starts()
		c.interim("hello")
		c.wait(time.Second)
		c.then("while a tool runs")
		c.toolReturns("1")
		c.wait(20 * ms)
		c.then("afterwards", "interrupt", "started")
	})
}

func TestSomebodyElsesInterruptionEndsTheDoubt(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.transcribed()
		c.botStarts()
		c.starts()
		c.botStops()
		c.then("in doubt", "pause")
		c.Interrupt("the application")
		c.wait(100 * ms)
		c.then("the agent is silent, so the voice has the turn", "interrupt", "started")
	})
}

func TestAnAgentThatHadNothingLeftToSayHasStopped(t *testing.T) {
	holding(t, turn.Config{Recovery: turn.Recovery{On: true}, Idle: []turn.Reminder{{After: 10 * time.Second, Do: turn.Say("Hm?")}}}, func(c *call) {
		c.transcribed()
		c.botStarts()
		c.speaks(100 * ms)
		c.botStops()
		c.wait(2 * time.Second)
		c.then("it was held and let go", "pause", "resume")
		c.wait(12 * time.Second)
		c.then("and counts as silent a second later", `Text(instruction "Hm?")`)
	})
}

func TestAnEndInDoubtLetsTheAgentGoOn(t *testing.T) {
	holding(t, recovering, func(c *call) {
		c.transcribed()
		c.botStarts()
		c.starts()
		if err := c.End(); err != nil {
			t.Error(err)
		}
		c.then("at the end", "pause", "resume", "End(the test ends it)")
	})
}

func TestAButtonThatIsStuckIsGivenUp(t *testing.T) {
	cfg := turn.Config{Start: turn.Pressed(), End: turn.Released(), Interrupt: turn.Never(), Barred: turn.Ignore, MaxTurn: time.Minute}
	holding(t, cfg, func(c *call) {
		c.botStarts()
		c.turns.Press(true)
		c.wait(61 * time.Second)
		c.botStops()
		c.wait(time.Second)
		c.then("when the agent stopped after a minute")
		c.turns.Press(false)
		c.turns.Press(true)
		c.then("pressed again", "interrupt", "started")
	})
}

func TestWordsOfADoubtThatEndsWithTheCallAreATurn(t *testing.T) {
	for name, c := range map[string]struct {
		says string
		want []string
	}{
		"words":    {"well", []string{"resume", "started", "stopped", "well", "End(over)"}},
		"no words": {"", []string{"resume", "End(over)"}},
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, turn.Config{Recovery: turn.Recovery{On: true, Words: 3}}, func(call *call) {
				call.transcribed()
				call.botStarts()
				call.starts()
				call.wait(300 * ms)
				if c.says != "" {
					call.text(c.says)
				}
				call.story()
				call.Send(&frames.End{Reason: "over"})
				// The end of the turn is a system frame, and may overtake its words.
				if got := call.story(); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(c.want))) || got[len(got)-1] != "End(over)" {
					t.Errorf("at the end came %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestAConditionThatAsksForATimeThatIsOverIsNotAskedForEver(t *testing.T) {
	asked := 0
	late := turn.Func(func(f *turn.Facts) (bool, time.Duration) { asked++; return false, f.Now - ms })
	holding(t, turn.Config{Interrupt: late, Mute: late}, func(c *call) {
		c.wait(time.Second)
		if asked == 0 || asked > 1000 {
			t.Errorf("it was asked %d times in a second", asked)
		}
	})
}

func TestAVoiceThatIsHeldGoesOnAtOnceWhenNothingMayInterruptItAnyMore(t *testing.T) {
	cfg := turn.Config{Recovery: turn.Recovery{On: true, Words: 3}, Barred: turn.Ignore, Interrupt: turn.Not(turn.ToolRunning())}
	holding(t, cfg, func(c *call) {
		c.transcribed()
		c.botStarts()
		c.starts()
		c.wait(200 * ms)
		c.then("it may be a barge-in", "pause")
		c.toolStarts("1")
		c.then("a function runs, which nothing cuts off", "resume")
	})
}
