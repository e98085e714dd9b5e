package pipeline

import (
	"time"

	"github.com/parley-go/parley/frames"
)

// ProcessorStats is what one processor is doing, and has done.
type ProcessorStats struct {
	Processor string
	Inline    bool // it has no queues of its own

	System   LaneStats // system frames, both ways
	Ordered  LaneStats // data and control frames on their way downstream
	Upstream LaneStats // data and control frames on their way upstream

	// Doing says what it is busy with, "Text#12 in Process", and For how long
	// that has been going on; empty if it waits for frames, or
	// for room in the next queue before it takes one. A SystemProcessor
	// may be busy with two things: then it is what has taken longer. For is
	// counted from when the frame was taken from a queue, with up to 15 others
	// if they took microseconds; or, if it had not to wait in one, from when the
	// next frame arrived behind it, or somebody asked.
	Doing string
	For   time.Duration
}

// LaneStats is the state of one queue.
type LaneStats struct {
	Depth    int // frames that wait
	Capacity int // how many may wait
	Waiting  int // senders, and processors with one goroutine, that wait for room

	// Oldest is how long the oldest frame has been waiting. It is measured once
	// for each time that the queue turns over, and may be too short by the time
	// in which it filled.
	Oldest time.Duration

	Handled uint64 // frames that the processor got
	Stale   uint64 // frames that an interruption dropped
	Shed    uint64 // realtime frames that were dropped because the queue was full
}

// Stats returns what each processor is doing, in the order of the pipeline. It
// returns nil before Run. It takes each processor's lock for a moment.
func (p *Pipeline) Stats() []ProcessorStats {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r == nil {
		return nil
	}
	stats := make([]ProcessorStats, len(r.nodes))
	for i, n := range r.nodes {
		stats[i] = n.stats()
	}
	return stats
}

// Discarded returns how many frames have left the pipeline at its end and, on
// their way upstream, at its beginning.
func (p *Pipeline) Discarded() (downstream, upstream uint64) {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r == nil {
		return 0, 0
	}
	return r.discarded[frames.Downstream].Load(), r.discarded[frames.Upstream].Load()
}

func (n *node) stats() ProcessorStats {
	s := ProcessorStats{Processor: n.name, Inline: n.inline}
	if n.inline {
		return s
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.run.now()
	s.System = n.sysLane.stats(now)
	s.Ordered = n.downLane.stats(now)
	s.Upstream = n.upLane.stats(now)
	s.Ordered.Waiting += len(n.idle)
	for _, h := range []*hand{&n.sys, &n.ord} {
		left, begun := h.progress()
		held := time.Duration(now - h.since)
		switch h.lane {
		case &n.sysLane:
			s.System.add(left, begun, held)
		case &n.downLane:
			s.Ordered.add(left, begun, held)
		case &n.upLane:
			s.Upstream.add(left, begun, held)
		}
	}
	s.Doing, s.For = n.longest()
	return s
}

func (l *lane) stats(now int64) LaneStats {
	s := LaneStats{Depth: l.n, Capacity: l.limit, Waiting: len(l.waiters), Handled: l.handled, Stale: l.stale, Shed: l.shed}
	if l.n > 0 && l.mark > l.out {
		s.Oldest = time.Duration(now - l.markAt)
	}
	return s
}

// progress returns how many frames in hand have not been begun, and how many
// have been.
func (h *hand) progress() (left, begun int) {
	if h.n == 0 {
		return 0, 0
	}
	begun = min(int(h.at.Load())+1, h.n)
	return h.n - begun, begun
}

// add counts in what the goroutine has in hand, and for how long.
func (s *LaneStats) add(left, begun int, held time.Duration) {
	s.Depth += left
	if left > 0 {
		s.Oldest = max(s.Oldest, held)
	}
	s.Handled += uint64(begun)
}

// doing says what the node is busy with, for an error.
func (n *node) doing() Stuck {
	s := Stuck{Processor: n.name}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.Doing, s.For = n.longest()
	return s
}

// longest returns the longer of what the node's goroutines do. The lock must be
// held, as for the other two.
func (n *node) longest() (doing string, took time.Duration) {
	for _, l := range []*lane{&n.sysLane, &n.downLane, &n.upLane} {
		if d, t := n.doingIn(l); d != "" && (doing == "" || t > took) {
			doing, took = d, t
		}
	}
	return doing, took
}

// doingIn returns what the goroutine that empties l is busy with.
func (n *node) doingIn(l *lane) (string, time.Duration) {
	h, method := &n.ord, " in Process"
	if l == &n.sysLane {
		h = &n.sys
		if n.system != nil {
			method = " in ProcessSystem"
		}
	}
	now := n.run.now()
	if n.telling != nil && (l == &n.sysLane || n.alone()) {
		return frames.Name(n.telling.frame) + method, time.Duration(now - n.telling.since)
	}
	f := h.handling()
	if f == nil && n.alone() { // the one goroutine may be busy with the other lane
		h = &n.sys
		if l == &n.sysLane {
			h = &n.ord
		}
		f = h.handling()
	}
	if f == nil {
		return "", 0
	}
	h.stamp(now)
	return frames.Name(f) + method, time.Duration(now - h.since)
}

// stamp notes the time, if nobody has looked at the clock since h was filled.
// Not to look at it for every frame saves much where frames come one by one, and
// where something is stuck somebody looks soon: the next sender, if no other.
func (h *hand) stamp(now int64) {
	if h.since == 0 {
		h.since = now
	}
}

// handling returns the frame that is being handled, or nil.
func (h *hand) handling() frames.Frame {
	if at := int(h.at.Load()); at < h.n {
		return h.items[at].frame
	}
	return nil
}
