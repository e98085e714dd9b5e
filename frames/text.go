package frames

import (
	"fmt"

	"github.com/parley-go/parley/audio"
)

// Text is text for whoever comes next: typed by a user, or to be spoken.
type Text struct {
	Data
	Text string

	// Instruction says that it is the application's and not the user's: what the
	// model is to do now ("Ask whether the caller is still there."). It is
	// answered like any other, and never told as something that the user said.
	Instruction bool
}

func (f *Text) String() string {
	if f.Instruction {
		return fmt.Sprintf("Text(instruction %q)", f.Text)
	}
	return fmt.Sprintf("Text(%q)", f.Text)
}

// Transcription is what a speaker said, recognised and final. No interruption
// drops it.
type Transcription struct {
	Data
	Uninterruptible
	Text     string
	Track    string // the audio track that was transcribed
	Language string // BCP 47; empty if unknown

	// Start and End delimit the speech on the track's clock at Rate. Rate is 0
	// when the recogniser does not tell.
	Start, End audio.Position
	Rate       audio.SampleRate
}

func (f *Transcription) String() string { return fmt.Sprintf("Transcription(%q)", f.Text) }

// InterimTranscription is what a speaker seems to be saying; a later frame will
// replace it.
type InterimTranscription struct {
	Data
	Text     string
	Track    string
	Language string // BCP 47; empty if unknown
}

func (f *InterimTranscription) String() string {
	return fmt.Sprintf("InterimTranscription(%q)", f.Text)
}

// LLMResponseStart tells that a model begins to answer.
type LLMResponseStart struct {
	Control
	Response string // identifies the response in the frames that belong to it
}

func (f *LLMResponseStart) String() string { return "LLMResponseStart(" + f.Response + ")" }

// LLMText is a part of an answer, as the model announces it: a token or a
// sentence. It may be interrupted before it is spoken; see [SpokenText].
type LLMText struct {
	Data
	Response string
	Text     string
}

func (f *LLMText) String() string { return fmt.Sprintf("LLMText(%q)", f.Text) }

// LLMResponseEnd tells that a model's answer is complete, or was cut short. An
// answer that is complete may still be waiting to be heard: an interruption can
// follow. None drops it, so that every answer that was begun is ended, though
// one may have dropped the [LLMResponseStart].
type LLMResponseEnd struct {
	Control
	Uninterruptible
	Response    string
	Interrupted bool // it was cut short before it was complete
}

func (f *LLMResponseEnd) String() string {
	if f.Interrupted {
		return "LLMResponseEnd(" + f.Response + " interrupted)"
	}
	return "LLMResponseEnd(" + f.Response + ")"
}

// SpokenText is a part of an answer that was really spoken: the transcript of
// record. No interruption drops it.
type SpokenText struct {
	Data
	Uninterruptible
	Response    string
	Text        string
	Interrupted bool // the caller heard only the beginning of what was announced
}

func (f *SpokenText) String() string { return fmt.Sprintf("SpokenText(%q)", f.Text) }
