package oracle

import (
	"fmt"
	"time"

	"github.com/parley-go/parley/services/novasonic"
)

// Kind is a way to break one of the guarantees.
type Kind string

// The kinds of violation. The comment says which guarantee each breaks.
const (
	Unheard   Kind = "G1 unheard"        // samples of the caller's that no stream received
	Skipped   Kind = "G1 skipped"        // a stream was left out of what another one heard meanwhile
	HeardAgin Kind = "G1 heard twice"    // a stream received samples a second time, or out of order
	Shared    Kind = "G1 two listeners"  // live audio that went to two streams
	Inserted  Kind = "G1 silence"        // silence between samples of the caller's that followed each other
	Foreign   Kind = "G1 foreign audio"  // a stream received what the caller did not say
	Deaf      Kind = "G1 nobody listens" // audio that reached a stream late, with no failure to blame

	Unanswered Kind = "G2 unanswered"
	Twice      Kind = "G2 answered twice"
	Fragment   Kind = "G2 answered a fragment" // the caller heard an answer to a part of what was said
	InPart     Kind = "G2 heard in part"       // the answer heard was by a stream that had not heard all, or some of it twice
	WrongOrder Kind = "G2 wrong order"         // an earlier request was answered after a later one

	Missing    Kind = "G3 missing"
	Repeated   Kind = "G3 repeated"
	Reordered  Kind = "G3 reordered"
	Late       Kind = "G3 late"        // a pause inside an answer
	Overlapped Kind = "G3 overlap"     // two answers at once
	Strange    Kind = "G3 strange"     // sound that is no part of an answer
	TalkedOver Kind = "G3 talked over" // an answer that went on after the user had barged in

	Slow Kind = "G4 slow"

	BadHistory Kind = "G5 history"

	ToolTwice   Kind = "G6 tool ran twice"
	ToolLost    Kind = "G6 tool result lost"
	ToolAstray  Kind = "G6 tool result astray" // given to another stream, or twice
	ToolUnknown Kind = "G6 tool unknown"       // a call that the model did not make

	TooMany   Kind = "G7 too many streams"
	NotClosed Kind = "G7 not closed" // or not in order
	Leaked    Kind = "G7 leaked"     // goroutines outlived the conversation
	Expired   Kind = "G7 expired"    // a stream met the service's limit

	NoSwap   Kind = "G8 unreported"
	BadSwap  Kind = "G8 misreported"
	EndEarly Kind = "G8 ended early"
	NoChange Kind = "G8 change lost" // the application asked for something that never happened

	Broke Kind = "protocol" // a rule of the service's
	Crash Kind = "crash"    // the conversation could not be held, or the oracle panicked
)

// Violation is one guarantee that was broken once.
type Violation struct {
	Kind Kind          `json:"kind"`
	At   time.Duration `json:"at"` // since the conversation began
	Text string        `json:"text"`
}

func (v Violation) String() string {
	return fmt.Sprintf("%v %s: %s", clock(v.At), v.Kind, v.Text)
}

// clock prints a time of a conversation.
func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%06.3f", int(d/time.Minute), (d % time.Minute).Seconds())
}

// Result is what the oracle has to say of a conversation.
type Result struct {
	Violations []Violation
	Figures    Figures
	Timeline   []string // what happened, line by line; only if there are violations
}

// Figures are measured, not judged.
type Figures struct {
	Utterances  int // spoken requests
	Typed       int
	Answers     int // heard by the caller, in whole or in part
	BargeIns    int // answers that were cut
	Streams     int // accepted
	Listened    int // of them, those that heard the caller
	Swaps       map[novasonic.SwapReason]int
	Faults      map[string]int  // those that struck
	Replayed    []time.Duration // audio from before each change of streams that the new one heard
	Overlap     []time.Duration // of that, what the old one had heard
	Added       []time.Duration // what each answer came later than it had to, after a planned change of streams
	AddedFailed []time.Duration // and after a failure while the user spoke
	Undisturbed []time.Duration // and with neither
	LostSilence time.Duration   // silence that no stream received, in failures
	LostSpeech  time.Duration   // speech that was no longer kept, and was said to be lost
}

func (t *trial) violate(k Kind, at time.Time, format string, args ...any) {
	t.result.Violations = append(t.result.Violations, Violation{Kind: k, At: at.Sub(t.Began), Text: fmt.Sprintf(format, args...)})
}
