package pipeline

import "github.com/parley-go/parley/frames"

// item is a frame in a lane. What goes with it is in one word, since it is written
// and copied as often as frames are.
type item struct {
	frame frames.Frame
	word  uint64 // gen in the upper half, then tag, dir and fresh
}

func newItem(f frames.Frame, gen uint32, tag uint16, dir frames.Direction, fresh bool) item {
	word := uint64(gen)<<32 | uint64(tag)<<16 | uint64(dir)<<1
	if fresh {
		word |= 1
	}
	return item{f, word}
}

// gen is the generation that it belongs to, tag the branch that it came from, where
// branches meet; fresh tells that it is sent for the first time.
func (it *item) gen() uint32           { return uint32(it.word >> 32) }
func (it *item) tag() uint16           { return uint16(it.word >> 16) }
func (it *item) dir() frames.Direction { return frames.Direction(it.word >> 1 & 0x7fff) }
func (it *item) fresh() bool           { return it.word&1 != 0 }

// lane is one bounded queue of a node. Its node's mutex protects it.
type lane struct {
	ring []item // its length is a power of two; grows up to limit
	head int
	n    int

	limit int // how many frames may wait, those that the node has taken in hand included
	held  int // how many the node has taken in hand and not finished

	waiters []*waiter // senders that wait for room, in order
	spare   []*waiter // to be used again

	in, out uint64 // how many frames were put in and taken out
	mark    uint64 // the frame whose time is known: in, as it was after that frame
	markAt  int64  // when it was put in, in run time

	handled uint64 // frames that the processor got
	stale   uint64 // frames that an interruption dropped
	shed    uint64 // realtime frames that were dropped because the lane was full
}

// waiter is a sender that waits for room in a lane.
type waiter struct {
	item  item
	from  *node
	ready chan error // gets nil when item is in the lane
	keeps bool       // item survives interruptions
	tied  bool       // the sender's context belongs to the item's generation

	// detached says that nobody listens to ready: see node.pushLater.
	detached bool
}

func (l *lane) isFull() bool { return l.n+l.held >= l.limit }

func (l *lane) hasRoom() bool { return !l.isFull() && len(l.waiters) == 0 }

// put appends it.
func (l *lane) put(it item) {
	if l.n == len(l.ring) {
		l.grow()
	}
	l.ring[(l.head+l.n)&(len(l.ring)-1)] = it
	l.n++
	l.in++
}

// putFirst puts it before everything else.
func (l *lane) putFirst(it item) {
	if l.n == len(l.ring) {
		l.grow()
	}
	l.head = (l.head - 1) & (len(l.ring) - 1)
	l.ring[l.head] = it
	l.n++
	l.in++
}

// take moves up to len(into) items out of the lane and into the hand of the
// node.
func (l *lane) take(into []item) int {
	n := min(l.n, len(into))
	mask := len(l.ring) - 1
	for i := range n {
		slot := &l.ring[(l.head+i)&mask]
		into[i] = *slot
		slot.frame = nil
	}
	l.head = (l.head + n) & mask
	l.n -= n
	l.out += uint64(n)
	l.held += n
	return n
}

// putBack moves items that were taken last, and not handled, back to the front.
func (l *lane) putBack(items []item) {
	for i := len(items) - 1; i >= 0; i-- {
		if l.n == len(l.ring) {
			l.grow()
		}
		l.head = (l.head - 1) & (len(l.ring) - 1)
		l.ring[l.head] = items[i]
		l.n++
	}
	l.out -= uint64(len(items))
	l.held = max(0, l.held-len(items))
}

func (l *lane) grow() {
	bigger := make([]item, max(8, 2*len(l.ring)))
	for i := range l.n {
		bigger[i] = l.ring[(l.head+i)&(len(l.ring)-1)]
	}
	l.ring, l.head = bigger, 0
}

// purge removes what is out of date in generation gen, tells dropped of each,
// and returns how many frames that were. What the node has in hand is out of date as well, but for
// the frame that it handles, and does not count any more.
func (l *lane) purge(gen uint32, dropped func(item)) int {
	mask := len(l.ring) - 1
	kept := 0
	for i := range l.n {
		it := l.ring[(l.head+i)&mask]
		if it.gen() != gen && !survives(it.frame) {
			dropped(it)
			continue
		}
		l.ring[(l.head+kept)&mask] = it
		kept++
	}
	for i := kept; i < l.n; i++ {
		l.ring[(l.head+i)&mask].frame = nil
	}
	gone := l.n - kept
	l.n = kept
	l.out += uint64(gone)
	l.stale += uint64(gone)
	l.held = min(l.held, 1)
	return gone
}

// shedOldest removes the oldest realtime frame and returns it, or nil.
func (l *lane) shedOldest() frames.Frame {
	mask := len(l.ring) - 1
	for i := range l.n {
		f := l.ring[(l.head+i)&mask].frame
		if !frames.IsRealtime(f) {
			continue
		}
		for ; i > 0; i-- { // the frames before it move up
			l.ring[(l.head+i)&mask] = l.ring[(l.head+i-1)&mask]
		}
		l.ring[l.head].frame = nil
		l.head = (l.head + 1) & mask
		l.n--
		l.out++
		l.shed++
		return f
	}
	return nil
}

// newWaiter appends a waiter for it.
func (l *lane) newWaiter(it item, from *node) *waiter {
	var w *waiter
	if last := len(l.spare) - 1; last >= 0 {
		w, l.spare = l.spare[last], l.spare[:last]
	} else {
		w = &waiter{ready: make(chan error, 1)}
	}
	w.item, w.from, w.keeps, w.detached = it, from, survives(it.frame), false
	l.waiters = append(l.waiters, w)
	return w
}

// waitsDetached reports whether a barrier of a kind waits which the engine sent.
func (l *lane) waitsDetached(kind barrier) bool {
	for _, w := range l.waiters {
		if w.detached && barrierOf(w.item.frame) == kind {
			return true
		}
	}
	return false
}

// drop counts the item of a waiter which an interruption has made unwanted, and
// returns what its sender is told: only one that works for the generation needs
// to know. To any other it is as if the frame had been dropped from the lane a
// moment later.
func (l *lane) drop(w *waiter) error {
	l.stale++
	if w.tied {
		return ErrInterrupted
	}
	return nil
}

// withdraw removes w from those who wait. It reports false if w's item is in
// the lane already, or was refused.
func (l *lane) withdraw(w *waiter) bool {
	for i := range l.waiters {
		if l.waiters[i] == w {
			l.waiters = append(l.waiters[:i], l.waiters[i+1:]...)
			return true
		}
	}
	return false
}

// recycle keeps w, whose ready channel is empty, for the next sender.
func (l *lane) recycle(w *waiter) {
	w.item.frame, w.from = nil, nil
	l.spare = append(l.spare, w)
}
