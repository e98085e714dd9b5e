package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/parley-go/parley/audio"
)

// DecodeError says which event could not be read. It quotes nothing of the
// event, which may hold what somebody said.
type DecodeError struct {
	Event string // its name; empty when not even that could be read
	Err   error
}

func (e *DecodeError) Error() string {
	if e.Event == "" {
		return fmt.Sprintf("decode event: %v", e.Err)
	}
	return fmt.Sprintf("decode %s event: %v", e.Event, e.Err)
}

func (e *DecodeError) Unwrap() error { return e.Err }

// Errors inside a [DecodeError].
var (
	ErrEnvelope  = errors.New(`it is not of the form {"event":{"name":{…}}}`)
	ErrNoContent = errors.New("it has no contentId")
	ErrOddAudio  = errors.New("its audio ends in half a sample")
)

// Decoder reads the events of one stream. The zero value is ready. It
// remembers the last identifiers, which save allocations while they repeat, so
// it must not be used by two goroutines at once.
type Decoder struct {
	last [4]string // sessionId, promptName, completionId, contentId
}

// Decode reads one event. It keeps nothing of b. An error, always a
// [*DecodeError], concerns this event only: the next one can be read.
func (d *Decoder) Decode(b []byte) (Output, error) {
	if out, ok := d.scanAudioOutput(b); ok {
		return out, nil
	}
	return decodeJSON(b)
}

// body has the fields of all events that come down.
type body struct {
	SessionID             string                           `json:"sessionId"`
	PromptName            string                           `json:"promptName"`
	CompletionID          string                           `json:"completionId"`
	ContentID             string                           `json:"contentId"`
	Type                  ContentType                      `json:"type"`
	Role                  Role                             `json:"role"`
	StopReason            StopReason                       `json:"stopReason"`
	AdditionalModelFields json.RawMessage                  `json:"additionalModelFields"`
	AudioOutput           struct{ SampleRateHertz int }    `json:"audioOutputConfiguration"`
	Content               json.RawMessage                  `json:"content"`
	ToolName              string                           `json:"toolName"`
	ToolUseID             string                           `json:"toolUseId"`
	Offset                float64                          `json:"inputAudioOffsetMs"`
	Detection             float64                          `json:"inputAudioDetectionOffsetMs"`
	Details               struct{ Delta, Total usageBody } `json:"details"`
	TotalInputTokens      int                              `json:"totalInputTokens"`
	TotalOutputTokens     int                              `json:"totalOutputTokens"`
	TotalTokens           int                              `json:"totalTokens"`
}

type usageBody struct {
	Input  struct{ SpeechTokens, TextTokens int }
	Output struct{ SpeechTokens, TextTokens int }
}

func (u usageBody) usage() Usage {
	return Usage{Input: Tokens{u.Input.SpeechTokens, u.Input.TextTokens}, Output: Tokens{u.Output.SpeechTokens, u.Output.TextTokens}}
}

// decodeJSON reads any event with encoding/json.
func decodeJSON(b []byte) (Output, error) {
	var envelope struct{ Event map[string]json.RawMessage }
	if err := json.Unmarshal(b, &envelope); err != nil {
		return nil, &DecodeError{Err: withoutContent(err)}
	}
	if len(envelope.Event) != 1 {
		return nil, &DecodeError{Err: ErrEnvelope}
	}
	for name, raw := range envelope.Event {
		out, err := decodeBody(name, raw)
		if err != nil {
			// The name is one that is known here: nothing of the peer's choice.
			return nil, &DecodeError{Event: name, Err: withoutContent(err)}
		}
		return out, nil
	}
	panic("unreachable")
}

func decodeBody(name string, raw json.RawMessage) (Output, error) {
	read := reader(name)
	if read == nil {
		return &Unknown{Name: name, Body: raw}, nil
	}
	var v body
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return read(&v)
}

// reader returns what reads the named event, nil for one that is not known.
func reader(name string) func(*body) (Output, error) {
	switch name {
	case "completionStart":
		return func(v *body) (Output, error) { return &CompletionStart{v.ids()}, nil }
	case "completionEnd":
		return func(v *body) (Output, error) { return &CompletionEnd{v.ids(), v.StopReason}, nil }
	case "contentStart":
		return readContentStart
	case "contentEnd":
		return readContentEnd
	case "textOutput":
		return readTextOutput
	case "audioOutput":
		return readAudioOutput
	case "toolUse":
		return readToolUse
	case "usageEvent":
		return readUsage
	case "userSpeechStart":
		return func(v *body) (Output, error) { return &UserSpeechStart{v.ids(), milliseconds(v.Offset)}, nil }
	case "userSpeechEnd":
		return func(v *body) (Output, error) {
			return &UserSpeechEnd{v.ids(), milliseconds(v.Offset), milliseconds(v.Detection)}, nil
		}
	}
	return nil
}

func (v *body) ids() IDs { return IDs{v.SessionID, v.PromptName, v.CompletionID} }

func readContentStart(v *body) (Output, error) {
	if v.ContentID == "" {
		return nil, ErrNoContent
	}
	return &ContentStart{
		IDs: v.ids(), ContentID: v.ContentID, Type: v.Type, Role: v.Role,
		Stage: stageOf(v.AdditionalModelFields), Rate: audio.SampleRate(v.AudioOutput.SampleRateHertz),
	}, nil
}

// stageOf reads additionalModelFields, a string that holds a JSON object. The
// object itself is understood as well.
func stageOf(raw json.RawMessage) Stage {
	var fields struct {
		GenerationStage Stage `json:"generationStage"`
	}
	if s, ok := stringOf(raw); ok {
		raw = json.RawMessage(s)
	}
	if json.Unmarshal(raw, &fields) != nil {
		return StageNone // additional, as the name says: not worth an error
	}
	return fields.GenerationStage
}

func readContentEnd(v *body) (Output, error) {
	if v.ContentID == "" {
		return nil, ErrNoContent
	}
	return &ContentEnd{v.ids(), v.ContentID, v.Type, v.StopReason}, nil
}

func readTextOutput(v *body) (Output, error) {
	if v.ContentID == "" {
		return nil, ErrNoContent
	}
	var text string
	if len(v.Content) > 0 {
		if err := json.Unmarshal(v.Content, &text); err != nil {
			return nil, err
		}
	}
	return &TextOutput{IDs: v.ids(), ContentID: v.ContentID, Role: v.Role, Text: text, Interrupted: isInterruption(text)}, nil
}

// isInterruption recognises the marker of a barge-in. The service writes
// exactly { "interrupted" : true }; any spacing is understood.
func isInterruption(text string) bool {
	var marker map[string]any
	if len(text) > 64 || json.Unmarshal([]byte(text), &marker) != nil {
		return false
	}
	return len(marker) == 1 && marker["interrupted"] == true
}

func readAudioOutput(v *body) (Output, error) {
	if v.ContentID == "" {
		return nil, ErrNoContent
	}
	var pcm []byte
	if len(v.Content) > 0 {
		if err := json.Unmarshal(v.Content, &pcm); err != nil {
			return nil, err
		}
	}
	if len(pcm)%2 != 0 {
		return nil, ErrOddAudio
	}
	samples := make([]int16, len(pcm)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(pcm[2*i:]))
	}
	return &AudioOutput{IDs: v.ids(), ContentID: v.ContentID, Samples: samples}, nil
}

func readToolUse(v *body) (Output, error) {
	if v.ContentID == "" {
		return nil, ErrNoContent
	}
	return &ToolUse{IDs: v.ids(), ContentID: v.ContentID, ToolUseID: v.ToolUseID, Name: v.ToolName, Arguments: argumentsOf(v.Content)}, nil
}

// argumentsOf reads the arguments of a toolUse: a string that holds a JSON
// object, and now and then a string that holds a string that holds it.
func argumentsOf(raw json.RawMessage) json.RawMessage {
	outer, ok := stringOf(raw)
	if !ok {
		if isNull(raw) {
			return json.RawMessage("{}")
		}
		return raw // not a string: valid JSON, since it was part of an event
	}
	if len(bytes.TrimSpace([]byte(outer))) == 0 {
		return json.RawMessage("{}")
	}
	if inner, ok := stringOf(json.RawMessage(outer)); ok && json.Valid([]byte(inner)) {
		return json.RawMessage(inner)
	}
	if json.Valid([]byte(outer)) {
		return json.RawMessage(outer)
	}
	return appendString(nil, outer)
}

func readUsage(v *body) (Output, error) {
	return &UsageEvent{
		IDs: v.ids(), Delta: v.Details.Delta.usage(), Total: v.Details.Total.usage(),
		TotalInput: v.TotalInputTokens, TotalOutput: v.TotalOutputTokens, TotalTokens: v.TotalTokens,
	}, nil
}

// milliseconds is 0 for what no clock of a stream can show.
func milliseconds(ms float64) time.Duration {
	if !(ms >= 0 && ms < 1e12) {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}

func stringOf(raw json.RawMessage) (string, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

func isNull(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) == 0 || string(raw) == "null"
}

// withoutContent keeps the errors of encoding/json from quoting the event.
func withoutContent(err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	var b64 base64.CorruptInputError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON (byte %d)", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Errorf("%s cannot be read as %s", orEvent(typ.Field), typ.Type)
	case errors.As(err, &b64):
		return fmt.Errorf("its audio is not base64: %w", b64)
	}
	return err
}

func orEvent(field string) string {
	if field == "" {
		return "its value"
	}
	return "its " + field
}
