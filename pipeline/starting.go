package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-go/parley/frames"
)

// startProcessors starts all processors at once and returns those that have to
// be closed. A failure to start stops the run; the error is about those that
// could not be stopped then.
func (r *run) startProcessors() ([]*node, error) {
	ctx, cancel := r.handlerCtx, context.CancelFunc(func() {})
	if r.cfg.StartTimeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, r.cfg.StartTimeout)
	}
	defer cancel()

	var starting crew
	var mu sync.Mutex // protects opened and abandoned
	var opened []*node
	abandoned := false
	for _, n := range r.nodes {
		s, ok := n.proc.(Starter)
		if !ok {
			mu.Lock()
			opened = append(opened, n)
			mu.Unlock()
			continue
		}
		since := r.now()
		describe := func() Stuck {
			return Stuck{Processor: n.name, Doing: "Start", For: time.Duration(r.now() - since)}
		}
		starting.spawn(describe, func() {
			err := r.shield(n, func() error { return s.Start(ctx, &n.port) })
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && abandoned:
				r.closeLate(n)
			case err == nil:
				opened = append(opened, n)
			default:
				r.startFailed(ctx, n, err)
			}
		})
	}
	stuck := starting.waitUntil(ctx.Done(), "start", r.cfg.StartTimeout)
	if stuck != nil && r.parent.Err() != nil {
		r.stop(outcome{err: context.Cause(r.parent)})
	} else if stuck != nil {
		// The deadline, or the failure of another one.
		r.stop(outcome{err: fmt.Errorf("%w: %w", ErrStartTimeout, stuck)})
		cancel()
	}
	if stuck != nil {
		stuck = starting.wait("return from Start", r.cfg.CancelTimeout)
	}
	mu.Lock()
	defer mu.Unlock()
	abandoned = true
	return append([]*node(nil), opened...), asErr(stuck)
}

// startFailed ends the run because a processor did not start, unless a switch
// can do without it.
func (r *run) startFailed(ctx context.Context, n *node, err error) {
	n.die()
	if r.parent.Err() != nil {
		r.stop(outcome{err: context.Cause(r.parent)})
		return
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", ErrStartTimeout, err)
	}
	f := &frames.Error{Processor: n.name, Kind: classOf(err), Fatal: true, Err: fmt.Errorf("start: %w", err)}
	if rest, ok := r.judge(n, f).(*frames.Error); ok {
		r.onError(rest)
	}
}

// closeLate closes what was opened when nobody waited for it any more.
func (r *run) closeLate(n *node) {
	ctx, cancel := r.closingContext()
	defer cancel()
	if err := r.closeOne(ctx, n); err != nil {
		n.logger.Warn("closing a processor that started too late failed", "error", err)
	}
}

// passStart sends Start through all processors.
func (r *run) passStart() error {
	r.openPorts()
	for _, n := range r.nodes {
		n.start()
	}
	deadline, stop := after(r.cfg.StartTimeout - time.Since(r.begin))
	if r.cfg.StartTimeout < 0 {
		deadline = nil
	}
	defer stop()
	f := &frames.Start{}
	if err := r.outside.port.Send(r.handlerCtx, f, frames.Downstream); err != nil {
		return nil // it is over already, and the outcome is known
	}
	select {
	case <-r.passed:
		return nil
	case <-r.stopped:
		return nil
	case <-r.parent.Done():
		return context.Cause(r.parent)
	case <-deadline:
	}
	stuck := &StuckError{What: "pass on Start", Within: r.cfg.StartTimeout, Processors: r.stuck(startBarrier, f.ID())}
	return fmt.Errorf("%w: %w", ErrStartTimeout, stuck)
}

// startRunners starts the processors that do things of their own accord.
func (r *run) startRunners() {
	for _, n := range r.nodes {
		runner, ok := n.proc.(Runner)
		if !ok || n.dead.Load() {
			continue
		}
		since := r.now()
		describe := func() Stuck {
			return Stuck{Processor: n.name, Doing: "Run", For: time.Duration(r.now() - since)}
		}
		r.crew.spawn(describe, func() {
			err := r.shield(n, func() error { return runner.Run(r.handlerCtx, &n.port) })
			if err == nil || r.ctx.Err() != nil && (isFlow(err) || errors.Is(err, r.ctx.Err()) || errors.Is(err, context.Canceled)) {
				return
			}
			if errors.Is(err, ErrInterrupted) {
				// report ignores it, but a source which an interruption has ended is broken.
				err = errors.New("run: it returned because of an interruption; it has to go on with the next generation")
			}
			n.report(Fatal(err))
		})
	}
}
