package keypad

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// DiallerConfig says how keys sound. The zero value is good.
type DiallerConfig struct {
	// Rate is the sample rate of the tones; 16 kHz by default. The output
	// converts it to its own.
	Rate audio.SampleRate

	// Tone, Gap, Level and Twist are those of [dtmf.Generator], with the same
	// defaults: 100 ms, 60 ms, -12 dBFS and 0 dB.
	Tone, Gap    time.Duration
	Level, Twist float64

	// Track is the track of the tones; "keypad" by default.
	Track string
}

// Dialler is a processor that turns the keys which the agent presses
// ([frames.DTMFOutput]) into their tones, in order with the agent's voice. It is
// for transports that cannot press a key otherwise, and has its place before
// their output. Make one with [NewDialler].
//
// An interruption drops the tones that have not been played, as it drops the
// agent's voice. A key that does not exist is reported, and nothing is played for
// it.
type Dialler struct {
	gen      dtmf.Generator
	track    string
	position audio.Position
}

// NewDialler makes a Dialler.
func NewDialler(cfg DiallerConfig) *Dialler {
	if cfg.Rate == 0 {
		cfg.Rate = audio.Rate16k
	}
	if cfg.Track == "" {
		cfg.Track = "keypad"
	}
	return &Dialler{
		gen:   dtmf.Generator{Rate: cfg.Rate, Tone: cfg.Tone, Gap: cfg.Gap, Level: cfg.Level, Twist: cfg.Twist},
		track: cfg.Track,
	}
}

// Name returns "dialler".
func (d *Dialler) Name() string { return "dialler" }

// Start checks the configuration.
func (d *Dialler) Start(context.Context, *pipeline.Port) error {
	if err := d.gen.Validate(); err != nil {
		return fmt.Errorf("configure dialler: %w", err)
	}
	return nil
}

// Process turns keys into tones, and passes everything else on.
func (d *Dialler) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Interruption:
		return nil
	case *frames.DTMFOutput:
		if dir == frames.Downstream {
			return d.press(ctx, f.Digit, out)
		}
	}
	return out.Send(ctx, f, dir)
}

func (d *Dialler) press(ctx context.Context, key byte, out *pipeline.Port) error {
	if err := dtmf.CheckKey(key); err != nil {
		return fmt.Errorf("press key: %w", err)
	}
	samples, err := d.gen.Append(nil, string(key))
	if err != nil {
		return err
	}
	f := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(d.gen.Rate), Samples: samples, Track: d.track, Position: d.position}}
	d.position = f.End()
	return out.Send(ctx, f, frames.Downstream)
}
