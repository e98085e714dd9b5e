package filter

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// converter is the filter Resample.
type converter struct {
	side   Side
	to     audio.Format
	tracks map[string]*stream
}

// stream is the conversion of contiguous audio of one track.
type stream struct {
	in        audio.Format
	next      audio.Position // of its input
	resampler *audio.Resampler
	skip      int            // frames to leave out at its beginning: the filter's delay
	position  audio.Position // of its output
	last      frames.Frame   // what its tail is a part of
}

// maxTracks bounds the conversions that are remembered.
const maxTracks = 64

// Resample makes a processor that converts one side's audio to another rate and
// number of channels. Positions are converted with it, and the delay of the
// filter is taken out: each sample is where its position says. For that, audio
// is held back by 52 samples of the lower rate (3 ms at 16 kHz), until more of
// its track arrives, or End, or TTSStop for the agent's. A gap in the positions
// remains one.
func Resample(side Side, to audio.Format) pipeline.Processor {
	return &converter{side: side, to: to, tracks: make(map[string]*stream)}
}

// Name returns "resample".
func (c *converter) Name() string { return "resample" }

// Start checks the format.
func (c *converter) Start(context.Context, *pipeline.Port) error {
	if err := c.to.Validate(); err != nil {
		return fmt.Errorf("configure resample: %w", err)
	}
	return nil
}

// Process converts audio, and passes everything else on.
func (c *converter) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f.(type) {
	case *frames.Interruption:
		if c.side == Output {
			clear(c.tracks) // what follows does not continue what was being said
		}
		return nil
	case *frames.TTSStop, *frames.End:
		// The agent falls silent in the middle of what the caller says.
		if _, end := f.(*frames.End); dir == frames.Downstream && (end || c.side == Output) {
			for _, track := range slices.Sorted(maps.Keys(c.tracks)) {
				if err := c.finish(ctx, track, out); err != nil {
					return err
				}
			}
		}
	}
	a := c.side.of(f, dir)
	if a == nil {
		return out.Send(ctx, f, dir)
	}
	if s := c.tracks[a.Track]; s != nil && (s.in != a.Format || s.next != a.Position) {
		if err := c.finish(ctx, a.Track, out); err != nil {
			return err
		}
	}
	if a.Format == c.to {
		return out.Send(ctx, f, dir)
	}
	s, err := c.stream(a)
	if err != nil {
		return fmt.Errorf("resample track %q: %w", a.Track, err)
	}
	s.next, s.last = a.End(), f
	return c.send(ctx, s, s.resampler.Resample(nil, audio.Remix(nil, a.Samples, a.Format.Channels, c.to.Channels)), out)
}

// stream returns the conversion that a continues, or a new one.
func (c *converter) stream(a *frames.Audio) (*stream, error) {
	if s := c.tracks[a.Track]; s != nil {
		return s, nil
	}
	if err := a.Format.Validate(); err != nil {
		return nil, err
	}
	r, err := audio.NewResampler(a.Format.Rate, c.to.Rate, c.to.Channels)
	if err != nil {
		return nil, err
	}
	if len(c.tracks) >= maxTracks {
		clear(c.tracks)
	}
	s := &stream{in: a.Format, resampler: r, skip: r.Delay(), position: a.Position.At(a.Format.Rate, c.to.Rate)}
	c.tracks[a.Track] = s
	return s, nil
}

// finish sends what the filter still holds of a track, and forgets it.
func (c *converter) finish(ctx context.Context, track string, out *pipeline.Port) error {
	s := c.tracks[track]
	delete(c.tracks, track)
	return c.send(ctx, s, s.resampler.Flush(nil), out)
}

func (c *converter) send(ctx context.Context, s *stream, samples []int16, out *pipeline.Port) error {
	n := min(s.skip, c.to.Frames(len(samples)))
	s.skip -= n
	samples = samples[n*c.to.Channels:]
	if len(samples) == 0 {
		return nil
	}
	a := frames.Audio{Format: c.to, Track: c.side.of(s.last, frames.Downstream).Track, Position: s.position, Samples: samples}
	s.position = a.End()
	return out.Send(ctx, with(s.last, a), frames.Downstream)
}
