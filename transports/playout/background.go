package playout

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/mistakes"
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
	keep   int     // chunks that the sink may give back
	mixed  []int16 // scratch
}

// bed is a sound in the background.
type bed struct {
	frame     *frames.PlayBackground
	resampler *audio.Resampler // nil if the rates are the same
	at        int              // in frame.Samples
	fed       bool             // everything went in
	remixed   []int16          // scratch
	ready     []int16          // in the output's format, before the gains

	base, duck float32 // gains: as asked for, and while the agent speaks
	ducked     level
	faded      level

	// The last chunks, oldest first, as long as the sink may give them back, and
	// what of the sound went into them.
	past  []part
	taken []int16
}

// part is what a sound had in a chunk.
type part struct {
	values        int     // none where it was over
	ducked, faded float32 // its levels before
}

// level is a gain on its way to another one.
type level struct {
	now, target, step float32
	within            int64 // frames that the way takes …
	left              int64 // … and that are left of it
}

// to makes the level go to a target within so many frames.
func (l *level) to(target float32, n int64) {
	l.target, l.within, l.left = target, n, n
	if n <= 0 {
		l.now = target
		return
	}
	l.step = (target - l.now) / float32(n)
}

// back puts the level where it was, from where it goes to its target anew.
func (l *level) back(then float32) {
	l.now = then
	l.to(l.target, l.within)
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

// over reports whether the sound has been mixed to its end.
func (b *bed) over() bool { return b.fed && len(b.ready) == 0 || b.faded.gone() }

// forgotten reports whether nothing of a sound that is over can be given back.
func (b *bed) forgotten() bool { return b.over() && len(b.taken) == 0 }

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
	}
	if err := checkFade(f.Fade); err != nil {
		return err
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
		if o.faded.target != 0 && !o.over() && o.frame.Track != f.Track {
			others++
		}
	}
	if others >= maxBeds {
		return fmt.Errorf("there are %d sounds in the background already: stop one first", others)
	}
	// One that it takes the place of fades out as this one fades in.
	m.fadeOut(f.Fade, func(o *bed) bool { return o.frame.Track == f.Track })
	if len(m.beds) >= 2*maxBeds { // most of which are over, or fading out
		oldest := slices.IndexFunc(m.beds, (*bed).over)
		if oldest < 0 {
			oldest = slices.IndexFunc(m.beds, func(o *bed) bool { return o.faded.target == 0 })
		}
		m.beds = slices.Delete(m.beds, oldest, oldest+1)
	}
	m.beds = append(m.beds, b)
	return nil
}

func checkFade(d time.Duration) error {
	if hint := mistakes.Unit(d); d < 0 || d > maxFade || hint != "" {
		return fmt.Errorf("a fade of %v is not between 100µs and %v, nor 0 for none%s", d, maxFade, hint)
	}
	return nil
}

func gainOf(db float64) float32 { return float32(math.Pow(10, db/20)) }

// stop fades out the sound of that name, or all if the name is empty: whatever is
// wrong with the fade, which the error says. There may be none, since sounds end.
func (m *mixer) stop(track string, fade time.Duration) error {
	m.fadeOut(fade, func(b *bed) bool { return track == "" || b.frame.Track == track })
	return checkFade(fade)
}

func (m *mixer) fadeOut(fade time.Duration, which func(*bed) bool) {
	for _, b := range m.beds {
		if which(b) && b.faded.target != 0 {
			b.faded.to(0, m.format.Rate.Samples(min(fade, maxFade)))
		}
	}
	m.forget()
}

// mix adds what is heard in the background to a chunk. It reports whether there
// was anything.
func (m *mixer) mix(dst []int16, speech bool) (any bool) {
	if len(m.beds) == 0 {
		return false
	}
	m.mixed = audio.AppendSilence(m.mixed[:0], len(dst))
	for _, b := range m.beds {
		target := float32(1)
		if speech {
			target = b.duck
		}
		if b.ducked.target != target {
			b.ducked.to(target, m.format.Rate.Samples(duckWithin))
		}
		p := b.mix(m.mixed, m.format)
		b.remember(p, m.keep)
		any = any || p.values > 0
	}
	m.forget()
	audio.Add(dst, m.mixed)
	return any
}

// rewind takes back the chunks that were mixed last, since the sink has thrown them
// away: what was in them is heard again, as it is to be heard by now. A sound that
// was stopped meanwhile is not.
func (m *mixer) rewind(chunks int) {
	for _, b := range m.beds {
		b.rewind(chunks)
	}
	m.forget()
}

func (m *mixer) forget() { m.beds = slices.DeleteFunc(m.beds, (*bed).forgotten) }

// mix adds the sound to a chunk and returns what it had in it.
func (b *bed) mix(dst []int16, format audio.Format) part {
	p := part{ducked: b.ducked.now, faded: b.faded.now}
	if b.over() {
		return p
	}
	b.prepare(format.Frames(len(dst)), format)
	p.values = min(len(b.ready), len(dst))
	for i := 0; i < p.values; i += format.Channels {
		gain := b.base * b.ducked.next() * b.faded.next()
		for c := range format.Channels {
			v := float32(dst[i+c]) + gain*float32(b.ready[i+c])
			dst[i+c] = int16(max(-32768, min(32767, math.RoundToEven(float64(v)))))
		}
	}
	return p
}

// remember moves what was mixed last to the past, which has so many chunks at most.
func (b *bed) remember(p part, keep int) {
	b.past, b.taken = append(b.past, p), append(b.taken, b.ready[:p.values]...)
	b.ready = slices.Delete(b.ready, 0, p.values)
	if n := len(b.past) - keep; n > 0 {
		b.taken = slices.Delete(b.taken, 0, values(b.past[:n]))
		b.past = slices.Delete(b.past, 0, n)
	}
}

// rewind puts the sound and its levels back to where they were so many chunks ago, or
// to its beginning.
func (b *bed) rewind(chunks int) {
	from := len(b.past) - min(chunks, len(b.past))
	if from == len(b.past) {
		return
	}
	b.ducked.back(b.past[from].ducked)
	b.faded.back(b.past[from].faded)
	kept := len(b.taken) - values(b.past[from:])
	b.ready = slices.Insert(b.ready, 0, b.taken[kept:]...)
	b.past, b.taken = b.past[:from], b.taken[:kept]
}

func values(parts []part) (n int) {
	for _, p := range parts {
		n += p.values
	}
	return n
}

// prepare sees to it that n frames are ready, or all that is left.
func (b *bed) prepare(n int, format audio.Format) {
	f := b.frame
	for format.Frames(len(b.ready)) < n && !b.fed {
		if b.at == len(f.Samples) {
			if !f.Loop {
				b.fed = true
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
