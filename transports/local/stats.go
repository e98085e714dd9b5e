package local

import (
	"math"
	"time"

	"github.com/parley-go/parley/audio"
)

// Stats tells how the devices do.
type Stats struct {
	Microphone  DeviceStats
	Loudspeaker DeviceStats
}

// DeviceStats tells how one side does, whichever device it has.
type DeviceStats struct {
	// Device is the name of what is open, and Rate the rate at which it runs; both
	// are zero while there is none.
	Device string
	Rate   audio.SampleRate

	// Level is that of the last 20 ms, in dBFS RMS; -Inf for silence.
	Level float64

	// Underruns counts the holes in the sound of a device that is there: what a
	// microphone did not deliver in time, or what was not there in time for a
	// loudspeaker. Overruns counts what was thrown away because it was too much
	// or too late. Both are measured, too.
	Underruns, Overruns     int64
	UnderrunFor, OverrunFor time.Duration

	// Lost counts how often the device went away, and Silent is for how long what
	// the caller said was replaced by silence.
	Lost   int64
	Silent time.Duration

	// Stretched and Shortened count the samples that were added and left out
	// because the device's clock is not the system's.
	Stretched, Shortened int64
}

// Stats returns how the devices do. It may be called at any time from any
// goroutine.
func (t *Transport) Stats() Stats {
	return Stats{
		Microphone:  t.input.keeper.stats(t.input.level.Load()),
		Loudspeaker: t.speaker.keeper.stats(t.speaker.level.Load()),
	}
}

func (k *keeper) stats(level uint64) DeviceStats {
	c := &k.counters
	s := DeviceStats{
		Level:     math.Float64frombits(level),
		Underruns: c.underruns.Load(), UnderrunFor: time.Duration(c.underrunFor.Load()),
		Overruns: c.overruns.Load(), OverrunFor: time.Duration(c.overrunFor.Load()),
		Lost: c.lost.Load(), Silent: time.Duration(c.silent.Load()),
		Stretched: c.stretched.Load(), Shortened: c.shortened.Load(),
	}
	if l := k.line.Load(); l != nil {
		s.Device, s.Rate = l.name, l.rate
	}
	return s
}
