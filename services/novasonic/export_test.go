package novasonic

import (
	"context"
	"sync"
	"time"

	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
)

// Stream is a stream as tests break it.
type Stream = bedrock.Stream

// Sabotage makes every stream of a conversation go through breaks, which is
// given its number in the conversation, from 0.
func Sabotage(c *Config, breaks func(number int, s Stream) Stream) {
	c.saboteur = func(o opener) opener { return &saboteur{opener: o, breaks: breaks} }
}

type saboteur struct {
	opener
	breaks func(int, Stream) Stream

	mu sync.Mutex
	n  int
}

func (s *saboteur) dial(ctx context.Context, model string, o dialOptions) (Stream, *place, error) {
	stream, p, err := s.opener.dial(ctx, model, o)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.breaks(s.n-1, stream), p, nil
}

// SlowStandbys makes a successor wait so long for its turn, as in the budget's
// line, unless it is hurried.
func SlowStandbys(c *Config, d time.Duration) {
	c.saboteur = func(o opener) opener { return &slowStandbys{o, d} }
}

type slowStandbys struct {
	opener
	d time.Duration
}

func (s *slowStandbys) dial(ctx context.Context, model string, o dialOptions) (Stream, *place, error) {
	if o.need == standbyStream {
		select {
		case <-time.After(s.d):
		case <-o.hurry:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
	return s.opener.dial(ctx, model, o)
}
