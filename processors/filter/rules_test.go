package filter_test

import (
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/enhance"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/filter"
)

func TestFiltersKeepTheRules(t *testing.T) {
	spoken := pipelinetest.With(func() frames.Frame { return &frames.BotStartedSpeaking{} })
	silent := pipelinetest.With(func() frames.Frame { return &frames.BotStoppedSpeaking{} })
	for name, make := range map[string]func() pipeline.Processor{
		"where": func() pipeline.Processor {
			return filter.Where(func(frames.Frame, frames.Direction) bool { return true })
		},
		"keep":              func() pipeline.Processor { return filter.Keep[frames.Frame]() },
		"drop":              func() pipeline.Processor { return filter.Drop[*frames.Text]() },
		"gain":              func() pipeline.Processor { return filter.Gain(filter.Output, -6) },
		"mute":              func() pipeline.Processor { return filter.NewMute(filter.Silence) },
		"resample":          func() pipeline.Processor { return filter.Resample(filter.Output, audio.Mono(audio.Rate8k)) },
		"enhance":           func() pipeline.Processor { return filter.Enhance(filter.Input, enhance.HighPass{}, enhance.AGC{}) },
		"enhance the agent": func() pipeline.Processor { return filter.Enhance(filter.Output, enhance.AGC{}) },
		"half duplex":       func() pipeline.Processor { return filter.NewHalfDuplex(filter.HalfDuplexConfig{}) },
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.Check(t, make, spoken, silent) })
	}
}
