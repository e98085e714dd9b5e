package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/processors/conversation"
)

func TestATranscriptIsWrittenInTheFormThatItsNameAsksFor(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	longer := []byte(strings.Repeat("an older and longer transcript\n", 1<<12))
	saved := func(name string) (Summary, string) {
		path := write(t, name, longer)
		s := summaryOf(t, calls+"order.mp3", "--transcript", path)
		if s.Saved != path {
			t.Errorf("the summary names %q", s.Saved)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return s, string(b)
	}
	s, text := saved("call.JSON")
	var said conversation.Transcript
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		t.Fatal(err)
	}
	if len(said.Issues) > 0 {
		t.Errorf("it doubts %v", said.Issues)
	}
	var lines []Line
	tools := 0
	for _, e := range said.Entries {
		if e.Who == conversation.Tool {
			tools++
			if e.State != conversation.Returned {
				t.Errorf("the tool has %s", e.State)
			}
			continue
		}
		lines = append(lines, Line{Who: string(e.Who), Text: e.Text, Start: millis(e.Place.From()), End: millis(e.Place.To())})
	}
	if tools != 1 || !slices.Equal(lines, s.Lines) {
		t.Errorf("it has %d tools, and the lines\n%+v, not\n%+v", tools, lines, s.Lines)
	}
	const open = "On Saturday we are open from ten to four."
	if _, text := saved("call.vtt"); !strings.HasPrefix(text, "WEBVTT\n") || !strings.Contains(text, "\n<v agent>"+open+"\n") || strings.Contains(text, "older") {
		t.Errorf("the captions are\n%s", text)
	}
	if _, text := saved("call.txt"); !strings.Contains(text, "  agent   "+open+"\n") || !strings.Contains(text, "  tool    ") || strings.Contains(text, "older") {
		t.Errorf("the text is\n%s", text)
	}
}

func TestATranscriptDoesNotReplaceTheCallersRecording(t *testing.T) {
	recording, err := os.ReadFile(calls + "bargein.wav")
	if err != nil {
		t.Fatal(err)
	}
	caller := write(t, "caller.wav", recording)
	link := filepath.Join(t.TempDir(), "call.txt")
	if err := os.Symlink(caller, link); err != nil {
		t.Skip(err)
	}
	status, _, stderr := parley(t, "call", "--fast", caller, "--transcript", link)
	if status != 1 || !strings.Contains(stderr, "the same file as") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	if b, err := os.ReadFile(caller); err != nil || len(b) != len(recording) {
		t.Errorf("the recording now has %d bytes (%v)", len(b), err)
	}
}

// A sentence is said when it begins to be heard, and again when it is known what
// was heard of it: not when that is only reckoned.
func TestALineIsSaidOnceAndCorrectedOnce(t *testing.T) {
	place := conversation.Span{Rate: 1000, Start: 100, End: 900}
	entry := func(s conversation.State, text string, estimated bool) conversation.Entry {
		return conversation.Entry{ID: 7, Who: conversation.Agent, State: s, Text: text, Unheard: "x", Place: place, Estimated: estimated}
	}
	var said []string
	s := newSpeaker(func(l Line) { said = append(said, l.Text) })
	for _, e := range []conversation.Entry{
		{ID: 7, Who: conversation.Agent, State: conversation.Announced, Text: "not yet heard"},
		entry(conversation.Speaking, "One two three.", false),
		entry(conversation.Cut, "One", true),
		entry(conversation.Cut, "One two", false),
		entry(conversation.Cut, "One two", false),
		{ID: 8, Who: conversation.Caller, State: conversation.Interim, Text: "perhaps", Place: place},
		{ID: 8, Who: conversation.Caller, State: conversation.Final, Text: "Certainly.", Place: place},
	} {
		s.hear(e)
	}
	if want := []string{"One two three.", "One two", "Certainly."}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}

func TestABargeInIsCountedOnceForEachAnswerThatWasCut(t *testing.T) {
	cut := func(response, reason string) conversation.Entry {
		e := conversation.Entry{Who: conversation.Agent, State: conversation.Cut, Response: response, Reason: reason}
		e.Place = conversation.Span{Rate: 1000, Start: 1, End: 2}
		return e
	}
	said := conversation.Transcript{Entries: []conversation.Entry{
		cut("a", "barge-in"), cut("a", "barge-in"), cut("b", "broken off"), cut("c", "barge-in"),
		{Who: conversation.Agent, State: conversation.Unheard, Response: "d", Reason: "barge-in"}, cut("e", "interrupted"),
	}}
	if got := bargeIns(said, "interrupted"); !slices.Equal(got, []time.Duration{2 * time.Millisecond, 2 * time.Millisecond}) {
		t.Errorf("barge-ins at %v", got)
	}
}
