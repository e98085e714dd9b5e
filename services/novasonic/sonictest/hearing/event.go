package hearing

import "github.com/parley-go/parley/audio"

// Kind tells what an [Event] reports.
type Kind int

const (
	// SpeechStarted is reported once enough voiced audio arrived in a row.
	SpeechStarted Kind = iota + 1
	// SpeechEnded is reported after the endpointing silence, with the utterance.
	SpeechEnded
)

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case SpeechStarted:
		return "SpeechStarted"
	case SpeechEnded:
		return "SpeechEnded"
	}
	return "unknown"
}

// Event is one thing that a [Listener] noticed. SpeechStarted and SpeechEnded
// alternate, beginning with SpeechStarted.
type Event struct {
	Kind Kind

	// At is the position of the first voiced sample (SpeechStarted), or the
	// position right after the last voiced one (SpeechEnded), at the
	// listener's rate.
	At audio.Position

	// Detected is how far the stream had been heard when that became clear: for
	// SpeechEnded it is At plus the endpointing silence, unless Close or the
	// limit on an utterance's length ended it earlier.
	Detected audio.Position

	// Utterance is what was said; only with SpeechEnded.
	Utterance *Utterance
}

// Utterance is one stretch of speech. It belongs to whoever received it: the
// listener keeps no reference.
type Utterance struct {
	// Text is the words of which at least half was heard, separated by spaces;
	// for an utterance of a [Library] that was heard whole, its text as
	// written. It is empty when nothing was recognised.
	Text string

	// Start and End are the positions of the first voiced sample and of the one
	// after the last, on the stream's clock.
	Start, End audio.Position

	// Rate is the rate of Audio and of every position on the stream's clock.
	Rate audio.SampleRate

	// Audio is what was heard, with up to 200 ms before Start and up to 150 ms
	// after End; AudioStart is the position of its first sample.
	Audio      []int16
	AudioStart audio.Position

	// Words are the recognised words in order of their Start, also those that
	// were heard too little to be part of Text.
	Words []Word

	// Recording names the recording that the first part was found in; empty if
	// there is none.
	Recording string

	// Parts are the pieces of known recordings that were found, by their
	// position on the stream. A recording heard without a cut is one part.
	Parts []Part
}

// Word is a recognised word.
type Word struct {
	Text       string
	Start, End audio.Position // on the stream's clock

	// Heard is the fraction of the word's nominal length that was heard: 1 is
	// the whole word, less is a word that was cut. Of a DTMF tone that was partly
	// heard twice more than 1 was heard, in one word or in two of the same text;
	// it is accurate to about 2 ms, or 5 ms where two tones abut.
	Heard float64
}

// Part is a piece of a known recording that was heard.
type Part struct {
	Recording string // as in [Recording.Name]

	// From and To are the samples [From, To) of the recording, at Rate, the
	// recording's own.
	From, To audio.Position
	Rate     audio.SampleRate

	// At is where the sample From was heard, on the stream's clock.
	At audio.Position

	// Score is the normalised correlation between what was heard and the
	// recording, from 0.5 to 1: identical audio scores 1.
	Score float64
}
