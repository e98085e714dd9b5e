package enhance

import (
	"math"

	"github.com/parley-go/parley/audio"
)

// limiter keeps peaks below a ceiling without a click. A peak is known n samples
// before it leaves, and the gain has reached what it needs by then:
//
//	needed gain ─▶ least of the last n+1 ─▶ mean of the last n+1 ─▶ × delayed samples
//
// Each of the means that are applied to a peak is of n+1 minima which all include
// what that peak needs, so it is not greater.
type limiter struct {
	ceiling  float64
	channels int
	n        int // by how many samples it looks ahead

	delay []float32 // the last n frames, as a ring
	at    int       // the oldest of them

	// The minima of a sliding window: those gains that may still become the least,
	// rising, each with the sample at which it is too old.
	queue       []bound
	head, count int
	now         int64

	mins []float64 // the last n+1 minima, as a ring
	next int
	sum  float64
}

type bound struct {
	gain  float64
	until int64
}

func newLimiter(f audio.Format, ceiling float64) limiter {
	n := int(f.Rate.Samples(lookAhead))
	l := limiter{
		ceiling: ceiling, channels: f.Channels, n: n,
		delay: make([]float32, n*f.Channels),
		queue: make([]bound, n+2),
		mins:  make([]float64, n+1),
	}
	l.reset()
	return l
}

func (l *limiter) reset() {
	clear(l.delay)
	l.at, l.head, l.count, l.now, l.next = 0, 0, 0, 0, 0
	for i := range l.mins {
		l.mins[i] = 1
	}
	l.sum = float64(len(l.mins))
}

// limit exchanges a frame for the one n frames ago, limited.
func (l *limiter) limit(frame []float32) {
	var peak float64
	for _, x := range frame {
		peak = max(peak, math.Abs(float64(x)))
	}
	needed := 1.0
	if peak > l.ceiling {
		needed = l.ceiling / peak
	}
	least := l.slide(needed)
	l.sum += least - l.mins[l.next]
	l.mins[l.next] = least
	l.next++
	if l.next == len(l.mins) {
		l.next = 0
		l.sum = 0 // renewed, so that rounding errors do not add up
		for _, m := range l.mins {
			l.sum += m
		}
	}
	gain := l.sum / float64(len(l.mins))
	// The greatest float32 that is not above, for both rounding errors.
	most := float32(l.ceiling)
	if l.n == 0 {
		for ch, x := range frame {
			frame[ch] = min(max(x*float32(gain), -most), most)
		}
		return
	}
	held := l.delay[l.at : l.at+l.channels]
	l.at += l.channels
	if l.at == len(l.delay) {
		l.at = 0
	}
	for ch, x := range frame {
		frame[ch] = min(max(held[ch]*float32(gain), -most), most)
		held[ch] = x
	}
}

// slide returns the least gain of the last n+1.
func (l *limiter) slide(gain float64) float64 {
	l.now++
	for l.count > 0 && l.queue[l.head].until < l.now {
		l.head = l.wrap(l.head + 1)
		l.count--
	}
	for l.count > 0 && l.queue[l.wrap(l.head+l.count-1)].gain >= gain {
		l.count--
	}
	l.queue[l.wrap(l.head+l.count)] = bound{gain, l.now + int64(l.n)}
	l.count++
	return l.queue[l.head].gain
}

func (l *limiter) wrap(i int) int {
	if i >= len(l.queue) {
		return i - len(l.queue)
	}
	return i
}
