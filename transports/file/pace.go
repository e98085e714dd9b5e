package file

import (
	"context"
	"errors"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// batch is how many pieces of a recording that is played Fast are sent between two
// fences. Two batches may be under way, which is a fraction of what the lanes of a
// pipeline hold.
const batch = 16

// pace returns a function that waits until the piece which ends at now may be
// sent, or ctx is over.
func (in *Input) pace(out *pipeline.Port) (func(ctx context.Context, now time.Duration) error, error) {
	if in.transport.config.Pace == Fast {
		return in.fast(out)
	}
	// Each piece is there when its last sample has been spoken, and a moment later:
	// at that instant the output plays a chunk, and which of both came first would
	// decide whether that is still heard when the piece interrupts. So a call in
	// virtual time goes the same way each time.
	start, timer := in.clock.Start().Add(in.transport.config.Chunk/16), time.NewTimer(0)
	return func(ctx context.Context, now time.Duration) error {
		timer.Reset(time.Until(start.Add(now)))
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, nil
}

// fast paces by what the pipeline has dealt with. A caller's audio is live, and
// never waits for a processor: it is dropped where it comes too fast. So fences go
// with it, and nothing is sent while two of them are under way.
func (in *Input) fast(out *pipeline.Port) (func(ctx context.Context, now time.Duration) error, error) {
	came := in.transport.output.fences
	if !in.transport.output.started.Load() {
		return nil, errors.New("play recording: Fast is held back by the transport's Output, which is not in the pipeline: put it last")
	}
	var pieces, sent, passed int64
	return func(ctx context.Context, _ time.Duration) error {
		if pieces++; pieces%batch == 0 {
			sent++
			if err := out.Send(ctx, &fence{n: sent}, frames.Downstream); err != nil {
				return err
			}
		}
		for sent-passed > 1 {
			select {
			case n := <-came:
				passed = max(passed, n)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	}, nil
}
