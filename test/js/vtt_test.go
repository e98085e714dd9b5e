package js

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/conversation"
)

// cue is what vtt.mjs prints of a cue.
type cue struct {
	ID          string
	Start, End  float64
	Voice, Text string
}

// read reads captions with vtt.mjs.
func read(t *testing.T, said conversation.Transcript) (cues []cue, errors []string) {
	t.Helper()
	var vtt bytes.Buffer
	if err := said.WriteVTT(&vtt); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node(t, "webvtt-parser"), "vtt.mjs")
	cmd.Stdin = bytes.NewReader(vtt.Bytes())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Cues   []cue
		Errors []string
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", &vtt)
	return answer.Cues, answer.Errors
}

func TestTheValidatorsParserReadsOurCaptionsAsTheyWereMeant(t *testing.T) {
	entry := func(id int, who conversation.Speaker, state conversation.State, from, to audio.Position, text string) conversation.Entry {
		return conversation.Entry{ID: id, Who: who, State: state, Text: text, Place: conversation.Span{Rate: audio.Rate16k, Start: from, End: to}}
	}
	said := conversation.Transcript{Dropped: 2, Entries: []conversation.Entry{
		entry(3, conversation.Caller, conversation.Final, 16000, 32000, "a < b && c > d"),
		entry(4, conversation.Agent, conversation.Heard, 40000, 80008, "00:01.000 --> 00:02.000\r\n\r\nNOTE <v caller>&lt;\x00"),
		entry(5, conversation.Caller, conversation.Final, 39999, 40000, "I spoke at once."),
		entry(6, conversation.Agent, conversation.Cut, 80000, 80000, "Nothing in no time"),
		{ID: 7, Who: conversation.Agent, State: conversation.Unheard, Unheard: "never --> heard"},
		{ID: 8, Who: conversation.Tool, State: conversation.Called, Call: &conversation.Call{Name: "a-->b"}, Place: conversation.Span{Rate: 1000}},
		entry(9, conversation.Caller, conversation.Final, 16000*360000, 16000*360001, "After a hundred hours."),
	}}
	cues, errors := read(t, said)
	if len(errors) > 0 {
		t.Errorf("it is not valid: %s", strings.Join(errors, "; "))
	}
	if diff := cmp.Diff([]cue{
		{"3", 1, 2, "caller", "a < b && c > d"},
		{"5", 2.499, 2.5, "caller", "I spoke at once."},
		{"4", 2.5, 5, "agent", "00:01.000 --> 00:02.000 NOTE <v caller>&lt;\ufffd"},
		{"6", 5, 5.001, "agent", "Nothing in no time [interrupted]"},
		{"9", 360000, 360001, "caller", "After a hundred hours."},
	}, cues); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
