package protocol

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOutputEventsAreWrittenAsTheServiceWritesThem(t *testing.T) {
	o := Output{SessionID: "s", PromptName: `a "quoted" <name>`, CompletionID: "c"}
	common := func(m map[string]any) map[string]any {
		m["sessionId"], m["promptName"], m["completionId"] = "s", `a "quoted" <name>`, "c"
		return m
	}
	tests := map[string]struct {
		got  []byte
		want map[string]any
	}{
		"completionStart": {o.CompletionStart(), map[string]any{}},
		"completionEnd":   {o.CompletionEnd(), map[string]any{"stopReason": "END_TURN"}},
		"contentStart": {o.ContentStartText("i", "ASSISTANT", StageSpeculative), map[string]any{
			"additionalModelFields": `{"generationStage":"SPECULATIVE"}`, "contentId": "i", "type": "TEXT", "role": "ASSISTANT",
			"textOutputConfiguration": map[string]any{"mediaType": "text/plain"}}},
		"textOutput":      {o.TextOutput("i", "USER", "hi"), map[string]any{"contentId": "i", "role": "USER", "content": "hi"}},
		"audioOutput":     {o.AudioOutput("i", []int16{1, -2}), map[string]any{"contentId": "i", "content": "AQD+/w=="}},
		"toolUse":         {o.ToolUse("i", "t", "n", "{}"), map[string]any{"contentId": "i", "toolUseId": "t", "toolName": "n", "content": "{}", "role": "TOOL"}},
		"contentEnd":      {o.ContentEnd("i", TypeAudio, StopPartial), map[string]any{"contentId": "i", "type": "AUDIO", "stopReason": "PARTIAL_TURN"}},
		"userSpeechStart": {o.UserSpeechStart(1500 * time.Millisecond), map[string]any{"inputAudioOffsetMs": 1500.0}},
		"userSpeechEnd":   {o.UserSpeechEnd(time.Second, 2*time.Second), map[string]any{"inputAudioOffsetMs": 1000.0, "inputAudioDetectionOffsetMs": 2000.0}},
		"usageEvent": {o.Usage(Tokens{InputSpeech: 1, OutputText: 2}, Tokens{1, 2, 3, 4}), map[string]any{
			"details": map[string]any{
				"delta": map[string]any{"input": map[string]any{"speechTokens": 1.0, "textTokens": 0.0}, "output": map[string]any{"speechTokens": 0.0, "textTokens": 2.0}},
				"total": map[string]any{"input": map[string]any{"speechTokens": 1.0, "textTokens": 2.0}, "output": map[string]any{"speechTokens": 3.0, "textTokens": 4.0}},
			},
			"totalInputTokens": 3.0, "totalOutputTokens": 7.0, "totalTokens": 10.0}},
	}
	for name, test := range tests {
		var got map[string]any
		if err := json.Unmarshal(test.got, &got); err != nil {
			t.Errorf("%s: %v", test.got, err)
			continue
		}
		want := map[string]any{"event": map[string]any{name: common(test.want)}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
