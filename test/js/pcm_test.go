package js

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/noise"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

// caller says a question, keeps what it hears, and presses a key when it is asked
// for more.
type caller struct {
	question []int16

	mu    sync.Mutex
	heard []int16
	asked []string
	end   string
}

func (c *caller) Run(ctx context.Context, out *pipeline.Port) error {
	said := frames.Audio{Format: audio.Mono(audio.Rate16k), Samples: c.question, Track: "caller"}
	return out.Send(ctx, &frames.AudioOutput{Audio: said}, frames.Downstream)
}

func (c *caller) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f := f.(type) {
	case *frames.AudioInput:
		c.heard = append(c.heard, f.Samples...)
		return nil
	case *frames.TransportMessageInput:
		c.asked = append(c.asked, string(f.Message.(json.RawMessage)))
		return out.Send(ctx, &frames.DTMFOutput{Digit: '9'}, dir)
	case *frames.End:
		c.end = f.Reason
	}
	return out.Send(ctx, f, dir)
}

// TestAServerThatIsNotOursIsCalled is on real sockets and in real time, since the
// other end is a process.
func TestAServerThatIsNotOursIsCalled(t *testing.T) {
	program := node(t, "ws")
	question, answer := noise.Samples(1, 16000), noise.Samples(2, 24000)
	dir := t.TempDir()
	questionFile, answerFile := filepath.Join(dir, "question.pcm"), filepath.Join(dir, "answer.pcm")
	if err := os.WriteFile(answerFile, audio.EncodePCM(nil, answer), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "pcm.mjs", answerFile, questionFile, fmt.Sprint(len(question)))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	var started struct{ Port int }
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &started) != nil || started.Port == 0 {
		t.Fatalf("pcm.mjs printed %q", lines.Text())
	}
	address := fmt.Sprintf("ws://127.0.0.1:%d/call", started.Port)
	_, err = websocket.Dial(ctx, address, websocket.DialConfig{Token: "wrong"})
	if e, ok := errors.AsType[*websocket.StatusError](err); !ok || e.Status != 401 || e.Text != "who are you?" {
		t.Errorf("with a wrong token: %v", err)
	}
	call, err := websocket.Dial(ctx, address, websocket.DialConfig{Token: "sesame"})
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{question: question}
	if err := pipeline.Run(ctx, call.Input(), c, call.Output()); err != nil {
		t.Fatal(err)
	}
	type event struct {
		Hello   json.RawMessage
		Mark    string
		Key     string
		Closed  int
		At      int
		Speaks  int
		Failure string
	}
	var marks []string
	var last, began int
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("pcm.mjs printed %q", lines.Text())
		}
		switch {
		case e.Hello != nil:
			if want := `{"type":"hello","version":1,"input":{"rate":16000,"channels":1},"output":{"rate":24000,"channels":1},"marks":true,"resume":{}}`; string(e.Hello) != want {
				t.Errorf("it was told %s, want %s", e.Hello, want)
			}
		case e.Speaks != 0:
			began = e.Speaks
		case e.Mark != "":
			marks, last = append(marks, e.Mark), e.At
		case e.Key != "":
			if e.Key != "9" {
				t.Errorf("the key was %q", e.Key)
			}
		case e.Closed != 1000:
			t.Errorf("it printed %s", lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(marks) < 3 || marks[len(marks)-1] != "last" || !slices.IsSortedFunc(marks[:len(marks)-1], func(a, b string) int { return len(a) - len(b) }) {
		t.Errorf("the marks %q came back", marks)
	}
	if took := last - began; took < 980 || took > 1500 { // two clocks, in whole milliseconds
		t.Errorf("the last mark came back %d ms after a second of speech was sent at once", took)
	}
	trim := func(s []int16) []int16 {
		for ; len(s) > 0 && s[0] == 0; s = s[1:] {
		}
		for ; len(s) > 0 && s[len(s)-1] == 0; s = s[:len(s)-1] {
		}
		return s
	}
	if got := trim(c.heard); !slices.Equal(got, answer) {
		t.Errorf("%d samples were heard of %d", len(got), len(answer))
	}
	b, err := os.ReadFile(questionFile)
	if err != nil {
		t.Fatal(err)
	}
	heard := audio.DecodePCM(nil, b)
	if got := trim(heard); !slices.Equal(got, question) {
		t.Errorf("the server heard %d samples of %d", len(got), len(question))
	}
	if !slices.Equal(c.asked, []string{`{"more":true}`}) || c.end != "the server hung up: goodbye" || call.Err() != nil {
		t.Errorf("it was asked %q, and ended with %q, %v", c.asked, c.end, call.Err())
	}
}
