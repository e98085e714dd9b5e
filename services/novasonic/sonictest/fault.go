package sonictest

import (
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
)

// Fault is something that goes wrong: what, on which streams, and when. All
// conditions must hold. Each fault strikes a stream once.
type Fault struct {
	// Streams are the numbers of the streams that it strikes, counted from 0
	// in the order of their requests, refused ones included. Nil means all.
	Streams []int

	// Probability that a stream is struck, drawn once for each stream from the
	// server's seed. 0 means certainly.
	Probability float64

	// After is the age of the stream at which it strikes.
	After time.Duration

	// Input makes it wait for the Nth input event of this name (such as
	// "audioInput"), or of any name if it is "*". Nth counts from 1; 0 means 1.
	// Output does the same for output events: it strikes when the Nth has been
	// sent. With After, the events before that age are not counted.
	Input, Output string
	Nth           int

	// Do is what happens.
	Do Action
}

// Action is what a fault does. Its constructors say which must come before
// the stream is opened.
type Action struct {
	kind      actionKind
	status    int
	name      string
	message   string
	delay     time.Duration
	behaviour func(*Behaviour)
}

type actionKind int

const (
	actRefuse actionKind = iota + 1
	actSlowOpen
	actSlowHeaders
	actBehave
	actException
	actErrorMessage
	actReset
	actEnd
	actTruncate
	actBadCRC
	actKill
	actStall
	actStallReads
	actStallWrites
	actGoAway
)

// opening tells whether the action is done when a stream is opened.
func (k actionKind) opening() bool { return k <= actBehave }

// Refuse refuses the request with an HTTP status and the name of an AWS error,
// such as 429 and "ThrottlingException". When and events don't apply.
func Refuse(status int, name, message string) Action {
	return Action{kind: actRefuse, status: status, name: name, message: message}
}

// SlowOpen lets the request wait before the server looks at it at all.
func SlowOpen(d time.Duration) Action { return Action{kind: actSlowOpen, delay: d} }

// SlowHeaders holds the response headers, and with them all output, back for d
// longer than usual.
func SlowHeaders(d time.Duration) Action { return Action{kind: actSlowHeaders, delay: d} }

// Behave changes the behaviour for the stream; decided when it is opened.
func Behave(change func(*Behaviour)) Action { return Action{kind: actBehave, behaviour: change} }

// Exception ends the stream with an exception message of this
// :exception-type, such as "modelStreamErrorException"; it may be one that the
// SDK does not know.
func Exception(name, message string) Action {
	return Action{kind: actException, name: name, message: message}
}

// ErrorMessage ends the stream with a message of :message-type error.
func ErrorMessage(code, message string) Action {
	return Action{kind: actErrorMessage, name: code, message: message}
}

// Instability ends the stream as the service sometimes does for no reason of
// the client's.
func Instability() Action {
	return Exception(protocol.ExceptionValidation, protocol.TextInstability)
}

// Closed531 ends the stream with InternalErrorCode 531.
func Closed531() Action { return Exception(protocol.ExceptionValidation, protocol.Text531) }

// Idle532 ends the stream with InternalErrorCode 532, as if it had been idle.
func Idle532() Action {
	return Exception(protocol.ExceptionValidation, protocol.TextIdle(55*time.Second))
}

// TimedOut ends the stream as it ends after 8 minutes.
func TimedOut() Action { return Exception(protocol.ExceptionTimeout, protocol.TextLife) }

// Reset ends the stream with RST_STREAM, INTERNAL_ERROR.
func Reset() Action { return Action{kind: actReset} }

// EndStream ends the response cleanly, with END_STREAM and no word.
func EndStream() Action { return Action{kind: actEnd} }

// Truncate sends half of an event and ends the response.
func Truncate() Action { return Action{kind: actTruncate} }

// BadCRC sends an event whose checksum is wrong, and goes on.
func BadCRC() Action { return Action{kind: actBadCRC} }

// KillConnection closes the TCP connection, with all streams on it.
func KillConnection() Action { return Action{kind: actKill} }

// Stall stops reading and writing, and keeps the stream open.
func Stall() Action { return Action{kind: actStall} }

// StallReads stops reading: the client's writes block when the windows are
// full. Output goes on.
func StallReads() Action { return Action{kind: actStallReads} }

// StallWrites stops writing; input is still read.
func StallWrites() Action { return Action{kind: actStallWrites} }

// GoAway sends GOAWAY on the stream's connection: its streams go on, new ones
// need a new connection.
func GoAway() Action { return Action{kind: actGoAway} }
