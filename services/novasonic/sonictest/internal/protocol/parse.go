package protocol

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"

	"github.com/parley-go/parley/audio"
)

// Event is an input event.
type Event interface {
	// Name is the event's name, as it stands in the JSON.
	Name() string
	// Content is its contentName, or "".
	Content() string
}

// names are the identifiers that most events carry.
type names struct{ PromptName, ContentName string }

// Content returns the contentName.
func (n names) Content() string { return n.ContentName }

// The input events, each with those of its fields that matter.
type (
	// SessionStart is the first event.
	SessionStart struct {
		names
		MaxTokens     int // 0: left to the service
		TurnDetection bool
		Sensitivity   string // HIGH, MEDIUM, LOW or ""
	}

	// PromptStart is the second.
	PromptStart struct {
		names
		Voice      string
		Rate       audio.SampleRate
		Tools      []Tool
		ToolChoice string // "", "auto", "any", or "tool:" and a name

		// SchemaObjects tells that the schema of a tool is an object, and not a
		// string that holds one, as which it stands in Tools.
		SchemaObjects bool
	}

	// ContentStart begins a block.
	ContentStart struct {
		names
		Type        Type
		Role        string // "" if left out
		Interactive bool
		Rate        audio.SampleRate // of AUDIO
		ToolUseID   string           // of TOOL
	}

	// TextInput is a part of a TEXT block.
	TextInput struct {
		names
		Role string // "" if left out, as it should be
		Text string
	}

	// AudioInput is a part of an AUDIO block.
	AudioInput struct {
		names
		PCM []int16
	}

	// ToolResult is the body of a TOOL block.
	ToolResult struct {
		names
		Text string
	}

	// ContentEnd ends a block.
	ContentEnd struct{ names }
	// PromptEnd ends the prompt.
	PromptEnd struct{ names }
	// SessionEnd is the last event.
	SessionEnd struct{ names }
)

// Name returns the event's name.
func (SessionStart) Name() string { return "sessionStart" }

// Name returns the event's name.
func (PromptStart) Name() string { return "promptStart" }

// Name returns the event's name.
func (ContentStart) Name() string { return "contentStart" }

// Name returns the event's name.
func (TextInput) Name() string { return "textInput" }

// Name returns the event's name.
func (AudioInput) Name() string { return "audioInput" }

// Name returns the event's name.
func (ToolResult) Name() string { return "toolResult" }

// Name returns the event's name.
func (ContentEnd) Name() string { return "contentEnd" }

// Name returns the event's name.
func (PromptEnd) Name() string { return "promptEnd" }

// Name returns the event's name.
func (SessionEnd) Name() string { return "sessionEnd" }

// Type is the type of a content block.
type Type string

// The types of blocks.
const (
	TypeText  Type = "TEXT"
	TypeAudio Type = "AUDIO"
	TypeTool  Type = "TOOL"
)

// The roles.
const (
	RoleSystem       = "SYSTEM"
	RoleSystemSpeech = "SYSTEM_SPEECH"
	RoleUser         = "USER"
	RoleAssistant    = "ASSISTANT"
	RoleTool         = "TOOL"
)

// Tool is a tool of a promptStart.
type Tool struct{ Name, Description, InputSchema string }

// Limits on what one event may hold, so that a hostile client cannot exhaust
// the emulator. The service's own are not known.
const (
	maxTools = 1024
	maxName  = 1024 // bytes
)

// Parse reads an input event. The name is known, if there is one, even if the
// event is refused. The samples of an AudioInput are the caller's.
func Parse(b []byte) (name string, ev Event, refusal *Refusal) {
	if e, ok := parseFast(b); ok {
		return e.Name(), e, nil
	}
	return parse(b)
}

func parse(b []byte) (name string, ev Event, refusal *Refusal) {
	var envelope struct {
		Event map[string]json.RawMessage `json:"event"`
	}
	outer := parseObject(b)
	outer.need("event", &envelope.Event)
	if outer.refusal != nil {
		return "", nil, invalid(TextParse)
	}
	if len(envelope.Event) != 1 {
		return "", nil, invalid(TextParse)
	}
	var body json.RawMessage
	for name, body = range envelope.Event {
	}
	o := parseObject(body)
	if o.refusal != nil {
		return name, nil, o.refusal
	}
	switch name {
	case "sessionStart":
		ev = parseSessionStart(&o)
	case "promptStart":
		ev = parsePromptStart(&o)
	case "contentStart":
		ev = parseContentStart(&o)
	case "textInput":
		e := TextInput{names: bothNames(&o)}
		o.need("content", &e.Text)
		o.read("role", &e.Role)
		ev = e
	case "audioInput":
		ev = parseAudioInput(&o)
	case "toolResult":
		e := ToolResult{names: bothNames(&o)}
		o.need("content", &e.Text)
		ev = e
	case "contentEnd":
		ev = ContentEnd{bothNames(&o)}
	case "promptEnd":
		ev = PromptEnd{names{PromptName: o.name("promptName")}}
	case "sessionEnd":
		ev = SessionEnd{}
	default:
		return name, nil, &Refusal{Exception: ExceptionValidation, Text: TextInvalid, Unknown: true}
	}
	if o.refusal != nil {
		return name, nil, o.refusal
	}
	return name, ev, nil
}

func bothNames(o *object) names {
	return names{PromptName: o.name("promptName"), ContentName: o.name("contentName")}
}

func parseSessionStart(o *object) SessionStart {
	var e SessionStart
	inference := o.object("inferenceConfiguration")
	if inference.read("maxTokens", &e.MaxTokens) && e.MaxTokens < 1 {
		inference.fail(TextInvalid)
	}
	for _, name := range []string{"topP", "temperature"} {
		var p float64
		if inference.read(name, &p) && !(p >= 0 && p <= 1) {
			inference.fail(TextInvalid)
		}
	}
	o.sub(inference)

	e.TurnDetection = o.has("turnDetectionConfiguration")
	detection := o.object("turnDetectionConfiguration")
	if detection.read("endpointingSensitivity", &e.Sensitivity) &&
		!slices.Contains([]string{"HIGH", "MEDIUM", "LOW"}, e.Sensitivity) {
		detection.fail(TextInvalid)
	}
	o.sub(detection)
	return e
}

func parsePromptStart(o *object) PromptStart {
	e := PromptStart{names: names{PromptName: o.name("promptName")}}
	text := o.object("textOutputConfiguration")
	text.is("mediaType", "text/plain")
	o.sub(text)

	if !o.has("audioOutputConfiguration") {
		o.fail(TextInvalid)
	}
	out := o.object("audioOutputConfiguration")
	e.Rate = parsePCM(&out)
	out.need("voiceId", &e.Voice)
	o.sub(out)

	use := o.object("toolUseOutputConfiguration")
	use.is("mediaType", "application/json")
	o.sub(use)

	tools := o.object("toolConfiguration")
	e.Tools, e.SchemaObjects = parseTools(&tools)
	e.ToolChoice = parseToolChoice(&tools, e.Tools)
	o.sub(tools)
	return e
}

// parsePCM reads what the configurations of audio in and out have in common.
func parsePCM(o *object) audio.SampleRate {
	var rate int
	o.need("sampleRateHertz", &rate)
	if rate != 8000 && rate != 16000 && rate != 24000 {
		o.fail(TextInvalid)
	}
	bits, channels := 16, 1
	o.read("sampleSizeBits", &bits)
	o.read("channelCount", &channels)
	if bits != 16 || channels != 1 {
		o.fail(TextInvalid)
	}
	o.is("mediaType", "audio/lpcm")
	o.is("encoding", "base64")
	o.is("audioType", "SPEECH")
	return audio.SampleRate(rate)
}

func parseTools(o *object) (tools []Tool, objects bool) {
	// The pattern as the service quotes it.
	const pattern = `^[a-zA-Z0-9_-]+$`
	valid := regexp.MustCompile(pattern)
	var list []json.RawMessage
	o.read("tools", &list)
	if len(list) > maxTools {
		o.fail(TextInvalid)
		return nil, false
	}
	for i, raw := range list {
		entry := parseObject(raw)
		if !entry.has("toolSpec") {
			entry.fail(TextInvalid)
		}
		spec := entry.object("toolSpec")
		var t Tool
		spec.need("name", &t.Name)
		spec.read("description", &t.Description)
		if spec.refusal == nil && !valid.MatchString(t.Name) {
			spec.fail("Malformed input request: #/toolConfig/tools/" + strconv.Itoa(i) +
				"/toolSpec/name: string [" + t.Name + "] does not match pattern " + pattern)
		}
		schema := spec.object("inputSchema")
		var object map[string]json.RawMessage
		if raw := schema.members["json"]; json.Unmarshal(raw, &object) == nil && object != nil {
			t.InputSchema, objects = string(raw), true
		} else {
			schema.need("json", &t.InputSchema)
		}
		spec.sub(schema)
		if spec.refusal == nil {
			var inner map[string]json.RawMessage
			if json.Unmarshal([]byte(t.InputSchema), &inner) != nil || inner == nil {
				spec.fail(TextInvalid)
			}
		}
		entry.sub(spec)
		o.sub(entry)
		tools = append(tools, t)
	}
	return tools, objects
}

func parseToolChoice(o *object, tools []Tool) string {
	if !o.has("toolChoice") {
		return ""
	}
	choice := o.object("toolChoice")
	defer func() { o.sub(choice) }()
	if len(choice.members) != 1 {
		choice.fail(TextInvalid)
	}
	switch {
	case choice.has("auto"):
		return "auto"
	case choice.has("any"):
		return "any"
	case choice.has("tool"):
		tool := choice.object("tool")
		name := tool.name("name")
		if !slices.ContainsFunc(tools, func(t Tool) bool { return t.Name == name }) {
			tool.fail(TextInvalid)
		}
		choice.sub(tool)
		return "tool:" + name
	}
	choice.fail(TextInvalid)
	return ""
}

func parseContentStart(o *object) ContentStart {
	e := ContentStart{names: bothNames(o)}
	o.need("type", &e.Type)
	o.read("role", &e.Role)
	o.read("interactive", &e.Interactive)
	var roles []string
	switch e.Type {
	case TypeText:
		roles = []string{"", RoleSystem, RoleSystemSpeech, RoleUser, RoleAssistant}
		text := o.object("textInputConfiguration")
		text.is("mediaType", "text/plain")
		o.sub(text)
	case TypeAudio:
		roles = []string{"", RoleUser}
		if !o.has("audioInputConfiguration") {
			o.fail(TextInvalid)
		}
		in := o.object("audioInputConfiguration")
		e.Rate = parsePCM(&in)
		o.sub(in)
	case TypeTool:
		roles = []string{"", RoleTool}
		if !o.has("toolResultInputConfiguration") {
			o.fail(TextInvalid)
		}
		result := o.object("toolResultInputConfiguration")
		e.ToolUseID = result.name("toolUseId")
		result.is("type", "TEXT")
		text := result.object("textInputConfiguration")
		var media string
		if text.read("mediaType", &media) && media != "text/plain" {
			text.fail(TextToolMedia)
		}
		result.sub(text)
		o.sub(result)
	}
	if !slices.Contains(roles, e.Role) {
		o.fail(TextInvalid)
	}
	return e
}

func parseAudioInput(o *object) AudioInput {
	e := AudioInput{names: bothNames(o)}
	var content string
	o.need("content", &content)
	raw, err := base64.StdEncoding.DecodeString(content)
	if o.refusal == nil && (err != nil || len(raw)%2 != 0) {
		o.fail(TextInvalid)
		return e
	}
	e.PCM = samples(raw)
	return e
}
