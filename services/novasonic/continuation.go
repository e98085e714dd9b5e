package novasonic

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic/internal/continuity"
)

// Continuation says when and how a conversation moves from one stream to the
// next. The service ends every stream eight minutes after it was opened,
// without a warning (AWS user guide for Nova 2; measured as 480.5 s), so the
// next one is opened in time, and takes over at a moment at which nobody hears
// it. Zero fields are good defaults.
//
// Ages count from when a stream was opened:
//
//	Prepare          the next stream is opened, and waits
//	Prepare … Prefer it takes over when both sides are silent and no tool is at work
//	Prefer … Force   also while the agent speaks: the old stream speaks to its end
//	Force            whatever happens: what the user is saying is heard again, whole
//
// Other reasons to move (see [SwapReason]) have windows of the same kind, which
// begin at once.
type Continuation struct {
	// Prepare is the age at which the next stream is opened. Default: 5m30s. A
	// negative value never moves on account of age.
	Prepare time.Duration

	// Prefer is the age until which only silence on both sides will do.
	// Default: 6m45s, or 15/11 of Prepare if that is set.
	Prefer time.Duration

	// Force is the age at which the next stream takes over whatever happens.
	// Default: 7m30s, or 15/11 of Prepare if that is set and Prefer is not. It
	// must leave time before the service's limit for an open that is slow.
	Force time.Duration

	// Jitter spreads conversations that began together: each of their moves is
	// prepared earlier by a random part of it. Default: 30 s, or 1/11 of
	// Prepare if that is set. Negative: none.
	Jitter time.Duration

	// StandbyLife is how long a stream that was opened may wait to take over
	// before another one is opened in its place: the service ends one that
	// hears nothing for 55 s. Default: 45 s.
	StandbyLife time.Duration

	// Drain bounds how long a stream that no longer listens may go on to speak
	// what it owes, tools included; it ends 11 s before the service ends the stream
	// at the latest. An answer that it is in the middle of then is still given to
	// its end, unless the service ends the stream before. Default: 60 s.
	Drain time.Duration

	// Limit is the age at which the service ends a stream. Default: 8 min.
	Limit time.Duration

	// Note is added to the instructions of every stream but the first, so that
	// the agent neither greets again nor forgets where it stands. Default:
	// DefaultNote. To add nothing, set it to a space.
	Note string

	// Summarize, if set, is called with the oldest messages when the history
	// has outgrown what a stream can be told (200 KB), and returns what stands
	// in their place. It is called on a goroutine of its own while the next
	// stream is being opened, and has until that takes over: if it returns
	// later, or an error, or ctx ends, the messages are left out. Default: they
	// are left out.
	Summarize func(ctx context.Context, dropped []Message) (string, error)

	// Random returns a number from 0 up to 1, for jitter and for pauses between
	// failed opens. It is called by one goroutine of each conversation. Default:
	// rand.Float64 of math/rand/v2. Tests set it to hold the same conversation
	// again.
	Random func() float64
}

// DefaultNote is the default of Continuation.Note.
const DefaultNote = "This conversation is already under way, and what was said so far is given to you as its history. " +
	"Carry on from there. Do not greet the user again, do not introduce yourself again, and do not repeat what was said. " +
	"All of your tools are still there: call them when they are needed."

func (c Continuation) withDefaults() Continuation {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	own := c.Prepare > 0
	def(&c.Prepare, 330*time.Second)
	def(&c.Limit, 480*time.Second)
	if own {
		def(&c.Jitter, c.Prepare/11)
		def(&c.Prefer, c.Prepare*15/11)
		def(&c.Force, max(c.Prefer, c.Prepare*15/11))
	}
	def(&c.Jitter, 30*time.Second)
	def(&c.Prefer, 405*time.Second)
	def(&c.Force, 450*time.Second)
	def(&c.StandbyLife, 45*time.Second)
	def(&c.Drain, 60*time.Second)
	if c.Note == "" {
		c.Note = DefaultNote
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	return c
}

type problem struct{ field, text string }

// problems is what cannot work in c, which has its defaults.
func (c Continuation) problems() []problem {
	var found []problem
	bad := func(field, format string, args ...any) {
		found = append(found, problem{field, fmt.Sprintf(format, args...)})
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"Prefer", c.Prefer}, {"Force", c.Force}, {"StandbyLife", c.StandbyLife}, {"Drain", c.Drain}, {"Limit", c.Limit}} {
		if d.value < 0 {
			bad(d.name, "%v is negative", d.value)
		}
	}
	if c.StandbyLife >= 0 && c.StandbyLife < time.Second {
		bad("StandbyLife", "%v is less than a second: streams would be opened one after the other, and hardly one would wait when it is needed", c.StandbyLife)
	}
	if c.Prepare < 0 {
		return found // the ages do not count
	}
	switch {
	case c.Prepare < time.Second:
		bad("Prepare", "%v is less than a second: a stream would be left as soon as it was open", c.Prepare)
	case c.Jitter > c.Prepare/2:
		bad("Jitter", "%v is more than half of Prepare, %v", c.Jitter, c.Prepare)
	}
	if c.Prefer < c.Prepare {
		bad("Prefer", "%v comes before Prepare, %v: there would be no time to wait for silence", c.Prefer, c.Prepare)
	}
	if c.Force < c.Prefer {
		bad("Force", "%v comes before Prefer, %v", c.Force, c.Prefer)
	}
	if c.Limit <= c.Force {
		bad("Limit", "%v leaves no time after Force, %v: the service would end the stream first", c.Limit, c.Force)
	}
	return found
}

// policy is what the state machine goes by.
func (c *Config) policy() continuity.Policy {
	n := c.Continuation
	return continuity.Policy{
		Prepare: n.Prepare, Prefer: n.Prefer, Force: n.Force, Jitter: max(0, n.Jitter), Limit: n.Limit,
		SoonPrefer: soonPrefer, SoonForce: soonForce,
		StandbyLife: n.StandbyLife, Drain: n.Drain,
		FirstAttempts: c.OpenAttempts, GiveUpAfter: c.GiveUpAfter, Healthy: healthyAge,
		FirstPause: firstPause, MaxPause: maxPause,
		Random: n.Random,
	}
}

const (
	// soonPrefer and soonForce are the windows of a move that the application
	// asked for.
	soonPrefer = 10 * time.Second
	soonForce  = 30 * time.Second

	// healthyAge is the age from which on a stream has proved itself.
	healthyAge = 5 * time.Second

	// firstPause is how long to wait before a failed open is tried again. It
	// doubles, up to maxPause.
	firstPause = 250 * time.Millisecond
	maxPause   = 4 * time.Second
)

// SwapReason is why a conversation moves to another stream.
type SwapReason string

// The reasons to move.
const (
	SwapAge         SwapReason = "age"         // the stream's end approaches
	SwapCredentials SwapReason = "credentials" // those that opened it are about to expire
	SwapChange      SwapReason = "change"      // the application changed what is fixed for a stream's life: see Settings
	SwapFailure     SwapReason = "failure"     // it died
	SwapRequest     SwapReason = "request"     // the application asked: see Service.Rotate
	SwapDoubt       SwapReason = "doubt"       // it takes no audio, or says nothing of what it must have heard: it may be about to fail
)

// SwapStep is how far a move has come.
type SwapStep string

// The steps of a move, in their order. A move ends with SwapClosed, SwapGone or
// SwapAbandoned, unless the conversation ends first.
const (
	SwapBegun     SwapStep = "begun"     // the next stream is being opened
	SwapRetried   SwapStep = "retried"   // it could not be opened, or died while it waited: another try follows
	SwapReady     SwapStep = "ready"     // it is open and waits to take over
	SwapDiscarded SwapStep = "discarded" // it would no longer do: it has waited for too long, or the settings have changed. Another try follows
	SwapCut       SwapStep = "cut"       // it hears the user from here on
	SwapDrained   SwapStep = "drained"   // the old stream has said what it owed
	SwapClosed    SwapStep = "closed"    // the old stream was closed
	SwapGone      SwapStep = "gone"      // the old stream had died: there was nothing to close
	SwapAbandoned SwapStep = "abandoned" // the move was given up, and the old stream goes on; Err says why
)

// Swap tells of one step of a move from one stream to another. The processor
// sends it downstream.
type Swap struct {
	frames.System
	SwapStatus
}

// SwapStatus is how a move stands. The figures are those known at its step;
// each keeps its value in later ones.
type SwapStatus struct {
	Number   int // counts the conversation's moves from 1
	Reason   SwapReason
	Step     SwapStep
	From, To int  // numbers of the streams, from 1; To is 0 before it is open
	Forced   bool // the time was over: someone was speaking, or a tool at work

	Prepare time.Duration // from the beginning to SwapReady, retries included
	Wait    time.Duration // from SwapReady to SwapCut: for a good moment
	Cut     time.Duration // to hand over: history, replay and all are queued
	Deaf    time.Duration // while no stream listened: after a failure. What was said then is in the replay
	Drain   time.Duration // from SwapCut until the old stream had said what it owed

	CutAt      audio.Position   // the end of the user's track just then: what comes after it only the new stream hears …
	Rate       audio.SampleRate // … and the rate of that position
	Replayed   time.Duration    // user audio from before the cut that the new stream hears, too
	Overlapped time.Duration    // of that, what the old stream had received
	Lost       time.Duration    // unanswered user audio that was no longer kept: see Config.Keep
	History    int              // bytes of history that the new stream was told
	OutputGap  time.Duration    // silence inside the agent's speech that the move has caused

	Attempts int   // to open the stream
	Err      error // of SwapRetried and SwapAbandoned, and why the old stream died
}

func (f *Swap) String() string {
	s := fmt.Sprintf("Swap(%d %s for %s, stream %d → %d", f.Number, f.Step, f.Reason, f.From, f.To)
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s + ")"
}
