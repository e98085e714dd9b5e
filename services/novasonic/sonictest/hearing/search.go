package hearing

import (
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/dsp/fourier"
)

// The search for where something was heard runs at half the analysis rate:
// most of speech's energy is below 2 kHz, and it takes a quarter of the work.
const (
	searchFactor = 2
	searchRate   = int(analysisRate) / searchFactor

	// Recordings are cut into pieces of pieceLength (4 s) that begin every
	// pieceStep, and stored as their spectra: correlating a query of up to
	// longQuery (1 s) with a piece is one product and one inverse transform.
	pieceLength = 1 << 14
	longQuery   = 1 << 12
	pieceStep   = pieceLength - longQuery

	// A query may begin up to a second before the recording does.
	lead = searchRate

	// shortlist is how many places are looked at closely.
	shortlist = 4
)

// index finds a query in all recordings.
type index struct {
	pieces []piece
	works  sync.Pool // of *work
}

type piece struct {
	recording int
	start     int         // of the piece in the recording, at searchRate; negative in the lead
	spectrum  []complex64 // half the memory of complex128 and precise enough for a peak
	energy    []float32   // energy[i] is that of the piece's first i samples
}

// work is what one search needs besides the index.
type work struct {
	transform *fourier.FFT
	time      []float64
	frequency []complex128
	product   []complex128
}

func (x *index) work() *work {
	if w, ok := x.works.Get().(*work); ok {
		return w
	}
	return &work{
		transform: fourier.NewFFT(pieceLength),
		time:      make([]float64, pieceLength),
		frequency: make([]complex128, pieceLength/2+1),
		product:   make([]complex128, pieceLength/2+1),
	}
}

// add indexes a recording's signal.
func (x *index) add(recording int, signal []float32) {
	half := halve(signal)
	w := x.work()
	defer x.works.Put(w)
	for start := -lead; start < len(half); start += pieceStep {
		p := piece{recording: recording, start: start, energy: make([]float32, pieceLength+1)}
		var sum float64
		for i := range w.time {
			v := 0.0
			if at := start + i; at >= 0 && at < len(half) {
				v = float64(half[at])
			}
			w.time[i] = v
			sum += v * v
			p.energy[i+1] = float32(sum)
		}
		w.transform.Coefficients(w.frequency, w.time)
		p.spectrum = make([]complex64, len(w.frequency))
		for i, c := range w.frequency {
			p.spectrum[i] = complex64(c)
		}
		x.pieces = append(x.pieces, p)
	}
}

// place is where a query may have been found: its first sample is sample lag of
// the recording, at searchRate.
type place struct {
	recording, lag int
	score          float64 // normalised correlation
}

// find returns the likeliest places of a query (at searchRate, at most
// longQuery samples), best first.
func (x *index) find(query []float32) []place {
	w := x.work()
	defer x.works.Put(w)
	clear(w.time)
	var energy float64
	for i, v := range query {
		w.time[i] = float64(v)
		energy += float64(v) * float64(v)
	}
	if energy == 0 {
		return nil
	}
	w.transform.Coefficients(w.frequency, w.time)

	var best []place
	for i := range x.pieces {
		p := &x.pieces[i]
		for k, c := range p.spectrum {
			q := w.frequency[k]
			w.product[k] = complex128(c) * complex(real(q), -imag(q))
		}
		correlation := w.transform.Sequence(w.time, w.product)
		// Where the recording is almost silent anything correlates with its noise.
		least := float64(p.energy[pieceLength]) * float64(len(query)) / pieceLength / 50
		for lag := range pieceStep {
			c := correlation[lag]
			if c <= 0 {
				continue
			}
			there := float64(p.energy[lag+len(query)] - p.energy[lag])
			score := c / pieceLength
			score = score * score / (energy * (there + least))
			if len(best) == shortlist && score <= best[shortlist-1].score {
				continue
			}
			best = enter(best, place{p.recording, p.start + lag, score})
		}
	}
	for i := range best {
		best[i].score = math.Sqrt(best[i].score)
	}
	return best
}

// enter puts a place on the shortlist, once for each peak.
func enter(best []place, p place) []place {
	const peakWidth = 40 // 10 ms
	for i := range best {
		if best[i].recording == p.recording && abs(best[i].lag-p.lag) < peakWidth {
			if p.score <= best[i].score {
				return best
			}
			best = slices.Delete(best, i, i+1)
			break
		}
	}
	at := 0
	for at < len(best) && best[at].score >= p.score {
		at++
	}
	best = slices.Insert(best, at, p)
	return best[:min(len(best), shortlist)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
