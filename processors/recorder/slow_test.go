package recorder_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/recorder"
)

func TestTheFileGrowsAndIsWholeWhateverTheApplicationDoesWithATurn(t *testing.T) {
	for name, onTurn := range map[string]func(){
		"takes its time": func() { time.Sleep(3 * time.Second) },
		"panics":         func() { panic("no, thanks") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				user := func(f frames.Frame) func(context.Context, *pipeline.Port) error {
					return func(ctx context.Context, out *pipeline.Port) error { return out.Send(ctx, f, frames.Downstream) }
				}
				a := &agent{at: map[audio.Position]func(context.Context, *pipeline.Port) error{
					4800:  user(&frames.UserStartedSpeaking{Position: 2400, Rate: rate}),
					9600:  user(&frames.UserStoppedSpeaking{Position: 8000, Rate: rate}),
					48000: user(&frames.UserStartedSpeaking{Position: 40_000, Rate: rate}),
					96000: user(&frames.UserStoppedSpeaking{Position: 90_000, Rate: rate}),
				}}
				path := filepath.Join(t.TempDir(), "call.wav")
				var told atomic.Int32
				var before, after int64
				cfg := recorder.Config{Path: path, OnTurn: func(recorder.Turn) {
					first := told.Add(1) == 1
					if info, err := os.Stat(path); err == nil && first {
						before = info.Size()
					}
					defer func() {
						if info, err := os.Stat(path); err == nil && first {
							after = info.Size()
						}
					}()
					onTurn()
				}}
				byRecorder, byTransport := hold(t, voice(1, 10*24_000), a, cfg, 0, false)
				// The transport also has the chunks that were on their way when the call ended.
				if short := len(byTransport) - len(byRecorder); short < 0 || short > 2*24_000/10 || !slices.Equal(byRecorder, byTransport[:len(byRecorder)]) {
					t.Errorf("the recorder has %d samples, the transport %d", len(byRecorder), len(byTransport))
				}
				if told.Load() != 2 {
					t.Errorf("%d turns were told, want 2", told.Load())
				}
				if name == "takes its time" && after <= before {
					t.Errorf("the file did not grow beyond %d bytes while a turn was told", before)
				}
			})
		})
	}
}
