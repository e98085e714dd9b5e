package turn

import (
	"cmp"
	"fmt"
	"time"
)

// Voice holds while a detector hears the caller's voice.
func Voice() Condition {
	return &builtin{name: "Voice", holds: func(f *Facts) (bool, time.Duration) { return f.Voice, 0 }}
}

// Speech holds when the caller's voice has been heard for d in this utterance, by
// the positions of the audio that has come.
func Speech(d time.Duration) Condition {
	b := &builtin{name: fmt.Sprintf("Speech(%v)", d), wrong: tooShort(d)}
	if d < 0 {
		b.wrong = "speech is not shorter than 0; use Voice() for any speech"
	}
	b.holds = func(f *Facts) (bool, time.Duration) { return f.spoken(d) }
	return b
}

// spoken reports whether the voice has been heard for d.
func (f *Facts) spoken(d time.Duration) (bool, time.Duration) {
	switch {
	case f.Voiced >= d && (f.Voice || f.Voiced > 0):
		return true, 0
	case f.Voice:
		return false, f.VoiceTo + d - f.Voiced
	}
	return false, 0
}

// Words holds when the caller has said at least n words in this utterance, as
// interim and final transcripts have it. Where a script has no spaces, two
// characters count as a word.
func Words(n int) Condition {
	b := &builtin{name: fmt.Sprintf("Words(%d)", n)}
	if n < 1 {
		b.wrong = "at least 1 word can be asked for; use Voice() to ask for none"
	}
	b.holds = func(f *Facts) (bool, time.Duration) { return f.Words >= n, 0 }
	return b
}

// Pressed holds while the button of push to talk is held: see [Processor.Press]
// and [Button].
func Pressed() Condition {
	return &builtin{name: "Pressed", holds: func(f *Facts) (bool, time.Duration) { return f.Pressed, 0 }}
}

// Released holds while the button of push to talk is not held.
func Released() Condition {
	return &builtin{name: "Released", end: true, holds: func(f *Facts) (bool, time.Duration) { return !f.Pressed, 0 }}
}

// Silence holds when the caller's voice has not been heard for d. d counts from
// the end of the voice, so that the time that the detector takes to be sure of it
// is part of it.
//
// It cannot hold before the detector has told the end of the voice. The detector of
// processors/vad takes 800 ms for that by default, and then any d up to 800 ms is
// the same; give it vad.Params{Stop: 200 * time.Millisecond} in front of a turn.
func Silence(d time.Duration) Condition {
	b := &builtin{name: fmt.Sprintf("Silence(%v)", d), end: true, from: d, wrong: tooShort(d)}
	if d < 0 {
		b.wrong = "silence is not shorter than 0; use Silence(0) to end with the detector's word"
	}
	b.holds = func(f *Facts) (bool, time.Duration) {
		if f.Voice {
			return false, 0
		}
		return f.Since(f.quietFrom(), d)
	}
	return b
}

// quietFrom returns since when the caller has said nothing in this turn: where
// there is no detector, since the last words.
func (f *Facts) quietFrom() time.Duration {
	if !f.Detector {
		return max(f.TextAt, f.TurnFrom)
	}
	return max(f.VoiceTo, f.TurnFrom)
}

// Transcript holds when the caller's voice is not heard and the transcript of
// what they said has come: settle after the last final one, in which time nothing
// more has come, or missing after the voice ended if none came at all, because
// the noise was no speech or the recogniser fails.
//
// After the release of the button of push to talk it does not matter whether a
// voice is heard, since it is no longer part of the turn, and both times count
// from the release on. What was heard up to the release and is not in a final
// transcript is waited for, for missing at most.
//
// In a call in which a whole turn went by and nobody has ever transcribed
// anything, there is nothing to wait for, and it holds at once.
func Transcript(settle, missing time.Duration) Condition {
	b := &builtin{name: fmt.Sprintf("Transcript(%v, %v)", settle, missing), end: true, wrong: cmp.Or(tooShort(settle), tooShort(missing))}
	switch {
	case settle < 0 || missing < 0:
		b.wrong = "both times must be 0 or more"
	case missing < settle:
		b.wrong = "the time to wait for a transcript that is missing, the second, must not be shorter than the time after one that came"
	}
	b.holds = func(f *Facts) (bool, time.Duration) {
		switch {
		case f.Held && !f.Pressed:
			return f.released(settle, missing)
		case f.Voice:
			return false, 0
		case f.Text != "" && f.Final:
			return f.Since(f.TextAt, settle)
		case !f.Transcripts && f.Turns > 0:
			return true, 0
		}
		return f.Since(max(f.quietFrom(), f.TextAt, f.PressedTo), missing)
	}
	return b
}

// released is Transcript for a turn whose button has been released.
func (f *Facts) released(settle, missing time.Duration) (bool, time.Duration) {
	wait := missing
	switch {
	case !f.Transcripts && f.Turns > 0:
		return true, 0
	case f.TextAt >= f.PressedTo, !f.Voice && f.VoiceTo <= f.TextAt: // nothing was said since
		if f.Text != "" && f.Final {
			wait = min(missing, max(0, f.TextAt-f.PressedTo)+settle)
		}
	}
	return f.Since(f.PressedTo, wait)
}

// external is the condition that is none.
type external struct{ builtin }

// External leaves turns to a service that decides them itself, as Nova Sonic
// does: its UserStartedSpeaking and UserStoppedSpeaking are passed on, nothing is
// added, and its own interruptions are the only ones. Idle reminders, muting and
// reports of endless turns work all the same. It must be both the start and the
// end, alone.
func External() Condition {
	return &external{builtin{name: "External", holds: func(f *Facts) (bool, time.Duration) { return f.Turn, 0 }}}
}

func isExternal(c Condition) bool {
	_, ok := c.(*external)
	return ok
}
