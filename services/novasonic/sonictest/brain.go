package sonictest

import (
	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// Brain decides what the emulated model says and which tools it calls.
//
// Answer is called on the goroutine of the stream that has something to be
// answered, one call at a time for each stream, but concurrently for different
// streams. It must not block: in virtual time nothing else would pass the time
// meanwhile. The same turns must get the same answers if a test is to be
// repeatable. If it panics, the stream ends with internalServerException, and
// the StreamLog tells where.
//
// A conversation that moves from stream to stream is several Conversations to
// the brain: what went before is in [Conversation.History], as the client
// tells it, and nowhere else. That is so with the real service too.
type Brain interface {
	Answer(c *Conversation, t Turn) Answer
}

// BrainFunc makes a Brain of a function.
type BrainFunc func(c *Conversation, t Turn) Answer

// Answer calls f.
func (f BrainFunc) Answer(c *Conversation, t Turn) Answer { return f(c, t) }

// TurnKind says what a brain is asked to answer.
type TurnKind int

// What a turn can be.
const (
	Spoken      TurnKind = iota // the user said something, and it ended
	Written                     // interactive text: typed by the user, DTMF, or a prompt to speak first
	ToolResults                 // one more result of a tool that an earlier answer called
)

// String returns "spoken", "written" or "tool results".
func (k TurnKind) String() string {
	switch k {
	case Spoken:
		return "spoken"
	case Written:
		return "written"
	case ToolResults:
		return "tool results"
	}
	return "unknown"
}

// Turn is what a brain is asked to answer.
type Turn struct {
	Kind TurnKind

	// Text is what was said, or written. It is empty if the words were not
	// recognised, and for tool results.
	Text string

	// Utterance is what was heard: the samples, their positions on the input
	// clock of the AUDIO block that they came in, and the recognised words.
	// Spoken only, else nil.
	Utterance *hearing.Utterance

	// Asked is the turn whose answer called the tools. ToolResults only.
	Asked *Turn

	// Results are all results so far of the tools that the answer called, in
	// the order of its Calls; those not yet there are left out. Latest is the
	// one that arrived now, and Pending how many are still to come. A brain
	// that wants to wait for all of them returns no answer while Pending > 0. It
	// is asked again if the user interrupts before any of the answer was sent.
	Results []ToolResult
	Latest  ToolResult
	Pending int
}

// Answer is what the model does about a turn. The zero Answer is silence.
type Answer struct {
	// Sentences are spoken one after the other; each becomes a SPECULATIVE
	// text, an AUDIO block and, when it has been heard, a FINAL text.
	Sentences []Sentence

	// Calls are the tools called.
	Calls []ToolCall
}

// Sentence is a piece of speech.
type Sentence struct {
	// Text is the transcript.
	Text string

	// Audio is the speech, mono; nil means the voice of package voice. It must
	// not be changed afterwards.
	Audio []int16

	// Rate is Audio's rate. 0 means 24 kHz. It is converted to the rate that
	// the client asked for; where the two are equal, every sample arrives as it
	// is here.
	Rate audio.SampleRate
}

// Say is an answer that speaks the sentences in the voice of package voice.
func Say(sentences ...string) Answer {
	var a Answer
	for _, s := range sentences {
		a.Sentences = append(a.Sentences, Sentence{Text: s})
	}
	return a
}

// Call is an answer that calls a tool and says nothing meanwhile. Arguments are
// a JSON object.
func Call(name, arguments string) Answer {
	return Answer{Calls: []ToolCall{{Name: name, Arguments: arguments}}}
}

// ToolCall is a call of a tool of the client's.
type ToolCall struct {
	// Name is the tool's name, as in the client's toolConfiguration. A name
	// that is not there is sent all the same: models do make names up.
	Name string

	// Arguments are a JSON object; "" means "{}". They are sent as they are.
	Arguments string

	// After is the number of the answer's sentences that are spoken before the
	// call is made: 0 calls at once.
	After int
}

// ToolResult is the client's answer to a ToolCall.
type ToolResult struct {
	ID        string // the toolUseId
	Name      string
	Arguments string
	Content   string // a JSON object, as the client sent it
}

// Message is a part of the history that a client gave a stream, or an exchange
// of the stream's own.
type Message struct {
	Role string // "USER" or "ASSISTANT"
	Text string
}

// Tool is a tool that the client offers.
type Tool struct {
	Name        string
	Description string
	InputSchema string // JSON
}

// Conversation is what a brain may know of the stream that it answers on.
// It may be used only during the call of Answer.
type Conversation struct {
	stream       int
	model        string
	voice        string
	rate         audio.SampleRate
	instructions string
	history      []Message
	said         []Message
	tools        []Tool
	turns        int
}

// Stream is the stream's number: 0 is the first that the server accepted.
func (c *Conversation) Stream() int { return c.stream }

// Model is the model id.
func (c *Conversation) Model() string { return c.model }

// Voice is the voice id that the client chose.
func (c *Conversation) Voice() string { return c.voice }

// OutputRate is the sample rate of the audio that the client asked for.
func (c *Conversation) OutputRate() audio.SampleRate { return c.rate }

// Instructions is the text of the SYSTEM block.
func (c *Conversation) Instructions() string { return c.instructions }

// History is what the client told of earlier streams, oldest first. It must
// not be changed.
func (c *Conversation) History() []Message { return c.history }

// Said is what was said on this stream before this turn: the user's turns as
// they were heard or written, and the sentences that the assistant began to
// speak. It must not be changed.
func (c *Conversation) Said() []Message { return c.said }

// Tools are the tools that the client offers. It must not be changed.
func (c *Conversation) Tools() []Tool { return c.tools }

// Turns is the number of user turns, spoken or written, before this one on
// this stream.
func (c *Conversation) Turns() int { return c.turns }

// UserTurns is Turns and those in the history: for a brain that counts
// through a script, and a client that moves from stream to stream.
func (c *Conversation) UserTurns() int {
	n := c.turns
	for _, m := range c.history {
		if m.Role == "USER" {
			n++
		}
	}
	return n
}
