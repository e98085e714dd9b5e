package turn

import (
	"time"

	"github.com/parley-go/parley/audio"
)

const (
	// stall is how long the caller's audio may be late before time goes on
	// without it: more than networks jitter.
	stall = 250 * time.Millisecond

	// leap is the longest hole in the caller's audio that is taken for time
	// which went by, if nothing else says so.
	leap = 10 * time.Second
)

// clock is the time that turns are reckoned in. As long as the caller's audio
// comes it is the clock of that audio, so that what is said does not depend on
// when it arrives; while none comes, the wall's goes on where the audio's stopped.
// It begins at 0 and never goes back.
//
//	audio   |=====|=====|=====|           |=====|=====|
//	clock   ───────────────────▶ ─ ─ ─ ─ ▶────────────▶
//	          by positions        by the    by positions,
//	                              wall      which now begin later
//
// Whether the audio was late or the source has paused is seen only by what follows.
// What comes faster than it is long is the backlog of a jam: its time has gone by
// already, and the clock stands until all of it has come.
type clock struct {
	origin time.Time
	last   time.Duration

	// Of the caller's audio, once it has come.
	heard  bool
	offset time.Duration    // from a position's time to the clock's
	lag    time.Duration    // how much of the clock's time there is no audio of, which may still come
	wall   time.Time        // when the last of it came …
	end    time.Duration    // … and the clock's time of its end
	to     audio.Position   // its end on the track
	rate   audio.SampleRate // of the track
}

// mark is an instant, and where it is on the caller's track.
type mark struct {
	at   time.Duration
	by   time.Duration // the same in the time of the audio alone, without what the wall's clock added; at, as long as there is none
	pos  audio.Position
	rate audio.SampleRate // 0 where the position is not known
}

// now returns the time.
func (c *clock) now(wall time.Time) time.Duration {
	if c.origin.IsZero() {
		c.origin = wall
	}
	t := wall.Sub(c.origin)
	if c.heard {
		t = c.end + wall.Sub(c.wall)
	}
	c.last = max(c.last, t)
	return c.last
}

// audio notes that the caller's audio up to a position has come, and returns the
// time.
func (c *clock) audio(wall time.Time, to audio.Position, length int64, rate audio.SampleRate) time.Duration {
	now := c.now(wall)
	end, long := rate.Duration(int64(to)), rate.Duration(length)
	next := end + c.offset // when it ends, by its positions
	if hole := next - long - c.end; hole < -time.Millisecond || hole > leap {
		next = c.end + long // its clock has jumped
	}
	switch late := now - next; {
	case !c.heard:
		next = now
	case wall.Sub(c.wall) > stall: // it was said while the wall's clock went on
		next, c.lag = now, max(0, c.lag+late)
	case c.lag > 0 && late < 0: // it was said before that, and jammed
		back := min(c.lag, -late)
		next, c.lag = next-back, c.lag-back
	}
	c.heard, c.wall, c.end, c.to, c.rate, c.offset = true, wall, next, to, rate, next-end
	c.last = max(c.last, c.end)
	return c.last
}

// here returns the mark of the present.
func (c *clock) here(wall time.Time) mark {
	now := c.now(wall)
	m := mark{at: now, by: now}
	if c.heard {
		m.by, m.pos, m.rate = c.end-c.lag, c.to, c.rate
		if c.last-c.end > stall {
			m.pos += audio.Position(c.rate.Samples(c.last - c.end))
		}
	}
	return m
}

// mark returns the mark of a position on the caller's track, which is not later
// than now.
func (c *clock) mark(wall time.Time, pos audio.Position, rate audio.SampleRate) mark {
	m := c.here(wall)
	m.pos, m.rate = pos, rate
	if c.heard && rate > 0 {
		at := rate.Duration(int64(pos)) + c.offset
		m.at, m.by = max(0, min(m.at, at)), min(m.by, at-c.lag)
	}
	return m
}

// until returns how long it is by the wall's clock until a time.
func (c *clock) until(t time.Duration, wall time.Time) time.Duration { return t - c.now(wall) }
