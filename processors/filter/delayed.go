package filter

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/tracks"
	"github.com/parley-go/parley/pipeline"
)

// delayed is a processor whose work on one side's audio, on each track by itself,
// comes late, and which puts every sample where its position says all the same.
// Resample and Enhance are made of it.
type delayed struct {
	side   Side
	verb   string // what it does to a track, for errors
	strict bool   // what it cannot work on is dropped

	// open begins the work on a format. nil is that there is nothing to do. An error
	// is told once in ten seconds of the track.
	open func(audio.Format) (work, error)

	tracks     tracks.Map[*stretch]
	complaints tracks.Complaints
}

// work is done on the samples of one track. What comes of the first is the first
// that comes, though it may come late.
type work interface {
	// do returns, in memory of its own, what has come of samples. An error says
	// that it is no good, and how that was mended; it goes on all the same.
	do(samples []int16) ([]int16, error)

	// rest returns what is still held back, and resets.
	rest() ([]int16, error)

	// format is that of what comes.
	format() audio.Format

	// reset says that what comes next does not continue what came before.
	reset()
}

// stretch is contiguous audio of one track.
type stretch struct {
	in       audio.Format
	work     work           // nil: it goes on as it is
	refused  error          // why it cannot be worked on, if that is the reason
	next     audio.Position // of the input
	position audio.Position // of the output
	last     frames.Frame   // what its rest is a part of; nil if there is none
}

// Process works on audio, and passes everything else on.
func (d *delayed) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f.(type) {
	case *frames.Interruption:
		if d.side == Output { // what follows does not continue what was being said
			for _, s := range d.tracks.All() {
				s.restart()
			}
		}
		return nil
	case *frames.TTSStop, *frames.End, *frames.Stop:
		if dir == frames.Downstream {
			var failed error
			for _, s := range d.tracks.All() {
				if s.endsWith(f) {
					failed = errors.Join(failed, d.finish(ctx, s, out))
				}
			}
			return errors.Join(failed, out.Send(ctx, f, dir))
		}
	}
	a := d.side.of(f, dir)
	if a == nil {
		return out.Send(ctx, f, dir)
	}
	err := d.take(ctx, f, a, out)
	d.complaints.Heard(a.Track, a.Duration())
	return err
}

// take works on a frame, whose audio is a.
func (d *delayed) take(ctx context.Context, f frames.Frame, a *frames.Audio, out *pipeline.Port) error {
	s, known := d.tracks.Get(a.Track)
	var failed error
	if known && (s.in != a.Format || s.next != a.Position) {
		failed = d.finish(ctx, s, out)
	}
	if !known || s.in != a.Format {
		if leaves, full := d.tracks.Room(); full && !known {
			old, _ := d.tracks.Get(leaves)
			failed = d.finish(ctx, old, out)
			d.tracks.Delete(leaves)
		}
		s = d.begin(a)
	}
	if s.work == nil {
		return errors.Join(failed, d.complain(a.Track, "format", s.refused), d.pass(ctx, f, s.refused != nil, out))
	}
	if extra := len(a.Samples) % a.Format.Channels; extra != 0 {
		// The frame is not to blame: it goes on.
		err := fmt.Errorf("%d samples at %d are not whole frames of %d channels", len(a.Samples), a.Position, a.Format.Channels)
		return errors.Join(failed, d.complain(a.Track, "samples", err), d.pass(ctx, f, true, out))
	}
	if s.last == nil {
		s.position = a.Position.At(s.in.Rate, s.work.format().Rate)
	}
	s.next, s.last = a.End(), f
	samples, err := s.work.do(a.Samples)
	return errors.Join(failed, d.send(ctx, s, samples, err, out))
}

// pass sends a frame on as it is, unless nobody could do anything with it.
func (d *delayed) pass(ctx context.Context, f frames.Frame, refused bool, out *pipeline.Port) error {
	if refused && d.strict {
		return nil
	}
	return out.Send(ctx, f, frames.Downstream)
}

// begin begins the work on a track.
func (d *delayed) begin(a *frames.Audio) *stretch {
	s := &stretch{in: a.Format, next: a.Position}
	s.work, s.refused = d.open(a.Format)
	s.restart()
	d.tracks.Put(a.Track, s)
	return s
}

// restart makes a stretch ready for what does not continue.
func (s *stretch) restart() {
	if s.work != nil {
		s.work.reset()
		s.last = nil
	}
}

// endsWith reports whether nothing continues the stretch when f comes behind it:
// of the voices, a TTSStop ends the one whose response it names. Others go on, and
// so does the caller.
func (s *stretch) endsWith(f frames.Frame) bool {
	stop, ok := f.(*frames.TTSStop)
	if !ok {
		return true
	}
	voice, ok := s.last.(*frames.AudioOutput)
	return ok && voice.Response == stop.Response
}

// finish sends what is still held back of a stretch. Its last sample is the one
// before that with which a stretch would begin that continues it: the two never
// overlap, however their lengths round at the other rate.
func (d *delayed) finish(ctx context.Context, s *stretch, out *pipeline.Port) error {
	if s.last == nil {
		return nil
	}
	samples, err := s.work.rest()
	to := s.work.format()
	left := max(s.next.At(s.in.Rate, to.Rate)-s.position, 0)
	samples = samples[:min(left, audio.Position(to.Frames(len(samples))))*audio.Position(to.Channels)]
	err = d.send(ctx, s, samples, err, out)
	s.restart()
	return err
}

// send sends what has come of a stretch, of which bad is told.
func (d *delayed) send(ctx context.Context, s *stretch, samples []int16, bad error, out *pipeline.Port) error {
	track, format := d.side.of(s.last, frames.Downstream).Track, s.work.format()
	if bad != nil {
		bad = d.complain(track, "work", fmt.Errorf("at %d: %w", s.position, bad))
	}
	if len(samples) == 0 {
		return bad
	}
	a := frames.Audio{Format: format, Track: track, Position: s.position, Samples: samples}
	s.position = a.End()
	return errors.Join(out.Send(ctx, with(s.last, a), frames.Downstream), bad)
}

// complain returns err if it is to be reported.
func (d *delayed) complain(track, kind string, err error) error {
	if err = d.complaints.Let(track, kind, err); err != nil {
		return fmt.Errorf("%s track %q: %w", d.verb, track, err)
	}
	return nil
}
