package local

import (
	"time"

	"github.com/parley-go/parley/audio"
)

const (
	// maxWait is how long a piece is waited for while its device is there. What
	// comes no later is a piece that comes late; what does is too late, and silent.
	maxWait = 200 * time.Millisecond

	// maxLate is how late it may be before the pieces that are missing are left
	// out: nobody wants hours of silence from a machine that was asleep.
	maxLate = time.Second
)

// hearing makes pieces of equal length, on the call's clock, of what microphones
// hear on theirs. One goroutine uses it.
//
//	device ─▶ ring ─▶ rate ─▶ waiting ─▶ a sample more or fewer ─▶ piece
type hearing struct {
	rate   audio.SampleRate
	length int // of a piece
	start  time.Time
	told   *counters

	line      *line
	resampler *audio.Resampler
	placed    bool
	taken     int64 // from the line since it was placed
	skip      int   // samples to come that are too many

	next      audio.Position // where the next piece begins
	waiting   []int16        // what it, and those behind it, are made of
	raw       []int16
	stretcher stretcher
	drift     drift
}

func newHearing(rate audio.SampleRate, length int, start time.Time, told *counters) *hearing {
	return &hearing{rate: rate, length: length, start: start, told: told, raw: make([]int16, 4096)}
}

// listen takes what has come. l is the device that is open; nil if there is none.
func (h *hearing) listen(l *line) error {
	if l != h.line {
		h.drain() // what the last one heard before it was lost
		h.line, h.placed = l, false
	}
	if l == nil {
		return nil
	}
	if !h.placed {
		if !l.gauge.steady.Load() {
			return nil
		}
		if err := h.place(); err != nil {
			return err
		}
	}
	line, latest := l.gauge.offset()
	if missing := -h.surplus(line); l.gauge.steady.Load() && missing > float64(h.rate.Samples(beyond)) {
		h.told.underrun(int64(missing), h.rate)
		h.silence(int64(missing))
	}
	h.drain()
	// Nothing can have been heard before it was spoken: what is ahead came too late.
	if surplus := h.surplus(latest); surplus > float64(h.rate.Samples(beyond)) {
		h.told.overrun(int64(surplus), h.rate)
		h.leaveOut(int(surplus))
	}
	return nil
}

// place finds out where on the call's clock the first sample in the ring belongs.
func (h *hearing) place() (err error) {
	if h.resampler, err = audio.NewResampler(h.line.rate, h.rate, 1); err != nil {
		return err
	}
	h.placed, h.taken, h.skip = true, 0, 0
	line, _ := h.line.gauge.offset()
	if before := -h.surplus(line); before > 0 {
		h.silence(int64(before))
	} else {
		h.skip = int(-before)
	}
	return nil
}

// surplus returns how many samples more wait than should, by a device's offset:
// what is heard at an instant has its position, behind the filters.
func (h *hearing) surplus(offset float64) float64 {
	ahead := float64(h.end()) - float64(h.taken)*float64(h.rate)/float64(h.line.rate)
	device := offset * float64(h.rate) / float64(h.line.rate)
	since := h.start.Sub(h.line.gauge.began).Seconds() * float64(h.rate)
	return ahead + device + since + float64(h.resampler.Delay()+half)
}

// end is where what comes next belongs, if it is too late by h.skip.
func (h *hearing) end() audio.Position {
	return h.next + audio.Position(len(h.waiting)-h.skip)
}

// drain takes from the ring what is in it.
func (h *hearing) drain() {
	if h.line == nil || !h.placed {
		return
	}
	for {
		n := h.line.ring.take(h.raw)
		if n == 0 {
			return
		}
		h.taken += int64(n)
		at := len(h.waiting)
		h.waiting = h.resampler.Resample(h.waiting, h.raw[:n])
		late := min(h.skip, len(h.waiting)-at)
		h.waiting = append(h.waiting[:at], h.waiting[at+late:]...)
		h.skip -= late
	}
}

// silence lets so many samples be silent; a gap, if they are too many.
func (h *hearing) silence(n int64) {
	if n > h.rate.Samples(maxLate) {
		h.next += audio.Position(int64(len(h.waiting)) + n)
		h.waiting = h.waiting[:0]
		return
	}
	h.waiting = audio.AppendSilence(h.waiting, int(n))
}

// leaveOut drops so many of the oldest samples.
func (h *hearing) leaveOut(n int) {
	now := min(n, len(h.waiting))
	h.waiting = append(h.waiting[:0], h.waiting[now:]...)
	h.skip += n - now
}

// piece returns the next piece, if it is complete or must not be waited for any
// longer, and where it belongs.
func (h *hearing) piece(now time.Time) ([]int16, audio.Position, bool) {
	n := h.length
	if h.placed && h.line != nil && h.line.gauge.steady.Load() {
		line, _ := h.line.gauge.offset()
		n -= h.drift.next(-h.surplus(line), h.rate)
	}
	if len(h.waiting) < n {
		late := now.Sub(h.due())
		if late < 0 {
			return nil, 0, false
		}
		if h.placed && h.line != nil {
			h.told.underrun(int64(n-len(h.waiting)), h.rate)
		}
		h.told.silent.Add(int64(h.rate.Duration(int64(n - len(h.waiting)))))
		if late > maxLate {
			missed := h.rate.Samples(late) / int64(h.length) * int64(h.length)
			h.next += audio.Position(missed)
		}
		h.waiting = audio.AppendSilence(h.waiting, n-len(h.waiting))
	}
	h.drift.made()
	switch {
	case n > h.length:
		h.told.shortened.Add(1)
	case n < h.length:
		h.told.stretched.Add(1)
	}
	samples := h.stretcher.stretch(make([]int16, 0, h.length), h.waiting[:n], h.length)
	h.waiting = append(h.waiting[:0], h.waiting[n:]...)
	at := h.next
	h.next += audio.Position(h.length)
	return samples, at, true
}

// due returns when the next piece must not be waited for any longer.
func (h *hearing) due() time.Time {
	d := h.start.Add(h.rate.Duration(int64(h.next) + int64(h.length)))
	if h.line != nil {
		d = d.Add(maxWait)
	}
	return d
}
