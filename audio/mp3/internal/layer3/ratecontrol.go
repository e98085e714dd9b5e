package layer3

import "math"

// rateControl keeps the coarseness steady: it would rather have the reservoir
// rise and fall than the noise.
type rateControl struct {
	steady float64 // what recent frames needed
	known  bool    // whether there was one
}

// follow is how much of the difference between the steady coarseness and a
// frame's passes to the former.
const follow = 0.2

func (r *rateControl) seen(k int) {
	if !r.known {
		r.known, r.steady = true, float64(k)
		return
	}
	r.steady += follow * (float64(k) - r.steady)
}

// coarseness is the steady one, to the nearest whole step.
func (r *rateControl) coarseness() int { return int(math.Round(r.steady)) }

// spare is the part of the reservoir that is kept for worse to come if the
// frame can do without.
const spare = 0.25

// margin is the divisor of a frame for how much more than needed may be used to
// keep the reservoir from overflowing.
const margin = 32

// encodeParts quantizes a frame's spectra into e.parts, all at one coarseness.
// room is the frame's own main data space, and free what the reservoir has, in
// bytes.
func (e *Encoder) encodeParts(s []spectrum, room, free int) {
	low, high, audible := coarsenessRange(s)
	if !audible {
		for i := range s {
			e.parts[i].silence()
		}
		return
	}
	k := low
	if e.rate.known {
		k = min(max(e.rate.coarseness(), low), high)
	}
	// Less than least would overflow the reservoir and be lost; more than
	// most would empty it.
	least := room + free - e.limit
	most := room + int(float64(free)*(1-spare))
	switch need, legal := e.quantizeAll(s, k); {
	case need > most || !legal:
		k = e.search(s, k, low, high, false, most)
	case need < least:
		// A step of coarseness is some percent of a frame. Without a margin
		// half a step would be lost in each frame.
		most = min(most, least+room/margin)
		k = e.search(s, k, low, high, true, most)
	}
	e.rate.seen(k)
}

// coarsenessRange returns from where on a larger coarseness makes a difference,
// and from where on all is silent.
func coarsenessRange(s []spectrum) (low, high int, audible bool) {
	for i := range s {
		for _, t := range s[i].bands {
			if !t.audible() {
				continue
			}
			if !audible {
				audible = true
				low, high = t.floor-t.base, t.zero-t.base
			}
			low, high = min(low, t.floor-t.base), max(high, t.zero-t.base)
		}
	}
	return low, high, audible
}

// search leaves in e.parts the finest quantization of no more than most bytes
// and returns its coarseness. It starts from k, which is there already and of
// which it is known whether it fits; low-1 stands for what is too fine, and at
// high there is nothing left.
func (e *Encoder) search(s []spectrum, k, low, high int, fits bool, most int) int {
	last := k
	try := func(k int) bool {
		last = k
		bytes, legal := e.quantizeAll(s, k)
		return legal && bytes <= most
	}
	// Steps that double find the edge's neighbourhood, and halving the edge.
	fine, coarse := low-1, high
	if fits {
		coarse = k
		for step := 1; k-step > fine; step *= 2 {
			if !try(k - step) {
				fine = k - step
				break
			}
			coarse = k - step
		}
	} else {
		fine = k
		for step := 1; k+step < coarse; step *= 2 {
			if try(k + step) {
				coarse = k + step
				break
			}
			fine = k + step
		}
	}
	for coarse-fine > 1 {
		if k = fine + (coarse-fine)/2; try(k) {
			coarse = k
		} else {
			fine = k
		}
	}
	if last != coarse {
		e.quantizeAll(s, coarse)
	}
	return coarse
}

// quantizeAll quantizes all spectra and returns how many bytes they take, and
// whether none takes more than a granule may.
func (e *Encoder) quantizeAll(s []spectrum, k int) (bytes int, legal bool) {
	bits, legal := 0, true
	for i := range s {
		e.quantize(&e.parts[i], &s[i], k)
		legal = legal && e.parts[i].bits <= maxPartBits
		bits += e.parts[i].bits
	}
	return (bits + 7) / 8, legal
}
