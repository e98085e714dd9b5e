package file_test

import (
	"path/filepath"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/transports/file"
)

func TestBothEndsKeepTheRules(t *testing.T) {
	said := voice(1, 24000*120)
	in := record(t, "a.wav", audio.Mono(rate), said)
	stream := streamWAV(said, 0xFFFFFFFF, 0xFFFFFFFF)
	for name, make := range map[string]func() pipeline.Processor{
		"input": func() pipeline.Processor {
			return open(t, file.Config{Input: in, Output: filepath.Join(t.TempDir(), "out.wav")}).Input()
		},
		"output": func() pipeline.Processor {
			return open(t, file.Config{Input: in, Output: filepath.Join(t.TempDir(), "out.wav")}).Output()
		},
		"pipe in":       func() pipeline.Processor { return open(t, file.Config{Reader: produced(stream)}).Input() },
		"silent pipe":   func() pipeline.Processor { return open(t, file.Config{Reader: stuck(t)}).Input() },
		"pipe out":      func() pipeline.Processor { return open(t, file.Config{Input: in, Writer: &drain{}}).Output() },
		"again, always": func() pipeline.Processor { return open(t, file.Config{Input: in, Repeat: file.Forever}).Input() },
		"fast, as one": func() pipeline.Processor {
			call := open(t, file.Config{Reader: stuck(t), Pace: file.Fast}) // or it would be over at once
			return pipeline.Chain(call.Input(), call.Output())
		},
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.Check(t, make) })
	}
}

// drain is a Writer that wants to be closed.
type drain struct{}

func (*drain) Write(p []byte) (int, error) { return len(p), nil }

func (*drain) Close() error { return nil }
