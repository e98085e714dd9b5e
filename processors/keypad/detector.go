package keypad

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/tracks"
	"github.com/parley-go/parley/pipeline"
)

// DetectorConfig says what becomes of a key that is heard. The zero value is
// good.
type DetectorConfig struct {
	// Released tells of a key when it is released, and with that how long it was
	// down ([frames.DTMFInput] with End), 60 ms afterwards. By default it is told
	// 32 ms after it went down.
	Released bool

	// Remove replaces tones by silence, so that a service which hears the caller
	// does not make words of them. For that the caller's audio is held back by 66
	// ms and up to a frame: what turns out to be a tone must not be gone yet.
	Remove bool
}

// Detector is a processor that hears the keys which the caller presses as tones,
// in [frames.AudioInput], and sends a [frames.DTMFInput] for each. Make one with
// [NewDetector].
//
// Its clock is that of the samples, on each track. A hole in their positions is
// lost audio, and one of less than 40 ms does not end a press; audio that comes
// twice is listened to once. All channels are heard together. Audio that it cannot
// listen to is passed on, and reported once in ten seconds of it. Of more than 64
// tracks, the one that has been quiet for longest is closed.
type Detector struct {
	cfg        DetectorConfig
	lines      tracks.Map[*line]
	complaints tracks.Complaints
}

// line is what is known of a track.
type line struct {
	format  audio.Format
	det     *dtmf.Detector // nil if the format is refused
	refused error          // why the format cannot be listened to
	base    audio.Position // of the detector's clock
	events  []dtmf.Event
	mono    []int16

	// With Remove: what is held back, and the tones in it.
	held  []*frames.AudioInput
	tones []span
}

// span is what to remove; to is forever while the key is down.
type span struct{ from, to audio.Position }

const forever = audio.Position(1<<63 - 1)

// NewDetector makes a Detector.
func NewDetector(cfg DetectorConfig) *Detector {
	return &Detector{cfg: cfg}
}

// Name returns "keypad detector".
func (d *Detector) Name() string { return "keypad detector" }

// Process listens to the caller, and passes everything on.
func (d *Detector) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Interruption:
		return nil
	case *frames.AudioInput:
		if dir == frames.Downstream {
			err := d.listen(ctx, f, out)
			d.complaints.Heard(f.Track, f.Duration())
			return err
		}
	case *frames.End, *frames.Stop:
		if dir == frames.Downstream {
			for track, l := range d.lines.All() {
				if err := d.close(ctx, track, l, out); err != nil {
					return err
				}
			}
		}
	}
	return out.Send(ctx, f, dir)
}

// maxPosition is far beyond what any clock reaches, and far from an overflow.
const maxPosition = audio.Position(1 << 60)

// listen gives a frame to its track's detector.
func (d *Detector) listen(ctx context.Context, f *frames.AudioInput, out *pipeline.Port) error {
	if f.Position < -maxPosition || f.Position > maxPosition {
		err := fmt.Errorf("position %d is on no clock", f.Position)
		return errors.Join(out.Send(ctx, f, frames.Downstream), d.complain(f.Track, "position", err))
	}
	l, _ := d.lines.Get(f.Track)
	if l != nil && (l.format != f.Format || l.jumpsBack(f)) {
		if err := d.close(ctx, f.Track, l, out); err != nil {
			return err
		}
		l = nil
	}
	if l == nil {
		var err error
		if l, err = d.open(ctx, f, out); err != nil {
			return err
		}
	}
	if l.det == nil { // the frame is not to blame: it goes on
		return errors.Join(out.Send(ctx, f, frames.Downstream), d.complain(f.Track, "format", l.refused))
	}
	l.hear(f)
	if !d.cfg.Remove {
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
		return d.tell(ctx, f.Track, l, out)
	}
	l.held = append(l.held, f)
	if err := d.tell(ctx, f.Track, l, out); err != nil {
		return err
	}
	return l.pass(ctx, l.next()-l.lag(), out)
}

// open begins to listen to the track of f. It fails if what makes room cannot be
// closed.
func (d *Detector) open(ctx context.Context, f *frames.AudioInput, out *pipeline.Port) (*line, error) {
	if leaves, full := d.lines.Room(); full {
		old, _ := d.lines.Get(leaves)
		if err := d.close(ctx, leaves, old, out); err != nil {
			return nil, err
		}
	}
	l := &line{format: f.Format, base: f.Position, refused: f.Format.Validate()}
	if l.refused == nil {
		l.det, l.refused = dtmf.NewDetector(f.Format.Rate)
	}
	d.lines.Put(f.Track, l)
	return l, nil
}

// close tells of all that was heard on a track, passes on what was held back,
// and forgets it.
func (d *Detector) close(ctx context.Context, track string, l *line, out *pipeline.Port) error {
	d.lines.Delete(track)
	if l.det == nil {
		return nil
	}
	l.events = l.det.Close(l.events)
	if err := d.tell(ctx, track, l, out); err != nil {
		return err
	}
	return l.pass(ctx, forever, out)
}

// complain returns err if it is to be reported.
func (d *Detector) complain(track, kind string, err error) error {
	if err = d.complaints.Let(track, kind, err); err != nil {
		return fmt.Errorf("listen to track %q: %w", track, err)
	}
	return nil
}

// tell sends the keys that were heard.
func (d *Detector) tell(ctx context.Context, track string, l *line, out *pipeline.Port) error {
	events := l.events
	l.events = l.events[:0]
	for _, e := range events {
		if d.cfg.Remove {
			l.mark(e)
		}
		if e.Up != d.cfg.Released {
			continue
		}
		f := &frames.DTMFInput{Digit: e.Key, Track: track, Rate: l.format.Rate, Position: l.base + e.Start}
		if e.Up {
			f.End = l.base + e.End
		}
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
	}
	return nil
}

// next is the position behind the last sample that was heard.
func (l *line) next() audio.Position { return l.base + l.det.Position() }

// jumpsBack reports whether f is so far behind what was heard that its clock must
// have begun anew.
func (l *line) jumpsBack(f *frames.AudioInput) bool {
	return l.det != nil && l.next()-f.Position > audio.Position(f.Format.Rate) // a second
}

// hear gives the detector what it has not heard yet.
func (l *line) hear(f *frames.AudioInput) {
	samples := f.Samples
	if ahead := f.Position - l.next(); ahead > 0 {
		l.events = l.det.Skip(l.events, int64(ahead))
	} else {
		samples = samples[min(len(samples), int(-ahead)*l.format.Channels):]
	}
	if l.format.Channels > 1 {
		l.mono = audio.Remix(l.mono[:0], samples, l.format.Channels, 1)
		samples = l.mono
	}
	l.events = l.det.Write(l.events, samples)
}

// A tone is removed from a little before its start to a little behind its end,
// where it rises and falls, and the audio around it is faded.
const (
	marginMicros = 3000
	fadeMicros   = 2000
)

func (l *line) micros(n int64) audio.Position {
	return audio.Position(n * int64(l.format.Rate) / 1_000_000)
}

// lag is by how much audio is held back.
func (l *line) lag() audio.Position {
	return audio.Position(l.det.Latency()) + l.micros(marginMicros+fadeMicros)
}

// mark notes what is to be removed.
func (l *line) mark(e dtmf.Event) {
	margin := l.micros(marginMicros)
	if !e.Up {
		l.tones = append(l.tones, span{l.base + e.Start - margin, forever})
		return
	}
	for i := range l.tones {
		if l.tones[i].to == forever {
			l.tones[i].to = l.base + e.End + margin
		}
	}
}

// pass sends the frames on that end before a position.
func (l *line) pass(ctx context.Context, until audio.Position, out *pipeline.Port) error {
	n := 0
	for ; n < len(l.held) && l.held[n].End() <= until; n++ {
		if err := out.Send(ctx, l.cleaned(l.held[n]), frames.Downstream); err != nil {
			return err
		}
	}
	l.held = slices.Delete(l.held, 0, n)
	past := until - l.micros(fadeMicros) - audio.Position(l.format.Rate) // frames may come late, but not later
	l.tones = slices.DeleteFunc(l.tones, func(s span) bool { return s.to < past })
	return nil
}

// cleaned returns f, or a frame like it without the tones in it.
func (l *line) cleaned(f *frames.AudioInput) *frames.AudioInput {
	fade := l.micros(fadeMicros)
	var samples []int16
	for _, s := range l.tones {
		from, to := max(s.from-fade, f.Position), f.End()
		if s.to != forever {
			to = min(to, s.to+fade)
		}
		if from >= to {
			continue
		}
		if samples == nil {
			samples = slices.Clone(f.Samples)
		}
		for at := from; at < to; at++ {
			gain := max(fadeGain(s.from-at, fade), fadeGain(at-s.to+1, fade))
			i := int(at-f.Position) * l.format.Channels
			for c := range l.format.Channels {
				samples[i+c] = int16(float32(samples[i+c]) * gain)
			}
		}
	}
	if samples == nil {
		return f
	}
	return &frames.AudioInput{Audio: frames.Audio{Format: f.Format, Samples: samples, Track: f.Track, Position: f.Position}}
}

// fadeGain is the gain of a sample that is outside of a tone by a distance.
func fadeGain(outside, fade audio.Position) float32 {
	switch {
	case outside <= 0:
		return 0
	case outside >= fade:
		return 1
	}
	return float32(outside) / float32(fade+1)
}
