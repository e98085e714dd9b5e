package pipeline

import (
	"github.com/parley-go/parley/frames"
)

// loop serves a processor with one goroutine: system frames first.
func (n *node) loop() {
	// Something is in hand only if a panic ended the last loop.
	if !n.work(&n.sys, true) {
		return
	}
	n.mu.Lock()
	n.finish(&n.sys)
	n.mu.Unlock()
	if !n.work(&n.ord, false) {
		return
	}
	for n.takeAny() {
		var more bool
		switch { // one hand at most is full
		case n.ord.n > 0:
			more = n.work(&n.ord, false)
		case n.sys.n > 0:
			more = n.work(&n.sys, true)
		default: // an interruption, which the others notice themselves
			more = n.catchUp()
		}
		if !more {
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
	if n.sys.n > 0 {
		n.finish(&n.sys)
	}
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
		case n.downLane.n > 0 && n.mayTake():
			if !n.findRoom() {
				continue
			}
			n.fill(&n.ord, &n.downLane)
			n.ord.sure = n.sure
			n.sure = false
			n.mu.Unlock()
			return true
		}
		n.sure = false
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

// work handles what is in hand. It returns false when the run is over.
func (n *node) work(h *hand, system bool) bool {
	for i := int(h.at.Load()); i < h.n; {
		if !system {
			if n.sysPending.Load() && n.alone() && !n.drainSystem() {
				return false
			}
			if n.mustWait(h, i) {
				n.putBack(h, i)
				return true
			}
			if i > 0 && n.downBlocked.Load() && h.lane == &n.downLane {
				n.release(h)
			}
		}
		if !n.handle(&h.items[i], system) {
			return false
		}
		if i++; i < h.n {
			h.goTo(i)
		}
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
		if it.gen() != g.number {
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
		err = n.system.ProcessSystem(ctx, it.frame, it.dir(), &n.port)
	default:
		err = n.proc.Process(ctx, it.frame, it.dir(), &n.port)
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
			guest.tellSafely(g.frame)
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

// tellSafely is tell for an inline node, whose panic is not that of the node on whose
// goroutine it runs.
func (n *node) tellSafely(f *frames.Interruption) {
	defer n.guard()
	n.tell(f)
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
