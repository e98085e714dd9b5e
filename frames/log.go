package frames

import (
	"log/slog"
	"unicode/utf8"
)

// What was said belongs to those who said it: a log gets its length, unless it
// asks for the text. String is for people who look at one call.

func logText(name string, id uint64, text string) slog.Value {
	return slog.GroupValue(
		slog.String("frame", name), slog.Uint64("id", id), slog.Int("characters", utf8.RuneCountInString(text)))
}

// LogValue tells a log how long the text is, and not what it says.
func (f *Text) LogValue() slog.Value { return logText("Text", f.ID(), f.Text) }

// LogValue tells a log how long the text is, and not what it says.
func (f *Transcription) LogValue() slog.Value { return logText("Transcription", f.ID(), f.Text) }

// LogValue tells a log how long the text is, and not what it says.
func (f *InterimTranscription) LogValue() slog.Value {
	return logText("InterimTranscription", f.ID(), f.Text)
}

// LogValue tells a log how long the text is, and not what it says.
func (f *LLMText) LogValue() slog.Value { return logText("LLMText", f.ID(), f.Text) }

// LogValue tells a log how long the text is, and not what it says.
func (f *SpokenText) LogValue() slog.Value { return logText("SpokenText", f.ID(), f.Text) }
