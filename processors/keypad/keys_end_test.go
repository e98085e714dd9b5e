package keypad_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/keypad"
)

// reader notes down the texts that come, and what ends or pauses. It takes ten
// seconds for each word of the agent's.
type reader struct{ got []string }

func (r *reader) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.LLMText:
		time.Sleep(10 * time.Second)
	case *frames.Text, *frames.Stop, *frames.End:
		r.got = append(r.got, f.String())
	}
	return out.Send(ctx, f, dir)
}

func TestAnEntryGoesBeforeWhatEndsOrPauses(t *testing.T) {
	slowSender := pipeline.Config{
		// The engine asks for a text's activity before it queues it: so long it
		// is neither in the entry any more nor on its way.
		IdleTimeout: time.Hour,
		Activity: func(f frames.Frame) bool {
			if _, ok := f.(*frames.Text); ok {
				time.Sleep(time.Second)
			}
			return true
		},
	}
	for name, c := range map[string]struct {
		cfg   pipeline.Config
		ahead []frames.Frame // what is in the queue before it
		after time.Duration  // the keys; the pause is 2 s
	}{
		"it is not over":                      {after: time.Second},
		"it is just being sent":               {cfg: slowSender, after: 2500 * time.Millisecond},
		"it waits for room in the next queue": {cfg: pipeline.Config{QueueSize: 2}, ahead: []frames.Frame{&frames.LLMText{}, &frames.LLMText{}}, after: 5 * time.Second},
		"it is over":                          {after: 5 * time.Second},
	} {
		for _, end := range []frames.Frame{&frames.Stop{}, &frames.End{}} {
			t.Run(frames.Name(end)+" when "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := &reader{}
					line := pipeline.New(c.cfg, keypad.NewKeys(keypad.KeysConfig{}), r)
					done := make(chan error, 1)
					go func() { done <- line.Run(t.Context()) }()
					send := func(f frames.Frame) {
						if err := line.Send(t.Context(), f); err != nil {
							t.Errorf("send %v: %v", f, err)
						}
					}
					for _, f := range c.ahead {
						send(f)
					}
					send(&frames.DTMFInput{Digit: '1'})
					send(&frames.DTMFInput{Digit: '2'})
					time.Sleep(c.after)
					send(end)
					time.Sleep(time.Minute)
					line.Cancel("the test is over", nil)
					if err := <-done; err != nil {
						t.Errorf("Run: %v", err)
					}
					want := []string{`Text("DTMF: 12")`, end.String()}
					if diff := cmp.Diff(want, r.got); diff != "" {
						t.Errorf("what arrived (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}
