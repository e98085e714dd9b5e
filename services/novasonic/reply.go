package novasonic

import (
	"strings"
	"unicode/utf8"

	"github.com/parley-go/parley/audio"
)

// reply is one answer of the agent: what the service announces, sentence by
// sentence, and the audio of it.
type reply struct {
	id     string
	begun  bool // LLMResponseStart was sent
	done   bool // LLMResponseEnd was sent, or will never be
	cut    bool // interrupted: what still arrives of it is dropped
	closed bool // the service has said all of it: new speech is another answer

	heard audio.Position // where the caller stopped hearing it; valid if cut
}

// sentence is a piece of an answer, with its place on the agent's track.
type sentence struct {
	reply     *reply
	announced string
	from, to  audio.Position // of its audio so far; empty where none came
	voiced    bool           // audio has come
	said      *entry         // its place in the transcript
}

// heardPart returns the beginning of the sentence that was heard when heard is
// the first position on the track which was not, and whether that is less than
// all of it. Words are taken to be spoken at an even pace.
func (s *sentence) heardPart(heard audio.Position) (text string, cut bool) {
	switch {
	case !s.voiced || heard <= s.from:
		return "", true
	case heard >= s.to:
		return s.announced, false
	}
	n := int(int64(len(s.announced)) * int64(heard-s.from) / int64(s.to-s.from))
	for n > 0 && n < len(s.announced) && !utf8.RuneStart(s.announced[n]) {
		n--
	}
	part := s.announced[:n]
	if rest := s.announced[n:]; rest != "" && !strings.HasPrefix(rest, " ") {
		// Not half a word.
		part = part[:strings.LastIndexByte(part, ' ')+1]
	}
	return strings.TrimRight(part, " "), true
}

// confirms reports whether a FINAL text is about this sentence: all of it, or
// the part that was spoken before an interruption.
func (s *sentence) confirms(final string) bool {
	final, announced := strings.TrimSpace(final), strings.TrimSpace(s.announced)
	return final == announced || final != "" && strings.HasPrefix(announced, final)
}
