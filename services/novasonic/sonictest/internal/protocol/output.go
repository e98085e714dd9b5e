package protocol

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/parley-go/parley/audio"
)

// Output writes output events. Its members stand in all of them.
type Output struct{ SessionID, PromptName, CompletionID string }

// The stop reasons of a contentEnd.
const (
	StopPartial     = "PARTIAL_TURN"
	StopEnd         = "END_TURN"
	StopInterrupted = "INTERRUPTED"
	StopToolUse     = "TOOL_USE"
)

// The generation stages of a TEXT block.
const (
	StageSpeculative = "SPECULATIVE"
	StageFinal       = "FINAL"
)

// Interrupted is the text that tells of a barge-in.
const Interrupted = `{ "interrupted" : true }`

func (o Output) event(name string, body map[string]any) []byte {
	body["sessionId"] = o.SessionID
	body["promptName"] = o.PromptName
	body["completionId"] = o.CompletionID
	b, err := json.Marshal(map[string]any{"event": map[string]any{name: body}})
	if err != nil { // strings, numbers and maps of them marshal
		panic(err)
	}
	return b
}

// CompletionStart is the first output event of a prompt.
func (o Output) CompletionStart() []byte { return o.event("completionStart", map[string]any{}) }

// CompletionEnd is the last.
func (o Output) CompletionEnd() []byte {
	return o.event("completionEnd", map[string]any{"stopReason": StopEnd})
}

// ContentStartText begins a TEXT block.
func (o Output) ContentStartText(contentID, role, stage string) []byte {
	return o.event("contentStart", map[string]any{
		"additionalModelFields":   `{"generationStage":"` + stage + `"}`,
		"contentId":               contentID,
		"type":                    TypeText,
		"role":                    role,
		"textOutputConfiguration": map[string]any{"mediaType": "text/plain"},
	})
}

// ContentStartAudio begins an AUDIO block.
func (o Output) ContentStartAudio(contentID string, rate audio.SampleRate) []byte {
	return o.event("contentStart", map[string]any{
		"contentId": contentID,
		"type":      TypeAudio,
		"role":      RoleAssistant,
		"audioOutputConfiguration": map[string]any{
			"mediaType": "audio/lpcm", "sampleRateHertz": int(rate), "sampleSizeBits": 16,
			"encoding": "base64", "channelCount": 1,
		},
	})
}

// ContentStartTool begins a TOOL block.
func (o Output) ContentStartTool(contentID string) []byte {
	return o.event("contentStart", map[string]any{
		"contentId":                  contentID,
		"type":                       TypeTool,
		"role":                       RoleTool,
		"toolUseOutputConfiguration": map[string]any{"mediaType": "application/json"},
	})
}

// TextOutput is the text of a block.
func (o Output) TextOutput(contentID, role, text string) []byte {
	return o.event("textOutput", map[string]any{"contentId": contentID, "role": role, "content": text})
}

// AudioOutput is a part of the audio of a block. It is most of what is sent, so
// it is put together by hand.
func (o Output) AudioOutput(contentID string, pcm []int16) []byte {
	raw := make([]byte, 2*len(pcm))
	for i, v := range pcm {
		raw[2*i], raw[2*i+1] = byte(v), byte(uint16(v)>>8)
	}
	b := make([]byte, 0, base64.StdEncoding.EncodedLen(len(raw))+320+len(o.PromptName))
	b = append(b, `{"event":{"audioOutput":{"completionId":`...)
	b = appendString(b, o.CompletionID)
	b = append(b, `,"content":"`...)
	b = base64.StdEncoding.AppendEncode(b, raw)
	b = append(b, `","contentId":`...)
	b = appendString(b, contentID)
	b = append(b, `,"promptName":`...)
	b = appendString(b, o.PromptName)
	b = append(b, `,"sessionId":`...)
	b = appendString(b, o.SessionID)
	return append(b, `}}}`...)
}

func appendString(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // strings marshal
		panic(err)
	}
	return append(b, quoted...)
}

// ToolUse is a tool call.
func (o Output) ToolUse(contentID, toolUseID, name, arguments string) []byte {
	return o.event("toolUse", map[string]any{
		"contentId": contentID, "content": arguments, "role": RoleTool, "toolName": name, "toolUseId": toolUseID,
	})
}

// ContentEnd ends a block. The live service sends no role.
func (o Output) ContentEnd(contentID string, typ Type, stopReason string) []byte {
	return o.event("contentEnd", map[string]any{"contentId": contentID, "type": typ, "stopReason": stopReason})
}

// UserSpeechStart tells where on the input audio clock the user began to speak.
func (o Output) UserSpeechStart(at time.Duration) []byte {
	return o.event("userSpeechStart", map[string]any{"inputAudioOffsetMs": at.Milliseconds()})
}

// UserSpeechEnd tells where the user's speech ended, and where that was
// detected.
func (o Output) UserSpeechEnd(at, detected time.Duration) []byte {
	return o.event("userSpeechEnd", map[string]any{
		"inputAudioOffsetMs": at.Milliseconds(), "inputAudioDetectionOffsetMs": detected.Milliseconds(),
	})
}

// Tokens are counts by direction and modality.
type Tokens struct{ InputSpeech, InputText, OutputSpeech, OutputText int }

// Add returns the sum.
func (t Tokens) Add(u Tokens) Tokens {
	return Tokens{t.InputSpeech + u.InputSpeech, t.InputText + u.InputText, t.OutputSpeech + u.OutputSpeech, t.OutputText + u.OutputText}
}

func (t Tokens) json() map[string]any {
	return map[string]any{
		"input":  map[string]any{"speechTokens": t.InputSpeech, "textTokens": t.InputText},
		"output": map[string]any{"speechTokens": t.OutputSpeech, "textTokens": t.OutputText},
	}
}

// Usage tells the tokens since the last usageEvent, and of the connection.
func (o Output) Usage(delta, total Tokens) []byte {
	in, out := total.InputSpeech+total.InputText, total.OutputSpeech+total.OutputText
	return o.event("usageEvent", map[string]any{
		"details":           map[string]any{"delta": delta.json(), "total": total.json()},
		"totalInputTokens":  in,
		"totalOutputTokens": out,
		"totalTokens":       in + out,
	})
}
