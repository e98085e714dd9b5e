package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call runs the example, and returns what was drawn and how long it took.
func call(ctx context.Context, t *testing.T, in io.Reader, more ...pipeline.Processor) (string, time.Duration) {
	t.Helper()
	var drawn bytes.Buffer
	typewriter := Typewriter{in: in, out: &drawn}
	row := append([]pipeline.Processor{typewriter.Input()}, more...)
	start := time.Now()
	p := pipeline.New(pipeline.Config{}, append(row, parrot(), typewriter.Output())...)
	stop := context.AfterFunc(ctx, func() { p.End("interrupted") }) // as a signal does
	defer stop()
	if err := p.Run(t.Context()); err != nil {
		t.Errorf("Run: %v", err)
	}
	return drawn.String(), time.Since(start)
}

func TestEachLetterIsDrawnAsABeepAndABlankIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drawn, took := call(t.Context(), t, strings.NewReader("hello world\n"))
		lines := strings.Split(strings.TrimSpace(drawn), "\n")
		// A beep is changed to another rate, and its last samples reach into the next
		// chunk: into one of their own where the next beep comes at the very moment.
		if len(lines) < 10 || len(lines) > 20 || len([]rune(lines[0])) < 40 {
			t.Errorf("drawn:\n%s", drawn)
		}
		if took < 11*beepLength || took > 20*beepLength {
			t.Errorf("it took %v; 11 letters are 1.1s", took)
		}
	})
}

func TestTheCallerIsHeardInRealTimeAndASignalEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe() // a terminal, on which somebody types a word, and then nothing
		defer w.Close()
		go w.Write([]byte("ab\n"))
		start, n := time.Now(), 0
		watch := pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
			n++
			if now := time.Since(start); now != audio.Rate16k.Duration(int64(f.End())) {
				t.Errorf("the audio up to %v was sent after %v", audio.Rate16k.Duration(int64(f.End())), now)
			}
			if loud := !audio.IsSilent(f.Samples); loud != (n <= 2) {
				t.Errorf("beep %d is loud: %v", n, loud)
			}
			return out.Send(ctx, f, dir)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+beepLength/2)
		defer cancel()
		_, took := call(ctx, t, r, watch)
		if n < 100 || took > 11*time.Second {
			t.Errorf("%d beeps in %v, want 100 in 10s", n, took)
		}
	})
}
