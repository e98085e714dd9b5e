package soak

import (
	"context"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/soak/oracle"
	"github.com/parley-go/parley/internal/soak/talk"
	"github.com/parley-go/parley/pipeline"
)

// vadDelay is how long the caller's voice activity detector takes to be sure.
const vadDelay = 200 * time.Millisecond

// caller is a microphone: it sends a piece of its track as soon as it was
// spoken, for ever.
type caller struct {
	track *talk.Track
	chunk time.Duration
	vad   bool // reports where speech begins and ends

	mu     sync.Mutex
	chunks []oracle.Chunk
	sent   int64 // samples
	muted  bool
	voice  int // utterances whose beginning and end were reported: two each
}

// Name returns "caller".
func (c *caller) Name() string { return "caller" }

// Process passes everything on.
func (c *caller) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

// Run sends the caller's audio.
func (c *caller) Run(ctx context.Context, out *pipeline.Port) error {
	rate := c.track.Rate()
	n := rate.Samples(c.chunk)
	var position audio.Position
	tick := time.NewTicker(c.chunk)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		f, event := c.next(n, position)
		position += audio.Position(n)
		if f == nil {
			continue
		}
		if event != nil {
			if out.Send(ctx, event, frames.Downstream) != nil {
				return nil
			}
		}
		if out.Send(ctx, f, frames.Downstream) != nil {
			return nil
		}
	}
}

// next is the next n samples, and what the detector has to say of them.
func (c *caller) next(n int64, position audio.Position) (*frames.AudioInput, frames.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.muted {
		return nil, nil
	}
	chunk := oracle.Chunk{At: time.Now(), From: c.sent, To: c.sent + n, Position: position}
	c.sent += n
	rate := c.track.Rate()
	event := c.detect(&chunk, rate)
	c.chunks = append(c.chunks, chunk)
	return &frames.AudioInput{Audio: frames.Audio{
		Format: audio.Mono(rate), Track: "caller", Position: position,
		Samples: c.track.Samples(chunk.From, chunk.To),
	}}, event
}

func (c *caller) detect(chunk *oracle.Chunk, rate audio.SampleRate) frames.Frame {
	if !c.vad {
		return nil
	}
	said := c.track.Said()
	i := c.voice / 2
	if i >= len(said) {
		return nil
	}
	sure := rate.Samples(vadDelay)
	on := func(sample int64) audio.Position { return chunk.Position + audio.Position(sample-chunk.From) }
	switch u := said[i]; {
	case c.voice%2 == 0 && chunk.To >= u.From+sure:
		c.voice++
		chunk.VAD = 1
		return &frames.VADStarted{Track: "caller", Position: on(u.From), Rate: rate}
	case c.voice%2 == 1 && chunk.To >= u.To+sure:
		c.voice++
		chunk.VAD = -1
		return &frames.VADStopped{Track: "caller", Position: on(u.To), Rate: rate}
	}
	return nil
}

// say has the caller make a request, after the given pause at least.
func (c *caller) say(r talk.Request, pause time.Duration) talk.Utterance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.track.Say(r, c.sent+c.track.Rate().Samples(pause))
}

// spoken tells how many samples were sent.
func (c *caller) spoken() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

func (c *caller) mute(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.muted = on
}
