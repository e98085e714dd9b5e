package novasonic_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/tool"
)

// answering is a brain that says one sentence to each turn of the user's.
func answering(sentences ...string) sonictest.Brain {
	var answers []sonictest.Answer
	for _, s := range sentences {
		answers = append(answers, sonictest.Say(s))
	}
	return sonictest.Sequence(answers...)
}

func TestAConversationIsHeardAnsweredAndRecorded(t *testing.T) {
	call(t, sonictest.Config{Brain: answering("Good morning.", "Six o'clock.")}, novasonic.Config{}, func(r *rig) {
		r.says("12")
		r.waits(8 * time.Second)
		r.says("345")
		r.waits(10 * time.Second)

		if got, want := texts(r, func(f *frames.Transcription) string { return f.Text }), []string{"one two", "three four five"}; !slices.Equal(got, want) {
			t.Errorf("the user was understood as %q, want %q", got, want)
		}
		if got, want := texts(r, func(f *frames.SpokenText) string { return f.Text }), []string{"Good morning.", "Six o'clock."}; !slices.Equal(got, want) {
			t.Errorf("the agent is said to have spoken %q, want %q", got, want)
		}
		// Sample for sample, what was heard is what the service spoke.
		var want []int16
		for _, a := range r.streams()[0].Answers {
			for _, s := range a.Sentences {
				want = append(want, s.PCM...)
			}
		}
		if got := r.ear.heard(); !slices.Equal(got, want) {
			t.Errorf("%d samples were heard, want exactly the %d that the service spoke", len(got), len(want))
		}
		order := []string{}
		for _, f := range r.ear.all() {
			switch f.(type) {
			case *frames.LLMResponseStart, *frames.TTSStart, *frames.TTSStop, *frames.LLMResponseEnd:
				order = append(order, strings.SplitN(f.String(), "(", 2)[0])
			}
		}
		one := []string{"LLMResponseStart", "TTSStart", "TTSStop", "LLMResponseEnd"}
		if want := slices.Concat(one, one); !slices.Equal(order, want) {
			t.Errorf("responses are bracketed by %v, want %v", order, want)
		}
	})
}

func TestTheStreamIsOpenedInTheDocumentedOrder(t *testing.T) {
	temperature := 0.0
	tokens := 4096
	cfg := novasonic.Config{
		Voice: "tiffany", Instructions: "Be brief.", SpeechInstructions: "Speak slowly.",
		Endpointing: novasonic.EndpointingHigh, OutputRate: 16000,
		Inference:  novasonic.Inference{Temperature: &temperature, MaxTokens: &tokens},
		History:    []novasonic.Message{{Role: novasonic.User, Text: "Hi."}, {Role: novasonic.Assistant, Text: "Hello."}},
		Tools:      tool.Set{clock},
		ToolChoice: novasonic.ToolNamed("get_time"),
	}
	call(t, sonictest.Config{Brain: answering()}, cfg, func(r *rig) {
		r.waits(time.Second)
		r.pipe.End("enough")
		<-r.done
		s := r.streams()[0]
		var names []string
		for _, e := range s.Events {
			if e.Name == "contentStart" {
				e.Name += " " + e.Type + " " + e.Role
			}
			names = append(names, e.Name)
		}
		text := func(role string) []string { return []string{"contentStart TEXT " + role, "textInput", "contentEnd"} }
		want := slices.Concat([]string{"sessionStart", "promptStart"},
			text("SYSTEM"), text("SYSTEM_SPEECH"), text("USER"), text("ASSISTANT"),
			[]string{"contentStart AUDIO USER", "contentEnd", "promptEnd", "sessionEnd"})
		if !slices.Equal(names, want) {
			t.Errorf("events:\n%q, want\n%q", names, want)
		}
		if s.Voice != "tiffany" || s.Instructions != "Be brief." || s.SpeechStyle != "Speak slowly." || s.Sensitivity != "HIGH" ||
			s.OutputRate != 16000 || s.MaxTokens != 4096 || s.ToolChoice != "tool:get_time" || len(s.Tools) != 1 || s.Tools[0].Name != "get_time" {
			t.Errorf("the stream was set up with %+v", s)
		}
		if s.End.Kind != sonictest.ClosedBoth {
			t.Errorf("the stream was %v, want it closed in order", s.End.Kind)
		}
	})
}

type noArguments struct{}

var clock = tool.Must(tool.New("get_time", "Tells the time.", func(context.Context, noArguments) (string, error) { return "noon", nil }))

func TestAudioOfAnyRateAndChannelsIsUnderstoodAtEveryRateOfTheService(t *testing.T) {
	for _, in := range []audio.SampleRate{8000, 16000, 24000} {
		for _, from := range []audio.Format{audio.Mono(8000), audio.Mono(11025), audio.Stereo(16000), audio.Mono(24000), audio.Stereo(44100), audio.Mono(48000)} {
			t.Run(fmt.Sprintf("%v as %v", from, in), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := prepare(t, sonictest.Config{Brain: answering("Yes.")}, novasonic.Config{InputRate: in, OutputRate: in})
					r.caller.rate, r.caller.channels = from.Rate, from.Channels
					r.run()
					r.says("369")
					r.waits(5 * time.Second)
					r.finish()
					if got := texts(r, func(f *frames.Transcription) string { return f.Text }); !slices.Equal(got, []string{"three six nine"}) {
						t.Errorf("understood %q", got)
					}
					for _, f := range of[*frames.AudioOutput](r) {
						if f.Format != audio.Mono(in) {
							t.Fatalf("the agent's audio is %v", f.Format)
						}
					}
				})
			})
		}
	}
}

func TestPositionsAreOnTheCallersClock(t *testing.T) {
	call(t, sonictest.Config{Brain: answering("Yes.")}, novasonic.Config{}, func(r *rig) {
		r.waits(2 * time.Second)
		before := time.Since(r.began)
		r.says("1")
		after := time.Since(r.began)
		r.waits(4 * time.Second)
		f := of[*frames.Transcription](r)[0]
		start, end := f.Rate.Duration(int64(f.Start)), f.Rate.Duration(int64(f.End))
		near := func(got, want time.Duration) bool { return (got - want).Abs() < 60*time.Millisecond }
		if !near(start, before) || !near(end, after-80*time.Millisecond /* the pause behind a key */) {
			t.Errorf("said from %v to %v, heard from %v to %v", before, after, start, end)
		}
		if got := of[*frames.UserStoppedSpeaking](r)[0]; got.Position != f.End {
			t.Errorf("UserStoppedSpeaking at %d, the transcription ends at %d", got.Position, f.End)
		}
	})
}

func TestTheAgentSpeaksFirst(t *testing.T) {
	brain := sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		return sonictest.Say("You wrote: " + turn.Text)
	})
	call(t, sonictest.Config{Brain: brain}, novasonic.Config{SpeakFirst: "Greet the caller."}, func(r *rig) {
		r.waitsFor("greeting", isA[*frames.SpokenText])
		if got := of[*frames.SpokenText](r)[0].Text; got != "You wrote: Greet the caller." {
			t.Errorf("the agent said %q", got)
		}
	})
}

func TestTextAndKeysAreAnsweredInMidCall(t *testing.T) {
	brain := sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		return sonictest.Say("Got " + turn.Text)
	})
	call(t, sonictest.Config{Brain: brain}, novasonic.Config{}, func(r *rig) {
		ctx := context.Background()
		r.waits(time.Second)
		if err := r.pipe.Send(ctx, &frames.Text{Text: "hello"}); err != nil {
			t.Fatal(err)
		}
		r.waits(6 * time.Second)
		for _, key := range []byte("12#") { // '#' ends it
			if err := r.pipe.Send(ctx, &frames.DTMFInput{Digit: key}); err != nil {
				t.Fatal(err)
			}
		}
		r.waits(6 * time.Second)
		for _, key := range []byte("34") { // a pause ends it
			if err := r.pipe.Send(ctx, &frames.DTMFInput{Digit: key}); err != nil {
				t.Fatal(err)
			}
		}
		r.waits(8 * time.Second)
		got := texts(r, func(f *frames.SpokenText) string { return f.Text })
		if want := []string{"Got hello", "Got DTMF: 12#", "Got DTMF: 34"}; !slices.Equal(got, want) {
			t.Errorf("the agent said %q, want %q", got, want)
		}
	})
}

func TestTheFirstModelSaysThatItTakesNoText(t *testing.T) {
	call(t, sonictest.Config{Brain: answering("Yes.")}, novasonic.Config{Model: novasonic.ModelV1}, func(r *rig) {
		r.waits(time.Second)
		if err := r.pipe.Send(context.Background(), &frames.Text{Text: "hello"}); err != nil {
			t.Fatal(err)
		}
		r.says("5")
		r.waits(5 * time.Second)
		errs := r.ear.errors()
		if len(errs) != 1 || !errors.Is(errs[0].Err, novasonic.ErrTextUnsupported) || errs[0].Kind != frames.ErrorInvalidRequest {
			t.Errorf("errors: %v", errs)
		}
		if got := texts(r, func(f *frames.SpokenText) string { return f.Text }); !slices.Equal(got, []string{"Yes."}) {
			t.Errorf("the call went on with %q", got)
		}
	})
}

func TestBargeInSilencesTheAgentInEveryForm(t *testing.T) {
	long := "This is a rather long answer that goes on for several seconds, so that there is time to interrupt it before it has come to its end."
	for name, form := range map[string]sonictest.Interruption{
		"marker":                        {},
		"marker, texts before it":       {FinalBefore: true},
		"audio says INTERRUPTED":        {AudioInterrupted: true},
		"audio says PARTIAL_TURN":       {AudioPartial: true},
		"audio trickles in afterwards":  {Trailing: 500 * time.Millisecond},
		"no marker":                     {NoMarker: true},
		"no marker, audio PARTIAL_TURN": {NoMarker: true, AudioPartial: true},
		"no marker, audio INTERRUPTED":  {NoMarker: true, AudioInterrupted: true},
	} {
		t.Run(name, func(t *testing.T) {
			sc := sonictest.Config{
				Brain:     sonictest.Sequence(sonictest.Say(long), sonictest.Say("Very well.")),
				Behaviour: sonictest.Behaviour{Interruption: form},
			}
			call(t, sc, novasonic.Config{}, func(r *rig) {
				r.says("1")
				r.waitsFor("answer", isA[*frames.AudioOutput])
				r.waits(2 * time.Second)
				r.says("2")
				r.waits(8 * time.Second)

				if n := len(of[*frames.Interruption](r)); n != 1 {
					t.Errorf("%d interruptions, want 1", n)
				}
				answers := r.streams()[0].Answers
				first, second := answers[0].Sentences[0].PCM, answers[1].Sentences[0].PCM
				heard := r.ear.heard()
				cut := len(heard) - len(second)
				if cut <= 0 || cut >= len(first) || !slices.Equal(heard[:cut], first[:cut]) || !slices.Equal(heard[cut:], second) {
					t.Fatalf("heard %d samples: want the beginning of the first answer (%d) and all of the second (%d)", len(heard), len(first), len(second))
				}
			})
		})
	}
}

func TestABargeInAfterTheServiceHasSaidAllStillSilencesWhatIsPlaying(t *testing.T) {
	sc := sonictest.Config{
		Brain:    sonictest.Sequence(sonictest.Say("This takes a few seconds to say, but no time at all to deliver."), sonictest.Say("Yes.")),
		Delivery: sonictest.Delivery{Speed: 50},
	}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.says("1")
		r.waitsFor("end of the response", isA[*frames.LLMResponseEnd])
		r.waits(time.Second)
		r.says("2")
		r.waits(8 * time.Second)
		first := r.streams()[0].Answers[0].Sentences[0].PCM
		second := r.streams()[0].Answers[1].Sentences[0].PCM
		heard := r.ear.heard()
		if cut := len(heard) - len(second); cut >= len(first) || !slices.Equal(heard[cut:], second) {
			t.Errorf("all %d samples of the first answer were heard", len(first))
		}
	})
}

func TestWhatWasHeardIsWhatIsSaidToHaveBeenSpoken(t *testing.T) {
	sc := sonictest.Config{
		Brain:     sonictest.Sequence(sonictest.Say("One two three four five six seven eight nine ten eleven twelve thirteen fourteen."), sonictest.Say("Yes.")),
		Behaviour: sonictest.Behaviour{FinalText: sonictest.FinalMissing},
	}
	synctest.Test(t, func(t *testing.T) {
		r := start(t, sc, novasonic.Config{})
		r.says("1")
		r.waitsFor("answer", isA[*frames.AudioOutput])
		r.waits(2 * time.Second)
		r.says("2")
		r.waits(8 * time.Second)
		r.strike(0, sonictest.Reset()) // no FINAL text will ever come
		r.waits(2 * time.Second)
		r.finish()
		spoken := of[*frames.SpokenText](r)
		if len(spoken) != 2 || !spoken[0].Interrupted || spoken[1].Interrupted {
			t.Fatalf("spoken: %v", spoken)
		}
		if !strings.HasPrefix("One two three four five six seven eight nine ten eleven", spoken[0].Text) || !strings.HasPrefix(spoken[0].Text, "One two three") {
			t.Errorf("after two of five seconds the caller is said to have heard %q", spoken[0].Text)
		}
		// The stream that took over was told the same.
		history := r.streams()[1].History
		if want := spoken[0].Text + " [interrupted]"; len(history) < 2 || history[1].Text != want {
			t.Errorf("the history says %+v, want %q", history, want)
		}
	})
}

// finish ends a call of a test that does not use call.
func (r *rig) finish() {
	r.t.Helper()
	r.pipe.End("the test is over")
	<-r.done
	if r.runErr != nil {
		r.t.Errorf("the run ended with: %v", r.runErr)
	}
	r.srv.Close()
}

func TestAnInterruptionByTheApplicationDropsTheRestOfTheAnswer(t *testing.T) {
	sc := sonictest.Config{Brain: sonictest.Sequence(
		sonictest.Say("The first sentence is long enough to be cut.", "The second one must not be heard.", "Nor the third."),
		sonictest.Say("Yes."),
	)}
	call(t, sc, novasonic.Config{}, func(r *rig) {
		r.says("1")
		r.waitsFor("answer", isA[*frames.AudioOutput])
		r.waits(time.Second)
		r.pipe.Interrupt("the application knows better")
		r.waits(10 * time.Second)
		before := len(r.ear.heard())
		if first := len(r.streams()[0].Answers[0].Sentences[0].PCM); before >= first {
			t.Errorf("%d samples were heard after the interruption; the first sentence alone has %d", before, first)
		}
		r.says("2")
		r.waits(5 * time.Second)
		want := r.streams()[0].Answers[1].Sentences[0].PCM
		if got := r.ear.heard()[before:]; !slices.Equal(got, want) {
			t.Errorf("of the next answer %d samples were heard, want %d", len(got), len(want))
		}
	})
}

func TestAMutedMicrophoneKeepsTheStreamAlive(t *testing.T) {
	call(t, sonictest.Config{Brain: answering("Still here.")}, novasonic.Config{}, func(r *rig) {
		r.waits(time.Second)
		r.caller.mute(true)
		r.waits(4 * time.Minute) // the service gives up after 55 s of nothing
		r.caller.mute(false)
		r.says("7")
		r.waits(5 * time.Second)
		if n := len(r.streams()); n != 1 {
			t.Errorf("%d streams were used, want 1", n)
		}
		if got := texts(r, func(f *frames.SpokenText) string { return f.Text }); !slices.Equal(got, []string{"Still here."}) {
			t.Errorf("after four minutes of silence the agent said %q", got)
		}
		heard := r.streams()[0].Audio[0]
		if got, want := heard.Rate.Duration(int64(heard.Samples)), time.Since(r.began); (got - want).Abs() > 500*time.Millisecond {
			t.Errorf("the stream heard %v of audio in %v", got, want)
		}
	})
}

func TestAMicrophoneMutedInMidUtteranceStillGetsAnAnswer(t *testing.T) {
	call(t, sonictest.Config{Brain: answering("I heard that.")}, novasonic.Config{}, func(r *rig) {
		r.says("78")
		r.caller.mute(true)
		r.waitsFor("answer", isA[*frames.SpokenText])
	})
}

func TestUsageIsCountedByModality(t *testing.T) {
	call(t, sonictest.Config{Brain: answering("Yes, of course.")}, novasonic.Config{}, func(r *rig) {
		r.says("1")
		r.waits(5 * time.Second)
		u := r.sonic.Stats().Usage
		if u.InputSpeech == 0 || u.InputText == 0 || u.OutputSpeech == 0 || u.OutputText == 0 {
			t.Errorf("usage %+v", u)
		}
	})
}
