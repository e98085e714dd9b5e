package novasonic

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// queue is a budget in virtual time, and a record of who got a stream when.
type queue struct {
	*testing.T
	*budget
	served  []string          // in the order in which they got a stream
	release map[string]func() // gives their streams back
	gave    map[string]error  // who got none
	got     chan func()       // what those who wait have to report
}

func queueing(t *testing.T, streams, reserve int, f func(q *queue)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := &queue{T: t, budget: newBudget(streams, reserve), release: map[string]func(){}, gave: map[string]error{}, got: make(chan func(), 100)}
		f(q)
		q.settle()
	})
}

// asks lets somebody wait for a stream, and returns what makes them give up.
func (q *queue) asks(name string, n need) (giveUp context.CancelFunc) {
	q.Helper()
	ctx, cancel := context.WithCancel(q.Context())
	go func() {
		release, err := q.acquire(ctx, n, nil)
		cancel()
		q.got <- func() {
			if err != nil {
				q.gave[name] = err
				return
			}
			q.served = append(q.served, name)
			q.release[name] = release
		}
	}()
	q.settle()
	return cancel
}

// settle waits until everybody has a stream or waits for one.
func (q *queue) settle() {
	synctest.Wait()
	for len(q.got) > 0 {
		(<-q.got)()
	}
}

func (q *queue) gives(name string) {
	q.Helper()
	q.release[name]()
	q.settle()
}

func (q *queue) wantServed(names ...string) {
	q.Helper()
	if !slices.Equal(q.served, names) {
		q.Errorf("streams went to %v, want %v", q.served, names)
	}
	q.served = nil
}

func TestBudgetFirstStreamsWaitInOrderAndLeaveTheReserve(t *testing.T) {
	queueing(t, 3, 1, func(q *queue) {
		for _, name := range []string{"a", "b", "c", "d"} {
			q.asks(name, firstStream)
		}
		q.wantServed("a", "b")
		q.gives("b")
		q.wantServed("c")
		q.gives("a")
		q.wantServed("d")
	})
}

func TestBudgetReplacementsUseTheReserve(t *testing.T) {
	queueing(t, 3, 1, func(q *queue) {
		q.asks("a", firstStream)
		q.asks("b", firstStream)
		q.asks("c", firstStream)
		q.asks("a's next", standbyStream)
		q.asks("b's next", standbyStream)
		q.wantServed("a", "b", "a's next")

		q.gives("a") // which has moved
		q.wantServed("b's next")
		q.gives("b")
		q.wantServed() // two are open: the last one is the reserve
		q.gives("a's next")
		q.wantServed("c")
	})
}

func TestBudgetConversationsThatNobodyListensToComeFirst(t *testing.T) {
	queueing(t, 2, 1, func(q *queue) {
		q.asks("a", firstStream)
		q.asks("a's next", standbyStream)
		q.asks("new", firstStream)
		q.asks("next 1", standbyStream)
		q.asks("next 2", standbyStream)
		q.asks("deaf 1", orphanStream)
		q.asks("deaf 2", orphanStream)
		q.wantServed("a", "a's next")

		for _, name := range []string{"a", "a's next", "deaf 1", "deaf 2", "next 1"} {
			q.gives(name)
		}
		q.wantServed("deaf 1", "deaf 2", "next 1", "next 2")
		q.gives("next 2")
		q.wantServed("new")
	})
}

func TestBudgetNewConversationsLeaveRoomForOneBetweenTwoStreams(t *testing.T) {
	queueing(t, 3, 1, func(q *queue) {
		q.asks("a", firstStream)
		leave := q.join()
		q.asks("b", firstStream)
		q.asks("c", firstStream)
		q.wantServed("a", "b")

		leaveB := q.join()
		q.gives("a") // it died, and the conversation pauses before it tries again
		q.gives("b")
		q.wantServed()
		q.asks("a again", orphanStream)
		q.wantServed("a again")
		q.gives("a again")
		leave()
		leave() // no more than once
		q.settle()
		q.wantServed("c")
		leaveB()
		if s := q.stats(); s.Conversations != 0 || s.Open != 1 {
			q.Errorf("in the end: %+v", s)
		}
	})
}

func TestBudgetWhoGivesUpLeavesNoTrace(t *testing.T) {
	for _, n := range []need{firstStream, standbyStream, orphanStream} {
		queueing(t, 2, 1, func(q *queue) {
			q.asks("a", standbyStream)
			q.asks("b", standbyStream)
			giveUp := q.asks("impatient", n)
			q.asks("patient", n)
			giveUp()
			q.settle()
			if err := q.gave["impatient"]; !errors.Is(err, context.Canceled) {
				q.Errorf("gave up with %v", err)
			}
			if s := q.stats(); s.Waiting != 1 || s.Open != 2 {
				q.Errorf("%+v, want one who waits and two streams", s)
			}
			q.gives("a")
			q.gives("b")
			q.wantServed("a", "b", "patient")
			q.gives("patient")
			if s := q.stats(); s.Open != 0 || s.Waiting != 0 {
				q.Errorf("in the end: %+v", s)
			}
		})
	}
}

func TestBudgetStreamIsGivenBackOnce(t *testing.T) {
	queueing(t, 3, 1, func(q *queue) {
		q.asks("a", firstStream)
		q.asks("b", firstStream)
		q.gives("a")
		q.gives("a")
		if s := q.stats(); s.Open != 1 {
			q.Errorf("%d open after the same was given back twice, want 1", s.Open)
		}
	})
}

func TestBudgetSaysThatTheWaitUsedUpTheTime(t *testing.T) {
	queueing(t, 3, 1, func(q *queue) {
		q.asks("a", firstStream)
		q.asks("b", firstStream)
		q.join()
		q.join()
		ctx, cancel := context.WithTimeoutCause(q.Context(), 10*time.Second, errors.New("too late"))
		defer cancel()
		began := time.Now()
		_, err := q.acquire(ctx, firstStream, nil)
		if took := time.Since(began); took != 10*time.Second {
			q.Errorf("waited %v", took)
		}
		var full *QuotaError
		want := QuotaError{Open: 2, Conversations: 2, MaxStreams: 3, Reserve: 1, Waited: 10 * time.Second}
		if !errors.As(err, &full) || *full != want {
			q.Fatalf("got %#v, want %#v", err, want)
		}
		if got, says := err.Error(), "no stream came free within 10s: 2 of 3 are open in this process (conversations under way: 2, streams kept for them: 1)"; got != says {
			q.Errorf("says %q, want %q", got, says)
		}

		// To a conversation under way the reserve is nothing that is kept.
		q.asks("a's next", standbyStream)
		ctx, cancel = context.WithTimeout(q.Context(), time.Second)
		defer cancel()
		if _, err = q.acquire(ctx, orphanStream, nil); err == nil || strings.Contains(err.Error(), "kept") {
			q.Errorf("got %v", err)
		}
	})
}

func TestBudgetDoesNotServeAContextThatHasEnded(t *testing.T) {
	queueing(t, 3, 1, func(q *queue) {
		ctx, cancel := context.WithCancelCause(q.Context())
		cancel(errors.New("never mind"))
		if _, err := q.acquire(ctx, firstStream, nil); err == nil || err.Error() != "never mind" {
			q.Errorf("got %v", err)
		}
		if s := q.stats(); s.Open != 0 || s.Waiting != 0 {
			q.Errorf("left behind: %+v", s)
		}
	})
}

// Conversations as many as the streams allow, that move and lose their streams
// at random while new ones knock: everybody is served, and nobody waits long.
func TestBudgetStarvesNobody(t *testing.T) {
	const (
		streams, reserve = 20, 2
		callers          = 60
		life             = 8 * time.Minute
	)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		var (
			b       = newBudget(streams, reserve)
			random  = rand.New(rand.NewPCG(seed, 0))
			longest [needs]time.Duration
			calls   int
			report  = make(chan func())
			done    = make(chan struct{})
		)
		take := func(n need, within time.Duration) func() {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			began := time.Now()
			release, err := b.acquire(ctx, n, nil)
			report <- func() {
				longest[n] = max(longest[n], time.Since(began))
				if err != nil {
					t.Errorf("need %d: %v", n, err)
				}
				if s := b.stats(); s.Open > streams {
					t.Errorf("%d streams are open", s.Open)
				}
			}
			if err != nil {
				return func() {}
			}
			return release
		}
		for i := range callers {
			r := rand.New(rand.NewPCG(seed, uint64(i)+1))
			delay := time.Duration(random.Int64N(int64(time.Hour)))
			go func() {
				defer func() { done <- struct{}{} }()
				time.Sleep(delay)
				release := take(firstStream, 4*time.Hour)
				leave := b.join()
				defer leave()
				for range 1 + r.IntN(8) {
					if r.IntN(4) == 0 { // it dies early
						time.Sleep(time.Duration(r.Int64N(int64(life))))
						release()
						release = take(orphanStream, life)
						continue
					}
					time.Sleep(life - 2*time.Minute - time.Duration(r.Int64N(int64(time.Minute))))
					next := take(standbyStream, life)
					time.Sleep(time.Duration(r.Int64N(int64(20 * time.Second))))
					release()
					release = next
				}
				release()
				report <- func() { calls++ }
			}()
		}
		for left := callers; left > 0; {
			select {
			case f := <-report:
				f()
			case <-done:
				left--
			}
		}
		if s := b.stats(); s.Open+s.Waiting+s.Conversations != 0 || calls != callers {
			t.Errorf("in the end: %+v after %d calls", s, calls)
		}
		t.Logf("longest waits: first %v, standby %v, orphan %v", longest[firstStream], longest[standbyStream], longest[orphanStream])
		if longest[standbyStream] > time.Minute || longest[orphanStream] > time.Minute {
			t.Error("conversations under way waited for more than a minute")
		}
	})
}

func TestBudgetUnderContention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const streams, reserve = 5, 2
		b := newBudget(streams, reserve)
		done := make(chan struct{})
		for i := range 50 {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			go func() {
				defer func() { done <- struct{}{} }()
				for range 100 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(40))*time.Millisecond)
					release, err := b.acquire(ctx, need(r.IntN(int(needs))), nil)
					cancel()
					if err != nil {
						continue
					}
					if s := b.stats(); s.Open > streams {
						t.Errorf("%d streams are open", s.Open)
					}
					time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
					go release()
					release()
				}
			}()
		}
		for range 50 {
			<-done
		}
		synctest.Wait()
		if s := b.stats(); s != (ClientStats{MaxStreams: streams, Reserve: reserve}) {
			t.Errorf("left behind: %+v", s)
		}
		for n, line := range b.lines {
			if len(line) != 0 {
				t.Errorf("line %d is not empty", n)
			}
		}
	})
}
