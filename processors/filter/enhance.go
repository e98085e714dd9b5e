package filter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/enhance"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// enhancer is the filter Enhance.
type enhancer struct {
	side   Side
	stages []enhance.Stage
	tracks map[string]*filtered
}

// filtered is the filtering of contiguous audio of one track.
type filtered struct {
	format   audio.Format
	chain    *enhance.Chain // nil if there is none for the format
	next     audio.Position // of its input
	skip     int            // samples to leave out at its beginning: the latency
	position audio.Position // of its output
	last     frames.Frame   // what its tail is a part of
	work     []float32
}

// Enhance makes a processor that applies filters to one side's audio, one behind
// the other; package audio/enhance has some, and says how to write one. Each track
// has filters of its own.
//
// Positions are kept right: the latency of the filters is taken out, so that each
// sample is where its position says. For that, as much audio is held back until
// more of its track arrives, or End, or TTSStop for the agent's. A gap in the
// positions remains one, and the filters are reset there. Where the format
// changes they are made anew; a format which they refuse is reported, once, and
// its audio passes as it is.
func Enhance(side Side, stages ...enhance.Stage) pipeline.Processor {
	return &enhancer{side: side, stages: stages, tracks: make(map[string]*filtered)}
}

// Name returns "enhance".
func (e *enhancer) Name() string { return "enhance" }

// Start makes the filters once, for a usual format, to refuse a configuration
// that makes no sense before the call rather than in it.
func (e *enhancer) Start(context.Context, *pipeline.Port) error {
	var first error
	for _, rate := range []audio.SampleRate{audio.Rate16k, audio.Rate48k, audio.Rate8k, audio.Rate24k} {
		_, err := enhance.NewChain(audio.Mono(rate), e.stages...)
		if err == nil {
			return nil // it suits some
		}
		if first == nil {
			first = err
		}
	}
	return fmt.Errorf("configure enhance: %w", first)
}

// Process filters audio, and passes everything else on.
func (e *enhancer) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f.(type) {
	case *frames.Interruption:
		if e.side == Output { // what follows does not continue what was being said
			for _, t := range e.tracks {
				t.restart(0)
			}
		}
		return nil
	case *frames.TTSStop, *frames.End, *frames.Stop:
		_, tts := f.(*frames.TTSStop)
		if dir == frames.Downstream && (!tts || e.side == Output) {
			if err := e.finishAll(ctx, out); err != nil {
				return err
			}
		}
	}
	a := e.side.of(f, dir)
	if a == nil {
		return out.Send(ctx, f, dir)
	}
	return e.filter(ctx, f, a, out)
}

// filter filters a frame, whose audio is a.
func (e *enhancer) filter(ctx context.Context, f frames.Frame, a *frames.Audio, out *pipeline.Port) error {
	t := e.tracks[a.Track]
	if t != nil && (t.format != a.Format || t.next != a.Position) {
		if err := e.finish(ctx, a.Track, out); err != nil {
			return err
		}
	}
	if t == nil && len(e.tracks) >= maxTracks {
		if err := e.finishAll(ctx, out); err != nil {
			return err
		}
		clear(e.tracks)
	}
	if t == nil || t.format != a.Format {
		var err error
		if t, err = e.begin(a); err != nil {
			// The frame is not to blame: it goes on.
			return errors.Join(out.Send(ctx, f, frames.Downstream), fmt.Errorf("filter track %q: %w", a.Track, err))
		}
	}
	if t.chain == nil {
		return out.Send(ctx, f, frames.Downstream)
	}
	if extra := len(a.Samples) % a.Format.Channels; extra != 0 {
		return errors.Join(out.Send(ctx, f, frames.Downstream),
			fmt.Errorf("filter track %q: %d samples at %d are not whole frames of %d channels", a.Track, len(a.Samples), a.Position, a.Format.Channels))
	}
	if t.last == nil {
		t.position = a.Position
	}
	t.next, t.last = a.End(), f
	t.work = audio.ToFloat32(t.work[:0], a.Samples)
	return e.run(ctx, a.Track, t, out)
}

// begin makes the filters for a track.
func (e *enhancer) begin(a *frames.Audio) (*filtered, error) {
	t := &filtered{format: a.Format, next: a.Position}
	e.tracks[a.Track] = t
	chain, err := enhance.NewChain(a.Format, e.stages...)
	if err != nil {
		return nil, err
	}
	t.chain = chain
	t.restart(a.Position)
	return t, nil
}

// restart makes the filters ready for what does not continue.
func (t *filtered) restart(position audio.Position) {
	if t.chain == nil {
		return
	}
	t.chain.Reset()
	t.next, t.position, t.last = position, position, nil
	t.skip = t.chain.Latency()
}

// finishAll finishes all tracks.
func (e *enhancer) finishAll(ctx context.Context, out *pipeline.Port) error {
	for _, track := range slices.Sorted(maps.Keys(e.tracks)) {
		if err := e.finish(ctx, track, out); err != nil {
			return err
		}
	}
	return nil
}

// finish sends what the filters still hold of a track.
func (e *enhancer) finish(ctx context.Context, track string, out *pipeline.Port) error {
	t := e.tracks[track]
	if t.chain == nil || t.last == nil {
		return nil
	}
	var err error
	if n := t.chain.Latency(); n > 0 {
		t.work = append(t.work[:0], make([]float32, n*t.format.Channels)...)
		err = e.run(ctx, track, t, out)
	}
	t.restart(t.next)
	return err
}

// run passes what is in work through the filters, and sends what comes out.
func (e *enhancer) run(ctx context.Context, track string, t *filtered, out *pipeline.Port) error {
	t.chain.Filter(t.work)
	n := min(t.skip, t.format.Frames(len(t.work)))
	t.skip -= n
	work := t.work[n*t.format.Channels:]
	var bad error
	if i := slices.IndexFunc(work, func(x float32) bool { return x-x != 0 }); i >= 0 {
		bad = fmt.Errorf("filter track %q: the filters made no number of the sample at %d; they are reset", track, t.position+audio.Position(i/t.format.Channels))
		t.chain.Reset() // NaN would stay in them for ever
	}
	if len(work) == 0 {
		return nil
	}
	a := frames.Audio{Format: t.format, Track: track, Position: t.position, Samples: audio.FromFloat32(make([]int16, 0, len(work)), work)}
	t.position = a.End()
	return errors.Join(out.Send(ctx, with(t.last, a), frames.Downstream), bad)
}
