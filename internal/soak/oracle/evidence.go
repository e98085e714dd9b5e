package oracle

import (
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/soak/talk"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// Evidence is what those who took part in a conversation can swear to. The
// service under test is not among them: what it says of itself is in Frames, to
// be compared with the rest.
type Evidence struct {
	Began, Ended time.Time // of the run
	HungUp       time.Time // when the caller asked for the end; zero if nobody did
	Err          error     // what the run ended with

	// The caller: what was said and when each piece of it was sent.
	Track  *talk.Track
	Chunks []Chunk
	Typed  []Typed
	Asked  []Asked

	// The service: what each stream was told, heard, and said, and which faults
	// it was made to suffer.
	Streams []sonictest.StreamLog
	Faults  []Fault
	Service sonictest.Config
	Client  novasonic.Config

	// The ear: the pieces of sound that were heard, silence left out. Positions
	// count from OutputBegan at OutputRate.
	OutputBegan time.Time
	OutputRate  audio.SampleRate
	OutputChunk time.Duration
	Heard       []Piece

	// The application: the frames that it saw, and the calls that its tool got.
	Frames []Seen
	Runs   []Execution
}

// Chunk is a piece of the caller's audio: its samples [From, To) were sent when
// the last of them had been spoken. While the microphone is muted none are sent
// and no samples are counted.
type Chunk struct {
	At       time.Time
	From, To int64
	Position audio.Position // of the first sample on the caller's track
	VAD      int            // 1: speech was reported to begin with this chunk; -1: to have ended
}

// Typed is a line of text that the caller sent.
type Typed struct {
	talk.Request
	At    time.Time
	First bool // it was what made the agent speak first
}

// Asked is something that the application asked for: SwapRequest or SwapChange.
type Asked struct {
	At   time.Time
	What novasonic.SwapReason

	// With SwapChange: what is different from then on.
	Voice        string
	Instructions string

	Err error
}

// Fault is something that was made to go wrong on a stream.
type Fault struct {
	Stream int // its number
	Name   string
	Kind   FaultKind
	Cause  sonictest.Fault
}

// FaultKind is what a fault does to a stream, as far as it matters who is to
// blame.
type FaultKind int

// The kinds of faults.
const (
	Refuses  FaultKind = iota // the stream is not opened
	Delays                    // it is opened late
	Ends                      // it ends at once, and the client is told
	Deafens                   // it stops reading: the client finds out when its windows are full
	Silences                  // it stops writing: nobody can tell it from a model that has nothing to say
	Harmless                  // it goes on
)

// Piece is a sound that was heard, without a pause in it.
type Piece struct {
	At      audio.Position // on the output's clock
	Samples []int16
}

// Seen is a frame that the application saw.
type Seen struct {
	At    time.Time
	Frame frames.Frame
}

// Execution is one run of the tool.
type Execution struct {
	talk.Call
	Began, Returned time.Time
	Result          string // what it returned, as the model is told
}

// is tells whether a call, of which only the name is known, is the one that ran.
func (x *Execution) is(c talk.Call) bool { return c.Request == x.Request && c.Call == x.Call.Call }
