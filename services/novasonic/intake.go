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
	resampler *audio.Resampler
	mono      []int16
}

func newIntake(rate audio.SampleRate) *intake { return &intake{rate: rate} }

// convert returns the samples of f in a buffer that nobody changes: the
// frame's own where nothing is to be converted.
func (in *intake) convert(f *frames.AudioInput) ([]int16, error) {
	if f.Format != in.from {
		if err := f.Format.Validate(); err != nil {
			return nil, fmt.Errorf("user audio: %w", err)
		}
		r, err := audio.NewResampler(f.Format.Rate, in.rate, 1)
		if err != nil {
			return nil, fmt.Errorf("user audio: %w", err)
		}
		in.from, in.resampler = f.Format, r
	}
	mono := f.Samples
	if f.Format.Channels > 1 {
		in.mono = audio.Remix(in.mono[:0], f.Samples, f.Format.Channels, 1)
		mono = in.mono
		if f.Format.Rate == in.rate {
			return append([]int16(nil), mono...), nil
		}
	}
	if f.Format.Rate == in.rate {
		return mono, nil
	}
	return in.resampler.Resample(make([]int16, 0, int64(len(mono))*int64(in.rate)/int64(f.Format.Rate)+1), mono), nil
}
