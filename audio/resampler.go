package audio

import (
	"fmt"
	"slices"

	"github.com/parley-go/parley/internal/dot"
)

// resampleBlock is how many frames are converted to floats at a time: enough
// to make moving the history cheap, few enough to stay in the first-level
// cache.
const resampleBlock = 1024

// Resampler converts a stream of interleaved 16-bit PCM from one sample rate to
// another. It is a linear-phase polyphase filter: tones up to 0.45 of the lower
// rate pass within 0.1 dB, and every alias is below -90 dB.
//
// After n frames of input there have been exactly ceil(n*out/in) frames of
// output, whatever the sizes of the pieces were, for hours and days: 20 ms in
// are 20 ms out, in the same call, with no drift. How the input is cut makes no
// difference to any sample.
//
// A Resampler is used by one goroutine at a time.
type Resampler struct {
	in, out  SampleRate
	channels int
	filter   *filter // nil if in and out are the same

	// Output j lies at j*step.in/step.out on the input's clock; whole and rem
	// are in/out and in%out.
	step       ratio
	whole, rem int

	// next is the index in the channels' histories of the newest sample that
	// the next output needs, and phase, of step.out, how far beyond it the
	// output lies.
	next, phase int

	// Each channel's history: the filter's length minus one of samples that were
	// seen, then those that are being worked on. Samples from 0 to filled count.
	history [][]float32
	filled  int
}

// NewResampler returns a resampler for interleaved audio with 1 to 64 channels.
// It fails if a rate is not between 1 and 768,000 Hz, or if one is more than
// 128 times the other. If the rates are the same, it copies.
//
// It takes up to a few milliseconds to make the first of a pair of rates;
// others share its table.
func NewResampler(in, out SampleRate, channels int) (*Resampler, error) {
	for _, rate := range []SampleRate{in, out} {
		if err := (Format{rate, channels}).Validate(); err != nil {
			return nil, err
		}
	}
	if in > maxRatio*out || out > maxRatio*in {
		return nil, fmt.Errorf("audio: cannot resample %v to %v: the ratio is more than %d", in, out, maxRatio)
	}
	r := &Resampler{in: in, out: out, channels: channels, step: newRatio(in, out)}
	if in == out {
		return r, nil
	}
	r.filter = filters.get(r.step)
	r.whole, r.rem = r.step.in/r.step.out, r.step.in%r.step.out
	r.history = make([][]float32, channels)
	for ch := range r.history {
		r.history[ch] = make([]float32, r.filter.taps-1+max(resampleBlock, r.filter.taps))
	}
	r.Reset()
	return r, nil
}

// In returns the rate of the input.
func (r *Resampler) In() SampleRate { return r.in }

// Out returns the rate of the output.
func (r *Resampler) Out() SampleRate { return r.out }

// Delay returns by how many frames, at the output's rate, the output lags
// behind: what went in at position p comes out at p.At(in, out) + Delay. It
// lasts as long as 52 samples of the lower rate (3.25 ms at 16 kHz, 6.5 ms at
// 8 kHz), or a fraction of a sample more; it is 0 if the rates are the same.
func (r *Resampler) Delay() int {
	if r.filter == nil {
		return 0
	}
	return r.filter.delay
}

// Resample appends to dst what src yields and returns it. src holds whole
// frames; a last incomplete one is ignored. Nothing is allocated if dst has the
// capacity. Neither dst nor src is kept; they must not overlap.
func (r *Resampler) Resample(dst, src []int16) []int16 {
	n := len(src) / r.channels
	src = src[:n*r.channels]
	if r.filter == nil {
		return append(dst, src...)
	}
	dst = slices.Grow(dst, r.pending(n)*r.channels)
	for len(src) > 0 {
		n := min(len(src)/r.channels, r.room())
		r.load(src[:n*r.channels])
		src = src[n*r.channels:]
		dst = r.emit(dst)
	}
	return dst
}

// Flush appends the last Delay frames, which the filter still holds, as silence
// following the input would bring them out, and resets r.
func (r *Resampler) Flush(dst []int16) []int16 {
	want := len(dst) + r.Delay()*r.channels
	var silence [256]int16
	chunk := silence[:len(silence)/r.channels*r.channels]
	for len(dst) < want {
		dst = r.Resample(dst, chunk)
	}
	r.Reset()
	return dst[:want]
}

// Reset forgets all input: what follows is a new stream.
func (r *Resampler) Reset() {
	if r.filter == nil {
		return
	}
	for _, h := range r.history {
		clear(h)
	}
	r.filled = r.filter.taps - 1
	r.next, r.phase = r.filled, 0
}

// pending returns how many frames come out when n more go in.
func (r *Resampler) pending(n int) int {
	// Of the outputs from the next one on, those whose newest input has come.
	ahead := r.filled + n - 1 - r.next
	if ahead < 0 {
		return 0
	}
	// In 64 bits, and split, so that the products fit.
	in, out := int64(r.step.in), int64(r.step.out)
	rest := int64(ahead % r.step.in)
	return ahead/r.step.in*r.step.out + int((rest*out+out-1-int64(r.phase))/in) + 1
}

// room returns how many frames fit, and makes room if there is none.
func (r *Resampler) room() int {
	size, keep := len(r.history[0]), r.filter.taps-1
	if r.filled == size {
		for _, h := range r.history {
			copy(h, h[size-keep:])
		}
		r.next -= size - keep
		r.filled = keep
	}
	return size - r.filled
}

// load appends src to the histories.
func (r *Resampler) load(src []int16) {
	n := len(src) / r.channels
	for ch, h := range r.history {
		h = h[r.filled : r.filled+n]
		if r.channels == 1 {
			for i, s := range src[:len(h)] {
				h[i] = float32(s)
			}
			continue
		}
		for i := range h {
			h[i] = float32(src[i*r.channels+ch])
		}
	}
	r.filled += n
}

// emit appends all outputs whose newest input has come.
func (r *Resampler) emit(dst []int16) []int16 {
	f, channels := r.filter, r.channels
	for r.next < r.filled {
		at := len(dst)
		dst = dst[:at+channels] // Resample saw to the capacity
		for ch, h := range r.history {
			window := h[r.next-f.taps+1 : r.next+1]
			var v float32
			if f.interpolated {
				v = f.between(window, r.phase, r.step.out)
			} else {
				v = dot.Product(f.row(r.phase), window)
			}
			dst[at+ch] = round16(v)
		}
		r.next += r.whole
		r.phase += r.rem
		if r.phase >= r.step.out {
			r.phase -= r.step.out
			r.next++
		}
	}
	return dst
}

// between filters window at phase/phases of a sample, between two rows.
func (f *filter) between(window []float32, phase, phases int) float32 {
	scaled := phase * f.rows
	i, rest := scaled/phases, scaled%phases
	a, b := dot.Product(f.row(i), window), dot.Product(f.row(i+1), window)
	return a + (b-a)*(float32(rest)/float32(phases))
}
