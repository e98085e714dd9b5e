package sonictest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

const (
	invalidInput = "Invalid input request, please fix your input and try again."
	cannotParse  = "Unable to parse input chunk. Please check input format contains correct format."
)

// withTools is a promptStart with tools, and perhaps a toolChoice.
func withTools(tools, choice string) string {
	config := `,"toolUseOutputConfiguration":{"mediaType":"application/json"},"toolConfiguration":{"tools":` + tools
	if choice != "" {
		config += `,"toolChoice":` + choice
	}
	return promptStartAt(24000, config+"}")
}

func tool(name, schema string) string {
	return fmt.Sprintf(`{"toolSpec":{"name":%q,"description":"d","inputSchema":{"json":%s}}}`, name, schema)
}

const anObject = `"{\"type\":\"object\"}"`

func TestABrokenRuleEndsTheStreamWithTheServicesWords(t *testing.T) {
	frame := audioInput("A", silence(32*time.Millisecond))
	tests := map[string]struct {
		events []string
		want   string
		cfg    sonictest.Config
		model  string
	}{
		// JSON
		"not JSON":            {events: []string{`{"event":`}, want: cannotParse},
		"not an object":       {events: []string{`[1]`}, want: cannotParse},
		"null":                {events: []string{`null`}, want: cannotParse},
		"a bare event":        {events: []string{`{"sessionStart":{}}`}, want: cannotParse},
		"two events in one":   {events: []string{`{"event":{"sessionStart":{},"sessionEnd":{}}}`}, want: cannotParse},
		"an empty event":      {events: []string{`{"event":{}}`}, want: cannotParse},
		"a body of text":      {events: []string{`{"event":{"sessionStart":"x"}}`}, want: cannotParse},
		"names in other case": {events: []string{`{"Event":{"sessionStart":{}}}`}, want: cannotParse},
		"an unknown event":    {events: []string{sessionStart, `{"event":{"connectionEnd":{}}}`}, want: invalidInput},

		// sessionStart
		"maxTokens of zero":      {events: []string{`{"event":{"sessionStart":{"inferenceConfiguration":{"maxTokens":0}}}}`}, want: invalidInput},
		"maxTokens as text":      {events: []string{`{"event":{"sessionStart":{"inferenceConfiguration":{"maxTokens":"9"}}}}`}, want: cannotParse},
		"a topP above 1":         {events: []string{`{"event":{"sessionStart":{"inferenceConfiguration":{"topP":1.1}}}}`}, want: invalidInput},
		"a negative temperature": {events: []string{`{"event":{"sessionStart":{"inferenceConfiguration":{"temperature":-1}}}}`}, want: invalidInput},
		"an unknown sensitivity": {events: []string{`{"event":{"sessionStart":{"turnDetectionConfiguration":{"endpointingSensitivity":"high"}}}}`}, want: invalidInput},
		"turn detection on v1":   {model: sonictest.ModelV1, events: []string{`{"event":{"sessionStart":{"turnDetectionConfiguration":{"endpointingSensitivity":"HIGH"}}}}`}, want: invalidInput},
		"a second sessionStart":  {events: []string{sessionStart, sessionStart}, want: invalidInput},

		// promptStart
		"promptStart first":          {events: []string{promptStart}, want: invalidInput},
		"no promptName":              {events: []string{sessionStart, strings.Replace(promptStart, `"promptName":"P",`, "", 1)}, want: invalidInput},
		"an unknown voice":           {events: []string{sessionStart, strings.Replace(promptStart, "matthew", "Carlos", 1)}, want: "Received invalid id: 'Carlos'"},
		"a voice of v2 on v1":        {model: sonictest.ModelV1, events: []string{sessionStart, strings.Replace(promptStart, "matthew", "tina", 1)}, want: "Received invalid id: 'tina'"},
		"a voice of v1 on v2":        {events: []string{sessionStart, strings.Replace(promptStart, "matthew", "greta", 1)}, want: "Received invalid id: 'greta'"},
		"an output rate of 48 kHz":   {events: []string{sessionStart, promptStartAt(48000, "")}, want: invalidInput},
		"8-bit output":               {events: []string{sessionStart, strings.Replace(promptStart, `"sampleSizeBits":16`, `"sampleSizeBits":8`, 1)}, want: invalidInput},
		"stereo output":              {events: []string{sessionStart, strings.Replace(promptStart, `"channelCount":1`, `"channelCount":2`, 1)}, want: invalidInput},
		"no output audio":            {events: []string{sessionStart, `{"event":{"promptStart":{"promptName":"P"}}}`}, want: invalidInput},
		"the same prompt twice":      {events: []string{sessionStart, promptStart, promptStart}, want: "Duplicate prompt name: P"},
		"a tool schema as an object": {events: []string{sessionStart, withTools("["+tool("t", `{"type":"object"}`)+"]", "")}, want: cannotParse},
		"a tool schema of text":      {events: []string{sessionStart, withTools("["+tool("t", `"hello"`)+"]", "")}, want: invalidInput},
		"a tool name with a dot": {events: []string{sessionStart, withTools("["+tool("a", anObject)+","+tool("clock.now", anObject)+"]", "")},
			want: "Malformed input request: #/toolConfig/tools/1/toolSpec/name: string [clock.now] does not match pattern ^[a-zA-Z0-9_-]+$"},
		"a choice of an unknown tool": {events: []string{sessionStart, withTools("["+tool("a", anObject)+"]", `{"tool":{"name":"b"}}`)}, want: invalidInput},
		"an unknown choice":           {events: []string{sessionStart, withTools("["+tool("a", anObject)+"]", `{"none":{}}`)}, want: invalidInput},

		// text
		"a second SYSTEM block": {events: events(sessionStart, promptStart, system, text("S2", "SYSTEM", false, "x")),
			want: "Duplicate SYSTEM content. SYSTEM content can only be provided once per prompt."},
		"SYSTEM_SPEECH on v1":        {model: sonictest.ModelV1, events: events(sessionStart, promptStart, system, text("S2", "SYSTEM_SPEECH", false, "x")), want: invalidInput},
		"an unknown role":            {events: events(sessionStart, promptStart, text("C", "BOT", false, "x")), want: invalidInput},
		"another prompt":             {events: events(sessionStart, promptStart, strings.Replace(textStart("C", "USER", false), `"P"`, `"Q"`, 1)), want: invalidInput},
		"a content name used before": {events: events(sessionStart, promptStart, system, text("S", "USER", false, "x")), want: invalidInput},
		"text for a block that is not open": {events: events(sessionStart, promptStart, textInput("C", "x")),
			want: "No open content found for content name: C"},
		"the end of a block that is not open": {events: events(sessionStart, promptStart, contentEnd("C")),
			want: "No open content found for content name: C"},
		"the end of a block twice": {events: events(sessionStart, promptStart, system, contentEnd("S")),
			want: "No open content found for content name: S"},
		"a block of text without text": {events: events(sessionStart, promptStart, textStart("C", "USER", false), contentEnd("C")),
			want: "Cannot end content [C] as no content data was received"},
		"a SYSTEM text of more than 32 KB": {events: events(sessionStart, promptStart, text("S", "SYSTEM", false, strings.Repeat("x", 32<<10+1))), want: invalidInput},
		"an empty text, where that is refused": {cfg: sonictest.Config{Behaviour: sonictest.Behaviour{RefuseEmptyText: true}},
			events: events(sessionStart, promptStart, textStart("C", "USER", false), textInput("C", "")), want: invalidInput},
		"a phrase that is filtered": {cfg: sonictest.Config{Behaviour: sonictest.Behaviour{Blocked: []string{"voice ASSISTANT"}}},
			events: events(sessionStart, promptStart, system), want: "This request has been blocked by our content filters."},

		// history
		"history that begins with the assistant": {events: events(sessionStart, promptStart, system, text("H", "ASSISTANT", false, "x")), want: invalidInput},
		"two messages of one role":               {events: events(sessionStart, promptStart, system, text("H", "USER", false, "x"), text("I", "USER", false, "y")), want: invalidInput},
		"a message of more than 50 KB": {events: events(sessionStart, promptStart, system, text("H", "USER", false, strings.Repeat("x", 50<<10+1))),
			want: "Chat history is over max limit. Trim chat history and try again."},
		"a message of more than 50 KB in parts": {events: events(sessionStart, promptStart, system, textStart("H", "USER", false), textInput("H", strings.Repeat("é", 20<<10)), textInput("H", strings.Repeat("é", 6<<10))),
			want: "Chat history is over max limit. Trim chat history and try again."},
		"a message of more than 1 KB under the limits of 2025": {cfg: sonictest.Config{Limits: sonictest.Limits{HistoryText: 1 << 10, HistoryTotal: 40 << 10}},
			events: events(sessionStart, promptStart, system, text("H", "USER", false, strings.Repeat("x", 1<<10+1))),
			want:   "Chat history is over max limit. Trim chat history and try again."},
		"a history of more than 200 KB": {events: events(sessionStart, promptStart, system, longHistory(5)),
			want: "Chat history is over max limit. Trim chat history and try again."},

		// audio
		"audio in a text block": {events: events(opening(), frame, textStart("C", "USER", true), frame),
			want: "Chat history should be sent completely before streaming audio."},
		"audio in a text block that is not interactive": {events: events(opening(), frame, textStart("C", "USER", false), frame),
			want: "Chat history should be sent completely before streaming audio."},
		"an AUDIO block in a text block": {events: events(sessionStart, promptStart, system, textStart("C", "USER", false), audioStart),
			want: "Chat history should be sent completely before streaming audio."},
		"a second AUDIO block while one is open": {events: events(opening(), frame, audioStartAt("B", 16000)),
			want: "The system encountered an unexpected error during processing. Try your request again."},
		"audio for a block that is not open": {events: events(sessionStart, promptStart, system, frame), want: "No open content found for content name: A"},
		"audio after its end":                {events: events(opening(), frame, contentEnd("A"), frame), want: "No open content found for content name: A"},
		"audio for a text block":             {events: events(sessionStart, promptStart, system, textStart("A", "USER", false), frame), want: "Chat history should be sent completely before streaming audio."},
		"text for an AUDIO block":            {events: events(opening(), textInput("A", "x")), want: invalidInput},
		"an AUDIO block without audio":       {events: events(opening(), contentEnd("A")), want: "Cannot end content [A] as no content data was received"},
		"half a sample":                      {events: events(opening(), `{"event":{"audioInput":{"promptName":"P","contentName":"A","content":"AAAA"}}}`), want: invalidInput},
		"no base64":                          {events: events(opening(), `{"event":{"audioInput":{"promptName":"P","contentName":"A","content":"?!"}}}`), want: invalidInput},
		"an input rate of 44.1 kHz":          {events: events(sessionStart, promptStart, system, audioStartAt("A", 44100)), want: invalidInput},
		"audio of the ASSISTANT":             {events: events(sessionStart, promptStart, system, strings.Replace(audioStart, "USER", "ASSISTANT", 1)), want: invalidInput},
		"an unknown type":                    {events: events(sessionStart, promptStart, strings.Replace(audioStart, `"AUDIO"`, `"VIDEO"`, 1)), want: invalidInput},
		"audio without SYSTEM, where that is refused": {cfg: sonictest.Config{Behaviour: sonictest.Behaviour{RequireSystem: true}},
			events: events(sessionStart, promptStart, audioStart), want: invalidInput},
		"audio at once, where that is refused": {cfg: sonictest.Config{Behaviour: sonictest.Behaviour{AudioSettle: time.Second}},
			events: events(opening(), frame), want: invalidInput},

		// tools
		"the result of a call that was not made": {events: events(opening(), frame, toolStart("T", "x")), want: invalidInput},
		"a result as JSON": {events: events(opening(), frame, strings.Replace(toolStart("T", "x"), "text/plain", "application/json", 1)),
			want: "Tool result media type must be one of: [text/plain]"},

		// the end
		"promptEnd with an open block": {events: events(opening(), frame, promptEnd), want: "All contents must be closed before ending prompt"},
		"promptEnd without audio":      {events: events(sessionStart, promptStart, system, promptEnd), want: "Prompt [P] must have at least one audio content"},
		"promptEnd of another prompt":  {events: events(opening(), frame, contentEnd("A"), strings.Replace(promptEnd, `"P"`, `"Q"`, 1)), want: invalidInput},
		"sessionEnd without a prompt":  {events: []string{sessionStart, sessionEnd}, want: "No prompts were received in the sequence"},
		"sessionEnd alone":             {events: []string{sessionEnd}, want: "No prompts were received in the sequence"},
		"a block after promptEnd":      {events: events(opening(), frame, contentEnd("A"), promptEnd, textStart("C", "USER", true)), want: invalidInput},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, test.cfg, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv, func(q *request) {
					if test.model != "" {
						q.model = test.model
					}
				})
				p.send(test.events...)
				exception, text, _ := strings.Cut(p.failure(), ": ")
				wantException := "validationException"
				if strings.HasPrefix(test.want, "The system encountered") {
					wantException = "modelStreamErrorException"
				}
				if exception != wantException {
					t.Errorf("the exception is %s, want %s (%s)", exception, wantException, text)
				}
				if !strings.HasPrefix(text, "RequestId=") || !strings.HasSuffix(text, " : "+test.want) {
					t.Errorf("the text is\n%q, want RequestId=… : and\n%q", text, test.want)
				}
				if v := srv.Violations(); len(v) == 0 || !v[len(v)-1].Fatal || v[len(v)-1].Text != test.want {
					t.Errorf("the log's violations are %+v, want the last one fatal, with the text", v)
				}
			})
		})
	}
}

// longHistory is n messages of 45 KB with alternating roles.
func longHistory(n int) []string {
	var all []string
	for i := range n {
		role := []string{"USER", "ASSISTANT"}[i%2]
		all = append(all, text(fmt.Sprint("H", i), role, false, strings.Repeat("x", 45_000))...)
	}
	return all
}

func TestWhatTheServiceToleratesIsTolerated(t *testing.T) {
	frame := audioInput("A", silence(100*time.Millisecond))
	tests := map[string]struct {
		events []string
		notes  []string // violations that are not fatal
		cfg    sonictest.Config
		model  string
	}{
		"an empty sessionStart": {events: events(`{"event":{"sessionStart":{}}}`, promptStart, system, audioStart, frame, closing())},
		"what AWS's own test sends: no role on the block, an old alias, no tools, a stray member": {events: events(
			sessionStart, strings.Replace(withTools("[]", ""), "matthew", "en_us_matthew", 1),
			strings.Replace(textStart("S", "SYSTEM", false), `"role":"SYSTEM",`, "", 1),
			`{"event":{"textInput":{"promptName":"P","contentName":"S","role":"SYSTEM","content":"x"}}}`, contentEnd("S"),
			audioStart, frame, contentEnd("A"), `{"event":{"promptEnd":{"promptName":"P","contentName":"A"}}}`, sessionEnd)},
		"a SYSTEM block that is interactive": {events: events(sessionStart, promptStart, text("S", "SYSTEM", true, "x"), audioStart, frame, closing())},
		"a SYSTEM_SPEECH block after it":     {events: events(opening(text("SS", "SYSTEM_SPEECH", false, "x")), frame, closing())},
		"a second AUDIO block after the first": {events: events(opening(), frame, contentEnd("A"), audioStartAt("B", 8000),
			audioInput("B", silence(100*time.Millisecond)), contentEnd("B"), promptEnd, sessionEnd)},
		"a long SYSTEM text in parts": {events: events(sessionStart, promptStart, textStart("S", "SYSTEM", false),
			textInput("S", strings.Repeat("x", 30_000)), textInput("S", strings.Repeat("x", 30_000)), contentEnd("S"), audioStart, frame, closing())},
		"a history of almost 200 KB":         {events: events(sessionStart, promptStart, system, longHistory(4), audioStart, frame, closing())},
		"a history that ends with the user":  {events: events(sessionStart, promptStart, system, text("H", "USER", false, "x"), audioStart, frame, closing())},
		"tools with a choice":                {events: events(sessionStart, withTools("["+tool("a", anObject)+"]", `{"tool":{"name":"a"}}`), system, audioStart, frame, closing())},
		"text that is not interactive later": {events: events(opening(), frame, text("C", "USER", false, "x"), closing()), notes: []string{"text that is not interactive after the audio began has no effect"}},
		"text of the ASSISTANT later":        {events: events(opening(), frame, text("C", "ASSISTANT", true, "x"), closing()), notes: []string{"interactive text of the ASSISTANT has no effect"}},
		"an empty text":                      {events: events(opening(), frame, text("C", "USER", true, ""), closing()), notes: []string{"an empty textInput"}},
		"no SYSTEM block":                    {events: events(sessionStart, promptStart, audioStart, frame, closing()), notes: []string{"audio without a SYSTEM block"}},
		"sessionEnd without promptEnd":       {events: events(opening(), frame, contentEnd("A"), sessionEnd), notes: []string{"sessionEnd before promptEnd"}},
		"more after sessionEnd":              {events: events(opening(), frame, closing(), promptEnd, sessionEnd), notes: []string{"promptEnd after sessionEnd has no effect", "sessionEnd after sessionEnd has no effect"}},
		"interactive text too early": {events: events(opening(), audioInput("A", silence(67*time.Millisecond)), text("C", "USER", true, "x"), closing()),
			notes: []string{"interactive text before 68ms of audio is not noticed"}},
		"interactive text on v1": {model: sonictest.ModelV1, events: events(opening(), frame, text("C", "USER", true, "x"), closing()), notes: []string{"this model does not notice interactive text"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, test.cfg, func(t *testing.T, srv *sonictest.Server) {
				p := open(t, srv, func(q *request) {
					if test.model != "" {
						q.model = test.model
					}
				})
				p.send(test.events...)
				p.closeSend()
				if end := p.failure(); end != "EOF" {
					t.Errorf("the stream ended with %q, want a clean end", end)
				}
				var notes []string
				for _, v := range srv.Violations() {
					notes = append(notes, v.Text)
					if v.Fatal {
						t.Errorf("a violation is called fatal: %+v", v)
					}
				}
				if fmt.Sprint(notes) != fmt.Sprint(test.notes) {
					t.Errorf("violations: %q, want %q", notes, test.notes)
				}
			})
		})
	}
}
