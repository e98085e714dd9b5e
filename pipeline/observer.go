package pipeline

import (
	"fmt"
	"sync"
	"time"

	"github.com/parley-go/parley/frames"
)

// Observer sees what happens in a pipeline. Observe is called on a goroutine of
// the observer's own with the events since the last call, oldest first; it must
// not keep the slice. It cannot slow or break the call: what it has no time for
// is dropped, the oldest half of its buffer at a time, and counted ([Lost]), and when it panics it is not
// called again and the panic is reported to Config.OnError. What is left at the
// end of the run is given to it before Run returns; the last event is [Ended].
type Observer interface {
	Observe(events []Event)
}

// EventKind says what happened.
type EventKind uint8

// The kinds of events.
const (
	Hop      EventKind = iota // a frame went from one processor to the next
	Told                      // a processor is told of an interruption
	Stale                     // an interruption dropped a frame, queued at To
	Shed                      // a realtime frame was dropped from a full lane of To
	Inactive                  // a switch dropped a frame of a service that is not active
	Lost                      // Count events were lost before this one, for want of time
	Began                     // the run begins: its processors are about to be started
	Ended                     // the run is over, and all processors are closed; see Event.Frame
)

// String returns the kind in lower case.
func (k EventKind) String() string {
	names := [...]string{"hop", "told", "stale", "shed", "inactive", "lost", "began", "ended"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("event kind(%d)", uint8(k))
}

// Event is something that happened to a frame.
type Event struct {
	Kind EventKind

	// Frame is what it happened to; nil for Lost and Began. That of Ended tells how
	// the run ended: the [frames.End] that passed through, after an orderly end, or
	// a [frames.Cancel] with the error that Run returns, if there is one.
	Frame frames.Frame

	From, To  string // processors; empty for the outside at either end
	Direction frames.Direction
	First     bool // of a Hop: it is the frame's first. Who counts frames counts these
	Time      time.Time
	Count     uint64 // for Lost
}

// mailbox is a bounded queue with a goroutine that empties it, for callbacks
// which must not hold up the call. When it is full the oldest half is dropped.
type mailbox[T any] struct {
	limit   int
	deliver func(batch []T, lost uint64)
	bed     *bed

	mu     sync.Mutex
	queue  []T
	lost   uint64
	closed bool
}

func newMailbox[T any](limit int, deliver func([]T, uint64)) *mailbox[T] {
	return &mailbox[T]{limit: limit, deliver: deliver, bed: newBed()}
}

// put never waits.
func (m *mailbox[T]) put(v T) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	if len(m.queue) >= m.limit {
		// Half of it goes at once, so that an observer which hangs costs little.
		drop := max(1, m.limit/2)
		m.lost += uint64(drop)
		kept := copy(m.queue, m.queue[drop:])
		clear(m.queue[kept:])
		m.queue = m.queue[:kept]
	}
	m.queue = append(m.queue, v)
	wake := m.bed.rouse()
	m.mu.Unlock()
	if wake {
		m.bed.wake <- struct{}{}
	}
}

// close makes loop return once the queue is empty.
func (m *mailbox[T]) close() {
	m.mu.Lock()
	m.closed = true
	wake := m.bed.rouse()
	m.mu.Unlock()
	if wake {
		m.bed.wake <- struct{}{}
	}
}

func (m *mailbox[T]) loop() {
	var batch []T
	for {
		m.mu.Lock()
		for len(m.queue) == 0 && !m.closed {
			m.bed.asleep = true
			m.mu.Unlock()
			<-m.bed.wake
			m.mu.Lock()
		}
		if len(m.queue) == 0 {
			m.mu.Unlock()
			return
		}
		clear(batch)
		batch, m.queue = m.queue, batch[:0]
		lost := m.lost
		m.lost = 0
		m.mu.Unlock()
		m.deliver(batch, lost)
	}
}

// observe makes the mailbox of an observer.
func (r *run) observe(o Observer) *mailbox[Event] {
	broken := false
	return newMailbox(r.cfg.ObserverBuffer, func(batch []Event, lost uint64) {
		if broken {
			return
		}
		defer func() {
			if v := recover(); v != nil {
				broken = true
				r.onError(&frames.Error{
					Processor: fmt.Sprintf("observer %T", o), Kind: frames.ErrorApplication,
					Err: fmt.Errorf("panic in Observe, which is not called any more: %v", v),
				})
			}
		}()
		if lost > 0 {
			o.Observe([]Event{{Kind: Lost, Count: lost, Time: batch[0].Time}})
		}
		o.Observe(batch)
	})
}

func (r *run) observeHop(it item, from, to *node) {
	if r.observed {
		r.emit(Event{Kind: Hop, Frame: it.frame, From: nodeName(from), To: nodeName(to), Direction: it.dir(), First: it.fresh()})
	}
}

func (r *run) observeTold(f *frames.Interruption, to *node) {
	if r.observed {
		r.emit(Event{Kind: Told, Frame: f, From: f.Source, To: to.name})
	}
}

func (r *run) observeBegan() {
	if r.observed {
		r.emit(Event{Kind: Began})
	}
}

// observeEnded is called when errs is all that went wrong.
func (r *run) observeEnded(errs []error) {
	if !r.observed {
		return
	}
	err := result(errs)
	if err == nil {
		select {
		case <-r.ended:
			r.emit(Event{Kind: Ended, Frame: r.end})
			return
		default:
		}
	}
	r.emit(Event{Kind: Ended, Frame: &frames.Cancel{Reason: r.outcome.reason, Err: err}})
}

func (r *run) observeDrop(f frames.Frame, at *node, dir frames.Direction, kind EventKind) {
	if r.observed {
		r.emit(Event{Kind: kind, Frame: f, To: at.name, Direction: dir})
	}
}

func (r *run) emit(e Event) {
	e.Time = time.Now()
	for _, m := range r.observers {
		m.put(e)
	}
}

func nodeName(n *node) string {
	if n == nil {
		return ""
	}
	return n.name
}
