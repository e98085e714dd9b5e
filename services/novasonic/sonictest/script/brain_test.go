package script

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

// talk is a conversation as the emulator keeps it.
type talk struct {
	history, said []sonictest.Message
	tools         []sonictest.Tool
}

func (c *talk) History() []sonictest.Message { return c.history }
func (c *talk) Said() []sonictest.Message    { return c.said }
func (c *talk) Tools() []sonictest.Tool      { return c.tools }

func (c *talk) UserTurns() int {
	n := 0
	for _, m := range append(c.history[:len(c.history):len(c.history)], c.said...) {
		if m.Role == "USER" {
			n++
		}
	}
	return n
}

// user says something and gets the answer.
func (c *talk) user(s *Script, kind sonictest.TurnKind, text string) sonictest.Answer {
	a := brain{Script: s}.answerIn(c, sonictest.Turn{Kind: kind, Text: text})
	c.said = append(c.said, sonictest.Message{Role: "USER", Text: text})
	for _, sentence := range a.Sentences {
		c.said = append(c.said, sonictest.Message{Role: "ASSISTANT", Text: sentence.Text})
	}
	return a
}

// wavFile is a WAV file with a sentence of the emulator's voice.
func wavFile(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := wav.NewWriter(&b, audio.Mono(audio.Rate16k))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(voice.Synthesize(text, voice.Options{Rate: audio.Rate16k})); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const (
	spokenText = "Is this the library?"
	clipText   = "Yes, it is."
)

// cutOff is half of a file that was whole: its header tells its length.
func cutOff(file []byte) []byte {
	file = bytes.Clone(file)
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
	binary.LittleEndian.PutUint32(file[40:], uint32(len(file)-44))
	return file[:len(file)/2]
}

func loadText(t testing.TB, text string) (*Script, error) {
	t.Helper()
	return Load(fstest.MapFS{
		"scripts/test.yaml":       {Data: []byte(text)},
		"scripts/call.wav":        {Data: wavFile(t, spokenText)},
		"scripts/clips/yes.wav":   {Data: wavFile(t, clipText)},
		"scripts/notes.txt":       {Data: []byte("not audio")},
		"scripts/broken.wav":      {Data: []byte("RIFF, but not really a WAV file")},
		"scripts/cut.wav":         {Data: cutOff(wavFile(t, clipText))},
		"scripts/clips/empty.wav": {Data: wavFile(t, "")},
	}, "scripts/test.yaml")
}

func mustLoad(t testing.TB, text string) *Script {
	t.Helper()
	s, err := loadText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sentences(a sonictest.Answer) []string {
	var out []string
	for _, s := range a.Sentences {
		out = append(out, s.Text)
	}
	return out
}

func expect(t *testing.T, a sonictest.Answer, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, sentences(a)); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
}

func TestTheFirstReplyThatFitsIsGiven(t *testing.T) {
	s := mustLoad(t, `
version: 1
replies:
  - when: {exact: "Hello there!"}
    say: [exactly]
  - when: {contains: "the menu"}
    say: [contained]
  - when: {matches: '\bmy name is (?P<name>\w+)'}
    say: ["Nice to meet you, {{title .match.name}}."]
  - when: {contains: hello}
    say: [later]
fallback: {say: ["Turn {{.turn}}: I did not get {{.text}}"]}
`)
	for text, want := range map[string]string{
		"hello   there":           "exactly",
		"Hello there, you":        "later",
		"Can I see THE MENU?":     "contained",
		"other menus":             "Turn 1: I did not get other menus",
		"Othello":                 "Turn 1: I did not get Othello",
		"Hi, My Name is ada.":     "Nice to meet you, Ada.",
		"What's the menu, hello?": "contained",
	} {
		t.Run(text, func(t *testing.T) { expect(t, new(talk).user(s, sonictest.Spoken, text), want) })
	}
}

func TestWhatWasSaidBeforeDecidesAlsoOnANewStream(t *testing.T) {
	s := mustLoad(t, `
version: 1
greeting: [Welcome.]
replies:
  - when: {exact: "yes", after: "Shall I book it?"}
    say: [Booked.]
  - when: {exact: "yes"}
    say: [Yes what?]
  - when: {contains: table, turn: 2}
    say: ["For two?", "Shall I book it?"]
  - when: {contains: table}
    say: [Which day?]
`)
	c := new(talk)
	expect(t, c.user(s, sonictest.Written, "(the call begins)"), "Welcome.")
	expect(t, c.user(s, sonictest.Spoken, "A table, please."), "For two?", "Shall I book it?")

	// The same conversation, as another stream's history.
	moved := &talk{history: c.said}
	expect(t, moved.user(s, sonictest.Spoken, "Yes!"), "Booked.")
	expect(t, moved.user(s, sonictest.Spoken, "Yes?"), "Yes what?")
	expect(t, moved.user(s, sonictest.Spoken, "Another table."), "Which day?")
}

const hours = `
version: 1
replies:
  - when: {matches: 'open on (?P<day>\w+)'}
    say: [Let me see.]
    call:
      - tool: get_hours
        arguments: {day: "{{title .match.day}}", options: {zone: local, count: 2, tags: ["{{.match.day}}", true]}}
    then:
      - "{{if .result.open}}{{.result.day}}: {{.result.hours}}.{{end}}"
      - "{{if not .result.open}}We are closed.{{end}}"
    failed: [I cannot look that up.]
  - when: {contains: compare}
    call: [{tool: first}, {tool: second, arguments: {}}]
    then: ["{{.results.first.n}} and {{.results.second.n}}, last {{.result.n}}."]
`

func TestAToolIsCalledAndItsResultIsSpoken(t *testing.T) {
	s := mustLoad(t, hours)
	c := &talk{tools: []sonictest.Tool{{Name: "get_hours"}}}
	const question = "Are you open on sunday?"
	a := c.user(s, sonictest.Spoken, question)
	want := sonictest.Answer{
		Sentences: []sonictest.Sentence{{Text: "Let me see."}},
		Calls:     []sonictest.ToolCall{{Name: "get_hours", Arguments: `{"day":"Sunday","options":{"count":2,"tags":["sunday",true],"zone":"local"}}`, After: 1}},
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Fatalf("answer (-want +got):\n%s", diff)
	}
	for content, said := range map[string][]string{
		`{"open": true, "day": "Sunday", "hours": "nine to one"}`: {"Sunday: nine to one."},
		`{"open": false}`:                     {"We are closed."},
		`{"open": true}`:                      {"I cannot look that up."}, // the template needs more
		`{"error": "no such day"}`:            {"I cannot look that up."},
		`[1, 2]`:                              {"I cannot look that up."},
		`not JSON`:                            {"I cannot look that up."},
		`{"open": true, "day": 1, "hours":2}`: {"1: 2."},
	} {
		t.Run(content, func(t *testing.T) {
			result := sonictest.ToolResult{Name: "get_hours", Content: content}
			expect(t, brain{Script: s}.answerIn(c, sonictest.Turn{
				Kind: sonictest.ToolResults, Asked: &sonictest.Turn{Text: question},
				Results: []sonictest.ToolResult{result}, Latest: result,
			}), said...)
		})
	}
}

func TestATemplateThatFailsIsLogged(t *testing.T) {
	var log bytes.Buffer
	b := mustLoad(t, `version: 1
replies:
  - when: {contains: hours}
    call: [{tool: get_hours}]
    then: ["We close at {{.result.closes}}."]
`).LoggedBrain(slog.New(slog.NewTextHandler(&log, nil))).(brain)
	result := sonictest.ToolResult{Name: "get_hours", Content: `{"opens": 9}`}
	expect(t, b.answerIn(new(talk), sonictest.Turn{
		Kind: sonictest.ToolResults, Asked: &sonictest.Turn{Text: "Your hours?"},
		Results: []sonictest.ToolResult{result}, Latest: result,
	}), "I am sorry, I cannot do that.")
	for _, want := range []string{"line=5", "column=12", "We close at {{.result.closes}}.", "closes"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, &log)
		}
	}
}

func TestAToolThatIsNotOfferedIsNotCalled(t *testing.T) {
	a := new(talk).user(mustLoad(t, hours), sonictest.Spoken, "Are you open on Sunday?")
	if len(a.Calls) > 0 {
		t.Errorf("called %+v", a.Calls)
	}
	expect(t, a, "I cannot look that up.")
}

func TestResultsOfSeveralToolsAreAwaited(t *testing.T) {
	s := mustLoad(t, hours)
	c := &talk{tools: []sonictest.Tool{{Name: "first"}, {Name: "second"}}}
	if a := c.user(s, sonictest.Spoken, "Compare."); len(a.Calls) != 2 || a.Calls[0].Arguments != "{}" {
		t.Fatalf("answer is %+v, want two calls", a)
	}
	first, second := sonictest.ToolResult{Name: "first", Content: `{"n": 1}`}, sonictest.ToolResult{Name: "second", Content: `{"n": 2}`}
	turn := sonictest.Turn{Kind: sonictest.ToolResults, Asked: &sonictest.Turn{Text: "Compare."}, Results: []sonictest.ToolResult{second}, Latest: second, Pending: 1}
	expect(t, brain{Script: s}.answerIn(c, turn))
	turn.Results, turn.Latest, turn.Pending = []sonictest.ToolResult{first, second}, first, 0
	expect(t, brain{Script: s}.answerIn(c, turn), "1 and 2, last 2.")
}

func TestAClipIsPlayedForItsSentenceAndTheVoiceForOthers(t *testing.T) {
	s := mustLoad(t, `
version: 1
clips: [{text: "Yes,  it is.", file: clips/yes.wav}]
replies:
  - when: {contains: library}
    say: ["Yes, it is.", "Come in."]
`)
	a := new(talk).user(s, sonictest.Spoken, spokenText)
	expect(t, a, "Yes, it is.", "Come in.")
	want := voice.Synthesize(clipText, voice.Options{Rate: audio.Rate16k})
	if got := a.Sentences[0]; got.Rate != audio.Rate16k || !cmp.Equal(got.Audio, want) {
		t.Errorf("the clip has %d samples at %v, want the %d of its file", len(got.Audio), got.Rate, len(want))
	}
	if a.Sentences[1].Audio != nil {
		t.Error("a sentence without a clip has audio")
	}
	if err := s.Check(); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestTheFallbackPlaysTheCallersOwnWordsBack(t *testing.T) {
	s := mustLoad(t, "version: 1\nreplies: [{when: {exact: x}, say: [y]}]\n")
	own := &hearing.Utterance{Audio: []int16{1, 2, 3}, Rate: audio.Rate8k}
	for _, c := range []struct {
		name string
		turn sonictest.Turn
		want []sonictest.Sentence
	}{
		{"recognised", sonictest.Turn{Text: "one two", Utterance: own},
			[]sonictest.Sentence{{Text: "You said:"}, {Text: "one two", Audio: own.Audio, Rate: own.Rate}}},
		{"unknown", sonictest.Turn{Utterance: own},
			[]sonictest.Sentence{{Text: "You said:"}, {Text: unknownWords, Audio: own.Audio, Rate: own.Rate}}},
		{"written", sonictest.Turn{Kind: sonictest.Written, Text: "hi"},
			[]sonictest.Sentence{{Text: "You said:"}, {Text: "hi"}}},
		{"nothing", sonictest.Turn{Kind: sonictest.Written}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, brain{Script: s}.answerIn(new(talk), c.turn).Sentences); diff != "" {
				t.Errorf("said (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAScriptTellsWhichFilesItNames(t *testing.T) {
	s := mustLoad(t, "version: 1\ngreeting: [a]\nclips: [{text: a, file: clips/yes.wav}]\nrecordings: [{file: call.wav}]\n")
	if diff := cmp.Diff([]string{"call.wav", "clips/yes.wav"}, s.Files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestAScriptMayOnlyEcho(t *testing.T) {
	s := mustLoad(t, "version: 1\nfallback: {echo: \"I heard:\"}\n")
	expect(t, new(talk).user(s, sonictest.Written, "hi"), "I heard:", "hi")
}

func TestTheLibraryKnowsTheRecordings(t *testing.T) {
	s := mustLoad(t, `
version: 1
name: the library
recordings:
  - file: call.wav
    utterances: [{from: 0, to: 1.3, text: "Is this the library?"}]
`)
	if s.Name() != "the library" {
		t.Errorf("name is %q", s.Name())
	}
	l := hearing.New(hearing.Options{Library: s.Library()})
	l.Write(voice.Synthesize(spokenText, voice.Options{Rate: audio.Rate16k}))
	if events := l.Close(); len(events) != 1 || events[0].Utterance.Text != spokenText {
		t.Errorf("heard %+v, want %q", events, spokenText)
	}
}

func TestToolsAreListed(t *testing.T) {
	if diff := cmp.Diff([]string{"first", "get_hours", "second"}, mustLoad(t, hours).Tools()); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
}

func TestAMistakeIsReportedWhereItIs(t *testing.T) {
	const reply = "version: 1\nreplies:\n  - when: {exact: hi}\n    say: [ho]\n"
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", `test.yaml: the script is empty`},
		{"only a comment", "# hi\n", `test.yaml: the script is empty`},
		{"no version", "greeting: [hi]\n", `test.yaml:1:1: the version is missing: begin with "version: 1"`},
		{"another version", "version: 2\n", `test.yaml:1:10: this is version 2; only version 1 is understood`},
		{"nothing to say", "version: 1\n", `test.yaml:1:10: the script says nothing`},
		{"not a mapping", "- a\n", `test.yaml:1:1: this should be a mapping`},
		{"bad YAML", "version: 1\nreplies: [\n", `test.yaml:2:10: `},
		{"bad indentation", "version: 1\n  name: x\n", `test.yaml:1:10: this is not YAML: mapping value is not allowed in this context (look at`},
		{"misspelt field", reply + "    sya: [x]\n", `test.yaml:5:5: unknown field "sya": did you mean "say"?`},
		{"unknown field", reply + "weather: nice\n", `test.yaml:5:1: unknown field "weather": here can be clips, fallback, greeting, name, recordings, replies, version`},
		{"field of another place", reply + "    contains: hi\n", `test.yaml:5:5: unknown field "contains": here can be call, failed, say, then, when`},
		{"misspelt condition", "version: 1\nreplies:\n  - when: {contain: hi}\n    say: [ho]\n", `test.yaml:3:12: unknown field "contain": did you mean "contains"?`},
		{"field twice", reply + "    say: [x]\n", `test.yaml:5:5: mapping key "say" already defined`},
		{"text for a list", "version: 1\nreplies:\n  - when: {exact: hi}\n    say: ho\n", `test.yaml:4:10: this should be a list, not a text`},
		{"text for a number", "version: one\n", `test.yaml:1:10: this should be a whole number, not a text`},
		{"no when", "version: 1\nreplies:\n  - say: [ho]\n", `test.yaml:3:5: the reply needs a when`},
		{"no say", "version: 1\nreplies:\n  - when: {exact: hi}\n", `test.yaml:3:5: the reply does nothing`},
		{"nothing to compare", "version: 1\nreplies:\n  - when: {exact: '?!'}\n    say: [ho]\n", `test.yaml:3:19: "?!" has no words in it`},
		{"bad turn", "version: 1\nreplies:\n  - when: {turn: -1}\n    say: [ho]\n", `test.yaml:3:18: the first turn is 1, not -1`},
		{"turn nought", "version: 1\nreplies:\n  - when: {turn: 0}\n    say: [ho]\n", `test.yaml:3:18: the first turn is 1, not 0`},
		{"turn without end", "version: 1\nreplies:\n  - when: {turn: 99999999999999999999}\n    say: [ho]\n", `test.yaml:3:18: 99999999999999999999 is too large a number`},
		{"nothing that is contained", "version: 1\nreplies:\n  - when: {contains: ''}\n    say: [ho]\n", `test.yaml:3:22: "" has no words in it`},
		{"no expression", "version: 1\nreplies:\n  - when: {matches: ''}\n    say: [ho]\n", `test.yaml:3:21: the regular expression is empty`},
		{"bad expression", "version: 1\nreplies:\n  - when: {matches: 'a(b'}\n    say: [ho]\n", `test.yaml:3:21: bad regular expression: missing closing )`},
		{"bad template", reply + "  - when: {exact: a}\n    say:\n      - fine\n      - \"{{.text\"\n", `test.yaml:8:9: bad template: `},
		{"unknown name", reply + "  - when: {exact: a}\n    say: [\"{{.txet}}\"]\n", `test.yaml:6:11: bad template: there is no .txet; there are .text, .match, .turn, .result, .results`},
		{"match in the fallback", reply + "fallback:\n  say: [fine, \"{{.match.day}}\"]\n", `test.yaml:6:15: bad template: there is no .match here: only replies have matches`},
		{"match in the greeting", reply + "greeting: [\"{{if .match}}x{{end}}\"]\n", `test.yaml:5:12: bad template: there is no .match here`},
		{"result in the fallback", reply + "fallback:\n  say: [\"{{.result.x}}\"]\n", `test.yaml:6:9: bad template: there is no .result here: only replies call tools`},
		{"result before the call", reply + "    call: [{tool: x, arguments: {y: \"{{.result.z}}\"}}]\n", `test.yaml:5:33: bad template: there is no .result here: tools have answered in then, not before`},
		{"result without a call", reply + "  - when: {exact: a}\n    say: [\"{{.result.x}}\"]\n", `test.yaml:6:11: bad template: there is no .result here: tools have answered in then, not before`},
		{"result of another tool", reply + "    call: [{tool: x}]\n    then: [\"{{.results.y.z}}\"]\n", `test.yaml:6:12: bad template: there is no .results.y; there are .results.x`},
		{"match without matches", reply + "  - when: {exact: a}\n    say: [\"{{title .match.day}}\"]\n", `test.yaml:6:11: bad template: there is no .match here: the reply's when has no matches with a named group, such as (?P<day>\w+)`},
		{"match of another group", reply + "  - when: {matches: 'a(?P<b>.)'}\n    say: [\"{{.match.c}}\"]\n", `test.yaml:6:11: bad template: there is no .match.c; there are .match.b`},
		{"match in a block", reply + "  - when: {exact: a}\n    say: [\"{{with .text}}{{$.match.c}}{{end}}\"]\n", `test.yaml:6:11: bad template: there is no .match here`},
		{"member of a text", reply + "fallback:\n  say: [\"{{.text.x}}\"]\n", `test.yaml:6:9: bad template: there is no .text.x: .text has no members`},
		{"empty sentence", "version: 1\nreplies:\n  - when: {exact: hi}\n    say: [\" \"]\n", `test.yaml:4:11: the sentence is empty`},
		{"call without tool", reply + "    call: [{arguments: {}}]\n", `test.yaml:5:12: the call has no tool`},
		{"template in arguments", reply + "    call: [{tool: x, arguments: {y: \"{{end}}\"}}]\n", `test.yaml:5:33: bad template: `},
		{"then without call", reply + "    then: [x]\n", `test.yaml:5:11: then is said after a call`},
		{"failed without call", reply + "    failed: [x]\n", `test.yaml:5:13: failed is said after a call`},
		{"missing clip", reply + "clips:\n  - {text: a, file: no.wav}\n", `test.yaml:6:21: there is no file "no.wav" beside the script`},
		{"clip outside", reply + "clips:\n  - {text: a, file: ../x.wav}\n", `test.yaml:6:21: "../x.wav" is not a path below the script's folder`},
		{"clip that is a folder", reply + "clips:\n  - {text: a, file: clips}\n", `test.yaml:6:21: read "clips": it is a folder`},
		{"clip that is not audio", reply + "clips:\n  - {text: a, file: notes.txt}\n", `test.yaml:6:21: read "notes.txt": only .wav and .mp3 files are understood`},
		{"clip that is broken", reply + "clips:\n  - {text: a, file: broken.wav}\n", `test.yaml:6:21: read "broken.wav": wav: not a WAV file: it is a text file: name a WAV or MP3 file`},
		{"clip that is cut off", reply + "clips:\n  - {text: a, file: cut.wav}\n", `test.yaml:6:21: read "cut.wav": wav: file is truncated`},
		{"clip twice", reply + "clips:\n  - {text: a, file: clips/yes.wav}\n  - {text: \" a\", file: clips/yes.wav}\n", `test.yaml:7:12: there is a clip for "a" already`},
		{"clip without text", reply + "clips:\n  - {file: clips/yes.wav}\n", `test.yaml:6:5: the clip has no text`},
		{"recording without file", reply + "recordings:\n  - utterances: []\n", `test.yaml:6:5: the recording has no file`},
		{"missing recording", reply + "recordings:\n  - file: no.mp3\n", `test.yaml:6:11: there is no file "no.mp3" beside the script`},
		{"silent recording", reply + "recordings:\n  - file: clips/empty.wav\n", `test.yaml:6:11: read "clips/empty.wav": it has no samples`},
		{"times reversed", reply + "recordings:\n  - file: call.wav\n    utterances:\n      - {from: 1, to: 0.5, text: a}\n", `test.yaml:8:9: from 1 to 0.5 is not a stretch of time`},
		{"time that is none", reply + "recordings:\n  - file: call.wav\n    utterances:\n      - {from: .nan, to: 0.5, text: a}\n", `test.yaml:8:9: from NaN to 0.5 is not a stretch of time`},
		{"after the end", reply + "recordings:\n  - file: call.wav\n    utterances:\n      - {from: 1, to: 5, text: a}\n", `test.yaml:8:9: the recording ends at 1.33 s, before 5 s`},
		{"no text", reply + "recordings:\n  - file: call.wav\n    utterances:\n      - {from: 0, to: 1}\n", `test.yaml:8:9: the utterance has no text`},
		{"two at a time", reply + "recordings:\n  - file: call.wav\n    utterances:\n      - {from: 0.5, to: 1, text: a}\n      - {from: 0, to: 0.6, text: b}\n", `test.yaml:9:9: from 0 to 0.6 overlaps with "a", from 0.5 to 1`},
		{"recording twice", reply + "recordings: [{file: call.wav}, {file: call.wav}]\n", `test.yaml:5:32: hearing: add recording "call.wav": the library has one of that name`},
		{"alias", "version: 1\ngreeting: &a [x]\nfallback: {say: *a}\n", `test.yaml:2:11: anchors and aliases`},
		{"two documents", reply + "---\nversion: 1\n", `test.yaml:5:1: a script is one YAML document`},
		{"nested deeply", "version: " + strings.Repeat("[", 1000), `test.yaml:1:74: the script is nested too deeply`},
		{"dashes", strings.Repeat("- ", 1000), `test.yaml:1:17: the script is nested too deeply`},
		{"too long", reply + strings.Repeat("#", maxScript), `test.yaml: the script is longer than 256 KiB`},
		{"no text", "\xff\xfbID3", `test.yaml: it is not a text file in UTF-8: name a script, which is YAML`},
		{"noughts", "version: 1\x00", `test.yaml: it is not a text file`},
		{"long and no text", strings.Repeat("\xff\x00", maxScript), `test.yaml: it is not a text file`},
		{"too many entries", "version: 1\ngreeting:\n" + strings.Repeat("- a\n", maxEntries), `more than 10000 entries`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := loadText(t, c.text)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is\n%s\nwant\n%s", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error takes more than one line: %q", err)
			}
		})
	}
}

func TestAllMistakesAreReportedAtOnceEachInALine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"of form", "version: 1\nreplys: []\nreplies:\n  - when: {exakt: hi}\n    say: ho\n", `
scripts/test.yaml:2:1: unknown field "replys": did you mean "replies"?
scripts/test.yaml:4:12: unknown field "exakt": did you mean "exact"?
scripts/test.yaml:5:10: this should be a list, not a text`},
		{"of meaning", "version: 1\nreplies:\n  - when: {turn: 0}\n    say: ['{{end}}']\n  - say: [ho]\nclips:\n  - {text: a, file: no.wav}\nrecordings:\n  - file: no.mp3\n", `
scripts/test.yaml:3:18: the first turn is 1, not 0
scripts/test.yaml:4:11: bad template: unexpected {{end}}
scripts/test.yaml:5:5: the reply needs a when: exact, contains, matches, after or turn; what is always said belongs in fallback
scripts/test.yaml:7:21: there is no file "no.wav" beside the script
scripts/test.yaml:9:11: there is no file "no.mp3" beside the script`},
		{"beside a script that says nothing", "name: x\nclips:\n  - {text: a, file: no.wav}\n", `
scripts/test.yaml:1:1: the version is missing: begin with "version: 1"
scripts/test.yaml:1:1: the script says nothing: it needs replies, a greeting or a fallback
scripts/test.yaml:3:21: there is no file "no.wav" beside the script`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := loadText(t, c.text)
			if err == nil || err.Error() != strings.TrimSpace(c.want) {
				t.Errorf("error is\n%v\nwant%s", err, c.want)
			}
			if e := (*Error)(nil); !errors.As(err, &e) {
				t.Errorf("it is no *Error: %T", err)
			}
		})
	}
}

func TestAScriptMayBeginWithAByteOrderMark(t *testing.T) {
	if _, err := loadText(t, "\uFEFFversion: 1\ngreeting: [Hello.]\n"); err != nil {
		t.Error(err)
	}
}

func TestAScriptThatIsNotThereIsAnError(t *testing.T) {
	if _, err := Load(fstest.MapFS{}, "no.yaml"); err == nil || !strings.Contains(err.Error(), "no.yaml") {
		t.Errorf("error is %v, want one that names the file", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(hours))
	f.Add([]byte("version: 1\ngreeting: [a]\nclips: [{text: a, file: x.wav}]\nrecordings: [{file: x.wav, utterances: [{from: 0, to: 1, text: x}]}]\n"))
	f.Add([]byte("a: &b [*b]"))
	f.Add([]byte("{{{{[[[- ? : !!binary |"))
	sound := wavFile(f, "Hello.")
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Load(fstest.MapFS{"s.yaml": {Data: text}, "x.wav": {Data: sound}}, "s.yaml")
		if err != nil {
			if e, ok := err.(*Error); !ok || e.Message == "" || strings.ContainsAny(e.Message, "\n\r") {
				t.Fatalf("error is %#v, want an Error of one line", err)
			}
			return
		}
		c := &talk{tools: []sonictest.Tool{{Name: "get_hours"}}}
		c.user(s, sonictest.Written, "hello")
		c.user(s, sonictest.Spoken, "Are you open on sunday?")
	})
}
