package novasonic

import (
	"slices"
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

	// The loudness of each levelBlock of the samples that are kept.
	block  int // samples in one
	levels []float32
	sum    float64 // of the squares of the samples of the block in progress

	loud   float32 // the power from which on a block counts as a sound …
	loudAt int64   // … judged when so many blocks had been measured
	sorted []float32

	gap audio.Position // the last place at which the user's audio paused, and silence stood in for it
}

// levelBlock is how finely loudness is known.
const levelBlock = 10 * time.Millisecond

func newRing(rate audio.SampleRate, keep time.Duration) *ring {
	block := int(rate.Samples(levelBlock))
	blocks := int(rate.Samples(keep)) / block
	return &ring{buf: make([]int16, blocks*block), block: block, levels: make([]float32, blocks)}
}

// write appends samples, pushing out the oldest.
func (r *ring) write(samples []int16) {
	r.measure(samples)
	r.end += audio.Position(len(samples))
	if len(samples) > len(r.buf) {
		samples = samples[len(samples)-len(r.buf):]
	}
	at := int((int64(r.end) - int64(len(samples))) % int64(len(r.buf)))
	n := copy(r.buf[at:], samples)
	copy(r.buf, samples[n:])
}

// measure takes the loudness of samples that are about to be written.
func (r *ring) measure(samples []int16) {
	at := int64(r.end)
	for len(samples) > 0 {
		n := min(len(samples), r.block-int(at%int64(r.block)))
		var sum int64
		for _, s := range samples[:n] {
			sum += int64(s) * int64(s)
		}
		r.sum += float64(sum)
		at += int64(n)
		samples = samples[n:]
		if at%int64(r.block) == 0 {
			r.levels[(at/int64(r.block)-1)%int64(len(r.levels))] = float32(r.sum / float64(r.block))
			r.sum = 0
		}
	}
}

const (
	// floorSpan is the time over which the background is judged: everybody who
	// speaks pauses within it. The background is what a tenth of it is below.
	floorSpan = 5 * time.Second

	// floorLeast is how much has to be known of it: who speaks as the call begins has
	// not paused yet. Until then everything counts as a sound.
	floorLeast = time.Second

	// soundRatio is how far above the background, as a power, a sound begins: 6 dB.
	// Detectors of speech ask for more; what this finds is only heard again.
	soundRatio = 4

	// leastSound is the power below which nothing is a sound: -60 dBFS.
	leastSound = 33 * 33

	// soundGap is the pause within which two sounds are one: the gap before a
	// plosive, or between two words.
	soundGap = 300 * time.Millisecond
)

// threshold is the power from which on a block counts as a sound. Every loop of
// the conversation asks for it; it is judged anew as soon as a fiftieth of what
// it is judged by is new.
func (r *ring) threshold() float32 {
	last := int64(r.end) / int64(r.block)
	n := min(last, int64(floorSpan/levelBlock), int64(len(r.levels)))
	switch {
	case n < int64(floorLeast/levelBlock):
		return leastSound
	case r.loudAt > 0 && last-r.loudAt < max(1, n/50):
		return r.loud
	}
	r.sorted = r.sorted[:0]
	for b := last - n; b < last; b++ {
		r.sorted = append(r.sorted, r.levels[b%int64(len(r.levels))])
	}
	slices.Sort(r.sorted)
	r.loud, r.loudAt = max(leastSound, soundRatio*r.sorted[len(r.sorted)/10]), last
	return r.loud
}

// firstSound returns where the first sound since a position begins, or the end
// if there has been none.
func (r *ring) firstSound(since audio.Position) audio.Position {
	threshold := r.threshold()
	since = max(since, r.start())
	for b := (int64(since) + int64(r.block) - 1) / int64(r.block); b < int64(r.end)/int64(r.block); b++ {
		if r.levels[b%int64(len(r.levels))] > threshold {
			return audio.Position(b * int64(r.block))
		}
	}
	return r.end
}

// soundEnd returns where the last sound since a position ends: there, if there has
// been none.
func (r *ring) soundEnd(since audio.Position) audio.Position {
	threshold := r.threshold()
	since = max(since, r.start())
	for b := int64(r.end)/int64(r.block) - 1; b*int64(r.block) >= int64(since); b-- {
		if r.levels[b%int64(len(r.levels))] > threshold {
			return audio.Position((b + 1) * int64(r.block))
		}
	}
	return since
}

// lastSound returns where the sound that lasts until now, or was there less
// than a gap ago, begins: not before since. It is the end if it is quiet.
func (r *ring) lastSound(since audio.Position) audio.Position {
	threshold := r.threshold()
	since = max(since, r.start(), r.gap)
	begin := r.end
	gap := int64(soundGap / levelBlock)
	for b, quiet := int64(r.end)/int64(r.block)-1, int64(0); b*int64(r.block) >= int64(since) && quiet < gap; b-- {
		quiet++
		if r.levels[b%int64(len(r.levels))] > threshold {
			begin, quiet = audio.Position(b*int64(r.block)), 0
		}
	}
	return begin
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
