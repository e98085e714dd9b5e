package local

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
)

// gauge compares a device's clock, which is told by the samples that it takes or
// gives, with the system's.
//
// Callbacks are late as they like, but never early: so where the device really is,
// is known from those that were the least late. That line is
//
//	samples(t) = offset + rate × t,
//
// where t is the time since the device was opened and the offset changes slowly,
// as the clocks drift apart. Where a device pauses, as some do when they wake up,
// there is another line behind the pause.
type gauge struct {
	rate  float64
	began time.Time

	// The callback's own.
	count        int64
	before, best float64 // the highest offset of the last second, and of this one
	until        time.Duration
	calls        int           // on this line
	from, last   time.Duration // its first callback, and the last one

	steady atomic.Bool
	line   atomic.Uint64 // the offset: a float64
	latest atomic.Uint64 // the offset of the last callback alone
	at     atomic.Int64  // when that was, in nanoseconds since began; 0 before any
	total  atomic.Int64  // how many samples there have been
}

const (
	// gaugeWindow is how long an offset counts. It covers any hiccup, and a clock
	// that is wrong by 1000 ppm moves by a millisecond meanwhile.
	gaugeWindow = time.Second

	// A line is steady, and worth to be gone by, after so many callbacks and so long.
	steadyCalls = 2
	steadyAfter = 80 * time.Millisecond

	// A device pauses if it does not call for four times as long as it should, and
	// as much more.
	pause = 100 * time.Millisecond
)

func newGauge(rate audio.SampleRate) *gauge {
	return &gauge{rate: float64(rate), began: time.Now()}
}

// add is called by each callback, with how many samples it was about.
func (g *gauge) add(n int) {
	now := time.Since(g.began)
	if g.calls == 0 || now-g.last > pause+4*time.Duration(float64(n)/g.rate*float64(time.Second)) {
		g.steady.Store(false)
		g.calls, g.from = 0, now
		g.before, g.best, g.until = math.Inf(-1), math.Inf(-1), now+gaugeWindow
	}
	g.count += int64(n)
	g.calls, g.last = g.calls+1, now
	offset := float64(g.count) - g.rate*now.Seconds()
	if g.calls >= steadyCalls && now-g.from >= steadyAfter && !g.steady.Load() {
		// Only now does it count: the first callbacks may have been about what had
		// piled up.
		g.before, g.best, g.until = math.Inf(-1), offset, now+gaugeWindow
		defer g.steady.Store(true)
	}
	if now >= g.until {
		g.before, g.best, g.until = g.best, math.Inf(-1), now+gaugeWindow
	}
	g.best = max(g.best, offset)
	g.total.Store(g.count)
	g.line.Store(math.Float64bits(max(g.before, g.best)))
	g.latest.Store(math.Float64bits(offset))
	g.at.Store(int64(max(1, now)))
}

// offset returns the offset of the line, and of the last callback alone.
func (g *gauge) offset() (line, latest float64) {
	return math.Float64frombits(g.line.Load()), math.Float64frombits(g.latest.Load())
}

// samples returns where the device is at an instant, by its line.
func (g *gauge) samples(t time.Time) float64 {
	line, _ := g.offset()
	return line + g.rate*t.Sub(g.began).Seconds()
}

// idle returns for how long there has been no callback.
func (g *gauge) idle() time.Duration {
	return time.Since(g.began) - time.Duration(g.at.Load())
}
