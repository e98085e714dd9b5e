package webrtc

import (
	"net/http/httptest"
	"testing"

	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
)

func TestBothEndsKeepTheRules(t *testing.T) {
	// A call whose peer is connected, and neither speaks nor reads.
	call := func() *Call {
		c, err := newCall("id", httptest.NewRequest("POST", "/", nil), nil, Config{}.withDefaults())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for name, end := range map[string]func() pipeline.Processor{
		"input":  func() pipeline.Processor { return call().Input() },
		"output": func() pipeline.Processor { return call().Output() },
	} {
		t.Run(name, func(t *testing.T) { pipelinetest.Check(t, end) })
	}
}
