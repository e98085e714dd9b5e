package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"time"

	"github.com/parley-go/parley/frames"
)

// execute runs from start to close.
func (r *run) execute() error {
	side := r.startSide()
	opened, err := r.startProcessors()
	errs := []error{nil, err}
	if err == nil && r.ctx.Err() == nil {
		if err := r.passStart(); err != nil {
			r.stop(outcome{err: err})
		} else {
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
	for _, m := range r.observers {
		m.close()
	}
	errs = append(errs, asErr(side.wait("return", r.cfg.CancelTimeout)))
	return result(errs)
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

// drainAtSignal asks for an end at the first signal, even while processors
// start, and lets the next one do what it does by default.
func (r *run) drainAtSignal(signals chan os.Signal) {
	defer signal.Stop(signals)
	select {
	case s := <-signals:
		signal.Stop(signals) // before anybody can know that it was heard
		r.requestEnd("signal: " + s.String())
	case <-r.stopped:
	}
}

// named is for goroutines which are described by their name alone.
func (r *run) named(name string) func() Stuck {
	return func() Stuck { return Stuck{Processor: name} }
}

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
	n.dead.Store(true)
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
	stuck := &StuckError{What: "pass on Start", Within: r.cfg.StartTimeout, Processors: r.holders(startBarrier, f.ID())}
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
			stuck := &StuckError{What: "pass on End", Within: r.cfg.EndTimeout, Processors: r.holders(endBarrier, r.endID.Load())}
			r.stop(outcome{err: fmt.Errorf("%w: %w", ErrEndTimeout, stuck)})
			return
		case <-heart.tick:
			heart.send()
		case <-r.beaten:
			heart.passed()
		case <-heart.late:
			heart.complain()
		case <-idle.timer:
			idle.check()
		}
	}
}

// after is a timer; a limit that is negative never ends.
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

// shield turns a panic into an error.
func (r *run) shield(n *node, fn func() error) (err error) {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			p := &PanicError{Value: v, Stack: debug.Stack()}
			n.logger.Error("processor panicked", "panic", v, "stack", string(p.Stack))
			err = &Error{Class: frames.ErrorApplication, Fatal: true, Err: p}
		} else if !returned {
			r.stop(outcome{err: &Error{Processor: n.name, Class: frames.ErrorApplication, Fatal: true, Err: errGoexit}})
		}
	}()
	err = fn()
	returned = true
	return err
}

var errGoexit = errors.New("it ended its goroutine, by runtime.Goexit or by failing a test from there")

// spawn starts a goroutine which serves n. Where a switch can do without n, the
// goroutine survives a panic of its processor.
func (r *run) spawn(n *node, loop func()) {
	r.crew.spawn(n.doing, func() {
		for !n.serve(loop) {
		}
	})
}

// serve runs loop, and reports whether it is done.
func (n *node) serve(loop func()) (done bool) {
	returned := false
	defer func() {
		v := recover()
		if returned {
			return
		}
		n.dead.Store(true)
		if v == nil {
			n.report(Fatal(Classify(frames.ErrorApplication, errGoexit)))
			return
		}
		n.panicked(v)
		done = n.scope == nil
	}()
	loop()
	returned = true
	return true
}

// crew is a number of goroutines that are waited for.
type crew struct {
	mu      sync.Mutex
	members []*member
}

type member struct {
	describe func() Stuck
	done     chan struct{}
}

func (c *crew) spawn(describe func() Stuck, fn func()) {
	m := &member{describe: describe, done: make(chan struct{})}
	c.mu.Lock()
	c.members = append(c.members, m)
	c.mu.Unlock()
	go func() {
		defer close(m.done)
		fn()
	}()
}

// wait waits until all have returned; a negative limit means for ever. It
// returns those which have not.
func (c *crew) wait(what string, limit time.Duration) *StuckError {
	if limit < 0 {
		return c.waitUntil(nil, what, limit)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return c.waitUntil(ctx.Done(), what, limit)
}

func (c *crew) waitUntil(end <-chan struct{}, what string, limit time.Duration) *StuckError {
	c.mu.Lock()
	members := c.members
	c.mu.Unlock()
	var stuck *StuckError
	for _, m := range members {
		select {
		case <-m.done:
			continue
		default:
		}
		select {
		case <-m.done:
		case <-end:
			// All others have had as much time.
			if stuck == nil {
				stuck = &StuckError{What: what, Within: limit}
			}
			select {
			case <-m.done:
			default:
				stuck.Processors = append(stuck.Processors, m.describe())
			}
		}
	}
	if stuck != nil && len(stuck.Processors) == 0 {
		return nil
	}
	return stuck
}
