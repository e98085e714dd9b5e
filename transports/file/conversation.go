package file

import (
	"context"
	"fmt"

	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/transports/playout"
)

// conversation is the sink: it puts what the agent has said beside what the
// caller has said.
type conversation struct {
	timeline *recorder.Timeline
	file     keeper // nil if nothing is to be written
	buffer   []int16
	broken   bool // the file is: what more cannot be written is no news
}

// Play records one chunk, and writes what is complete.
func (c *conversation) Play(_ context.Context, chunk playout.Chunk) error {
	if err := c.timeline.Add(recorder.Agent, chunk.Format, chunk.Samples, chunk.Position); err != nil {
		return err
	}
	c.buffer = c.timeline.Take(c.buffer[:0])
	return c.write()
}

func (c *conversation) write() error {
	if c.file == nil || len(c.buffer) == 0 || c.broken {
		return nil
	}
	if err := c.file.Write(c.buffer); err != nil {
		c.broken = true
		return fmt.Errorf("record conversation: %w", err)
	}
	return nil
}

// Close writes the rest and completes the file.
func (c *conversation) Close(ctx context.Context) error {
	told := c.broken
	c.buffer = c.timeline.Rest(c.buffer[:0])
	err := c.write()
	if c.file != nil {
		// A file that could not be written cannot be completed either: that is one
		// failure, and it is told once.
		if closing := c.file.Close(ctx); err == nil && !told {
			err = closing
		}
	}
	return err
}
