package sonictest_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

// talk opens a stream, sends the opening and the audio in real time, closes
// in order and returns what came.
func talk(t *testing.T, srv *sonictest.Server, pcm []int16, edits ...func(*request)) []event {
	t.Helper()
	p := open(t, srv, edits...)
	p.send(opening()...)
	p.pace(pcm)
	p.send(closing()...)
	p.closeSend()
	return p.rest()
}

func tail(lines []string, from string) []string {
	if i := slices.Index(lines, from); i >= 0 {
		return lines[i:]
	}
	return nil
}

func until(lines []string, to string) []string {
	if i := slices.Index(lines, to); i >= 0 {
		return lines[:i+1]
	}
	return lines
}

// long is an answer of about six seconds in two sentences.
var long = sonictest.Say("This is the first sentence of a long answer.", "And this is the second sentence, that ends it.")

func TestSentencesComeOneByOneAndTheirFinalTextsLater(t *testing.T) {
	serve(t, sonictest.Config{Brain: sonictest.Sequence(long)}, func(t *testing.T, srv *sonictest.Server) {
		got := talk(t, srv, join(words("1"), silence(12*time.Second)))
		want := []string{
			"contentStart TEXT ASSISTANT SPECULATIVE",
			`textOutput "This is the first sentence of a long answer."`,
			"contentEnd TEXT PARTIAL_TURN",
			"contentStart AUDIO ASSISTANT",
			"contentEnd AUDIO PARTIAL_TURN",
			"contentStart TEXT ASSISTANT SPECULATIVE",
			`textOutput " And this is the second sentence, that ends it."`,
			"contentEnd TEXT PARTIAL_TURN",
			"contentStart AUDIO ASSISTANT",
			"contentStart TEXT ASSISTANT FINAL",
			`textOutput "This is the first sentence of a long answer."`,
			"contentEnd TEXT END_TURN",
			"contentEnd AUDIO END_TURN",
			"contentStart TEXT ASSISTANT FINAL",
			`textOutput " And this is the second sentence, that ends it."`,
			"contentEnd TEXT PARTIAL_TURN",
			"completionEnd END_TURN",
		}
		// The first FINAL text comes while the second sentence is sent, or
		// after it: that depends on the delivery.
		gotLines := tail(shape(got), want[0])
		slices.Sort(gotLines)
		slices.Sort(want)
		if diff := cmp.Diff(want, gotLines); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		log, _ := srv.Stream(0)
		for i, said := range log.Answers[0].Sentences {
			played := said.Rate.Duration(int64(len(said.PCM)))
			const frame = 32 * time.Millisecond // the steps of the input clock
			if wait := said.Final - said.Started; i == 0 && (wait < played-frame || wait > played+2*frame) {
				t.Errorf("the FINAL text of a sentence of %v came %v after its audio began", played, said.Final-said.Started)
			}
			if sent := said.Ended - said.Started; sent > played/2 || sent < played/4 {
				t.Errorf("a sentence of %v was sent in %v, want two to four times faster than real time", played, sent)
			}
		}
	})
}

func TestAudioComesInPiecesThatAreSlicesOfTheSentence(t *testing.T) {
	for _, rate := range []int{8000, 16000, 24000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			serve(t, sonictest.Config{Brain: sonictest.Sequence(long)}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				p.send(events(sessionStart, promptStartAt(rate, ""), system, audioStart)...)
				p.pace(join(words("1"), silence(10*time.Second)))
				p.send(closing()...)
				p.closeSend()
				got := p.rest()
				log, _ := srv.Stream(0)
				var want []int16
				for _, said := range log.Answers[0].Sentences {
					want = append(want, said.PCM...)
					if said.Sent != len(said.PCM) || int(said.Rate) != rate {
						t.Errorf("%d of %d samples at %v are logged as sent", said.Sent, len(said.PCM), said.Rate)
					}
				}
				if !slices.Equal(samples(t, got), want) {
					t.Error("the audio that arrived is not that of the sentences")
				}
				for _, e := range got {
					if n := len(samples(t, []event{e})); e.name == "audioOutput" {
						if d := audio.SampleRate(rate).Duration(int64(n)); d < 40*time.Millisecond || d > 190*time.Millisecond {
							t.Errorf("a piece lasts %v, want about 100 ms", d)
						}
					}
				}
			})
		})
	}
}

func TestAudioOfTheBrainIsSentAsItIsAtItsOwnRateAndConvertedToOthers(t *testing.T) {
	clip := words("1")
	for _, rate := range []int{16000, 8000} {
		brain := sonictest.Sequence(sonictest.Answer{Sentences: []sonictest.Sentence{{Text: "one", Audio: clip, Rate: audio.Rate16k}}})
		serve(t, sonictest.Config{Brain: brain}, func(t *testing.T, srv *sonictest.Server) {
			p := open(t, srv)
			p.send(events(sessionStart, promptStartAt(rate, ""), system, audioStart)...)
			p.pace(join(words("2"), silence(3*time.Second)))
			got := samples(t, p.until("contentEnd AUDIO"))
			if rate == 16000 && !slices.Equal(got, clip) {
				t.Error("the clip was changed")
			}
			if want := len(clip) * rate / 16000; len(got) != want {
				t.Errorf("at %d Hz the clip has %d samples, want %d", rate, len(got), want)
			}
		})
	}
}

func TestTheUserIsAnsweredAsFastAsTheRealServiceAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		sensitivity string
		lag         int64
	}{"HIGH": {"HIGH", 400}, "MEDIUM": {"MEDIUM", 480}, "LOW": {"LOW", 700}} {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				start := `{"event":{"sessionStart":{"turnDetectionConfiguration":{"endpointingSensitivity":"` + test.sensitivity + `"}}}}`
				p.send(events(start, promptStart, system, audioStart)...)
				p.pace(join(silence(time.Second), words("1"), silence(3*time.Second)))
				all := p.until("contentEnd AUDIO")
				var ended, first time.Time
				for _, e := range all {
					switch e.name {
					case "userSpeechStart":
						if at := e.body["inputAudioOffsetMs"].(float64); at < 990 || at > 1010 {
							t.Errorf("speech started at %v ms of the input, want 1000", at)
						}
					case "userSpeechEnd":
						ended = e.at
						lag := e.body["inputAudioDetectionOffsetMs"].(float64) - e.body["inputAudioOffsetMs"].(float64)
						if int64(lag) != test.lag {
							t.Errorf("the end of speech was detected after %v ms, want %d", lag, test.lag)
						}
					case "audioOutput":
						if first.IsZero() {
							first = e.at
						}
					}
				}
				if d := first.Sub(ended); d < 250*time.Millisecond || d > 500*time.Millisecond {
					t.Errorf("the first audio came %v after the end of speech was detected, want 250 to 500 ms", d)
				}
			})
		})
	}
}

// bargeIn has the user interrupt the long answer about two seconds into it.
func bargeIn(t *testing.T, srv *sonictest.Server) []event {
	t.Helper()
	return talk(t, srv, join(words("1"), silence(3*time.Second), words("2"), silence(6*time.Second)))
}

func TestABargeInTakesTheFormThatWasChosen(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	const (
		marker  = `textOutput "{ \"interrupted\" : true }"`
		started = "userSpeechStart"
	)
	tests := map[string]struct {
		form  sonictest.Interruption
		after time.Duration // of silence between the question and the barge-in
		want  []string      // from the second userSpeechStart to the second userSpeechEnd
	}{
		"in the first sentence": {after: 1500 * time.Millisecond, want: []string{
			started, "contentEnd AUDIO END_TURN",
			"contentStart TEXT ASSISTANT FINAL", marker, "contentEnd TEXT INTERRUPTED", "userSpeechEnd",
		}},
		"ending the audio with INTERRUPTED": {form: sonictest.Interruption{AudioInterrupted: true}, after: 1500 * time.Millisecond, want: []string{
			started, "contentEnd AUDIO INTERRUPTED",
			"contentStart TEXT ASSISTANT FINAL", marker, "contentEnd TEXT INTERRUPTED", "userSpeechEnd",
		}},
		"without the marker": {form: sonictest.Interruption{NoMarker: true, AudioPartial: true}, after: 1500 * time.Millisecond, want: []string{
			started, "contentEnd AUDIO PARTIAL_TURN", "userSpeechEnd",
		}},
		"with audio after the marker": {form: sonictest.Interruption{Trailing: 300 * time.Millisecond}, after: 1500 * time.Millisecond, want: []string{
			started, "contentStart TEXT ASSISTANT FINAL", marker, "contentEnd TEXT INTERRUPTED", "contentEnd AUDIO END_TURN", "userSpeechEnd",
		}},
		"after all has been sent, but not heard": {after: 5 * time.Second, want: []string{
			started, "contentStart TEXT ASSISTANT FINAL", marker, "contentEnd TEXT INTERRUPTED", "userSpeechEnd",
		}},
		"before the audio began": {after: 610 * time.Millisecond, want: []string{
			started, "contentStart TEXT ASSISTANT FINAL", marker, "contentEnd TEXT INTERRUPTED", "userSpeechEnd",
		}},
		"before anything was said": {after: 560 * time.Millisecond, want: []string{started, "userSpeechEnd"}},
		"with the words that were heard": {form: sonictest.Interruption{FinalTruncated: true, FinalBefore: true}, after: 2500 * time.Millisecond, want: []string{
			started, "contentEnd AUDIO END_TURN",
			"contentStart TEXT ASSISTANT FINAL", `textOutput "This is the first sentence"`, "contentEnd TEXT END_TURN",
			"contentStart TEXT ASSISTANT FINAL", marker, "contentEnd TEXT INTERRUPTED", "userSpeechEnd",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := sonictest.Config{
				Brain:     sonictest.Sequence(long, sonictest.Say("Yes.")),
				Behaviour: sonictest.Behaviour{Interruption: test.form},
				Latency:   sonictest.Latency{Jitter: -1},
			}
			serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
				got := shape(talk(t, srv, join(words("1"), silence(test.after), words("2"), silence(6*time.Second))))
				second := until(tail(tail(got, "userSpeechEnd"), started), "userSpeechEnd")
				if diff := cmp.Diff(test.want, second); diff != "" {
					t.Errorf("the barge-in (-want +got):\n%s\nall:\n%s", diff, strings.Join(got, "\n"))
				}
				if !slices.Contains(got, `textOutput "Yes."`) {
					t.Errorf("what the user said instead was not answered:\n%s", strings.Join(got, "\n"))
				}
			})
		})
	}
}

func TestABargeInKeepsTheFinalTextsOfWhatWasHeard(t *testing.T) {
	serve(t, sonictest.Config{Brain: sonictest.Sequence(long, sonictest.Say("Yes."))}, func(t *testing.T, srv *sonictest.Server) {
		// The first sentence, of three seconds, is over; the second is not.
		got := shape(talk(t, srv, join(words("1"), silence(5*time.Second), words("2"), silence(4*time.Second))))
		lines := strings.Join(got, "\n")
		if n := strings.Count(lines, `"This is the first sentence of a long answer."`); n != 2 {
			t.Errorf("the first sentence was shown %d times, want twice: planned and spoken\n%s", n, lines)
		}
		if n := strings.Count(lines, `" And this is the second`); n != 1 {
			t.Errorf("the second sentence was shown %d times, want once: it was not heard out\n%s", n, lines)
		}
		log, _ := srv.Stream(0)
		if a := log.Answers[0]; !a.Interrupted || a.Cut == 0 || a.Sentences[0].Final == 0 || a.Sentences[1].Final != 0 {
			t.Errorf("the log of the answer does not tell what happened: interrupted %v at %v", a.Interrupted, a.Cut)
		}
	})
}

func TestNothingIsInterruptedWhenAllWasHeard(t *testing.T) {
	serve(t, sonictest.Config{Brain: sonictest.Sequence(sonictest.Say("Yes."), sonictest.Say("No."))}, func(t *testing.T, srv *sonictest.Server) {
		got := shape(talk(t, srv, join(words("1"), silence(4*time.Second), words("2"), silence(4*time.Second))))
		if slices.Contains(got, "contentEnd TEXT INTERRUPTED") {
			t.Errorf("an interruption was told though everything had been heard:\n%s", strings.Join(got, "\n"))
		}
	})
}

func TestAnAssistantThatCannotBeInterruptedTalksOn(t *testing.T) {
	cfg := sonictest.Config{Brain: sonictest.Sequence(long, sonictest.Say("Yes.")), Behaviour: sonictest.Behaviour{Interruption: sonictest.Interruption{Never: true}}}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		bargeIn(t, srv)
		log, _ := srv.Stream(0)
		if len(log.Answers) != 2 || log.Answers[0].Interrupted || log.Answers[0].Sentences[1].Sent == 0 || log.Answers[1].Sentences[0].Sent == 0 {
			t.Errorf("want both answers said whole: %+v", log.Answers)
		}
	})
}

func TestACallCanStandThoughTheUserBeginsToSpeak(t *testing.T) {
	brain := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Text == "one" {
			return sonictest.Call("now", "{}")
		}
		return sonictest.Say("You said " + turn.Text + ".")
	})
	for _, stands := range []bool{false, true} {
		cfg := sonictest.Config{Brain: brain, Latency: sonictest.Latency{ToolUse: 3 * time.Second, Jitter: -1}}
		cfg.Behaviour.Interruption.CallsStand = stands
		serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
			p := open(t, srv)
			p.send(opening()...)
			p.pace(join(words("1"), silence(1500*time.Millisecond), words("2"), silence(4*time.Second)))
			log, _ := srv.Stream(0)
			calls := 0
			if stands {
				calls = 1
			}
			if len(log.Calls) != calls {
				t.Errorf("it stands: %v; %d calls were made", stands, len(log.Calls))
			}
			if last := log.Answers[len(log.Answers)-1]; len(last.Sentences) != 1 || !strings.HasSuffix(last.Sentences[0].Text, "two.") {
				t.Errorf("it stands: %v; the last answer was %+v", stands, last)
			}
		})
	}
}

func TestToolsAreCalledAndTheirResultsAnswered(t *testing.T) {
	brain := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Kind == sonictest.ToolResults {
			if turn.Pending > 0 {
				return sonictest.Answer{}
			}
			return sonictest.Say("Results: " + turn.Results[0].Content + turn.Results[1].Content)
		}
		a := sonictest.Say("Let me check.")
		a.Calls = []sonictest.ToolCall{{Name: "now"}, {Name: "weather", Arguments: `{"city":"Rome"}`, After: 1}}
		return a
	})
	for name, behaviour := range map[string]sonictest.Behaviour{"plain": {}, "double-encoded": {DoubleEncodedArguments: true}} {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{Brain: brain, Behaviour: behaviour}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv)
				p.send(opening()...)
				p.pace(join(words("1"), silence(3*time.Second)))
				var ids []string
				for len(ids) < 2 {
					all := p.until("contentEnd TOOL TOOL_USE")
					use := all[len(all)-2]
					ids = append(ids, use.str("toolUseId"))
					want := map[string]string{"now": "{}", "weather": `{"city":"Rome"}`}[use.str("toolName")]
					if behaviour.DoubleEncodedArguments {
						want = quote(want)
					}
					if use.str("content") != want {
						t.Errorf("the arguments of %s are %s, want %s", use.str("toolName"), use.str("content"), want)
					}
				}
				// The second call's result comes first, a second later.
				p.pace(silence(time.Second))
				p.send(toolStart("T2", ids[1]), toolResult("T2", `{"b":2}`), contentEnd("T2"))
				p.pace(silence(time.Second))
				p.send(toolStart("T1", ids[0]), toolResult("T1", `{"a":1}`), contentEnd("T1"))
				p.pace(silence(4 * time.Second))
				p.send(closing()...)
				p.closeSend()
				got := shape(p.rest())
				if !slices.Contains(got, `textOutput "Results: {\"a\":1}{\"b\":2}"`) {
					t.Errorf("the results were not answered:\n%s", strings.Join(got, "\n"))
				}
				log, _ := srv.Stream(0)
				if len(log.Calls) != 2 || log.Calls[0].Result != `{"a":1}` || log.Calls[1].Result != `{"b":2}` || log.Calls[0].ResultAt < log.Calls[1].ResultAt {
					t.Errorf("the log of the calls is %+v", log.Calls)
				}
				if v := srv.Violations(); len(v) != 0 {
					t.Errorf("violations: %+v", v)
				}
			})
		})
	}
}

func TestToolBlocksCanBeNested(t *testing.T) {
	answer := sonictest.Answer{Calls: []sonictest.ToolCall{{Name: "a"}, {Name: "b"}}}
	cfg := sonictest.Config{Brain: sonictest.Sequence(answer), Behaviour: sonictest.Behaviour{ToolBlocksNested: true}}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		got := tail(shape(talk(t, srv, join(words("1"), silence(3*time.Second)))), "contentStart TOOL TOOL")
		want := []string{"contentStart TOOL TOOL", "toolUse TOOL", "contentStart TOOL TOOL", "toolUse TOOL", "contentEnd TOOL TOOL_USE", "contentEnd TOOL TOOL_USE", "completionEnd END_TURN"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestAToolResultThatBreaksARuleEndsTheStream(t *testing.T) {
	tests := map[string]struct {
		behaviour sonictest.Behaviour
		model     string
		before    []int16 // audio between call and result
		results   []string
		talks     bool // the answer says something besides
		tolerated bool
		want      string
	}{
		"bare text":           {results: []string{"sunny"}, want: "Tool Response parsing error"},
		"an array":            {results: []string{"[1]"}, want: "Tool Response parsing error"},
		"two results on 2.5":  {model: sonictest.ModelV25, results: []string{"{}", "{}"}, want: invalidInput},
		"two results on v2":   {results: []string{"{}", "{}"}, tolerated: true},
		"late, but accepted":  {talks: true, before: join(words("2"), silence(time.Second)), results: []string{"{}"}, tolerated: true},
		"late, and bare text": {talks: true, before: join(words("2"), silence(time.Second)), results: []string{"sunny"}, want: invalidInput},
		"late":                {talks: true, behaviour: sonictest.Behaviour{LateResults: sonictest.Off}, before: join(words("2"), silence(time.Second)), results: []string{"{}"}, want: invalidInput},
		"of an answer that was not interrupted, though the user spoke": {behaviour: sonictest.Behaviour{LateResults: sonictest.Off}, before: join(words("2"), silence(time.Second)), results: []string{"{}"}, tolerated: true},
		"late, of an assistant that cannot be interrupted": {talks: true, behaviour: sonictest.Behaviour{LateResults: sonictest.Off, Interruption: sonictest.Interruption{Never: true}},
			before: join(words("2"), silence(time.Second)), results: []string{"{}"}, tolerated: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			answer := sonictest.Call("t", "{}")
			if test.talks {
				answer.Sentences = long.Sentences
			}
			serve(t, sonictest.Config{Brain: sonictest.Sequence(answer), Behaviour: test.behaviour}, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv, func(q *request) {
					if test.model != "" {
						q.model = test.model
					}
				})
				p.send(opening()...)
				p.pace(join(words("1"), silence(2*time.Second)))
				all := p.until("toolUse")
				p.pace(test.before)
				for i, content := range test.results {
					name := fmt.Sprint("T", i)
					p.send(toolStart(name, all[len(all)-1].str("toolUseId")), toolResult(name, content), contentEnd(name))
				}
				if test.tolerated {
					p.send(closing()...)
					p.closeSend()
				}
				got := p.failure()
				if test.tolerated && got != "EOF" || !test.tolerated && !strings.HasSuffix(got, test.want) {
					t.Errorf("the stream ended with %q, want %q", got, test.want)
				}
			})
		})
	}
}

func TestAudioInAToolBlockIsRefusedUnlessAllowed(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		cfg := sonictest.Config{Brain: sonictest.Sequence(sonictest.Call("t", "{}")), Behaviour: sonictest.Behaviour{AudioInToolBlock: allowed}}
		serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
			p := open(t, srv)
			p.send(opening()...)
			p.pace(join(words("1"), silence(2*time.Second)))
			all := p.until("toolUse")
			p.send(toolStart("T", all[len(all)-1].str("toolUseId")), audioInput("A", silence(32*time.Millisecond)), toolResult("T", "{}"), contentEnd("T"))
			p.send(closing()...)
			p.closeSend()
			got := p.failure()
			if allowed && got != "EOF" || !allowed && !strings.HasSuffix(got, invalidInput) {
				t.Errorf("allowed %v: the stream ended with %q", allowed, got)
			}
		})
	}
}

func TestAudioDuringAToolCallCanBeRefused(t *testing.T) {
	cfg := sonictest.Config{Brain: sonictest.Sequence(sonictest.Call("t", "{}")), Behaviour: sonictest.Behaviour{RefuseAudioDuringTool: true}}
	serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.pace(join(words("1"), silence(3*time.Second)))
		if got := p.failure(); !strings.HasSuffix(got, invalidInput) {
			t.Errorf("the stream ended with %q", got)
		}
	})
}

func TestWrittenTextIsATurn(t *testing.T) {
	serve(t, sonictest.Config{Brain: sonictest.Sequence(sonictest.Say("Hello."))}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.pace(silence(100 * time.Millisecond))
		asked := time.Now()
		p.send(text("C", "USER", true, "Greet the caller.")...)
		p.pace(silence(4 * time.Second))
		var first time.Time
		all := p.until("contentEnd AUDIO END_TURN")
		for _, e := range all {
			if e.name == "audioOutput" && first.IsZero() {
				first = e.at
			}
		}
		if d := first.Sub(asked); d < 573*time.Millisecond || d > 1343*time.Millisecond {
			t.Errorf("the first audio came %v after the text, want 573 to 1,343 ms", d)
		}
		want := []string{"completionStart", "contentStart TEXT ASSISTANT SPECULATIVE", `textOutput "Hello."`, "contentEnd TEXT PARTIAL_TURN", "contentStart AUDIO ASSISTANT", "contentEnd AUDIO END_TURN"}
		if diff := cmp.Diff(want, shape(all)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		log, _ := srv.Stream(0)
		if len(log.Texts) != 1 || !log.Texts[0].Noticed || log.Texts[0].Answer != 0 {
			t.Errorf("the log of the texts is %+v", log.Texts)
		}
	})
}

func TestWrittenTextInterrupts(t *testing.T) {
	serve(t, sonictest.Config{Brain: sonictest.Sequence(long, sonictest.Say("Yes."))}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.pace(join(words("1"), silence(1500*time.Millisecond)))
		p.send(text("C", "USER", true, "Stop.")...)
		p.pace(silence(3 * time.Second))
		p.until("contentEnd AUDIO END_TURN")
		p.until("contentEnd TEXT INTERRUPTED")
		p.until(`textOutput "Yes."`)
	})
}

func TestTheHistoryReachesTheBrain(t *testing.T) {
	var history []sonictest.Message
	var instructions string
	brain := sonictest.BrainFunc(func(c *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		history, instructions = c.History(), c.Instructions()
		return sonictest.Say("I remember: " + c.History()[0].Text)
	})
	serve(t, sonictest.Config{Brain: brain}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening(text("H1", "USER", false, "My name is Ada."), text("H2", "ASSISTANT", false, "Hello Ada."))...)
		p.pace(join(words("1"), silence(2*time.Second)))
		p.until(`textOutput "I remember: My name is Ada."`)
	})
	want := []sonictest.Message{{Role: "USER", Text: "My name is Ada."}, {Role: "ASSISTANT", Text: "Hello Ada."}}
	if diff := cmp.Diff(want, history); diff != "" || instructions != "You are a voice assistant." {
		t.Errorf("history (-want +got):\n%s\ninstructions: %q", diff, instructions)
	}
}

func TestATrailingMessageOfTheHistoryIsAnsweredOnlyIfInteractive(t *testing.T) {
	for _, interactive := range []bool{true, false} {
		serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
			p := open(t, srv)
			p.send(opening(text("H1", "USER", interactive, "hello"))...)
			p.pace(silence(4 * time.Second))
			p.send(closing()...)
			p.closeSend()
			answered := slices.Contains(shape(p.rest()), `textOutput "You said hello."`)
			if answered != interactive {
				t.Errorf("interactive %v: answered %v", interactive, answered)
			}
		})
	}
}

func TestFinalTextsComeWhenTheBehaviourSays(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	order := func(got []event) (finals []string) {
		stage := ""
		for _, e := range got {
			if e.name == "contentStart" && e.str("role") == "ASSISTANT" && e.str("type") == "TEXT" {
				stage = strings.Fields(e.String())[3]
			}
			if e.name == "textOutput" && e.str("role") == "ASSISTANT" && stage == "FINAL" {
				finals = append(finals, strings.Fields(e.str("content"))[0])
			}
		}
		return finals
	}
	for name, test := range map[string]struct {
		behaviour sonictest.Behaviour
		want      []string
	}{
		"on the input clock":  {want: []string{"This", "And"}},
		"on the wall clock":   {behaviour: sonictest.Behaviour{FinalText: sonictest.FinalOnWallClock}, want: []string{"This", "And"}},
		"out of order":        {behaviour: sonictest.Behaviour{FinalText: sonictest.FinalOutOfOrder}, want: []string{"And", "This"}},
		"never":               {behaviour: sonictest.Behaviour{FinalText: sonictest.FinalMissing}},
		"too late":            {behaviour: sonictest.Behaviour{FinalLate: time.Minute}},
		"at the next input":   {behaviour: sonictest.Behaviour{FinalText: sonictest.FinalAtNextInput}, want: []string{"This", "And"}},
		"with empty brackets": {behaviour: sonictest.Behaviour{CompletionPerTurn: true}, want: []string{"This", "And"}},
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, sonictest.Config{Brain: sonictest.Sequence(long), Behaviour: test.behaviour}, func(t *testing.T, srv *sonictest.Server) {
				got := talk(t, srv, join(words("1"), silence(9*time.Second), words("2"), silence(2*time.Second)))
				if diff := cmp.Diff(test.want, order(got)); diff != "" {
					t.Errorf("FINAL texts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestFinalTextsWaitForTheInputClock(t *testing.T) {
	serve(t, sonictest.Config{Brain: sonictest.Sequence(sonictest.Say("Hello there, how are you?"))}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.pace(join(words("1"), silence(1200*time.Millisecond)))
		p.until("contentEnd AUDIO END_TURN")
		time.Sleep(20 * time.Second) // muted: no input audio at all
		select {
		case e := <-p.events:
			if e.name != "usageEvent" {
				t.Errorf("%v came while the input clock stood still", e)
			}
		default:
		}
		p.pace(silence(3 * time.Second))
		p.until("contentStart TEXT ASSISTANT FINAL")
	})
}

func TestCompletionBracketsThePromptOrTheTurn(t *testing.T) {
	for name, test := range map[string]struct {
		perTurn bool
		want    int
	}{"prompt": {false, 1}, "turn": {true, 2}} {
		t.Run(name, func(t *testing.T) {
			cfg := sonictest.Config{Behaviour: sonictest.Behaviour{CompletionPerTurn: test.perTurn}}
			serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
				got := talk(t, srv, join(words("1"), silence(4*time.Second), words("2"), silence(4*time.Second)))
				starts, ends := 0, 0
				ids := map[string]bool{}
				for _, e := range got {
					switch e.name {
					case "completionStart":
						starts++
						ids[e.str("completionId")] = true
					case "completionEnd":
						ends++
					}
				}
				if starts != test.want || ends != test.want || len(ids) != test.want {
					t.Errorf("%d completionStart, %d completionEnd, %d ids; want %d of each", starts, ends, len(ids), test.want)
				}
			})
		})
	}
}

func TestUsageAddsUp(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		got := talk(t, srv, join(words("123"), silence(4*time.Second)))
		sums := map[string]float64{}
		var total map[string]any
		var all float64
		for _, e := range got {
			if e.name != "usageEvent" {
				continue
			}
			details := e.body["details"].(map[string]any)
			total = details["total"].(map[string]any)
			for direction, counts := range details["delta"].(map[string]any) {
				for kind, n := range counts.(map[string]any) {
					sums[direction+kind] += n.(float64)
				}
			}
			all = e.body["totalTokens"].(float64)
		}
		sum := 0.0
		for direction, counts := range total {
			for kind, n := range counts.(map[string]any) {
				if sums[direction+kind] != n.(float64) || n.(float64) == 0 {
					t.Errorf("%s %s: the deltas add up to %v, the total is %v, and both should not be 0", direction, kind, sums[direction+kind], n)
				}
				sum += n.(float64)
			}
		}
		if sum != all || all == 0 {
			t.Errorf("totalTokens is %v, the parts add up to %v", all, sum)
		}
	})
}

func TestAnAnswerBeyondMaxTokensIsNotSpoken(t *testing.T) {
	serve(t, sonictest.Config{Brain: sonictest.Sequence(long)}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(events(strings.Replace(sessionStart, "4096", "60", 1), promptStart, system, audioStart)...)
		p.pace(join(words("1"), silence(8*time.Second)))
		p.send(closing()...)
		p.closeSend()
		got := strings.Join(shape(p.rest()), "\n")
		if !strings.Contains(got, "This is the first") || strings.Contains(got, "And this is the second") {
			t.Errorf("want the first sentence and not the second:\n%s", got)
		}
	})
}

func TestV1SaysNothingOfTheUsersSpeech(t *testing.T) {
	for _, test := range []struct {
		model string
		told  sonictest.Switch
		want  bool
	}{{sonictest.ModelV1, sonictest.Default, false}, {sonictest.ModelV1, sonictest.On, true}, {sonictest.ModelV2, sonictest.Default, true}, {sonictest.ModelV25, sonictest.Off, false}} {
		serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{UserSpeech: test.told}}, func(t *testing.T, srv *sonictest.Server) {
			got := shape(talk(t, srv, join(words("1"), silence(3*time.Second)), func(q *request) { q.model = test.model }))
			if told := slices.Contains(got, "userSpeechStart"); told != test.want || slices.Contains(got, "userSpeechEnd") != told {
				t.Errorf("%s with %v: userSpeech events are sent: %v", test.model, test.told, told)
			}
			if !slices.Contains(got, `textOutput "You said one."`) {
				t.Errorf("%s did not answer", test.model)
			}
		})
	}
}

func TestSpeechThatNothingFollowsIsEndedByTheEndOfTheBlock(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.send(chunks("A", words("12"))...) // unpaced
		time.Sleep(5 * time.Second)
		if got := shape(drain(p)); slices.Contains(got, "userSpeechEnd") {
			t.Errorf("the utterance was ended by time, not by audio: %q", got)
		}
		p.send(contentEnd("A"))
		p.until(`textOutput "one two"`)
		p.until("contentEnd AUDIO END_TURN")
	})
}

// drain returns what has come so far.
func drain(p *peer) (all []event) {
	for {
		select {
		case e := <-p.events:
			all = append(all, e)
		default:
			return all
		}
	}
}

func TestTheInputClockRunsOnInTheNextBlock(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.pace(silence(2 * time.Second))
		p.send(contentEnd("A"), audioStartAt("B", 16000))
		p.send(chunks("B", join(silence(time.Second), words("1"), silence(time.Second)))...)
		all := p.until("userSpeechStart")
		if at := all[len(all)-1].body["inputAudioOffsetMs"].(float64); at < 2990 || at > 3010 {
			t.Errorf("speech started at %v ms, want 3000: two seconds of the first block and one of the second", at)
		}
		log, _ := srv.Stream(0)
		if len(log.Audio) != 2 || log.Audio[1].Clock != 2*time.Second {
			t.Errorf("the log's blocks are %d, the second at %v", len(log.Audio), log.Audio[1].Clock)
		}
	})
}

func TestNothingMoreIsSaidAfterPromptEnd(t *testing.T) {
	serve(t, sonictest.Config{Brain: sonictest.Sequence(long)}, func(t *testing.T, srv *sonictest.Server) {
		p := open(t, srv)
		p.send(opening()...)
		p.pace(join(words("1"), silence(1200*time.Millisecond)))
		drain(p)
		p.send(contentEnd("A"), promptEnd)
		time.Sleep(5 * time.Second)
		got := shape(drain(p))
		if diff := cmp.Diff([]string{"completionEnd END_TURN"}, got); diff != "" {
			t.Errorf("events after promptEnd (-want +got):\n%s", diff)
		}
		p.send(strings.Replace(promptStart, `"promptName":"P"`, `"promptName":"Q"`, 1), system[0], "{}")
		asked := time.Now()
		if end := p.failure(); end != "EOF" {
			t.Errorf("a second prompt ended the stream with %q, want no word", end)
		}
		if d := time.Since(asked); d != 200*time.Millisecond {
			t.Errorf("the stream was closed after %v, want 200 ms", d)
		}
	})
}

func TestTheSameSeedGivesTheSameConversation(t *testing.T) {
	run := func(seed uint64) (lines []string) {
		serve(t, sonictest.Config{Seed: seed, Brain: sonictest.Sequence(long, sonictest.Say("Yes."))}, func(t *testing.T, srv *sonictest.Server) {
			began := time.Now()
			for _, e := range bargeIn(t, srv) {
				lines = append(lines, fmt.Sprint(e.at.Sub(began), e, e.body))
			}
		})
		return lines
	}
	one, again, other := run(1), run(1), run(2)
	if diff := cmp.Diff(one, again); diff != "" {
		t.Errorf("the same seed gave another conversation (-first +second):\n%s", diff)
	}
	if cmp.Equal(one, other) {
		t.Error("another seed gave the same conversation, to the microsecond")
	}
}

func TestSpeechThatIsNotRecognisedIsATurnWithoutText(t *testing.T) {
	var turn sonictest.Turn
	brain := sonictest.BrainFunc(func(_ *sonictest.Conversation, t sonictest.Turn) sonictest.Answer {
		turn = t
		return sonictest.Answer{Sentences: []sonictest.Sentence{{Text: "You said this:", Audio: t.Utterance.Audio, Rate: t.Utterance.Rate}}}
	})
	serve(t, sonictest.Config{Brain: brain}, func(t *testing.T, srv *sonictest.Server) {
		babble := voice.Synthesize("Nobody understands what I say.", voice.Options{Rate: audio.Rate16k})
		got := talk(t, srv, join(silence(300*time.Millisecond), babble, silence(5*time.Second)))
		lines := shape(got)
		if slices.Contains(lines, "contentStart TEXT USER FINAL") || !slices.Contains(lines, `textOutput "You said this:"`) {
			t.Errorf("want no transcript, and an answer:\n%s", strings.Join(lines, "\n"))
		}
		if turn.Text != "" || turn.Utterance == nil || len(turn.Utterance.Audio) < len(babble)*3/4 {
			t.Errorf("the brain was given %q and not the caller's own words", turn.Text)
		}
	})
}

func TestTwentyConversationsAtOnceDoNotMix(t *testing.T) {
	serve(t, sonictest.Config{}, func(t *testing.T, srv *sonictest.Server) {
		client := srv.AWSConfig().HTTPClient
		var wg sync.WaitGroup
		for i := range 20 {
			p := open(t, srv, func(q *request) { q.client = client })
			digits, want := fmt.Sprintf("%02d", i), fmt.Sprintf("You said %s %s.", spelled[i/10], spelled[i%10])
			wg.Go(func() {
				p.send(opening()...)
				p.pace(join(words(digits), silence(4*time.Second)))
				p.send(closing()...)
				p.closeSend()
				got := p.rest()
				if !slices.Contains(shape(got), "textOutput "+quote(want)) {
					t.Errorf("stream %d was not told %q", i, want)
				}
				for _, log := range srv.Streams() {
					if len(log.Answers) == 1 && log.Answers[0].Sentences[0].Text == want && !slices.Equal(samples(t, got), log.Answers[0].Sentences[0].PCM) {
						t.Errorf("stream %d received other audio than its own", i)
					}
				}
			})
		}
		wg.Wait()
		if v := srv.Violations(); len(v) != 0 {
			t.Errorf("violations: %+v", v)
		}
	})
}

var spelled = strings.Fields("zero one two three four five six seven eight nine")

func TestATranscriptCanComeInParts(t *testing.T) {
	serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{SplitTranscript: true}}, func(t *testing.T, srv *sonictest.Server) {
		got := shape(talk(t, srv, join(words("123"), silence(4*time.Second))))
		want := []string{
			"contentStart TEXT USER FINAL", `textOutput "one"`, "contentEnd TEXT PARTIAL_TURN",
			"contentStart TEXT USER FINAL", `textOutput "two three"`, "contentEnd TEXT PARTIAL_TURN",
			"contentStart TEXT ASSISTANT SPECULATIVE", `textOutput "You said one two three."`,
		}
		if diff := cmp.Diff(want, until(tail(got, want[0]), want[len(want)-1])); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestATranscriptCanComeBeforeTheEndOfSpeechIsTold(t *testing.T) {
	serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{TranscriptFirst: true}}, func(t *testing.T, srv *sonictest.Server) {
		got := shape(talk(t, srv, join(words("1"), silence(4*time.Second))))
		want := []string{
			"userSpeechStart", "completionStart",
			"contentStart TEXT USER FINAL", `textOutput "one"`, "contentEnd TEXT PARTIAL_TURN",
			"userSpeechEnd",
			"contentStart TEXT ASSISTANT SPECULATIVE", `textOutput "You said one."`,
		}
		if diff := cmp.Diff(want, until(got, want[len(want)-1])); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestTheTextOfABlockCanComeInParts(t *testing.T) {
	serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{TextInParts: true}, Brain: sonictest.Sequence(long, sonictest.Say("Yes."))}, func(t *testing.T, srv *sonictest.Server) {
		got := shape(bargeIn(t, srv))
		for _, want := range []string{
			`textOutput "This is the first " textOutput "sentence of a long answer."`,
			`textOutput "{ \"interrupted\" : true }"`, // no text, and whole
			`textOutput "Yes."`,
		} {
			if !strings.Contains(strings.Join(got, " "), want) {
				t.Errorf("want %s in\n%s", want, strings.Join(got, "\n"))
			}
		}
	})
}

func TestVeryShortSpeechCanBeIgnored(t *testing.T) {
	for _, test := range []struct {
		shorter time.Duration
		want    []string
	}{{0, []string{"You said one.", "You said two three."}}, {300 * time.Millisecond, []string{"You said two three."}}} {
		serve(t, sonictest.Config{Behaviour: sonictest.Behaviour{IgnoreShort: test.shorter}}, func(t *testing.T, srv *sonictest.Server) {
			got := talk(t, srv, join(words("1"), silence(4*time.Second), words("23"), silence(4*time.Second)))
			log, _ := srv.Stream(0)
			var said []string
			for _, a := range log.Answers {
				said = append(said, a.Sentences[0].Text)
			}
			if !slices.Equal(said, test.want) || count(got, "userSpeechEnd") != 2 {
				t.Errorf("with %v ignored the answers are %q, want %q; the end of speech is told %d times", test.shorter, said, test.want, count(got, "userSpeechEnd"))
			}
			if transcripts := strings.Count(strings.Join(shape(got), "\n"), "contentStart TEXT USER FINAL"); transcripts != len(test.want) {
				t.Errorf("with %v ignored there are %d transcripts", test.shorter, transcripts)
			}
		})
	}
}

func TestAudioCanComeInBursts(t *testing.T) {
	longest := func(gaps float64) (d time.Duration) {
		cfg := sonictest.Config{Brain: sonictest.Sequence(long), Delivery: sonictest.Delivery{Gaps: gaps}}
		serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
			var last time.Time
			for _, e := range talk(t, srv, join(words("1"), silence(12*time.Second))) {
				switch e.name {
				case "contentStart":
					last = time.Time{}
				case "audioOutput":
					if !last.IsZero() {
						d = max(d, e.at.Sub(last))
					}
					last = e.at
				}
			}
		})
		return d
	}
	if even, bursts := longest(0), longest(0.2); even > 100*time.Millisecond || bursts < 400*time.Millisecond {
		t.Errorf("the longest time between two pieces is %v, and %v with gaps", even, bursts)
	}
}

func TestKnownRecordingsAreRecognisedInWholeAndInPart(t *testing.T) {
	question := voice.Synthesize("Where is my order? I have been waiting.", voice.Options{Rate: audio.Rate16k})
	library := &hearing.Library{}
	err := library.Add(hearing.Recording{Name: "order", Audio: question, Rate: audio.Rate16k, Utterances: []hearing.Known{{
		Text: "Where is my order? I have been waiting.", Start: 0, End: audio.Rate16k.Duration(int64(len(question))),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, sonictest.Config{Library: library}, func(t *testing.T, srv *sonictest.Server) {
		half := question[:len(question)/2]
		talk(t, srv, join(silence(300*time.Millisecond), question, silence(6*time.Second), half, silence(6*time.Second)))
		log, _ := srv.Stream(0)
		if len(log.Heard) != 2 {
			t.Fatalf("%d utterances were heard, want two", len(log.Heard))
		}
		whole, part := log.Heard[0], log.Heard[1]
		if whole.Text != "Where is my order? I have been waiting." || whole.Recording != "order" {
			t.Errorf("the whole question was heard as %q of %q", whole.Text, whole.Recording)
		}
		if part.Recording != "order" || !strings.HasPrefix(part.Text, "Where is my") || strings.Contains(part.Text, "waiting") {
			t.Errorf("half of the question was heard as %q of %q", part.Text, part.Recording)
		}
		if a := log.Answers[whole.Answer]; a.Sentences[0].Text != "You said Where is my order? I have been waiting." {
			t.Errorf("the answer was %q", a.Sentences[0].Text)
		}
	})
}
