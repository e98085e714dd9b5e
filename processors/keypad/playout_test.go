package keypad_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/keypad"
	"github.com/parley-go/parley/transports/playout"
)

func TestDialledKeysAreHeardAtTheFarEndOfAnOutput(t *testing.T) {
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate24k, audio.Rate48k} {
		synctest.Test(t, func(t *testing.T) {
			d, err := dtmf.NewDetector(rate)
			if err != nil {
				t.Fatal(err)
			}
			var events []dtmf.Event
			speaker := playout.SinkFunc(func(_ context.Context, c playout.Chunk) error {
				events = d.Write(events, c.Samples)
				return nil
			})
			h := pipelinetest.New(t, keypad.NewDialler(keypad.DiallerConfig{}), playout.New(playout.Config{Format: audio.Mono(rate)}, speaker))
			for i := range len(dtmf.Keys) {
				h.Send(&frames.DTMFOutput{Digit: dtmf.Keys[i]})
			}
			h.Advance(5 * time.Second)
			if err := h.End(); err != nil {
				t.Fatal(err)
			}
			var heard []byte
			for i, e := range d.Close(events) {
				if !e.Up {
					continue
				}
				heard = append(heard, e.Key)
				// 100 ms, of which two are below half of the amplitude.
				if took := rate.Duration(int64(e.End - e.Start)); took < 97*time.Millisecond || took > 99*time.Millisecond {
					t.Errorf("event %d: %c sounds for %v", i, e.Key, took)
				}
			}
			if string(heard) != dtmf.Keys {
				t.Errorf("%v: heard %q", rate, heard)
			}
		})
	}
}
