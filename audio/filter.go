package audio

import (
	"math"
	"runtime"
	"sync"
	"weak"
)

// The low-pass filter of the resampler is a Kaiser-windowed sinc, described in
// units of the lower of the two rates. These numbers were searched for the
// shortest filter whose pass band is within 0.1 dB up to 0.45 of that rate and
// that lets nothing beyond 0.5 of it through: not -6 dB at the fold, as a
// half-band design has, but less than -90 dB, so that no alias of any tone is
// ever louder than that. The delay is the price: half of the filter's length.
// TestFilterMeetsItsSpecification holds them to it.
const (
	filterHalf   = 52    // half of the length, in samples of the lower rate
	filterCutoff = 0.471 // the -6 dB point, in cycles a sample of the lower rate
	filterBeta   = 9.4   // the Kaiser window's shape
)

const (
	// exactPhases is the largest number of phases for which a row of the table
	// is kept for each. All pairs of the usual rates need at most 640. Odd
	// ratios (44,101 to 48,000 Hz) interpolate between the rows of a coarser
	// table instead, which errs by less than -105 dB.
	exactPhases = 1024
	// interpolatedPhases is that coarser table's number of rows for each sample
	// of the lower rate.
	interpolatedPhases = 512
	// maxRatio is the largest ratio between two rates. A filter's length grows
	// with it; 1:128 covers 6 kHz to 768 kHz.
	maxRatio = 128
)

// ratio is a pair of rates in lowest terms.
type ratio struct{ in, out int }

func newRatio(in, out SampleRate) ratio {
	a, b := int(in), int(out)
	for b != 0 {
		a, b = b, a%b
	}
	return ratio{int(in) / a, int(out) / a}
}

// filter is the polyphase table of one ratio. It is immutable, and shared by
// all resamplers of that ratio.
type filter struct {
	taps  int       // coefficients in a row, a multiple of 8
	rows  int       // phases in a sample of the input
	coefs []float32 // the rows, each oldest sample first; rows+1 of them if interpolated
	delay int       // in samples of the output

	interpolated bool
}

// row returns the coefficients for an output that lies i/rows of a sample after
// the newest input.
func (f *filter) row(i int) []float32 {
	return f.coefs[i*f.taps : (i+1)*f.taps : (i+1)*f.taps]
}

// newFilter computes the table for q.
//
// Output j lies at j*in/out on the input's clock, minus the delay, which is a
// whole number of output samples and just long enough for the filter to need no
// input that comes after that.
func newFilter(q ratio) *filter {
	// stretch is how many input samples one sample of the lower rate lasts.
	stretch := math.Max(1, float64(q.in)/float64(q.out))
	f := &filter{rows: q.out, delay: filterHalf}
	if q.out > q.in {
		f.delay = (filterHalf*q.out + q.in - 1) / q.in
	}
	delay := float64(f.delay) * float64(q.in) / float64(q.out)
	// The kernel ends half its length before the delayed output's place. In
	// whole numbers: a rounding error would cost a tap or a sample of delay.
	after := (f.delay*q.in + q.out - 1) / q.out
	before := (filterHalf*max(q.in, q.out) + q.out - 1) / q.out
	f.taps = (after + before + 7) &^ 7

	last := f.rows
	if max(q.in, q.out) > exactPhases {
		f.interpolated = true
		f.rows = int(math.Ceil(interpolatedPhases / stretch))
		last = f.rows + 1
	}
	f.coefs = make([]float32, last*f.taps)
	exact := make([]float64, f.taps)
	for i := range last {
		shift := float64(i)/float64(f.rows) - delay
		sum := 0.0
		for k := range exact {
			// Tap k counts from the newest sample.
			exact[k] = kernel((float64(k) + shift) / stretch)
			sum += exact[k]
		}
		row := f.row(i)
		for k, c := range exact {
			// Each row is scaled to pass a constant unchanged.
			row[f.taps-1-k] = float32(c / sum)
		}
	}
	return f
}

// kernel is the filter's impulse response at t samples of the lower rate from
// its middle.
func kernel(t float64) float64 {
	u := t / filterHalf
	if u <= -1 || u >= 1 {
		return 0
	}
	sinc := 1.0
	if x := 2 * math.Pi * filterCutoff * t; x != 0 {
		sinc = math.Sin(x) / x
	}
	return sinc * bessel0(filterBeta*math.Sqrt(1-u*u))
}

// bessel0 is the modified Bessel function of the first kind and order 0, by its
// power series, which for the arguments of a Kaiser window converges fast.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-17*sum; k++ {
		h := x / (2 * k)
		term *= h * h
		sum += term
	}
	return sum
}

// filterCache keeps each filter for as long as some resampler uses it. A table
// is up to 400 kB and takes milliseconds to compute; a server has hundreds of
// calls between the same few rates. The tables are immutable and a pure
// function of their key, so that sharing them shows in nothing but speed, and
// they are held weakly, so that rates read from hostile files leave nothing
// behind.
type filterCache struct {
	mu    sync.Mutex
	byKey map[ratio]weak.Pointer[filter]
}

var filters filterCache

func (c *filterCache) get(q ratio) *filter {
	if f := c.lookup(q); f != nil {
		return f
	}
	// Computed outside of the lock: two callers may both do it; one table wins.
	f := newFilter(q)
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.byKey[q].Value(); g != nil {
		return g
	}
	if c.byKey == nil {
		c.byKey = make(map[ratio]weak.Pointer[filter])
	}
	c.byKey[q] = weak.Make(f)
	runtime.AddCleanup(f, c.forget, q)
	return f
}

func (c *filterCache) lookup(q ratio) *filter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byKey[q].Value()
}

// forget removes q's entry if its table is gone. It may have been computed anew
// since.
func (c *filterCache) forget(q ratio) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[q].Value() == nil {
		delete(c.byKey, q)
	}
}
