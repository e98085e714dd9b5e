package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/transports/playout"
)

// Input is the processor that plays the caller's recording. See [New].
type Input struct {
	transport *Transport
	recording *recording
	format    audio.Format  // of what is sent: mono
	length    time.Duration // of the recording, once
	total     time.Duration // with all its repetitions; 0 if that is not known
	clock     *playout.Clock

	// Run's own.
	caller   caller
	ended    time.Duration // where the recording was over
	starving bool          // its producer is late

	left    atomic.Bool // an end has passed: there is nobody to talk to
	repeats atomic.Int64
	stalls  atomic.Int64
	starved atomic.Int64 // samples
}

func newInput(t *Transport, r *recording, clock *playout.Clock) *Input {
	cfg := t.config
	format := r.Format()
	in := &Input{transport: t, recording: r, format: audio.Mono(format.Rate), length: r.Duration(), clock: clock}
	in.caller = caller{recording: r, format: format, gap: format.Rate.Samples(cfg.RepeatGap), repeats: &in.repeats}
	switch {
	case cfg.Repeat == Forever:
		in.caller.left = Forever
	case in.length > 0:
		times := time.Duration(max(1, cfg.Repeat))
		in.total = times*in.length + (times-1)*cfg.RepeatGap
		fallthrough
	default:
		in.caller.left = max(1, cfg.Repeat) - 1
	}
	return in
}

// Name returns "file input".
func (in *Input) Name() string { return "file input" }

// Exclusive says that a pipeline hears one caller on a track.
func (in *Input) Exclusive() string {
	return fmt.Sprintf("input of the track %q", in.transport.config.Track)
}

// Process passes everything on. With the end, the recording stops.
func (in *Input) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.End); ok && dir == frames.Downstream {
		in.left.Store(true)
	}
	if _, ok := f.(*frames.Interruption); ok {
		return nil // the engine tells everybody
	}
	return out.Send(ctx, f, dir)
}

// Run plays the recording, then silence, and hangs up.
func (in *Input) Run(ctx context.Context, out *pipeline.Port) error {
	cfg := in.transport.config
	stop := in.recording.start(cfg.Chunk)
	defer stop()
	pace, err := in.pace(out)
	if err != nil {
		return err
	}
	for k := int64(1); ; k++ {
		begin := audio.Position(in.format.Rate.Samples(time.Duration(k-1) * cfg.Chunk))
		end := audio.Position(in.format.Rate.Samples(time.Duration(k) * cfg.Chunk))
		now := in.format.Rate.Duration(int64(end))
		if pace(ctx, now) != nil {
			return nil
		}
		if in.left.Load() {
			return nil
		}
		samples, broken := in.next(ctx, int(end-begin))
		if len(samples) == 0 {
			return broken
		}
		if cfg.Pace == RealTime { // or there is no conversation to keep
			if err := in.transport.timeline.Add(recorder.Caller, in.format, samples, begin); err != nil {
				return err
			}
		}
		f := &frames.AudioInput{Audio: frames.Audio{Format: in.format, Samples: samples, Track: cfg.Track, Position: begin}}
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
		if broken != nil {
			return broken
		}
		if cfg.Progress != nil {
			cfg.Progress(Progress{Position: now, Total: in.total, Tail: in.caller.over})
		}
		if reason, atOnce := in.hangUp(now); reason != "" {
			if atOnce {
				// An end would wait until all that the agent has to say is played, and
				// for an answer that is owed. Until it is there, nobody listens.
				in.transport.output.Leave()
				out.Interrupt(reason)
			}
			return out.Send(ctx, &frames.End{Reason: reason, Gone: atOnce}, frames.Downstream)
		}
	}
}

// next returns the next n samples, in a buffer of their own: of the recording, and
// silence behind its end and where its producer is late. With an error it returns
// those that there are before the place where the recording is damaged.
func (in *Input) next(ctx context.Context, n int) ([]int16, error) {
	samples := make([]int16, 0, n)
	for {
		var err error
		samples, err = in.caller.read(samples, n)
		switch {
		case err == nil, errors.Is(err, io.EOF):
			in.starving = false
			return audio.AppendSilence(samples, n-len(samples)), nil
		case !errors.Is(err, errStarved):
			return samples, fmt.Errorf("play recording: %w", err)
		case in.transport.config.Pace == Fast:
			if err := in.caller.wait(ctx); err != nil {
				return nil, nil // the run is over
			}
			continue
		}
		if !in.starving {
			in.stalls.Add(1)
		}
		in.starving = true
		in.starved.Add(int64(n - len(samples)))
		return audio.AppendSilence(samples, n-len(samples)), nil
	}
}

// hangUp says why the caller hangs up now; nothing if not yet. now is how much
// of the call is over. A limit ends the call at once, whatever is being said.
func (in *Input) hangUp(now time.Duration) (reason string, atOnce bool) {
	cfg := in.transport.config
	if cfg.MaxDuration > 0 && now >= cfg.MaxDuration {
		return fmt.Sprintf("the call has lasted %v", cfg.MaxDuration), true
	}
	if !in.caller.over {
		return "", false
	}
	if in.ended == 0 {
		in.ended = now // the piece in which the recording ended
	}
	if cfg.Pace == Fast {
		// The output's clock is another one. An end waits for what it has to play.
		if now-in.ended >= cfg.HangUpAfter {
			return "the recording is over", false
		}
		return "", false
	}
	if now-in.ended >= cfg.MaxTail {
		return fmt.Sprintf("the recording has been over for %v", cfg.MaxTail), true
	}
	agent := in.transport.output.Stats()
	if agent.Queued > 0 {
		return "", false
	}
	quiet := max(in.ended, agent.Format.Rate.Duration(int64(agent.SpeechEnd)))
	if now-quiet >= cfg.HangUpAfter {
		return fmt.Sprintf("the agent has been silent for %v", cfg.HangUpAfter), false
	}
	return "", false
}

// Close closes the recording.
func (in *Input) Close(context.Context) error { return in.recording.Close() }
