package local

import (
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

	primed atomic.Bool // of a loudspeaker: what it lacks is missing
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
	n := l.ring.take(p)
	clear(p[n:])
	if n < len(p) && l.primed.Load() {
		l.told.underrun(int64(len(p)-n), l.rate)
	}
	l.gauge.add(len(p))
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
