package wire

import (
	"encoding/json"
	"fmt"

	"github.com/parley-go/parley/audio"
)

// FieldError is a setting that the service would refuse. It is found before
// anything is sent, since a refusal ends the stream with a message that often
// names nothing.
type FieldError struct {
	Field   string // in words: `tool "clock.now"`, "output sample rate"
	Problem string // what is wrong and how to mend it
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// maxToolName is the limit of Bedrock's tool specification.
const maxToolName = 64

// Validate returns a [*FieldError] if the service would refuse the event.
func (e SessionStart) Validate() error {
	inf := e.Inference
	switch {
	case inf.MaxTokens < 0:
		return &FieldError{"maximum tokens", fmt.Sprintf("%d is negative; give a positive number, or 0 for the service's default", inf.MaxTokens)}
	case outside01(inf.TopP):
		return &FieldError{"topP", fmt.Sprintf("%v is not between 0 and 1", *inf.TopP)}
	case outside01(inf.Temperature):
		return &FieldError{"temperature", fmt.Sprintf("%v is not between 0 and 1", *inf.Temperature)}
	}
	switch e.Endpointing {
	case "", EndpointingHigh, EndpointingMedium, EndpointingLow:
		return nil
	}
	return &FieldError{"endpointing sensitivity", fmt.Sprintf("%q is not one of HIGH, MEDIUM and LOW", string(e.Endpointing))}
}

func outside01(v *float64) bool {
	// Written so that NaN, which JSON cannot carry, is outside too.
	return v != nil && !(*v >= 0 && *v <= 1)
}

// Validate returns a [*FieldError] if the service would refuse the event. The
// voice is only checked for being there: which voices exist depends on the
// model.
func (e PromptStart) Validate() error {
	if e.PromptName == "" {
		return &FieldError{"prompt name", "it is empty; give the prompt a name, such as a UUID"}
	}
	if e.Voice == "" {
		return &FieldError{"voice", "it is empty; name a voice of the model, such as matthew"}
	}
	if err := ValidateRate("output sample rate", e.OutputRate); err != nil {
		return err
	}
	seen := make(map[string]bool, len(e.Tools))
	for _, t := range e.Tools {
		if err := t.Validate(); err != nil {
			return err
		}
		if seen[t.Name] {
			return &FieldError{fmt.Sprintf("tool %q", t.Name), "two tools have this name; rename one"}
		}
		seen[t.Name] = true
	}
	if c := e.ToolChoice; c.kind == "tool" && !seen[c.name] {
		return &FieldError{"tool choice", fmt.Sprintf("no tool is named %q; name one of the tools, or leave the choice to the model", c.name)}
	} else if c.kind == "any" && len(e.Tools) == 0 {
		return &FieldError{"tool choice", "some tool has to be called but there is none; add a tool, or leave the choice to the model"}
	}
	return nil
}

// Validate returns a [*FieldError] if the service would refuse the tool.
func (t ToolSpec) Validate() error {
	field := fmt.Sprintf("tool %q", t.Name)
	if t.Name == "" {
		return &FieldError{field, "it has no name; name it with letters, digits, _ and -"}
	}
	if len(t.Name) > maxToolName {
		return &FieldError{field, fmt.Sprintf("its name has %d characters; shorten it to %d", len(t.Name), maxToolName)}
	}
	for _, r := range t.Name {
		if !toolNameRune(r) {
			return &FieldError{field, fmt.Sprintf("%q may not be in a tool's name; use letters, digits, _ and - only", r)}
		}
	}
	if len(t.InputSchema) == 0 {
		return nil
	}
	var schema map[string]json.RawMessage
	if err := json.Unmarshal(t.InputSchema, &schema); err != nil || schema == nil {
		return &FieldError{field, `its schema is not a JSON object; give a JSON Schema such as {"type":"object","properties":{}}`}
	}
	var typ string
	if raw, ok := schema["type"]; ok && (json.Unmarshal(raw, &typ) != nil || typ != "object") {
		return &FieldError{field, fmt.Sprintf(`its schema describes %s; arguments are always an object: give a schema with "type":"object"`, raw)}
	}
	return nil
}

func toolNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
}

// ValidateRate returns a [*FieldError] that names field unless r is a sample
// rate that the service hears and speaks: 8, 16 or 24 kHz.
func ValidateRate(field string, r audio.SampleRate) error {
	switch r {
	case audio.Rate8k, audio.Rate16k, audio.Rate24k:
		return nil
	}
	return &FieldError{field, fmt.Sprintf("%d Hz is not one of 8000, 16000 and 24000 Hz", int(r))}
}
