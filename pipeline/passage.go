package pipeline

import "sync"

const (
	// minPassing is how many frames a passage remembers at least: a processor
	// may change the order of some.
	minPassing = 4096

	// maxPassing bounds the ordered frames that a passage remembers. An output
	// of package playout keeps the frames that go on behind ten minutes of audio;
	// in pieces of 10 ms those are 60,000, and it keeps 4,096 others.
	maxPassing = 1 << 16
)

// passage remembers the frames that went into parallel branches in one direction
// and lane, to let each out once. It forgets a frame when every branch has let
// out a later one and keep others have come since, or when most others have.
type passage struct {
	keep, most int
	ordered    []bool // by branch: it keeps the order of frames, having no branches of its own

	mu    sync.Mutex // frames go in on one goroutine and come out on another
	ring  []passing  // its length is a power of two; grows up to most
	index map[uint64]uint64
	in    uint64   // how many went in: the number of the next one
	out   uint64   // how many were forgotten: the number of the oldest one
	past  []uint64 // by branch, the number behind the last one that it let out
}

// passing is a frame in parallel branches.
type passing struct {
	id  uint64
	out uint64 // the branches that have let it out, a bit each
}

// enter notes a frame before it goes into the branches.
func (p *passage) enter(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, again := p.index[id]; again {
		return
	}
	p.forget()
	if p.index == nil {
		p.index = make(map[uint64]uint64)
	}
	if p.in-p.out == uint64(len(p.ring)) {
		p.grow()
	}
	p.index[id] = p.in
	*p.at(p.in) = passing{id: id}
	p.in++
}

// lets reports whether a frame goes on that comes out of a branch: the first time,
// or, if all must let it out, the last. One that was made inside of a branch comes out of
// no other.
func (p *passage) lets(id uint64, branch uint16, all bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	number, ok := p.index[id]
	if !ok {
		return true
	}
	if p.ordered[branch] {
		p.past[branch] = max(p.past[branch], number+1)
	}
	f := p.at(number)
	before := f.out
	f.out |= 1 << branch
	if all {
		every := ^uint64(0) >> (maxBranches - len(p.past))
		return f.out == every && before != every
	}
	return before == 0
}

func (p *passage) at(number uint64) *passing {
	return &p.ring[number&uint64(len(p.ring)-1)]
}

// forget makes room for another frame.
func (p *passage) forget() {
	low := p.past[0]
	for _, past := range p.past {
		low = min(low, past)
	}
	for n := p.in - p.out; n >= uint64(p.most) || n >= uint64(p.keep) && p.out < low; n-- {
		delete(p.index, p.at(p.out).id)
		p.out++
	}
}

func (p *passage) grow() {
	bigger := make([]passing, max(8, 2*len(p.ring)))
	for number := p.out; number < p.in; number++ {
		bigger[number&uint64(len(bigger)-1)] = *p.at(number)
	}
	p.ring = bigger
}
