package novasonic_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/tool"
)

func echo() sonictest.Brain {
	return sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		return sonictest.Say("You said " + turn.Text + ".")
	})
}

func TestAudioThatPlaysOnAfterItsStreamDiedIsRecordedAsHeard(t *testing.T) {
	sc := sonictest.Config{
		Brain:    sonictest.Sequence(sonictest.Say("This takes a few seconds to say, but no time at all to deliver to anybody who listens."), sonictest.Say("Yes.")),
		Delivery: sonictest.Delivery{Speed: 50},
	}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.says("1")
		r.waitsFor("end", isA[*frames.LLMResponseEnd])
		r.waits(time.Second)
		r.strike(0, sonictest.Reset())
		r.waits(10 * time.Second)
		sentence := r.streams()[0].Answers[0].Sentences[0]
		if !slices.Equal(r.ear.heard(), sentence.PCM) {
			t.Errorf("%d samples were heard, want all %d", len(r.ear.heard()), len(sentence.PCM))
		}
		spoken := of[*frames.SpokenText](r)
		if len(spoken) != 1 || spoken[0].Text != sentence.Text || spoken[0].Interrupted {
			t.Errorf("the caller heard all, the record says %v", spoken)
		}
		if h := r.streams()[1].History; len(h) != 2 || h[1].Text != sentence.Text {
			t.Errorf("the next stream was told %+v", h)
		}
	})
}

func TestWordsThatWereAnsweredAreRememberedWhenLaterOnesAreReplayed(t *testing.T) {
	slow := weather(func(context.Context, city) (string, error) { time.Sleep(20 * time.Second); return "fog", nil })
	sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Kind != sonictest.ToolResults && turn.Text == "one two" {
			return sonictest.Call("get_weather", `{"city":"Ulm"}`)
		}
		return sonictest.Say("You said " + turn.Text + ".")
	})}
	call(t, sc, novasonic.Config{Tools: tool.Set{slow}}, func(r *rig) {
		r.says("12")
		r.waitsFor("call", isA[*frames.FunctionCallInProgress])
		r.waits(time.Second)
		go func() { time.Sleep(time.Second); r.strike(0, sonictest.Reset()) }()
		r.says("3456789")
		r.waits(5 * time.Second)
		t.Logf("history of 2: %+v", r.streams()[1].History)
		if h := r.streams()[1].History; len(h) == 0 || !strings.Contains(h[0].Text, "one two") {
			t.Errorf("the second stream does not know that the caller said 'one two': %+v", h)
		}
		r.waits(20 * time.Second)
	})
}

func TestATextBeforeTheEndIsAnswered(t *testing.T) {
	call(t, sonictest.Config{Brain: echo()}, novasonic.Config{}, func(r *rig) {
		r.waits(2 * time.Second)
		if err := r.pipe.Send(context.Background(), &frames.Text{Text: "say goodbye"}); err != nil {
			t.Fatal(err)
		}
		r.pipe.End("bye")
		<-r.done
		if len(of[*frames.AudioOutput](r)) == 0 {
			t.Errorf("the text before End had no answer")
		}
	})
}

func TestTheRecordOfTheLastAnswerSurvivesTheEnd(t *testing.T) {
	call(t, sonictest.Config{Brain: echo()}, novasonic.Config{}, func(r *rig) {
		r.says("1")
		r.waitsFor("end", isA[*frames.LLMResponseEnd])
		r.pipe.End("bye")
		<-r.done
		if len(of[*frames.SpokenText](r)) != 1 {
			t.Errorf("no transcript of the last answer; seen:\n%s", r.ear.transcript())
		}
	})
}

func TestRecordsThatComeOutOfOrderAreToldOnce(t *testing.T) {
	sc := sonictest.Config{
		Brain:     sonictest.Sequence(sonictest.Say("The first sentence.", "And the second one.")),
		Behaviour: sonictest.Behaviour{FinalText: sonictest.FinalOutOfOrder},
	}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.says("1")
		r.waits(10 * time.Second)
		got := texts(r, func(f *frames.SpokenText) string { return f.Text })
		if len(got) != 2 {
			t.Errorf("spoken: %q", got)
		}
		r.strike(0, sonictest.Reset())
		r.waits(3 * time.Second)
		t.Logf("history: %q", r.streams()[1].History)
	})
}

func TestPositionsStayOnTheCallersClockBehindAMute(t *testing.T) {
	call(t, sonictest.Config{Brain: echo()}, novasonic.Config{}, func(r *rig) {
		r.waits(time.Second)
		r.caller.mute(true)
		r.waits(20 * time.Second)
		r.caller.mute(false)
		before := time.Since(r.began)
		r.says("1")
		r.waits(5 * time.Second)
		f := of[*frames.Transcription](r)[0]
		if got := f.Rate.Duration(int64(f.Start)); (got - before).Abs() > time.Second {
			t.Errorf("said at %v on the caller's clock, transcribed at %v; track %q", before, got, f.Track)
		}
	})
}

func TestAResultInWordsWaitsUntilItInterruptsNobody(t *testing.T) {
	slow := weather(func(context.Context, city) (string, error) { time.Sleep(12 * time.Second); return "fog", nil })
	sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		switch {
		case turn.Kind == sonictest.Written:
			return sonictest.Say("I read it.")
		case turn.Text == "one":
			return sonictest.Call("get_weather", `{"city":"Ulm"}`)
		}
		return sonictest.Say("This is a rather long answer that goes on for several seconds, so that there is a lot of time in which a tool may return before it has come to its end.")
	})}
	call(t, sc, novasonic.Config{Tools: tool.Set{slow}}, func(r *rig) {
		r.says("1")
		r.waitsFor("call", isA[*frames.FunctionCallInProgress])
		r.strike(0, sonictest.Reset())
		r.waits(4 * time.Second)
		r.says("2")
		r.waits(20 * time.Second)
		if n := len(of[*frames.Interruption](r)); n != 0 {
			t.Errorf("the agent was cut off in mid-sentence by a tool's result, %d interruptions", n)
		}
	})
}

func TestAServiceThatFailsForAMomentIsSurvived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, sonictest.Config{Brain: echo(), Faults: []sonictest.Fault{{Streams: []int{1, 2, 3, 4, 5}, After: 20 * time.Millisecond, Do: sonictest.Instability()}}}, novasonic.Config{})
		r.waits(30 * time.Second)
		began := time.Now()
		r.strike(0, sonictest.Instability())
		select {
		case <-r.done:
			t.Errorf("gave up after %v: %v", time.Since(began), r.runErr)
		case <-time.After(20 * time.Second):
			r.pipe.End("x")
			<-r.done
		}
		r.srv.Close()
	})
}

func TestWithoutSpeechEventsNothingIsAnsweredTwice(t *testing.T) {
	sc := sonictest.Config{Brain: echo(), Behaviour: sonictest.Behaviour{UserSpeech: sonictest.Off}}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.says("1234")
		r.waitsFor("answer", isA[*frames.AudioOutput])
		r.strike(0, sonictest.Reset())
		r.waits(10 * time.Second)
		got := texts(r, func(f *frames.Transcription) string { return f.Text })
		if !slices.Equal(got, []string{"one two three four"}) {
			t.Errorf("understood %q", got)
		}
	})
}

func TestWithoutSpeechEventsAnUtteranceSurvivesItsStream(t *testing.T) {
	sc := sonictest.Config{Brain: echo(), Behaviour: sonictest.Behaviour{UserSpeech: sonictest.Off}}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.waits(2 * time.Second)
		go func() { time.Sleep(3 * time.Second); r.strike(0, sonictest.Reset()) }()
		r.says("1234567890123")
		r.waits(10 * time.Second)
		got := texts(r, func(f *frames.Transcription) string { return f.Text })
		if want := []string{"one two three four five six seven eight nine zero one two three"}; !slices.Equal(got, want) {
			t.Errorf("understood %q, want %q", got, want)
		}
	})
}

func TestAnAnswerFollowsAFillerThatWasInterrupted(t *testing.T) {
	slow := weather(func(context.Context, city) (string, error) { time.Sleep(8 * time.Second); return "fog", nil })
	sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Kind == sonictest.ToolResults {
			return sonictest.Say("It is foggy.")
		}
		a := sonictest.Say("Let me have a look at that for you, it may take me a moment or two.")
		a.Calls = []sonictest.ToolCall{{Name: "get_weather", Arguments: `{"city":"Oslo"}`}}
		return a
	})}
	call(t, sc, novasonic.Config{Tools: tool.Set{slow}}, func(r *rig) {
		r.says("1")
		r.waitsFor("answer", isA[*frames.AudioOutput])
		r.waits(500 * time.Millisecond)
		r.pipe.Interrupt("app")
		r.waits(15 * time.Second)
		got := texts(r, func(f *frames.LLMText) string { return f.Text })
		if !slices.Contains(got, "It is foggy.") {
			t.Errorf("announced %q; seen\n%s", got, r.ear.transcript())
		}
	})
}

func TestAPanicInTheApplicationsCodeClosesTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, sonictest.Config{Brain: echo()}, novasonic.Config{DTMF: novasonic.DTMFConfig{Format: func(string) string { panic("oh") }}})
		r.waits(time.Second)
		_ = r.pipe.Send(context.Background(), &frames.DTMFInput{Digit: '#'})
		<-r.done
		if p := (*pipeline.PanicError)(nil); !errors.As(r.runErr, &p) || p.Value != "oh" {
			t.Errorf("the run ended with %v", r.runErr)
		}
		r.waits(5 * time.Second)
		if s := r.streams()[0]; s.End.Kind != sonictest.ClosedBoth {
			t.Errorf("stream end: %v", s.End.Kind)
		}
		r.srv.Close()
	})
}

func TestNothingOfACutAnswerComesAfterAnInterruption(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	leaks := 0
	for i := range 60 {
		sc := sonictest.Config{Brain: sonictest.Sequence(sonictest.Say("The first sentence is long enough to be cut.", "The second one must not be heard."))}
		synctest.Test(t, func(t *testing.T) {
			r := start(t, sc, novasonic.Config{})
			r.says("1")
			r.waitsFor("answer", isA[*frames.AudioOutput])
			r.waits(time.Duration(i) * 5 * time.Millisecond)
			r.pipe.Interrupt("app")
			r.waits(5 * time.Second)
			r.pipe.End("x")
			<-r.done
			r.srv.Close()
			after := false
			for _, f := range r.ear.all() {
				switch f := f.(type) {
				case *frames.Interruption:
					after = true
				case *frames.AudioOutput:
					if after {
						leaks++
						t.Logf("i=%d leaked %v %s", i, f, f.Response)
					}
				}
			}
		})
	}
	if leaks > 0 {
		t.Errorf("%d leaked", leaks)
	}
}

func TestABargeInOverTheAudioOfADeadStreamIsQuick(t *testing.T) {
	sc := sonictest.Config{
		Brain:    sonictest.Sequence(sonictest.Say("This takes a good many seconds to say, but no time at all to deliver to anybody who listens, and so on and so forth, until the very end of it all, which is far away."), sonictest.Say("Yes.")),
		Delivery: sonictest.Delivery{Speed: 50},
	}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.says("1")
		r.waitsFor("end", isA[*frames.LLMResponseEnd])
		r.waits(500 * time.Millisecond)
		r.strike(0, sonictest.Reset())
		r.waits(1000 * time.Millisecond)
		began := time.Now()
		var at time.Duration
		go func() {
			for at == 0 && time.Since(began) < 10*time.Second {
				if len(of[*frames.Interruption](r)) > 0 {
					at = time.Since(began)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		r.says("23456")
		r.waits(12 * time.Second)
		if n := len(of[*frames.Interruption](r)); n != 1 || at > 400*time.Millisecond {
			t.Errorf("interrupted %d times, first %v after the caller began to speak", n, at)
		}
	})
}

// Far from the service, a stream that takes over is some time behind what it hears
// again, and nobody knows yet what is in that.
func TestAResultInWordsWaitsForWhatIsHeardAgain(t *testing.T) {
	slow := weather(func(context.Context, city) (string, error) { time.Sleep(2 * time.Second); return "fog", nil })
	sc := sonictest.Config{Distance: 70 * time.Millisecond, Behaviour: sonictest.Behaviour{UserSpeech: sonictest.Off}, Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		switch {
		case turn.Kind == sonictest.Written:
			return sonictest.Say("I read it.")
		case turn.Kind == sonictest.ToolResults:
			return sonictest.Answer{}
		case turn.Text == "one":
			return sonictest.Call("get_weather", `{"city":"Ulm"}`)
		}
		return sonictest.Say("You said something that took you a long time.")
	})}
	call(t, sc, novasonic.Config{Tools: tool.Set{slow}}, func(r *rig) {
		r.says("1")
		r.waitsFor("call", isA[*frames.FunctionCallInProgress])
		r.waits(time.Second)
		r.strike(0, sonictest.StallWrites()) // nothing is told of what it hears from now on
		r.waits(time.Second)
		r.says("23456789012345678901")
		r.waits(25 * time.Second)
		if n := len(of[*frames.Interruption](r)); n != 0 {
			t.Errorf("the agent was cut off in mid-sentence by a tool's result, %d interruptions", n)
		}
		if got := spoken(r); !slices.Equal(got, []string{"You said something that took you a long time.", "I read it."}) {
			t.Errorf("the agent said %q", got)
		}
	})
}

// An answer that the caller has interrupted, and of which no marker tells, is over
// when a stream that no longer listens tells what it has heard: what it says of that
// is no part of it.
func TestAnOldStreamsAnswerToAFragmentIsNoPartOfTheOneBefore(t *testing.T) {
	sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Text == "one" {
			return sonictest.Say("This is a rather long answer that goes on for several seconds, so that there is a lot of time to interrupt it.")
		}
		return sonictest.Say("You said " + turn.Text + ".")
	}), Behaviour: sonictest.Behaviour{Interruption: sonictest.Interruption{NoMarker: true, AudioPartial: true}}, Faults: []sonictest.Fault{
		{Streams: []int{1}, Input: "audioInput", Nth: 1, Do: sonictest.StallReads()},
	}}
	nc := novasonic.Config{Continuation: novasonic.Continuation{Prepare: 6 * time.Second, Prefer: 12 * time.Second, Force: 12 * time.Second, Jitter: -1, Limit: 3 * time.Minute}}
	call(t, sc, nc, func(r *rig) {
		r.struck.Store(1, true)
		r.waits(4 * time.Second)
		r.says("1")
		r.waits(3 * time.Second)
		r.says("2345678901234567890123456789")
		r.waits(25 * time.Second)
		got := spoken(r)
		if len(got) != 2 || !strings.HasPrefix(got[0], "This is a rather long answer") || got[1] != "You said two three four five six seven eight nine zero one two three four five six seven eight nine zero one two three four five six seven eight nine." {
			t.Errorf("the agent said %q", got)
		}
	})
}

// A stream that drains only until the text of what it said has come holds up no move
// away from one that does not hear the caller.
func TestADeafStreamIsLeftThoughARecordIsStillToCome(t *testing.T) {
	sc := sonictest.Config{Brain: echo(), Behaviour: sonictest.Behaviour{FinalLate: time.Minute}}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.says("1")
		r.waits(500 * time.Millisecond)
		if err := r.sonic.Rotate(context.Background(), "a test"); err != nil {
			t.Fatal(err)
		}
		r.waitsFor("cut", func(f frames.Frame) bool {
			w, ok := f.(*novasonic.Swap)
			return ok && w.Step == novasonic.SwapCut && w.Number == 1
		})
		r.waits(time.Second)
		r.strike(1, sonictest.Stall())
		struck := time.Now()
		r.waitsFor("cut", func(f frames.Frame) bool {
			w, ok := f.(*novasonic.Swap)
			return ok && w.Step == novasonic.SwapCut && w.Number == 2
		})
		if took := time.Since(struck); took > 3*time.Second {
			t.Errorf("it is left after %v", took)
		}
	})
}
