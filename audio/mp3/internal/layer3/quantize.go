package layer3

import "math"

// maxPartBits is the most that part2_3_length can say of a granule.
const maxPartBits = 1<<12 - 1

// A granule is a quantized spectrum: what is written of it.
type granule struct {
	gain     int // global_gain
	coarse   int // scalefac_scale: 1 if scale factors count twice
	factors  [bandCount]int
	slen     [2]int // bits of a scale factor below and from factorSplit on
	factored int    // bits of all scale factors (part 2)
	bits     int    // factored and the Huffman codes (part 2 and 3)

	values  [lines]int32 // magnitudes
	big     int          // pairs of any size come first (big_values),
	quads   int          // then quadruples of 0 and 1; the rest is 0
	regions regions      // how the pairs are coded
	quadsB  int          // count1table_select: 1 for table B
}

// Scale factors below factorSplit have up to 4 bits, those from there on up to
// 3. MPEG-2 divides both halves again; this encoder gives the two parts of each
// half the same length.
const (
	factorSplit = 11
	maxLow      = 15
	maxHigh     = 7
)

func maxFactor(band int) int {
	if band < factorSplit {
		return maxLow
	}
	return maxHigh
}

// steps[g] is 2^(-3/16·(g-210)): |x|^(3/4) times it is the quantized value
// before rounding.
type stepTable [maxGain + 1]float64

func newStepTable() *stepTable {
	t := new(stepTable)
	for g := range t {
		t[g] = math.Exp2(-3.0 / 16 * float64(g-unitGain))
	}
	return t
}

// quantize sets g to s at coarseness k.
func (e *Encoder) quantize(g *granule, s *spectrum, k int) {
	if !g.setGains(s, k) {
		g.silence()
		return
	}
	for b := range bandCount {
		from, to := e.layout.edges[b], e.layout.edges[b+1]
		if s.bands[b].at(k) >= s.bands[b].zero {
			clear(g.values[from:to])
			continue
		}
		step := e.steps[g.gain-2*(1+g.coarse)*g.factors[b]]
		for i, v := range s.abs34[from:to] {
			g.values[from+i] = int32(v*step + rounding)
		}
	}
	g.setLengths(e.mpeg1())
	g.bits = g.factored + e.codes.measure(g, e.layout)
}

// silence makes all of g zero, which needs no bits at all.
func (g *granule) silence() {
	*g = granule{gain: unitGain, regions: noRegions}
}

// setGains divides the steps that s wants at coarseness k into a global gain
// and scale factors. It returns false if no band is to be heard.
func (g *granule) setGains(s *spectrum, k int) bool {
	gain, least := -1, 0
	for b := range bandCount {
		t := &s.bands[b]
		want := t.at(k)
		if want >= t.zero {
			continue
		}
		least = max(least, t.floor)
		if b < lastBand || gain < 0 {
			gain = max(gain, want)
		} else {
			// No scale factor can make the last band finer.
			gain = min(gain, want)
		}
	}
	if gain < 0 {
		return false
	}
	g.gain = min(max(gain, least), maxGain)

	for g.coarse = 0; g.coarse <= 1; g.coarse++ {
		if g.setFactors(s, k) {
			return true
		}
	}
	g.coarse = 1 // and the factors as large as can be
	return true
}

// setFactors sets the scale factors so that each band has the step it wants, as
// nearly as can be, but for those that want a coarser one than the global gain's.
// It returns false if a factor would have to be larger than it can.
func (g *granule) setFactors(s *spectrum, k int) bool {
	unit := 2 * (1 + g.coarse)
	fit := true
	for b := range lastBand {
		g.factors[b] = 0
		t := &s.bands[b]
		want := t.at(k)
		if want >= t.zero || want >= g.gain {
			continue
		}
		f := min((g.gain-want+unit/2)/unit, (g.gain-t.floor)/unit)
		fit = fit && f <= maxFactor(b)
		g.factors[b] = min(f, maxFactor(b))
	}
	return fit
}

// mpeg1Lengths are the pairs of scale factor lengths that scalefac_compress can
// name in MPEG-1: ISO/IEC 11172-3, 2.4.2.7.
var mpeg1Lengths = [16][2]int{
	{0, 0}, {0, 1}, {0, 2}, {0, 3}, {3, 0}, {1, 1}, {1, 2}, {1, 3},
	{2, 1}, {2, 2}, {2, 3}, {3, 1}, {3, 2}, {3, 3}, {4, 2}, {4, 3},
}

// setLengths finds the shortest scale factor lengths that do.
func (g *granule) setLengths(mpeg1 bool) {
	var need [2]int
	for b, f := range g.factors[:lastBand] {
		half := 0
		if b >= factorSplit {
			half = 1
		}
		for f>>need[half] > 0 {
			need[half]++
		}
	}
	cost := func(l [2]int) int { return factorSplit*l[0] + (lastBand-factorSplit)*l[1] }
	g.slen, g.factored = need, cost(need)
	if !mpeg1 {
		return // any lengths go together
	}
	g.factored = math.MaxInt
	for _, l := range mpeg1Lengths {
		if l[0] >= need[0] && l[1] >= need[1] && cost(l) < g.factored {
			g.slen, g.factored = l, cost(l)
		}
	}
}

// compress is scalefac_compress, for the lengths that setLengths chose.
func (g *granule) compress(mpeg1 bool) uint32 {
	if mpeg1 {
		for i, l := range mpeg1Lengths {
			if l == g.slen {
				return uint32(i)
			}
		}
	}
	// ISO/IEC 13818-3, 2.4.3.2: 5 and 4 choices for the quarters' lengths.
	lo, hi := uint32(g.slen[0]), uint32(g.slen[1])
	return (lo*5+lo)<<4 | hi<<2 | hi
}
