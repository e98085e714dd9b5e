package audiofile_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/fifo/fifotest"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
)

// All of this is in real time: a bubble does not know of what the operating system
// waits for. That no goroutine stays behind is seen to by TestMain.

// soon returns a context that is over in a moment, because of cause.
func soon(t *testing.T, cause error) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	timer := time.AfterFunc(30*time.Millisecond, func() { cancel(cause) })
	t.Cleanup(func() { timer.Stop(); cancel(nil) })
	return ctx
}

// within fails the test at once if do does not return: it would wait for ever.
func within(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not return")
	}
}

// stalled makes a named pipe whose writer has written b and says nothing more until
// the test is over.
func stalled(t *testing.T, b []byte) string {
	t.Helper()
	path := fifotest.New(t, "pipe.wav")
	w, err := os.OpenFile(path, os.O_RDWR, 0) // which does not wait for a reader
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhoWaitsForANamedPipeCanStopWaiting(t *testing.T) {
	whole := wavBytes(t, audio.Mono(audio.Rate8k), tone(audio.Mono(audio.Rate8k), 100))
	for name, make := range map[string]func(t *testing.T) string{
		"that nobody writes":                    func(t *testing.T) string { return fifotest.New(t, "pipe.wav") },
		"whose writer says nothing":             func(t *testing.T) string { return stalled(t, nil) },
		"whose writer stalls in the header":     func(t *testing.T) string { return stalled(t, whole[:30]) },
		"whose writer stalls before any sample": func(t *testing.T) string { return stalled(t, whole[:44]) },
	} {
		t.Run(name, func(t *testing.T) {
			path := make(t)
			enough := errors.New("enough")
			within(t, func() {
				r, err := audiofile.OpenContext(soon(t, enough), path)
				var typed *audiofile.Error
				if r != nil || !errors.Is(err, enough) || !errors.As(err, &typed) || typed.Op != "open" || typed.Path != path {
					t.Errorf("OpenContext: %v, %v", r, err)
				}
			})
			for _, caller := range []bool{false, true} {
				source := audiofile.NewSource(audiofile.SourceConfig{Path: path, Caller: caller})
				within(t, func() {
					if err := pipeline.New(pipeline.Config{StartTimeout: 30 * time.Millisecond}, source).Run(t.Context()); !errors.Is(err, pipeline.ErrStartTimeout) || strings.Contains(err.Error(), "return from Start") {
						t.Errorf("Run: %v", err)
					}
				})
			}
		})
	}
}

func TestNobodyIsLeftAtAPipeThatIsNotWaitedForAnyMore(t *testing.T) {
	path := fifotest.New(t, "pipe.wav")
	within(t, func() { audiofile.OpenContext(soon(t, errors.New("enough")), path) })
	if w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		w.Close()
		t.Error("somebody still has the pipe open to read")
	}
}

func TestACloseEndsAReadOfAPipeThatWaits(t *testing.T) {
	f := audio.Mono(audio.Rate8k)
	r, err := audiofile.Open(stalled(t, wavBytes(t, f, tone(f, 10_000))[:44+2*1000]))
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(30*time.Millisecond, func() { r.Close() })
	defer timer.Stop()
	within(t, func() {
		total := 0
		for block := make([]int16, 300); err == nil; {
			var n int
			n, err = r.Read(block)
			total += n
		}
		if total != 1000 || err == nil {
			t.Errorf("%d samples of 1000 were read, then %v", total, err)
		}
	})
	if err := r.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

func TestASourceOfAPipeThatStallsLetsGo(t *testing.T) {
	f := audio.Mono(audio.Rate8k)
	const whole = 6 * 160 // samples that have come, as pieces of 20 ms
	begun := wavBytes(t, f, tone(f, 10_000))[:44+2*(whole+40)]
	end := func(p *pipeline.Pipeline) { p.End("enough") }
	cancel := func(p *pipeline.Pipeline) { p.Cancel("enough", nil) }
	interrupt := func(p *pipeline.Pipeline) { p.Interrupt("enough") } // behind which it ends by itself
	for name, c := range map[string]struct {
		caller bool
		do     func(*pipeline.Pipeline)
		want   []string // what comes beside audio
	}{
		"agent, at an end":          {false, end, []string{"TTSStart(pipe.wav)", "End(enough)"}},
		"caller, at an end":         {true, end, []string{"End(enough)"}},
		"agent, at a cancellation":  {false, cancel, []string{"TTSStart(pipe.wav)"}},
		"caller, at a cancellation": {true, cancel, nil},
		"agent, at an interruption": {false, interrupt, []string{"TTSStart(pipe.wav)", "TTSStop(pipe.wav)", "End(PATH is over)"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := stalled(t, begun)
			played, samples := make(chan struct{}), 0
			var others []string
			var once sync.Once
			collect := pipeline.Func(func(ctx context.Context, fr frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				switch a := fr.(type) {
				case *frames.AudioOutput:
					samples += len(a.Samples)
				case *frames.AudioInput:
					samples += len(a.Samples)
				case *frames.TTSStart, *frames.TTSStop, *frames.End:
					others = append(others, strings.Replace(fr.String(), path, "PATH", 1))
				}
				if samples == whole {
					once.Do(func() { close(played) })
				}
				return out.Send(ctx, fr, dir)
			})
			p := pipeline.New(pipeline.Config{}, audiofile.NewSource(audiofile.SourceConfig{Path: path, Caller: c.caller, End: true}), collect)
			within(t, func() {
				done := make(chan error, 1)
				go func() { done <- p.Run(t.Context()) }()
				<-played
				c.do(p)
				if err := <-done; err != nil {
					t.Errorf("Run: %v", err)
				}
				if diff := cmp.Diff(c.want, others); diff != "" || samples != whole {
					t.Errorf("%d samples of %d, and beside them (-want +got):\n%s", samples, whole, diff)
				}
			})
		})
	}
}
