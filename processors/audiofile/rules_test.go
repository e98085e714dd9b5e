package audiofile_test

import (
	"path/filepath"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/audiofile"
)

func TestSourceAndSinkKeepTheRules(t *testing.T) {
	f := audio.Mono(audio.Rate8k)
	path := write(t, "a.wav", f, tone(f, 80_000))
	for name, make := range map[string]func() pipeline.Processor{
		"agent source": func() pipeline.Processor { return audiofile.NewSource(audiofile.SourceConfig{Path: path}) },
		"caller source": func() pipeline.Processor {
			return audiofile.NewSource(audiofile.SourceConfig{Path: path, Caller: true})
		},
		"sink": func() pipeline.Processor {
			return audiofile.NewSink(audiofile.SinkConfig{Path: filepath.Join(t.TempDir(), "b.wav")})
		},
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.Check(t, make) })
	}
}
