package js

import (
	"slices"
	"strings"
	"testing"

	"github.com/parley-go/parley/internal/noise"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

// TestPipecatsClientHoldsACall is on real sockets and in real time, since the
// other end is a process.
func TestPipecatsClientHoldsACall(t *testing.T) {
	program := node(t, "@pipecat-ai/websocket-transport")
	question, answer := noise.Samples(1, 16000*2), noise.Samples(2, 24000)
	g := &guest{answer: slices.Clone(answer), expects: len(question)}
	server, err := websocket.NewServer(websocket.Config{Serializer: websocket.Pipecat}, func(c *websocket.Call) (*pipeline.Pipeline, error) {
		return pipeline.New(pipeline.Config{}, c.Input(), g, c.Output()), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := hold(t, program, "pipecat.mjs", strings.Replace(answering(t, server), "http", "ws", 1), question)
	if !slices.Equal(g.heard, question) {
		t.Errorf("%d samples were heard, and not the %d that were said", len(g.heard), len(question))
	}
	for len(got) > 0 && got[len(got)-1] == 0 { // the rest of the last chunk
		got = got[:len(got)-1]
	}
	if !slices.Equal(got, answer) {
		t.Errorf("the client got %d samples, and not the %d of the answer", len(got), len(answer))
	}
	if len(g.messages) != 1 || !strings.Contains(g.messages[0], "good morning") {
		t.Errorf("the agent was told %q", g.messages)
	}
}
