package novasonic

import (
	"time"

	"github.com/parley-go/parley/audio"
)

// ring keeps the most recent user audio, so that a stream which takes over can
// be given what its predecessor did not answer. Positions are on the user's
// sample clock: 0 is the first sample of the conversation.
//
// One goroutine owns it.
type ring struct {
	buf []int16
	end audio.Position // right after the newest sample
}

func newRing(rate audio.SampleRate, keep time.Duration) *ring {
	return &ring{buf: make([]int16, rate.Samples(keep))}
}

// write appends samples, pushing out the oldest.
func (r *ring) write(samples []int16) {
	r.end += audio.Position(len(samples))
	if len(samples) > len(r.buf) {
		samples = samples[len(samples)-len(r.buf):]
	}
	at := int((int64(r.end) - int64(len(samples))) % int64(len(r.buf)))
	n := copy(r.buf[at:], samples)
	copy(r.buf, samples[n:])
}

// start returns the position of the oldest sample that is still kept.
func (r *ring) start() audio.Position {
	return max(0, r.end-audio.Position(len(r.buf)))
}

// since returns a copy of the samples from position from to the newest, and
// the position of its first sample, which is later than from if the ring no
// longer has it all.
func (r *ring) since(from audio.Position) ([]int16, audio.Position) {
	from = min(max(from, r.start()), r.end)
	out := make([]int16, r.end-from)
	at := int(int64(from) % int64(len(r.buf)))
	n := copy(out, r.buf[at:])
	copy(out[n:], r.buf)
	return out, from
}
