package pipeline

import (
	"context"
	"sync"
	"time"
)

// crew is a number of goroutines that are waited for.
type crew struct {
	mu      sync.Mutex
	members []*member
}

type member struct {
	describe func() Stuck
	done     chan struct{}
}

func (c *crew) spawn(describe func() Stuck, fn func()) {
	m := &member{describe: describe, done: make(chan struct{})}
	c.mu.Lock()
	c.members = append(c.members, m)
	c.mu.Unlock()
	go func() {
		defer close(m.done)
		fn()
	}()
}

// wait waits until all have returned; a negative limit means for ever. It
// returns those which have not.
func (c *crew) wait(what string, limit time.Duration) *StuckError {
	if limit < 0 {
		return c.waitUntil(nil, what, limit)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return c.waitUntil(ctx.Done(), what, limit)
}

func (c *crew) waitUntil(end <-chan struct{}, what string, limit time.Duration) *StuckError {
	c.mu.Lock()
	members := c.members
	c.mu.Unlock()
	var stuck *StuckError
	for _, m := range members {
		select {
		case <-m.done:
			continue
		default:
		}
		select {
		case <-m.done:
		case <-end:
			// All others have had as much time.
			if stuck == nil {
				stuck = &StuckError{What: what, Within: limit}
			}
			select {
			case <-m.done:
			default:
				stuck.Processors = append(stuck.Processors, m.describe())
			}
		}
	}
	if stuck != nil && len(stuck.Processors) == 0 {
		return nil
	}
	return stuck
}
