package local

import (
	"math"
	"sync/atomic"
)

// ring holds samples between a device's callback and the pipeline. One goroutine
// writes and one reads, of which one is the callback, which may never wait: so
// neither ever does. Indices count samples from the beginning and never go back.
type ring struct {
	samples []int16 // a power of two
	written atomic.Int64
	read    atomic.Int64
	cut     atomic.Int64 // what is before it is not wanted any more

	// The reader's own.
	fade  []float32 // how what is cut goes away
	faded int       // so much of it has
}

// newRing makes a ring for at least n samples, which fades what is cut in so many.
func newRing(n, fade int) *ring {
	size := 1
	for size < n {
		size *= 2
	}
	r := &ring{samples: make([]int16, size), fade: make([]float32, fade)}
	for i := range r.fade {
		r.fade[i] = float32(1+math.Cos(math.Pi*(float64(i)+0.5)/float64(fade))) / 2
	}
	return r
}

// write takes as many samples as there is room for.
func (r *ring) write(p []int16) int {
	w := r.written.Load()
	n := min(len(p), len(r.samples)-int(w-r.read.Load()))
	at := int(w) & (len(r.samples) - 1)
	copy(r.samples, p[copy(r.samples[at:], p[:n]):n])
	r.written.Store(w + int64(n))
	return n
}

// take reads as many samples as there are, up to len(p).
func (r *ring) take(p []int16) int {
	n := 0
	if cut := r.cut.Load(); cut > r.read.Load() {
		n = r.vanish(p, cut)
		if r.read.Load() < cut {
			return n // p is full
		}
	}
	return n + r.copy(p[n:])
}

// vanish reads what is left to be heard of what is cut.
func (r *ring) vanish(p []int16, cut int64) int {
	n := min(len(p), len(r.fade)-r.faded, int(cut-r.read.Load()))
	n = r.copy(p[:n])
	for i := range p[:n] {
		p[i] = int16(math.RoundToEven(float64(float32(p[i]) * r.fade[r.faded+i])))
	}
	r.faded += n
	if r.faded == len(r.fade) || r.read.Load() == cut {
		r.faded = 0
		r.read.Store(cut)
	}
	return n
}

func (r *ring) copy(p []int16) int {
	at := r.read.Load()
	n := min(len(p), int(r.written.Load()-at))
	from := int(at) & (len(r.samples) - 1)
	copy(p[copy(p[:n], r.samples[from:]):n], r.samples)
	r.read.Store(at + int64(n))
	return n
}

// discard has the reader forget what has been written so far, but for a fade. The
// writer calls it, or somebody who is not concurrent with it.
func (r *ring) discard() { r.cut.Store(r.written.Load()) }

// filled returns how many samples wait to be read.
func (r *ring) filled() int64 {
	return max(0, r.written.Load()-max(r.read.Load(), r.cut.Load()))
}
