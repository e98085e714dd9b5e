package local

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// Input is the processor that hears the microphone. See [New].
type Input struct {
	transport *Transport
	keeper    *keeper
	wake      chan struct{}

	muted atomic.Bool
	level atomic.Uint64 // of the last piece, in dBFS: a float64
	ended atomic.Bool   // an end has passed: there is nobody to talk to

	closed bool // Run's own: the microphone was muted when it was last looked at
}

// Name returns "local input".
func (in *Input) Name() string { return "local input" }

// Exclusive says that a pipeline hears one caller on a track.
func (in *Input) Exclusive() string {
	return fmt.Sprintf("input of the track %q", in.transport.config.Track)
}

// Start opens the microphone.
func (in *Input) Start(context.Context, *pipeline.Port) error { return in.keeper.start() }

// Close closes it.
func (in *Input) Close(ctx context.Context) error { return in.keeper.stop(ctx) }

// Process passes everything on. With the end, the microphone falls silent.
func (in *Input) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.End); ok && dir == frames.Downstream {
		in.ended.Store(true)
	}
	if _, ok := f.(*frames.Interruption); ok {
		return nil // the engine tells everybody
	}
	return out.Send(ctx, f, dir)
}

// Run sends what the microphone hears.
func (in *Input) Run(ctx context.Context, out *pipeline.Port) error {
	cfg := in.transport.config
	format := audio.Mono(cfg.InputRate)
	h := newHearing(cfg.InputRate, int(cfg.InputRate.Samples(cfg.Chunk)), in.transport.clock.Start(), &in.keeper.counters)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-in.wake:
		case e := <-in.transport.events:
			in.tell(ctx, e, out)
		case <-ctx.Done():
			return nil
		}
		if in.ended.Load() {
			return nil
		}
		if err := h.listen(in.keeper.line.Load()); err != nil {
			return fmt.Errorf("listen to microphone: %w", err)
		}
		for {
			samples, at, ok := h.piece(time.Now())
			if !ok {
				break
			}
			in.mute(samples)
			in.level.Store(math.Float64bits(audio.RMS(samples)))
			f := &frames.AudioInput{Audio: frames.Audio{Format: format, Samples: samples, Track: cfg.Track, Position: at}}
			if err := out.Send(ctx, f, frames.Downstream); err != nil {
				return err
			}
		}
		timer.Reset(time.Until(h.due()))
	}
}

// mute silences a piece where that is wished, without a click.
func (in *Input) mute(samples []int16) {
	muted := in.muted.Load()
	fade := in.transport.config.InputRate.Samples(fadeLength)
	switch {
	case muted && in.closed:
		clear(samples)
	case muted:
		audio.FadeOut(samples, 1, 0, fade)
	case in.closed:
		audio.FadeIn(samples, 1, 0, fade)
	}
	in.closed = muted
}

// tell says what has become of a device.
func (in *Input) tell(ctx context.Context, e event, out *pipeline.Port) {
	if e.err != nil {
		out.Logger().Warn("device lost", "kind", e.kind.String(), "device", e.device, "error", e.err)
		out.Report(pipeline.Classify(frames.ErrorConnectivity, fmt.Errorf("%v", e)))
	} else {
		out.Logger().Info("device back", "kind", e.kind.String(), "device", e.device)
	}
	// It fails when the run is over, and then nobody cares.
	_ = out.SendBoth(ctx, func() frames.Frame { return e.frame() })
}
