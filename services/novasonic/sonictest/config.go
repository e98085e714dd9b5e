package sonictest

import (
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// The models that the emulator knows. They differ in their voices and in what
// they understand; see [Behaviour].
const (
	ModelV1  = "amazon.nova-sonic-v1:0"
	ModelV2  = "amazon.nova-2-sonic-v1:0"
	ModelV25 = "amazon.nova-2-5-sonic"
)

// Config describes a server. The zero value is a strict one in us-east-1 that
// echoes what it hears.
type Config struct {
	// Seed makes every random choice: latencies, sizes of audio pieces, ids,
	// faults with a probability. The same seed, clients and virtual time make
	// the same conversation.
	Seed uint64

	// Brain decides what is said. Default: Echo.
	Brain Brain

	// Library holds the recordings that the server recognises, besides DTMF
	// digits, which it always does. Default: none.
	Library *hearing.Library

	// Models are the model ids that are served. Default: all that it knows.
	Models []string

	// Region is the region that requests must be signed for. Default:
	// us-east-1.
	Region string

	// Credentials are the keys that may sign requests. Default: one random
	// pair, which AWSConfig and Environ hand out.
	Credentials []Credentials

	// Behaviour is what the real service does in one way here and in another
	// there, or what is not known of it.
	Behaviour Behaviour

	// Latency is how long the model thinks.
	Latency Latency

	// Delivery is how audio is sent.
	Delivery Delivery

	// Limits are the service's.
	Limits Limits

	// Faults are what goes wrong, and when. More can be added later, with
	// Server.AddFault.
	Faults []Fault

	// KeepAudio keeps the input audio of every stream in its StreamLog: about
	// 2 MB a minute at 16 kHz.
	KeepAudio bool

	// KeepStreams is how many streams that have ended are kept in Streams;
	// older ones are forgotten. A busy stream of eight minutes takes about 1 MB,
	// without its audio. Default: 256. Negative keeps none.
	KeepStreams int
}

// Credentials are an access key that the server accepts.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // "" for a key without token

	// Expires is when the service stops accepting them: requests are refused
	// with ExpiredTokenException, and streams that they opened break. Zero
	// means never.
	Expires time.Time

	// Denied are keys that are good but lack bedrock:InvokeModel.
	Denied bool
}

// Prefix is how the service introduces its error messages. All three have been
// seen.
type Prefix int

const (
	PrefixRequestID Prefix = iota // "RequestId=<id> : <text>"
	PrefixErrors                  // "RequestId=<id> : Error(s):\nError 1 : <text>"
	PrefixNone                    // "<text>"
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

// Latency is how long the model takes. Zero fields are the defaults, which are
// near the medians measured by users of the service; a negative field is none.
type Latency struct {
	// Endpointing is the pause after the last voiced sample that ends an
	// utterance, on the input clock. Default: by endpointingSensitivity, 400 ms
	// (HIGH), 480 ms (MEDIUM) or 700 ms (LOW). There is no none.
	Endpointing time.Duration

	UserText   time.Duration // from the end of speech, as detected, to the USER transcript; default 120 ms
	Think      time.Duration // from there to the first SPECULATIVE text; default 150 ms
	Speak      time.Duration // from a SPECULATIVE text to the start of its AUDIO; default 100 ms
	ToolUse    time.Duration // from the USER transcript to a toolUse; default 160 ms
	AfterTool  time.Duration // from a tool's result to the SPECULATIVE text; default 540 ms
	AfterText  time.Duration // from interactive text to the SPECULATIVE text; default 820 ms
	Sentence   time.Duration // from the end of a sentence's AUDIO to the next SPECULATIVE text; default 40 ms
	Completion time.Duration // from promptEnd to completionEnd; default 20 ms

	// Jitter spreads each of these by up to this fraction of it, either way.
	// Default: 0.2. Negative: none.
	Jitter float64
}

// Delivery is how the audio of an answer is sent.
type Delivery struct {
	// Piece is the length of one audioOutput. Default: 100 ms.
	Piece time.Duration

	// Speed is how much faster than it plays audio is sent; infinity is at
	// once. Default: 2.5.
	Speed float64

	// Jitter spreads the length of the pieces and the times between them by up
	// to this fraction. Default: 0.2. Negative: none.
	Jitter float64

	// Gaps is the share of the pieces, 0 to 1, after which nothing comes for the
	// time Gap, though what was sent may have been heard by then. Default: 0,
	// and 400 ms.
	Gaps float64
	Gap  time.Duration
}

// Limits are the limits of the service. Zero fields are the service's own; a
// negative field is no limit.
type Limits struct {
	Life         time.Duration // of a stream; default 480 s
	Idle         time.Duration // without audio or interactive text; default 55 s (v1: 59 s). The other value seen is 295 s
	UserSilence  time.Duration // of audio without speech, which ends in error 531; default none. Values seen: 60 and 175 s
	Streams      int           // open at the same time, in all; default 20
	HistoryText  int           // bytes of one message; default 50 KiB, formerly 1 KiB
	HistoryTotal int           // bytes of all messages; default 200 KiB, formerly 40 KiB
	SystemText   int           // bytes of one textInput of a SYSTEM block; default 32 KiB
	TextAudio    time.Duration // input audio that must have come before interactive text is noticed; default 68 ms
	ClockSkew    time.Duration // between the request's date and now; default 5 min
	HTTPStreams  uint32        // on one connection; default 100
	Close        time.Duration // wait for the client's half-close after sessionEnd; default 1 s
}

func (c Config) withDefaults() Config {
	if c.Brain == nil {
		c.Brain = Echo()
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if len(c.Models) == 0 {
		c.Models = []string{ModelV1, ModelV2, ModelV25}
	}
	if c.KeepStreams == 0 {
		c.KeepStreams = 256
	}
	c.Limits = c.Limits.withDefaults()
	c.Latency = c.Latency.withDefaults()
	c.Delivery = c.Delivery.withDefaults()
	return c
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.Life, 480*time.Second)
	orDefault(&l.Streams, 20)
	orDefault(&l.HistoryText, 50<<10)
	orDefault(&l.HistoryTotal, 200<<10)
	orDefault(&l.SystemText, 32<<10)
	orDefault(&l.TextAudio, 68*time.Millisecond)
	orDefault(&l.ClockSkew, 5*time.Minute)
	orDefault(&l.HTTPStreams, 100)
	orDefault(&l.Close, time.Second)
	return l
}

// idle is the idle limit of a model.
func (l Limits) idle(model string) time.Duration {
	switch {
	case l.Idle != 0:
		return l.Idle
	case model == ModelV1:
		return 59 * time.Second
	default:
		return 55 * time.Second
	}
}

func (l Latency) withDefaults() Latency {
	orDefault(&l.UserText, 120*time.Millisecond)
	orDefault(&l.Think, 150*time.Millisecond)
	orDefault(&l.Speak, 100*time.Millisecond)
	orDefault(&l.ToolUse, 160*time.Millisecond)
	orDefault(&l.AfterTool, 540*time.Millisecond)
	orDefault(&l.AfterText, 820*time.Millisecond)
	orDefault(&l.Sentence, 40*time.Millisecond)
	orDefault(&l.Completion, 20*time.Millisecond)
	orDefault(&l.Jitter, 0.2)
	return l
}

// endpointing is the pause that ends an utterance.
func (l Latency) endpointing(sensitivity string) time.Duration {
	switch {
	case l.Endpointing > 0:
		return l.Endpointing
	case sensitivity == "HIGH":
		return 400 * time.Millisecond
	case sensitivity == "LOW":
		return 700 * time.Millisecond
	default:
		return 480 * time.Millisecond
	}
}

func (d Delivery) withDefaults() Delivery {
	orDefault(&d.Piece, 100*time.Millisecond)
	orDefault(&d.Speed, 2.5)
	orDefault(&d.Jitter, 0.2)
	orDefault(&d.Gap, 400*time.Millisecond)
	return d
}

func orDefault[T comparable](p *T, def T) {
	var zero T
	if *p == zero {
		*p = def
	}
}
