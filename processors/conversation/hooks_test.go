package conversation_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/conversation"
)

func TestASlowHookStallsNobodyAndIsToldTheLastState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		talk := conversation.New(conversation.Config{OnEntry: func(e conversation.Entry) {
			told = append(told, string(e.State)+": "+e.Text)
			time.Sleep(time.Minute)
		}})
		h := pipelinetest.New(t, talk)
		began := time.Now()
		h.Send(&frames.InterimTranscription{Track: "caller", Text: "h"})
		for _, text := range []string{"he", "hel", "hell"} {
			h.Send(&frames.InterimTranscription{Track: "caller", Text: text})
		}
		h.Send(said(0, 10, "Hello."), &frames.Text{Text: "passes"})
		pipelinetest.Next[*frames.Text](h)
		if d := time.Since(began); d != 0 {
			t.Errorf("the frames took %v to pass", d)
		}
		h.Advance(5 * time.Minute)
		if want := "interim: h, final: Hello."; strings.Join(told, ", ") != want {
			t.Errorf("told was %q, want %q", told, want)
		}
	})
}

func TestWhatWasNotToldBeforeTheEndIsToldAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l told
		talk := conversation.New(l.config())
		h := pipelinetest.New(t, talk)
		feed(h, said(0, 1000, "Hello."), text("r", ten), sound("r", 0, 4800), &frames.TTSStop{Response: "r"}, heard(2000, 2000),
			&frames.FunctionCall{CallID: "x", Name: "get"})
		if len(l.turns) != 1 || len(l.calls) != 0 {
			t.Errorf("during the call %d turns and %d calls were told", len(l.turns), len(l.calls))
		}
		if err := h.End(); err != nil {
			t.Fatal(err)
		}
		if len(l.turns) != 2 || len(l.calls) != 1 || l.calls[0].State != conversation.Called {
			t.Errorf("in the end %d turns and %v were told", len(l.turns), l.calls)
		}
		last := l.turns[1].Entries[0]
		if last.State != conversation.Cut || last.Reason != "end" || last.Text != "one two three four" {
			t.Errorf("what the end cut is %+v", last)
		}
	})
}

func TestAHookThatPanicsCostsOneCallOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		talk := conversation.New(conversation.Config{OnEntry: func(conversation.Entry) {
			if calls++; calls == 1 {
				panic("oops")
			}
		}})
		h := pipelinetest.New(t, talk)
		feed(h, said(0, 10, "One."), said(20, 30, "Two."))
		if calls != 2 || len(talk.Transcript().Entries) != 2 {
			t.Errorf("it was called %d times, %d entries were written down", calls, len(talk.Transcript().Entries))
		}
		errs := h.Errors()
		if len(errs) != 1 || errs[0].Fatal || !strings.Contains(errs[0].Err.Error(), "OnEntry panicked: oops") {
			t.Errorf("reported was %v", errs)
		}
	})
}

func TestATurnWaitsForWhatIsStillHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l told
		talk := conversation.New(l.config())
		h := pipelinetest.New(t, talk)
		feed(h, said(0, 1000, "Hello."), text("r", ten), sound("r", 0, 4800), heard(4000, 4000), said(3000, 4100, "Uh-huh."))
		if len(l.turns) != 1 {
			t.Fatalf("%d turns are over, and the agent still speaks", len(l.turns)-1)
		}
		feed(h, &frames.TTSStop{Response: "r"}, heard(4800, 4800))
		if len(l.turns) != 2 || l.turns[1].Text() != ten || l.turns[1].Interrupted() {
			t.Errorf("turns: %v", l.turns)
		}
	})
}

func TestTheTranscriptIsReadWhileTheCallGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talk := conversation.New(conversation.Config{MaxEntries: 50, OnEntry: func(conversation.Entry) {}})
		h := pipelinetest.New(t, talk)
		var readers sync.WaitGroup
		for i := range int64(100) {
			for range 3 { // beside the frame, for the race detector
				readers.Go(func() {
					for _, e := range talk.Transcript().Entries {
						if e.Text == "" {
							t.Error("an entry is read before it has its text")
						}
					}
					talk.Messages()
				})
			}
			feed(h, said(i*10, i*10+5, fmt.Sprint("number ", i)))
		}
		readers.Wait()
	})
}

func TestAnInstructionIsTheApplicationsAndNoTurnOfTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l told
		talk := conversation.New(l.config())
		h := pipelinetest.New(t, talk.TapCaller(), talk)
		feed(h, said(0, 1000, "Hello."), text("r", "Good morning."), sound("r", 0, 1000), &frames.TTSStop{Response: "r"}, heard(1000, 2000),
			&frames.Text{Text: "Ask whether the caller is still there.", Instruction: true},
			text("s", "Hello?"), sound("s", 1000, 1500), &frames.TTSStop{Response: "s"}, heard(1500, 14000), said(15000, 16000, "Yes."), &frames.Text{Text: "typed"})
		if err := h.End(); err != nil {
			t.Fatal(err)
		}
		got := talk.Transcript()
		want := []string{"caller final: Hello.", "agent heard: Good morning.", "application final: Ask whether the caller is still there.",
			"agent heard: Hello?", "caller final: Yes.", "caller final: typed"}
		if diff := cmp.Diff(want, lines(got)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if e := got.Entries[2]; e.Typed || e.Place.IsZero() || !e.Rough {
			t.Errorf("the instruction is %+v", e)
		}
		var turns []string
		for _, u := range l.turns {
			turns = append(turns, string(u.Who)+": "+u.Text())
		}
		if diff := cmp.Diff([]string{"caller: Hello.", "agent: Good morning. Hello?", "caller: Yes. typed"}, turns); diff != "" {
			t.Errorf("turns (-want +got)\n%s", diff)
		}
		var messages []string
		for _, m := range got.Messages() {
			messages = append(messages, string(m.Role)+": "+m.Text)
		}
		if diff := cmp.Diff([]string{"user: Hello.", "assistant: Good morning.", "system: [Instruction: Ask whether the caller is still there.]",
			"assistant: Hello?", "user: Yes. typed"}, messages); diff != "" {
			t.Errorf("messages (-want +got)\n%s", diff)
		}
		readable(t, got)
	})
}

func TestATapShowsWhatTheModelAsksForAndNothingIsNotedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talk := conversation.New(conversation.Config{})
		h := pipelinetest.New(t, talk.TapCaller(), talk.TapAgent(), talk)
		feed(h, said(0, 1000, "Hello."), text("r", "Good morning."), &bargeIn{}, &bargeIn{}, &frames.Text{Text: "typed"})
		got := talk.Transcript()
		if want := "caller final: Hello.\nagent unheard:  | Good morning.\ncaller final: typed"; strings.Join(lines(got), "\n") != want {
			t.Errorf("it has\n%s", strings.Join(lines(got), "\n"))
		}
		if !got.Entries[2].Typed || len(got.Issues) > 0 {
			t.Errorf("%+v, in doubt: %v", got.Entries[2], got.Issues)
		}
		if err := h.End(); err != nil {
			t.Error(err)
		}
	})
}
