package main

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/parley-go/parley/processors/conversation"
)

// lineOf is the line of the transcript that an entry makes; none if nothing was
// heard of it or there are no words.
func lineOf(e conversation.Entry) (Line, bool) {
	switch e.State {
	case conversation.Final, conversation.Speaking, conversation.Heard, conversation.Cut:
	default:
		return Line{}, false
	}
	if e.Place.IsZero() || e.Text == "" && e.Unheard == "" {
		return Line{}, false
	}
	return Line{
		Who: string(e.Who), Text: e.Text, Start: millis(e.Place.From()), End: millis(e.Place.To()),
		Interrupted: e.State == conversation.Cut, response: e.Response,
	}, true
}

// forms are the ways to write a transcript, by the extension of the file.
var forms = map[string]func(conversation.Transcript, io.Writer) error{
	".json": conversation.Transcript.WriteJSON,
	".vtt":  conversation.Transcript.WriteVTT,
	".txt":  conversation.Transcript.WriteText,
}

// save writes a transcript in the form that the name of its file asks for.
func save(said conversation.Transcript, to *reserved) error {
	var b bytes.Buffer
	if err := forms[strings.ToLower(filepath.Ext(to.path))](said, &b); err != nil {
		return errors.Join(err, to.file.Close())
	}
	return to.write(b.Bytes())
}

// turnsOf counts what the service understood of the caller.
func turnsOf(said conversation.Transcript) (n int) {
	for _, e := range said.Entries {
		if e.Who == conversation.Caller {
			n++
		}
	}
	return n
}

// bargeIns are when the caller cut an answer short, of which something was heard: not
// by hanging up, which is how the call ended.
func bargeIns(said conversation.Transcript, ended string) []time.Duration {
	var all []time.Duration
	last := ""
	for _, e := range said.Entries {
		if e.State == conversation.Cut && !e.Place.IsZero() && e.Response != last && e.Reason != brokenOff && e.Reason != ended {
			all, last = append(all, e.Place.To()), e.Response
		}
	}
	return all
}

// brokenOff is why the agent was cut short where it was not the caller.
const brokenOff = "broken off"

// speaker says lines while they are spoken: each when it begins to be heard, or
// was understood, and again if it was interrupted, when it is known what was heard
// of it.
type speaker struct {
	say  func(Line)
	said map[int]conversation.State
}

func newSpeaker(say func(Line)) *speaker {
	return &speaker{say: say, said: make(map[int]conversation.State)}
}

// hear is called when an entry has changed.
func (s *speaker) hear(e conversation.Entry) {
	line, ok := lineOf(e)
	before, begun := s.said[e.ID]
	switch {
	case !ok || before == conversation.Cut || e.State == conversation.Cut && e.Estimated:
		return
	case begun && e.State != conversation.Cut:
		return // nothing new
	}
	s.said[e.ID] = e.State
	s.say(line)
}
