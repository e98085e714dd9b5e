package pipeline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/frames"
)

// run is one run of a pipeline.
type run struct {
	pipeline *Pipeline
	cfg      Config
	parent   context.Context // what Run was called with
	ctx      context.Context // ends with the run; the parent of all generations
	cancel   context.CancelCauseFunc
	begin    time.Time // what run time is counted from

	// handlerCtx is ctx, as handlers of frames get it that no interruption drops.
	handlerCtx context.Context

	nodes   []*node
	outside *node // what is before the first and after the last node

	gen   atomic.Pointer[generation]
	genMu sync.Mutex // serialises the changes of gen

	ids          atomic.Uint64
	discarded    [2]atomic.Uint64 // frames that left the pipeline, by direction
	unhandled    sync.Map         // the types of commands that nobody carried out, which was reported
	lastActivity atomic.Int64     // in run time, if idleness matters

	observed  bool // there are observers
	observers []*mailbox[Event]
	callbacks *mailbox[func()]

	crew crew

	opened    atomic.Bool // every processor has started
	stopOnce  sync.Once
	outcome   outcome
	stopped   chan struct{} // closed when the run is over
	startOnce sync.Once
	passed    chan struct{} // closed when Start has left the last processor
	endID     atomic.Uint64 // the End that ends the run
	ending    chan struct{} // closed when an end was asked for
	endOnce   sync.Once
	ended     chan struct{} // closed when End has left the last processor …
	end       frames.Frame  // … which is this
	beat      atomic.Int64  // the last heartbeat that passed
	beaten    chan struct{} // gets something when one passes
}

// outcome is how a run ends.
type outcome struct {
	reason string
	err    error
}

func newRun(ctx context.Context, p *Pipeline) (*run, error) {
	cfg, err := p.cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &run{
		pipeline: p, cfg: cfg, parent: ctx, begin: time.Now(),
		stopped: make(chan struct{}), passed: make(chan struct{}),
		ending: make(chan struct{}), ended: make(chan struct{}), beaten: make(chan struct{}, 1),
	}
	b := &builder{run: r, names: map[string]bool{}, given: map[Processor]bool{}, exclusive: map[string]string{}}
	whole := b.row(p.processors, "")
	if b.err == nil && whole.first == nil {
		b.fail("there is no processor to run")
	}
	if b.err != nil {
		return nil, b.err
	}
	r.assignGuests()
	r.assignNext()
	r.outside = &node{run: r, logger: cfg.Logger, sysBed: newBed()}
	r.outside.ordBed = r.outside.sysBed
	r.outside.port = Port{node: r.outside}
	r.outside.links[frames.Downstream] = link{to: whole.first}

	r.callbacks = newMailbox(maxCallbacks, func(batch []func(), lost uint64) {
		if lost > 0 {
			cfg.Logger.Warn("errors were lost because OnError does not keep up", "count", lost)
		}
		for _, call := range batch {
			call()
		}
	})
	for _, o := range cfg.Observers {
		r.observers = append(r.observers, r.observe(o))
	}
	r.observed = len(r.observers) > 0

	var base context.Context
	base, r.cancel = context.WithCancelCause(ctx)
	r.ctx = &runContext{Context: base, run: r}
	r.handlerCtx = r.ctx
	first := newGeneration(r, 0, nil)
	first.refuses = ErrNotStarted
	r.gen.Store(first)
	return r, nil
}

// maxCallbacks is how many errors wait for OnError.
const maxCallbacks = 1024

// now returns the run time in nanoseconds, never 0.
func (r *run) now() int64 { return int64(time.Since(r.begin)) + 1 }

// admitNew gives a frame its identity when it is sent for the first time. It
// calls back, and may stop the run: genMu must not be held.
func (r *run) admitNew(f frames.Frame) {
	frames.Stamp(f, &r.ids)
	if r.cfg.IdleTimeout <= 0 {
		return
	}
	active := false
	r.call("Activity", func() { active = r.cfg.Activity(f) })
	if active {
		r.lastActivity.Store(r.now())
	}
}

// interrupt begins a new generation.
func (r *run) interrupt(source, reason string) {
	f := &frames.Interruption{Source: source, Reason: reason}
	r.admitNew(f)
	old := r.replaceGeneration(f)
	if old == nil {
		return
	}
	old.cancel(ErrInterrupted)
	for _, n := range r.nodes {
		n.poke()
	}
}

// replaceGeneration begins a new generation and returns the one before, or nil
// if the run has not started or is over.
func (r *run) replaceGeneration(f *frames.Interruption) *generation {
	r.genMu.Lock()
	defer r.genMu.Unlock()
	old := r.gen.Load()
	if old.refuses != nil {
		return nil
	}
	r.gen.Store(newGeneration(r, old.number+1, f))
	return old
}

// refuseAll lets no more frames be sent.
func (r *run) refuseAll() {
	r.genMu.Lock()
	defer r.genMu.Unlock()
	last := *r.gen.Load()
	last.number++
	last.refuses = ErrCancelled
	r.gen.Store(&last)
}

// openPorts lets frames be sent. The generation stays the same: a processor may
// have taken it in Start.
func (r *run) openPorts() {
	r.genMu.Lock()
	defer r.genMu.Unlock()
	if first := *r.gen.Load(); first.refuses == ErrNotStarted {
		first.refuses = nil
		r.gen.Store(&first)
	}
}

// stop ends the run at once. Only the first call counts.
func (r *run) stop(o outcome) {
	r.stopOnce.Do(func() {
		r.outcome = o
		r.refuseAll()
		r.cancel(ErrCancelled)
		close(r.stopped)
	})
}

// requestEnd sends End through the pipeline from its beginning.
func (r *run) requestEnd(reason string) {
	f := &frames.End{Reason: reason}
	r.admitNew(f)
	if begins, _ := r.beginEnd(f); begins {
		r.inject(f, endBarrier)
	}
}

// beginEnd reports whether f begins the end of the run, being the first End that
// anybody sends, and whether it is the one that did.
func (r *run) beginEnd(f frames.Frame) (begins, known bool) {
	if r.endID.CompareAndSwap(0, f.ID()) {
		close(r.ending)
		return true, true
	}
	return false, r.endID.Load() == f.ID()
}

// inject puts a barrier into the first processor's lane without waiting.
func (r *run) inject(f frames.Frame, kind barrier) {
	head := r.outside.links[frames.Downstream].to
	head.barriers[kind].in.Store(f.ID())
	head.pushLater(newItem(f, r.gen.Load().number, 0, frames.Downstream, true))
}

// leave takes a frame that goes out at one of the pipeline's ends.
func (r *run) leave(from *node, it item) error {
	r.observeHop(it, from, nil)
	r.discarded[it.dir()].Add(1)
	if it.dir() == frames.Upstream {
		switch f := it.frame.(type) {
		case *frames.Error:
			r.onError(f)
		case *frames.End:
			r.requestEnd(f.Reason)
		}
		return nil
	}
	if c, ok := it.frame.(frames.Command); ok {
		if _, told := r.unhandled.LoadOrStore(reflect.TypeOf(c), true); !told {
			from.report(&Error{Class: frames.ErrorApplication, Err: fmt.Errorf("%w: %s", ErrUnhandled, c.Unhandled())})
		}
	}
	switch barrierOf(it.frame) {
	case startBarrier:
		r.startOnce.Do(func() { close(r.passed) })
	case endBarrier:
		r.endOnce.Do(func() {
			r.end = it.frame
			close(r.ended)
		})
	case heartbeatBarrier:
		r.beat.Store(int64(it.frame.ID()))
		select {
		case r.beaten <- struct{}{}:
		default:
		}
	}
	return nil
}

// onError has Config.OnError called.
func (r *run) onError(f *frames.Error) {
	r.callbacks.put(func() {
		if r.cfg.OnError == nil {
			logError(r.cfg.Logger, f)
			return
		}
		r.call("OnError", func() { r.cfg.OnError(f) })
	})
}

// call calls back, and makes a panic there the run's error.
func (r *run) call(name string, fn func()) {
	if err := protect(fn); err != nil {
		r.stop(outcome{err: &Error{Processor: name, Class: frames.ErrorApplication, Fatal: true, Err: err}})
	}
}

// isFlow reports whether an error that Send returned is no failure.
func isFlow(err error) bool {
	return errors.Is(err, ErrInterrupted) || errors.Is(err, ErrCancelled)
}

// several is more than one error, on one line.
type several []error

func (s several) Error() string {
	texts := make([]string, len(s))
	for i, err := range s {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (s several) Unwrap() []error { return s }

// result makes what Run returns of all that went wrong.
func result(errs []error) error {
	var all several
	for _, err := range errs {
		if err != nil {
			all = append(all, err)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("pipeline: %w", all[0])
	}
	return fmt.Errorf("pipeline: %w", all)
}
