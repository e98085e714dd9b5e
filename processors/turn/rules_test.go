package turn_test

import (
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/turn"
)

func TestTurnsKeepTheRules(t *testing.T) {
	busy := []pipelinetest.Option{
		pipelinetest.With(func() frames.Frame { return &frames.BotStartedSpeaking{} }),
		pipelinetest.With(func() frames.Frame { return &frames.VADStarted{Track: "check", Rate: audio.Rate16k} }),
		pipelinetest.With(func() frames.Frame { return &frames.InterimTranscription{Text: "well I"} }),
		pipelinetest.With(func() frames.Frame { return &frames.VADStopped{Track: "check", Position: 320, Rate: audio.Rate16k} }),
		pipelinetest.With(func() frames.Frame { return &frames.BotStoppedSpeaking{} }),
	}
	for name, make := range map[string]func() pipeline.Processor{
		"with the zero configuration": func() pipeline.Processor { return turn.New(turn.Config{}) },
		"with all that there is": func() pipeline.Processor {
			return turn.New(turn.Config{
				Start:     turn.Any(turn.Pressed(), turn.Wake(turn.WakeConfig{Phrases: []string{"hello"}})),
				End:       turn.Semantic(turn.SemanticConfig{Model: yes}),
				Interrupt: turn.All(turn.Words(2), turn.Not(turn.FirstAnswer())),
				Barred:    turn.Ignore,
				Recovery:  turn.Recovery{On: true},
				Mute:      turn.BotSpeaking(),
				Idle:      []turn.Reminder{{After: time.Second, Do: turn.Say("Hello?")}},
			})
		},
		"with a service that decides": func() pipeline.Processor {
			return turn.New(turn.Config{Start: turn.External(), End: turn.External()})
		},
		"at a tap": func() pipeline.Processor { return tapOnly() },
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.Check(t, make, busy...) })
	}
}

// tapOnly is a tap with its turns in front of it.
func tapOnly() pipeline.Processor {
	p := turn.New(turn.Config{})
	return pipeline.Chain(p, p.Tap())
}
