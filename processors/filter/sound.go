package filter

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/mistakes"
	"github.com/parley-go/parley/pipeline"
)

// Side says whose audio a filter is for.
type Side uint8

const (
	Input  Side = iota // the caller's: AudioInput
	Output             // the agent's: AudioOutput
)

// check says if it is nobody's side.
func (s Side) check(wrong *mistakes.List) {
	if s > Output {
		wrong.Add("there is no side %d: use Input, the caller's, or Output, the agent's", s)
	}
}

// of returns the audio in f if it is of that side and on its way downstream.
func (s Side) of(f frames.Frame, dir frames.Direction) *frames.Audio {
	if dir != frames.Downstream {
		return nil
	}
	switch f := f.(type) {
	case *frames.AudioInput:
		if s == Input {
			return &f.Audio
		}
	case *frames.AudioOutput:
		if s == Output {
			return &f.Audio
		}
	}
	return nil
}

// with returns a frame like f with other audio.
func with(f frames.Frame, a frames.Audio) frames.Frame {
	switch f := f.(type) {
	case *frames.AudioInput:
		return &frames.AudioInput{Audio: a}
	case *frames.AudioOutput:
		return &frames.AudioOutput{Audio: a, Response: f.Response}
	}
	return f
}

// louder is the filter Gain.
type louder struct {
	side Side
	db   float64
}

// mostGain is the most that a filter amplifies, as enhance.AGC: what needs more is
// below the noise of 16 bits.
const mostGain = 60

func (g *louder) Name() string { return "gain" }

// Start checks the configuration.
func (g *louder) Start(context.Context, *pipeline.Port) error {
	var wrong mistakes.List
	g.side.check(&wrong)
	if !(g.db <= mostGain) { // nor is NaN
		wrong.Add("a gain of %g dB is not possible: %d at most, or math.Inf(-1) for silence", g.db, mostGain)
	}
	if err := wrong.Err(); err != nil {
		return fmt.Errorf("configure gain: %w", err)
	}
	return nil
}

func (g *louder) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if a := g.side.of(f, dir); a != nil && g.db != 0 {
		b := *a
		b.Samples = slices.Clone(a.Samples)
		audio.Gain(b.Samples, g.db)
		f = with(f, b)
	}
	return out.Send(ctx, f, dir)
}

// Gain makes a processor that makes one side's audio louder or softer by db
// decibels, 60 at most; 6 doubles the amplitude, what exceeds full scale saturates,
// and math.Inf(-1) silences.
func Gain(side Side, db float64) pipeline.Processor {
	return pipeline.Inline(&louder{side, db})
}

// Policy says what becomes of muted audio.
type Policy uint8

const (
	// Silence replaces the samples by zeros. Services that need a steady
	// stream of audio, as speech-to-speech services do, want this.
	Silence Policy = iota

	// Discard drops the frames, which shows as a gap in the positions.
	Discard
)

// Mute is a processor that keeps the caller from being heard while it is on: for
// a greeting that cannot be interrupted, or while a card number is read out. Make
// one with [NewMute]; it is on from the start.
//
// It changes audio and nothing else, and the application alone says when: whatever
// listens behind it hears silence, and what listens before it hears the caller. In a
// pipeline with package processors/turn, mute there instead (turn.Config.Mute,
// Processor.Mute, SetMute): that can follow what happens in the conversation, keeps
// transcripts and the detector's events back as well, and ends the turn that is in
// progress, which with this one lasts until its silence is long enough.
type Mute struct {
	policy Policy
	off    atomic.Bool
}

// NewMute makes a Mute, which is on.
func NewMute(p Policy) *Mute { return &Mute{policy: p} }

// Set turns it on or off. It may be called at any time from any goroutine, and
// holds for the next frame.
func (m *Mute) Set(on bool) { m.off.Store(!on) }

// On reports whether the caller is muted.
func (m *Mute) On() bool { return !m.off.Load() }

// Name returns "mute".
func (m *Mute) Name() string { return "mute" }

// Start checks the policy.
func (m *Mute) Start(context.Context, *pipeline.Port) error {
	if m.policy > Discard {
		return fmt.Errorf("configure mute: there is no policy %d: use Silence or Discard", m.policy)
	}
	return nil
}

// Process mutes the caller's audio, and passes everything else on.
func (m *Mute) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if a := Input.of(f, dir); a != nil && m.On() {
		if m.policy == Discard {
			return nil
		}
		b := *a
		b.Samples = make([]int16, len(a.Samples))
		f = with(f, b)
	}
	return out.Send(ctx, f, dir)
}
