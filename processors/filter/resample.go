package filter

import (
	"context"
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/convert"
	"github.com/parley-go/parley/internal/mistakes"
	"github.com/parley-go/parley/pipeline"
)

// converter is the filter Resample.
type converter struct {
	delayed
	to audio.Format
}

// Resample makes a processor that converts one side's audio to another rate and
// number of channels. Positions are converted with it, and the delay of the
// filter is taken out: each sample is where its position says, or up to one
// sample before. For that, audio is held back by 52 samples of the lower rate
// (3 ms at 16 kHz), until more of its track arrives, or End, or the TTSStop of the
// agent's response. A gap in the positions remains one, and what is contiguous
// remains so. Audio that cannot be converted is dropped, and reported once in ten
// seconds of its track. Of more than 64 tracks, the one that has been quiet for
// longest is finished.
func Resample(side Side, to audio.Format) pipeline.Processor {
	c := &converter{to: to}
	c.delayed = delayed{side: side, verb: "resample", strict: true, open: c.convert}
	return c
}

// Name returns "resample".
func (c *converter) Name() string { return "resample" }

// Start checks the side and the format.
func (c *converter) Start(context.Context, *pipeline.Port) error {
	var wrong mistakes.List
	c.side.check(&wrong)
	wrong.Join(c.to.Validate())
	if err := wrong.Err(); err != nil {
		return fmt.Errorf("configure resample: %w", err)
	}
	return nil
}

// convert makes what converts a track.
func (c *converter) convert(f audio.Format) (work, error) {
	if f == c.to {
		return nil, nil
	}
	converter, err := convert.New(f, c.to)
	if err != nil {
		return nil, err
	}
	return conversion{converter}, nil
}

// conversion is the work of a converter.
type conversion struct{ *convert.Converter }

func (w conversion) format() audio.Format { return w.Out() }
func (w conversion) reset()               { w.Reset() }

func (w conversion) do(samples []int16) ([]int16, error) { return w.Convert(nil, samples), nil }

func (w conversion) rest() ([]int16, error) { return w.Finish(nil), nil }
