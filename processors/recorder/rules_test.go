package recorder_test

import (
	"path/filepath"
	"testing"

	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/recorder"
)

func TestRecorderAndTapKeepTheRules(t *testing.T) {
	for name, make := range map[string]func() pipeline.Processor{
		"recorder": func() pipeline.Processor {
			return recorder.New(recorder.Config{Path: filepath.Join(t.TempDir(), "a.wav"), OnTurn: func(recorder.Turn) {}})
		},
		"tap": func() pipeline.Processor { return recorder.New(recorder.Config{}).Tap() },
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.Check(t, make) })
	}
}
