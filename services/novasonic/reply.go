package novasonic

import (
	"context"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/spoken"
)

// reply is one answer of the agent: what the service announces, sentence by
// sentence, and the audio of it.
type reply struct {
	id     string
	gen    context.Context // the pipeline's generation in which it began
	after  int             // number of the stream's utterance that it answers
	since  time.Time       // when it was begun
	lastAt time.Time       // when the last of it came
	begun  bool            // LLMResponseStart was sent
	voiced bool            // audio of it has come
	done   bool            // LLMResponseEnd was sent, or will never be
	cut    bool            // interrupted: what still arrives of it is dropped
	closed bool            // the service has said all of it: new speech is another answer

	// unwanted is an answer that a stream begins though it no longer listens:
	// nothing of it is heard or told.
	unwanted bool

	about []*call // the results that it tells of

	heard audio.Position // where the caller stops hearing it; valid if cut
}

// cutAt notes that no more of an answer than up to heard will be heard.
func (r *reply) cutAt(heard audio.Position) {
	if r.cut {
		heard = min(heard, r.heard)
	}
	r.cut, r.heard = true, heard
}

// sentence is a piece of an answer, with its place on the agent's track.
type sentence struct {
	reply       *reply
	c           *connection // the stream that said it
	announced   string
	announcedAt time.Time
	from, to    audio.Position // of its audio so far; empty where none came
	voiced      bool           // audio has come
	complete    bool           // all of its audio has come
	lost        stretch        // of it, what was dropped last on its way to the caller
	endedAt     time.Time      // when the service ended its audio
	said        *entry         // its place in the transcript

	final       string // its FINAL text; empty if that has not come
	unconfirmed bool   // no FINAL text will come
	told        bool   // as SpokenText
}

// stretch is a part of the agent's track.
type stretch struct{ from, to audio.Position }

// heardUpTo returns where the caller stops hearing the sentence, who was to hear it up to
// there, but for its end if that was dropped.
func (s *sentence) heardUpTo(there audio.Position, rate audio.SampleRate) audio.Position {
	if s.lost.to > 0 && s.lost.to+audio.Position(rate.Samples(nearEnd)) >= there {
		return min(s.lost.from, there)
	}
	return there
}

// awaitsFinal reports whether a FINAL text of the sentence may still come.
func (s *sentence) awaitsFinal() bool { return s.final == "" && !s.unconfirmed }

const (
	// charactersASecond is how fast the service speaks, for the length of a
	// sentence whose audio did not all come.
	charactersASecond = spoken.CharactersASecond

	// tooFast is how fast nobody speaks. On a barge-in the service ends the
	// block of audio in mid-sentence before it says why.
	tooFast = 30
)

// heardPart returns the beginning of the sentence that was heard when heard is
// the first position on the track which was not, and whether that is less than
// all of it. Words are taken to be spoken at an even pace.
func (s *sentence) heardPart(heard audio.Position, rate audio.SampleRate) (text string, cut bool) {
	length, letters := s.to-s.from, audio.Position(len(s.announced))*audio.Position(rate)
	if !s.complete || s.reply.cut && length < letters/tooFast {
		length = max(length, letters/charactersASecond)
	}
	switch {
	case !s.voiced || heard <= s.from:
		return "", true
	case heard-s.from >= length:
		return s.announced, false
	}
	return spoken.Part(s.announced, int64(min(heard, s.to)-s.from), int64(length)), true
}

// says reports whether text has the words of the sentence.
func (s *sentence) says(text string) bool {
	if strings.TrimSpace(text) == strings.TrimSpace(s.announced) {
		return true
	}
	a, b := spoken.Words(text), spoken.Words(s.announced)
	return len(a) == len(b) && spoken.HasPrefix(b, a)
}

// cutIn reports whether a FINAL text says that the sentence was cut short: it
// has only the first of its words. Where it has others, the answer's own fate
// tells.
func (s *sentence) cutIn(text string) bool {
	return !s.says(text) && (s.reply.cut || s.beginsWith(text))
}

// beginsWith reports whether the sentence begins with the words of text.
func (s *sentence) beginsWith(text string) bool {
	a := spoken.Words(text)
	return len(a) > 0 && spoken.HasPrefix(spoken.Words(s.announced), a)
}
