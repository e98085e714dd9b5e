package conversation

import (
	"fmt"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// callerTrack is what is known of one caller.
type callerTrack struct {
	name    string
	interim *note         // what the caller seems to be saying; nil if nothing
	at      time.Duration // when that was told last
	speech  Span          // the last that was told to begin …
	begun   bool          // … whether there was one …
	ended   bool          // … and whether it has ended
	turns   bool          // somebody tells of turns: pauses within them are not looked at
}

// An interim text that no final one follows may be a noise, or what somebody
// between the recogniser and here has kept back without withdrawing it.
const (
	// finalWithin is how long after the speech, and after the last news of it, a
	// final text may come; processors/turn waits as long.
	finalWithin = 5 * time.Second

	// interimWithin is how long there may be no news of what is said while a voice
	// goes on, if its end is ever told.
	interimWithin = 30 * time.Second

	// samePause is how long a pause within what a recogniser takes for one
	// utterance may be, behind its last news. Speech behind a longer one is
	// another.
	samePause = time.Second
)

// stale reports whether what the caller seemed to be saying is not to be
// recognised any more.
func (b *book) stale(c *callerTrack) bool {
	quiet := b.now() - c.at
	if !c.begun {
		return quiet >= finalWithin
	}
	switch from := c.speech.From(); {
	case from >= c.at+samePause:
		return true // something else is said
	case !c.ended:
		return quiet >= interimWithin
	}
	return min(quiet, b.now()-c.speech.To()) >= finalWithin
}

// forgetStale takes back what is not to be recognised any more.
func (b *book) forgetStale() {
	for _, c := range b.callers {
		if c.interim != nil && b.stale(c) {
			b.withdraw(c)
		}
	}
}

// callerOf returns what is known of the caller on a track.
func (b *book) callerOf(track string) *callerTrack {
	track = b.name(track)
	for _, c := range b.callers {
		if c.name == track {
			return c
		}
	}
	c := &callerTrack{name: track}
	if len(b.callers) == maxTracks {
		b.issue(TooMuch, "tracks of callers")
		b.callers = append(b.callers[:0:0], b.callers[1:]...)
	}
	b.callers = append(b.callers, c)
	return c
}

// speechStarted notes where a caller begins to speak, speechStopped where he
// ends. Several may tell of it.
func (b *book) speechStarted(track string, p audio.Position, rate audio.SampleRate) {
	c := b.callerOf(track)
	at, ok := b.place(c, "start of speech", p, rate)
	if !ok {
		return
	}
	if c.begun && !c.ended && at.Rate == c.speech.Rate && at.Start >= c.speech.Start {
		return
	}
	c.speech, c.begun, c.ended = at, true, false
	b.forgetStale()
	if n := c.interim; n != nil && !n.Place.IsZero() && n.Place.Rate == at.Rate && n.Place.Start > at.Start {
		n.Place.Start = at.Start
	}
}

func (b *book) speechStopped(track string, p audio.Position, rate audio.SampleRate) {
	c := b.callerOf(track)
	at, ok := b.place(c, "end of speech", p, rate)
	if !ok || !c.begun || at.Rate != c.speech.Rate {
		return // when it began is not known
	}
	if at.Start < c.speech.Start {
		b.issue(BadPosition, fmt.Sprintf("speech on track %q ends before it begins", c.name))
		return
	}
	c.speech.End, c.ended = at.Start, true
}

// place is the place of a position, which 0 for a rate says is not known.
func (b *book) place(c *callerTrack, what string, p audio.Position, rate audio.SampleRate) (Span, bool) {
	if rate == 0 {
		return Span{}, false
	}
	if !b.tick(rate, p) {
		b.issue(BadPosition, fmt.Sprintf("%s on track %q at %d of %d Hz", what, c.name, p, int(rate)))
		return Span{}, false
	}
	return Span{Track: c.name, Rate: rate, Start: p, End: p}, true
}

// speechSoFar is the place of what is said now, if somebody tells of speech.
func (b *book) speechSoFar(c *callerTrack) (Span, bool) {
	if !c.begun {
		return Span{}, false
	}
	s := c.speech
	if !c.ended {
		s.End = max(s.Start, audio.Position(s.Rate.Samples(b.now())))
	}
	return s, true
}

// heardInterim replaces what the caller seems to be saying.
func (b *book) heardInterim(f *frames.InterimTranscription) {
	c := b.callerOf(f.Track)
	n := c.interim
	if n != nil && n.gone {
		n = nil
	}
	text := strings.TrimSpace(f.Text)
	if text == "" {
		b.withdraw(c)
		return
	}
	if n == nil {
		n = b.add(Caller, Interim)
		c.interim = n
		n.Place, n.Rough = b.rough(c.name), true
		if s, ok := b.speechSoFar(c); ok && !c.ended {
			n.Place = s
		}
	}
	c.at = b.now()
	n.Clipped = 0
	n.Text, n.Language = b.text(n, text), b.name(f.Language)
	if now := audio.Position(n.Place.Rate.Samples(b.now())); now > n.Place.End {
		n.Place.End = now
	}
	b.changed(n)
}

// withdraw takes back what the caller seemed to be saying.
func (b *book) withdraw(c *callerTrack) {
	if n := c.interim; n != nil && !n.gone {
		n.State, n.Text = Withdrawn, ""
		b.changed(n)
		b.remove(n)
	}
	c.interim = nil
}

// heardFinal writes down what the caller has said.
func (b *book) heardFinal(f *frames.Transcription) {
	c := b.callerOf(f.Track)
	text := strings.TrimSpace(f.Text)
	if text == "" {
		b.withdraw(c)
		return
	}
	n := c.interim
	if n == nil || n.gone {
		n = b.add(Caller, Final)
	}
	c.interim = nil
	n.State, n.Clipped, n.Rough = Final, 0, false
	n.Text, n.Language = b.text(n, text), b.name(f.Language)
	switch {
	case f.Rate != 0 && f.Start <= f.End && b.possible(f.Rate, f.Start) && b.tick(f.Rate, f.End):
		n.Place = Span{Track: c.name, Rate: f.Rate, Start: f.Start, End: f.End}
	default:
		if f.Rate != 0 {
			b.issue(BadPosition, fmt.Sprintf("a transcription of track %q from %d to %d of %d Hz", c.name, f.Start, f.End, int(f.Rate)))
		}
		n.Rough = true
		if s, ok := b.speechSoFar(c); ok {
			n.Place = s
		} else if n.Place.IsZero() {
			n.Place = b.rough(c.name)
		}
	}
	b.changed(n)
}

// written writes down what the caller has typed, or what the application
// instructs the model to do.
func (b *book) written(f *frames.Text) {
	text := strings.TrimSpace(f.Text)
	if text == "" {
		return
	}
	who := Caller
	if f.Instruction {
		who = Application
	}
	n := b.add(who, Final)
	n.Typed, n.Text, n.Place, n.Rough = who == Caller, b.text(n, text), b.rough(""), true
	b.changed(n)
}
