package file

import (
	"context"
	"sync/atomic"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

// Output is the processor that plays the agent's voice and keeps the
// conversation: a [playout.Output].
type Output struct {
	*playout.Output
	started atomic.Bool
	fences  chan int64 // that came out; no more are under way than it holds
}

// Start starts the output.
func (o *Output) Start(ctx context.Context, out *pipeline.Port) error {
	o.started.Store(true)
	return o.Output.Start(ctx, out)
}

// fence is sent behind some of a caller's audio that is not paced by a clock. When
// it comes out at the other end, every processor has dealt with that.
type fence struct {
	frames.System
	frames.Barrier
	n int64
}

func (f *fence) String() string { return "fence" }

// ProcessSystem notes a fence, and leaves all else to package playout.
func (o *Output) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if f, ok := f.(*fence); ok {
		select {
		case o.fences <- f.n:
		default: // nobody waits any more
		}
		return nil
	}
	return o.Output.ProcessSystem(ctx, f, dir, out)
}
