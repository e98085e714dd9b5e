package pipeline

import (
	"sync/atomic"
)

// maxBatch is how many frames a goroutine takes in hand at once, under one
// lock.
const maxBatch = 16

// hand is what one goroutine has taken out of a lane. It fills it under the
// node's lock and then works through it without; nobody else writes to it.
type hand struct {
	items [maxBatch]item
	n     int
	lane  *lane
	at    atomic.Int32 // which item is handled now; stays on the last one until the hand is put away
	since int64        // when the items were taken, in run time; 0 if nobody has looked at the clock since
	limit int          // how many to take the next time
	sure  bool         // the first item is handled whether there is room for it further on or not
}

// goTo says that item i is handled now. Where frames come one by one that is the
// first one each time, and to store it again would take longer than to look.
func (h *hand) goTo(i int) {
	if int(h.at.Load()) != i {
		h.at.Store(int32(i))
	}
}

// bed is where a goroutine sleeps when it has nothing to do.
type bed struct {
	asleep bool // the node's lock protects it
	wake   chan struct{}
}

func newBed() *bed { return &bed{wake: make(chan struct{}, 1)} }

// rouse must be called with the lock held. If it returns true, the caller
// sends to wake, preferably after unlocking; that never waits.
func (b *bed) rouse() bool {
	if !b.asleep {
		return false
	}
	b.asleep = false
	return true
}

func (n *node) sleep(b *bed) {
	b.asleep = true
	n.mu.Unlock()
	<-b.wake
	n.mu.Lock()
}

// await sleeps until there may be something to do. Called with the lock held,
// it returns true without the lock if a frame was put into the hand meanwhile,
// and false with it otherwise.
func (n *node) await(b *bed) bool {
	b.asleep = true
	n.mu.Unlock()
	<-b.wake
	if b == n.ordBed && n.ord.n > 0 || b == n.sysBed && n.sys.n > 0 {
		return true
	}
	n.mu.Lock()
	return false
}

// fill takes frames out of l into h.
func (n *node) fill(h *hand, l *lane) {
	h.n = l.take(h.items[:h.limit])
	h.lane = l
	h.goTo(0)
	h.since = n.run.now()
	if l.n > 0 && l.mark <= l.out {
		l.mark, l.markAt = l.in, h.since
	}
	if l == &n.sysLane {
		n.sysPending.Store(l.n > 0)
	}
}

// enqueue puts a frame into l, which has room. Where the goroutine that empties
// l has nothing to do it is given the frame at once. enqueue returns the bed of
// a goroutine that the caller must wake after unlocking, or nil.
func (n *node) enqueue(l *lane, it item) *bed {
	h, b, open := &n.ord, n.ordBed, n.started
	if l == &n.sysLane {
		h, b, open = &n.sys, n.sysBed, n.open
	}
	if b.asleep && open && h.n == 0 && l.n == 0 {
		h.items[0], h.n, h.lane, h.since = it, 1, l, 0
		if isDraining(it.frame) {
			h.since = n.run.now() // no other frame comes that would see it stuck
		}
		h.goTo(0)
		l.in++
		l.out++
		l.held = 1
		b.asleep = false
		return b
	}
	if it.gen() < n.purged {
		n.purged = it.gen() // it may be stale: the next to find the lane full looks again
	}
	if l.mark <= l.out {
		now := n.run.now()
		l.mark, l.markAt = l.in+1, now
		h.stamp(now)
	}
	l.put(it)
	if l == &n.sysLane {
		n.sysPending.Store(true)
	}
	if b.rouse() {
		return b
	}
	return nil
}

// quick is the time for a frame below which several are taken at once: where
// frames take longer, a lock for each costs nothing, and the statistics then
// know how long each has taken.
const quick = 20_000 // ns

// finish puts away an emptied hand, and lets senders in that wait for room.
func (n *node) finish(h *hand) {
	if h.n == 0 {
		return
	}
	l := h.lane
	l.handled += uint64(h.n)
	l.held = 0
	if h.since != 0 && (h.n > 1 || h.limit == 1) {
		h.adapt(n.run.now())
	}
	for i := range h.items[:h.n] { // nearly always one, for which clear takes longer
		h.items[i].frame = nil
	}
	h.n, h.sure = 0, false
	if l == &n.downLane && n.downFull.Load() {
		n.admit() // nobody to wake: this is the goroutine
	}
}

func (h *hand) adapt(now int64) {
	if (now-h.since)/int64(h.n) > quick {
		h.limit = 1
	} else {
		h.limit = min(2*h.limit, maxBatch)
	}
}

// admit lets those who wait into the lane, as far as there is room. It returns
// the bed of a goroutine that the caller must wake after unlocking, or nil.
func (n *node) admit() *bed {
	l := &n.downLane
	g := n.run.gen.Load()
	if g.refuses == ErrCancelled {
		return nil // close will tell them
	}
	if len(n.idle) > 0 && !l.isFull() {
		n.wakeIdle()
	}
	admitted := 0
	var wake *bed
	for admitted < len(l.waiters) && !l.isFull() {
		w := l.waiters[admitted]
		admitted++
		if w.item.gen() != g.number && !w.keeps {
			w.ready <- l.drop(w)
			n.noteStale(w.item)
			continue
		}
		if b := n.enqueue(l, w.item); b != nil {
			wake = b
		}
		n.run.observeHop(w.item, w.from, n)
		if w.detached {
			l.recycle(w)
		} else {
			w.ready <- nil
		}
	}
	l.waiters = append(l.waiters[:0], l.waiters[admitted:]...)
	n.downFull.Store(l.isFull())
	n.downBlocked.Store(len(l.waiters)+len(n.idle) > 0)
	return wake
}

// release gives back the room of the frames which h has done, when senders
// wait for it.
func (n *node) release(h *hand) {
	n.mu.Lock()
	n.downLane.held = h.n - int(h.at.Load())
	n.admit()
	n.mu.Unlock()
}
