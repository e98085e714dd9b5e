package local

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
)

// line is a device that is open, and what lies between its callback and the
// pipeline. It is good until the device is lost.
type line struct {
	stream stream
	name   string
	rate   audio.SampleRate
	ring   *ring
	gauge  *gauge
	told   *counters

	wake    func()        // something has come, or the device has stopped
	stopped chan struct{} // it has stopped of its own accord

	primed atomic.Bool   // of a loudspeaker: what it lacks is missing
	taking atomic.Uint32 // odd while a loudspeaker takes something: see ahead
}

// ringLength is how much a ring holds: far more than is ever in it, unless the
// pipeline stands still.
const ringLength = 2 * time.Second

// fadeLength is how long what is cut goes on, softer and softer.
const fadeLength = 5 * time.Millisecond

func newLine(s stream, name string, told *counters, wake func()) *line {
	rate := s.rate()
	return &line{
		stream: s, name: name, rate: rate,
		ring:  newRing(int(rate.Samples(ringLength)), int(rate.Samples(fadeLength))),
		gauge: newGauge(rate), told: told, wake: wake, stopped: make(chan struct{}, 1),
	}
}

// start lets the device run.
func (l *line) start(kind Kind) error {
	data := l.heard
	if kind == Loudspeaker {
		data = l.play
	}
	return l.stream.start(data, func() {
		select {
		case l.stopped <- struct{}{}:
		default:
		}
	})
}

// heard is called by a microphone. It neither waits nor allocates.
func (l *line) heard(p []int16) {
	n := l.ring.write(p)
	if n < len(p) {
		l.told.overrun(int64(len(p)-n), l.rate)
	}
	l.gauge.add(n)
	l.wake()
}

// play is called by a loudspeaker. It neither waits nor allocates. What is
// missing is silent, and makes what follows late.
func (l *line) play(p []int16) {
	l.taking.Add(1)
	defer l.taking.Add(1)
	n := l.ring.take(p)
	clear(p[n:])
	if n < len(p) && l.primed.Load() {
		l.told.underrun(int64(len(p)-n), l.rate)
	}
	l.gauge.add(len(p))
}

// ahead returns how many samples lie before one that is put into the ring now, by
// the device's line. It is not known for a moment while a callback is at work,
// which nobody waits for.
func (l *line) ahead() (samples float64, ok bool) {
	for range 100 {
		before := l.taking.Load()
		n := l.ring.filled() + l.gauge.total.Load()
		taken := l.gauge.samples(time.Now())
		if before%2 == 0 && l.taking.Load() == before {
			return float64(n) - taken, true
		}
		runtime.Gosched()
	}
	return 0, false
}

// counters are what is counted of one side, across all its devices. They are
// safe for concurrent use, and never wait.
type counters struct {
	underruns, underrunFor atomic.Int64 // the latter in nanoseconds
	overruns, overrunFor   atomic.Int64
	lost                   atomic.Int64
	silent                 atomic.Int64 // nanoseconds
	stretched              atomic.Int64 // samples more
	shortened              atomic.Int64 // samples fewer
}

func (c *counters) underrun(n int64, rate audio.SampleRate) {
	c.underruns.Add(1)
	c.underrunFor.Add(int64(rate.Duration(n)))
}

func (c *counters) overrun(n int64, rate audio.SampleRate) {
	c.overruns.Add(1)
	c.overrunFor.Add(int64(rate.Duration(n)))
}
