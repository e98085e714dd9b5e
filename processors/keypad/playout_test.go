package keypad_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
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

// mute is a sink without keys, and handset one that has some.
type (
	mute    struct{}
	handset struct {
		mute
		pressed []byte
	}
)

func (mute) Play(context.Context, playout.Chunk) error { return nil }

func (h *handset) Press(_ context.Context, digit byte) error {
	h.pressed = append(h.pressed, digit)
	return nil
}

func TestKeysThatNobodyCanPressAreReportedOnceInACall(t *testing.T) {
	plain := func() pipeline.Processor { return playout.New(playout.Config{Name: "plain"}, mute{}) }
	pressing := func() pipeline.Processor { return playout.New(playout.Config{}, &handset{}) }
	for name, c := range map[string]struct {
		make func() pipeline.Processor
		want int
	}{
		"an output without keys":       {plain, 1},
		"an output with keys":          {pressing, 0},
		"a dialler before one without": {func() pipeline.Processor { return pipeline.Chain(keypad.NewDialler(keypad.DiallerConfig{}), plain()) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := pipelinetest.New(t, c.make())
				h.Send(&frames.DTMFOutput{Digit: '1'}, &frames.DTMFOutput{Digit: '2'})
				h.Advance(time.Second)
				errs := h.Errors()
				if len(errs) != c.want {
					t.Errorf("it reports %v, want %d", errs, c.want)
				}
				for _, f := range errs {
					if !errors.Is(f.Err, pipeline.ErrUnhandled) || !strings.Contains(f.Err.Error(), "put keypad.NewDialler before it") {
						t.Errorf("it reports %v", f)
					}
				}
			})
		})
	}
}
