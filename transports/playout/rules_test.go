package playout_test

import (
	"context"
	"testing"

	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/transports/playout"
)

func TestOutputKeepsTheRules(t *testing.T) {
	pipelinetest.Check(t, func() pipeline.Processor {
		return playout.New(playout.Config{}, playout.SinkFunc(func(context.Context, playout.Chunk) error { return nil }))
	})
}
