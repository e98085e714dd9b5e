package pipeline

import (
	"time"

	"github.com/parley-go/parley/frames"
)

// heart sends heartbeats and notices when one does not arrive. Only the
// goroutine that attends to the run uses it.
type heart struct {
	run      *run
	ticker   *time.Ticker
	tick     <-chan time.Time
	timer    *time.Timer
	late     <-chan time.Time
	sequence int64
	waiting  *frames.Heartbeat // on its way
	told     bool              // that none passes
}

func newHeart(r *run) *heart {
	h := &heart{run: r}
	if r.cfg.HeartbeatInterval > 0 {
		h.ticker = time.NewTicker(r.cfg.HeartbeatInterval)
		h.tick = h.ticker.C
		h.timer = time.NewTimer(time.Hour)
		h.timer.Stop()
		h.late = h.timer.C
	}
	return h
}

func (h *heart) stop() {
	if h.ticker != nil {
		h.ticker.Stop()
		h.timer.Stop()
	}
}

// send sends one, unless the last is still on its way: a processor that is slow
// must not find a queue of them.
func (h *heart) send() {
	if h.waiting != nil {
		return
	}
	h.sequence++
	h.waiting = &frames.Heartbeat{Sequence: h.sequence, Sent: time.Now()}
	h.run.admitNew(h.waiting)
	h.timer.Reset(h.run.cfg.HeartbeatTimeout)
	h.run.inject(h.waiting, heartbeatBarrier)
}

// passed notes that one has left the last processor.
func (h *heart) passed() {
	if h.waiting != nil && h.run.beat.Load() == int64(h.waiting.ID()) {
		h.waiting, h.told = nil, false
		h.timer.Stop()
	}
}

// overdue reports who holds the heartbeat, once until one passes, and gives it
// up if it is lost, so that the next can tell whether things are well again.
func (h *heart) overdue() {
	h.passed()
	if h.waiting == nil {
		return
	}
	if !h.told {
		h.told = true
		h.complain()
	}
	if h.run.queued(h.waiting.ID()) {
		h.timer.Reset(h.run.cfg.HeartbeatTimeout)
		return
	}
	h.waiting = nil
}

func (h *heart) complain() {
	stuck := &StuckError{What: "pass on a heartbeat", Within: h.run.cfg.HeartbeatTimeout,
		Processors: h.run.stuck(heartbeatBarrier, h.waiting.ID())}
	f := &frames.Error{Kind: frames.ErrorApplication, Err: stuck}
	if len(stuck.Processors) > 0 {
		f.Processor = stuck.Processors[0].Processor
	}
	h.run.admitNew(f)
	h.run.onError(f)
}

// idleness notices when nothing happens.
type idleness struct {
	run   *run
	clock *time.Timer
	timer <-chan time.Time
	told  int64 // when OnIdle was last called, in run time
}

func newIdleness(r *run) *idleness {
	i := &idleness{run: r}
	if r.cfg.IdleTimeout > 0 {
		r.lastActivity.CompareAndSwap(0, r.now())
		i.clock = time.NewTimer(r.cfg.IdleTimeout)
		i.timer = i.clock.C
	}
	return i
}

func (i *idleness) stop() {
	if i.clock != nil {
		i.clock.Stop()
	}
}

func (i *idleness) check() {
	r := i.run
	now, last := r.now(), r.lastActivity.Load()
	left := r.cfg.IdleTimeout - time.Duration(now-max(last, i.told))
	if left > 0 {
		i.clock.Reset(left)
		return
	}
	i.told = now
	i.clock.Reset(r.cfg.IdleTimeout)
	if r.cfg.OnIdle == nil {
		r.requestEnd("idle")
		return
	}
	r.callbacks.put(func() {
		r.call("OnIdle", func() { r.cfg.OnIdle(r.pipeline, time.Duration(now-last)) })
	})
}
