package turn

import (
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
)

// source sends audio to a clock, and lets the wall's go on.
type source struct {
	*clock
	t    *testing.T
	wall time.Time
	pos  audio.Position
}

func newSource(t *testing.T) *source {
	s := &source{clock: &clock{}, t: t, wall: time.Now()}
	s.now(s.wall)
	return s
}

// sends lets as much audio come at once.
func (s *source) sends(d time.Duration) {
	for ; d > 0; d -= 20 * time.Millisecond {
		n := testRate.Samples(20 * time.Millisecond)
		s.pos += audio.Position(n)
		s.audio(s.wall, s.pos, n, testRate)
	}
}

// speaks lets as much come in its time.
func (s *source) speaks(d time.Duration) {
	for ; d > 0; d -= 20 * time.Millisecond {
		s.passes(20 * time.Millisecond)
		s.sends(20 * time.Millisecond)
	}
}

func (s *source) passes(d time.Duration) { s.wall = s.wall.Add(d) }

// is checks the time.
func (s *source) is(when string, want time.Duration) {
	s.t.Helper()
	if got := s.now(s.wall); got != want {
		s.t.Errorf("%s, it is %v, want %v", when, got, want)
	}
}

func TestTheClockIsTheAudiosAndTheWallsWhileNoneComes(t *testing.T) {
	const ms = time.Millisecond
	s := newSource(t)
	s.sends(20 * ms)
	s.is("at the first audio", 0)
	s.sends(2 * time.Second)
	s.is("after 2 s of audio that came at once", 2*time.Second)
	s.passes(45 * ms)
	s.is("with jitter", 2045*ms)
	s.sends(40 * ms)
	s.is("with two at once", 2045*ms)
	s.sends(20 * ms)
	s.is("and a third", 2060*ms)
	if got := s.mark(s.wall, s.pos-16000, testRate).at; got != 1060*ms {
		t.Errorf("a second before its end, it was %v", got)
	}
	if got := s.mark(s.wall, s.pos+16000, testRate).at; got != 2060*ms {
		t.Errorf("at a place that is still to come, it is %v", got)
	}
	s.pos = 0
	s.sends(20 * ms)
	s.is("when the positions begin anew", 2080*ms)
	s.pos = 1 << 40
	s.sends(20 * ms)
	s.is("when they leap", 2100*ms)
}

func TestTheClockGoesOnWithASourceThatHasPaused(t *testing.T) {
	const ms = time.Millisecond
	s := newSource(t)
	s.speaks(time.Second)
	s.passes(2 * time.Second)
	s.is("in the pause", 3*time.Second)
	s.speaks(time.Second)
	s.is("a second after it", 4*time.Second)
	if got := s.mark(s.wall, s.pos-8000, testRate).at; got != 3500*ms {
		t.Errorf("half a second before, it was %v", got)
	}
}

// The time of a jam is counted once, in whatever pieces its backlog comes, and the
// audio's own time leaves nothing out.
func TestTheClockStandsWhileWhatHasJammedComes(t *testing.T) {
	const ms = time.Millisecond
	for name, backlog := range map[string]func(s *source){ // what was spoken in 1.6 s, and while it comes
		"at once": func(s *source) { s.sends(1600 * ms) },
		"in two parts": func(s *source) {
			s.sends(500 * ms)
			s.passes(100 * ms)
			s.sends(1200 * ms)
		},
		"in two parts with another jam between": func(s *source) {
			s.sends(500 * ms)
			s.passes(400 * ms)
			s.sends(1500 * ms)
		},
		"twice as fast as it was spoken": func(s *source) {
			for range 160 {
				s.passes(10 * ms)
				s.sends(20 * ms)
			}
		},
		"with another clock in the middle": func(s *source) {
			s.sends(400 * ms)
			s.pos = 1 << 40
			s.sends(1200 * ms)
		},
		"with another clock from its beginning on": func(s *source) {
			s.pos = 0
			s.sends(1600 * ms)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(t)
			begin := s.wall
			s.speaks(time.Second)
			s.passes(1600 * ms)
			backlog(s)
			spoken := s.wall.Sub(begin)
			s.is("when all has come", spoken)
			if m := s.mark(s.wall, s.pos, testRate); m.at != spoken || m.by != spoken {
				t.Errorf("at its end it is %v, and %v of audio have come, want %v", m.at, m.by, spoken)
			}
			s.speaks(time.Second)
			s.is("a second later", spoken+time.Second)
		})
	}
}

func TestARecordingThatIsReadAtOnceIsAsLongAsItIsThoughTheReaderStops(t *testing.T) {
	const ms = time.Millisecond
	s := newSource(t)
	s.sends(2 * time.Second)
	s.passes(290 * ms)
	s.sends(2 * time.Second)
	s.is("when all was read", 3980*ms) // it began when the first 20 ms of it had come
}

func TestAJamOfWhichAPartIsLostIsAPauseOfThatLength(t *testing.T) {
	const ms = time.Millisecond
	s := newSource(t)
	s.speaks(time.Second)
	s.passes(800 * ms)
	s.sends(500 * ms)
	s.is("when the rest has come", 1800*ms)
	s.speaks(time.Second)
	s.is("a second later", 2800*ms)
	if m := s.mark(s.wall, s.pos, testRate); m.at != 2800*ms || m.by != 2500*ms {
		t.Errorf("at its end it is %v, and %v of audio have come", m.at, m.by)
	}
}
