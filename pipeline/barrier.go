package pipeline

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/parley-go/parley/frames"
)

// barrier is a kind of frame which goes downstream through every processor,
// and is delivered once by all branches together where branches meet. The
// engine keeps track of where the last one of each kind is, to be able to say
// who holds it.
type barrier uint8

const (
	noBarrier barrier = iota
	startBarrier
	endBarrier
	stopBarrier
	heartbeatBarrier
	barrierKinds
)

func (b barrier) String() string {
	return [...]string{"frame", "Start", "End", "Stop", "Heartbeat"}[b]
}

func barrierOf(f frames.Frame) barrier {
	switch f.(type) {
	case *frames.Start:
		return startBarrier
	case *frames.End:
		return endBarrier
	case *frames.Stop:
		return stopBarrier
	case *frames.Heartbeat:
		return heartbeatBarrier
	}
	return noBarrier
}

// barrierState is the last frame of a kind that came to a node, and that left
// it.
type barrierState struct{ in, out atomic.Uint64 }

// sendBarrier sends a barrier frame downstream. fresh says that p is the first
// to send it.
func (r *run) sendBarrier(ctx context.Context, p *Port, l link, it item, kind barrier, fresh bool) error {
	id := it.frame.ID()
	if kind == endBarrier {
		begins, known := r.beginEnd(it.frame)
		if !known {
			return nil // another one is on its way
		}
		fresh = begins
	}
	if fresh && p.node.branched {
		return r.sendFromHead(it, kind)
	}
	if l.to != nil && !l.to.joins() { // where branches meet it counts when it has come out of all
		l.to.barriers[kind].in.Store(id)
	}
	if kind == startBarrier {
		p.node.barriers[kind].out.Store(id)
		switch {
		case l.to == nil:
			return r.leave(p.node, it)
		case l.to.inline:
			r.observeHop(it, p.node, l.to)
			return l.to.visit(ctx, it, true)
		}
		l.to.pushStart(p.node, it)
		return nil
	}
	err := r.deliver(ctx, p, l, it)
	if err == nil {
		p.node.barriers[kind].out.Store(id)
	}
	return err
}

// sendFromHead sends a barrier which begins in a branch through the whole
// pipeline: where the branches meet it would wait for those that it never went
// into.
func (r *run) sendFromHead(it item, kind barrier) error {
	switch kind {
	case endBarrier, stopBarrier:
		r.inject(it.frame, kind)
	}
	return nil // Start and Heartbeat are the engine's own
}

// stuck describes the holders of a barrier.
func (r *run) stuck(kind barrier, id uint64) []Stuck {
	var stuck []Stuck
	for _, n := range r.holders(kind, id) {
		stuck = append(stuck, n.doing())
	}
	return stuck
}

// holders returns the processors that have been reached by the last barrier of
// a kind, have not passed it on, and wait for nobody but themselves.
func (r *run) holders(kind barrier, id uint64) []*node {
	holds := func(n *node) bool {
		return n != nil && n.barriers[kind].in.Load() == id && n.barriers[kind].out.Load() != id
	}
	var holders []*node
	for _, n := range r.nodes {
		if !holds(n) || anyHolds(n, holds) {
			continue
		}
		// If it waits for room further on, that is where the fault is.
		for next := n.blockedBy(); next != nil; next = n.blockedBy() {
			n = next
		}
		if !slices.Contains(holders, n) {
			holders = append(holders, n)
		}
	}
	return holders
}

// passedEnd reports whether the processor has passed on the end of the run.
func (n *node) passedEnd() bool {
	id := n.run.endID.Load()
	return id != 0 && n.barriers[endBarrier].out.Load() == id
}

// queued reports whether an ordered frame on its way downstream is in a queue or
// in hand anywhere.
func (r *run) queued(id uint64) bool {
	for _, n := range r.nodes {
		if n.has(id) {
			return true
		}
	}
	return false
}

func (n *node) has(id uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.downLane.waiters {
		if w.item.frame.ID() == id {
			return true
		}
	}
	for i := range n.downLane.n {
		if n.downLane.ring[(n.downLane.head+i)&(len(n.downLane.ring)-1)].frame.ID() == id {
			return true
		}
	}
	for _, it := range n.ord.items[min(int(n.ord.at.Load()), n.ord.n):n.ord.n] {
		if it.frame.ID() == id {
			return true
		}
	}
	return false
}

func anyHolds(n *node, holds func(*node) bool) bool {
	for _, next := range n.below() {
		if holds(next) {
			return true
		}
	}
	return false
}

// joins reports whether branches meet at n, on the way downstream.
func (n *node) joins() bool {
	b, ok := n.router.(*branches)
	return ok && b.exit == n
}

// below returns the nodes right downstream of n.
func (n *node) below() []*node {
	if b, ok := n.router.(*branches); ok && b.entry == n {
		below := make([]*node, len(b.heads))
		for i, l := range b.heads {
			below[i] = l.to
		}
		return below
	}
	if to := n.links[frames.Downstream].to; to != nil {
		return []*node{to}
	}
	return nil
}

// blockedBy returns the node in whose lane n waits for room, if it does.
func (n *node) blockedBy() *node {
	if n.next != nil && n.waitsForRoom() {
		return n.next
	}
	for _, next := range n.below() {
		next.mu.Lock()
		waits := false
		for _, w := range next.downLane.waiters {
			waits = waits || w.from == n
		}
		next.mu.Unlock()
		if waits {
			return next
		}
	}
	return nil
}
