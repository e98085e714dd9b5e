package continuity

import (
	"errors"
	"time"
)

// Event is something that has happened: one of the types below.
type Event interface{ event() }

// Start begins the conversation.
type Start struct{}

// Opened tells that a stream was accepted by the service.
type Opened struct {
	Stream  int       // as in the decision to open it
	At      time.Time // when its age began
	Expires time.Time // the end of the credentials that opened it; zero: never
}

// Refused tells that a stream could not be opened.
type Refused struct {
	Stream  int
	Verdict Verdict
	Err     error
}

// Died tells that an open stream has ended though nobody closed it.
type Died struct {
	Stream  int
	Verdict Verdict
	Err     error
}

// Drained tells that the draining stream owes nothing any more.
type Drained struct{ Stream int }

// Ask is the wish to move: the application's, for a [Request] or for a [Change]
// of the settings, or that of who carries the decisions out, in [Doubt] whether
// the listening stream hears anything. Version is the number of the new settings, which must be new;
// the conversation begins with number 0.
type Ask struct {
	Reason  Reason
	Version int
}

// Stop ends the conversation. Closing its streams is up to whoever stops it.
type Stop struct{}

func (Start) event()   {}
func (Opened) event()  {}
func (Refused) event() {}
func (Died) event()    {}
func (Drained) event() {}
func (Ask) event()     {}
func (Stop) event()    {}

// Verdict is what a failure means.
type Verdict uint8

// The verdicts.
const (
	Retry  Verdict = iota // it may pass
	Mend                  // it may pass if something that the stream was told is changed
	GiveUp                // it will not pass
)

// Do is what is to be done.
type Do uint8

// What a decision can be.
const (
	Open     Do = iota + 1 // open Stream, for Need, By then if that is not zero
	Hurry                  // Stream is being opened, and nobody listens any more: it has time until By
	Discard                // close Stream, or stop opening it: it never listened
	Tell                   // Stream is ready; nothing is to be done
	Cut                    // Stream listens from now on; From, if not 0, drains
	Retire                 // close Stream, which has drained, or (Forced) has no more time to
	Gone                   // Stream died while it drained
	Orphaned               // Stream died while it listened: nobody does now
	Retried                // an open failed for Err; there will be another
	Revert                 // the service refuses the settings, for Err: the old ones count again
	Abandon                // the move is given up, for Err, and the listening stream goes on
	Fail                   // the conversation cannot go on, for Err
)

// Need is what a stream is opened for.
type Need uint8

// The needs, the most urgent last.
const (
	First     Need = iota // the conversation's first
	Successor             // one that will take over from a stream that lives
	Orphan                // one that takes over from a stream that is dead
)

// Decision is something to be done.
type Decision struct {
	Do      Do
	Stream  int
	From    int
	Need    Need
	Version int // of the settings: Open, Revert
	By      time.Time
	Forced  bool
	Err     error
	Move    Move // the move that it is part of
}

// Move is the passage from one stream to the next.
type Move struct {
	Number   int // from 1; 0 is the opening of the first stream
	Reason   Reason
	From     int
	Attempts int       // to open its stream
	Begun    time.Time // when the first of them began
	Ready    time.Time // when the stream was open; zero before
}

// errNoNewer is why a move for the sake of credentials is given up for now.
var errNoNewer = errors.New("the credentials provider has no newer credentials yet")
