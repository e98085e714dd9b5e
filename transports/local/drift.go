package local

import (
	"math"
	"time"

	"github.com/parley-go/parley/audio"
)

const (
	// allowed is by how much a device's clock may be away from the call's before
	// something is done about it: more than comes and goes as drivers hand over a
	// little more or less at once.
	allowed = 8 * time.Millisecond

	// allowedSilent is that where doing it costs nothing.
	allowedSilent = 2 * time.Millisecond

	// beyond is from where on it is too much to be mended a sample at a time.
	beyond = 50 * time.Millisecond

	// mendOne of so many pieces is made a sample longer or shorter: that is 500
	// ppm at 24 kHz, more than any clock is wrong, and a hundredth of a semitone.
	mendOne = 4
)

// drift decides which pieces are made a sample longer or shorter, so that a device
// whose clock is not the call's stays with it.
type drift struct {
	busy bool
	turn int
}

// next returns by how many samples the next piece is to be longer than what it is
// made of, where so many samples are missing: a negative number where there are
// too many.
func (d *drift) next(missing float64, rate audio.SampleRate) int {
	if math.Abs(missing) > float64(rate.Samples(allowed)) {
		d.busy = true
	} else if math.Abs(missing) < 1 {
		d.busy = false
	}
	if !d.busy || d.turn%mendOne != 0 {
		return 0
	}
	return int(math.Copysign(1, missing))
}

// made notes that a piece has been made.
func (d *drift) made() { d.turn++ }
