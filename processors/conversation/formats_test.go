package conversation_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/conversation"
)

// sample has one entry of each kind.
func sample() conversation.Transcript {
	at := func(track string, rate audio.SampleRate, from, to audio.Position) conversation.Span {
		return conversation.Span{Track: track, Rate: rate, Start: from, End: to}
	}
	return conversation.Transcript{
		Began:   time.Date(2026, 3, 1, 9, 30, 0, 123456789, time.UTC),
		Dropped: 3,
		Issues:  []conversation.Issue{{Kind: conversation.BadPosition, Count: 2, First: "track \"caller\""}},
		Entries: []conversation.Entry{
			{ID: 4, Who: conversation.Caller, State: conversation.Final, Text: "What's <this> & that?", Language: "en", Place: at("caller", 16000, 17600, 48001)},
			{ID: 5, Who: conversation.Tool, State: conversation.Returned, Place: at("", 1000, 3400, 3520), Rough: true, Call: &conversation.Call{
				ID: "c1", Name: "get_price", Arguments: json.RawMessage(`{"item":"a<b"}`), Result: json.RawMessage(`{"result":90}`), Elapsed: 120*time.Millisecond + 7*time.Microsecond}},
			{ID: 6, Who: conversation.Agent, State: conversation.Cut, Text: "A full service is", Unheard: "ninety pounds.", Reason: "barge-in", Estimated: true,
				Response: "r1", Place: at("", 24000, 100800, 124800), Audio: at("agent", 24000, 0, 24000)},
			{ID: 7, Who: conversation.Agent, State: conversation.Unheard, Unheard: "Parts are extra.", Reason: "barge-in", Response: "r1"},
			{ID: 8, Who: conversation.Caller, State: conversation.Final, Typed: true, Text: "12#", Place: at("", 1000, 5100, 5100), Rough: true},
			{ID: 9, Who: conversation.Tool, State: conversation.Running, Place: at("", 1000, 6000, 6000), Rough: true, Call: &conversation.Call{ID: "c2", Name: "wait"}},
			{ID: 10, Who: conversation.Agent, State: conversation.Heard, Response: "r2", Place: at("", 24000, 148800, 160000), Audio: at("agent", 24000, 24000, 35200)},
			{ID: 11, Who: conversation.Caller, State: conversation.Interim, Text: "I am not", Place: at("caller", 16000, 112000, 120000), Clipped: 12},
			{ID: 12, Who: conversation.Application, State: conversation.Final, Text: "Ask whether the caller is still there.", Place: at("", 1000, 8000, 8000), Rough: true},
		},
	}
}

func TestATranscriptInJSONIsReadAsItWasWritten(t *testing.T) {
	for name, write := range map[string]func(conversation.Transcript) ([]byte, error){
		"compact": func(u conversation.Transcript) ([]byte, error) { return json.Marshal(u) },
		"indented": func(u conversation.Transcript) ([]byte, error) {
			var b bytes.Buffer
			err := u.WriteJSON(&b)
			return b.Bytes(), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := write(sample())
			if err != nil {
				t.Fatal(err)
			}
			var read conversation.Transcript
			if err := json.Unmarshal(text, &read); err != nil {
				t.Fatal(err)
			}
			if name == "compact" { // encoding/json escapes < in what a MarshalJSON returns
				read.Entries[1].Call.Arguments = bytes.ReplaceAll(read.Entries[1].Call.Arguments, []byte(`\u003c`), []byte("<"))
			}
			if diff := cmp.Diff(sample(), read); diff != "" {
				t.Errorf("(-written +read)\n%s", diff)
			}
		})
	}
}

// The schema is stable: programs of others read it. This test may gain fields,
// and must not change in what it has.
func TestTheSchemaOfTheJSONIsStable(t *testing.T) {
	golden(t, "transcript.json", conversation.Transcript.WriteJSON)
}

func TestTheTextTellsWhatWasNotHeard(t *testing.T) {
	golden(t, "transcript.txt", conversation.Transcript.WriteText)
}

func TestTheCaptionsHoldWhatWasHeard(t *testing.T) {
	golden(t, "transcript.vtt", conversation.Transcript.WriteVTT)
}

func golden(t *testing.T, name string, write func(conversation.Transcript, io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := write(sample(), &got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("not as in %s (-want +got)\n%s", path, diff)
	}
	if err := write(sample(), failing{}); !errors.Is(err, errFull) {
		t.Errorf("onto a full disk: %v", err)
	}
}

var errFull = errors.New("full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestWhatIsNoTranscriptIsRefused(t *testing.T) {
	entry := func(s string) string { return `{"version":1,"entries":[{"id":1,` + s + `}]}` }
	for name, tc := range map[string]struct{ text, mention string }{
		"no JSON":                     {`{`, "unexpected end"},
		"another version":             {`{"version":2,"entries":[]}`, "version 2"},
		"no version":                  {`{"entries":[]}`, "version 0"},
		"negative drop":               {`{"version":1,"dropped_entries":-1}`, "-1"},
		"unknown state":               {entry(`"who":"caller","state":"asleep"`), "asleep"},
		"state of the application":    {entry(`"who":"application","state":"interim"`), "interim"},
		"state of another":            {entry(`"who":"caller","state":"heard"`), "heard"},
		"nobody":                      {entry(`"state":"final"`), "final"},
		"place that ends too soon":    {entry(`"who":"caller","state":"final","place":{"rate":16000,"start":5,"end":4}`), "from 5 to 4"},
		"place before the beginning":  {entry(`"who":"caller","state":"final","place":{"rate":16000,"start":-5,"end":4}`), "from -5"},
		"place without a rate":        {entry(`"who":"caller","state":"final","place":{"start":1,"end":4}`), "sample rate 0"},
		"place beyond all time":       {entry(`"who":"caller","state":"final","audio":{"rate":1,"start":0,"end":9223372036854775807}`), "piece of a track"},
		"tool without a call":         {entry(`"who":"tool","state":"called"`), "call"},
		"call of a caller":            {entry(`"who":"caller","state":"final","call":{"name":"x"}`), "call"},
		"call that ends before it is": {entry(`"who":"tool","state":"returned","call":{"name":"x","elapsed_ms":-1}`), "elapsed_ms"},
	} {
		t.Run(name, func(t *testing.T) {
			read := conversation.Transcript{Dropped: 7}
			err := json.Unmarshal([]byte(tc.text), &read)
			if err == nil || !strings.Contains(err.Error(), tc.mention) {
				t.Errorf("error: %v", err)
			}
			if read.Dropped != 7 {
				t.Error("what it was read into has changed")
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	text, err := json.Marshal(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"entries":[{"id":1,"who":"tool","state":"failed","text":"\ud800","call":{"name":"","arguments":null,"result":[ 1 ],"elapsed_ms":1e-9}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var read conversation.Transcript
		if json.Unmarshal(data, &read) != nil {
			return
		}
		readable(t, read)
	})
}

// readable checks that a transcript can be written in every form, and that its
// JSON is read as it was written.
func readable(t interface {
	Helper()
	Fatalf(string, ...any)
}, said conversation.Transcript) {
	t.Helper()
	var doc, vtt, text bytes.Buffer
	for _, err := range []error{said.WriteJSON(&doc), said.WriteVTT(&vtt), said.WriteText(&text)} {
		if err != nil {
			t.Fatalf("%v", err)
		}
	}
	var again conversation.Transcript
	if err := json.Unmarshal(doc.Bytes(), &again); err != nil {
		t.Fatalf("what was written cannot be read: %v\n%s", err, &doc)
	}
	if diff := cmp.Diff(said, again); diff != "" {
		t.Fatalf("(-written +read)\n%s", diff)
	}
	last := ""
	for line := range strings.Lines(vtt.String()) {
		start, end, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " --> ")
		if !ok {
			if strings.Contains(line, "-->") {
				t.Fatalf("an arrow in %q", line)
			}
			continue
		}
		start, end = pad(start), pad(end)
		if start < last || end <= start {
			t.Fatalf("a cue from %s to %s behind one from %s", start, end, last)
		}
		last = start
	}
	if strings.ContainsAny(vtt.String()+text.String(), "\x00\x1b\r\v\u0085") {
		t.Fatalf("what steers a terminal has come through:\n%q", &text)
	}
	said.Messages()
	said.Turns()
}

// pad makes times comparable as text.
func pad(stamp string) string { return strings.Repeat("0", max(0, 24-len(stamp))) + stamp }

func TestFFmpegReadsTheCaptions(t *testing.T) {
	ffmpeg := needTool(t, "ffmpeg")
	var vtt bytes.Buffer
	if err := sample().WriteVTT(&vtt); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(ffmpeg, "-v", "error", "-f", "webvtt", "-i", "-", "-f", "srt", "-")
	cmd.Stdin = &vtt
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const want = `1
00:00:01,100 --> 00:00:03,000
What's <this> & that?

2
00:00:04,200 --> 00:00:05,200
A full service is [interrupted]

`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTurnsAndMessagesAreMadeOfWhatWasHeard(t *testing.T) {
	said := sample()
	var turns []string
	for _, u := range said.Turns() {
		turns = append(turns, string(u.Who)+": "+u.Text())
	}
	if diff := cmp.Diff([]string{"caller: What's <this> & that?", "agent: A full service is", "caller: 12#", "agent: ", "caller: I am not", "agent: "}, turns); diff != "" {
		t.Errorf("turns (-want +got)\n%s", diff)
	}
	if u := said.Turns()[1]; !u.Interrupted() {
		t.Error("a turn that was cut is not said to be")
	} else if from, to, ok := u.Place(); !ok || from != 3400*time.Millisecond || to != 5200*time.Millisecond {
		t.Errorf("the turn is from %v to %v (%v)", from, to, ok)
	}
	want := []conversation.Message{
		{Role: "user", Text: "What's <this> & that?"},
		{Role: "tool", Text: `[I called get_price with {"item":"a<b"}; it returned {"result":90}.]`, Call: said.Entries[1].Call},
		{Role: "assistant", Text: "A full service is [interrupted]", Interrupted: true},
		{Role: "user", Text: "12#"},
		{Role: "tool", Text: `[I called wait; there is no result yet.]`, Call: said.Entries[5].Call},
		{Role: "system", Text: "[Instruction: Ask whether the caller is still there.]"},
	}
	if diff := cmp.Diff(want, said.Messages()); diff != "" {
		t.Errorf("messages (-want +got)\n%s", diff)
	}
}
