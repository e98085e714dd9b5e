package vad

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/tracks"
	"github.com/parley-go/parley/pipeline"
)

// Config says how speech is detected. The zero value is a good choice.
type Config struct {
	Params

	// Engine tells speech from other sounds. Default: [Silero]. One engine may
	// serve any number of processors.
	Engine Engine

	// Observe, if set, is called for every window, 31 times a second for each
	// track with the default engine, on the goroutine of the processor: it must
	// return soon.
	Observe func(Window)
}

// Processor finds speech in the caller's audio, on each track by itself, of up to
// 64: the one that has been quiet for longest makes room. Make one with [New].
type Processor struct {
	cfg        Config
	tracks     tracks.Map[*Detector]
	complaints tracks.Complaints
	events     []Event
}

// New returns a processor. That cfg cannot work is an error of the run's start;
// [Config.Validate] tells before.
func New(cfg Config) *Processor {
	return &Processor{cfg: cfg}
}

// Name returns "vad".
func (p *Processor) Name() string { return "vad" }

// Start checks the configuration, and that the engine works.
func (p *Processor) Start(context.Context, *pipeline.Port) error {
	d, err := NewDetector(p.cfg)
	if err != nil {
		return pipeline.Classify(frames.ErrorInvalidRequest, err)
	}
	if _, _, err := d.open(audio.Rate16k); err != nil {
		return fmt.Errorf("open VAD engine: %w", err)
	}
	return nil
}

// Process hears the caller's audio, and passes everything on but the settings
// that are for it.
func (p *Processor) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Interruption:
		return nil // the engine tells everybody
	case *frames.UpdateSettings:
		if s, ok := frames.SettingsOf[Settings](f); ok {
			return p.update(s)
		}
	case *frames.End, *frames.Stop:
		if dir == frames.Downstream {
			if err := p.finish(ctx, out); err != nil {
				return errors.Join(err, out.Send(ctx, f, dir))
			}
		}
	case *frames.AudioInput:
		if err := out.Send(ctx, f, dir); err != nil || dir == frames.Upstream {
			return err
		}
		return p.hear(ctx, &f.Audio, out)
	}
	return out.Send(ctx, f, dir)
}

// update changes the parameters of all tracks, now and to come.
func (p *Processor) update(s Settings) error {
	params, err := s.apply(p.cfg.Params.withDefaults())
	if err != nil {
		return pipeline.Classify(frames.ErrorInvalidRequest, err)
	}
	p.cfg.Params = params
	for _, d := range p.tracks.All() {
		if err := d.Update(s); err != nil {
			return err
		}
	}
	return nil
}

func (p *Processor) hear(ctx context.Context, a *frames.Audio, out *pipeline.Port) error {
	d, err := p.track(ctx, a.Track, out)
	if err != nil {
		return err
	}
	events, err := d.Detect(p.events[:0], a)
	p.events = events
	if failed := tell(ctx, a.Track, events, out); failed != nil {
		return failed
	}
	err = p.complain(a, err)
	p.complaints.Heard(a.Track, a.Duration())
	return err
}

// track returns the detector of a track.
func (p *Processor) track(ctx context.Context, name string, out *pipeline.Port) (*Detector, error) {
	if d, ok := p.tracks.Get(name); ok {
		return d, nil
	}
	if leaves, full := p.tracks.Room(); full {
		if err := p.forget(ctx, leaves, out); err != nil {
			return nil, err
		}
	}
	d, err := NewDetector(p.cfg)
	if err != nil {
		return nil, pipeline.Classify(frames.ErrorInvalidRequest, err)
	}
	p.tracks.Put(name, d)
	return d, nil
}

// forget ends what is going on on a track.
func (p *Processor) forget(ctx context.Context, name string, out *pipeline.Port) error {
	d, _ := p.tracks.Get(name)
	p.tracks.Delete(name)
	events, err := d.Flush(p.events[:0])
	p.events = events
	return errors.Join(tell(ctx, name, events, out), err)
}

// finish ends what is going on on all tracks.
func (p *Processor) finish(ctx context.Context, out *pipeline.Port) error {
	var failed error
	for name := range p.tracks.All() {
		failed = errors.Join(failed, p.forget(ctx, name, out))
	}
	return failed
}

// tell sends the events in both directions.
func tell(ctx context.Context, track string, events []Event, out *pipeline.Port) error {
	for _, e := range events {
		err := out.SendBoth(ctx, func() frames.Frame {
			if e.Speech {
				return &frames.VADStarted{Track: track, Position: e.Position, Rate: e.Rate}
			}
			return &frames.VADStopped{Track: track, Position: e.Position, Rate: e.Rate}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// complain returns err, for audio that was a, unless it was told of lately.
func (p *Processor) complain(a *frames.Audio, err error) error {
	kind := "other"
	for _, k := range []error{ErrOverlap, ErrRestart} {
		if errors.Is(err, k) {
			kind = k.Error()
		}
	}
	if err = p.complaints.Let(a.Track, kind, err); err == nil {
		return nil
	}
	return pipeline.Classify(frames.ErrorInvalidRequest, fmt.Errorf("detect speech on track %q: %w", a.Track, err))
}
