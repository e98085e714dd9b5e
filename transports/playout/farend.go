package playout

import (
	"time"

	"github.com/parley-go/parley/audio"
)

// unconfirmed is how much longer than the far end has confirmed something is
// taken to be heard: its word comes every second at least, or it has stopped
// playing.
const unconfirmed = 2 * time.Second

// abandonedAfter is how long the far end may owe its word of something, when all is to
// be over, until it is taken to be gone: nobody would ever tell.
const abandonedAfter = 5 * time.Second

// farEnd is what is known of when the peer plays what it was given. One that
// never tells plays everything when it is due.
type farEnd struct {
	tells  bool
	upTo   audio.Position // what it has confirmed
	behind time.Duration  // how much later than it was due it plays
	latest audio.Position // what was taken to be heard so far
}

// confirm notes that everything before a position has been played by now, a time
// on the output's clock.
func (f *farEnd) confirm(at audio.Position, rate audio.SampleRate, now, lead time.Duration) {
	if f.tells && at <= f.upTo {
		return
	}
	f.tells, f.upTo = true, at
	// It cannot have played what it had not got.
	f.behind = max(now-rate.Duration(int64(at)), -lead)
}

// heard returns up to where the caller has heard, now.
func (f *farEnd) heard(rate audio.SampleRate, now time.Duration) audio.Position {
	at := audio.Position(rate.Samples(now - f.behind))
	if f.tells {
		at = max(min(at, f.limit(rate)), f.latest)
	}
	f.latest = at
	return at
}

// gone reports whether the far end owes its word of what was due at a position for so
// long that it is not going to come.
func (f *farEnd) gone(due audio.Position, rate audio.SampleRate, now time.Duration) bool {
	return f.tells && due > f.limit(rate) && now-f.behind-rate.Duration(int64(due)) > abandonedAfter
}

// limit is the last position that is taken to be heard without another word.
func (f *farEnd) limit(rate audio.SampleRate) audio.Position {
	return f.upTo + audio.Position(rate.Samples(unconfirmed))
}

// Confirm tells the output that the far end has played everything before a
// position of its clock (see [Chunk]): a transport calls it where the peer tells,
// by the marks of a telephone's media stream or the clock of a device. From then
// on what was heard is reckoned by that: [frames.Playout],
// [frames.BotStoppedSpeaking] and everything in order with the audio come as much
// later as the far end is behind, and where it stops telling, they stop.
//
// It may be called from any goroutine. Confirmations that do not go forward are
// ignored. What was discarded by [Flusher.Flush] must not be confirmed, though
// some peers send the marks of what they discard.
func (o *Output) Confirm(at audio.Position) {
	o.mu.Lock()
	defer o.unlock()
	if at > o.player.position {
		return // it has not been handed over yet
	}
	now := time.Since(o.config.Clock.Start()) - o.slipped
	o.far.confirm(at, o.config.Format.Rate, now, o.config.Lead)
}
