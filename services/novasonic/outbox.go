package novasonic

import (
	"context"
	"sync"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// outbox carries frames from the conversation, which must never wait, to the
// pipeline, where the agent's audio may have to. It keeps their order, and
// drops the interruptible ones at once when the user barges in.
//
// It is bounded by the duration of the audio in it, since that is what grows:
// the service produces speech faster than anybody can listen.
type outbox struct {
	limit time.Duration

	mu    sync.Mutex // protects the following
	queue []parcel
	audio time.Duration

	wake  chan struct{} // capacity 1: something was put, or closed
	empty chan struct{} // capacity 1: the queue has been delivered
	busy  bool          // run is delivering a frame; protected by mu
}

// parcel is a frame with the generation that it belongs to.
type parcel struct {
	frame frames.Frame
	gen   context.Context
	dir   frames.Direction
}

func newOutbox(limit time.Duration) *outbox {
	return &outbox{limit: limit, wake: make(chan struct{}, 1), empty: make(chan struct{}, 1)}
}

// put queues a frame; it reports false, and queues nothing, if the audio in
// the queue would exceed the limit.
func (o *outbox) put(p parcel) bool {
	o.mu.Lock()
	if a, ok := p.frame.(*frames.AudioOutput); ok {
		if o.audio+a.Duration() > o.limit {
			o.mu.Unlock()
			return false
		}
		o.audio += a.Duration()
	}
	o.queue = append(o.queue, p)
	o.mu.Unlock()
	signal(o.wake)
	return true
}

// interrupt drops what an interruption drops.
func (o *outbox) interrupt() {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := o.queue[:0]
	for _, p := range o.queue {
		if !frames.Interruptible(p.frame) {
			kept = append(kept, p)
		}
	}
	clear(o.queue[len(kept):])
	o.queue, o.audio = kept, 0
}

// run delivers frames until ctx ends.
func (o *outbox) run(ctx context.Context, out *pipeline.Port) {
	for {
		o.mu.Lock()
		o.busy = len(o.queue) > 0
		if !o.busy {
			o.mu.Unlock()
			signal(o.empty)
			select {
			case <-o.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		p := o.queue[0]
		o.queue[0] = parcel{}
		o.queue = o.queue[1:]
		if a, ok := p.frame.(*frames.AudioOutput); ok {
			o.audio -= a.Duration()
		}
		o.mu.Unlock()

		gen := p.gen
		if !frames.Interruptible(p.frame) {
			gen = ctx
		}
		// An error is the run's end, or a generation's: in both cases nobody
		// wants the frame any more.
		_ = out.Send(gen, p.frame, p.dir)
		if ctx.Err() != nil {
			return
		}
	}
}

// flush waits until everything has been delivered.
func (o *outbox) flush(ctx context.Context) error {
	for {
		o.mu.Lock()
		done := len(o.queue) == 0 && !o.busy
		o.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-o.empty:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
