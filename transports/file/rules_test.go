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
	in := record(t, "a.wav", audio.Mono(rate), voice(1, 24000*120))
	for name, end := range map[string]func(*file.Transport) pipeline.Processor{
		"input":  func(call *file.Transport) pipeline.Processor { return call.Input() },
		"output": func(call *file.Transport) pipeline.Processor { return call.Output() },
	} {
		t.Run(name, func(t *testing.T) {
			pipelinetest.Check(t, func() pipeline.Processor {
				return end(open(t, file.Config{Input: in, Output: filepath.Join(t.TempDir(), "out.wav")}))
			})
		})
	}
}
