package file_test

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/file"
)

func TestALimitEndsTheCallHoweverMuchTheAgentHasToSay(t *testing.T) {
	for name, cfg := range map[string]file.Config{
		"behind the recording": {MaxTail: 5 * time.Second},
		"of the call":          {MaxDuration: 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg.Input = record(t, "a.wav", audio.Mono(rate), voice(1, 24000)) // a second
				call := open(t, cfg)
				began := time.Now()
				err := run(t, call, &agent{at: map[audio.Position][]int16{480: voice(1, 90*24000)}})
				if took := time.Since(began); err != nil || took > 7*time.Second {
					t.Errorf("the call lasted %v and ended with %v, want 6s and no error", took, err)
				}
			})
		})
	}
}

// parting is an agent that has something to say when it is interrupted, and again
// before it lets the end pass.
type parting struct{ end *frames.End }

func (p *parting) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	last := func() error {
		return out.Send(ctx, &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: voice(2, 24000), Track: "agent"}}, frames.Downstream)
	}
	switch f := f.(type) {
	case *frames.AudioInput:
		if f.Position == 0 {
			return last()
		}
	case *frames.Interruption:
		return last()
	case *frames.End:
		p.end = f
		if err := last(); err != nil {
			return err
		}
		time.Sleep(1500 * time.Millisecond)
	}
	return out.Send(ctx, f, dir)
}

func TestNobodyIsHeardBeyondALimit(t *testing.T) {
	for name, cfg := range map[string]file.Config{
		"behind the recording": {MaxTail: 700 * time.Millisecond, HangUpAfter: 10 * time.Second},
		"of the call":          {MaxDuration: 700 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg.Output = filepath.Join(t.TempDir(), "out.wav")
				n := 2 * 24000
				if cfg.MaxTail > 0 {
					n = 480
				}
				cfg.Input = record(t, "a.wav", audio.Mono(rate), loud(1, n))
				call, p := open(t, cfg), &parting{}
				if err := pipeline.New(pipeline.Config{}, call.Input(), p, call.Output()).Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				_, left, right := load(t, cfg.Output)
				limit := rate.Samples(780 * time.Millisecond) // the recording's end is known a piece later, and a piece is heard to its end
				if int64(len(right)) < limit || audio.IsSilent(right[:limit]) || !audio.IsSilent(right[limit:]) || !audio.IsSilent(left[limit:]) {
					t.Errorf("somebody is heard in the %d samples behind the limit, or nobody before", int64(len(right))-limit)
				}
				if p.end == nil || !p.end.Gone {
					t.Errorf("the agent was told %v, and may wait for somebody who hears an answer", p.end)
				}
			})
		})
	}
}
