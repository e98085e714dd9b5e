package audiofile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// SourceConfig says what a [Source] plays, and as whom. Only Path must be given.
type SourceConfig struct {
	// Path is a WAV or MP3 file. For a named pipe, and for what comes out of it, the
	// source waits; while it does, the caller says nothing.
	Path string

	// Caller makes it the caller's voice, [frames.AudioInput], in real time,
	// mixed to mono. By default it is the agent's: [frames.AudioOutput], as fast
	// as the pipeline takes it, between TTSStart and TTSStop, which comes as well
	// when an interruption has ended it.
	Caller bool

	// Track names the audio; the file's name without folder by default. It is
	// also the agent's Response.
	Track string

	// Chunk is the length of a frame, from 1 ms to 10 s; 20 ms by default.
	Chunk time.Duration

	// End ends the pipeline behind the last frame.
	End bool
}

// Source is a processor that plays a file once, from the start of the pipeline.
// Frames of others flow past it.
type Source struct {
	config SourceConfig
	reader *Reader
}

// NewSource makes a source. That the file cannot be played is reported when the
// pipeline starts.
func NewSource(cfg SourceConfig) *Source {
	if cfg.Chunk == 0 {
		cfg.Chunk = 20 * time.Millisecond
	}
	if cfg.Track == "" {
		cfg.Track = filepath.Base(cfg.Path)
	}
	return &Source{config: cfg}
}

// Name returns "file source".
func (s *Source) Name() string { return "file source" }

// Start opens the file, and waits for its beginning until ctx is over.
func (s *Source) Start(ctx context.Context, _ *pipeline.Port) error {
	if s.config.Chunk < time.Millisecond || s.config.Chunk > 10*time.Second {
		return fmt.Errorf("configure file source: a chunk of %v is not between 1ms and 10s", s.config.Chunk)
	}
	r, err := OpenContext(ctx, s.config.Path)
	s.reader = r
	return err
}

// Close closes the file.
func (s *Source) Close(context.Context) error { return s.reader.Close() }

// Process passes everything on.
func (s *Source) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Interruption); ok {
		return nil // the engine tells everybody
	}
	return out.Send(ctx, f, dir)
}

// Run plays the file. An interruption ends it, where it is the agent's voice.
func (s *Source) Run(ctx context.Context, out *pipeline.Port) error {
	play := s.playAgent
	if s.config.Caller {
		play = s.playCaller
	}
	if err := play(ctx, out); err != nil && !errors.Is(err, pipeline.ErrInterrupted) {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if !s.config.End {
		return nil
	}
	return out.Send(ctx, &frames.End{Reason: s.config.Path + " is over"}, frames.Downstream)
}

func (s *Source) playAgent(_ context.Context, out *pipeline.Port) error {
	ctx := out.Generation()
	response := s.config.Track
	err := out.Send(ctx, &frames.TTSStart{Response: response}, frames.Downstream)
	if err == nil {
		err = s.each(ctx, func(a frames.Audio, _ time.Duration) error {
			return out.Send(ctx, &frames.AudioOutput{Audio: a, Response: response}, frames.Downstream)
		})
	}
	// However it ended: whoever has heard of its beginning waits for that.
	return errors.Join(err, out.Send(ctx, &frames.TTSStop{Response: response}, frames.Downstream))
}

func (s *Source) playCaller(ctx context.Context, out *pipeline.Port) error {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	return s.each(ctx, func(a frames.Audio, end time.Duration) error {
		timer.Reset(time.Until(start.Add(end)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if a.Format.Channels > 1 {
			a.Samples = audio.Remix(nil, a.Samples, a.Format.Channels, 1)
			a.Format.Channels = 1
		}
		return out.Send(ctx, &frames.AudioInput{Audio: a}, frames.Downstream)
	})
}

// each calls fn with each piece of the file, and the time at its end. When ctx is
// over, nothing more is read, or waited for, and the error is its cause.
func (s *Source) each(ctx context.Context, fn func(a frames.Audio, end time.Duration) error) error {
	stop := context.AfterFunc(ctx, func() { s.reader.Close() }) // Close tells its error
	defer stop()
	format := s.reader.Format()
	var position audio.Position
	for k := int64(1); ; k++ {
		// By difference, so that rates that do not divide do not drift.
		want := format.Rate.Samples(time.Duration(k)*s.config.Chunk) - int64(position)
		samples, err := readFull(s.reader, int(want)*format.Channels)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if len(samples) > 0 {
			a := frames.Audio{Format: format, Samples: samples, Track: s.config.Track, Position: position}
			position = a.End()
			if err := fn(a, format.Rate.Duration(int64(position))); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// readFull reads n values, or fewer with the error which comes before them.
func readFull(r *Reader, n int) ([]int16, error) {
	samples := make([]int16, n)
	got := 0
	for got < n {
		m, err := r.Read(samples[got:])
		got += m
		if err != nil {
			return samples[:got], err
		}
	}
	return samples, nil
}
