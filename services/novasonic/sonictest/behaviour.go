package sonictest

import (
	"time"
)

// Prefix is how the service introduces its error messages. All of them have been
// seen.
type Prefix int

const (
	PrefixRequestID Prefix = iota // "RequestId=<id> : <text>"
	PrefixErrors                  // "RequestId=<id> : Error(s):\nError 1 : <text>"
	PrefixNone                    // "<text>"
	PrefixBare                    // "<text>", and without the "InternalErrorCode=…::" that some texts begin with
)

// Switch is a setting whose default depends on the model or is explained with
// the field.
type Switch int

const (
	Default Switch = iota
	On
	Off
)

// or returns the switch's value, or def if it is not set.
func (s Switch) or(def bool) bool {
	if s == Default {
		return def
	}
	return s == On
}

// Behaviour is the choice between things that the service has been seen to do,
// or may do. The zero value is what is most likely of the model asked for.
type Behaviour struct {
	// Prefix introduces error messages.
	Prefix Prefix

	// UserSpeech events (userSpeechStart, userSpeechEnd) are sent. Default: yes,
	// except by v1.
	UserSpeech Switch

	// CompletionPerTurn brackets each turn with completionStart and
	// completionEnd; otherwise they bracket the prompt. Default: no.
	CompletionPerTurn bool

	// Interruption is the form that a barge-in takes.
	Interruption Interruption

	// SilenceCounts makes silent audio reset the idle clock. Default: yes.
	SilenceCounts Switch

	// FinalText is when FINAL texts of the assistant come.
	FinalText FinalText

	// FinalLate delays FINAL texts by so much more. Default: 0.
	FinalLate time.Duration

	// DoubleEncodedArguments sends the arguments of tool calls as a JSON string
	// that holds a JSON object.
	DoubleEncodedArguments bool

	// ToolsNever makes the model call no tool, whatever the brain says.
	ToolsNever bool

	// ToolBlocksNested sends all toolUse blocks of an answer before the first
	// of their contentEnds.
	ToolBlocksNested bool

	// AudioInTextBlock accepts audioInput inside an open TEXT block. Default: it is
	// refused. Many clients were; a test bench of AWS's, which mixes the two, seems
	// not to be.
	AudioInTextBlock bool

	// AudioInToolBlock accepts audioInput inside an open TOOL block. Default:
	// it is refused, as it is inside a TEXT block.
	AudioInToolBlock bool

	// RefuseAudioDuringTool refuses audioInput while a tool result is
	// outstanding, as one account of 2.5 did. Default: no; it contradicts the
	// documentation.
	RefuseAudioDuringTool bool

	// LateResults are results of tools whose answer was interrupted: On accepts
	// them, Off ends the stream. Default: on.
	LateResults Switch

	// RefuseSecondResult refuses a second result for the same toolUseId.
	// Default: only 2.5; others ignore it.
	RefuseSecondResult Switch

	// RequireSystem refuses AUDIO before a SYSTEM block. Default: no.
	RequireSystem bool

	// AnyRoles accepts a history that does not begin with USER, or in which the
	// roles do not alternate. Default: refused.
	AnyRoles bool

	// RefuseTrailingUser refuses audio behind a history that ends with a message of
	// the USER's which is not interactive. Default: no; but some clients take care
	// to end it with one of the ASSISTANT's, after streams that died within
	// seconds.
	RefuseTrailingUser bool

	// SilentSecondPrompt closes the stream without a word after a second prompt.
	// Default: except by v1, which refuses it with one.
	SilentSecondPrompt Switch

	// SecondAudioException is the exception for an AUDIO block while one is open.
	// Default: modelStreamErrorException.
	SecondAudioException string

	// SchemaObjects accepts tools whose inputSchema.json is an object, as in an
	// example of the Nova 2 user guide. Default: it has to be a string that holds
	// JSON, as in all others; who sent an object was refused.
	SchemaObjects bool

	// RefuseSchemaExtras refuses tools whose input schema uses what has been blamed
	// for a refusal: anyOf, default, title, additionalProperties, and of the same
	// kind oneOf, allOf, not, $ref, $defs, definitions and $schema. Default: no;
	// others send them without trouble. A Fault with Behave and a Probability makes
	// it a matter of luck.
	RefuseSchemaExtras bool

	// RefuseToolChoice refuses a promptStart that has a toolChoice as one that
	// cannot be parsed. Default: no; it is documented, and one user blamed it.
	RefuseToolChoice bool

	// IgnoreUnknownEvents lets input events of a name that is not known pass.
	// Default: they are refused.
	IgnoreUnknownEvents bool

	// Filler is said once when the results of an answer's tools are not all there
	// after FillerAfter, if nothing else is said or heard then: "One moment,
	// please.", for instance. Default: nothing, and 2 s.
	Filler      string
	FillerAfter time.Duration

	// RefuseEmptyText refuses an empty textInput. Default: no.
	RefuseEmptyText bool

	// AudioSettle refuses audioInput that arrives sooner than this after the
	// contentStart of its block, as has been seen on some reconnects. Default:
	// 0, never.
	AudioSettle time.Duration

	// AudioNeedsHeaders refuses an AUDIO block that begins before the response
	// headers have been sent, as it has been seen to happen under load. It has an
	// effect together with SlowHeaders. Default: no.
	AudioNeedsHeaders bool

	// SplitTranscript tells what the user said in two blocks, if it is more
	// than a word. Default: no, in one.
	SplitTranscript bool

	// TranscriptFirst tells what the user said before userSpeechEnd, as soon as
	// the end of the speech is detected. Default: after it.
	TranscriptFirst bool

	// TextInParts sends the text of a block, if it is more than a word, in two
	// textOutput events. Default: no, in one, which is what the service normally
	// does.
	TextInParts bool

	// IgnoreShort makes nothing of utterances that are shorter: they have neither
	// transcript nor answer, as has been seen with very short clips. Default: 0,
	// none; but a sound of less than 120 ms is never speech.
	IgnoreShort time.Duration

	// EmptyTranscript sends an empty USER transcript before the answer to an
	// interactive text. Default: no.
	EmptyTranscript bool

	// LeadingSpace begins the text of the second and later sentences of an
	// answer with a space, as the service does. Default: on.
	LeadingSpace Switch

	// HalfCloseRefused answers the end of the input without sessionEnd with an
	// exception. Default: the response ends without a word.
	HalfCloseRefused bool

	// ContentTypeRequired refuses requests without the content type of an event stream,
	// which some versions of AWS's SDK for Go leave out. Default: only a wrong
	// one is refused.
	ContentTypeRequired bool

	// AcceptBearer accepts any bearer token in place of a signature, and
	// messages that are not signed. Default: refused with 403.
	AcceptBearer bool

	// Padding adds a member "p" of random length to each chunk, as Bedrock
	// does for other operations. Default: no.
	Padding bool

	// HeadersAt is when the response headers are sent. Default:
	// AfterPromptStart.
	HeadersAt HeadersAt

	// QuotaException is the exception for one stream too many: ThrottlingException (the
	// default) or ServiceQuotaExceededException.
	QuotaException string

	// Blocked are phrases that trip the content filter, in the system prompt or
	// in text. Default: none.
	Blocked []string
}

// Interruption is a form of barge-in.
type Interruption struct {
	// NoMarker leaves the TEXT block with { "interrupted" : true } out, so that
	// only userSpeechStart and the end of the AUDIO block tell.
	NoMarker bool

	// AudioInterrupted ends the cut AUDIO block with INTERRUPTED in place of
	// END_TURN.
	AudioInterrupted bool

	// AudioPartial ends the cut AUDIO block with PARTIAL_TURN.
	AudioPartial bool

	// Trailing is how much audio of the cut answer still comes after the
	// marker, in a block that stays open so long. Default: 0.
	Trailing time.Duration

	// FinalTruncated sends a FINAL text of the words that were heard of the
	// sentence that was cut; otherwise it gets none.
	FinalTruncated bool

	// FinalBefore sends the FINAL texts of sentences that were heard before the
	// marker; otherwise they come after it.
	FinalBefore bool

	// CallsStand has a tool called that is about to be called, though the user
	// begins to speak: only what is spoken can be interrupted.
	CallsStand bool

	// Never lets the assistant talk on, whatever the user does.
	Never bool
}

// FinalText is when FINAL texts come.
type FinalText int

const (
	FinalOnInputClock FinalText = iota // when the audio has been played out, by the clock of the input audio
	FinalOnWallClock                   // when it has been played out, by the wall clock
	FinalAtNextInput                   // only when the user speaks or writes next, or the prompt ends
	FinalOutOfOrder                    // pairwise swapped
	FinalMissing                       // never
)

// HeadersAt is when the response headers are sent.
type HeadersAt int

const (
	AfterPromptStart HeadersAt = iota
	AfterFirstEvent
	AtOnce
)
