package playout_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

// thinking plays a sound while functions run, so that the caller does not take the
// silence for a lost line. It has its place behind the service, before the output.
type thinking struct {
	format audio.Format
	sound  []int16 // the frames share it, and nobody writes to it

	mu      sync.Mutex // both lanes come at once
	running map[string]bool
}

const thinkingTrack = "thinking"

// Process minds the beginning and the end of functions.
func (t *thinking) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.FunctionCallInProgress:
		if err := t.play(ctx, f.CallID, out); err != nil {
			return err
		}
	case *frames.FunctionCallResult:
		if err := t.stop(ctx, f.CallID, out); err != nil {
			return err
		}
	}
	return out.Send(ctx, f, dir)
}

// ProcessSystem minds calls that are cancelled: no result need follow.
func (t *thinking) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if c, ok := f.(*frames.FunctionCallCancel); ok {
		if err := t.stop(ctx, c.CallID, out); err != nil {
			return err
		}
	}
	return out.Send(ctx, f, dir)
}

// play begins the sound with the first function.
func (t *thinking) play(ctx context.Context, id string, out *pipeline.Port) error {
	t.mu.Lock()
	defer t.mu.Unlock() // held while it is sent, which never waits for a system frame: begin and end are in order
	t.running[id] = true
	if len(t.running) > 1 {
		return nil
	}
	return out.Send(ctx, &frames.PlayBackground{
		Track: thinkingTrack, Format: t.format, Samples: t.sound,
		Loop: true, Gain: -20, Duck: 12, Fade: 300 * time.Millisecond,
	}, frames.Downstream)
}

// stop ends it with the last; an empty id is that of all.
func (t *thinking) stop(ctx context.Context, id string, out *pipeline.Port) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ran := len(t.running)
	if delete(t.running, id); id == "" {
		clear(t.running)
	}
	if ran == 0 || len(t.running) > 0 {
		return nil
	}
	return out.Send(ctx, &frames.StopBackground{Track: thinkingTrack, Fade: 100 * time.Millisecond}, frames.Downstream)
}

// A sound while a tool works. Music while the caller holds is the same two frames,
// sent by the application: p.Send(ctx, &frames.PlayBackground{…}).
func Example_thinking() {
	var heard bool
	line := playout.SinkFunc(func(_ context.Context, c playout.Chunk) error {
		if c.Background != heard {
			heard = c.Background
			fmt.Println("the caller hears the sound:", heard)
		}
		return nil
	})
	clock := make([]int16, 8000) // a second; of a file: audiofile.Open
	clock[0], clock[4000] = 20000, 15000
	p := pipeline.New(pipeline.Config{},
		// The service is before it: here, somebody who tells of one call.
		&thinking{format: audio.Mono(audio.Rate8k), sound: clock, running: map[string]bool{}},
		playout.New(playout.Config{}, line),
	)
	go func() {
		for _, f := range []frames.Frame{
			&frames.FunctionCallInProgress{CallID: "1", Name: "get_price"},
			&frames.FunctionCallResult{CallID: "1", Name: "get_price", Result: []byte(`{"result":90}`)},
		} {
			if err := p.Send(context.Background(), f); err != nil {
				fmt.Println(err)
			}
			time.Sleep(200 * time.Millisecond) // the tool works; then the sound fades out
		}
		p.End("that was all")
	}()
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// the caller hears the sound: true
	// the caller hears the sound: false
}
