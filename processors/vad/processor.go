package vad

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
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

// Processor finds speech in the caller's audio, on each track by itself. Make one
// with [New].
type Processor struct {
	cfg    Config
	tracks map[string]*track
	events []Event
	turn   int64 // counts the pieces of audio, to find the track that is quiet for longest
}

// track is what is known of one.
type track struct {
	detector   *Detector
	used       int64
	heard      time.Duration // how much audio has arrived
	complaints map[string]*complaint
}

// complaint is an error that is not reported each time.
type complaint struct {
	next  time.Duration // of what is heard, before it is reported again
	since int           // how often it has happened since the last report
}

const (
	// maxTracks bounds what is remembered. A track that has been quiet for longest
	// makes room.
	maxTracks = 64

	// complainEvery is how much audio of a track goes by before the same error is
	// reported again.
	complainEvery = 10 * time.Second
)

// New returns a processor. That cfg cannot work is an error of the run's start;
// [Config.Validate] tells before.
func New(cfg Config) *Processor {
	return &Processor{cfg: cfg, tracks: make(map[string]*track)}
}

// Name returns "vad".
func (p *Processor) Name() string { return "vad" }

// Start checks the configuration, and that the engine works.
func (p *Processor) Start(context.Context, *pipeline.Port) error {
	d, err := NewDetector(p.cfg)
	if err != nil {
		return pipeline.Classify(frames.ErrorInvalidRequest, err)
	}
	if _, err := d.engine.Open(audio.Rate16k); err != nil {
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
		switch s := f.Settings.(type) {
		case Settings:
			return p.update(s)
		case *Settings:
			if s != nil {
				return p.update(*s)
			}
			return nil
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
	for _, t := range p.tracks {
		if err := t.detector.Update(s); err != nil {
			return err
		}
	}
	return nil
}

func (p *Processor) hear(ctx context.Context, a *frames.Audio, out *pipeline.Port) error {
	t, err := p.track(ctx, a.Track, out)
	if err != nil {
		return err
	}
	events, err := t.detector.Detect(p.events[:0], a)
	p.events = events
	if failed := tell(ctx, a.Track, events, out); failed != nil {
		return failed
	}
	err = t.complain(a, err)
	t.heard += a.Duration()
	return err
}

// track returns what is known of a track.
func (p *Processor) track(ctx context.Context, name string, out *pipeline.Port) (*track, error) {
	p.turn++
	if t := p.tracks[name]; t != nil {
		t.used = p.turn
		return t, nil
	}
	if len(p.tracks) == maxTracks {
		oldest := ""
		for n, t := range p.tracks {
			if oldest == "" || t.used < p.tracks[oldest].used {
				oldest = n
			}
		}
		if err := p.forget(ctx, oldest, out); err != nil {
			return nil, err
		}
	}
	d, err := NewDetector(p.cfg)
	if err != nil {
		return nil, pipeline.Classify(frames.ErrorInvalidRequest, err)
	}
	t := &track{detector: d, used: p.turn, complaints: make(map[string]*complaint)}
	p.tracks[name] = t
	return t, nil
}

// forget ends what is going on on a track.
func (p *Processor) forget(ctx context.Context, name string, out *pipeline.Port) error {
	events, err := p.tracks[name].detector.Flush(p.events[:0])
	p.events = events
	delete(p.tracks, name)
	return errors.Join(tell(ctx, name, events, out), err)
}

// finish ends what is going on on all tracks.
func (p *Processor) finish(ctx context.Context, out *pipeline.Port) error {
	var failed error
	for _, name := range slices.Sorted(maps.Keys(p.tracks)) {
		failed = errors.Join(failed, p.forget(ctx, name, out))
	}
	return failed
}

// tell sends the events in both directions, as two frames each, since a frame
// has one identity.
func tell(ctx context.Context, track string, events []Event, out *pipeline.Port) error {
	for _, e := range events {
		for _, dir := range []frames.Direction{frames.Downstream, frames.Upstream} {
			var f frames.Frame = &frames.VADStopped{Track: track, Position: e.Position, Rate: e.Rate}
			if e.Speech {
				f = &frames.VADStarted{Track: track, Position: e.Position, Rate: e.Rate}
			}
			if err := out.Send(ctx, f, dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// complain returns err, for audio that was a, unless it was told of lately.
func (t *track) complain(a *frames.Audio, err error) error {
	if err == nil {
		return nil
	}
	kind := "other"
	for _, k := range []error{ErrOverlap, ErrRestart} {
		if errors.Is(err, k) {
			kind = k.Error()
		}
	}
	c := t.complaints[kind]
	if c == nil {
		c = &complaint{}
		t.complaints[kind] = c
	}
	if t.heard < c.next {
		c.since++
		return nil
	}
	if c.since > 0 {
		err = fmt.Errorf("%w (and %d times more since the last report)", err, c.since)
	}
	c.next, c.since = t.heard+complainEvery, 0
	return pipeline.Classify(frames.ErrorInvalidRequest, fmt.Errorf("detect speech on track %q: %w", a.Track, err))
}
