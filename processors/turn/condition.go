package turn

import (
	"fmt"
	"time"

	"github.com/parley-go/parley/internal/mistakes"
)

// Condition is a question about the conversation that is answered by yes or no.
// When a turn starts, when it ends, whether the agent may be interrupted and
// whether the caller is muted are four conditions, and [All], [Any] and [Not]
// make one of several.
//
// Holds answers it for the facts f. Where the answer may change by nothing but
// the passing of time, again says when to ask again, on the clock of f.Now; 0 is
// never. [Facts.Since] gives both for the usual case.
//
// Holds is called with every event, often several times, by one goroutine at a
// time. It must be quick, must not keep or change f, and must not call methods of
// the [Processor]. A condition of your own that remembers something belongs to one
// conversation; those of this package may be used for many.
type Condition interface {
	Holds(f *Facts) (holds bool, again time.Duration)
}

// Func makes a Condition of a function.
type Func func(f *Facts) (holds bool, again time.Duration)

// Holds calls fn.
func (fn Func) Holds(f *Facts) (bool, time.Duration) { return fn(f) }

// Facts is what is known of the conversation. All times are on its clock, which
// is that of the caller's audio, from the beginning of the call on, and that of
// the wall while no audio comes. While the caller is muted there are no news of
// them.
type Facts struct {
	Now time.Duration

	// The caller's turn.
	Turn     bool          // the caller has the turn
	TurnFrom time.Duration // since when
	Turns    int           // how many turns have ended

	// The caller's voice, as a detector tells of it.
	Detector  bool          // there is one: it has told something in this call
	Voice     bool          // it hears the voice now
	VoiceFrom time.Duration // where the last stretch of voice began
	VoiceTo   time.Duration // where it ended or, if Voice is true, up to where it was heard
	Voiced    time.Duration // how long it was heard in this utterance, by the audio's positions alone

	// The caller's words. An utterance lasts from the end of a turn to the end of
	// the next, or until what was said without one is forgotten.
	Transcripts bool          // somebody transcribes: it was seen in this call
	Text        string        // of this utterance: what is final, and what is not yet
	Words       int           // in Text
	Final       bool          // nothing in Text is still to become final
	TextAt      time.Duration // when Text last changed

	// The button of push to talk.
	Pressed   bool
	PressedTo time.Duration // when it was released last
	Held      bool          // it is, or was, held in this turn

	// The agent.
	BotSpeaking bool          // its voice is heard, or held because this may be a barge-in
	BotFrom     time.Duration // since when
	Answers     int           // how often it has stopped speaking
	Awaited     bool          // it is to answer a turn and has not begun to speak, for 10 s at most
	Sentences   int           // how many sentences have been heard (see [Processor.Tap])
	Tools       int           // how many functions run (see [Processor.Tap])

	Muted bool // the caller is not heard
}

// Since answers a condition which holds from d after t on.
func (f *Facts) Since(t, d time.Duration) (holds bool, again time.Duration) {
	if t+d <= f.Now {
		return true, 0
	}
	return false, t + d
}

// sooner returns the earlier of two times, of which 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// The conditions of this package know more about themselves.
type (
	// checker says what is wrong with a condition: all of it.
	checker interface{ check() mistakes.List }

	// parent is made of others.
	parent interface{ members() []Condition }

	// template is a condition with a memory, and makes one for a conversation.
	template interface{ fresh() Condition }
)

// builtin is a condition that needs nothing but the facts.
type builtin struct {
	name  string
	holds func(f *Facts) (bool, time.Duration)
	wrong string // what is wrong with it, and how to mend it

	end  bool          // it makes sense only where a turn is to end
	from time.Duration // how long after the beginning of a turn it holds at the earliest
	tap  bool          // it needs a Tap
}

func (b *builtin) Holds(f *Facts) (bool, time.Duration) { return b.holds(f) }
func (b *builtin) String() string                       { return b.name }

func (b *builtin) check() (wrong mistakes.List) {
	if b.wrong != "" {
		wrong.Add("%s: %s", b.name, b.wrong)
	}
	return wrong
}

// tooShort says what is wrong with a time that is too short for anybody to wait for
// it, or returns "".
func tooShort(d time.Duration) string {
	if d <= 0 || d >= leastTime {
		return ""
	}
	return fmt.Sprintf("%v is less than %v%s", d, leastTime, mistakes.Unit(d))
}

// Always holds.
func Always() Condition {
	return &builtin{name: "Always", holds: func(*Facts) (bool, time.Duration) { return true, 0 }}
}

// Never does not hold.
func Never() Condition {
	return &builtin{name: "Never", holds: func(*Facts) (bool, time.Duration) { return false, 0 }}
}

type all []Condition

// All holds while all of the conditions do. All are asked, always.
func All(conditions ...Condition) Condition { return all(conditions) }

func (a all) members() []Condition { return a }
func (a all) String() string       { return "All" }
func (a all) fresh() Condition     { return all(freshAll(a)) }

func (a all) Holds(f *Facts) (bool, time.Duration) {
	holds, again := true, time.Duration(0)
	for _, c := range a {
		h, t := c.Holds(f)
		holds, again = holds && h, sooner(again, t)
	}
	return holds, again
}

type anyOf []Condition

// Any holds while at least one of the conditions does. All are asked, always.
func Any(conditions ...Condition) Condition { return anyOf(conditions) }

func (a anyOf) members() []Condition { return a }
func (a anyOf) String() string       { return "Any" }
func (a anyOf) fresh() Condition     { return anyOf(freshAll(a)) }

func (a anyOf) Holds(f *Facts) (bool, time.Duration) {
	holds, again := false, time.Duration(0)
	for _, c := range a {
		h, t := c.Holds(f)
		holds, again = holds || h, sooner(again, t)
	}
	return holds, again
}

type not struct{ c Condition }

// Not holds while c does not.
func Not(c Condition) Condition { return not{c} }

func (n not) members() []Condition { return []Condition{n.c} }
func (n not) String() string       { return "Not" }
func (n not) fresh() Condition     { return not{fresh(n.c)} }

func (n not) Holds(f *Facts) (bool, time.Duration) {
	holds, again := n.c.Holds(f)
	return !holds, again
}

// fresh returns a condition for one conversation.
func fresh(c Condition) Condition {
	if t, ok := c.(template); ok {
		return t.fresh()
	}
	return c
}

func freshAll(list []Condition) []Condition {
	made := make([]Condition, len(list))
	for i, c := range list {
		made[i] = fresh(c)
	}
	return made
}

// walk visits c and all that it is made of.
func walk(c Condition, visit func(Condition)) {
	visit(c)
	if p, ok := c.(parent); ok {
		for _, m := range p.members() {
			walk(m, visit)
		}
	}
}
