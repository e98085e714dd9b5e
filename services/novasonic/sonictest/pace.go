package sonictest

import (
	"time"
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
