package dtmf_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
)

func TestGeneratedKeysAreExactInLengthLevelAndFrequency(t *testing.T) {
	for _, gen := range []dtmf.Generator{
		{Rate: audio.Rate8k},
		{Rate: audio.Rate11k, Tone: 77 * ms, Gap: 33 * ms, Level: -20, Twist: 2},
		{Rate: audio.Rate48k, Tone: 40 * ms, Gap: 40 * ms, Level: -7, Twist: -3},
	} {
		got, err := gen.Append([]int16{7}, dtmf.Keys)
		if err != nil {
			t.Fatal(err)
		}
		tone, gap, level := gen.Tone, gen.Gap, gen.Level
		if tone == 0 {
			tone, gap, level = 100*ms, 60*ms, -12
		}
		n, m := int(gen.Rate.Samples(tone)), int(gen.Rate.Samples(gap))
		if want := 1 + 16*(n+m); len(got) != want || got[0] != 7 {
			t.Fatalf("%v: %d samples, want %d behind what was there", gen, len(got), want)
		}
		for i := range len(dtmf.Keys) {
			at := 1 + i*(n+m)
			low, high, _ := dtmf.Frequencies(dtmf.Keys[i])
			inner := got[at+n/4 : at+3*n/4]
			if rms := audio.RMS(inner); math.Abs(rms-level) > 0.4 {
				t.Errorf("%v: key %c is at %.2f dBFS, want %v", gen, dtmf.Keys[i], rms, level)
			}
			a, b := amplitude(inner, gen.Rate, low), amplitude(inner, gen.Rate, high)
			if twist := 20 * math.Log10(b/a); math.Abs(twist-gen.Twist) > 0.7 {
				t.Errorf("%v: key %c has a twist of %.2f dB", gen, dtmf.Keys[i], twist)
			}
			if !audio.IsSilent(got[at+n : at+n+m]) {
				t.Errorf("%v: the gap behind key %c is not silent", gen, dtmf.Keys[i])
			}
			// Neither end steps: its first samples are a small part of the peak.
			if peak := slices.Max(inner); max(got[at], -got[at], got[at+n-1], -got[at+n-1]) > peak/20 {
				t.Errorf("%v: key %c clicks: %d and %d at its ends", gen, dtmf.Keys[i], got[at], got[at+n-1])
			}
		}
	}
}

// amplitude measures one frequency.
func amplitude(samples []int16, rate audio.SampleRate, hz float64) float64 {
	var re, im, sum float64
	for i, s := range samples {
		w := 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(len(samples)))
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		re, im, sum = re+w*cos*float64(s), im+w*sin*float64(s), sum+w
	}
	return 2 * math.Hypot(re, im) / sum
}

func TestTheDetectorHearsWhatTheGeneratorMakes(t *testing.T) {
	for _, rate := range usual() {
		for _, gen := range []dtmf.Generator{{Rate: rate}, {Rate: rate, Tone: 40 * ms, Gap: 40 * ms, Level: -30, Twist: 3}} {
			pcm, err := gen.Append(nil, "00112233445566778899**##AABBCCDD")
			if err != nil {
				t.Fatal(err)
			}
			if got := pressed(t, hear(t, rate, pcm, 333)); got != "00112233445566778899**##AABBCCDD" {
				t.Errorf("%+v: heard %q", gen, got)
			}
		}
	}
}

func TestWhatCannotBeGeneratedIsRefused(t *testing.T) {
	ok := dtmf.Generator{Rate: audio.Rate8k}
	for name, c := range map[string]struct {
		change func(*dtmf.Generator)
		keys   string
		says   string
	}{
		"an unknown key":    {keys: "12x", says: `character 3 of "12x": there is no key 'x'; the keys are 0-9, *, # and A-D`},
		"a small letter":    {keys: "a", says: "in capitals"},
		"no rate":           {change: func(g *dtmf.Generator) { g.Rate = 0 }, says: "a rate of 0 Hz is not between"},
		"a negative tone":   {change: func(g *dtmf.Generator) { g.Tone = -time.Second }, says: "Tone is -1s: 4ms to 1m0s"},
		"too short a tone":  {change: func(g *dtmf.Generator) { g.Tone = time.Millisecond }, says: "Tone is 1ms: 4ms to 1m0s"},
		"an endless tone":   {change: func(g *dtmf.Generator) { g.Tone = time.Hour }, says: "Tone is 1h"},
		"a negative gap":    {change: func(g *dtmf.Generator) { g.Gap = -1 }, says: "Gap is -1ns"},
		"no unit":           {change: func(g *dtmf.Generator) { g.Gap = 60 }, says: "write 60*time.Millisecond"},
		"two mistakes":      {change: func(g *dtmf.Generator) { g.Rate, g.Level = 0, -70 }, says: "8 kHz\na level of -70 dBFS"},
		"what clips":        {change: func(g *dtmf.Generator) { g.Level = -3 }, says: "at most -6.03 dBFS does not"},
		"a level above all": {change: func(g *dtmf.Generator) { g.Level = math.Inf(1) }, says: "clips"},
		"no number":         {change: func(g *dtmf.Generator) { g.Twist = math.NaN() }, says: "a twist of NaN dB"},
		"a NaN level":       {change: func(g *dtmf.Generator) { g.Level = math.NaN() }, says: "a level of NaN dBFS"},
	} {
		t.Run(name, func(t *testing.T) {
			gen := ok
			if c.change != nil {
				c.change(&gen)
				if gen.Validate() == nil {
					t.Error("Validate has nothing to say")
				}
			}
			got, err := gen.Append([]int16{1, 2}, c.keys)
			if err == nil || !strings.HasPrefix(err.Error(), "generate DTMF: ") || !strings.Contains(err.Error(), c.says) || !slices.Equal(got, []int16{1, 2}) {
				t.Errorf("it says %v, and %v is left; want %q", err, got, c.says)
			}
		})
	}
}

// Whoever follows the advice is not refused again, and loses no more than a
// hundredth of a decibel; a tone at the limit comes close to full scale.
func TestTheLevelThatDoesNotClipIsTheOneThatIsNamed(t *testing.T) {
	for _, twist := range []float64{-6, -2, 0, 1, 2, 3, 6} {
		gen := dtmf.Generator{Rate: audio.Rate48k, Level: -3, Twist: twist}
		var asked, most float64
		if n, err := fmt.Sscanf(fmt.Sprint(gen.Validate()), "a level of %g dBFS clips; at most %g dBFS does not", &asked, &most); n != 2 || asked != -3 {
			t.Errorf("twist of %g dB: it says %v: %v", twist, gen.Validate(), err)
			continue
		}
		gen.Level = most
		pcm, err := gen.Append(nil, "0123456789*#")
		if err != nil {
			t.Errorf("twist of %g dB: %v", twist, err)
			continue
		}
		if peak := max(slices.Max(pcm), -slices.Min(pcm)); peak < 32000 {
			t.Errorf("twist of %g dB: at %g dBFS the peak is %d", twist, most, peak)
		}
		if gen.Level += 0.011; gen.Validate() == nil {
			t.Errorf("twist of %g dB: %g dBFS is accepted as well", twist, gen.Level)
		}
	}
}

func TestKeysHaveTheirFrequencies(t *testing.T) {
	for i := range 256 {
		low, high, ok := dtmf.Frequencies(byte(i))
		known := strings.IndexByte("0123456789*#ABCD", byte(i)) >= 0
		if ok != known || dtmf.IsKey(byte(i)) != known || (dtmf.CheckKey(byte(i)) == nil) != known || (low != 0) != known || (high != 0) != known {
			t.Errorf("%q: %v, %v Hz, %v", byte(i), low, high, ok)
		}
	}
	if low, high, _ := dtmf.Frequencies('#'); low != 941 || high != 1477 {
		t.Errorf("# is %v and %v Hz", low, high)
	}
}
