package recorder

import (
	"slices"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// unheard is the agent's audio that has been sent to the output and not yet been
// reported as heard or thrown away, in the order in which it was sent.
//
// An interruption drops audio on its way to the output, which then never reports
// on it. What came before an interruption may still be reported, because it left
// at that moment; but once there is a report on later audio of its track, it
// never will be.
type unheard struct {
	pieces     []sent
	length     time.Duration
	lost       time.Duration // forgotten because no output reported
	generation int           // how many interruptions there were
}

type sent struct {
	frame      *frames.AudioOutput
	taken      int64 // frames of it that were reported
	generation int
}

// part is what was heard, and how many frames of the same run were heard before
// it and after it.
type part struct {
	format        audio.Format
	samples       []int16
	before, after int64
}

// faded returns the samples as they were heard.
func (p part) faded(fade frames.Fade) []int16 {
	length := p.before + int64(p.format.Frames(len(p.samples))) + p.after
	samples := p.samples
	switch fade {
	case frames.FadeOut:
		samples = slices.Clone(samples)
		audio.FadeOut(samples, p.format.Channels, p.before, length)
	case frames.FadeIn:
		samples = slices.Clone(samples)
		audio.FadeIn(samples, p.format.Channels, p.before, length)
	}
	return samples
}

func (u *unheard) add(f *frames.AudioOutput) {
	u.pieces = append(u.pieces, sent{frame: f, generation: u.generation})
	u.length += f.Duration()
	for u.length > maxUnheard && len(u.pieces) > 1 {
		u.lost += u.remove(0)
	}
}

func (u *unheard) interrupt() { u.generation++ }

// take removes what a report says, and returns what was heard, in order.
func (u *unheard) take(p *frames.Playout) []part {
	generation := -1 // that the report is about
	for _, s := range u.pieces {
		if s.heardBy(p) || s.flushedBy(p) {
			generation = max(generation, s.generation)
		}
	}
	var parts []part
	for i := 0; i < len(u.pieces); {
		s := &u.pieces[i]
		if s.frame.Track != p.Track {
			i++
			continue
		}
		if s.heardBy(p) {
			from, to := s.taken, min(int64(p.Heard-s.frame.Position), s.frame.Len())
			if s.generation == generation {
				parts = append(parts, cut(s.frame, from, to))
			}
			u.pass(s, to)
		}
		if s.flushedBy(p) { // what is behind it may be heard
			u.pass(s, max(s.taken, min(int64(p.Queued-s.frame.Position), s.frame.Len())))
		}
		if s.generation < generation || s.taken == s.frame.Len() {
			u.remove(i)
			continue
		}
		i++
	}
	length := int64(0)
	for i := range parts {
		parts[i].before = length
		length += int64(parts[i].format.Frames(len(parts[i].samples)))
	}
	for i := range parts {
		parts[i].after = length - parts[i].before - int64(parts[i].format.Frames(len(parts[i].samples)))
	}
	return parts
}

// pass notes that a piece was reported of as far as that.
func (u *unheard) pass(s *sent, to int64) {
	rate := s.frame.Format.Rate
	u.length -= rate.Duration(to) - rate.Duration(s.taken)
	s.taken = to
}

func (s sent) heardBy(p *frames.Playout) bool {
	return s.frame.Track == p.Track && s.frame.Format.Rate == p.Rate && s.frame.Position+audio.Position(s.taken) < p.Heard
}

// flushedBy reports whether p says that some of the piece was thrown away.
func (s sent) flushedBy(p *frames.Playout) bool {
	return p.Flushed && s.frame.Track == p.Track && s.frame.Format.Rate == p.Rate && s.frame.Position < p.Queued && s.frame.End() > p.Heard
}

func cut(f *frames.AudioOutput, from, to int64) part {
	c := int64(f.Format.Channels)
	return part{format: f.Format, samples: f.Samples[from*c : to*c]}
}

// remove drops a piece and returns how much of it had not been heard.
func (u *unheard) remove(i int) time.Duration {
	s := u.pieces[i]
	rest := s.frame.Duration() - s.frame.Format.Rate.Duration(s.taken)
	u.length -= rest
	if i == 0 { // as nearly always
		u.pieces[0] = sent{}
		u.pieces = u.pieces[1:]
	} else {
		u.pieces = append(u.pieces[:i], u.pieces[i+1:]...)
	}
	return rest
}
