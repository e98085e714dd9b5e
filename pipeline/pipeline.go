package pipeline

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/parley-go/parley/frames"
)

// Run runs a pipeline of processors from source to sink until it ends: a
// [frames.End] has passed through, ctx is cancelled, or an error is fatal. The
// first SIGINT or SIGTERM drains it (or gives up its start), the second does what
// it does by default. Since signals come from outside, it cannot be used in the
// virtual time of testing/synctest: call New(Config{}, …).Run there.
// It returns what [Pipeline.Run] returns.
func Run(ctx context.Context, processors ...Processor) error {
	return New(Config{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}, processors...).Run(ctx)
}

// Pipeline is a chain of processors to be run once. All methods may be called
// by any goroutine, at any time.
type Pipeline struct {
	cfg        Config
	processors []Processor
	ready      chan struct{}       // closed when frames can be sent, or never will be
	live       atomic.Pointer[run] // the run, once frames can be sent

	mu      sync.Mutex
	begun   bool
	run     *run      // nil until Run has built it
	pending []pending // what was asked for before that
}

// pending is a request that came before Run.
type pending func(*run)

// New makes a pipeline of processors from source to sink. Nothing happens until
// [Pipeline.Run], which also tells of what is wrong with the arguments.
func New(cfg Config, processors ...Processor) *Pipeline {
	return &Pipeline{cfg: cfg, processors: processors, ready: make(chan struct{})}
}

// Run starts every processor, runs until the end, closes every processor, and
// returns when every goroutine has exited. It can be called once.
//
// It returns nil after an orderly end, and after a [frames.Cancel] without Err.
// Otherwise the error is ctx's cause, if ctx was cancelled, an [*Error] which
// names the processor that failed, [ErrStartTimeout], or [ErrEndTimeout]; and a
// [*StuckError] for processors that could not be stopped in time, whose
// goroutines leak until they return. errors.Is and errors.As find each of
// several.
func (p *Pipeline) Run(ctx context.Context) error {
	p.mu.Lock()
	if p.begun {
		p.mu.Unlock()
		return ErrAlreadyRun
	}
	p.begun = true
	p.mu.Unlock()

	r, err := newRun(ctx, p)
	if err != nil {
		close(p.ready)
		return err
	}
	p.mu.Lock()
	p.run = r
	requests := p.pending
	p.pending = nil
	p.mu.Unlock()
	for _, request := range requests {
		request(r)
	}
	return r.execute()
}

// ask has the run do something, now or once it is there.
func (p *Pipeline) ask(request pending) {
	p.mu.Lock()
	r := p.run
	if r == nil {
		p.pending = append(p.pending, request)
	}
	p.mu.Unlock()
	if r != nil {
		request(r)
	}
}

// Send sends f into the pipeline's beginning, downstream. It waits until the
// pipeline has started, and then as [Port.Send] does. It is for goroutines
// outside of the pipeline; with the context of one of the pipeline's own
// processors it returns [ErrSendFromInside].
func (p *Pipeline) Send(ctx context.Context, f frames.Frame) error {
	if r, ok := ctx.Value(runKey{}).(*run); ok && r.pipeline == p {
		return ErrSendFromInside
	}
	r := p.live.Load()
	if r == nil {
		select {
		case <-p.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
		if r = p.live.Load(); r == nil {
			return ErrCancelled // it could not start
		}
	}
	return r.outside.port.Send(ctx, f, frames.Downstream)
}

// Started reports whether every processor has started: the call has begun.
func (p *Pipeline) Started() bool {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	return r != nil && r.opened.Load()
}

// End asks for an orderly end: a [frames.End] goes through behind everything
// that was sent before. It does not wait. Only the first request counts.
func (p *Pipeline) End(reason string) {
	p.ask(func(r *run) { r.requestEnd(reason) })
}

// Cancel ends the run at once. Run returns err, which may be nil. It does not
// wait.
func (p *Pipeline) Cancel(reason string, err error) {
	p.ask(func(r *run) { r.stop(outcome{reason: reason, err: err}) })
}

// Interrupt is what [Port.Interrupt] is, by the application. Before frames can
// be sent there is nothing to interrupt: it does nothing then, unlike End and
// Cancel, which are remembered.
func (p *Pipeline) Interrupt(reason string) {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r != nil {
		r.interrupt("application", reason)
	}
}
