// Package ffmpeg writes the commands that error messages offer to mend audio
// files with.
package ffmpeg

import (
	"path/filepath"
	"strings"
	"unicode"
)

// Command is the one that makes another file of one: beside it, with the same
// name up to the extension, and suffix behind that.
func Command(path, suffix string, options ...string) string {
	out := strings.TrimSuffix(path, filepath.Ext(path)) + suffix
	return strings.Join(append(append([]string{"ffmpeg", "-i", quoted(path)}, options...), quoted(out)), " ")
}

// silent are the kinds of file, as audio.Identify calls them, that nothing can
// make audio of.
var silent = []string{"an empty file", "a text file", "an HTML page", "a PDF file", "a PNG image", "a JPEG image", "a program", "a ZIP archive", "a gzip archive", "a MIDI file"}

// Convert is the command, with some words before it, for a file that a decoder
// does not take for the reason that err tells, or what else to do about it.
func Convert(path string, err error) string {
	for _, kind := range silent {
		if strings.HasSuffix(err.Error(), "it is "+kind) {
			return "name a WAV or MP3 file"
		}
	}
	words := "convert it, for instance with: "
	if strings.Contains(err.Error(), "convert it") {
		words = "for instance with: "
	}
	return words + Command(path, "-converted.wav", "-c:a", "pcm_s16le")
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	if !strings.ContainsFunc(word, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+=:@,%", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
