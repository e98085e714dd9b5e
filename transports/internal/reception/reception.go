// Package reception is what all servers of calls share: it lets calls in as long as
// there is room, runs their pipelines, and sees them out when the server shuts down.
package reception

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"

	"github.com/parley-go/parley/pipeline"
)

// Why a call is not let in.
var (
	ErrDraining = errors.New("the server is shutting down")
	ErrFull     = errors.New("too many calls: try again later")
)

// Reception lets calls in and out. Make it with [New]. It is safe for concurrent use.
type Reception struct {
	most   int
	ctx    context.Context // until the calls are cancelled
	cancel context.CancelFunc

	mu       sync.Mutex
	calls    int
	running  map[*pipeline.Pipeline]bool
	draining bool
	serving  sync.WaitGroup
}

// New returns a reception with room for so many calls.
func New(most int) *Reception {
	r := &Reception{most: most, running: map[*pipeline.Pipeline]bool{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Context ends when the calls that are left are cancelled.
func (r *Reception) Context() context.Context { return r.ctx }

// Calls returns how many calls are in.
func (r *Reception) Calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

// Enter lets a call in, until Leave is called, or says why not. Where there is no room
// it asks extra, if that is not nil, whether the call needs none.
func (r *Reception) Enter(extra func() bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.draining:
		return ErrDraining
	case r.calls >= r.most && (extra == nil || !extra()):
		return ErrFull
	}
	r.calls++
	r.serving.Add(1)
	return nil
}

// Leave lets a call out.
func (r *Reception) Leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls--
	r.serving.Done()
}

// Make returns the pipeline that an agent's function makes. One that panics has made
// none, and spoils no other call.
func Make(agent func() (*pipeline.Pipeline, error)) (p *pipeline.Pipeline, err error) {
	defer func() {
		if v := recover(); v != nil {
			p, err = nil, &pipeline.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	p, err = agent()
	if err == nil && p == nil {
		err = errors.New("the agent's function returned no pipeline")
	}
	return p, err
}

// Run runs the pipeline of a call. If the server is shutting down already it does not,
// and returns [ErrDraining].
func (r *Reception) Run(ctx context.Context, p *pipeline.Pipeline) error {
	r.mu.Lock()
	if r.draining {
		r.mu.Unlock()
		return ErrDraining
	}
	r.running[p] = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.running, p)
	}()
	return p.Run(ctx)
}

// Draining reports whether the server is shutting down.
func (r *Reception) Draining() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.draining
}

// Shutdown lets nobody in any more and the agents finish what they say; also, if it is
// not nil, is called for what else there is to do at the beginning. It returns when all
// calls have left. When ctx ends, the context of those that are left does so, too, and
// its error is returned.
func (r *Reception) Shutdown(ctx context.Context, also func()) error {
	r.mu.Lock()
	r.draining = true
	for p := range r.running {
		p.End(ErrDraining.Error())
	}
	r.mu.Unlock()
	if also != nil {
		also()
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.serving.Wait()
	}()
	var err error
	select {
	case <-over:
	case <-ctx.Done():
		err = ctx.Err()
	}
	r.cancel()
	<-over
	return err
}
