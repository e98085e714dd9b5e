package pipeline

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"
)

// execute runs from start to close.
func (r *run) execute() error {
	side := r.startSide()
	r.observeBegan()
	var opened []*node
	var err error
	if !r.abandoned() {
		opened, err = r.startProcessors()
	}
	errs := []error{nil, err}
	if err == nil && !r.abandoned() && r.ctx.Err() == nil {
		if err := r.passStart(); err != nil {
			r.stop(outcome{err: err})
		} else {
			r.opened.Store(true)
			r.startRunners()
			r.pipeline.live.Store(r)
			close(r.pipeline.ready)
			r.attendTo()
		}
	}
	r.stop(outcome{}) // if nobody has yet
	select {
	case <-r.pipeline.ready:
	default:
		close(r.pipeline.ready)
	}
	errs[0] = r.outcome.err
	for _, n := range r.nodes {
		n.close()
	}
	errs = append(errs, asErr(r.crew.wait("return", r.cfg.CancelTimeout)))
	r.rescueErrors()
	errs = append(errs, r.closeProcessors(opened)...)
	r.callbacks.close()
	r.observeEnded(errs)
	for _, m := range r.observers {
		m.close()
	}
	errs = append(errs, asErr(side.wait("return", r.cfg.CancelTimeout)))
	return result(errs)
}

// abandoned reports whether the context of Run is over, and ends the run if so.
func (r *run) abandoned() bool {
	if r.parent.Err() == nil {
		return false
	}
	r.stop(outcome{err: context.Cause(r.parent)})
	return true
}

func asErr(stuck *StuckError) error {
	if stuck == nil {
		return nil
	}
	return stuck
}

// startSide starts the goroutines that call back, and the one that waits for
// signals.
func (r *run) startSide() *crew {
	side := &crew{}
	side.spawn(r.named("OnError or OnIdle"), r.callbacks.loop)
	for i, m := range r.observers {
		side.spawn(r.named(fmt.Sprintf("observer %T", r.cfg.Observers[i])), m.loop)
	}
	if len(r.cfg.Signals) > 0 {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, r.cfg.Signals...)
		side.spawn(r.named("signals"), func() { r.drainAtSignal(signals) })
	}
	return side
}

// drainAtSignal asks for an end at the first signal, or gives up the start if
// that is what the run is at, and lets the next one do what it does by default.
func (r *run) drainAtSignal(signals chan os.Signal) {
	defer signal.Stop(signals)
	select {
	case s := <-signals:
		signal.Stop(signals) // before anybody can know that it was heard
		if !r.opened.Load() {
			r.stop(outcome{reason: "signal: " + s.String()})
			return
		}
		r.requestEnd("signal: " + s.String())
	case <-r.stopped:
	}
}

// named is for goroutines which are described by their name alone.
func (r *run) named(name string) func() Stuck {
	return func() Stuck { return Stuck{Processor: name} }
}

// attendTo watches over the run until it is over.
func (r *run) attendTo() {
	heart := newHeart(r)
	defer heart.stop()
	idle := newIdleness(r)
	defer idle.stop()
	ending := r.ending
	var endTimeout <-chan time.Time
	for {
		select {
		case <-r.stopped:
			return
		case <-r.ended:
			return
		case <-r.parent.Done():
			r.stop(outcome{err: context.Cause(r.parent)})
			return
		case <-ending:
			ending = nil
			if r.cfg.EndTimeout > 0 {
				var stop func()
				endTimeout, stop = after(r.cfg.EndTimeout)
				defer stop()
			}
		case <-endTimeout:
			if more := r.mayTakeLonger(); more > 0 {
				var stop func()
				endTimeout, stop = after(more)
				defer stop()
				continue
			}
			stuck := &StuckError{What: "pass on End", Within: r.cfg.EndTimeout, Processors: r.stuck(endBarrier, r.endID.Load())}
			r.stop(outcome{err: fmt.Errorf("%w: %w", ErrEndTimeout, stuck)})
			return
		case <-heart.tick:
			heart.send()
		case <-r.beaten:
			heart.passed()
		case <-heart.late:
			heart.overdue()
		case <-idle.timer:
			idle.check()
		}
	}
}

// mayTakeLonger returns how much more time an end has since one of those who
// hold it up, or did so until it passed on, said that it gets on.
func (r *run) mayTakeLonger() time.Duration {
	var last int64
	holders := r.holders(endBarrier, r.endID.Load())
	for _, n := range r.nodes {
		if n.passedEnd() || slices.Contains(holders, n) {
			last = max(last, n.progress.Load())
		}
	}
	if last == 0 {
		return 0
	}
	return r.cfg.EndTimeout - time.Duration(r.now()-last)
}

// after is a timer, and what stops it.
func after(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

func (r *run) closingContext() (context.Context, context.CancelFunc) {
	ctx := context.WithoutCancel(r.parent)
	if r.cfg.CancelTimeout < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, r.cfg.CancelTimeout)
}

// closeProcessors closes all that have to be closed, at once.
func (r *run) closeProcessors(opened []*node) []error {
	ctx, cancel := r.closingContext()
	defer cancel()
	var closing crew
	var mu sync.Mutex
	var errs []error
	for _, n := range opened {
		if _, ok := n.proc.(Closer); !ok {
			continue
		}
		since := r.now()
		describe := func() Stuck {
			return Stuck{Processor: n.name, Doing: "Close", For: time.Duration(r.now() - since)}
		}
		closing.spawn(describe, func() {
			if err := r.closeOne(ctx, n); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, &Error{Processor: n.name, Class: classOf(err), Err: fmt.Errorf("close: %w", err)})
			}
		})
	}
	stuck := closing.wait("close", r.cfg.CancelTimeout)
	mu.Lock()
	defer mu.Unlock()
	return append(append([]error(nil), errs...), asErr(stuck))
}

func (r *run) closeOne(ctx context.Context, n *node) error {
	c, ok := n.proc.(Closer)
	if !ok {
		return nil
	}
	return r.shield(n, func() error { return c.Close(ctx) })
}
