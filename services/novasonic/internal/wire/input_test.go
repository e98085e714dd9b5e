package wire

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
)

func ptr(f float64) *float64 { return &f }

// sameJSON fails unless got is the same JSON value as want, in which a comma
// or quote too many would not parse.
func sameJSON(t testing.TB, got []byte, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("the test's own JSON: %v", err)
	}
	if d := cmp.Diff(w, g); d != "" {
		t.Errorf("want −, got +:\n%s", d)
	}
}

func TestInputEventsAreWrittenAsTheProtocolSays(t *testing.T) {
	for _, c := range []struct {
		name  string
		event Input
		want  string
	}{
		{"sessionStart", SessionStart{Inference{1024, ptr(0.9), ptr(0.7)}, EndpointingMedium},
			`{"event":{"sessionStart":{"inferenceConfiguration":{"maxTokens":1024,"topP":0.9,"temperature":0.7},"turnDetectionConfiguration":{"endpointingSensitivity":"MEDIUM"}}}}`},
		{"sessionStart with the service's defaults", SessionStart{},
			`{"event":{"sessionStart":{"inferenceConfiguration":{}}}}`},
		{"sessionStart with a temperature of zero", SessionStart{Inference: Inference{Temperature: ptr(0)}},
			`{"event":{"sessionStart":{"inferenceConfiguration":{"temperature":0}}}}`},
		{"promptStart without tools", PromptStart{PromptName: "P", Voice: "matthew", OutputRate: audio.Rate24k},
			`{"event":{"promptStart":{"promptName":"P","textOutputConfiguration":{"mediaType":"text/plain"},"audioOutputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":24000,"sampleSizeBits":16,"channelCount":1,"voiceId":"matthew","encoding":"base64","audioType":"SPEECH"}}}}`},
		{"promptStart with tools", PromptStart{PromptName: "P", Voice: "amy", OutputRate: audio.Rate8k, ToolChoice: ToolChoiceTool("clock"), Tools: []ToolSpec{
			{"weather", "The \"weather\"", json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}}}`)}, {"clock", "", nil}}},
			`{"event":{"promptStart":{"promptName":"P","textOutputConfiguration":{"mediaType":"text/plain"},"audioOutputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":8000,"sampleSizeBits":16,"channelCount":1,"voiceId":"amy","encoding":"base64","audioType":"SPEECH"},"toolUseOutputConfiguration":{"mediaType":"application/json"},"toolConfiguration":{"tools":[{"toolSpec":{"name":"weather","description":"The \"weather\"","inputSchema":{"json":"{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}}}"}}},{"toolSpec":{"name":"clock","description":"","inputSchema":{"json":"{\"type\":\"object\",\"properties\":{}}"}}}],"toolChoice":{"tool":{"name":"clock"}}}}}}`},
		{"audio contentStart", AudioStart{"P", "A", audio.Rate16k},
			`{"event":{"contentStart":{"promptName":"P","contentName":"A","type":"AUDIO","interactive":true,"role":"USER","audioInputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":16000,"sampleSizeBits":16,"channelCount":1,"audioType":"SPEECH","encoding":"base64"}}}}`},
		{"audio contentEnd", AudioEnd{"P", "A"}, `{"event":{"contentEnd":{"promptName":"P","contentName":"A"}}}`},
		{"promptEnd", PromptEnd{"P"}, `{"event":{"promptEnd":{"promptName":"P"}}}`},
		{"sessionEnd", SessionEnd{}, `{"event":{"sessionEnd":{}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.event.AppendEvent([]byte("before"))
			rest, ok := strings.CutPrefix(string(got), "before")
			if !ok {
				t.Fatalf("%q was not appended", got)
			}
			sameJSON(t, []byte(rest), c.want)
		})
	}
}

func TestToolChoice(t *testing.T) {
	tools := []ToolSpec{{Name: "clock"}}
	for want, choice := range map[string]ToolChoice{`{"auto":{}}`: ToolChoiceAuto(), `{"any":{}}`: ToolChoiceAny()} {
		var e struct {
			Event struct {
				PromptStart struct {
					ToolConfiguration struct{ ToolChoice json.RawMessage }
				}
			}
		}
		if err := json.Unmarshal(PromptStart{Tools: tools, ToolChoice: choice}.AppendEvent(nil), &e); err != nil {
			t.Fatal(err)
		}
		sameJSON(t, e.Event.PromptStart.ToolConfiguration.ToolChoice, want)
	}
	if got := (PromptStart{Tools: tools}).AppendEvent(nil); strings.Contains(string(got), "toolChoice") {
		t.Errorf("no choice was made, but %s", got)
	}
}

func TestTextBlockIsOneBlock(t *testing.T) {
	events := TextBlock{"P", "C", RoleSystem, "Be kind.\n", false}.Events()
	if len(events) != 3 {
		t.Fatalf("%d events", len(events))
	}
	sameJSON(t, events[0], `{"event":{"contentStart":{"promptName":"P","contentName":"C","type":"TEXT","interactive":false,"role":"SYSTEM","textInputConfiguration":{"mediaType":"text/plain"}}}}`)
	sameJSON(t, events[1], `{"event":{"textInput":{"promptName":"P","contentName":"C","content":"Be kind.\n"}}}`)
	sameJSON(t, events[2], `{"event":{"contentEnd":{"promptName":"P","contentName":"C"}}}`)

	typed := TextBlock{"P", "C", RoleUser, "Hi", true}.Events()
	sameJSON(t, typed[0], `{"event":{"contentStart":{"promptName":"P","contentName":"C","type":"TEXT","interactive":true,"role":"USER","textInputConfiguration":{"mediaType":"text/plain"}}}}`)
}

// contents returns what the textInput events of a block say.
func contents(t require, events [][]byte) (pieces []string) {
	for _, e := range events[1 : len(events)-1] {
		var v struct {
			Event struct{ TextInput struct{ Content string } }
		}
		if err := json.Unmarshal(e, &v); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		pieces = append(pieces, v.Event.TextInput.Content)
	}
	return pieces
}

type require interface{ Fatalf(string, ...any) }

func TestAnyTextArrivesWholeInPiecesOfWholeRunes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 5000, -1).Draw(t, "text")
		pieces := contents(t, TextBlock{Text: text}.Events())
		if got := strings.Join(pieces, ""); got != text {
			t.Fatalf("%d bytes became %d", len(text), len(got))
		}
		for _, p := range pieces {
			if len(p) > MaxTextInput || !utf8.ValidString(p) {
				t.Fatalf("a piece of %d bytes, valid %v", len(p), utf8.ValidString(p))
			}
		}
	})
}

func TestTextIsCutOnlyWhereItMustBe(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		want []int
	}{
		{"empty", "", []int{0}},
		{"just fits", strings.Repeat("a", 4000), []int{4000}},
		{"one too many", strings.Repeat("a", 4001), []int{4000, 1}},
		{"a rune across the cut", strings.Repeat("a", 3999) + "€" + "b", []int{3999, 4}},
		{"no UTF-8 at all", strings.Repeat("\x80", 4001), []int{4000, 1}},
	} {
		var got []int
		for _, p := range splitText(c.text, MaxTextInput) {
			got = append(got, len(p))
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: want −, got +:\n%s", c.name, d)
		}
	}
}

func TestToolResultIsAlwaysAnObject(t *testing.T) {
	for _, c := range []struct{ name, result, content string }{
		{"object", `{"temp":21}`, `{"temp":21}`},
		{"object with space before it", ` {"temp":21}`, `{"temp":21}`},
		{"number", `21`, `{"result":21}`},
		{"list", `[1,2]`, `{"result":[1,2]}`},
		{"string", `"fine"`, `{"result":"fine"}`},
		{"null", `null`, `{"result":null}`},
		{"nothing", ``, `{"result":null}`},
		{"no JSON", `it's "fine"`, `{"result":"it's \"fine\""}`},
		{"half an object", `{"temp":`, `{"result":"{\"temp\":"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			events := ToolResult{"P", "T", "id-1", json.RawMessage(c.result)}.Events()
			if len(events) != 3 {
				t.Fatalf("%d events", len(events))
			}
			sameJSON(t, events[0], `{"event":{"contentStart":{"promptName":"P","contentName":"T","interactive":false,"type":"TOOL","role":"TOOL","toolResultInputConfiguration":{"toolUseId":"id-1","type":"TEXT","textInputConfiguration":{"mediaType":"text/plain"}}}}}`)
			var e struct {
				Event struct {
					ToolResult struct{ PromptName, ContentName, Content string }
				}
			}
			if err := json.Unmarshal(events[1], &e); err != nil {
				t.Fatal(err)
			}
			sameJSON(t, []byte(e.Event.ToolResult.Content), c.content)
			sameJSON(t, events[2], `{"event":{"contentEnd":{"promptName":"P","contentName":"T"}}}`)
		})
	}
}

func TestAudioInputCarriesEverySample(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3000).Draw(t, "samples")
		samples := make([]int16, n)
		seed := rapid.Uint16().Draw(t, "seed")
		for i := range samples {
			seed = seed*25173 + 13849
			samples[i] = int16(seed)
		}
		b := NewAudioInput(`pro"mpt`, "content")
		got := b.AppendEvent(nil, samples)
		if len(got) != b.Size(n) {
			t.Fatalf("%d bytes, Size said %d", len(got), b.Size(n))
		}
		var e struct {
			Event struct {
				AudioInput struct{ PromptName, ContentName, Content string }
			}
		}
		if err := json.Unmarshal(got, &e); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		pcm, err := base64.StdEncoding.DecodeString(e.Event.AudioInput.Content)
		if err != nil || len(pcm) != 2*n || e.Event.AudioInput.PromptName != `pro"mpt` {
			t.Fatalf("%d bytes of audio for %q, %v", len(pcm), e.Event.AudioInput.PromptName, err)
		}
		for i, s := range samples {
			if int16(binary.LittleEndian.Uint16(pcm[2*i:])) != s {
				t.Fatalf("sample %d is %d, want %d", i, int16(binary.LittleEndian.Uint16(pcm[2*i:])), s)
			}
		}
	})
}

func TestAudioInputDoesNotAllocate(t *testing.T) {
	b := NewAudioInput("11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000")
	samples := make([]int16, 512)
	buf := make([]byte, 0, b.Size(len(samples)))
	if n := testing.AllocsPerRun(100, func() { buf = b.AppendEvent(buf[:0], samples) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

func TestStringsAreWrittenAsEncodingJSONReadsThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "text") {
			raw = rapid.String().Draw(t, "string")
		}
		var got string
		written := appendString(nil, raw)
		if err := json.Unmarshal(written, &got); err != nil {
			t.Fatalf("%q became %s: %v", raw, written, err)
		}
		// encoding/json is the reference for what is no UTF-8.
		ref, _ := json.Marshal(raw)
		var want string
		if err := json.Unmarshal(ref, &want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("%q was read as %q, want %q", raw, got, want)
		}
	})
}

func TestWhatTheServiceWouldRefuseIsFound(t *testing.T) {
	prompt := func(mend func(*PromptStart)) PromptStart {
		p := PromptStart{PromptName: "P", Voice: "matthew", OutputRate: audio.Rate24k, Tools: []ToolSpec{{Name: "clock", InputSchema: json.RawMessage(`{"type":"object"}`)}}}
		mend(&p)
		return p
	}
	schema := func(s string) func(*PromptStart) {
		return func(p *PromptStart) { p.Tools[0].InputSchema = json.RawMessage(s) }
	}
	name := func(s string) func(*PromptStart) { return func(p *PromptStart) { p.Tools[0].Name = s } }
	for _, c := range []struct {
		name  string
		event interface{ Validate() error }
		says  string // empty if nothing is wrong
	}{
		{"a good prompt", prompt(func(*PromptStart) {}), ""},
		{"any tool", prompt(func(p *PromptStart) { p.ToolChoice = ToolChoiceAny() }), ""},
		{"a tool without a schema", prompt(schema("")), ""},
		{"a schema without a type", prompt(schema("{}")), ""},
		{"a name of 64 characters", prompt(name(strings.Repeat("a", 64))), ""},
		{"a name with a dot", prompt(name("clock.now")), `tool "clock.now": '.' may not be`},
		{"a name of 65 characters", prompt(name(strings.Repeat("a", 65))), "shorten"},
		{"no name", prompt(name("")), "no name"},
		{"a name in Greek", prompt(name("ρολόι")), "'ρ'"},
		{"a schema that is a list", prompt(schema("[]")), "not a JSON object"},
		{"a schema that is null", prompt(schema("null")), "not a JSON object"},
		{"a schema that is no JSON", prompt(schema("{")), "not a JSON object"},
		{"a schema of a string", prompt(schema(`{"type":"string"}`)), `describes "string"`},
		{"two of a name", prompt(func(p *PromptStart) { p.Tools = append(p.Tools, p.Tools[0]) }), "two tools"},
		{"choice of a tool that is not there", prompt(func(p *PromptStart) { p.ToolChoice = ToolChoiceTool("watch") }), `"watch"`},
		{"any tool of none", prompt(func(p *PromptStart) { p.Tools, p.ToolChoice = nil, ToolChoiceAny() }), "there is none"},
		{"44.1 kHz", prompt(func(p *PromptStart) { p.OutputRate = audio.Rate44k }), "44100 Hz is not one of"},
		{"no voice", prompt(func(p *PromptStart) { p.Voice = "" }), "voice"},
		{"no prompt name", prompt(func(p *PromptStart) { p.PromptName = "" }), "prompt name"},
		{"a good session", SessionStart{Inference{4096, ptr(1), ptr(0)}, EndpointingLow}, ""},
		{"a session of defaults", SessionStart{}, ""},
		{"negative tokens", SessionStart{Inference: Inference{MaxTokens: -1}}, "-1 is negative"},
		{"topP of 2", SessionStart{Inference: Inference{TopP: ptr(2)}}, "topP: 2"},
		{"a temperature that is no number", SessionStart{Inference: Inference{Temperature: ptr(math.NaN())}}, "temperature: NaN"},
		{"a sensitivity in small letters", SessionStart{Endpointing: "high"}, `"high" is not one of HIGH`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.event.Validate()
			var f *FieldError
			switch {
			case c.says == "" && err != nil:
				t.Errorf("%v", err)
			case c.says != "" && (!errors.As(err, &f) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n")):
				t.Errorf("%v should be a *FieldError of one line that says %q", err, c.says)
			}
		})
	}
}
