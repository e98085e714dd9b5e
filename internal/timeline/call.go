package timeline

import (
	"time"
)

// Call is what happened in a call. All times count from its beginning.
type Call struct {
	Title    string
	Length   time.Duration
	Caller   []Speech // as spoken
	Agent    []Speech // as heard
	Streams  []Stream
	Cuts     []Cut
	BargeIns []time.Duration // when the caller interrupted the agent
	Notes    []string        // lines of fixed width below the drawing
}

// Speech is a piece of speech.
type Speech struct {
	From, To    time.Duration
	Text        string
	Interrupted bool
	Stream      int // of the agent's: the number of the stream that says it; 0 if that is not known
}

// Stream is the life of a connection to the service: phases that follow each
// other.
type Stream struct {
	Number int
	Phases []Phase
	Died   bool // it ended, and nobody had asked for it
}

// Phase is what a stream does for a while.
type Phase struct {
	State    State
	From, To time.Duration
}

// State is what a stream does.
type State int

// What a stream does, in the order of its life.
const (
	Opening State = iota
	Standby
	Listening
	Draining
	Closing
	states
)

// String returns the state's word: "opening", for instance.
func (s State) String() string {
	return [states]string{"opening", "standby", "listening", "draining", "closing"}[s]
}

// Cut is the moment in which one stream stops to hear the caller and another
// begins.
type Cut struct {
	At       time.Duration
	Move     int    // counts the call's moves from 1
	Why      string // "age", for instance
	From, To int    // numbers of the streams
	Replayed time.Duration
}

func (s *Stream) from() time.Duration { return s.Phases[0].From }
func (s *Stream) to() time.Duration   { return s.Phases[len(s.Phases)-1].To }

// span is a time from one instant to another.
type span struct{ from, to time.Duration }

// within returns the part of s that is in o, and whether there is one.
func (s span) within(o span) (span, bool) {
	s.from, s.to = max(s.from, o.from), min(s.to, o.to)
	return s, s.from < s.to
}
