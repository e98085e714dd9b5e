package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/transports/playout"
)

// Input is the processor that plays the caller's recording. See [New].
type Input struct {
	transport *Transport
	reader    *audiofile.Reader
	clock     *playout.Clock

	// The rest is Run's own.
	raw   []int16 // as it is in the file
	over  bool    // the recording is
	total time.Duration

	ended  atomic.Bool // an end has passed: there is nobody to talk to
	close  sync.Once
	closed error
}

// Name returns "file input".
func (in *Input) Name() string { return "file input" }

// Process passes everything on. With the end, the recording stops.
func (in *Input) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.End); ok && dir == frames.Downstream {
		in.ended.Store(true)
	}
	if _, ok := f.(*frames.Interruption); ok {
		return nil // the engine tells everybody
	}
	return out.Send(ctx, f, dir)
}

// Run plays the recording, then silence, and hangs up.
func (in *Input) Run(ctx context.Context, out *pipeline.Port) error {
	cfg := in.transport.config
	format := audio.Mono(in.reader.Format().Rate)
	start := in.clock.Start()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for k := int64(1); ; k++ {
		// Each piece is there when its last sample has been spoken.
		begin := audio.Position(format.Rate.Samples(time.Duration(k-1) * cfg.Chunk))
		end := audio.Position(format.Rate.Samples(time.Duration(k) * cfg.Chunk))
		now := format.Rate.Duration(int64(end))
		timer.Reset(time.Until(start.Add(now)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		if in.ended.Load() {
			return nil
		}
		samples, broken := in.read(int(end - begin))
		if len(samples) == 0 {
			return broken
		}
		if err := in.transport.timeline.Add(recorder.Caller, format, samples, begin); err != nil {
			return err
		}
		f := &frames.AudioInput{Audio: frames.Audio{Format: format, Samples: samples, Track: cfg.Track, Position: begin}}
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
		if broken != nil {
			return broken
		}
		if cfg.Progress != nil {
			cfg.Progress(Progress{Position: now, Total: in.reader.Duration(), Tail: in.over})
		}
		if reason, atOnce := in.hangUp(now); reason != "" {
			if atOnce {
				// An end would wait until all that the agent has to say is played.
				out.Interrupt(reason)
			}
			return out.Send(ctx, &frames.End{Reason: reason}, frames.Downstream)
		}
	}
}

// read returns the next n samples of the recording, mono, in a buffer of their
// own; behind its end, silence. With an error it returns those that there are
// before the place where the recording is damaged.
func (in *Input) read(n int) ([]int16, error) {
	channels := in.reader.Format().Channels
	samples := make([]int16, 0, n)
	for len(samples) < n && !in.over {
		if want := (n - len(samples)) * channels; cap(in.raw) < want {
			in.raw = make([]int16, want)
		}
		got, err := in.reader.Read(in.raw[:(n-len(samples))*channels])
		samples = audio.Remix(samples, in.raw[:got], channels, 1)
		switch {
		case errors.Is(err, io.EOF):
			in.over = true
		case err != nil:
			return samples, fmt.Errorf("play recording: %w", err)
		}
	}
	return audio.AppendSilence(samples, n-len(samples)), nil
}

// hangUp says why the caller hangs up now; nothing if not yet. now is how much
// of the call is over. A limit ends the call at once, whatever is being said.
func (in *Input) hangUp(now time.Duration) (reason string, atOnce bool) {
	cfg := in.transport.config
	if cfg.MaxDuration > 0 && now >= cfg.MaxDuration {
		return fmt.Sprintf("the call has lasted %v", cfg.MaxDuration), true
	}
	if !in.over {
		return "", false
	}
	if in.total == 0 {
		in.total = now // the piece in which the recording ended
	}
	if now-in.total >= cfg.MaxTail {
		return fmt.Sprintf("the recording has been over for %v", cfg.MaxTail), true
	}
	agent := in.transport.output.Stats()
	if agent.Queued > 0 {
		return "", false
	}
	quiet := max(in.total, agent.Format.Rate.Duration(int64(agent.SpeechEnd)))
	if now-quiet >= cfg.HangUpAfter {
		return fmt.Sprintf("the agent has been silent for %v", cfg.HangUpAfter), false
	}
	return "", false
}

// Close closes the recording.
func (in *Input) Close(context.Context) error {
	in.close.Do(func() { in.closed = in.reader.Close() })
	return in.closed
}
