package novasonic

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/internal/noise"
	"github.com/parley-go/parley/services/novasonic/internal/continuity"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
)

// handOver has another stream take over from the one that listens, which drains
// from then on. What comes next is the old one's.
func (d *desk) handOver() {
	next := &connection{id: 2, number: 2, cfg: d.v.cfg, queue: newSendQueue(d.v.cfg.InputRate, 60), blocks: map[string]*block{}, ended: make(chan struct{}), opened: time.Now()}
	d.c.id = 1
	d.v.streams[1], d.v.streams[2] = d.c, next
	d.v.cut(continuity.Decision{Do: continuity.Cut, Stream: 2, From: 1, Move: continuity.Move{Number: 1, Reason: continuity.Age, From: 1}})
}

// TestWhatWasOnlyAnnouncedIsSaidByOneStream: the next stream is given what has no
// answer that was heard, and so the old one does not begin to say it.
func TestWhatWasOnlyAnnouncedIsSaidByOneStream(t *testing.T) {
	for name, asks := range map[string]func(d *desk){
		"to a text": func(d *desk) { d.v.say("typed") },
		"to speech": func(d *desk) {
			d.hears(noise.Samples(1, 16000))
			d.user("u", "spoken")
		},
		"to the first instruction": func(d *desk) { d.v.say("greet") },
	} {
		for what, old := range map[string]func(d *desk){
			"an announcement": func(d *desk) { d.announces("s", "The old one's.") },
			"an open block": func(d *desk) {
				d.announces("s", "The old one's.")
				d.gets(&wire.ContentStart{ContentID: "a0", Type: wire.TypeAudio, Role: wire.RoleAssistant})
			},
		} {
			t.Run(what+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					withDesk(t, func(d *desk) {
						d.heard(0)
						d.hears(make([]int16, 16000))
						asks(d)
						time.Sleep(time.Second)
						old(d)
						d.handOver()
						if what == "an open block" {
							d.gets(
								&wire.AudioOutput{ContentID: "a0", Samples: make([]int16, 24000)},
								&wire.ContentEnd{ContentID: "a0", Type: wire.TypeAudio, StopReason: wire.StopEndTurn})
						} else {
							d.speaks("a", 24000, wire.StopEndTurn)
						}
						if d.v.spoken > 0 {
							t.Error("the old stream says it, which the next one is asked for as well")
						}
						if d.v.owesSpeech(d.v.draining) {
							t.Error("the old stream is waited for")
						}
					})
				})
			})
		}
	}
}

// TestWhatWasBegunIsFinishedByTheOldStream is the other side of that.
func TestWhatWasBegunIsFinishedByTheOldStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		withDesk(t, func(d *desk) {
			d.heard(0)
			d.hears(make([]int16, 16000))
			d.v.say("typed")
			time.Sleep(time.Second)
			d.says("s", "A beginning.", wire.StopPartialTurn)
			d.announces("s2", "The rest.")
			d.hears(noise.Samples(1, 4000)) // of which the next stream hears the beginning again
			d.handOver()
			if !d.v.draining.misled {
				t.Fatal("nothing is heard again")
			}
			d.speaks("a2", 24000, wire.StopEndTurn)
			d.wantHistory(Message{User, "typed"}, Message{Assistant, "A beginning.\nThe rest."})
			if len(d.v.asked) > 0 || len(d.v.notes) > 0 {
				t.Error("the next stream is asked as well")
			}
		})
	})
}

// TestWhatWasJustTypedIsNotWhatIsAnswered: the model has not read it when it begins
// to speak of what was said before.
func TestWhatWasJustTypedIsNotWhatIsAnswered(t *testing.T) {
	for name, answers := range map[string]func(d *desk){
		"an answer": func(d *desk) { d.says("s", "To what was spoken.", wire.StopPartialTurn) },
		"audio without an announcement": func(d *desk) {
			d.speaks("a", 24000, wire.StopPartialTurn)
		},
		"a call": func(d *desk) {
			d.gets(&wire.ContentStart{ContentID: "t", Type: wire.TypeTool}, &wire.ToolUse{ContentID: "t", ToolUseID: "x", Name: "n", Arguments: []byte("{}")})
		},
	} {
		for after, asked := range map[time.Duration]int{soonestAnswer - time.Millisecond: 1, soonestAnswer: 0} {
			t.Run(name+" after "+after.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					withDesk(t, func(d *desk) {
						d.heard(0)
						d.hears(noise.Samples(1, 16000))
						d.user("u", "spoken")
						d.v.say("typed")
						time.Sleep(after)
						answers(d)
						if n := len(d.v.asked); n != asked {
							t.Errorf("%d texts wait for an answer, want %d", n, asked)
						}
						if d.v.awaitsSpoken() {
							t.Error("what was spoken still waits for an answer")
						}
					})
				})
			})
		}
	}
}

func TestTheFirstInstructionIsNoPartOfWhatWasSaidThoughItIsGivenAgain(t *testing.T) {
	withDesk(t, func(d *desk) {
		d.heard(0)
		d.hears(make([]int16, 16000))
		d.v.note(note{entry: &entry{role: User, text: "greet"}}) // while something else is heard again
		d.v.quiet = d.v.quiet.Add(-noteQuiet)
		d.v.sayNotes()
		if len(d.v.asked) != 1 {
			t.Fatal("it is not given")
		}
		d.v.asked[0].askedAt = time.Now().Add(-time.Second)
		d.heard(d.says("s", "Good morning.", wire.StopEndTurn))
		if len(d.v.asked) != 0 {
			t.Error("it would be given again")
		}
		if m := d.v.history(); len(m) != 1 || m[0] != (Message{Assistant, "Good morning."}) {
			t.Errorf("the transcript is %q", m)
		}
	})
}
