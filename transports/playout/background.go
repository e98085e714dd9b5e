package playout

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

const (
	maxBeds    = 8                // sounds in the background at a time
	maxBed     = 10 * time.Minute // the longest of them
	maxFade    = 10 * time.Second
	duckWithin = 100 * time.Millisecond
)

// mixer mixes what is heard in the background. It works on the output's chunks,
// behind everything that an interruption touches.
type mixer struct {
	format audio.Format
	beds   []*bed

	// What was mixed last, as long as the sink may give it back, and what it has
	// given back: that is heard first.
	keep  int // values
	past  []int16
	again []int16
	mixed []int16 // scratch
}

// bed is a sound in the background.
type bed struct {
	frame     *frames.PlayBackground
	resampler *audio.Resampler // nil if the rates are the same
	at        int              // in frame.Samples
	over      bool             // everything went in
	remixed   []int16          // scratch
	ready     []int16          // in the output's format

	base, duck float32 // gains: as asked for, and while the agent speaks
	ducked     level
	faded      level
}

// level is a gain on its way to another one.
type level struct {
	now, target, step float32
	left              int64 // frames until it is there
}

// to makes the level go to a target within so many frames.
func (l *level) to(target float32, n int64) {
	l.target, l.left = target, n
	if n <= 0 {
		l.now = target
		return
	}
	l.step = (target - l.now) / float32(n)
}

func (l *level) next() float32 {
	if l.left > 0 {
		l.now += l.step
		if l.left--; l.left == 0 {
			l.now = l.target
		}
	}
	return l.now
}

// gone reports whether nothing will be heard any more.
func (l *level) gone() bool { return l.target == 0 && l.left <= 0 }

// play adds a sound.
func (m *mixer) play(f *frames.PlayBackground) error {
	if err := f.Format.Validate(); err != nil {
		return err
	}
	switch {
	case len(f.Samples) == 0 || len(f.Samples)%f.Format.Channels != 0:
		return fmt.Errorf("%d samples are no whole number of frames of %v", len(f.Samples), f.Format)
	case f.Format.Duration(len(f.Samples)) > maxBed:
		return fmt.Errorf("it lasts %v, and %v is the most; let it loop", f.Format.Duration(len(f.Samples)), maxBed)
	case math.IsNaN(f.Gain) || f.Gain > 20:
		return fmt.Errorf("a gain of %v dB is not up to 20", f.Gain)
	case math.IsNaN(f.Duck) || f.Duck < 0:
		return fmt.Errorf("ducked by %v dB, it would be louder while the agent speaks", f.Duck)
	case f.Fade < 0 || f.Fade > maxFade:
		return fmt.Errorf("a fade of %v is not between 0 and %v", f.Fade, maxFade)
	}
	b := &bed{frame: f, base: gainOf(f.Gain), duck: gainOf(-f.Duck), ducked: level{now: 1, target: 1}}
	if f.Format.Rate != m.format.Rate {
		r, err := audio.NewResampler(f.Format.Rate, m.format.Rate, m.format.Channels)
		if err != nil {
			return err
		}
		b.resampler = r
	}
	b.faded.to(1, m.format.Rate.Samples(f.Fade))
	others := 0
	for _, o := range m.beds {
		if o.faded.target != 0 && o.frame.Track != f.Track {
			others++
		}
	}
	if others >= maxBeds {
		return fmt.Errorf("there are %d sounds in the background already: stop one first", others)
	}
	// One that it takes the place of fades out as this one fades in.
	m.fadeOut(f.Fade, func(o *bed) bool { return o.frame.Track == f.Track })
	if len(m.beds) >= 2*maxBeds { // most of which are fading out
		oldest := slices.IndexFunc(m.beds, func(o *bed) bool { return o.faded.target == 0 })
		m.beds = slices.Delete(m.beds, oldest, oldest+1)
	}
	m.beds = append(m.beds, b)
	return nil
}

func gainOf(db float64) float32 { return float32(math.Pow(10, db/20)) }

// stop fades out the sound of that name, or all if there is none.
func (m *mixer) stop(track string, fade time.Duration) {
	m.fadeOut(fade, func(b *bed) bool { return track == "" || b.frame.Track == track })
}

func (m *mixer) fadeOut(fade time.Duration, which func(*bed) bool) {
	for _, b := range m.beds {
		if which(b) && b.faded.target != 0 {
			b.faded.to(0, m.format.Rate.Samples(min(fade, maxFade)))
		}
	}
	m.beds = slices.DeleteFunc(m.beds, func(b *bed) bool { return b.faded.gone() })
}

// mix adds what is heard in the background to a chunk. It reports whether there
// was anything.
func (m *mixer) mix(dst []int16, speech bool) bool {
	if len(m.beds) == 0 && len(m.again) == 0 {
		m.past = m.past[:0]
		return false
	}
	m.mixed = append(m.mixed[:0], m.again[:min(len(m.again), len(dst))]...)
	m.again = append(m.again[:0], m.again[len(m.mixed):]...)
	old := len(m.mixed)
	m.mixed = audio.AppendSilence(m.mixed, len(dst)-old)
	m.render(m.mixed[old:], speech)
	audio.Add(dst, m.mixed)
	if m.past = append(m.past, m.mixed...); len(m.past) > m.keep {
		m.past = append(m.past[:0], m.past[len(m.past)-m.keep:]...)
	}
	return true
}

// render writes what comes next.
func (m *mixer) render(dst []int16, speech bool) {
	if len(dst) == 0 {
		return
	}
	for _, b := range m.beds {
		target := float32(1)
		if speech {
			target = b.duck
		}
		if b.ducked.target != target {
			b.ducked.to(target, m.format.Rate.Samples(duckWithin))
		}
		b.mix(dst, m.format.Frames(len(dst)), m.format)
	}
	m.beds = slices.DeleteFunc(m.beds, func(b *bed) bool { return b.over && len(b.ready) == 0 || b.faded.gone() })
}

// rewind takes back what was mixed last: so many frames are heard again, since the
// sink has thrown them away.
func (m *mixer) rewind(frames int64) {
	n := min(int(frames)*m.format.Channels, len(m.past))
	m.again = append(slices.Clone(m.past[len(m.past)-n:]), m.again...)
	m.past = m.past[:len(m.past)-n]
}

func (b *bed) mix(dst []int16, n int, format audio.Format) {
	b.prepare(n, format)
	values := min(len(b.ready), n*format.Channels)
	for i := 0; i < values; i += format.Channels {
		gain := b.base * b.ducked.next() * b.faded.next()
		for c := range format.Channels {
			v := float32(dst[i+c]) + gain*float32(b.ready[i+c])
			dst[i+c] = int16(max(-32768, min(32767, math.RoundToEven(float64(v)))))
		}
	}
	b.ready = append(b.ready[:0], b.ready[values:]...)
}

// prepare sees to it that n frames are ready, or all that is left.
func (b *bed) prepare(n int, format audio.Format) {
	f := b.frame
	for format.Frames(len(b.ready)) < n && !b.over {
		if b.at == len(f.Samples) {
			if !f.Loop {
				b.over = true
				if b.resampler != nil {
					b.ready = b.resampler.Flush(b.ready)
				}
				return
			}
			b.at = 0
		}
		// About as much as is missing: what is converted ahead cannot be stopped.
		want := int(audio.Position(n-format.Frames(len(b.ready))).At(format.Rate, f.Format.Rate)) + 1
		to := min(len(f.Samples), b.at+want*f.Format.Channels)
		part := f.Samples[b.at:to]
		b.at = to
		if b.resampler == nil {
			b.ready = audio.Remix(b.ready, part, f.Format.Channels, format.Channels)
			continue
		}
		b.remixed = audio.Remix(b.remixed[:0], part, f.Format.Channels, format.Channels)
		b.ready = b.resampler.Resample(b.ready, b.remixed)
	}
}
