package pipeline

import (
	"context"
	"log/slog"

	"github.com/parley-go/parley/frames"
)

// Port is how a processor reaches its pipeline. It is given to Start, Run,
// Process and ProcessSystem, and is the same for all of them. All of its
// methods may be called by any goroutine, until the run is over; they are
// harmless afterwards.
type Port struct {
	node *node

	// turning is set for the port of an inline processor that handles a frame
	// which goes upstream: see [Inline].
	turning bool
}

// Send sends f to the neighbour in direction dir.
//
// Data and control frames that go downstream wait until there is room in the
// neighbour's queue. All others never wait: if the lane is full, its oldest
// realtime frame is dropped, and if there is none Send returns an
// [*OverflowError], and the run is over.
//
// ctx bounds the waiting, and says to which generation a data or control frame
// belongs: that of ctx if it is, or is derived from, the context of a frame or
// of [Port.Generation], the present one otherwise. If the generation of ctx has
// been interrupted, Send drops f and returns [ErrInterrupted], unless f is
// uninterruptible. With a context of no generation Send returns nil even if an
// interruption drops f while it waits, as it would drop it from the queue.
//
// The errors are [ErrInterrupted], [ErrCancelled] when the run is over, ctx's
// own error, [ErrNotStarted] and [*OverflowError]. Process may simply return
// them. When Send returns nil the neighbour has, or will get, the frame, unless
// an interruption comes first or the run ends.
//
// A [frames.Cancel] cancels the run; a new [frames.Interruption] interrupts, and
// one that came from the engine goes no further; a fatal [frames.Error] ends the
// run.
func (p *Port) Send(ctx context.Context, f frames.Frame, dir frames.Direction) error {
	n := p.node
	return n.run.send(ctx, p, n.links[dir&1], f, dir&1)
}

// SendBoth tells both neighbours: it sends a frame upstream, then another one
// downstream, since a frame has one identity. make is called twice and returns a
// new one each time. If the first cannot be sent, the second is all the same; the
// error is the first. Otherwise it is like [Port.Send].
func (p *Port) SendBoth(ctx context.Context, make func() frames.Frame) error {
	up := p.Send(ctx, make(), frames.Upstream) // which never waits
	down := p.Send(ctx, make(), frames.Downstream)
	if up != nil {
		return up
	}
	return down
}

// Interrupt begins a new generation: what was being said is no longer wanted.
// Queued data and control frames are dropped, unless uninterruptible, contexts
// of the old generation are cancelled, and every processor, this one included,
// gets a [frames.Interruption]. It does not wait for any of that, and takes the
// same time however much is queued.
func (p *Port) Interrupt(reason string) {
	p.node.run.interrupt(p.node.name, reason)
}

// Generation returns the context of the present generation, for a goroutine of
// the processor's own which produces frames: the next interruption cancels it,
// with [ErrInterrupted] as cause, and drops what is sent with it after that. A
// service takes it when a response begins and keeps it until the response ends.
func (p *Port) Generation() context.Context {
	return p.node.run.gen.Load().ctx
}

// Report sends err upstream as a [frames.Error] of this processor, with the
// class and fatality which [Classify] and [Fatal] gave it. It never waits. nil
// is ignored, and so are [ErrInterrupted] and [ErrCancelled].
func (p *Port) Report(err error) {
	p.node.report(err)
}

// Progress says that the processor has done a part of the work that it must
// finish before it passes [frames.End] on, such as to play what is queued: it is
// not stuck, and Config.EndTimeout begins anew. While it does not hold the end
// up, it means nothing. It never waits.
func (p *Port) Progress() {
	n := p.node
	if !n.passedEnd() {
		n.progress.Store(n.run.now())
	}
}

// Name returns the processor's name in this pipeline.
func (p *Port) Name() string { return p.node.name }

// Logger returns a logger that mentions the processor. It is never nil.
func (p *Port) Logger() *slog.Logger { return p.node.logger }
