// Package spoken has the rules, one for the whole of Parley, by which an answer
// that was cut short is put into words: how much of it the caller heard, whether
// two texts say the same, what a word is, and how a model is told of it. The memory
// that novasonic takes from stream to stream, the transcript of record in
// processors/conversation and the turns in processors/turn keep them.
package spoken

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CharactersASecond is how fast people and services speak, about, for the length
// of a sentence whose audio did not all come.
const CharactersASecond = 15

// WithMark tells a model that reads the text that it was cut short there.
func WithMark(text string, interrupted bool) string {
	if interrupted && text != "" {
		return text + " [interrupted]"
	}
	return text
}

// Instruction tells a model that reads the history of a conversation that a text
// was the application's, and no user's words.
func Instruction(text string) string { return "[Instruction: " + text + "]" }

// Part returns the beginning of a text that takes whole to be spoken and of which
// part was heard, in whole words: they are taken to be spoken at an even pace.
func Part(text string, part, whole int64) string {
	if whole <= 0 || part <= 0 {
		return ""
	}
	n := len(text)
	if part < whole {
		n = int(int64(n) * part / whole)
	}
	for n > 0 && !endsWord(text, n) {
		n--
	}
	return strings.TrimRightFunc(text[:n], unicode.IsSpace)
}

// endsWord reports whether a text may end before its byte n: not within a word,
// nor within a character.
func endsWord(text string, n int) bool {
	if n == len(text) {
		return true
	}
	if !utf8.RuneStart(text[n]) {
		return false
	}
	next, _ := utf8.DecodeRuneInString(text[n:])
	before, _ := utf8.DecodeLastRuneInString(text[:n])
	return unicode.IsSpace(next) || unicode.IsSpace(before) || isWord(next)
}

// isWord reports whether a character is a word of its own: some scripts are
// written without spaces. A mark belongs to the character before it.
func isWord(r rune) bool {
	return !unicode.IsMark(r) && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// ofAWord reports whether a character is of a word. A mark is: a vowel in
// Devanagari, an accent of its own.
func ofAWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }

// joins reports whether a character neither is of a word nor ends it: apostrophes,
// which are written in more than one way or left out, and what joins letters or
// keeps them apart unseen.
func joins(r rune) bool { return strings.ContainsRune("'’\u200c\u200d", r) }

// Words are the words of a text without punctuation, apostrophes and capitals.
func Words(text string) []string {
	joined := strings.Map(func(r rune) rune {
		if joins(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
	return strings.FieldsFunc(joined, func(r rune) bool { return !ofAWord(r) })
}

// Count returns how many words a text has. Two characters of a script that is
// written without spaces make one.
func Count(text string) int {
	n := 0
	for _, w := range Words(text) {
		dense, spaced := 0, false
		for _, r := range w {
			switch {
			case unicode.IsMark(r):
			case isWord(r):
				dense++
			default:
				spaced = true
			}
		}
		n += (dense + 1) / 2
		if spaced {
			n++
		}
	}
	return n
}

// HasPrefix reports whether all words begin with those of prefix.
func HasPrefix(all, prefix []string) bool {
	if len(prefix) > len(all) {
		return false
	}
	for i, w := range prefix {
		if all[i] != w {
			return false
		}
	}
	return true
}

// Split divides a text behind its first n words: what stands between them and the
// next goes with the first part, but for space.
func Split(text string, n int) (first, rest string) {
	if n <= 0 {
		return "", strings.TrimSpace(text)
	}
	words, within := 0, false
	for i, r := range text {
		if !ofAWord(r) {
			within = within && joins(r)
			continue
		}
		if within {
			continue
		}
		if words == n {
			// Brackets and quotes that open belong to what follows them.
			head := strings.TrimRightFunc(text[:i], func(r rune) bool { return unicode.In(r, unicode.Ps, unicode.Pi) || joins(r) })
			return strings.TrimSpace(head), strings.TrimSpace(text[len(head):])
		}
		words, within = words+1, true
	}
	return strings.TrimSpace(text), ""
}

// maxCallText bounds what is said of the arguments and of the result of a call.
const maxCallText = 4000

// Call is what a model that reads words only is told of a call. result is nil if
// there is none yet.
func Call(name string, arguments, result json.RawMessage) string {
	s := "[I called " + name
	if len(arguments) > 0 {
		s += " with " + KeepStart(string(arguments), maxCallText)
	}
	if result == nil {
		return s + "; there is no result yet.]"
	}
	return s + "; it returned " + KeepStart(string(result), maxCallText) + ".]"
}

// KeepStart returns the first part of s that is at most n bytes long, with a
// mark if that is not all of it.
func KeepStart(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + " …"
}
