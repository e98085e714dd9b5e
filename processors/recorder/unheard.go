package recorder

import (
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// unheard is the agent's audio that has been sent to the output and not yet been
// reported as heard or thrown away, in the order in which it was sent.
type unheard struct {
	pieces []sent
	length time.Duration
	lost   time.Duration // forgotten because no output reported
}

type sent struct {
	frame *frames.AudioOutput
	taken int64 // frames of it that were reported
	// An interruption came after it. It may still be reported as heard, because
	// it left at that moment; but if later audio of its track is, it never was:
	// it was dropped on its way to the output.
	stale bool
}

// part is what was heard, and how many frames of the same run were heard after
// it.
type part struct {
	format  audio.Format
	samples []int16
	after   int64
}

func (u *unheard) add(f *frames.AudioOutput) {
	u.pieces = append(u.pieces, sent{frame: f})
	u.length += f.Duration()
	for u.length > maxUnheard && len(u.pieces) > 1 {
		u.lost += u.remove(0)
	}
}

func (u *unheard) interrupt() {
	for i := range u.pieces {
		u.pieces[i].stale = true
	}
}

// take removes what a report says, and returns what was heard, in order.
func (u *unheard) take(p *frames.Playout) []part {
	fresh := false
	for _, s := range u.pieces {
		fresh = fresh || !s.stale && s.heardBy(p)
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
			if !s.stale || !fresh {
				parts = append(parts, cut(s.frame, from, to))
			}
			u.length -= s.frame.Format.Rate.Duration(to) - s.frame.Format.Rate.Duration(from)
			s.taken = to
		}
		gone := s.taken == s.frame.Len() || p.Flushed && s.frame.End() <= p.Queued || s.stale && fresh
		if gone {
			u.remove(i)
			continue
		}
		i++
	}
	// From the end, so that each knows how much was heard after it.
	after := int64(0)
	for i := len(parts) - 1; i >= 0; i-- {
		parts[i].after = after
		after += int64(parts[i].format.Frames(len(parts[i].samples)))
	}
	return parts
}

func (s sent) heardBy(p *frames.Playout) bool {
	return s.frame.Track == p.Track && s.frame.Format.Rate == p.Rate && s.frame.Position+audio.Position(s.taken) < p.Heard
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
