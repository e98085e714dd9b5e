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
	mono      []int16
}

func newIntake(rate audio.SampleRate) *intake { return &intake{rate: rate} }

// convert returns the samples of f in a buffer that nobody changes: the
// frame's own where nothing is to be converted. A format that makes no sense is
// an error once, and no samples from then on.
func (in *intake) convert(f *frames.AudioInput) ([]int16, error) {
	if f.Format != in.from || in.resampler == nil && in.err == nil {
		in.from = f.Format
		in.resampler, in.err = resampler(f.Format, in.rate)
		if in.err != nil {
			return nil, fmt.Errorf("user audio: %w", in.err)
		}
	}
	if in.err != nil {
		return nil, nil
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

func resampler(from audio.Format, to audio.SampleRate) (*audio.Resampler, error) {
	if err := from.Validate(); err != nil {
		return nil, err
	}
	return audio.NewResampler(from.Rate, to, 1)
}
