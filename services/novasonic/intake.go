package novasonic

import (
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/convert"
)

// intake turns the caller's audio, of whatever format, into mono at the rate
// that the service is sent.
type intake struct {
	to        audio.Format
	from      audio.Format
	err       error // why from cannot be converted
	converter *convert.Converter
	next      audio.Position // where the next frame begins, if it continues this one …
	at        audio.Position // … and at the service's rate what comes of it
}

func newIntake(rate audio.SampleRate) *intake { return &intake{to: audio.Mono(rate)} }

// convert returns samples in a buffer that nobody changes, the frame's own where
// nothing is to be converted, and where on the caller's track the first of them
// belongs, at the service's rate: before f by what was still held back. A format
// that makes no sense is an error once, and no samples from then on.
func (in *intake) convert(f *frames.AudioInput) (samples []int16, at audio.Position, err error) {
	switch {
	case f.Format != in.from || in.converter == nil && in.err == nil:
		begins := in.from == audio.Format{}
		if in.converter != nil {
			samples = in.converter.Finish(nil)
		}
		in.from = f.Format
		if in.converter, in.err = convert.New(f.Format, in.to); in.err != nil {
			return samples, in.at, fmt.Errorf("user audio: %w", in.err)
		}
		if begins {
			// Silence, from before the call, makes up for what is held back, so that
			// every piece is as long as the caller's. What a stream begins with is then
			// on a grid of such pieces, whichever it is, and its service judges the same
			// samples together.
			samples = make([]int16, in.converter.Lag())
		}
		in.at = in.place(f) - audio.Position(len(samples))
	case in.err != nil:
		return nil, 0, nil
	case f.Position != in.next: // its filter goes on all the same
		in.at = in.place(f) - audio.Position(in.converter.Held())
	}
	in.next = f.End()
	if f.Format == in.to && len(samples) == 0 {
		samples = f.Samples
	} else {
		samples = in.converter.Convert(samples, f.Samples)
	}
	at = in.at
	in.at += audio.Position(len(samples))
	return samples, at, nil
}

// place is where f begins, at the service's rate.
func (in *intake) place(f *frames.AudioInput) audio.Position {
	return f.Position.At(f.Format.Rate, in.to.Rate)
}
