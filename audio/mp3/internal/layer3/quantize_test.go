package layer3

import (
	"math"
	"math/rand/v2"
	"testing"
)

// dequantize is the decoder's formula: ISO/IEC 11172-3, 2.4.3.4.7.1.
func dequantize(g *granule, s *spectrum, l *bandLayout) (x [lines]float64) {
	for b := range bandCount {
		for i := l.edges[b]; i < l.edges[b+1]; i++ {
			v := math.Pow(float64(g.values[i]), 4.0/3) *
				math.Exp2(float64(g.gain-210)/4) *
				math.Exp2(-0.5*float64(1+g.coarse)*float64(g.factors[b]))
			if s.neg[i] {
				v = -v
			}
			x[i] = v
		}
	}
	return x
}

func noiseOf(x, y *[lines]float64, l *bandLayout, b int) float64 {
	sum := 0.0
	for i := l.edges[b]; i < l.edges[b+1]; i++ {
		sum += (x[i] - y[i]) * (x[i] - y[i])
	}
	return sum / float64(l.edges[b+1]-l.edges[b])
}

func newEncoder(t testing.TB, c Config) *Encoder {
	t.Helper()
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// randomLines are noise whose level differs from band to band, and falls.
func randomLines(rng *rand.Rand, l *bandLayout, level float64) (x [lines]float64) {
	for b := range bandCount {
		band := level * math.Pow(10, (rng.Float64()-1-float64(b)/20)*1.0)
		for i := l.edges[b]; i < l.edges[b+1]; i++ {
			x[i] = rng.NormFloat64() * band
		}
	}
	return x
}

func TestBandsGetTheNoiseTheyWereMeantToHave(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for _, rate := range Rates() {
		e := newEncoder(t, Config{Rate: rate, Channels: 1, Bitrate: 64000})
		var wanted, got [bandCount]float64
		for range 40 {
			x := randomLines(rng, e.layout, 0.3)
			// Without a factor of its own the last band can make all
			// others finer.
			clear(x[e.layout.edges[lastBand]:])
			s, g := new(spectrum), new(granule)
			s.set(&x, e.layout)
			const k = -75 // fine: magnitudes of dozens
			e.quantize(g, s, k)
			y := dequantize(g, s, e.layout)
			for b := range bandCount {
				roots := 0.0
				for i := e.layout.edges[b]; i < e.layout.edges[b+1]; i++ {
					roots += math.Sqrt(math.Abs(x[i]))
				}
				roots /= float64(e.layout.edges[b+1] - e.layout.edges[b])
				step := math.Exp2(float64(s.bands[b].at(k)-unitGain) / 4)
				wanted[b] += 4.0 / 27 * math.Pow(step, 1.5) * roots
				got[b] += noiseOf(&x, &y, e.layout, b)
			}
		}
		for b := range lastBand {
			// A scale factor is two or four steps of the gain, and a step of
			// the gain is 2^(3/8) in noise: 1.1 dB.
			if db := 10 * math.Log10(got[b]/wanted[b]); math.Abs(db) > 1.5 {
				t.Errorf("%d Hz, band %d has %+.1f dB more noise than meant", rate, b, db)
			}
		}
	}
}

func TestGranulesStayWithinTheSyntax(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	for _, rate := range Rates() {
		e := newEncoder(t, Config{Rate: rate, Channels: 1, Bitrate: 64000})
		for range 30 {
			x := randomLines(rng, e.layout, math.Pow(10, -5*rng.Float64()))
			s, g := new(spectrum), new(granule)
			s.set(&x, e.layout)
			low, high, audible := coarsenessRange([]spectrum{*s})
			if !audible {
				continue
			}
			for k := low - 1; k <= high; k++ {
				e.quantize(g, s, k)
				if g.gain < 0 || g.gain > 255 || g.coarse > 1 {
					t.Fatalf("gain %d, coarse %d", g.gain, g.coarse)
				}
				for b, f := range g.factors[:lastBand] {
					half := 0
					if b >= factorSplit {
						half = 1
					}
					if f < 0 || f >= 1<<g.slen[half] {
						t.Fatalf("scale factor %d in %d bits", f, g.slen[half])
					}
				}
				for i, v := range g.values {
					if v < 0 || v > maxValue {
						t.Fatalf("line %d is %d", i, v)
					}
				}
				if limit := uint32(16); e.mpeg1() && g.compress(true) >= limit {
					t.Fatalf("scalefac_compress %d", g.compress(true))
				}
				if limit := uint32(400); !e.mpeg1() && g.compress(false) >= limit {
					t.Fatalf("scalefac_compress %d", g.compress(false))
				}
			}
			if g.bits != 0 {
				t.Fatalf("%d bits at coarseness %d, where all should be silent", g.bits, high)
			}
		}
	}
}

func TestBandsBesideADisputedEdgeHaveTheSameStep(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	e := newEncoder(t, Config{Rate: 24000, Channels: 1, Bitrate: 64000})
	for range 50 {
		x := randomLines(rng, e.layout, 0.1)
		s, g := new(spectrum), new(granule)
		s.set(&x, e.layout)
		for k := -80; k < 0; k += 7 {
			e.quantize(g, s, k)
			if g.factors[17] != g.factors[18] {
				t.Fatalf("scale factors %d and %d", g.factors[17], g.factors[18])
			}
			if 2*g.big > 330 && g.regions.ends[1] == 18 {
				t.Fatalf("a region ends at the disputed edge: %v", g.regions)
			}
		}
	}
}

func TestRateControlUsesItsBitsAndNoMore(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 20))
	for _, c := range []Config{
		{Rate: 16000, Channels: 1, Bitrate: 8000},
		{Rate: 24000, Channels: 1, Bitrate: 64000},
		{Rate: 44100, Channels: 2, Bitrate: 128000},
		{Rate: 48000, Channels: 1, Bitrate: 320000},
		{Rate: 24000, Channels: 2, Bitrate: 8000},
	} {
		e := newEncoder(t, c)
		pcm := make([]int16, c.FrameSamples()*c.Channels)
		var used, had int
		for n := range 60 {
			level := math.Pow(10, 4*rng.Float64())
			for i := range pcm {
				pcm[i] = int16(max(min(rng.NormFloat64()*level, 32767), -32768))
			}
			room := c.FrameBytes(int64(n)) - c.HeaderBytes()
			free := e.reservoir.free()
			e.Encode(nil, pcm)
			if len(e.main.buf) > room+free {
				t.Fatalf("%+v: frame %d has %d bytes, of %d", c, n, len(e.main.buf), room+free)
			}
			for i := range c.granules() * c.Channels {
				if e.parts[i].bits > maxPartBits {
					t.Fatalf("%+v: %d bits in a granule", c, e.parts[i].bits)
				}
			}
			used, had = used+len(e.main.buf), had+room
		}
		if share := float64(used) / float64(had); share < 0.9 {
			t.Errorf("%+v: noise uses only %.0f%% of the bits", c, 100*share)
		}
	}
}
