package wire

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
)

var ids = IDs{SessionID: "S", PromptName: "P", CompletionID: "K"}

const idsJSON = `"sessionId":"S","promptName":"P","completionId":"K"`

func event(name, members string) string {
	if members != "" {
		members = "," + members
	}
	return `{"event":{"` + name + `":{` + idsJSON + members + `}}}`
}

func pcm64(samples ...int16) string {
	var b []byte
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return base64.StdEncoding.EncodeToString(b)
}

func TestOutputEventsAreRead(t *testing.T) {
	for _, c := range []struct {
		name string
		in   string
		want Output
	}{
		{"completionStart", event("completionStart", ""), &CompletionStart{ids}},
		{"completionEnd", event("completionEnd", `"stopReason":"END_TURN"`), &CompletionEnd{ids, StopEndTurn}},
		{"contentStart of planned text", event("contentStart", `"additionalModelFields":"{\"generationStage\":\"SPECULATIVE\"}","contentId":"C","type":"TEXT","role":"ASSISTANT","textOutputConfiguration":{"mediaType":"text/plain"}`),
			&ContentStart{IDs: ids, ContentID: "C", Type: TypeText, Role: RoleAssistant, Stage: StageSpeculative}},
		{"contentStart of the user's words", event("contentStart", `"additionalModelFields":"{\"generationStage\":\"FINAL\"}","contentId":"C","type":"TEXT","role":"USER"`),
			&ContentStart{IDs: ids, ContentID: "C", Type: TypeText, Role: RoleUser, Stage: StageFinal}},
		{"contentStart with fields as an object", event("contentStart", `"additionalModelFields":{"generationStage":"FINAL"},"contentId":"C","type":"TEXT","role":"USER"`),
			&ContentStart{IDs: ids, ContentID: "C", Type: TypeText, Role: RoleUser, Stage: StageFinal}},
		{"contentStart with fields that make no sense", event("contentStart", `"additionalModelFields":"{","contentId":"C","type":"TEXT","role":"USER"`),
			&ContentStart{IDs: ids, ContentID: "C", Type: TypeText, Role: RoleUser}},
		{"contentStart of audio", event("contentStart", `"contentId":"C","type":"AUDIO","role":"ASSISTANT","audioOutputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":24000,"sampleSizeBits":16,"encoding":"base64","channelCount":1}`),
			&ContentStart{IDs: ids, ContentID: "C", Type: TypeAudio, Role: RoleAssistant, Rate: audio.Rate24k}},
		{"contentStart of a tool", event("contentStart", `"contentId":"C","type":"TOOL","role":"TOOL","toolUseOutputConfiguration":{"mediaType":"application/json"}`),
			&ContentStart{IDs: ids, ContentID: "C", Type: TypeTool, Role: RoleTool}},
		{"textOutput", event("textOutput", `"contentId":"C","content":"Grüß \"Gott\"\n","role":"ASSISTANT"`),
			&TextOutput{IDs: ids, ContentID: "C", Role: RoleAssistant, Text: "Grüß \"Gott\"\n"}},
		{"textOutput that is empty", event("textOutput", `"contentId":"C","content":"","role":"USER"`),
			&TextOutput{IDs: ids, ContentID: "C", Role: RoleUser}},
		{"textOutput without content", event("textOutput", `"contentId":"C","content":null`), &TextOutput{IDs: ids, ContentID: "C"}},
		{"the barge-in marker", event("textOutput", `"contentId":"C","content":"{ \"interrupted\" : true }","role":"ASSISTANT"`),
			&TextOutput{IDs: ids, ContentID: "C", Role: RoleAssistant, Text: `{ "interrupted" : true }`, Interrupted: true}},
		{"the barge-in marker, spaced otherwise", event("textOutput", `"contentId":"C","content":"{\"interrupted\":true}"`),
			&TextOutput{IDs: ids, ContentID: "C", Text: `{"interrupted":true}`, Interrupted: true}},
		{"not the barge-in marker", event("textOutput", `"contentId":"C","content":"{\"interrupted\":false}"`),
			&TextOutput{IDs: ids, ContentID: "C", Text: `{"interrupted":false}`}},
		{"audioOutput", event("audioOutput", `"contentId":"C","content":"`+pcm64(1, -1, 32767)+`"`),
			&AudioOutput{IDs: ids, ContentID: "C", Samples: []int16{1, -1, 32767}}},
		{"audioOutput with a role", event("audioOutput", `"contentId":"C","content":"`+pcm64(5)+`","role":"ASSISTANT"`),
			&AudioOutput{IDs: ids, ContentID: "C", Samples: []int16{5}}},
		{"audioOutput with escapes", event("audioOutput", `"contentId":"C","content":"`+strings.ReplaceAll(pcm64(-1, -1), "/", `\/`)+`"`),
			&AudioOutput{IDs: ids, ContentID: "C", Samples: []int16{-1, -1}}},
		{"audioOutput without audio", event("audioOutput", `"contentId":"C","content":""`), &AudioOutput{IDs: ids, ContentID: "C", Samples: []int16{}}},
		{"toolUse", event("toolUse", `"contentId":"C","content":"{\"city\":\"Oslo\"}","role":"TOOL","toolName":"weather","toolUseId":"U"`),
			&ToolUse{IDs: ids, ContentID: "C", ToolUseID: "U", Name: "weather", Arguments: json.RawMessage(`{"city":"Oslo"}`)}},
		{"toolUse, encoded twice", event("toolUse", `"contentId":"C","content":"\"{\\\"city\\\":\\\"Oslo\\\"}\"","toolName":"weather","toolUseId":"U"`),
			&ToolUse{IDs: ids, ContentID: "C", ToolUseID: "U", Name: "weather", Arguments: json.RawMessage(`{"city":"Oslo"}`)}},
		{"toolUse, not encoded", event("toolUse", `"contentId":"C","content":{"city":"Oslo"},"toolName":"weather","toolUseId":"U"`),
			&ToolUse{IDs: ids, ContentID: "C", ToolUseID: "U", Name: "weather", Arguments: json.RawMessage(`{"city":"Oslo"}`)}},
		{"toolUse without arguments", event("toolUse", `"contentId":"C","content":"","toolName":"clock","toolUseId":"U"`),
			&ToolUse{IDs: ids, ContentID: "C", ToolUseID: "U", Name: "clock", Arguments: json.RawMessage(`{}`)}},
		{"toolUse with arguments that are no JSON", event("toolUse", `"contentId":"C","content":"city=Oslo","toolName":"weather","toolUseId":"U"`),
			&ToolUse{IDs: ids, ContentID: "C", ToolUseID: "U", Name: "weather", Arguments: json.RawMessage(`"city=Oslo"`)}},
		{"contentEnd", event("contentEnd", `"contentId":"C","stopReason":"INTERRUPTED","type":"TEXT"`), &ContentEnd{ids, "C", TypeText, StopInterrupted}},
		{"usageEvent", event("usageEvent", `"details":{"delta":{"input":{"speechTokens":1,"textTokens":2},"output":{"speechTokens":3,"textTokens":4}},"total":{"input":{"speechTokens":5,"textTokens":6},"output":{"speechTokens":7,"textTokens":8}}},"totalInputTokens":11,"totalOutputTokens":15,"totalTokens":26`),
			&UsageEvent{ids, Usage{Tokens{1, 2}, Tokens{3, 4}}, Usage{Tokens{5, 6}, Tokens{7, 8}}, 11, 15, 26}},
		{"userSpeechStart", `{"event":{"userSpeechStart":{"inputAudioOffsetMs":1920,"promptName":"P","sessionId":"S"}}}`,
			&UserSpeechStart{IDs{"S", "P", ""}, 1920 * time.Millisecond}},
		{"userSpeechEnd", event("userSpeechEnd", `"inputAudioOffsetMs":1920.5,"inputAudioDetectionOffsetMs":2400`),
			&UserSpeechEnd{ids, 1920500 * time.Microsecond, 2400 * time.Millisecond}},
		{"an event of tomorrow", `{"event":{"moodEvent":{"mood":"sunny"}}}`, &Unknown{Name: "moodEvent", Body: json.RawMessage(`{"mood":"sunny"}`)}},
		{"fields of tomorrow", event("completionStart", `"mood":{"is":["sunny"]}`), &CompletionStart{ids}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			got, err := d.Decode([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want −, got +:\n%s", diff)
			}
		})
	}
}

func TestWhatIsNoEventIsAnErrorThatQuotesNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		in   string
		says string
		is   error
	}{
		{"nothing", ``, "not JSON", nil},
		{"no JSON", `secret`, "not JSON", nil},
		{"cut short", event("textOutput", `"contentId":"C","content":"secret"`)[:60], "not JSON", nil},
		{"no object", `["secret"]`, "cannot be read", nil},
		{"no envelope", `{"textOutput":{"content":"secret"}}`, "form", ErrEnvelope},
		{"an empty envelope", `{"event":{}}`, "form", ErrEnvelope},
		{"two events in one", `{"event":{"textOutput":{},"audioOutput":{}}}`, "form", ErrEnvelope},
		{"text without contentId", event("textOutput", `"content":"secret"`), "textOutput event: it has no contentId", ErrNoContent},
		{"audio without contentId", event("audioOutput", `"content":"c2VjcmV0"`), "audioOutput event: it has no contentId", ErrNoContent},
		{"a tool without contentId", event("toolUse", `"content":"secret"`), "contentId", ErrNoContent},
		{"a start without contentId", event("contentStart", ``), "contentId", ErrNoContent},
		{"an end without contentId", event("contentEnd", ``), "contentId", ErrNoContent},
		{"text that is a number", event("textOutput", `"contentId":"C","content":7`), "textOutput", nil},
		{"half a sample", event("audioOutput", `"contentId":"C","content":"c2VjcmV0cw=="`), "half a sample", ErrOddAudio},
		{"audio that is no base64", event("audioOutput", `"contentId":"C","content":"se-cret!"`), "not base64", nil},
		{"padding amid the audio", event("audioOutput", `"contentId":"C","content":"`+strings.Repeat("A", 1022)+`==AAAA"`), "not base64", nil},
		{"a rate in words", event("contentStart", `"contentId":"C","audioOutputConfiguration":{"sampleRateHertz":"secret"}`), "cannot be read as int", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Decoder
			got, err := d.Decode([]byte(c.in))
			var e *DecodeError
			if !errors.As(err, &e) {
				t.Fatalf("%v, %v; want a *DecodeError", got, err)
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q should say %q and quote nothing", err, c.says)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
		})
	}
}

// asTheServiceWritesIt is an audioOutput event as it was recorded.
func asTheServiceWritesIt(samples []int16) []byte {
	const id = "11111111-2222-3333-4444-555555555555"
	return fmt.Appendf(nil, `{"event":{"audioOutput":{"completionId":"%s","content":"%s","contentId":"%s","promptName":"%s","sessionId":"%s"}}}`, id, pcm64(samples...), id, id, id)
}

func TestTheScannerTakesWhatTheServiceWrites(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 383, 384, 385, 768, 769, 1200, 3200} {
		samples := make([]int16, n)
		for i := range samples {
			samples[i] = int16(i * 31)
		}
		var d Decoder
		got, ok := d.scanAudioOutput(asTheServiceWritesIt(samples))
		if !ok {
			t.Errorf("%d samples: left to encoding/json", n)
			continue
		}
		if diff := cmp.Diff(samples, got.Samples); diff != "" {
			t.Errorf("%d samples: want −, got +:\n%s", n, diff)
		}
	}
}

func TestSamplesBelongToTheReceiver(t *testing.T) {
	in := asTheServiceWritesIt([]int16{1, 2, 3})
	var d Decoder
	first, err := d.Decode(in)
	if err != nil {
		t.Fatal(err)
	}
	clear(in) // the buffer is used again
	second, err := d.Decode(asTheServiceWritesIt([]int16{4, 5, 6}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int16{1, 2, 3}, first.(*AudioOutput).Samples); diff != "" {
		t.Error(diff)
	}
	if a, b := first.(*AudioOutput), second.(*AudioOutput); a.ContentID != b.ContentID || a.ContentID == "" {
		t.Errorf("identifiers %q and %q", a.ContentID, b.ContentID)
	}
}

func TestDecoderFollowsChangingIdentifiers(t *testing.T) {
	var d Decoder
	for i := range 3 {
		in := fmt.Sprintf(`{"event":{"audioOutput":{"contentId":"c%d","content":"AAA=","sessionId":"s"}}}`, i)
		got, err := d.Decode([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if want := (&AudioOutput{IDs: IDs{SessionID: "s"}, ContentID: fmt.Sprint("c", i), Samples: []int16{0}}); !cmp.Equal(want, got) {
			t.Error(cmp.Diff(want, got))
		}
	}
}

// agree fails unless the scanner, where it takes b at all, reads what
// encoding/json reads.
func agree(t require, b []byte) {
	var d Decoder
	scanned, ok := d.scanAudioOutput(b)
	if !ok {
		return
	}
	want, err := decodeJSON(b)
	if err != nil {
		t.Fatalf("%q: the scanner took what encoding/json refuses: %v", b, err)
	}
	if diff := cmp.Diff(want, Output(scanned)); diff != "" {
		t.Fatalf("%q: encoding/json −, scanner +:\n%s", b, diff)
	}
}

func TestScannerAgreesWithEncodingJSON(t *testing.T) {
	pieces := []string{
		`{`, `}`, `:`, `,`, ` `, "\n", "\r", `"`, `\`, `\/`, `\u0041`, `null`, `7`, `[]`, `{}`, "\x80", "é", "=", "==", "AAAA", "AAA=", "AA==", "/+9B",
		`"event"`, `"Event"`, `"audioOutput"`, `"AudioOutput"`, `"content"`, `"CONTENT"`, `"contentId"`, `"sessionId"`, `"role"`, `"promptName"`, `"completionId"`, `"C"`, `"\n"`,
	}
	rapid.Check(t, func(t *rapid.T) {
		b := asTheServiceWritesIt(make([]int16, rapid.SampledFrom([]int{0, 1, 2, 384, 400}).Draw(t, "samples")))
		if rapid.Bool().Draw(t, "short") {
			b = []byte(`{"event":{"audioOutput":{"content":"AAAA","contentId":"c"}}}`)
		}
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			at := rapid.IntRange(0, len(b)).Draw(t, "at")
			end := min(len(b), at+rapid.IntRange(0, 3).Draw(t, "removed"))
			b = append(append(append([]byte{}, b[:at]...), rapid.SampledFrom(pieces).Draw(t, "piece")...), b[end:]...)
		}
		agree(t, b)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(asTheServiceWritesIt([]int16{1, 2, 3}))
	f.Add([]byte(event("audioOutput", `"contentId":"C","content":"AAA="`)))
	f.Add([]byte(event("audioOutput", `"contentId":"C","content":"AAA=","content":"AAA="`)))
	f.Add([]byte(event("audioOutput", `"contentId":"C","content":null`)))
	f.Add([]byte(event("audioOutput", `"contentId":"C","content":"AA\nA="`)))
	f.Add([]byte(event("audioOutput", "\"contentId\":\"C\",\"content\":\"AA\nA=\"")))
	f.Add([]byte(event("textOutput", `"contentId":"C","content":"{ \"interrupted\" : true }"`)))
	f.Add([]byte(event("toolUse", `"contentId":"C","content":"\"{}\"","toolName":"t","toolUseId":"u"`)))
	f.Add([]byte(event("contentStart", `"contentId":"C","additionalModelFields":"{\"generationStage\":\"FINAL\"}"`)))
	f.Add([]byte(event("usageEvent", `"details":{"delta":{"input":{"speechTokens":1}}}`)))
	f.Add([]byte(`{"event":{"userSpeechStart":{"inputAudioOffsetMs":1e300}}}`))
	f.Add([]byte(`{"event":null}`))
	f.Add([]byte(`{"event":{"x":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		agree(t, b)
		var d Decoder
		out, err := d.Decode(b)
		switch {
		case (out == nil) == (err == nil):
			t.Fatalf("%v and %v", out, err)
		case err != nil && strings.Contains(err.Error(), "\n") && !strings.Contains(string(b), `\n`):
			t.Fatalf("%q is not one line", err)
		}
		if use, ok := out.(*ToolUse); ok && !json.Valid(use.Arguments) {
			t.Fatalf("arguments %q", use.Arguments)
		}
	})
}
