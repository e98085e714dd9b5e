package novasonic

import (
	"errors"
	"strings"
	"testing"

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
