package playout

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

type nowhere struct{}

func (nowhere) Play(context.Context, Chunk) error { return nil }

func TestAFarEndOwesNothingWhileTheSinkHoldsAChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(Config{Format: mono8k}, nowhere{})
		o.config.Clock.Start()
		o.player.position = 8000 // of the chunk that the sink takes ten seconds for
		o.player.events = []event{{due: 4 * 8000}}
		o.far = farEnd{tells: true, upTo: 7000}
		time.Sleep(11 * time.Second)
		if o.abandoned() {
			t.Error("the far end is given up though it has not got what it is to tell of")
		}
		o.player.position = 10 * 8000
		if !o.abandoned() {
			t.Error("the far end is waited for though it has had all of it for long")
		}
	})
}

func TestAPanicLeavesTheLockFree(t *testing.T) {
	o := New(Config{}, nowhere{})
	func() {
		defer func() { recover() }()
		o.wait(t.Context(), func() bool { panic("a bug") }, func() {})
	}()
	if !o.mu.TryLock() {
		t.Fatal("the run cannot end: the lock is held for ever")
	}
	o.mu.Unlock()
}
