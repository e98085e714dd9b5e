package wire

import (
	"encoding/json"
	"strconv"

	"github.com/parley-go/parley/audio"
)

// Input is an event that goes up a stream.
type Input interface {
	// AppendEvent appends the event's JSON to dst and returns the result.
	AppendEvent(dst []byte) []byte
}

// Inference holds the sampling settings of a session. A nil or zero field is
// left out, and the service decides.
type Inference struct {
	MaxTokens   int      // budget of one response, speech and tool rounds included; 0 leaves it to the service
	TopP        *float64 // 0–1
	Temperature *float64 // 0–1; 0 is advised when tools matter
}

// Endpointing is how soon the service takes a pause for the end of a turn. It
// exists from Nova 2 on.
type Endpointing string

// The sensitivities of the Nova 2 user guide; the pauses are its figures.
const (
	EndpointingHigh   Endpointing = "HIGH"   // about 1.5 s
	EndpointingMedium Endpointing = "MEDIUM" // about 1.75 s
	EndpointingLow    Endpointing = "LOW"    // about 2 s
)

// SessionStart is the first event of a stream.
type SessionStart struct {
	Inference   Inference
	Endpointing Endpointing // empty leaves it out, as the first Nova Sonic requires
}

// AppendEvent appends the event to dst.
func (e SessionStart) AppendEvent(dst []byte) []byte {
	dst = append(dst, `{"event":{"sessionStart":{"inferenceConfiguration":{`...)
	n := len(dst)
	if e.Inference.MaxTokens != 0 {
		dst = append(dst, `"maxTokens":`...)
		dst = strconv.AppendInt(dst, int64(e.Inference.MaxTokens), 10)
	}
	dst = appendNumber(dst, n, "topP", e.Inference.TopP)
	dst = appendNumber(dst, n, "temperature", e.Inference.Temperature)
	dst = append(dst, '}')
	if e.Endpointing != "" {
		// Nested: a flat endpointingSensitivity is refused.
		dst = append(dst, `,"turnDetectionConfiguration":{"endpointingSensitivity":`...)
		dst = appendString(dst, string(e.Endpointing))
		dst = append(dst, '}')
	}
	return append(dst, `}}}`...)
}

// appendNumber appends a member, with a comma unless dst ends at start.
func appendNumber(dst []byte, start int, name string, v *float64) []byte {
	if v == nil {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return strconv.AppendFloat(dst, *v, 'f', -1, 64)
}

// ToolSpec describes a function that the model may call.
type ToolSpec struct {
	Name        string          // letters, digits, _ and -; at most 64 of them
	Description string          // what the model is told about it
	InputSchema json.RawMessage // a JSON Schema object; empty for a tool without arguments
}

// ToolChoice says whether the model has to call a tool. The zero value leaves
// the choice out, which is the same as ToolChoiceAuto.
type ToolChoice struct {
	kind string
	name string
}

// ToolChoiceAuto lets the model decide.
func ToolChoiceAuto() ToolChoice { return ToolChoice{kind: "auto"} }

// ToolChoiceAny makes the model call some tool.
func ToolChoiceAny() ToolChoice { return ToolChoice{kind: "any"} }

// ToolChoiceTool makes the model call the named tool.
func ToolChoiceTool(name string) ToolChoice { return ToolChoice{kind: "tool", name: name} }

// PromptStart is the second event of a stream. All that it says holds for the
// stream's whole life: another voice or other tools need another stream.
type PromptStart struct {
	PromptName string           // chosen by the client, a UUID by custom; part of every event that follows
	Voice      string           // a voice id of the model, lower case: "matthew"
	OutputRate audio.SampleRate // of the assistant's speech: 8, 16 or 24 kHz
	Tools      []ToolSpec
	ToolChoice ToolChoice
}

// AppendEvent appends the event to dst.
func (e PromptStart) AppendEvent(dst []byte) []byte {
	dst = append(dst, `{"event":{"promptStart":{"promptName":`...)
	dst = appendString(dst, e.PromptName)
	dst = append(dst, `,"textOutputConfiguration":{"mediaType":"text/plain"},"audioOutputConfiguration":{"mediaType":"audio/lpcm","sampleRateHertz":`...)
	dst = strconv.AppendInt(dst, int64(e.OutputRate), 10)
	dst = append(dst, `,"sampleSizeBits":16,"channelCount":1,"voiceId":`...)
	dst = appendString(dst, e.Voice)
	dst = append(dst, `,"encoding":"base64","audioType":"SPEECH"}`...)
	if len(e.Tools) > 0 {
		dst = append(dst, `,"toolUseOutputConfiguration":{"mediaType":"application/json"},"toolConfiguration":{"tools":[`...)
		for i, t := range e.Tools {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = t.appendJSON(dst)
		}
		dst = append(dst, ']')
		dst = e.ToolChoice.appendMember(dst)
		dst = append(dst, '}')
	}
	return append(dst, `}}}`...)
}

func (t ToolSpec) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"toolSpec":{"name":`...)
	dst = appendString(dst, t.Name)
	dst = append(dst, `,"description":`...)
	dst = appendString(dst, t.Description)
	schema := string(t.InputSchema)
	if schema == "" {
		schema = `{"type":"object","properties":{}}`
	}
	// The schema is a string that holds JSON; an object is refused.
	dst = append(dst, `,"inputSchema":{"json":`...)
	dst = appendString(dst, schema)
	return append(dst, `}}}`...)
}

func (c ToolChoice) appendMember(dst []byte) []byte {
	switch c.kind {
	case "":
		return dst
	case "tool":
		dst = append(dst, `,"toolChoice":{"tool":{"name":`...)
		dst = appendString(dst, c.name)
		return append(dst, `}}`...)
	}
	dst = append(dst, `,"toolChoice":{"`...)
	dst = append(dst, c.kind...)
	return append(dst, `":{}}`...)
}

// PromptEnd says that nothing more will come in this prompt. Answers that are
// still pending may not be produced.
type PromptEnd struct{ PromptName string }

// AppendEvent appends the event to dst.
func (e PromptEnd) AppendEvent(dst []byte) []byte {
	dst = append(dst, `{"event":{"promptEnd":{"promptName":`...)
	dst = appendString(dst, e.PromptName)
	return append(dst, `}}}`...)
}

// SessionEnd is the last event of a stream; the half-close follows.
type SessionEnd struct{}

// AppendEvent appends the event to dst.
func (SessionEnd) AppendEvent(dst []byte) []byte {
	return append(dst, `{"event":{"sessionEnd":{}}}`...)
}

// appendContentEnd appends the event that closes a block.
func appendContentEnd(dst []byte, prompt, content string) []byte {
	dst = appendBlockHead(dst, "contentEnd", prompt, content)
	return append(dst, `}}}`...)
}

// appendBlockHead appends an event up to and including its two names.
func appendBlockHead(dst []byte, event, prompt, content string) []byte {
	dst = append(dst, `{"event":{"`...)
	dst = append(dst, event...)
	dst = append(dst, `":{"promptName":`...)
	dst = appendString(dst, prompt)
	dst = append(dst, `,"contentName":`...)
	return appendString(dst, content)
}
