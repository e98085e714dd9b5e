package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/parley-go/parley/frames"
)

// node is a processor in its place in a run: its lanes, and the goroutines
// that empty them.
type node struct {
	run      *run
	name     string
	proc     Processor
	system   SystemProcessor // proc, if it is one; nil otherwise
	router   router          // for the engine's own nodes, where branches meet; nil otherwise
	inline   bool            // has no lanes: runs on its neighbours' goroutines
	scope    *scope          // the innermost switch that it belongs to, nil if none
	branched bool            // is in a branch of a Parallel or a Switch
	logger   *slog.Logger
	port     Port
	turn     Port // port of an inline node for frames that go upstream

	links [2]link // where its frames go, by direction
	next  *node   // in whose queue it needs room before it takes an ordered frame; nil if in none
	guest []*node // inline nodes that this one tells of interruptions

	// seen is the number of the generation that the processor has been told of.
	seen atomic.Uint32

	// startedHere is started, for the goroutine that handles system frames.
	startedHere bool

	// dead says that the processor has failed where a switch can do without it.
	dead atomic.Bool

	barriers [barrierKinds]barrierState
	progress atomic.Int64 // when it last said that it gets on, in run time

	mu       sync.Mutex // protects all below, but for atomics
	closed   bool       // no frame is taken or accepted any more
	open     bool       // Start has arrived: it is the first frame
	sysLane  lane
	downLane lane
	upLane   lane
	sys      hand  // of the goroutine that handles system frames
	ord      hand  // of the one that handles ordered frames; may be the same goroutine
	sysBed   *bed  // where it sleeps
	ordBed   *bed  // the same bed, if it is the same goroutine
	started  bool  // ordered frames may be handled: the processor has, or will first have, handled Start
	telling  *task // the interruption that the processor is being told of

	sysPending  atomic.Bool // sysLane is not empty
	downFull    atomic.Bool // downLane has no room
	downBlocked atomic.Bool // somebody waits for room in downLane
	idle        []*node     // nodes upstream that take no frame until downLane has room
	blocked     bool        // it is among the idle ones of next
	looked      uint32      // the generation in which it last looked for room there
	sure        bool        // it handles its next ordered frame whether there is room or not
	purged      uint32      // downLane holds nothing interruptible of generations before this
	drainWait   bool        // the ordered goroutine waits for system frames to be handled
}

// link is a connection to a neighbour. to is nil at the pipeline's two ends.
type link struct {
	to  *node
	tag uint16 // tells to which branch the frame came from
}

// task is something that takes its time, for statistics.
type task struct {
	frame frames.Frame
	since int64
}

// poke wakes the node's goroutines to look around.
func (n *node) poke() {
	n.mu.Lock()
	sys, ord := n.sysBed.rouse(), n.ordBed.rouse()
	n.mu.Unlock()
	if sys {
		n.sysBed.wake <- struct{}{}
	}
	if ord {
		n.ordBed.wake <- struct{}{}
	}
}

// close makes the goroutines return after the frame which they handle, and
// fails all senders that wait.
func (n *node) close() {
	n.mu.Lock()
	n.closed = true
	now := n.run.now()
	n.sys.stamp(now)
	n.ord.stamp(now)
	for _, w := range n.downLane.waiters {
		if !w.detached {
			w.ready <- ErrCancelled
		}
	}
	n.downLane.waiters = nil
	n.mu.Unlock()
	n.poke()
}

// start starts the node's goroutines.
func (n *node) start() {
	if n.inline {
		return
	}
	if n.system == nil && n.router == nil {
		n.run.spawn(n, n.loop)
		return
	}
	n.run.spawn(n, n.systemLoop)
	n.run.spawn(n, n.orderedLoop)
}

func (n *node) dropStale(it *item) {
	n.mu.Lock()
	lane := &n.downLane
	if it.dir() == frames.Upstream {
		lane = &n.upLane
	}
	lane.stale++
	lane.handled-- // finish will count all that was in hand
	n.mu.Unlock()
	n.run.observeDrop(it.frame, n, it.dir(), Stale)
}

// noteStale tells observers of a frame that was dropped from a lane.
func (n *node) noteStale(it item) { n.run.observeDrop(it.frame, n, it.dir(), Stale) }

// failed reports what Process returned.
func (n *node) failed(ctx context.Context, err error) {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err())) {
		return // it was cancelled, and says so
	}
	n.report(err)
}

func (n *node) report(err error) {
	if err == nil || errors.Is(err, ErrInterrupted) || errors.Is(err, ErrCancelled) {
		return
	}
	f := &frames.Error{Processor: n.name, Kind: classOf(err), Fatal: isFatal(err), Err: err}
	// It cannot be refused but by the end of the run.
	_ = n.port.Send(n.run.handlerCtx, f, frames.Upstream)
}

// guard turns a panic in what it is deferred for into a fatal error.
func (n *node) guard() {
	if v := recover(); v != nil {
		n.die()
		n.panicked(v)
	}
}

func (n *node) panicked(v any) {
	err := &PanicError{Value: v, Stack: debug.Stack()}
	n.logger.Error("processor panicked", "panic", v, "stack", string(err.Stack))
	n.report(&Error{Class: frames.ErrorApplication, Fatal: true, Err: err})
}
