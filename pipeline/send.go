package pipeline

import (
	"context"

	"github.com/parley-go/parley/frames"
)

// send is the way of every frame from one processor to the next.
func (r *run) send(ctx context.Context, p *Port, l link, f frames.Frame, dir frames.Direction) error {
	if f == nil {
		return errNilFrame
	}
	g := r.gen.Load()
	if g.refuses != nil {
		return r.refuse(g, f, dir)
	}
	fresh := f.ID() == 0
	if fresh {
		r.admitNew(f)
	}
	it := newItem(f, g.number, l.tag, dir, fresh)
	class := f.Class()
	if class == frames.SystemClass {
		return r.sendSystem(ctx, p, l, it, fresh)
	}

	if own := r.generationOf(ctx); own != nil && own.number != g.number {
		if !survives(f) {
			return ErrInterrupted
		}
		ctx = r.handlerCtx // an interruption must not keep it from waiting
	}
	if class == frames.ControlClass {
		if kind := barrierOf(f); kind != noBarrier && dir == frames.Downstream {
			return r.sendBarrier(ctx, p, l, it, kind, fresh)
		}
	}
	if l.to != nil && !l.to.inline && dir == frames.Downstream { // as most frames go: saves a call
		return l.to.pushDown(ctx, p, it)
	}
	return r.deliver(ctx, p, l, it)
}

// refuse is the answer to a frame that is sent too early or too late. An error
// that was on its way when the run ended is not lost; new ones, about the end
// itself, are.
func (r *run) refuse(g *generation, f frames.Frame, dir frames.Direction) error {
	if late, ok := f.(*frames.Error); ok && f.ID() != 0 && dir == frames.Upstream && g.refuses == ErrCancelled {
		r.onError(late)
	}
	return g.refuses
}

// rescueErrors takes the errors that were on their way when the run ended out
// of the lanes.
func (r *run) rescueErrors() {
	for _, n := range r.nodes {
		n.mu.Lock()
		var left []item
		if at := int(n.sys.at.Load()); at < n.sys.n {
			left = append(left, n.sys.items[at:n.sys.n]...)
		}
		for i := range n.sysLane.n {
			left = append(left, n.sysLane.ring[(n.sysLane.head+i)&(len(n.sysLane.ring)-1)])
		}
		n.mu.Unlock()
		for _, it := range left {
			if f, ok := it.frame.(*frames.Error); ok && it.dir() == frames.Upstream {
				r.onError(f)
			}
		}
	}
}

// deliver hands an ordered frame over.
func (r *run) deliver(ctx context.Context, p *Port, l link, it item) error {
	switch {
	case l.to == nil:
		return r.leave(p.node, it)
	case l.to.inline:
		r.observeHop(it, p.node, l.to)
		return l.to.visit(ctx, it, false)
	case it.dir() == frames.Upstream:
		return l.to.pushUp(p.node, it)
	}
	return l.to.pushDown(ctx, p, it)
}

// sendSystem sends a system frame, some of which mean something to the engine.
func (r *run) sendSystem(ctx context.Context, p *Port, l link, it item, fresh bool) error {
	switch f := it.frame.(type) {
	case *frames.Start:
		if it.dir() == frames.Downstream {
			return r.sendBarrier(ctx, p, l, it, startBarrier, fresh)
		}
	case *frames.Cancel:
		r.stop(outcome{reason: f.Reason, err: f.Err})
		return nil
	case *frames.Interruption:
		if fresh {
			source := f.Source
			if source == "" {
				source = p.node.name
			}
			r.interrupt(source, f.Reason)
		}
		return nil
	case *frames.Error:
		if fresh {
			if it.frame = r.judge(p.node, f); it.frame == nil {
				return nil
			}
		}
	}
	return r.deliverSystem(ctx, p, l, it)
}

func (r *run) deliverSystem(ctx context.Context, p *Port, l link, it item) error {
	switch {
	case l.to == nil:
		return r.leave(p.node, it)
	case l.to.inline:
		r.observeHop(it, p.node, l.to)
		return l.to.visit(ctx, it, true)
	}
	return l.to.pushSystem(p.node, it)
}

// visit has an inline node handle a frame on the sender's goroutine.
func (n *node) visit(ctx context.Context, it item, system bool) error {
	defer n.guard()
	if n.scope != nil && n.dead.Load() {
		return n.standIn(ctx, &it)
	}
	port := &n.port
	if it.dir() == frames.Upstream {
		port = &n.turn
	}
	var err error
	if system && n.system != nil {
		err = n.system.ProcessSystem(ctx, it.frame, it.dir(), port)
	} else {
		err = n.proc.Process(ctx, it.frame, it.dir(), port)
	}
	if err == nil || isFlow(err) {
		return err
	}
	n.failed(ctx, err)
	return nil
}

// pushSystem puts a system frame into the system lane. It never waits.
func (n *node) pushSystem(from *node, it item) error {
	return n.pushNow(&n.sysLane, from, it)
}

// pushUp puts an ordered frame which goes upstream into its lane. It never
// waits.
func (n *node) pushUp(from *node, it item) error {
	return n.pushNow(&n.upLane, from, it)
}

func (n *node) pushNow(l *lane, from *node, it item) error {
	n.mu.Lock()
	if l.n+l.held >= l.limit {
		if drop, err := n.makeRoom(l, it); drop || err != nil {
			n.mu.Unlock()
			if err != nil {
				n.run.stop(outcome{err: &Error{Processor: n.name, Fatal: true, Err: err}})
				return err
			}
			return nil
		}
	}
	n.run.observeHop(it, from, n)
	b := n.enqueue(l, it)
	n.mu.Unlock()
	if b != nil {
		b.wake <- struct{}{}
	}
	return nil
}

// makeRoom makes room for it in a lane that never makes its sender wait. It
// reports drop if it is itself the one to be dropped.
func (n *node) makeRoom(l *lane, it item) (drop bool, err error) {
	if n.closed {
		return false, ErrCancelled
	}
	if g := n.run.gen.Load(); l == &n.upLane && l.purge(g.number, n.noteStale) > 0 {
		return false, nil
	}
	if f := l.shedOldest(); f != nil {
		n.run.observeDrop(f, n, it.dir(), Shed)
		return false, nil
	}
	if frames.IsRealtime(it.frame) {
		l.shed++
		n.run.observeDrop(it.frame, n, it.dir(), Shed)
		return true, nil
	}
	overflow := &OverflowError{Processor: n.name, Lane: "system", Capacity: l.limit}
	if l == &n.upLane {
		overflow.Lane = "upstream"
	}
	overflow.Doing, overflow.For = n.doingIn(l)
	return false, overflow
}

// pushStart puts the first frame in front of all others, and opens the lanes.
func (n *node) pushStart(from *node, it item) {
	n.mu.Lock()
	n.sysLane.putFirst(it)
	n.open = true
	n.started = n.started || n.alone()
	n.sysPending.Store(true)
	n.run.observeHop(it, from, n)
	n.mu.Unlock()
	n.poke()
}

// pushDown puts an ordered frame which goes downstream into its lane. It is
// the only push that waits, and what it waits for is always further
// downstream.
func (n *node) pushDown(ctx context.Context, p *Port, it item) error {
	n.mu.Lock()
	l := &n.downLane
	if !l.hasRoom() {
		return n.pushDownSlowly(ctx, p, it) // unlocks
	}
	if n.run.observed {
		n.run.observeHop(it, p.node, n)
	}
	b := n.enqueue(l, it)
	if l.isFull() {
		n.downFull.Store(true)
	}
	n.mu.Unlock()
	if b != nil {
		b.wake <- struct{}{}
	}
	return nil
}

// pushDownSlowly is pushDown for a lane that seems full. It is called with the
// lock held, and releases it.
func (n *node) pushDownSlowly(ctx context.Context, p *Port, it item) error {
	if n.closed {
		n.mu.Unlock()
		return ErrCancelled
	}
	l := &n.downLane
	g := n.run.gen.Load()
	if p.turning {
		if !l.hasRoom() {
			err := &OverflowError{Processor: n.name, Lane: "ordered", Capacity: l.limit}
			err.Doing, err.For = n.doingIn(l)
			n.mu.Unlock()
			n.run.stop(outcome{err: &Error{Processor: p.node.name, Fatal: true, Err: err}})
			return err
		}
	}
	n.ord.stamp(n.run.now())
	w := l.newWaiter(it, p.node)
	w.tied = n.run.generationOf(ctx) != nil
	n.downBlocked.Store(true)
	for {
		// Whoever waits does not wait behind frames that nobody wants any more.
		n.purge(g)
		b := n.admit()
		n.mu.Unlock()
		if b != nil {
			b.wake <- struct{}{}
		}

		var err error
		select {
		case err = <-w.ready:
			n.mu.Lock()
			l.recycle(w)
			n.mu.Unlock()
			return err
		case <-g.ctx.Done():
		case <-ctx.Done():
			err = ctx.Err()
		}

		n.mu.Lock()
		next := n.run.gen.Load()
		switch {
		case n.closed || next.refuses != nil || n.run.ctx.Err() != nil:
			err = ErrCancelled
		case next.number != g.number && !w.keeps:
			if l.withdraw(w) {
				n.noteStale(w.item)
				w.ready <- l.drop(w)
			}
		case next.number != g.number && w.tied: // ctx is dead, but not the frame
			ctx, g, w.tied = n.run.handlerCtx, next, false
			continue
		case next.number != g.number && err == nil:
			g = next
			continue
		}
		if !l.withdraw(w) { // the lane, or an interruption, was quicker
			err = <-w.ready
		}
		n.downBlocked.Store(len(l.waiters)+len(n.idle) > 0)
		l.recycle(w)
		n.mu.Unlock()
		return err
	}
}

// pushLater is pushDown for the engine itself, which must not wait: the frame
// takes its place behind all senders that wait. A Stop that waits there speaks
// for those which come after it, so that no more than one of each kind waits.
func (n *node) pushLater(it item) {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return
	}
	if _, ok := it.frame.(*frames.Stop); ok && n.downLane.waitsDetached(stopBarrier) {
		n.mu.Unlock()
		return
	}
	n.downLane.newWaiter(it, nil).detached = true
	b := n.admit()
	n.mu.Unlock()
	if b != nil {
		b.wake <- struct{}{}
	}
}

// purge drops from the downstream lane what is not of generation g.
func (n *node) purge(g *generation) {
	l := &n.downLane
	if n.purged == g.number || !l.isFull() {
		return
	}
	n.purged = g.number
	l.purge(g.number, n.noteStale)
}
