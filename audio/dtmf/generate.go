package dtmf

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/mistakes"
)

// Generator presses keys. The zero value but for Rate is good.
type Generator struct {
	// Rate is the sample rate of what is made; 6 to 768 kHz.
	Rate audio.SampleRate

	// Tone is how long a key sounds; 100 ms by default. Exchanges need not hear
	// less than 40 ms.
	Tone time.Duration

	// Gap is the silence behind each key; 60 ms by default. Exchanges need not
	// take two keys with less than 40 ms between them for two.
	Gap time.Duration

	// Level is the RMS level of a tone in dBFS, from -60; -12 by default. Above
	// -6.02 the two sines together exceed full scale, which is refused; above -5.57
	// with 6 dB of Twist.
	Level float64

	// Twist is by how many decibels the column's frequency is louder than the
	// row's, -6 to 6; 0 by default. Telephones give it 2 dB, since lines attenuate
	// it more.
	Twist float64
}

// fadeTime is how long a tone takes to rise and to fall, by a raised cosine:
// within its duration, so that it does not click.
const fadeTime = 2 * time.Millisecond

// resolved is g with its defaults, or what is wrong with it.
func (g Generator) resolved() (Generator, error) {
	if g.Tone == 0 {
		g.Tone = 100 * time.Millisecond
	}
	if g.Gap == 0 {
		g.Gap = 60 * time.Millisecond
	}
	if g.Level == 0 {
		g.Level = -12
	}
	const longest = time.Minute
	var wrong mistakes.List
	wrong.Join(checkRate(g.Rate))
	wrong.Duration("Tone", g.Tone, 2*fadeTime, longest)
	wrong.Duration("Gap", g.Gap, time.Millisecond, longest)
	twisted := g.Twist >= -6 && g.Twist <= 6 // NaN is not
	if !twisted {
		wrong.Add("a twist of %g dB is not between -6 and 6 dB", g.Twist)
	}
	if !(g.Level >= -60) {
		wrong.Add("a level of %g dBFS is below -60 dBFS", g.Level)
	} else if low, high := g.amplitudes(); twisted && low+high > 1 {
		most := g.Level - 20*math.Log10(low+high)
		wrong.Add("a level of %g dBFS clips; at most %.2f dBFS does not", g.Level, math.Floor(most*100)/100)
	}
	return g, wrong.Err()
}

// amplitudes returns the peak amplitudes of the two sines, of full scale 1.
func (g Generator) amplitudes() (low, high float64) {
	ratio := math.Pow(10, g.Twist/20)
	rms := math.Pow(10, g.Level/20)
	low = rms * math.Sqrt2 / math.Sqrt(1+ratio*ratio)
	return low, low * ratio
}

// Validate says what is wrong with the configuration, if anything is.
func (g Generator) Validate() error {
	_, err := g.resolved()
	return err
}

// Append appends to dst the mono samples of keys, pressed one after the other:
// for each of them exactly Rate.Samples(Tone) samples of tone and
// Rate.Samples(Gap) of silence. If keys has something in it that is no key, the
// error says what and where, and dst is returned as it was.
func (g Generator) Append(dst []int16, keys string) ([]int16, error) {
	g, err := g.resolved()
	if err != nil {
		return dst, fmt.Errorf("generate DTMF: %w", err)
	}
	for i := range len(keys) {
		if !IsKey(keys[i]) {
			return dst, fmt.Errorf("generate DTMF: character %d of %q: %w", i+1, keys, unknownKey(keys[i]))
		}
	}
	tone, gap := int(g.Rate.Samples(g.Tone)), int(g.Rate.Samples(g.Gap))
	dst = slices.Grow(dst, len(keys)*(tone+gap))
	for i := range len(keys) {
		dst = audio.AppendSilence(g.tone(dst, keys[i], tone), gap)
	}
	return dst, nil
}

func (g Generator) tone(dst []int16, key byte, n int) []int16 {
	low, high, _ := Frequencies(key)
	a, b := g.amplitudes()
	fade := int(g.Rate.Samples(fadeTime))
	wl, wh := 2*math.Pi*low/float64(g.Rate), 2*math.Pi*high/float64(g.Rate)
	for i := range n {
		v := a*math.Sin(wl*float64(i)) + b*math.Sin(wh*float64(i))
		if edge := min(i, n-1-i); edge < fade {
			v *= 0.5 - 0.5*math.Cos(math.Pi*(float64(edge)+0.5)/float64(fade))
		}
		dst = append(dst, int16(math.Round(v*math.MaxInt16)))
	}
	return dst
}
