package main

import (
	"fmt"
	"time"

	"github.com/parley-go/parley/services/novasonic"
)

// A stream that is younger than the least has hardly begun to listen; with more
// than the most there is no time left before the service ends it.
const (
	leastRotation = 5 * time.Second
	mostRotation  = 330 * time.Second
)

// checkRotation refuses what is not a sensible time between two moves.
func checkRotation(every time.Duration) error {
	switch {
	case every < leastRotation:
		return usageError{fmt.Errorf("--rotate-every=%v: it must be at least %v, about as long as somebody speaks and is answered", every, leastRotation)}
	case every > mostRotation:
		return usageError{fmt.Errorf("--rotate-every=%v: it can be at most %v, when every call moves in any case: the service ends a stream after 8m", every, mostRotation)}
	}
	return nil
}

// rotation is a schedule of moves from stream to stream that is the default one
// in small: the next stream is opened when the old one is so old, and the windows
// that follow are in proportion.
func rotation(every time.Duration) novasonic.Continuation {
	return novasonic.Continuation{
		Prepare: every,
		Prefer:  every * 27 / 22, // 6m45s of 5m30s
		Force:   every * 15 / 11, // 7m30s of 5m30s
		Jitter:  -1,              // there are no other calls to be spread from
	}
}
