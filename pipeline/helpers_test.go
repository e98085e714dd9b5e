package pipeline_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// probe is a frame that tests can tell from others.
type probe struct {
	frames.Data
	n int
}

func (p *probe) String() string { return fmt.Sprintf("probe(%d)", p.n) }

// lasting is a probe which survives interruptions.
type lasting struct {
	frames.Data
	frames.Uninterruptible
	n int
}

// urgent is a probe in the system lane, and live one that may be dropped there.
type (
	urgent struct {
		frames.System
		n int
	}
	live struct {
		frames.System
		frames.Realtime
		n int
	}
)

type handler = func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error

// pass sends everything on.
func pass() pipeline.Processor {
	return pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		return out.Send(ctx, f, dir)
	})
}

// on handles one type with fn, on the one goroutine of an ordinary processor.
func on[T frames.Frame](fn func(ctx context.Context, f T, dir frames.Direction, out *pipeline.Port) error) pipeline.Processor {
	return pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		if own, ok := f.(T); ok {
			return fn(ctx, own, dir, out)
		}
		return out.Send(ctx, f, dir)
	})
}

// parts is a processor made of functions, each of which may be nil.
type parts struct {
	name    string
	start   func(ctx context.Context, out *pipeline.Port) error
	run     func(ctx context.Context, out *pipeline.Port) error
	close   func(ctx context.Context) error
	process handler
}

func (p *parts) Name() string { return p.name }

func (p *parts) Start(ctx context.Context, out *pipeline.Port) error {
	if p.start == nil {
		return nil
	}
	return p.start(ctx, out)
}

func (p *parts) Run(ctx context.Context, out *pipeline.Port) error {
	if p.run == nil {
		return nil
	}
	return p.run(ctx, out)
}

func (p *parts) Close(ctx context.Context) error {
	if p.close == nil {
		return nil
	}
	return p.close(ctx)
}

func (p *parts) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if p.process == nil {
		return out.Send(ctx, f, dir)
	}
	return p.process(ctx, f, dir, out)
}

// twoLaned is parts with a goroutine for system frames.
type twoLaned struct {
	parts
	system handler
}

func (p *twoLaned) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if p.system == nil {
		return out.Send(ctx, f, dir)
	}
	return p.system(ctx, f, dir, out)
}

// recorder passes everything on and remembers it.
type recorder struct {
	mu   sync.Mutex
	seen []frames.Frame
}

func (r *recorder) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	r.mu.Lock()
	r.seen = append(r.seen, f)
	r.mu.Unlock()
	return out.Send(ctx, f, dir)
}

// names returns what it saw in short: "Start", "p1", "l2", "u3", "Interruption".
func (r *recorder) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return brief(r.seen)
}

func brief(seen []frames.Frame) []string {
	out := make([]string, 0, len(seen))
	for _, f := range seen {
		switch f := f.(type) {
		case *probe:
			out = append(out, fmt.Sprintf("p%d", f.n))
		case *lasting:
			out = append(out, fmt.Sprintf("l%d", f.n))
		case *urgent:
			out = append(out, fmt.Sprintf("u%d", f.n))
		case *live:
			out = append(out, fmt.Sprintf("live%d", f.n))
		case *frames.Interruption:
			out = append(out, "Interruption")
		case *frames.Start:
			out = append(out, "Start")
		case *frames.End:
			out = append(out, "End")
		case *frames.Stop:
			out = append(out, "Stop")
		default:
			out = append(out, fmt.Sprintf("%T", f))
		}
	}
	return out
}

// running is a pipeline that a test has started.
type running struct {
	*pipeline.Pipeline
	t    *testing.T
	done chan error
}

// start runs a pipeline, in virtual time, until the test is over.
func start(t *testing.T, cfg pipeline.Config, processors ...pipeline.Processor) *running {
	t.Helper()
	r := &running{Pipeline: pipeline.New(cfg, processors...), t: t, done: make(chan error, 1)}
	go func() { r.done <- r.Run(context.Background()) }()
	synctest.Wait()
	return r
}

// send sends frames in at the head.
func (r *running) send(fs ...frames.Frame) {
	r.t.Helper()
	for _, f := range fs {
		if err := r.Send(context.Background(), f); err != nil {
			r.t.Fatalf("send %v: %v", f, err)
		}
	}
}

// result waits for the run to end.
func (r *running) result() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(time.Hour):
		r.t.Fatal("the run did not end within an hour")
		return nil
	}
}

// finish ends the run in order and fails the test if that fails.
func (r *running) finish() {
	r.t.Helper()
	r.End("the test is over")
	if err := r.result(); err != nil {
		r.t.Fatalf("Run returned %v", err)
	}
}

// inVirtualTime runs a test in a bubble of its own.
func inVirtualTime(t *testing.T, name string, fn func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, fn) })
}

// journal is what several goroutines note down.
type journal struct {
	mu   sync.Mutex
	text []string
}

func (j *journal) note(lines ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text = append(j.text, lines...)
}

func (j *journal) lines() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.text...)
}
