package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// T is what a harness needs of a [testing.T].
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Patience is how long, in virtual time, a harness waits for a frame.
const Patience = time.Minute

// maxKept is how many frames a harness keeps that nobody has asked for.
const maxKept = 1 << 16

// Harness is a pipeline around the processors under test: frames are put in at
// either end and taken out at the other. It is used by one goroutine, that of
// the test, within a bubble of testing/synctest.
type Harness struct {
	t        T
	pipeline *pipeline.Pipeline
	head     *tap // sees what goes out upstream
	tail     *tap // sees what goes out downstream
	done     chan error
	over     bool
	err      error

	mu     sync.Mutex
	errors []*frames.Error
}

// New starts processors between two ends. The test fails if the run does, or
// if it leaves goroutines behind; it is cancelled at the end of the test unless
// [Harness.End] ended it before.
func New(t T, processors ...pipeline.Processor) *Harness {
	t.Helper()
	return NewWith(t, pipeline.Config{}, processors...)
}

// NewWith is New with a configuration. OnError is the harness's own.
func NewWith(t T, cfg pipeline.Config, processors ...pipeline.Processor) *Harness {
	t.Helper()
	h := &Harness{t: t, head: newTap(frames.Upstream), tail: newTap(frames.Downstream), done: make(chan error, 1)}
	cfg.OnError = func(f *frames.Error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.errors = append(h.errors, f)
	}
	all := append([]pipeline.Processor{h.head}, processors...)
	h.pipeline = pipeline.New(cfg, append(all, h.tail)...)
	go func() { h.done <- h.pipeline.Run(context.Background()) }()
	t.Cleanup(h.cleanUp)
	h.settle()
	return h
}

func (h *Harness) cleanUp() {
	if !h.over {
		h.pipeline.Cancel("the test is over", nil)
		if err := h.wait(); err != nil {
			h.t.Errorf("the pipeline failed: %v", err)
		}
	}
	synctest.Wait() // what the test has begun just now may be on its way out
	if leaks := Leaks(); len(leaks) > 0 {
		h.t.Errorf("%d goroutines were left behind, the first:\n%s", len(leaks), leaks[0])
	}
}

// settle waits until nothing moves any more without time going by.
func (h *Harness) settle() {
	synctest.Wait()
	select {
	case h.err = <-h.done:
		h.over = true
	default:
	}
}

func (h *Harness) wait() error {
	if !h.over {
		h.err, h.over = <-h.done, true
		synctest.Wait()
	}
	return h.err
}

// Send sends frames downstream into the first processor, and waits until all
// that they set off without the passing of time has happened.
func (h *Harness) Send(fs ...frames.Frame) {
	h.t.Helper()
	for _, f := range fs {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		err := h.pipeline.Send(ctx, f)
		cancel()
		if err != nil {
			h.t.Fatalf("send %v downstream: %v", f, errors.Join(err, h.err))
		}
	}
	h.settle()
}

// SendUp sends frames upstream into the last processor, and waits as Send does.
func (h *Harness) SendUp(fs ...frames.Frame) {
	h.t.Helper()
	h.settle()
	for _, f := range fs {
		out := h.tail.port()
		if out == nil {
			h.t.Fatalf("send %v upstream: the pipeline has not started: %v", f, h.err)
			return
		}
		if err := out.Send(context.Background(), f, frames.Upstream); err != nil {
			h.t.Fatalf("send %v upstream: %v", f, err)
		}
	}
	h.settle()
}

// Interrupt interrupts, and waits as Send does.
func (h *Harness) Interrupt(reason string) {
	h.pipeline.Interrupt(reason)
	h.settle()
}

// Advance lets time go by.
func (h *Harness) Advance(d time.Duration) {
	time.Sleep(d)
	h.settle()
}

// Next returns the next frame that goes out downstream, for which it waits up
// to [Patience]. [frames.Start] and interruptions are left out.
func (h *Harness) Next() frames.Frame {
	h.t.Helper()
	return h.next(h.tail, nil, "a frame")
}

// NextUp is Next for frames that go out upstream.
func (h *Harness) NextUp() frames.Frame {
	h.t.Helper()
	return h.next(h.head, nil, "a frame")
}

// Next returns the next frame of type F that goes out downstream, for which it
// waits up to [Patience]. Others before it are thrown away.
func Next[F frames.Frame](h *Harness) F {
	h.t.Helper()
	return next[F](h, h.tail)
}

// NextUp is [Next] for frames that go out upstream.
func NextUp[F frames.Frame](h *Harness) F {
	h.t.Helper()
	return next[F](h, h.head)
}

func next[F frames.Frame](h *Harness, at *tap) F {
	h.t.Helper()
	var zero F
	f, _ := h.next(at, func(f frames.Frame) bool { _, ok := f.(F); return ok }, fmt.Sprintf("a %T", zero)).(F)
	return f
}

func (h *Harness) next(at *tap, want func(frames.Frame) bool, what string) frames.Frame {
	h.t.Helper()
	patience := time.NewTimer(Patience)
	defer patience.Stop()
	for {
		f, ok := at.take()
		if ok && (want == nil || want(f)) {
			return f
		}
		if ok {
			continue
		}
		select {
		case <-at.more:
		case <-patience.C:
			h.t.Fatalf("%s did not come out %v within %v", what, at.dir, Patience)
			return nil
		case err := <-h.done:
			h.err, h.over = err, true
			if at.waiting() == 0 {
				h.t.Fatalf("the run ended before %s came out %v: %v", what, at.dir, err)
				return nil
			}
		}
	}
}

// All returns what has gone out downstream and was not asked for yet.
func (h *Harness) All() []frames.Frame { h.settle(); return h.tail.all() }

// AllUp is All for frames that went out upstream.
func (h *Harness) AllUp() []frames.Frame { h.settle(); return h.head.all() }

// Errors returns the errors that reached the beginning of the pipeline.
func (h *Harness) Errors() []*frames.Error {
	h.settle()
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*frames.Error(nil), h.errors...)
}

// Stats returns the statistics of the processors under test.
func (h *Harness) Stats() []pipeline.ProcessorStats {
	h.settle()
	s := h.pipeline.Stats()
	return s[1 : len(s)-1]
}

// End ends the run in order and returns what Run returned.
func (h *Harness) End() error {
	h.pipeline.End("the test ends it")
	return h.wait()
}

// Cancel ends the run at once and returns what Run returned.
func (h *Harness) Cancel() error {
	h.pipeline.Cancel("the test cancels it", nil)
	return h.wait()
}

// Wait waits for the run to end by itself and returns what Run returned.
func (h *Harness) Wait() error { return h.wait() }

// tap is an end of the pipeline. It keeps the frames that come out there.
type tap struct {
	dir  frames.Direction
	more chan struct{}

	mu   sync.Mutex
	out  *pipeline.Port
	kept []frames.Frame
}

func newTap(dir frames.Direction) *tap {
	return &tap{dir: dir, more: make(chan struct{}, 1)}
}

// Name makes errors readable.
func (p *tap) Name() string { return "test, " + p.dir.String() + " end" }

// Process keeps f if it goes out here.
func (p *tap) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	p.mu.Lock()
	p.out = out
	switch f.(type) {
	case *frames.Start, *frames.Interruption:
	default:
		if dir == p.dir {
			if len(p.kept) == maxKept {
				p.mu.Unlock()
				return pipeline.Fatal(fmt.Errorf("nobody took the last %d frames out of the harness", maxKept))
			}
			p.kept = append(p.kept, f)
			select {
			case p.more <- struct{}{}:
			default:
			}
		}
	}
	p.mu.Unlock()
	return out.Send(ctx, f, dir)
}

func (p *tap) port() *pipeline.Port {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out
}

func (p *tap) take() (frames.Frame, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) == 0 {
		return nil, false
	}
	f := p.kept[0]
	p.kept = p.kept[1:]
	return f, true
}

func (p *tap) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.kept)
}

func (p *tap) all() []frames.Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.kept
	p.kept = nil
	return all
}
