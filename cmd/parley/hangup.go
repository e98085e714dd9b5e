package main

import (
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio/wav"
)

// hurry is how soon the user wants a call to end.
type hurry int32

const (
	inOrder hurry = iota + 1 // the agent finishes what it is saying
	atOnce                   // and is cut off
)

// leaving ends a call when signals come, each time sooner.
type leaving struct {
	wish  atomic.Int32 // a hurry
	begun atomic.Bool  // the call has

	mu   sync.Mutex     // protects the following
	keep func() Summary // saves what there is of a call that does not end; nil if there is nothing to save
}

func (l *leaving) hurry() hurry { return hurry(l.wish.Load()) }

// abandoned sets what is done if the call does not end.
func (l *leaving) abandoned(keep func() Summary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep = keep
}

const (
	// patience is how long a call that is to end at once may take.
	patience = 400 * time.Millisecond

	// farewell is how long it may take then to save what there is, which may have to
	// be told to somebody who does not read.
	farewell = 200 * time.Millisecond
)

// listen obeys signals until over is closed. first is called with the first one. If
// the call has not ended a moment after the second, give is, with what keep returned,
// and the program exits.
func (l *leaving) listen(over <-chan struct{}, first func(), give func(kept *Summary)) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endings()...)
	defer signal.Stop(signals)
	for _, wish := range []hurry{inOrder, atOnce} {
		select {
		case <-signals:
		case <-over:
			return
		}
		l.wish.Store(int32(wish))
		if wish == inOrder {
			first()
		}
	}
	signal.Stop(signals) // the next one kills
	select {
	case <-over:
		return
	case <-time.After(patience):
	}
	given := make(chan struct{})
	go func() {
		defer close(given)
		l.mu.Lock() // for ever
		if l.keep == nil {
			give(nil)
			return
		}
		kept := l.keep()
		give(&kept)
	}()
	select {
	case <-given:
	case <-time.After(farewell):
	}
	os.Exit(interruptedStatus)
}

// completeHeader makes the header of a WAV file tell all that was written. The one
// who writes it brings it up to date each second, and may be stuck.
func completeHeader(path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		// If it fails, less than a second is missing to who reads it.
		_ = wav.Complete(f)
	}
}
