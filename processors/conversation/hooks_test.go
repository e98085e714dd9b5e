package conversation_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
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

func TestEveryTurnOfALongCallIsToldThoughTheTranscriptIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l told
		cfg := l.config()
		cfg.MaxEntries = 5
		h := pipelinetest.New(t, conversation.New(cfg))
		const rounds = 12
		var want []string
		for i := range int64(rounds) {
			at, response := i*8000, fmt.Sprint("r", i)
			question, answer := fmt.Sprint("question ", i), fmt.Sprint("answer ", i)
			feed(h, said(at, at+1000, question), text(response, answer), sound(response, i*3200, (i+1)*3200), &frames.TTSStop{Response: response},
				heard((i+1)*3200, at+5000), &frames.LLMResponseEnd{Response: response})
			want = append(want, question, answer)
		}
		if err := h.End(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, turn := range l.turns {
			got = append(got, turn.Text())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
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

func TestAHookThatPanicsAtTheEndIsNotPassedOverInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talk := conversation.New(conversation.Config{OnToolCall: func(conversation.Entry) { panic("oops") }})
		h := pipelinetest.New(t, talk)
		feed(h, &frames.FunctionCall{CallID: "x", Name: "get"})
		err := h.End()
		for _, e := range h.Errors() {
			err = errors.Join(err, e.Err)
		}
		if err == nil || !strings.Contains(err.Error(), "OnToolCall panicked: oops") {
			t.Errorf("the end says %v", err)
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

// An agent's answer of two sentences, and what a recogniser makes of a noise in the
// first: it is not to be known afterwards, by whatever way it turned out to be
// nothing.
func TestAnInterimThatComesToNothingLeavesNoTraceAndSplitsNoTurn(t *testing.T) {
	// mic is the caller's silence up to a time, in milliseconds.
	mic := func(at int64) frames.Frame {
		return &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(audio.Rate16k), Samples: make([]int16, 320), Track: "caller", Position: audio.Position(at*16) - 320}}
	}
	interim := func(text string) frames.Frame { return &frames.InterimTranscription{Track: "caller", Text: text} }
	starts := func(at int64) frames.Frame {
		return &frames.VADStarted{Track: "caller", Position: audio.Position(at * 16), Rate: 16000}
	}
	stops := func(at int64) frames.Frame {
		return &frames.VADStopped{Track: "caller", Position: audio.Position(at * 16), Rate: 16000}
	}
	for name, noise := range map[string]struct {
		before, between, behind []frames.Frame // the second sentence's first sound
	}{
		"withdrawn":                          {before: []frames.Frame{interim("uh"), interim("")}},
		"withdrawn within the next":          {before: []frames.Frame{interim("uh")}, between: []frames.Frame{interim("")}},
		"withdrawn behind the next":          {before: []frames.Frame{interim("uh")}, behind: []frames.Frame{interim("")}},
		"never heard of again":               {before: []frames.Frame{interim("uh")}, behind: []frames.Frame{mic(8500)}},
		"never heard of again, with a voice": {before: []frames.Frame{starts(2600), interim("uh"), stops(2900)}, behind: []frames.Frame{mic(8500)}},
		"another voice speaks":               {before: []frames.Frame{starts(2600), interim("uh"), stops(2900)}, behind: []frames.Frame{mic(6000), starts(7000)}},
		"a voice that does not end":          {before: []frames.Frame{starts(2600), interim("uh")}, behind: []frames.Frame{mic(40000)}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l told
				talk := conversation.New(l.config())
				h := pipelinetest.New(t, talk)
				feed(h, said(0, 1000, "Hello."), &frames.LLMResponseStart{Response: "r"}, text("r", "Good morning."), sound("r", 0, 2000), text("r", " How are you?"), sound("r", 2000, 4000), heard(1000, 2500))
				feed(h, noise.before...)
				feed(h, heard(2500, 4000))
				feed(h, noise.between...)
				feed(h, &frames.TTSStop{Response: "r"}, heard(4000, 5500))
				feed(h, noise.behind...)
				if n := len(talk.Transcript().Entries); n != 3 {
					t.Errorf("it has %q", lines(talk.Transcript()))
				}
				feed(h, interim("fine"), said(50_000, 51_000, "Fine."))
				if err := h.End(); err != nil {
					t.Fatal(err)
				}
				var turns []string
				for _, u := range l.turns {
					turns = append(turns, string(u.Who)+": "+u.Text())
				}
				if diff := cmp.Diff([]string{"caller: Hello.", "agent: Good morning. How are you?", "caller: Fine."}, turns); diff != "" {
					t.Errorf("turns (-want +got)\n%s", diff)
				}
				if s := l.states("uh"); s[len(s)-1] != conversation.Withdrawn {
					t.Errorf("the interim was told as %v", s)
				}
				if s := l.states("fine"); !slices.Equal(s, []conversation.State{conversation.Interim, conversation.Final}) {
					t.Errorf("what was said was told as %v", s)
				}
			})
		})
	}
}

func TestTheNextUtteranceIsNotWhereAnInterimWasThatCameToNothing(t *testing.T) {
	starts := func(at audio.Position) frames.Frame {
		return &frames.VADStarted{Track: "caller", Position: at * 16, Rate: 16000}
	}
	stops := func(at audio.Position) frames.Frame {
		return &frames.VADStopped{Track: "caller", Position: at * 16, Rate: 16000}
	}
	interim := func(text string) frames.Frame { return &frames.InterimTranscription{Track: "caller", Text: text} }
	got := after(t, conversation.Config{}, starts(1000), interim("uh huh"), stops(1500), starts(4000), interim("next"))
	if want := []string{"caller interim: next"}; !slices.Equal(lines(got), want) {
		t.Errorf("it has %q, want %q", lines(got), want)
	} else if at := got.Entries[0].Place.From(); at != 4*time.Second {
		t.Errorf("it is said to begin at %v", at)
	}
	got = after(t, conversation.Config{}, starts(1000), interim("well"), stops(1500), starts(1900), interim("well I"))
	if at := got.Entries[0].Place.From(); len(got.Entries) != 1 || at != time.Second {
		t.Errorf("what goes on behind a short pause is said to begin at %v: %q", at, lines(got))
	}
}

func TestWhatIsDroppedBeforeItCouldBeToldIsInDoubtAndNotToldWithoutItsWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		talk := conversation.New(conversation.Config{MaxEntries: 2, OnEntry: func(e conversation.Entry) {
			told = append(told, e.Text)
			time.Sleep(time.Minute)
		}})
		h := pipelinetest.New(t, talk)
		feed(h, said(0, 10, "One."), said(20, 30, "Two."), said(40, 50, "Three."), said(60, 70, "Four."))
		h.Advance(5 * time.Minute)
		if want := "One., Three., Four."; strings.Join(told, ", ") != want {
			t.Errorf("told was %q, want %q", told, want)
		}
		if issues := talk.Transcript().Issues; len(issues) != 1 || issues[0].Kind != conversation.TooMuch || issues[0].Count != 1 {
			t.Errorf("in doubt: %v", issues)
		}
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
