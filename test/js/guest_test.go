package js

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
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

// answering serves calls until the test is over, and returns where.
func answering(t *testing.T, server interface {
	http.Handler
	Shutdown(context.Context) error
}) (url string) {
	t.Helper()
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return web.URL
}

// hold has one of Pipecat's clients call, say a question, and hear the answer. What it
// prints must be that the bot was ready, and has said goodbye.
func hold(t *testing.T, program, script, url string, question []int16) (answer []int16) {
	t.Helper()
	dir := t.TempDir()
	questionFile, answerFile := filepath.Join(dir, "question.pcm"), filepath.Join(dir, "answer.pcm")
	if err := os.WriteFile(questionFile, audio.EncodePCM(nil, question), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, script, url, questionFile, answerFile)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out, stderr.Bytes())
	}
	if want := "{\"name\":\"ready\",\"version\":\"2.1.0\"}\n{\"name\":\"message\",\"data\":{\"bye\":true}}\n"; string(out) != want {
		t.Errorf("it printed\n%swant\n%s%s", out, want, stderr.Bytes())
	}
	if s := stderr.String(); strings.Contains(s, "Failed to") {
		t.Errorf("the client complains:\n%s", s)
	}
	b, err := os.ReadFile(answerFile)
	if err != nil {
		t.Fatal(err)
	}
	return audio.DecodePCM(nil, b)
}
