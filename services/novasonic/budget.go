package novasonic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// need is what a stream is asked for. It decides who comes first when streams
// are short.
type need uint8

const (
	// firstStream is that of a new conversation. Nobody has been heard yet, so
	// it can wait, and it may not use the reserve.
	firstStream need = iota

	// standbyStream is to take over from one that still listens.
	standbyStream

	// orphanStream replaces one that died: the user speaks, and nobody listens.
	orphanStream

	needs // how many there are
)

// budget hands out the streams that an account may have open at the same time,
// to all conversations of a process.
//
// A stream that is free goes to whoever waits, in this order, and in the order
// of asking within each line:
//
//  1. conversations that nobody listens to,
//  2. conversations whose next stream is to be prepared,
//  3. new conversations, as long as the reserve stays free.
//
// Nothing starves. Every stream ends with its eight minutes, so streams come
// free all the time; what could keep one from a line is that the lines before it
// never empty:
//   - The first cannot keep itself going. It holds each conversation at most
//     once, while that has no stream that listens. Who was served goes to its
//     end if that stream dies as well, after a pause that grows, and leaves for
//     good after Config.GiveUpAfter.
//   - Who waits in the second for too long loses the old stream at its end, and
//     goes to the first, where all that came later are behind.
//   - Both serve conversations under way, which are fewer than there are streams,
//     and each of which gives one back for the one that it takes. New ones are let
//     in when others end. Whether that is soon enough is for their context to
//     say: a process that is full has to refuse calls.
type budget struct {
	max     int // streams at the same time
	reserve int // of them, those that a first stream may not use

	mu            sync.Mutex
	open          int // streams that were handed out and not given back
	conversations int // that have joined, with or without a stream just now
	lines         [needs][]*waiter
}

// waiter stands in a line.
type waiter struct {
	granted chan struct{} // closed, under the budget's lock, when it has its stream
}

func newBudget(streams, reserve int) *budget {
	return &budget{max: streams, reserve: reserve}
}

// acquire waits for a stream until ctx ends, and returns what gives it back,
// which may be called any number of times. If ctx ends by its deadline, the
// error is a [QuotaError].
//
// When hurry is closed, who waits goes from its line to the first, at its end.
func (b *budget) acquire(ctx context.Context, n need, hurry <-chan struct{}) (release func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	began := time.Now()
	w := &waiter{granted: make(chan struct{})}
	b.mu.Lock()
	b.lines[n] = append(b.lines[n], w)
	b.serve()
	b.mu.Unlock()

	for waiting := true; waiting; {
		select {
		case <-w.granted:
			return sync.OnceFunc(b.giveBack), nil
		case <-hurry:
			hurry = nil
			b.mu.Lock()
			if b.leaveLine(n, w) {
				n = orphanStream
				b.lines[n] = append(b.lines[n], w)
				b.serve()
			}
			b.mu.Unlock()
		case <-ctx.Done():
			waiting = false
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.granted: // meanwhile
		b.open--
	default:
		b.leaveLine(n, w)
	}
	err = b.full(ctx, n, time.Since(began))
	b.serve() // for a first stream, who stood behind w
	return nil, err
}

// late returns the error of somebody whose ctx ended by its deadline, so soon
// after a wait for a stream that less time was left to open it than had gone by:
// a [QuotaError]. It is nil if that was not so.
func (b *budget) late(ctx context.Context, n need, asked, granted time.Time) error {
	waited := granted.Sub(asked)
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) || waited <= time.Since(granted) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.full(ctx, n, waited)
}

// full says why ctx ended while it waited. The lock is held.
func (b *budget) full(ctx context.Context, n need, waited time.Duration) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	e := &QuotaError{Open: b.open, Conversations: b.conversations, MaxStreams: b.max, Waited: waited}
	if n == firstStream {
		e.Reserve = b.reserve
	}
	return e
}

// leaveLine reports whether w stood in the line.
func (b *budget) leaveLine(n need, w *waiter) bool {
	for i, other := range b.lines[n] {
		if other == w {
			b.lines[n] = append(b.lines[n][:i], b.lines[n][i+1:]...)
			return true
		}
	}
	return false
}

func (b *budget) giveBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	b.serve()
}

// join counts a conversation until it leaves, so that new ones do not take its
// place while it is between two streams. It has its first stream by then.
func (b *budget) join() (leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conversations++
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.conversations--
		b.serve()
	})
}

// serve hands out what is free. The lock is held.
func (b *budget) serve() {
	for _, n := range [...]need{orphanStream, standbyStream, firstStream} {
		for len(b.lines[n]) > 0 && b.has(n) {
			close(b.lines[n][0].granted)
			b.lines[n][0] = nil
			b.lines[n] = b.lines[n][1:]
			b.open++
		}
	}
}

func (b *budget) has(n need) bool {
	if n == firstStream {
		return max(b.open, b.conversations) < b.max-b.reserve
	}
	return b.open < b.max
}

func (b *budget) stats() ClientStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := ClientStats{MaxStreams: b.max, Reserve: b.reserve, Open: b.open, Conversations: b.conversations}
	s.WaitingFirst = len(b.lines[firstStream])
	s.WaitingNext = len(b.lines[standbyStream])
	s.WaitingDeaf = len(b.lines[orphanStream])
	s.Waiting = s.WaitingFirst + s.WaitingNext + s.WaitingDeaf
	return s
}

// QuotaError says that a stream could not be opened, as no more may be open in
// this process: the wait for one has used up the time.
type QuotaError struct {
	Open          int           // streams that are open
	Conversations int           // conversations under way
	MaxStreams    int           // streams that may be open: ClientOptions.MaxStreams
	Reserve       int           // of them, those kept for conversations under way; 0 if this was one
	Waited        time.Duration // in vain
}

func (e *QuotaError) Error() string {
	s := fmt.Sprintf("no stream came free within %v: %d of %d are open in this process", e.Waited.Round(time.Millisecond), e.Open, e.MaxStreams)
	if e.Reserve > 0 {
		s += fmt.Sprintf(" (conversations under way: %d, streams kept for them: %d)", e.Conversations, e.Reserve)
	}
	return s
}
