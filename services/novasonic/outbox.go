package novasonic

import (
	"context"
	"sync"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// outbox carries frames from the conversation, which must never wait, to the
// pipeline, where the agent's audio may have to: ordered ones in their order, and
// system frames past them.
type outbox struct {
	ordered lane
	system  lane
}

func newOutbox(limit time.Duration) *outbox {
	return &outbox{ordered: newLane(limit), system: newLane(limit)}
}

// put queues a frame; it reports false, and queues nothing, if too much waits
// already.
func (o *outbox) put(p parcel) bool {
	if p.frame.Class() == frames.SystemClass {
		return o.system.put(p)
	}
	return o.ordered.put(p)
}

// interrupt drops what an interruption drops.
func (o *outbox) interrupt() { o.ordered.interrupt() }

// run delivers frames until ctx ends.
func (o *outbox) run(ctx context.Context, out *pipeline.Port) {
	var lanes sync.WaitGroup
	lanes.Go(func() { o.system.run(ctx, out) })
	lanes.Go(func() { o.ordered.run(ctx, out) })
	lanes.Wait()
}

// flush waits until everything has been delivered.
func (o *outbox) flush(ctx context.Context) error {
	if err := o.ordered.flush(ctx); err != nil {
		return err
	}
	return o.system.flush(ctx)
}

// maxParcels bounds the frames that wait, beside the audio in them.
const maxParcels = 1 << 16

// lane is a queue of frames with a goroutine that delivers them. It is bounded
// by the duration of the audio in it, since that is what grows: the service
// produces speech faster than anybody can listen.
type lane struct {
	limit time.Duration

	mu    sync.Mutex // protects the following
	queue []parcel
	audio time.Duration
	busy  bool // run is delivering a frame

	wake  chan struct{} // capacity 1: something was put
	empty chan struct{} // capacity 1: everything has been delivered
}

// parcel is a frame with the generation that it belongs to.
type parcel struct {
	frame frames.Frame
	gen   context.Context
	dir   frames.Direction
}

func newLane(limit time.Duration) lane {
	return lane{limit: limit, wake: make(chan struct{}, 1), empty: make(chan struct{}, 1)}
}

// put queues a frame; it reports false, and queues nothing, if too much waits
// already.
func (l *lane) put(p parcel) bool {
	l.mu.Lock()
	if len(l.queue) >= maxParcels {
		l.mu.Unlock()
		return false
	}
	if a, ok := p.frame.(*frames.AudioOutput); ok {
		if l.audio+a.Duration() > l.limit {
			l.mu.Unlock()
			return false
		}
		l.audio += a.Duration()
	}
	l.queue = append(l.queue, p)
	l.mu.Unlock()
	signal(l.wake)
	return true
}

// interrupt drops what an interruption drops.
func (l *lane) interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.queue[:0]
	for _, p := range l.queue {
		if !frames.Interruptible(p.frame) {
			kept = append(kept, p)
		}
	}
	clear(l.queue[len(kept):])
	l.queue, l.audio = kept, 0
}

// run delivers frames until ctx ends.
func (l *lane) run(ctx context.Context, out *pipeline.Port) {
	for {
		l.mu.Lock()
		l.busy = len(l.queue) > 0
		if !l.busy {
			l.mu.Unlock()
			signal(l.empty)
			select {
			case <-l.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		p := l.queue[0]
		l.queue[0] = parcel{}
		l.queue = l.queue[1:]
		if a, ok := p.frame.(*frames.AudioOutput); ok {
			l.audio -= a.Duration()
		}
		l.mu.Unlock()

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
func (l *lane) flush(ctx context.Context) error {
	for {
		l.mu.Lock()
		done := len(l.queue) == 0 && !l.busy
		l.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-l.empty:
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
