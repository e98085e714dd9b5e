package tracks

import (
	"fmt"
	"time"
)

// Every is how much audio of a track goes by before the same kind of error is
// reported again.
const Every = 10 * time.Second

// Complaints keeps an error that comes with every frame from being reported with
// every frame: of each kind, a track has one in ten seconds of its audio. The zero
// value is ready. One goroutine at a time uses it.
type Complaints struct {
	lists Map[*complaints]
}

// complaints are those of a track.
type complaints struct {
	heard time.Duration // since the first
	kinds map[string]*complaint
}

type complaint struct {
	next  time.Duration // of what is heard, before it is reported again
	since int           // how often it has happened since the last report
}

// Heard says that as much audio of a track has arrived. It is called for every
// frame.
func (c *Complaints) Heard(track string, d time.Duration) {
	if len(c.lists.items) == 0 {
		return
	}
	if l, ok := c.lists.Get(track); ok {
		l.heard += d
	}
}

// Let returns err if it is to be reported, with how often it was not since the last
// report, or nil if it is not. kind is one of a few: what is an error of its own.
func (c *Complaints) Let(track, kind string, err error) error {
	if err == nil {
		return nil
	}
	l, ok := c.lists.Get(track)
	if !ok {
		l = &complaints{kinds: make(map[string]*complaint)}
		c.lists.Put(track, l)
	}
	k := l.kinds[kind]
	if k == nil {
		k = &complaint{}
		l.kinds[kind] = k
	}
	if l.heard < k.next {
		k.since++
		return nil
	}
	if k.since > 0 {
		err = fmt.Errorf("%w (and %d times more since the last report)", err, k.since)
	}
	k.next, k.since = l.heard+Every, 0
	return err
}
