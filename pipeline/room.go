package pipeline

import "github.com/parley-go/parley/frames"

// A plain processor has one goroutine. If that waited in Send for room in the
// next queue, system and upstream frames could not pass either, although they
// need no room there. So it waits before it takes an ordered frame, where it is
// free to handle the others. Nothing is reserved: what it makes beyond one frame
// for each, and what finds that another sender to the same queue was quicker,
// waits in Send, in order with all who wait there.
//
// What waits is still upstream of what it waits for, so there is no deadlock.

// assignNext tells each node with one goroutine whose queue its ordered frames
// go to.
func (r *run) assignNext() {
	for _, n := range r.nodes {
		if n.inline || n.router != nil || !n.alone() {
			continue
		}
		to := n.links[frames.Downstream].to
		for to != nil && to.inline {
			to = to.links[frames.Downstream].to
		}
		n.next = to
	}
}

// mustWait reports whether there is no room for what comes of item i of h.
func (n *node) mustWait(h *hand, i int) bool {
	return n.next != nil && h.lane == &n.downLane && n.next.downFull.Load() && !(i == 0 && h.sure)
}

// putBack returns what h holds from item i on to its lane.
func (n *node) putBack(h *hand, i int) {
	n.mu.Lock()
	h.lane.putBack(h.items[i:h.n])
	clear(h.items[i:h.n])
	h.n = i
	n.mu.Unlock()
}

// mayTake reports whether an ordered frame may be taken, or it is worth looking
// whether there is room. Called with the lock held.
func (n *node) mayTake() bool {
	return !n.blocked || n.looked != n.run.gen.Load().number // what is in the way may be out of date
}

// findRoom reports whether there is room in the next queue, and has n woken
// when there is if there is none. Called with n's lock held, which it gives up
// meanwhile: of two nodes the one downstream is locked first.
func (n *node) findRoom() bool {
	next := n.next
	if next == nil || n.sure || !next.downFull.Load() {
		return true
	}
	n.mu.Unlock()
	next.mu.Lock()
	g := n.run.gen.Load()
	next.purge(g)
	wake := next.admit()
	n.mu.Lock()
	if next.downLane.isFull() {
		next.ord.stamp(n.run.now())
		if !n.blocked {
			next.idle = append(next.idle, n)
			next.downBlocked.Store(true)
		}
		n.blocked, n.looked = true, g.number
	} else {
		// Even if others are quicker now: whoever has waited gets its turn.
		n.sure = true
	}
	next.mu.Unlock()
	if wake != nil {
		wake.wake <- struct{}{}
	}
	return false // look around first: much may have happened
}

// wakeIdle wakes the nodes that wait for room in n, of which there is some now.
// Each will handle one frame at least, so that nobody's turn is put off for
// ever. Called with n's lock held.
func (n *node) wakeIdle() {
	for i, m := range n.idle {
		m.mu.Lock()
		m.blocked, m.sure = false, true
		if m.ordBed.rouse() {
			m.ordBed.wake <- struct{}{}
		}
		m.mu.Unlock()
		n.idle[i] = nil
	}
	n.idle = n.idle[:0]
}

// waitsForRoom reports whether n does nothing because the next queue is full.
func (n *node) waitsForRoom() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.blocked && n.ordBed.asleep && n.downLane.n > 0
}
