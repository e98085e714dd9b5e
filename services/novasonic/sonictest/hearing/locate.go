package hearing

import (
	"math"
	"slices"

	"github.com/parley-go/parley/audio"
)

const (
	// Agreement with a recording is judged block by block: 32 ms.
	blockLength = 256

	// Blocks agree from here on: 1 is the same signal, 0 another, and 0.4 is
	// the same under noise that is 1.8 dB louder.
	agreement = 0.4

	// A part is believed if this much of it agrees, overall, for this long: a
	// vowel of another word at the same pitch may agree by chance, for a while.
	minScore       = 0.5
	minBlocks      = 10 // 320 ms of agreeing blocks,
	sureScore      = 0.85
	minSureBlocks  = 6 // or 192 ms if the agreement is good
	worthALook     = 0.2
	maxSearches    = 8 // for one utterance
	shortestSearch = int(analysisRate) / 8
)

// alignment says which sample of a recording was heard at sample 0 of a stream
// (at analysisRate, with its fraction).
type alignment struct {
	recording int
	offset    float64
}

// located is a part of the utterance that agrees with a recording: samples
// [from, to) of the utterance, at analysisRate.
type located struct {
	recording int
	lag       float64 // sample i of the utterance is sample i+lag of the recording
	from, to  int
	score     float64
	comparison
}

// locate finds the utterance in the library, piece by piece.
func (r *recogniser) locate(u *Utterance) {
	l := &locator{recogniser: r, audio: u.Audio, signal: analyse(u.Audio, u.Rate, 0)}
	l.energy = cumulativeEnergy(l.signal)
	l.start = float64(u.AudioStart) * float64(analysisRate) / float64(u.Rate)
	l.span(0, len(l.signal))
	slices.SortFunc(l.found, func(a, b located) int { return a.from - b.from })
	for i := 1; i < len(l.found); i++ {
		splice(&l.found[i-1], &l.found[i])
	}
	r.describe(u, l.found)
}

// locator locates one utterance.
type locator struct {
	*recogniser
	audio    []int16
	signal   []float32
	energy   []float64
	start    float64 // the utterance's first sample on the stream's clock, at analysisRate
	found    []located
	searches int
}

// span locates what is in [from, to): the best part first, then what is left of
// it and right of it.
func (l *locator) span(from, to int) {
	total := l.energy[len(l.signal)]
	if to-from < shortestSearch || l.energy[to]-l.energy[from] < 0.01*total {
		return
	}
	m, ok := l.expected(from, to)
	if !ok {
		m, ok = l.search(from, to)
	}
	if ok {
		l.found = append(l.found, m)
		l.last = &alignment{recording: m.recording, offset: m.lag - l.start}
		l.span(from, m.from)
		l.span(m.to, to)
		return
	}
	if to-from > 2*longQuery*searchFactor {
		// The loudest second is unknown; the rest need not be.
		l.span(from, (from+to)/2)
		l.span((from+to)/2, to)
	}
}

// expected looks where the recording would be if it had gone on.
func (l *locator) expected(from, to int) (located, bool) {
	if l.last == nil {
		return located{}, false
	}
	e := l.library.recordings[l.last.recording]
	lag := l.last.offset + l.start
	if float64(to)+lag <= 0 || float64(from)+lag >= float64(len(e.signal)) {
		return located{}, false
	}
	a, b := l.window(from, to)
	return l.examine(l.last.recording, int(math.Round(lag)), a, b, from, to)
}

// search looks everywhere.
func (l *locator) search(from, to int) (located, bool) {
	if l.searches == maxSearches {
		return located{}, false
	}
	l.searches++
	a, b := l.window(from, to)
	var best located
	for _, p := range l.library.index.find(halve(l.signal[a:b])) {
		if p.score < worthALook {
			break
		}
		m, ok := l.examine(p.recording, p.lag*searchFactor-a, a, b, from, to)
		if ok && m.score*float64(m.to-m.from) > best.score*float64(best.to-best.from) {
			best = m
		}
	}
	return best, best.to > best.from
}

// window returns the loudest stretch of [from, to) that a search can take.
func (l *locator) window(from, to int) (int, int) {
	const long = longQuery * searchFactor
	if to-from <= long {
		return from, to
	}
	best := from
	for at := from; at+long <= to; at += blockLength {
		if l.energy[at+long]-l.energy[at] > l.energy[best+long]-l.energy[best] {
			best = at
		}
	}
	return best, best + long
}

// examine takes a closer look at a place: it finds the lag to a fraction of a
// sample, in the window [a, b), and then what part of [from, to) agrees.
func (l *locator) examine(recording, lag, a, b, from, to int) (located, bool) {
	e := l.library.recordings[recording]
	const reach = 3
	var peak [2*reach + 1]float64
	best := 0
	for i := range peak {
		peak[i] = correlate(l.signal, e.signal, lag+i-reach, a, b)
		if peak[i] > peak[best] {
			best = i
		}
	}
	if peak[best] <= 0 {
		return located{}, false
	}
	lag += best - reach
	fraction := 0.0
	if best > 0 && best < 2*reach {
		if curve := 2*peak[best] - peak[best-1] - peak[best+1]; curve > 0 {
			fraction = (peak[best+1] - peak[best-1]) / (2 * curve)
		}
	}

	c := comparison{heard: l.signal, known: e.signal, lag: lag}
	if math.Abs(fraction) > 0.05 {
		// Take the utterance again, on the recording's sampling instants.
		c.heard = analyse(l.audio, l.rate, -fraction)
	}
	m, ok := c.extent(a, b, from, to)
	m.recording, m.lag, m.comparison = recording, float64(lag)+fraction, c
	return m, ok
}

// correlate returns the sum of heard[i]*known[i+lag] for i in [from, to).
func correlate(heard, known []float32, lag, from, to int) float64 {
	from, to = max(from, -lag), min(to, len(known)-lag)
	if from >= to {
		return 0
	}
	h, k := heard[from:to], known[from+lag:to+lag]
	var sum float64
	for len(h) >= blockLength {
		sum += float64(dot(h[:blockLength], k[:blockLength]))
		h, k = h[blockLength:], k[blockLength:]
	}
	return sum + float64(dot(h, k))
}

func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	for len(a) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

// comparison sets an utterance beside a recording.
type comparison struct {
	heard, known []float32
	lag          int
	gain         float64 // heard is about gain times known
}

// verdict on a block.
type verdict int

const (
	quiet     verdict = iota // both are: it says nothing
	doubtful                 // the recording's faint sound was not heard: a codec may have dropped it
	agrees                   // the recording's sound was heard
	disagrees                // it was not, or something else was
)

// extent returns the longest stretch of [from, to) that agrees, given that the
// window [a, b) does in some of it.
func (c *comparison) extent(a, b, from, to int) (located, bool) {
	hk := correlate(c.heard, c.known, c.lag, a, b)
	kk := correlate(c.known, c.known, 0, max(a+c.lag, 0), min(b+c.lag, len(c.known)))
	if hk <= 0 || kk <= 0 {
		return located{}, false
	}
	c.gain = hk / kk
	loudness := c.gain * c.gain * kk / float64(b-a) // of the recording here, as heard

	blocks := (to - from + blockLength - 1) / blockLength
	verdicts := make([]verdict, blocks)
	weight := make([]float64, blocks)
	for i := range verdicts {
		lo := from + i*blockLength
		verdicts[i], weight[i] = c.judge(lo, min(lo+blockLength, to), loudness)
	}
	first, last := bestRun(verdicts, weight)
	if first > last {
		return located{}, false
	}
	m := located{
		from: c.edge(from+first*blockLength, from, to, -1),
		to:   c.edge(min(from+(last+1)*blockLength, to), from, to, +1),
	}
	m.score = c.score(m.from, m.to)
	sure := 0
	for _, v := range verdicts[first : last+1] {
		if v == agrees {
			sure++
		}
	}
	if m.to <= m.from || !(m.score >= minScore && sure >= minBlocks || m.score >= sureScore && sure >= minSureBlocks) {
		return located{}, false
	}

	// Where neither makes a sound nothing contradicts that it was heard.
	for i := first - 1; i >= 0 && verdicts[i] == quiet; i-- {
		m.from = min(m.from, from+i*blockLength)
	}
	for i := last + 1; i < blocks && verdicts[i] == quiet; i++ {
		m.to = max(m.to, min(from+(i+1)*blockLength, to))
	}
	m.from, m.to = max(m.from, -c.lag), min(m.to, len(c.known)-c.lag)
	return m, m.from < m.to
}

// judge compares a block; loudness is the mean square that is usual here.
func (c *comparison) judge(from, to int, loudness float64) (verdict, float64) {
	n := float64(to - from)
	hh := correlate(c.heard, c.heard, 0, from, to)
	hk := c.gain * correlate(c.heard, c.known, c.lag, from, to)
	kk := c.gain * c.gain * correlate(c.known, c.known, 0, max(from+c.lag, 0), min(to+c.lag, len(c.known)))
	switch {
	case kk > 0.1*loudness*n && 2*hk > agreement*(hh+kk):
		return agrees, kk
	case kk > 0.2*loudness*n, hh > loudness*n:
		return disagrees, 0
	case kk-2*hk > 0.01*loudness*n:
		return doubtful, 0
	}
	return quiet, 0
}

// bestRun returns the first and last agreeing block of the run without
// disagreement in which the most sound agrees.
func bestRun(verdicts []verdict, weight []float64) (first, last int) {
	first, last = 0, -1
	var best, sum float64
	begin, end := -1, -1
	for i, v := range verdicts {
		switch v {
		case agrees:
			if begin < 0 {
				begin, sum = i, 0
			}
			end = i
			sum += weight[i]
			if sum > best {
				best, first, last = sum, begin, end
			}
		case disagrees:
			begin = -1
		}
	}
	return first, last
}

// edge finds, to a sample, where agreement begins (direction -1) or ends (+1)
// near a block's border: where the recording stops explaining more of what was
// heard than silence would.
func (c *comparison) edge(near, from, to, direction int) int {
	const reach = 2 * blockLength
	lo := max(near-reach, from, -c.lag)
	hi := min(near+reach, to, len(c.known)-c.lag)
	if lo >= hi {
		return min(max(near, from), to)
	}
	best, sum, most := near, 0.0, math.Inf(-1)
	if direction < 0 {
		for i := hi - 1; i >= lo; i-- {
			if sum += c.evidence(i); sum > most {
				most, best = sum, i
			}
		}
		return best
	}
	for i := lo; i < hi; i++ {
		if sum += c.evidence(i); sum > most {
			most, best = sum, i+1
		}
	}
	return best
}

// evidence tells how much better a sample is explained by the recording than by
// silence: heard² - (heard - gain*known)².
func (c *comparison) evidence(i int) float64 {
	k := c.gain * float64(c.known[i+c.lag])
	return k * (2*float64(c.heard[i]) - k)
}

// splice moves the border between two parts that abut to where it is likeliest.
// The part found first may have taken a bit of the other by chance.
func splice(a, b *located) {
	const reach = 8 * blockLength
	if b.from-a.to > 2*blockLength {
		return // something else is between them
	}
	lo := max(a.from, a.to-reach, -b.comparison.lag)
	hi := min(b.to, b.from+reach, len(a.known)-a.comparison.lag)
	best, sum, most := a.to, 0.0, 0.0
	for i := lo; i < a.to; i++ {
		sum -= a.evidence(i) - b.evidence(i)
	}
	// sum is what moving the border to i gains
	for i := lo; i < hi; i++ {
		if sum > most {
			most, best = sum, i
		}
		sum += a.evidence(i) - b.evidence(i)
	}
	if most > 0 {
		a.to, b.from = best, best
	}
}

// score is the normalised correlation over [from, to).
func (c *comparison) score(from, to int) float64 {
	from, to = max(from, -c.lag), min(to, len(c.known)-c.lag)
	if from >= to {
		return 0
	}
	hh := correlate(c.heard, c.heard, 0, from, to)
	kk := correlate(c.known, c.known, 0, from+c.lag, to+c.lag)
	if hh == 0 || kk == 0 {
		return 0
	}
	return correlate(c.heard, c.known, c.lag, from, to) / math.Sqrt(hh*kk)
}

// position converts a sample at analysisRate to a rate, rounded.
func position(at float64, rate audio.SampleRate) audio.Position {
	return audio.Position(math.Round(at * float64(rate) / float64(analysisRate)))
}
