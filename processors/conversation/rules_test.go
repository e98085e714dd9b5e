package conversation_test

import (
	"testing"

	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/conversation"
)

func TestTheProcessorAndItsTapsKeepTheRules(t *testing.T) {
	everything := func() *conversation.Processor {
		return conversation.New(conversation.Config{
			OnEntry: func(conversation.Entry) {}, OnTurn: func(conversation.Turn) {}, OnToolCall: func(conversation.Entry) {},
		})
	}
	for name, make := range map[string]func() pipeline.Processor{
		"processor":      func() pipeline.Processor { return everything() },
		"inline":         func() pipeline.Processor { return pipeline.Inline(conversation.New(conversation.Config{})) },
		"tap for caller": func() pipeline.Processor { return everything().TapCaller() },
		"tap for agent":  func() pipeline.Processor { return everything().TapAgent() },
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.Check(t, make) })
	}
}
