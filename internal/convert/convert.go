// Package convert converts audio from one format to another and leaves each
// sample where it is: the delay of the filter between two rates is taken out.
package convert

import (
	"slices"

	"github.com/parley-go/parley/audio"
)

// Converter converts contiguous audio. What goes in at position p comes out at
// p.At(in, out), where both begin with 0. For that, audio of another rate is held
// back by as much as the filter lags, 52 samples of the lower rate; Finish brings it
// out. Then n frames have become exactly ceil(n*out/in).
//
// It is used by one goroutine at a time.
type Converter struct {
	in, out   audio.Format
	resampler *audio.Resampler // nil if the rates are the same
	skip      int              // frames of what it makes to leave out: its delay
	remixed   []int16
}

// New makes a converter. It fails if a format makes no sense, or as
// [audio.NewResampler] does.
func New(in, out audio.Format) (*Converter, error) {
	for _, f := range []audio.Format{in, out} {
		if err := f.Validate(); err != nil {
			return nil, err
		}
	}
	c := &Converter{in: in, out: out}
	if in.Rate == out.Rate {
		return c, nil
	}
	// Channels are changed first, so that there is one filter for mono output.
	r, err := audio.NewResampler(in.Rate, out.Rate, out.Channels)
	if err != nil {
		return nil, err
	}
	c.resampler, c.skip = r, r.Delay()
	return c, nil
}

// In returns the format of what goes in.
func (c *Converter) In() audio.Format { return c.in }

// Out returns the format of what comes out.
func (c *Converter) Out() audio.Format { return c.out }

// Convert appends to dst what comes of src, whole frames, and returns it. It keeps
// neither; they must not overlap.
func (c *Converter) Convert(dst, src []int16) []int16 {
	if c.resampler == nil {
		return audio.Remix(dst, src, c.in.Channels, c.out.Channels)
	}
	if c.in.Channels != c.out.Channels {
		c.remixed = audio.Remix(c.remixed[:0], src, c.in.Channels, c.out.Channels)
		src = c.remixed
	}
	begin := len(dst)
	return c.trim(c.resampler.Resample(dst, src), begin)
}

// Finish appends to dst what is still held back and returns it. What goes in next
// does not continue what went in before.
func (c *Converter) Finish(dst []int16) []int16 {
	if c.resampler == nil {
		return dst
	}
	begin := len(dst)
	dst = c.trim(c.resampler.Flush(dst), begin)
	c.skip = c.resampler.Delay()
	return dst
}

// Lag returns how many frames are held back at most.
func (c *Converter) Lag() int {
	if c.resampler == nil {
		return 0
	}
	return c.resampler.Delay()
}

// Held returns how many frames are held back: what goes in next comes out behind
// them.
func (c *Converter) Held() int {
	if c.resampler == nil {
		return 0
	}
	return c.resampler.Delay() - c.skip
}

// Reset forgets what is held back, and does otherwise what Finish does.
func (c *Converter) Reset() {
	if c.resampler != nil {
		c.resampler.Reset()
		c.skip = c.resampler.Delay()
	}
}

// trim leaves out, from begin on, what is still to be left out.
func (c *Converter) trim(dst []int16, begin int) []int16 {
	n := min(c.skip, c.out.Frames(len(dst)-begin))
	c.skip -= n
	return slices.Delete(dst, begin, begin+n*c.out.Channels)
}
