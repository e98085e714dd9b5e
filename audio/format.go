package audio

import (
	"fmt"
	"time"
)

// SampleRate is a number of samples a second on one channel, in hertz.
type SampleRate int

// The rates that telephony, speech services and browsers use.
const (
	Rate8k    SampleRate = 8000
	Rate11k   SampleRate = 11025
	Rate16k   SampleRate = 16000
	Rate22k   SampleRate = 22050
	Rate24k   SampleRate = 24000
	Rate32k   SampleRate = 32000
	Rate44k   SampleRate = 44100
	Rate48k   SampleRate = 48000
	maxRate   SampleRate = 768000
	maxLayout            = 64
)

// Samples returns the number of whole samples in d, rounded to the nearest.
// It is exact for any duration of less than a thousand years.
func (r SampleRate) Samples(d time.Duration) int64 {
	// Whole seconds apart, so that the product cannot overflow.
	s, frac := int64(d/time.Second), int64(d%time.Second)
	half := int64(time.Second / 2)
	if frac < 0 {
		half = -half
	}
	return s*int64(r) + (frac*int64(r)+half)/int64(time.Second)
}

// Duration returns how long n samples last at rate r, rounded to the nearest
// nanosecond; 0 if r is not positive.
func (r SampleRate) Duration(n int64) time.Duration {
	if r <= 0 {
		return 0
	}
	s, rest := n/int64(r), n%int64(r)
	half := int64(r) / 2
	if rest < 0 {
		half = -half
	}
	return time.Duration(s)*time.Second + time.Duration((rest*int64(time.Second)+half)/int64(r))
}

// String returns the rate as people write it: "16 kHz", "11.025 kHz".
func (r SampleRate) String() string {
	return fmt.Sprintf("%g kHz", float64(r)/1000)
}

// Position is the index of a sample on its stream's clock, counted for one
// channel from the stream's first sample, which is 0. Positions, not wall
// clock times, say when something was said or heard.
type Position int64

// At converts a position on a clock of rate from to the same instant on a
// clock of rate to, rounded down.
func (p Position) At(from, to SampleRate) Position {
	if from == to || from <= 0 {
		return p
	}
	s, rest := int64(p)/int64(from), int64(p)%int64(from)
	if rest < 0 {
		s, rest = s-1, rest+int64(from)
	}
	return Position(s*int64(to) + rest*int64(to)/int64(from))
}

// Format describes PCM samples in memory: always signed 16-bit, interleaved.
type Format struct {
	Rate     SampleRate // samples a second on each channel
	Channels int        // 1 is mono, 2 is left and right
}

// Mono is one channel at rate r.
func Mono(r SampleRate) Format { return Format{Rate: r, Channels: 1} }

// Stereo is two channels at rate r.
func Stereo(r SampleRate) Format { return Format{Rate: r, Channels: 2} }

// Validate returns an error that names the field if f cannot describe audio:
// a rate of 1 to 768,000 Hz and 1 to 64 channels can.
func (f Format) Validate() error {
	if f.Rate <= 0 || f.Rate > maxRate {
		return fmt.Errorf("audio: sample rate %d Hz is not between 1 and %d Hz", int(f.Rate), int(maxRate))
	}
	if f.Channels <= 0 || f.Channels > maxLayout {
		return fmt.Errorf("audio: %d channels is not between 1 and %d", f.Channels, maxLayout)
	}
	return nil
}

// Frames returns how many samples on each channel a buffer of n interleaved
// values holds.
func (f Format) Frames(n int) int {
	if f.Channels <= 1 {
		return n
	}
	return n / f.Channels
}

// Duration returns how long a buffer of n interleaved values lasts.
func (f Format) Duration(n int) time.Duration {
	return f.Rate.Duration(int64(f.Frames(n)))
}

// String returns, for instance, "16 kHz mono".
func (f Format) String() string {
	switch f.Channels {
	case 1:
		return f.Rate.String() + " mono"
	case 2:
		return f.Rate.String() + " stereo"
	}
	return fmt.Sprintf("%v %d channels", f.Rate, f.Channels)
}
