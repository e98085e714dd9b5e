package novasonic

import (
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// intake turns the caller's audio, of whatever format, into mono at the rate
// that the service is sent.
type intake struct {
	rate      audio.SampleRate
	from      audio.Format
	err       error // why from cannot be converted
	resampler *audio.Resampler
	skip      int            // of its first samples, which are its delay
	next      audio.Position // where the next frame begins, if it continues this one …
	at        audio.Position // … and at the service's rate what comes of it
	mono      []int16
}

func newIntake(rate audio.SampleRate) *intake { return &intake{rate: rate} }

// convert returns samples in a buffer that nobody changes, the frame's own where
// nothing is to be converted, and where on the caller's track the first of them
// belongs, at the service's rate: before f by what was still in the resampler. A
// format that makes no sense is an error once, and no samples from then on.
func (in *intake) convert(f *frames.AudioInput) (samples []int16, at audio.Position, err error) {
	var rest []int16
	switch {
	case f.Format != in.from || in.resampler == nil && in.err == nil:
		rest = in.rest()
		in.from = f.Format
		if in.resampler, in.err = resampler(f.Format, in.rate); in.err != nil {
			return rest, in.at, fmt.Errorf("user audio: %w", in.err)
		}
		in.skip, in.at = in.resampler.Delay(), f.Position.At(f.Format.Rate, in.rate)-audio.Position(len(rest))
	case in.err != nil:
		return nil, 0, nil
	case f.Position != in.next: // the resampler goes on all the same
		in.at = f.Position.At(f.Format.Rate, in.rate) - audio.Position(in.resampler.Delay()-in.skip)
	}
	in.next = f.End()
	samples = in.resample(f)
	n := min(in.skip, len(samples))
	in.skip -= n
	samples, at = samples[n:], in.at
	if len(rest) > 0 {
		samples = append(rest, samples...)
	}
	in.at += audio.Position(len(samples))
	return samples, at, nil
}

// rest returns what is still in the resampler.
func (in *intake) rest() []int16 {
	if in.resampler == nil {
		return nil
	}
	rest := in.resampler.Flush(nil)
	return rest[min(in.skip, len(rest)):]
}

// resample returns f at the service's rate, late by the resampler's delay.
func (in *intake) resample(f *frames.AudioInput) []int16 {
	mono := f.Samples
	if f.Format.Channels > 1 {
		in.mono = audio.Remix(in.mono[:0], f.Samples, f.Format.Channels, 1)
		mono = in.mono
		if f.Format.Rate == in.rate {
			return append([]int16(nil), mono...)
		}
	}
	if f.Format.Rate == in.rate {
		return mono
	}
	return in.resampler.Resample(make([]int16, 0, int64(len(mono))*int64(in.rate)/int64(f.Format.Rate)+1), mono)
}

func resampler(from audio.Format, to audio.SampleRate) (*audio.Resampler, error) {
	if err := from.Validate(); err != nil {
		return nil, err
	}
	return audio.NewResampler(from.Rate, to, 1)
}
