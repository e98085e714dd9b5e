package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/parley-go/parley/frames"
)

// maxBatch is how many frames a goroutine takes in hand at once, under one
// lock.
const maxBatch = 16

// node is a processor in its place in a run: its lanes, and the goroutines
// that empty them.
type node struct {
	run    *run
	name   string
	proc   Processor
	system SystemProcessor // proc, if it is one; nil otherwise
	router router          // for the engine's own nodes, where branches meet; nil otherwise
	inline bool            // has no lanes: runs on its neighbours' goroutines
	scope  *scope          // the innermost switch that it belongs to, nil if none
	logger *slog.Logger
	port   Port
	turn   Port // port of an inline node for frames that go upstream

	links [2]link // where its frames go, by direction
	guest []*node // inline nodes that this one tells of interruptions

	// seen is the number of the generation that the processor has been told of.
	seen atomic.Uint32

	// startedHere is started, for the goroutine that handles system frames.
	startedHere bool

	// dead says that the processor has failed where a switch can do without it.
	dead atomic.Bool

	barriers [barrierKinds]barrierState

	mu       sync.Mutex // protects all below, but for atomics
	closed   bool       // no frame is taken or accepted any more
	open     bool       // Start has arrived: it is the first frame
	sysLane  lane
	downLane lane
	upLane   lane
	sys      hand  // of the goroutine that handles system frames
	ord      hand  // of the one that handles ordered frames; may be the same goroutine
	sysBed   *bed  // where it sleeps
	ordBed   *bed  // the same bed, if it is the same goroutine
	started  bool  // ordered frames may be handled: the processor has, or will first have, handled Start
	telling  *task // the interruption that the processor is being told of

	sysPending  atomic.Bool // sysLane is not empty
	downBlocked atomic.Bool // downLane has waiters
	purged      uint32      // downLane holds nothing interruptible of generations before this
	drainWait   bool        // the ordered goroutine waits for system frames to be handled
}

// link is a connection to a neighbour. to is nil at the pipeline's two ends.
type link struct {
	to  *node
	tag uint16 // tells to which branch the frame came from
}

// hand is what one goroutine has taken out of a lane. It fills it under the
// node's lock and then works through it without; nobody else writes to it.
type hand struct {
	items [maxBatch]item
	n     int
	lane  *lane
	at    atomic.Int32 // which item is handled now
	since int64        // when the items were taken, in run time; 0 if nobody has looked at the clock since
	limit int          // how many to take the next time
}

// bed is where a goroutine sleeps when it has nothing to do.
type bed struct {
	asleep bool // the node's lock protects it
	wake   chan struct{}
}

// task is something that takes its time, for statistics.
type task struct {
	frame frames.Frame
	since int64
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

// poke wakes the node's goroutines to look around.
func (n *node) poke() {
	n.mu.Lock()
	sys, ord := n.sysBed.rouse(), n.ordBed.rouse()
	n.mu.Unlock()
	if sys {
		n.sysBed.wake <- struct{}{}
	}
	if ord {
		n.ordBed.wake <- struct{}{}
	}
}

// close makes the goroutines return after the frame which they handle, and
// fails all senders that wait.
func (n *node) close() {
	n.mu.Lock()
	n.closed = true
	now := n.run.now()
	n.sys.stamp(now)
	n.ord.stamp(now)
	for _, w := range n.downLane.waiters {
		if !w.detached {
			w.ready <- ErrCancelled
		}
	}
	n.downLane.waiters = nil
	n.mu.Unlock()
	n.poke()
}

// start starts the node's goroutines.
func (n *node) start() {
	if n.inline {
		return
	}
	if n.system == nil && n.router == nil {
		n.run.spawn(n, n.loop)
		return
	}
	n.run.spawn(n, n.systemLoop)
	n.run.spawn(n, n.orderedLoop)
}

// loop serves a processor with one goroutine: system frames first.
func (n *node) loop() {
	// Something is in hand only if a panic ended the last loop.
	if !n.work(&n.sys, true) || !n.work(&n.ord, false) {
		return
	}
	for n.takeAny() {
		if !n.catchUp() || !n.work(&n.sys, true) || !n.work(&n.ord, false) {
			return
		}
	}
}

// systemLoop and orderedLoop serve a processor with two goroutines.
func (n *node) systemLoop() {
	if !n.work(&n.sys, true) {
		return
	}
	for n.takeSystem() {
		if !n.catchUp() || !n.work(&n.sys, true) {
			return
		}
	}
}

func (n *node) orderedLoop() {
	if !n.work(&n.ord, false) {
		return
	}
	for n.takeOrdered() {
		if !n.work(&n.ord, false) {
			return
		}
	}
}

// alone reports whether one goroutine serves both lanes.
func (n *node) alone() bool { return n.sysBed == n.ordBed }

func (n *node) takeAny() bool {
	n.mu.Lock()
	n.finish(&n.sys)
	n.finish(&n.ord)
	for {
		switch {
		case n.closed:
			n.mu.Unlock()
			return false
		case !n.open:
		case n.startedHere && n.run.gen.Load().number != n.seen.Load():
			n.mu.Unlock()
			return true
		case n.sysLane.n > 0:
			n.fill(&n.sys, &n.sysLane)
			n.mu.Unlock()
			return true
		case n.upLane.n > 0:
			n.fill(&n.ord, &n.upLane)
			n.mu.Unlock()
			return true
		case n.downLane.n > 0:
			n.fill(&n.ord, &n.downLane)
			n.mu.Unlock()
			return true
		}
		if n.await(n.ordBed) {
			return true
		}
	}
}

func (n *node) takeSystem() bool {
	n.mu.Lock()
	n.finish(&n.sys)
	if n.drainWait && n.ordBed.rouse() {
		n.ordBed.wake <- struct{}{}
	}
	for {
		switch {
		case n.closed:
			n.mu.Unlock()
			return false
		case !n.open:
		case n.startedHere && n.run.gen.Load().number != n.seen.Load():
			n.mu.Unlock()
			return true
		case n.sysLane.n > 0:
			n.fill(&n.sys, &n.sysLane)
			n.mu.Unlock()
			return true
		}
		if n.await(n.sysBed) {
			return true
		}
	}
}

func (n *node) takeOrdered() bool {
	n.mu.Lock()
	n.finish(&n.ord)
	for {
		switch {
		case n.closed:
			n.mu.Unlock()
			return false
		case !n.started:
		case n.upLane.n > 0:
			n.fill(&n.ord, &n.upLane)
			n.mu.Unlock()
			return true
		case n.downLane.n > 0:
			n.fill(&n.ord, &n.downLane)
			n.mu.Unlock()
			return true
		}
		if n.await(n.ordBed) {
			return true
		}
	}
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
	h.at.Store(0)
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
		h.at.Store(0)
		l.in++
		l.out++
		l.held = 1
		b.asleep = false
		return b
	}
	if it.gen < n.purged {
		n.purged = it.gen // it may be stale: the next to find the lane full looks again
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
	clear(h.items[:h.n])
	h.n = 0
	if l == &n.downLane && len(l.waiters) > 0 {
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
	admitted := 0
	now := n.run.gen.Load().number
	var wake *bed
	for admitted < len(l.waiters) && l.n+l.held < l.limit {
		w := l.waiters[admitted]
		admitted++
		if w.item.gen != now && !w.keeps {
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
	n.downBlocked.Store(len(l.waiters) > 0)
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

// work handles what is in hand. It returns false when the run is over.
func (n *node) work(h *hand, system bool) bool {
	for i := int(h.at.Load()); i < h.n; {
		if !system {
			if n.sysPending.Load() && n.alone() && !n.drainSystem() {
				return false
			}
			if i > 0 && n.downBlocked.Load() && h.lane == &n.downLane {
				n.release(h)
			}
		}
		if !n.handle(&h.items[i], system) {
			return false
		}
		i++
		h.at.Store(int32(i))
	}
	return true
}

// drainSystem handles the system frames that arrived while ordered frames
// were in hand.
func (n *node) drainSystem() bool {
	for {
		n.mu.Lock()
		n.finish(&n.sys)
		if n.sysLane.n == 0 {
			n.mu.Unlock()
			return true
		}
		n.fill(&n.sys, &n.sysLane)
		n.mu.Unlock()
		if !n.work(&n.sys, true) {
			return false
		}
	}
}

// handle gives one frame to the processor. It returns false when the run is
// over.
func (n *node) handle(it *item, system bool) bool {
	g := n.run.gen.Load()
	if g.number != n.seen.Load() {
		var more bool
		if g, more = n.attend(system); !more {
			return false
		}
	}
	ctx := n.run.handlerCtx
	if !system && !survives(it.frame) {
		if it.gen != g.number {
			n.dropStale(it)
			return true
		}
		ctx = g.ctx
	}
	if !system && !n.alone() && isDraining(it.frame) && !n.awaitSystemDrained() {
		return false
	}
	var err error
	switch {
	case n.router != nil:
		err = n.router.route(ctx, n, it, system)
	case n.scope != nil && n.dead.Load():
		err = n.standIn(ctx, it)
	case system && n.system != nil:
		err = n.system.ProcessSystem(ctx, it.frame, it.dir, &n.port)
	default:
		err = n.proc.Process(ctx, it.frame, it.dir, &n.port)
	}
	if err != nil {
		n.failed(ctx, err)
	}
	if !n.startedHere && system {
		n.noteStart(it.frame)
	}
	return true
}

// attend makes sure that the processor has been told of every interruption so
// far, and returns the present generation. It returns false when the run is
// over.
func (n *node) attend(system bool) (*generation, bool) {
	if system || n.alone() {
		ok := n.catchUp()
		return n.run.gen.Load(), ok
	}
	// The other goroutine tells it.
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		if n.closed {
			return nil, false
		}
		if g := n.run.gen.Load(); g.number == n.seen.Load() {
			return g, true
		}
		n.sleep(n.ordBed)
	}
}

// catchUp tells the processor of the latest interruption, if it does not know.
// It returns false when the run is over.
func (n *node) catchUp() bool {
	for {
		g := n.run.gen.Load()
		if g.refuses != nil {
			return false
		}
		if g.number == n.seen.Load() || !n.startedHere {
			return true
		}
		n.mu.Lock()
		n.telling = &task{frame: g.frame, since: n.run.now()}
		n.mu.Unlock()

		n.tell(g.frame)
		for _, guest := range n.guest {
			guest.tell(g.frame)
		}

		n.mu.Lock()
		n.telling = nil
		n.seen.Store(g.number)
		wake := !n.alone() && n.ordBed.rouse()
		n.mu.Unlock()
		if wake {
			n.ordBed.wake <- struct{}{}
		}
	}
}

// tell gives the processor an interruption.
func (n *node) tell(f *frames.Interruption) {
	if n.router != nil || n.dead.Load() {
		return
	}
	var err error
	ctx := n.run.handlerCtx
	n.run.observeTold(f, n)
	if n.system != nil {
		err = n.system.ProcessSystem(ctx, f, frames.Downstream, &n.port)
	} else {
		err = n.proc.Process(ctx, f, frames.Downstream, &n.port)
	}
	if err != nil {
		n.failed(ctx, err)
	}
}

// noteStart lets the ordered goroutine begin once the processor knows that the
// run has started.
func (n *node) noteStart(f frames.Frame) {
	if _, ok := f.(*frames.Start); !ok {
		return
	}
	n.mu.Lock()
	n.started, n.startedHere = true, true
	wake := !n.alone() && n.ordBed.rouse()
	n.mu.Unlock()
	if wake {
		n.ordBed.wake <- struct{}{}
	}
}

// isDraining reports whether f must not overtake system frames: all work is
// done before it.
func isDraining(f frames.Frame) bool {
	switch f.(type) {
	case *frames.End, *frames.Stop:
		return true
	}
	return false
}

// awaitSystemDrained waits until the system frames which have arrived by now
// have been handled. It returns false when the run is over.
func (n *node) awaitSystemDrained() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	arrived := n.sysLane.in
	n.drainWait = true
	defer func() { n.drainWait = false }()
	for {
		if n.closed {
			return false
		}
		if n.sysLane.out-uint64(n.sysLane.held) >= arrived {
			return true
		}
		n.sleep(n.ordBed)
	}
}

func (n *node) dropStale(it *item) {
	n.mu.Lock()
	lane := &n.downLane
	if it.dir == frames.Upstream {
		lane = &n.upLane
	}
	lane.stale++
	lane.handled-- // finish will count all that was in hand
	n.mu.Unlock()
	n.run.observeDrop(it.frame, n, it.dir, Stale)
}

// noteStale tells observers of a frame that was dropped from a lane.
func (n *node) noteStale(it item) { n.run.observeDrop(it.frame, n, it.dir, Stale) }

// failed reports what Process returned.
func (n *node) failed(ctx context.Context, err error) {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err())) {
		return // it was cancelled, and says so
	}
	n.report(err)
}

func (n *node) report(err error) {
	if err == nil || errors.Is(err, ErrInterrupted) || errors.Is(err, ErrCancelled) {
		return
	}
	f := &frames.Error{Processor: n.name, Kind: classOf(err), Fatal: isFatal(err), Err: err}
	// It cannot be refused but by the end of the run.
	_ = n.port.Send(n.run.handlerCtx, f, frames.Upstream)
}

// guard turns a panic in what it is deferred for into a fatal error.
func (n *node) guard() {
	if v := recover(); v != nil {
		n.panicked(v)
	}
}

func (n *node) panicked(v any) {
	err := &PanicError{Value: v, Stack: debug.Stack()}
	n.logger.Error("processor panicked", "panic", v, "stack", string(err.Stack))
	n.report(&Error{Class: frames.ErrorApplication, Fatal: true, Err: err})
}
