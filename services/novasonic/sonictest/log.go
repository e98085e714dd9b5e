package sonictest

import (
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// StreamLog is the record of one stream: what the client sent, what was heard
// in it, what was answered, and how it ended. All times are since Opened, on
// the server's clock.
//
// A StreamLog that Server.Streams returned does not change any more. Its slices
// must not be changed either: all who ask for a stream that has ended get the
// same ones.
type StreamLog struct {
	Number     int       // in the order of requests, refused ones included
	Connection int       // which of the server's connections it came on
	Opened     time.Time // when the request arrived
	RequestID  string
	SessionID  string
	Model      string
	AccessKey  string // id of the key that signed it

	// What the client set up.
	MaxTokens    int
	Sensitivity  string // endpointingSensitivity, "" if it was left out
	PromptName   string
	Voice        string
	OutputRate   audio.SampleRate
	Tools        []Tool
	ToolChoice   string // "", "auto", "any", or "tool:" and its name
	Instructions string
	SpeechStyle  string    // text of the SYSTEM_SPEECH block
	History      []Message // text blocks before the first audio

	Accepted time.Duration // when the response headers were sent; 0 if they were not
	Events   []EventLog    // input events, audioInput excepted: see Audio
	Output   []OutputLog   // output events
	Audio    []AudioBlock  // what was heard, block by block
	Heard    []Heard       // utterances
	Texts    []TextLog     // text blocks after the first audio
	Answers  []AnswerLog
	Calls    []CallLog

	// Violations are the rules that the client broke. The last one may have
	// ended the stream.
	Violations []Violation

	// Panic is what the brain panicked with, which ended the stream, and where;
	// else "".
	Panic string

	// End is how it ended; zero while it is open.
	End End
}

// EventLog is an input event.
type EventLog struct {
	At      time.Duration
	Name    string
	Content string         // contentName, if it has one
	Type    string         // of a contentStart: TEXT, AUDIO or TOOL
	Role    string         // of a contentStart
	Clock   time.Duration  // the input audio clock when it arrived
	Block   int            // index in Audio of the open AUDIO block, or -1
	Pos     audio.Position // samples of that block that had arrived
}

// OutputLog is an output event.
type OutputLog struct {
	At         time.Duration
	Name       string
	ContentID  string
	Type       string // of contentStart and contentEnd: TEXT, AUDIO or TOOL
	Role       string // of contentStart
	Stage      string // of a contentStart of TEXT: SPECULATIVE or FINAL
	StopReason string // of contentEnd and completionEnd
	Text       string // of textOutput; arguments of toolUse
	Answer     int    // index in Answers of what it belongs to, or -1
	Samples    int    // of audioOutput
}

// AudioBlock is the audio of one AUDIO content block.
type AudioBlock struct {
	Content string // contentName
	Rate    audio.SampleRate
	Clock   time.Duration // the input audio clock at its first sample: 0 for the first block
	Opened  time.Duration
	Closed  time.Duration // 0 while it is open

	// Samples is how many arrived; PCM are they, if Config.KeepAudio is set.
	Samples audio.Position
	PCM     []int16

	// Arrivals tell when each audioInput arrived, and up to which sample the
	// block had then been heard.
	Arrivals []Arrival
}

// Arrival is one audioInput.
type Arrival struct {
	At  time.Duration
	End audio.Position
}

// Heard is an utterance that the server heard.
type Heard struct {
	At    time.Duration // when its end was detected
	Block int           // index in StreamLog.Audio; the utterance's positions are on its clock
	*hearing.Utterance

	// Answer is the index in StreamLog.Answers of what was said to it, or -1.
	Answer int
}

// TextLog is a TEXT block that came after the first audio.
type TextLog struct {
	At          time.Duration // of its contentEnd
	Role        string
	Text        string
	Interactive bool
	Noticed     bool // it became a turn
	Answer      int  // index in StreamLog.Answers, or -1
}

// AnswerLog is what the brain said to a turn.
type AnswerLog struct {
	At        time.Duration // when the brain was asked
	Turn      Turn
	Sentences []Said

	// Interrupted tells that the user barged in, and Cut when.
	Interrupted bool
	Cut         time.Duration

	// Done is when its last event was sent, FINAL texts excepted; 0 before.
	Done time.Duration
}

// Said is a sentence.
type Said struct {
	Text string
	Rate audio.SampleRate

	// PCM is the whole sentence as it is to be heard, at the rate that the
	// client asked for, and Sent how many of its samples were sent. It is nil
	// once Config.KeepSamples has had to drop it.
	PCM  []int16
	Sent int

	Announced time.Duration // its SPECULATIVE text; 0 if it was never sent
	Started   time.Duration // its AUDIO contentStart; 0 if it was never sent
	Ended     time.Duration // its AUDIO contentEnd
	Final     time.Duration // its FINAL text
}

// CallLog is a tool call.
type CallLog struct {
	At        time.Duration
	Answer    int // index in StreamLog.Answers
	ID        string
	Name      string
	Arguments string

	// Result is what the client answered, and ResultAt when; 0 if it did not.
	Result   string
	ResultAt time.Duration
}

// Violation is a rule that the client broke.
type Violation struct {
	At    time.Duration
	Event string // name of the input event
	Text  string // the service's own words if it is fatal, else ours

	// Fatal tells that it ended the stream. The service lets the others pass,
	// often without doing what the client meant.
	Fatal bool
}

// EndKind is how a stream ended.
type EndKind int

// How a stream can end.
const (
	Open         EndKind = iota // it has not
	Refused                     // the request was answered with an HTTP error
	ClosedBoth                  // the client said sessionEnd, and half-closed
	HalfClosed                  // the client half-closed without sessionEnd
	Dropped                     // the client went away: reset or lost connection
	Failed                      // the server sent an exception
	Faulted                     // a Fault ended it
	ServerClosed                // Server.Close, or END_STREAM on the service's own account
)

// String returns, for instance, "refused".
func (k EndKind) String() string {
	switch k {
	case Open:
		return "open"
	case Refused:
		return "refused"
	case ClosedBoth:
		return "closed by the client in order"
	case HalfClosed:
		return "half-closed by the client without sessionEnd"
	case Dropped:
		return "dropped by the client"
	case Failed:
		return "failed"
	case Faulted:
		return "ended by a fault"
	case ServerClosed:
		return "closed by the server"
	}
	return "unknown"
}

// End is how a stream ended.
type End struct {
	Kind EndKind
	At   time.Duration

	Status    int    // of a refusal
	Exception string // the exception's type, if one was sent
	Message   string // its message, or what else is known
}
