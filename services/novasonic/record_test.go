package novasonic

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/noise"
	"github.com/parley-go/parley/internal/spoken"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
)

// desk is a conversation without a service: tests put the service's events in.
type desk struct {
	t   *testing.T
	ctx context.Context
	v   *conversation
	c   *connection
}

// withDesk runs fn with a conversation in a pipeline of its own.
func withDesk(t *testing.T, fn func(d *desk)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	finished := false // and has not panicked
	err := pipeline.New(pipeline.Config{}, &deskHolder{func(out *pipeline.Port) {
		defer cancel()
		cfg := Config{}.withDefaults()
		v := newConversation(&cfg, &lateDialer{}, out, slog.New(slog.DiscardHandler), &shared{})
		c := &connection{number: 1, cfg: &cfg, queue: newSendQueue(cfg.InputRate, 60), blocks: map[string]*block{}, ended: make(chan struct{}), opened: time.Now()}
		v.listening, v.accepted = c, 1
		c.listen(0)
		fn(&desk{t, ctx, v, c})
		finished = true
		v.tasks.Wait()
	}}).Run(ctx)
	if !finished || err != nil && ctx.Err() == nil {
		t.Error(err)
	}
}

type deskHolder struct{ fn func(*pipeline.Port) }

func (p *deskHolder) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (p *deskHolder) Run(_ context.Context, out *pipeline.Port) error { p.fn(out); return nil }

// gets puts events in.
func (d *desk) gets(events ...wire.Output) {
	for _, e := range events {
		d.v.serviceEvent(d.ctx, d.c, e)
	}
}

// text is a block of text.
func text(id string, role wire.Role, stage wire.Stage, s string, stop wire.StopReason) []wire.Output {
	return []wire.Output{
		&wire.ContentStart{ContentID: id, Type: wire.TypeText, Role: role, Stage: stage},
		&wire.TextOutput{ContentID: id, Text: s, Interrupted: stop == wire.StopInterrupted},
		&wire.ContentEnd{ContentID: id, Type: wire.TypeText, StopReason: stop},
	}
}

func (d *desk) user(id, s string) {
	d.gets(text(id, wire.RoleUser, wire.StageFinal, s, wire.StopPartialTurn)...)
}
func (d *desk) announces(id, s string) {
	d.gets(text(id, wire.RoleAssistant, wire.StageSpeculative, s, wire.StopPartialTurn)...)
}
func (d *desk) confirms(id, s string) {
	d.gets(text(id, wire.RoleAssistant, wire.StageFinal, s, wire.StopPartialTurn)...)
}
func (d *desk) marker(id string) {
	d.gets(text(id, wire.RoleAssistant, wire.StageFinal, "", wire.StopInterrupted)...)
}
func (d *desk) speaks(id string, samples int, stop wire.StopReason) {
	d.gets(
		&wire.ContentStart{ContentID: id, Type: wire.TypeAudio, Role: wire.RoleAssistant},
		&wire.AudioOutput{ContentID: id, Samples: make([]int16, samples)},
		&wire.ContentEnd{ContentID: id, Type: wire.TypeAudio, StopReason: stop})
}

// heard reports that the agent's track was heard up to a position.
func (d *desk) heard(upTo audio.Position) {
	d.v.playout(&frames.Playout{Track: "agent", Rate: 24000, Heard: upTo})
}

// flushed reports that, and that an interruption has thrown the rest away.
func (d *desk) flushed(upTo audio.Position) {
	d.v.playout(&frames.Playout{Track: "agent", Rate: 24000, Heard: upTo, Flushed: true})
}

// record is what was told as spoken so far.
func (d *desk) record() []string {
	var told []string
	for _, p := range d.v.box.ordered.queue {
		if f, ok := p.frame.(*frames.SpokenText); ok {
			told = append(told, f.Response+": "+spoken.WithMark(f.Text, f.Interrupted))
		}
	}
	return told
}

func (d *desk) wantRecord(want ...string) {
	d.t.Helper()
	if got := d.record(); !slices.Equal(got, want) {
		d.t.Errorf("record %q, want %q", got, want)
	}
}

func (d *desk) wantHistory(want ...Message) {
	d.t.Helper()
	if got := shapeHistory(d.v.history()); !slices.Equal(got, want) {
		d.t.Errorf("history %q, want %q", got, want)
	}
}

func TestOneMarkerIsOneBargeIn(t *testing.T) {
	withDesk(t, func(d *desk) {
		d.marker("m")
		if n := d.v.shared.read().BargeIns; n != 1 {
			t.Errorf("%d barge-ins", n)
		}
	})
}

func TestAToolCalledBetweenTextAndAudioDoesNotSplitTheAnswer(t *testing.T) {
	withDesk(t, func(d *desk) {
		d.user("u", "weather?")
		d.announces("s", "Let me check.")
		d.gets(&wire.ContentStart{ContentID: "t", Type: wire.TypeTool}, &wire.ToolUse{ContentID: "t", ToolUseID: "x", Name: "n", Arguments: []byte("{}")})
		d.speaks("a", 24000, wire.StopEndTurn)
		for _, p := range d.v.box.ordered.queue {
			if f, ok := p.frame.(*frames.AudioOutput); ok && f.Response != "response-1" {
				t.Errorf("audio of %s", f.Response)
			}
		}
		d.v.settleAll()
		d.wantRecord("response-1: Let me check.")
	})
}

func TestARecordIsNotTakenForThatOfAnEarlierSentenceThatBeginsAlike(t *testing.T) {
	withDesk(t, func(d *desk) {
		d.user("u", "one")
		d.announces("s", "Okay. Let me explain that at length.")
		d.speaks("a", 48000, wire.StopEndTurn)
		d.heard(24000)
		d.marker("m") // and no FINAL text
		d.flushed(24000)
		d.user("u2", "stop")
		d.announces("s2", "Okay.")
		d.speaks("a2", 24000, wire.StopEndTurn)
		d.heard(72000)
		d.confirms("f2", "Okay.")
		d.wantRecord("response-1: Okay. Let me [interrupted]", "response-2: Okay.")
		d.wantHistory(Message{User, "one"}, Message{Assistant, "Okay. Let me [interrupted]"}, Message{User, "stop"}, Message{Assistant, "Okay."})
	})
}

func TestASecondTranscriptOfAnUtteranceDoesNotCutItsOwnAnswer(t *testing.T) {
	withDesk(t, func(d *desk) {
		d.heard(0)
		d.user("u", "one")
		d.announces("s", "Yes, of course.")
		d.gets(&wire.ContentStart{ContentID: "a", Type: wire.TypeAudio, Role: wire.RoleAssistant}, &wire.AudioOutput{ContentID: "a", Samples: make([]int16, 24000)})
		d.user("u2", "two")
		if n := d.v.shared.read().BargeIns; n != 0 {
			t.Errorf("%d barge-ins", n)
		}
	})
}

func TestARecordWithOtherPunctuationIsRecognised(t *testing.T) {
	withDesk(t, func(d *desk) {
		d.user("u", "one")
		d.announces("s", "We are open until six, and on Sundays we are closed.")
		d.speaks("a", 48000, wire.StopEndTurn)
		d.heard(24000)
		d.marker("m")
		d.flushed(24000)
		d.confirms("f", "We are open until six.")
		d.user("u2", "two")
		d.announces("s2", "Okay.")
		d.speaks("a2", 24000, wire.StopEndTurn)
		d.confirms("f2", "Okay.")
		d.heard(72000)
		d.wantRecord("response-1: We are open until six. [interrupted]", "response-2: Okay.")
	})
}

func TestALateRecordCorrectsWhatWasGuessed(t *testing.T) {
	withDesk(t, func(d *desk) {
		d.user("u", "one")
		d.announces("s", "The first.")
		d.speaks("a", 24000, wire.StopEndTurn)
		d.user("u2", "two")
		d.announces("s2", "The second.")
		d.speaks("a2", 24000, wire.StopEndTurn)
		d.confirms("f2", "The second.") // that of the first is late
		d.confirms("f", "The first.")
		d.wantRecord("response-1: The first.", "response-2: The second.")
		d.wantHistory(Message{User, "one"}, Message{Assistant, "The first."}, Message{User, "two"}, Message{Assistant, "The second."})
	})
}

// says has a sentence announced and spoken, of a second for each 15 characters.
func (d *desk) says(id, s string, stop wire.StopReason) (end audio.Position) {
	d.announces(id, s)
	d.speaks(id+"a", len(s)*24000/15, stop)
	return d.v.spoken
}

// userSpeaks has the service tell that the user has begun to speak.
func (d *desk) userSpeaks() { d.gets(&wire.UserSpeechStart{}) }

func TestARecordIsThatOfTheSentenceWhoseBeginningItIs(t *testing.T) {
	for name, marker := range map[string]bool{"with a marker": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			withDesk(t, func(d *desk) {
				d.heard(0)
				d.user("u", "one")
				first := d.says("s", "Reply one kestrel lagoon.", wire.StopPartialTurn)
				second := d.says("s2", "Reply two willow meadow zephyr and river.", wire.StopEndTurn)
				d.heard(first + (second-first)/2)
				d.userSpeaks()
				d.confirms("f2", "Reply two willow") // out of order
				d.confirms("f", "Reply one")
				want := "Reply two willow meadow zephyr and river."
				if marker {
					d.marker("m")
					d.flushed(first + (second-first)/2)
					want = "Reply two willow [interrupted]"
				} else {
					d.wantRecord("response-1: Reply one kestrel lagoon.")
					d.heard(second)
				}
				d.wantRecord("response-1: Reply one kestrel lagoon.", "response-1: "+want)
				d.wantHistory(Message{User, "one"}, Message{Assistant, "Reply one kestrel lagoon.\n" + want})
			})
		})
	}
}

func TestTheLoudspeakerKnowsBetterThanARecordThatComesBeforeTheMarker(t *testing.T) {
	const sentence = "Reply three zephyr harbour river grove kestrel amber yarrow." // 4 s
	withDesk(t, func(d *desk) {
		d.heard(0)
		d.user("u", "one")
		end := d.says("s", sentence, wire.StopEndTurn)
		d.heard(end * 3 / 4)
		d.userSpeaks()
		d.confirms("f", "Reply three")
		d.marker("m")
		d.wantRecord() // the output has the last word
		d.flushed(end * 3 / 4)
		d.wantRecord("response-1: Reply three zephyr harbour river grove [interrupted]")
		d.wantHistory(Message{User, "one"}, Message{Assistant, "Reply three zephyr harbour river grove [interrupted]"})
	})
}

func TestAnAnnouncementThatATextHasOvertakenWasNeverSaid(t *testing.T) {
	for name, overtaken := range map[string]bool{"a text came between": true, "none did": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				withDesk(t, func(d *desk) {
					d.heard(0)
					d.user("u", "one")
					d.announces("s", "An outcome.") // and no audio
					time.Sleep(200 * time.Millisecond)
					if overtaken {
						d.v.say("hello")
					}
					time.Sleep(time.Second)
					d.announces("s2", "You said hello.")
					d.speaks("a", 24000, wire.StopEndTurn)
					d.heard(24000)
					if !overtaken { // both belong to one answer, and the audio is the first one's
						d.wantRecord()
						return
					}
					d.confirms("f", "You said hello.")
					d.wantRecord("response-2: You said hello.")
					d.wantHistory(Message{User, "one\nhello"}, Message{Assistant, "You said hello."})
				})
			})
		})
	}
}

func TestASentenceThatTricklesOutAfterTheMarkerIsNoCompleteOne(t *testing.T) {
	const sentence = "Reply three zephyr harbour river grove kestrel amber yarrow." // 4 s
	const sent = 24000 * 5 / 2                                                      // that is, 2.5 s
	withDesk(t, func(d *desk) {
		d.heard(0)
		d.user("u", "one")
		d.announces("s", sentence)
		d.gets(&wire.ContentStart{ContentID: "a", Type: wire.TypeAudio, Role: wire.RoleAssistant}, &wire.AudioOutput{ContentID: "a", Samples: make([]int16, sent)})
		d.heard(sent * 4 / 5)
		d.marker("m")
		d.flushed(sent * 4 / 5)
		d.gets(&wire.AudioOutput{ContentID: "a", Samples: make([]int16, 2400)}, &wire.ContentEnd{ContentID: "a", Type: wire.TypeAudio, StopReason: wire.StopEndTurn})
		d.wantHistory(Message{User, "one"}, Message{Assistant, "Reply three zephyr harbour [interrupted]"})
	})
}

func TestWhatPlaysOnAfterItsRecordIsCutWhereItWas(t *testing.T) {
	const sentence = "Reply three zephyr harbour river grove kestrel amber yarrow." // 4 s
	for name, record := range map[string]string{"which has one word": "Reply", "which has all of them": sentence} {
		t.Run(name, func(t *testing.T) {
			withDesk(t, func(d *desk) {
				d.heard(0)
				d.user("u", "one")
				end := d.says("s", sentence, wire.StopEndTurn)
				d.heard(end / 8)
				d.userSpeaks()
				d.confirms("f", record) // and no marker
				d.heard(end / 2)
				d.user("u2", "two")
				d.flushed(end / 2)
				d.wantRecord("response-1: Reply three zephyr harbour [interrupted]")
				d.wantHistory(Message{User, "one"}, Message{Assistant, "Reply three zephyr harbour [interrupted]"})
			})
		})
	}
}

func TestOfAnAnswerThatIsBrokenOffWhatWasSentIsHeard(t *testing.T) {
	withDesk(t, func(d *desk) {
		d.heard(0)
		d.user("u", "one")
		first := d.says("s", "Reply one kestrel lagoon.", wire.StopPartialTurn)
		d.announces("s2", "Reply two willow meadow zephyr and river.")
		d.gets(&wire.ContentStart{ContentID: "a2", Type: wire.TypeAudio, Role: wire.RoleAssistant}, &wire.AudioOutput{ContentID: "a2", Samples: make([]int16, 20*24000/15)})
		d.heard(first / 2)
		d.v.draining, d.v.listening = d.c, nil // the microphone has moved
		d.v.endDrain()                         // and the stream fails
		d.v.orphan(d.c)
		d.wantHistory(Message{User, "one"}, Message{Assistant, "Reply one kestrel lagoon.\nReply two willow [interrupted]"})
		d.wantRecord() // nothing has been heard to its end
		d.heard(first)
		d.heard(d.v.spoken)
		d.wantRecord("response-1: Reply one kestrel lagoon.", "response-1: Reply two willow [interrupted]")
	})
}

func TestAStreamThatDrainsBeginsNothingAboutAPartOfASentence(t *testing.T) {
	for name, misled := range map[string]bool{"a part of one was heard": true, "it was quiet": false} {
		t.Run(name, func(t *testing.T) {
			withDesk(t, func(d *desk) {
				d.heard(0)
				d.user("u", "one")
				d.heard(d.says("s", "Reply one kestrel lagoon.", wire.StopEndTurn))
				d.v.draining, d.v.listening = d.c, nil // the microphone has moved
				said := "Reply one kestrel lagoon."
				if misled {
					d.v.heardFragment(d.c)
				} else {
					said += "\nA second outcome."
				}
				d.says("s2", "A second outcome.", wire.StopEndTurn)
				d.confirms("f", "Reply one kestrel lagoon.")
				d.wantHistory(Message{User, "one"}, Message{Assistant, said})
			})
		})
	}
}

func TestTheLastWordBeforeABargeInIsNotLostWhenTheStreamEndsAsWell(t *testing.T) {
	for name, tc := range map[string]struct {
		reported bool
		want     string
	}{
		"the output tells what was heard": {true, "Reply three zephyr harbour river [interrupted]"},
		"the output says nothing":         {false, "Reply three zephyr harbour [interrupted]"},
	} {
		t.Run(name, func(t *testing.T) {
			withDesk(t, func(d *desk) {
				d.heard(0)
				d.user("u", "one")
				end := d.says("s", "Reply three zephyr harbour river grove kestrel amber yarrow.", wire.StopEndTurn)
				d.heard(end / 2)
				d.v.draining, d.v.listening = d.c, nil
				d.v.takeTurn(nil)
				d.v.orphan(d.c)
				d.wantRecord()
				if tc.reported {
					d.flushed(end * 11 / 20)
				} else {
					d.v.flushAt = d.v.flushAt.Add(-flushPatience)
					d.v.tellSettled()
				}
				d.wantRecord("response-1: " + tc.want)
				d.wantHistory(Message{User, "one"}, Message{Assistant, tc.want})
			})
		})
	}
}

func TestATextThatWaitedForItsTurnComesBehindWhatWasAnsweredBefore(t *testing.T) {
	withDesk(t, func(d *desk) {
		d.v.note(note{entry: d.v.past.add(User, "written")}) // while what was said before is heard again
		d.user("u", "spoken")
		d.heard(d.says("s", "To what was spoken.", wire.StopEndTurn))
		d.v.quiet = d.v.quiet.Add(-noteQuiet)
		d.v.sayNotes()
		d.v.asked[0].askedAt = time.Now().Add(-time.Second)
		d.says("s2", "To what was written.", wire.StopEndTurn)
		d.wantHistory(Message{User, "spoken"}, Message{Assistant, "To what was spoken."}, Message{User, "written"}, Message{Assistant, "To what was written."})
	})
}

func TestHistoryHasNoMoreOfASentenceThatDoesNotGoOnThanWasHeard(t *testing.T) {
	const sentence = "Reply three zephyr harbour river grove kestrel amber yarrow." // 4 s
	for name, tc := range map[string]struct {
		silent time.Duration
		want   string
	}{
		"it may be on its way": {breakOffAfter - time.Millisecond, sentence},
		"it is not":            {breakOffAfter + time.Millisecond, "Reply three zephyr harbour [interrupted]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				withDesk(t, func(d *desk) {
					d.heard(0)
					d.user("u", "one")
					d.announces("s", sentence)
					d.gets(&wire.ContentStart{ContentID: "a", Type: wire.TypeAudio, Role: wire.RoleAssistant}, &wire.AudioOutput{ContentID: "a", Samples: make([]int16, 48000)})
					d.heard(48000)
					time.Sleep(tc.silent)
					d.wantHistory(Message{User, "one"}, Message{Assistant, tc.want})
				})
			})
		})
	}
}

// owesWords has the service be told in words what a tool has returned.
func (d *desk) owesWords() {
	now := time.Now()
	result := &call{id: "a", task: task{d.c, 1}, result: []byte("{}"), words: d.v.past.add(User, "the result"), toldAt: now}
	d.c.results, d.c.expects = []*call{result}, now
}

func TestAResultThatATextHasSupersededDoesNotTakeTheNextOnesPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		withDesk(t, func(d *desk) {
			d.heard(0)
			d.owesWords()
			time.Sleep(200 * time.Millisecond)
			d.v.say("typed") // the model says nothing of the result any more
			time.Sleep(time.Second)
			d.heard(d.says("s", "To what was typed.", wire.StopEndTurn))
			time.Sleep(saysMoreWithin)
			d.v.forgive()
			next := &call{id: "b", task: task{d.c, 2}, c: d.c, result: []byte("{}")}
			d.v.toTell = append(d.v.toTell, next)
			if d.v.tellResults(); len(d.c.results) != 1 {
				t.Fatalf("%d results were told, want the one that has just come", len(d.c.results))
			}
			time.Sleep(time.Second)
			d.says("s2", "What it has found.", wire.StopEndTurn)
			if len(d.c.results) > 0 {
				t.Error("it would be told again")
			}
		})
	})
}

func TestWhatATypedTextLeadsToAnswersItThoughAResultComesBefore(t *testing.T) {
	const roundTrip = 100 * time.Millisecond
	for name, c := range map[string]struct{ before, meanwhile func(d *desk) }{
		"announced": {before: func(d *desk) { d.announces("s", "An outcome.") }}, // and no audio
		"heard":     {before: func(d *desk) { d.says("s", "An outcome.", wire.StopPartialTurn) }},
		"heard for a round trip more": {
			before:    func(d *desk) { d.announces("s", "An outcome.") },
			meanwhile: func(d *desk) { d.speaks("a", 24000, wire.StopPartialTurn) },
		},
	} {
		for what, answer := range map[string]func(d *desk){
			"an answer": func(d *desk) { d.says("s2", "To what was typed.", wire.StopPartialTurn) },
			"a call": func(d *desk) {
				d.gets(&wire.ContentStart{ContentID: "t", Type: wire.TypeTool}, &wire.ToolUse{ContentID: "t", ToolUseID: "x", Name: "n", Arguments: []byte("{}")})
			},
		} {
			t.Run(name+", then "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					withDesk(t, func(d *desk) {
						d.heard(0)
						d.owesWords()
						time.Sleep(200 * time.Millisecond)
						c.before(d)
						time.Sleep(5 * time.Millisecond)
						d.v.say("typed")
						time.Sleep(roundTrip)
						if c.meanwhile != nil {
							c.meanwhile(d)
						}
						time.Sleep(time.Second)
						answer(d)
						if len(d.v.asked) > 0 {
							t.Error("it would be asked again")
						}
						if len(d.c.results) > 0 {
							t.Error("the next answer would be taken for one about the result")
						}
					})
				})
			})
		}
	}
}

func TestAnAnswerGoesOnBehindATextThatItIsNotTo(t *testing.T) {
	speaks := func(d *desk) { d.speaks("a", 24000, wire.StopPartialTurn) }
	types := func(d *desk) { d.v.say("typed") }
	for name, steps := range map[string][]func(d *desk){
		"since the stream has not read it":       {speaks, func(*desk) { time.Sleep(time.Second) }, types, func(*desk) { time.Sleep(100 * time.Millisecond) }},
		"since the stream does not attend to it": {types, func(*desk) { time.Sleep(500 * time.Millisecond) }, speaks, func(*desk) { time.Sleep(500 * time.Millisecond) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				withDesk(t, func(d *desk) {
					d.heard(0)
					d.announces("s", "An outcome.")
					first := d.c.reply
					for _, step := range steps {
						step(d)
					}
					d.says("s2", "That has more to it.", wire.StopPartialTurn)
					if d.c.reply != first {
						t.Error("it is taken for an answer to the text")
					}
				})
			})
		})
	}
}

// hears has the stream hear the user.
func (d *desk) hears(samples []int16) {
	d.c.hear(samples, d.v.ring.end)
	d.v.ring.write(samples)
	d.c.taken.add(int64(len(samples)))
}

func TestWhatTheUserBeginsInTheMiddleOfAnAnswerIsNotWhatItAnswers(t *testing.T) {
	for name, tells := range map[string]func(d *desk){
		"as a detector tells":   func(d *desk) { d.v.vadStarted(&frames.VADStarted{Position: 16000, Rate: 16000}) },
		"as the service tells":  func(d *desk) { d.gets(&wire.UserSpeechStart{Offset: time.Second}) },
		"of which nobody tells": func(*desk) {},
	} {
		t.Run(name, func(t *testing.T) {
			withDesk(t, func(d *desk) {
				d.hears(make([]int16, 16000))
				d.user("u", "one")
				d.says("s", "A first sentence.", wire.StopPartialTurn)
				d.hears(noise.Samples(1, 4000))
				tells(d)
				d.says("s2", "And a second.", wire.StopPartialTurn)
				d.hears(noise.Samples(2, 32000))
				if from, _ := d.v.replayFrom(d.c); from > 16000 {
					t.Errorf("the next stream hears it from %d on", from)
				}
			})
		})
	}
}

func TestWhatNobodyWillHearAgainIsToldInWords(t *testing.T) {
	for name, tc := range map[string]struct {
		since time.Duration
		want  []Message
	}{
		"it is heard again":       {time.Second, nil},
		"it is no longer kept":    {Config{}.withDefaults().Keep + time.Second, []Message{{User, "one"}, {Assistant, notAnswered}}},
		"the end of it is kept":   {Config{}.withDefaults().Keep - 10*time.Millisecond, nil},
		"it has just gone by now": {Config{}.withDefaults().Keep, []Message{{User, "one"}, {Assistant, notAnswered}}},
	} {
		t.Run(name, func(t *testing.T) {
			withDesk(t, func(d *desk) {
				d.v.ring.write(make([]int16, 16000))
				d.user("u", "one")
				d.v.ring.write(make([]int16, d.v.cfg.InputRate.Samples(tc.since)))
				d.v.hearAgain()
				d.wantHistory(tc.want...)
			})
		})
	}
}

func TestAnAnswerThatEndsAsItIsInterruptedEndsOnce(t *testing.T) {
	withDesk(t, func(d *desk) {
		d.heard(0)
		d.user("u", "one")
		d.says("s", "Reply one kestrel lagoon.", wire.StopEndTurn)
		d.marker("m")
		ends := 0
		for _, p := range d.v.box.ordered.queue {
			switch f := p.frame.(type) {
			case *frames.TTSStop, *frames.LLMResponseEnd:
				ends++
			case *frames.AudioOutput:
				t.Errorf("%v is still to be played", f)
			}
		}
		if ends != 2 {
			t.Errorf("%d frames end the answer, want one for its speech and one for its text", ends)
		}
	})
}

// lateStream is accepted after a while.
type lateStream struct {
	bedrock.Stream
	accepted chan struct{}
	aborted  chan struct{}
}

func (s *lateStream) Send(context.Context, []byte) error { return nil }
func (s *lateStream) Recv(context.Context) ([]byte, error) {
	<-s.aborted
	return nil, bedrock.ErrAborted
}
func (s *lateStream) CloseSend() error          { return nil }
func (s *lateStream) Accepted() <-chan struct{} { return s.accepted }
func (s *lateStream) Abort(error)               { close(s.aborted) }

type lateDialer struct {
	after time.Duration
	made  []*lateStream
}

func (*lateDialer) startLane() int { return 0 }
func (*lateDialer) join() func()   { return func() {} }
func (d *lateDialer) dial(context.Context, string, dialOptions) (bedrock.Stream, *place, error) {
	s := &lateStream{accepted: make(chan struct{}), aborted: make(chan struct{})}
	d.made = append(d.made, s)
	time.AfterFunc(d.after, func() { close(s.accepted) })
	return s, &place{release: func() {}}, nil
}

func TestAStreamThatIsAcceptedAsTheRunIsCancelledIsClosed(t *testing.T) {
	for range 100 { // the order of the two is a matter of chance
		synctest.Test(t, func(t *testing.T) {
			d := &lateDialer{after: time.Second}
			cfg := Config{}.withDefaults()
			v := newConversation(&cfg, d, nil, slog.New(slog.DiscardHandler), &shared{})
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Second, cancel)
			v.run(ctx, time.Time{}, func() time.Duration { return time.Second })
			for _, s := range d.made {
				select {
				case <-s.aborted:
				default:
					t.Error("a stream was left open")
					s.Abort(nil)
				}
			}
		})
	}
}

func TestABlockOfTextWithoutEndEndsTheStream(t *testing.T) {
	for name, b := range map[string]wire.ContentStart{
		"what the user said":         {Role: wire.RoleUser, Stage: wire.StageFinal},
		"what is about to be spoken": {Role: wire.RoleAssistant, Stage: wire.StageSpeculative},
	} {
		t.Run(name, func(t *testing.T) {
			withDesk(t, func(d *desk) {
				d.c.failed, d.c.stream = make(chan struct{}), &lateStream{aborted: make(chan struct{})}
				b.ContentID, b.Type = "b", wire.TypeText
				d.gets(&b)
				piece := strings.Repeat("word ", 200)
				n := 0
				for ended := false; !ended && n < 1000; n++ {
					d.gets(&wire.TextOutput{ContentID: "b", Text: piece})
					select {
					case <-d.c.failed:
						ended = true
					default:
					}
				}
				if took := n * len(piece); took > maxBlockText+2*len(piece) {
					t.Errorf("%d bytes were taken", took)
				}
			})
		})
	}
}

// What a slow caller did not get was not heard, though nobody interrupted; what comes
// behind it was.
func TestASentenceWhoseEndWasDroppedIsCut(t *testing.T) {
	const sentence = "Reply three zephyr harbour river grove kestrel amber yarrow." // 4 s
	for name, tc := range map[string]struct {
		from, to audio.Position // in eighths of the first sentence
		want     []string
	}{
		"its end":      {4, 8, []string{"response-1: Reply three zephyr harbour [interrupted]", "response-1: And that is all."}},
		"a hole in it": {4, 6, []string{"response-1: " + sentence, "response-1: And that is all."}},
		"all of it":    {0, 8, []string{"response-1: And that is all."}},
	} {
		t.Run(name, func(t *testing.T) {
			withDesk(t, func(d *desk) {
				d.heard(0)
				d.user("u", "one")
				end := d.says("s", sentence, wire.StopPartialTurn)
				last := d.says("s2", "And that is all.", wire.StopEndTurn)
				d.heard(end * tc.from / 8)
				for from := end * tc.from / 8; from < end*tc.to/8; from += 480 {
					d.v.playout(&frames.Playout{Track: "agent", Rate: 24000, Heard: from, Flushed: true, Dropped: true, Queued: min(from+480, end*tc.to/8)})
				}
				d.heard(last)
				d.confirms("f", sentence) // the service knows nothing of it
				d.confirms("f2", "And that is all.")
				d.wantRecord(tc.want...)
			})
		})
	}
}

// The report of a barge-in is not taken for come because something was dropped.
func TestADropIsNotTheReportOfABargeIn(t *testing.T) {
	const sentence = "Reply three zephyr harbour river grove kestrel amber yarrow." // 4 s
	withDesk(t, func(d *desk) {
		d.heard(0)
		d.user("u", "one")
		end := d.says("s", sentence, wire.StopEndTurn)
		d.heard(end / 8)
		d.confirms("f", "Reply three")
		d.marker("m")
		d.v.playout(&frames.Playout{Track: "agent", Rate: 24000, Heard: end / 8, Flushed: true, Dropped: true, Queued: end/8 + 480})
		d.flushed(end * 3 / 4)
		d.wantRecord("response-1: Reply three zephyr harbour river grove [interrupted]")
	})
}
