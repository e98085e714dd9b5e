package wire

import (
	"encoding/json"
	"time"

	"github.com/parley-go/parley/audio"
)

// Output is an event that came down a stream: a pointer to one of the types
// of this file.
type Output interface{ output() }

// IDs are in every event that comes down. All are chosen by the service but
// for PromptName, which is the client's.
type IDs struct {
	SessionID    string
	PromptName   string
	CompletionID string
}

func (*IDs) output() {}

// ContentType is what a block holds.
type ContentType string

// The content types.
const (
	TypeText  ContentType = "TEXT"
	TypeAudio ContentType = "AUDIO"
	TypeTool  ContentType = "TOOL"
)

// Stage tells a planned text from a spoken one.
type Stage string

// The generation stages of a block of text.
const (
	StageNone        Stage = ""            // the block has none
	StageSpeculative Stage = "SPECULATIVE" // the assistant is about to say this
	StageFinal       Stage = "FINAL"       // this was really said; arrives seconds after its audio
)

// StopReason says why a block or a completion ended.
type StopReason string

// The stop reasons. On audio, StopEndTurn ends the spoken turn and
// StopPartialTurn announces another sentence; a barge-in is told by
// StopInterrupted on a block of text, while the cut audio ends with
// StopEndTurn.
const (
	StopPartialTurn StopReason = "PARTIAL_TURN"
	StopEndTurn     StopReason = "END_TURN"
	StopInterrupted StopReason = "INTERRUPTED"
	StopToolUse     StopReason = "TOOL_USE"
)

// CompletionStart begins what the service says; from Nova 2 on once in a
// session.
type CompletionStart struct{ IDs }

// CompletionEnd ends what the service says. From Nova 2 on it comes once, when
// the prompt was ended: it is not the end of a turn.
type CompletionEnd struct {
	IDs
	StopReason StopReason
}

// ContentStart opens a block. Blocks of one stream may overlap, so everything
// about a block is kept by its ContentID; contentEnd does not repeat the role.
type ContentStart struct {
	IDs
	ContentID string
	Type      ContentType
	Role      Role
	Stage     Stage            // of a block of text
	Rate      audio.SampleRate // of a block of audio; 0 elsewhere
}

// TextOutput is text of a block: the user's words as they were understood, or
// the assistant's.
type TextOutput struct {
	IDs
	ContentID string
	Role      Role // empty when the event left it out: see the block's ContentStart
	Text      string

	// Interrupted says that this is no text but the marker of a barge-in.
	Interrupted bool
}

// AudioOutput is speech of the assistant.
type AudioOutput struct {
	IDs
	ContentID string

	// Samples are mono at the block's rate. They are freshly allocated and
	// belong to the receiver.
	Samples []int16
}

// ToolUse asks for a function to be called.
type ToolUse struct {
	IDs
	ContentID string
	ToolUseID string // goes into the [ToolResult]
	Name      string

	// Arguments are valid JSON: an object, unless the model wrote something
	// else, which is then here as it is or, when it is no JSON, as a string.
	Arguments json.RawMessage
}

// ContentEnd closes a block.
type ContentEnd struct {
	IDs
	ContentID  string
	Type       ContentType
	StopReason StopReason
}

// Tokens counts tokens of each modality.
type Tokens struct {
	Speech int
	Text   int
}

// Usage counts the tokens of both ways.
type Usage struct {
	Input  Tokens
	Output Tokens
}

// UsageEvent tells what was used. It comes many times in a turn.
type UsageEvent struct {
	IDs
	Delta       Usage // since the last usageEvent
	Total       Usage // since the stream was opened
	TotalInput  int   // tokens of all modalities since the stream was opened
	TotalOutput int
	TotalTokens int
}

// UserSpeechStart says that the user began to speak. It is sent by Nova 2
// since July 2026 and by Nova 2.5, and not by all models: never rely on it.
type UserSpeechStart struct {
	IDs
	Offset time.Duration // on the clock of the audio that the stream was sent
}

// UserSpeechEnd says that the user stopped speaking. See [UserSpeechStart].
type UserSpeechEnd struct {
	IDs
	Offset    time.Duration // of the end of speech, on the clock of the audio that the stream was sent
	Detection time.Duration // where on that clock the end was noticed
}

// Unknown is an event that this package does not know. It is not an error:
// the service adds events without notice.
type Unknown struct {
	Name string
	Body json.RawMessage // a copy
}

func (*Unknown) output() {}
