package novasonic

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/tool"
)

func TestZeroConfigIsValid(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestSettingsThatCannotWorkAreRefusedWithTheFieldAndTheMend(t *testing.T) {
	two, nan := 2.0, -0.5
	zero := 0
	for _, tc := range []struct {
		name, field, mention string
		cfg                  Config
	}{
		{"unknown voice", "Voice", "matthew", Config{Voice: "Carlos"}},
		{"voice of the other model", "Voice", "tina", Config{Voice: "greta"}},
		{"voice that does not speak the language", "Voice", "lupe", Config{Voice: "amy", Language: "es"}},
		{"language that nobody speaks", "Voice", "fr-FR", Config{Language: "nl-NL"}},
		{"input rate", "InputRate", "8, 16 or 24", Config{InputRate: 48000}},
		{"output rate", "OutputRate", "8, 16 or 24", Config{OutputRate: 44100}},
		{"endpointing", "Endpointing", "MEDIUM", Config{Endpointing: "medium"}},
		{"speaking first on the first model", "SpeakFirst", ModelV2, Config{Model: ModelV1, SpeakFirst: "Hello"}},
		{"top p", "Inference.TopP", "between 0 and 1", Config{Inference: Inference{TopP: &two}}},
		{"temperature", "Inference.Temperature", "between 0 and 1", Config{Inference: Inference{Temperature: &nan}}},
		{"tokens", "Inference.MaxTokens", "at least 1", Config{Inference: Inference{MaxTokens: &zero}}},
		{"history", "History[0].Role", "novasonic.User", Config{History: []Message{{Role: "SYSTEM", Text: "x"}}}},
		{"tool choice without tools", "ToolChoice", "none in Tools", Config{ToolChoice: ToolAny()}},
		{"a ring too short for the replay", "Keep", "11.5s", Config{Keep: 5 * time.Second}},
		{"force before prefer", "Continuation.Force", "before Prefer", Config{Continuation: Continuation{Prefer: 400 * time.Second, Force: 390 * time.Second}}},
		{"prefer before prepare", "Continuation.Prefer", "before Prepare", Config{Continuation: Continuation{Prefer: 100 * time.Second}}},
		{"force after the end", "Continuation.Limit", "would end the stream first", Config{Continuation: Continuation{Force: 480 * time.Second}}},
		{"prepare without a stream's life", "Continuation.Prepare", "less than a second", Config{Continuation: Continuation{Prepare: time.Millisecond}}},
		{"too much jitter", "Continuation.Jitter", "half of Prepare", Config{Continuation: Continuation{Jitter: 200 * time.Second}}},
		{"a standby that is never there", "Continuation.StandbyLife", "less than a second", Config{Continuation: Continuation{StandbyLife: time.Millisecond}}},
		{"negative drain", "Continuation.Drain", "negative", Config{Continuation: Continuation{Drain: -time.Second}}},
		{"not a tool", "Tools", "", Config{Tools: tool.Set{{}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.cfg.Validate()
			var ce *ConfigError
			if !errors.As(err, &ce) {
				t.Fatalf("Validate() = %v, want a ConfigError", err)
			}
			if ce.Field != tc.field || !strings.Contains(err.Error(), tc.mention) {
				t.Errorf("Validate() = %q; want field %s and a mention of %q", err, tc.field, tc.mention)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestContinuationScalesWithPrepare(t *testing.T) {
	for _, prepare := range []time.Duration{5 * time.Second, 20 * time.Second, 330 * time.Second, -1} {
		if err := (Config{Continuation: Continuation{Prepare: prepare}}).Validate(); err != nil {
			t.Errorf("Prepare %v: %v", prepare, err)
		}
	}
}

func TestVoicesAreThoseOfTheUserGuide(t *testing.T) {
	for model, want := range map[string]int{ModelV1: 11, ModelV2: 16, ModelV25: 16, "something.else": 0} {
		voices := Voices(model)
		if len(voices) != want {
			t.Errorf("%s has %d voices, want %d", model, len(voices), want)
		}
		for _, v := range voices {
			if err := checkVoice(model, v.ID, v.Languages[0]); err != nil {
				t.Error(err)
			}
		}
	}
	if err := checkVoice(ModelV2, "matthew", "hi"); err != nil {
		t.Errorf("a polyglot voice: %v", err)
	}
}
