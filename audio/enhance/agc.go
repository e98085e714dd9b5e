package enhance

import (
	"fmt"
	"math"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/mistakes"
)

// AGC brings a voice to a level, whether its speaker sits close to the microphone
// or far away: automatic gain control. It has three parts:
//
//	samples ─▶ level ─▶ gate ──▶ gain ─▶ limiter ─▶ samples, 5 ms later
//	           10 ms    speech?  slow    looks ahead
//
// The gain moves only while somebody speaks, so that the noise of a pause is not
// pumped up; and what is louder than the gain expected, such as the first word of
// a shout, is limited, and never clipped. All channels get the same gain, by the
// loudest of them. The zero value is good.
type AGC struct {
	// Target is the level that speech is brought to, in dBFS RMS; -20 by default,
	// and at most -6.
	Target float64

	// MaxGain is by how many decibels it amplifies at most; 24 by default.
	MaxGain float64

	// MaxCut is by how many decibels it attenuates at most; 24 by default. The
	// limiter does more if it has to.
	MaxCut float64

	// Attack is the time constant with which the gain falls when the voice is too
	// loud, and Release that with which it rises when it is too soft; 50 ms and 1
	// s by default.
	Attack, Release time.Duration

	// Gate is the level in dBFS RMS below which there is no speech; -55 by
	// default. Steady noise above it is not speech, either: what is less than 6 dB
	// above the quietest of the last seconds.
	Gate float64

	// Ceiling is the peak that nothing exceeds, in dBFS; -1 by default, and below 0.
	Ceiling float64
}

func (g AGC) withDefaults() AGC {
	def := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&g.Target, defaultTarget)
	def(&g.MaxGain, 24)
	def(&g.MaxCut, 24)
	def(&g.Gate, -55)
	def(&g.Ceiling, -1)
	if g.Attack == 0 {
		g.Attack = 50 * time.Millisecond
	}
	if g.Release == 0 {
		g.Release = time.Second
	}
	return g
}

func (g AGC) validate() error {
	within := func(v, lo, hi float64) bool { return v >= lo && v <= hi } // NaN is not
	var wrong mistakes.List
	target := g.Target
	if !within(target, -60, -6) {
		wrong.Add("Target is %g dBFS: -60 to -6", target)
		target = defaultTarget // what is wrong with the others is told all the same
	}
	if !within(g.MaxGain, 0, 60) {
		wrong.Add("MaxGain is %g dB: 0 to 60", g.MaxGain)
	}
	if !within(g.MaxCut, 0, 60) {
		wrong.Add("MaxCut is %g dB: 0 to 60", g.MaxCut)
	}
	if !within(g.Gate, -90, target) {
		wrong.Add("Gate is %g dBFS: -90 to the target, %g", g.Gate, target)
	}
	if !within(g.Ceiling, target, -0.01) {
		wrong.Add("Ceiling is %g dBFS: from the target, %g, to -0.01", g.Ceiling, target)
	}
	wrong.Duration("Attack", g.Attack, 100*time.Microsecond, time.Minute)
	wrong.Duration("Release", g.Release, 100*time.Microsecond, time.Minute)
	if err := wrong.Err(); err != nil {
		return fmt.Errorf("gain control: %w", err)
	}
	return nil
}

const (
	defaultTarget = -20.0 // dBFS

	agcBlock  = 10 * time.Millisecond // of which a level is taken
	lookAhead = 5 * time.Millisecond  // of the limiter

	loudest = 1000 // times full scale: what is more is broken

	noiseMargin = 6.0 // dB: speech is as far above the noise
	noiseRise   = 4.0 // dB/s: the estimate of the noise follows upwards …
	noiseFall   = 0.3 // of the distance: … and downwards, in each block
)

// Stage makes the filter.
func (g AGC) Stage(f audio.Format) (Filter, error) {
	g = g.withDefaults()
	if err := g.validate(); err != nil {
		return nil, err
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	block := max(int(f.Rate.Samples(agcBlock)), 1)
	c := &gainControl{
		cfg: g, channels: f.Channels, block: block,
		attack:  smoothing(block, f.Rate, g.Attack),
		release: smoothing(block, f.Rate, g.Release),
		rise:    noiseRise * float64(block) / float64(f.Rate),
		noise:   math.NaN(),
		from:    1,
		power:   make([]float64, f.Channels),
		limiter: newLimiter(f, math.Pow(10, g.Ceiling/20)),
	}
	return c, nil
}

// smoothing is by how much of the distance something moves in a block that has a
// time constant.
func smoothing(block int, rate audio.SampleRate, constant time.Duration) float64 {
	if constant == 0 {
		return 1
	}
	return 1 - math.Exp(-float64(block)/(float64(rate)*constant.Seconds()))
}

// gainControl is AGC at work. The gain of a block is decided by those before it,
// and reached within it along a straight line.
type gainControl struct {
	cfg             AGC
	channels        int
	block           int // samples on each channel
	attack, release float64
	rise            float64 // dB a block

	filled   int
	power    []float64 // of each channel, in this block
	noise    float64   // dBFS; NaN before the first block
	gain     float64   // dB
	from, by float64   // the factor at the beginning of the block, and its change a sample

	limiter limiter
}

// Filter amplifies and limits.
func (c *gainControl) Filter(samples []float32) {
	for len(samples) > 0 {
		n := min(len(samples)/c.channels, c.block-c.filled)
		if n == 0 {
			return // not a whole frame
		}
		c.amplify(samples[:n*c.channels])
		samples = samples[n*c.channels:]
		if c.filled == c.block {
			c.filled = 0
			c.decide()
		}
	}
}

// amplify applies the gain of this block to a part of it.
func (c *gainControl) amplify(samples []float32) {
	for i := 0; i < len(samples); i += c.channels {
		factor := float32(c.from + c.by*float64(c.filled))
		c.filled++
		frame := samples[i : i+c.channels]
		for ch, x := range frame {
			switch {
			case x != x:
				x = 0
			case x > loudest || x < -loudest: // infinite, or so before long
				x = float32(math.Copysign(loudest, float64(x)))
			}
			c.power[ch] += float64(x) * float64(x)
			frame[ch] = x * factor
		}
		c.limiter.limit(frame)
	}
}

// decide moves the gain on after a block.
func (c *gainControl) decide() {
	most := 0.0
	for ch, p := range c.power {
		most = max(most, p)
		c.power[ch] = 0
	}
	level := 10 * math.Log10(most/float64(c.block)+1e-12)
	before := math.Pow(10, c.gain/20)
	if c.isSpeech(level) {
		wanted := min(max(c.cfg.Target-level, -c.cfg.MaxCut), c.cfg.MaxGain)
		if wanted < c.gain {
			c.gain += c.attack * (wanted - c.gain)
		} else {
			c.gain += c.release * (wanted - c.gain)
		}
	}
	c.from = before
	c.by = (math.Pow(10, c.gain/20) - before) / float64(c.block)
}

// isSpeech reports whether a block's level is above the noise, whose estimate it
// moves on.
func (c *gainControl) isSpeech(level float64) bool {
	switch {
	case math.IsNaN(c.noise):
		c.noise = level // hardly anybody speaks at once; whoever does makes a pause soon
	case level < c.noise:
		c.noise += noiseFall * (level - c.noise)
	default:
		c.noise += c.rise
	}
	c.noise = max(c.noise, c.cfg.Gate-noiseMargin)
	return level >= c.noise+noiseMargin // and with it above the gate
}

// Latency is that of the limiter, which looks ahead.
func (c *gainControl) Latency() int { return c.limiter.n }

// Reset forgets the samples in the limiter, and keeps the gain.
func (c *gainControl) Reset() {
	c.filled = 0
	clear(c.power)
	c.from, c.by = math.Pow(10, c.gain/20), 0
	c.limiter.reset()
}
