package vad

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Params say what is speech and what is a pause. They can be changed in mid-call:
// see [Settings].
type Params struct {
	// Confidence is the probability from which on a window counts as speech.
	// Behind one that counts, a window suffices that is less likely by
	// Hysteresis: while Start is waited for, and until Stop is over. More than 0,
	// less than 1. Default: 0.7.
	Confidence float64

	// Start is how long speech must last, without a window that does not count,
	// before it is told of; what is shorter was a cough. It is rounded to whole
	// windows, one at least. Up to 10 s. Default: 200 ms.
	Start time.Duration

	// Stop is how long no window must count before the end of the speech is told
	// of. It is rounded to whole windows, one at least. Up to a minute.
	// Default: 800 ms.
	Stop time.Duration

	// MinVolume is the level in dBFS below which nothing counts, so that a
	// television in the next room does not. The level is that of the window
	// ([audio.RMS]); it falls by no more than 60 dB a second, so that the little
	// pauses within a word are not below it. From -100 to less than 0, or
	// math.Inf(-1) for any level. Default: -50.
	MinVolume float64
}

// Hysteresis is by how much less than Params.Confidence a window suffices for
// speech to go on; below a confidence of 0.3, half of that suffices.
const Hysteresis = 0.15

const (
	defaultConfidence = 0.7
	defaultStart      = 200 * time.Millisecond
	defaultStop       = 800 * time.Millisecond
	defaultMinVolume  = -50

	maxStart     = 10 * time.Second
	maxStop      = time.Minute
	leastTime    = 100 * time.Microsecond // anything less was meant in other units
	leastVolume  = -100
	volumeDecay  = 60.0 // decibels a second
	floorOfLevel = -100.0
)

// ParamError says which field of [Config], or of [Settings], cannot work, and why.
type ParamError struct {
	Field string // "Confidence"
	Err   error
}

func (e *ParamError) Error() string { return fmt.Sprintf("configure VAD: %s: %v", e.Field, e.Err) }

// Unwrap returns Err.
func (e *ParamError) Unwrap() error { return e.Err }

// Validate returns an error with a [ParamError] for each field that cannot work.
func (p Params) Validate() error { return p.withDefaults().check() }

// withDefaults puts the defaults in the place of zeros.
func (p Params) withDefaults() Params {
	if p.Confidence == 0 {
		p.Confidence = defaultConfidence
	}
	if p.Start == 0 {
		p.Start = defaultStart
	}
	if p.Stop == 0 {
		p.Stop = defaultStop
	}
	if p.MinVolume == 0 {
		p.MinVolume = defaultMinVolume
	}
	return p
}

func (p Params) check() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &ParamError{field, fmt.Errorf(format, args...)})
	}
	if !(p.Confidence > 0 && p.Confidence < 1) {
		bad("Confidence", "%v is not between 0 and 1: it is a probability", p.Confidence)
	}
	duration := func(field string, d, most time.Duration) {
		switch {
		case d < 0:
			bad(field, "%v is negative: the shortest is one window, which %v and more ask for", d, leastTime)
		case d < leastTime:
			bad(field, "%v is no time that can be heard: multiply by time.Second or time.Millisecond", d)
		case d > most:
			bad(field, "%v is more than %v: nobody could tell the difference from no detector at all", d, most)
		}
	}
	duration("Start", p.Start, maxStart)
	duration("Stop", p.Stop, maxStop)
	if !(p.MinVolume >= leastVolume && p.MinVolume < 0 || math.IsInf(p.MinVolume, -1)) {
		bad("MinVolume", "%v is not a level from %d to less than 0 dBFS: minus infinity turns the limit off, and what Pipecat calls 0.6 is -50", p.MinVolume, leastVolume)
	}
	return errors.Join(errs...)
}

// Settings changes parameters in mid-call. It is what a frames.UpdateSettings
// carries for this processor:
//
//	p.Send(ctx, &frames.UpdateSettings{Settings: vad.Settings{Stop: new(300 * time.Millisecond)}})
//
// Nil fields stay as they are. The change holds from the next window on, for
// speech and pauses that are going on as well. If one of them cannot work, none
// is made, and an Error frame with a [ParamError] says so.
type Settings struct {
	Confidence *float64
	Start      *time.Duration
	Stop       *time.Duration
	MinVolume  *float64
}

// apply returns p with the changes made. Unlike in Params, a zero is no default.
func (s Settings) apply(p Params) (Params, error) {
	set(&p.Confidence, s.Confidence)
	set(&p.Start, s.Start)
	set(&p.Stop, s.Stop)
	set(&p.MinVolume, s.MinVolume)
	return p, p.check()
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}
