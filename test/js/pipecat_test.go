package js

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/noise"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

// guest answers a caller of Pipecat's client, and keeps what it hears.
type guest struct {
	mu       sync.Mutex
	heard    []int16
	messages []string
	answer   []int16
	expects  int
}

func (g *guest) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch f := f.(type) {
	case *frames.AudioInput:
		g.heard = append(g.heard, f.Samples...)
		if len(g.heard) < g.expects || g.answer == nil {
			return nil
		}
		said := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate24k), Samples: g.answer, Track: "agent"}}
		g.answer = nil
		if err := out.Send(ctx, said, frames.Downstream); err != nil {
			return err
		}
		// In order with the audio: it comes when that has been heard.
		return out.Send(ctx, &frames.TransportMessage{Message: map[string]any{
			"label": "rtvi-ai", "type": "server-message", "data": map[string]any{"bye": true},
		}}, frames.Downstream)
	case *frames.TransportMessageInput:
		g.messages = append(g.messages, string(f.Message.(json.RawMessage)))
		return nil
	}
	return out.Send(ctx, f, dir)
}

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
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	questionFile, answerFile := filepath.Join(dir, "question.pcm"), filepath.Join(dir, "answer.pcm")
	if err := os.WriteFile(questionFile, audio.EncodePCM(nil, question), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "pipecat.mjs", strings.Replace(web.URL, "http", "ws", 1), questionFile, answerFile)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pipecat.mjs: %v\n%s%s", err, out, stderr.Bytes())
	}
	if want := "{\"name\":\"ready\",\"version\":\"2.1.0\"}\n{\"name\":\"message\",\"data\":{\"bye\":true}}\n"; string(out) != want {
		t.Errorf("it printed\n%swant\n%s%s", out, want, stderr.Bytes())
	}
	if s := stderr.String(); strings.Contains(s, "Failed to") {
		t.Errorf("the client complains:\n%s", s)
	}
	if !slices.Equal(g.heard, question) {
		t.Errorf("%d samples were heard, and not the %d that were said", len(g.heard), len(question))
	}
	b, err := os.ReadFile(answerFile)
	if err != nil {
		t.Fatal(err)
	}
	got := audio.DecodePCM(nil, b)
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
