package local

import (
	"math"
	"time"

	"github.com/parley-go/parley/audio"
)

const (
	// allowed is by how much a device's clock may be away from the call's before
	// something is done about it: more than a callback's jitter makes of it.
	allowed = 4 * time.Millisecond

	// beyond is from where on it is too much to be mended a sample at a time.
	beyond = 50 * time.Millisecond
)

// drift decides which pieces are made a sample longer or shorter, so that a device
// whose clock is not the call's stays with it: one in two at most, which is 1000
// ppm at 24 kHz and cannot be heard.
type drift struct {
	busy  bool
	other bool
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
	if d.other = !d.other; !d.busy || !d.other {
		return 0
	}
	return int(math.Copysign(1, missing))
}
