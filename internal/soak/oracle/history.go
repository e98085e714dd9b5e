package oracle

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/internal/soak/talk"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// The service's limits on history, in bytes, as the AWS user guide gives them.
const (
	maxMessage = 50_000
	maxHistory = 200_000
)

// interruptedMark ends what the caller did not hear to its end.
const interruptedMark = "[interrupted]"

// histories checks G5: each stream was told what was said before it listened.
func (t *trial) histories() {
	for _, s := range t.streams {
		if len(s.Audio) == 0 {
			continue // it was told nothing, or died while it was
		}
		t.shape(s)
		if s.previous != nil {
			h := t.read(s)
			t.saidByCaller(h)
			t.saidByAgent(h)
			t.outcomesTold(h)
		}
	}
}

// badHistory reports what is wrong with a stream's history, once: what is told
// wrongly to one stream is told wrongly to those after it.
func (t *trial) badHistory(s *stream, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if t.wrong[text] {
		return
	}
	t.wrong[text] = true
	t.violate(BadHistory, s.began(), "%v: %s", s, text)
}

// shape checks what the service demands of a history.
func (t *trial) shape(s *stream) {
	total := 0
	for i, m := range s.History {
		total += len(m.Text)
		switch {
		case i == 0 && m.Role != "USER":
			t.badHistory(s, "the history begins with %s", m.Role)
		case i > 0 && m.Role == s.History[i-1].Role:
			t.badHistory(s, "two messages of the history in a row are of %s", m.Role)
		case len(m.Text) > maxMessage:
			t.badHistory(s, "a message of the history has %d bytes", len(m.Text))
		}
	}
	if total > maxHistory {
		t.badHistory(s, "the history has %d bytes", total)
	}
}

// told is the history of a stream, understood.
type told struct {
	s     *stream
	at    time.Time // when it was sent, at the earliest …
	taken time.Time // … and when it had been taken, and its audio began

	requests []int          // their IDs, in order
	place    map[int]int    // of each request, among all that was told
	lines    []assistedLine // what the agent is said to have said
	text     string
}

// assistedLine is a line of the agent's.
type assistedLine struct {
	text     string // without the mark
	cut      bool   // marked as interrupted
	place    int
	answered bool // found to be what was said
}

var note = regexp.MustCompile(`K\d{5}|^\[`)

// read understands a history. Lines that tell of tools are left to
// outcomesTold.
func (t *trial) read(s *stream) told {
	h := told{s: s, at: s.began().Add(-t.priming(s)), taken: s.began(), place: map[int]int{}}
	place := 0
	var spelled []string // words of requests that were spoken, which may be told in several lines
	flush := func() {
		for _, r := range t.spelledOut(h, spelled) {
			h.add(t, r, place)
			place++
		}
		spelled = nil
	}
	for _, m := range s.History {
		h.text += m.Text + "\n"
		for line := range strings.SplitSeq(m.Text, "\n") {
			line = strings.TrimSpace(line)
			place++
			switch {
			case line == "":
			case note.MatchString(line) && line != interruptedMark:
			case m.Role == "USER":
				if r, ok := talk.ParseTyped(line); ok {
					flush()
					h.add(t, r, place)
					continue
				}
				spelled = append(spelled, strings.Fields(line)...)
			default:
				flush()
				text, cut := strings.CutSuffix(line, interruptedMark)
				h.lines = append(h.lines, assistedLine{text: strings.TrimSpace(text), cut: cut, place: place})
			}
		}
		flush()
	}
	return h
}

// spelledOut finds the requests in words of the caller's.
func (t *trial) spelledOut(h told, words []string) []talk.Request {
	var found []talk.Request
	for len(words) > 0 {
		end := slices.Index(words, "pound") + 1
		r, ok := talk.ParseSpoken(strings.Join(words[:end], " "))
		if !ok {
			if !t.anyLost() {
				t.badHistory(h.s, "the history has %q, which is no whole request", strings.Join(words, " "))
			}
			if end == 0 {
				return found
			}
			words = words[end:]
			continue
		}
		found = append(found, r)
		words = words[end:]
	}
	return found
}

// anyLost tells whether the service has ever said that speech was lost.
func (t *trial) anyLost() bool {
	for _, f := range t.cuts {
		if f.Frame.(*novasonic.Swap).Lost > 0 {
			return true
		}
	}
	return false
}

func (h *told) add(t *trial, r talk.Request, place int) {
	if t.request(r.ID) == nil {
		t.badHistory(h.s, "the history has request %d, which nobody made", r.ID)
		return
	}
	if _, twice := h.place[r.ID]; twice {
		t.badHistory(h.s, "the history has request %d twice", r.ID)
		return
	}
	h.requests = append(h.requests, r.ID)
	h.place[r.ID] = place
}

// saidByCaller checks the requests in a history.
func (t *trial) saidByCaller(h told) {
	var last *request
	for _, id := range h.requests {
		r := t.request(id)
		// What is typed while others are answered is asked after them.
		if last != nil && r.spoken != nil && r.from.Before(last.from) && last.from.Sub(r.from) > 5*time.Second {
			t.badHistory(h.s, "the history has request %d after request %d, which was made later", r.ID, last.ID)
		}
		last = r
		if r.spoken != nil && h.s.received(r.spoken.From, r.spoken.To) > 0 {
			t.badHistory(h.s, "the history has request %d, which the stream is given to hear as well", r.ID)
		}
		if r.spoken == nil && r.writtenTo(h.s) {
			t.badHistory(h.s, "the history has request %d, which the stream is given to read as well", r.ID)
		}
	}
	for _, r := range t.requests {
		if _, there := h.place[r.ID]; there || !t.knownBefore(r, h) {
			continue
		}
		t.badHistory(h.s, "request %d is not in the history", r.ID)
	}
}

// writtenTo tells whether a typed request was sent to a stream.
func (r *request) writtenTo(s *stream) bool {
	return slices.ContainsFunc(s.Texts, func(x sonictest.TextLog) bool { return x.Text == r.Typed() })
}

// knownBefore tells whether the words of a request must have been known when a
// stream was told its history, and are not told to it in another way.
func (t *trial) knownBefore(r *request, h told) bool {
	if r.ID == openingID {
		return false // what makes the agent speak first need not be told
	}
	if r.spoken == nil {
		return !r.writtenTo(h.s) && r.to.Before(h.at.Add(-slack)) && !t.waits(r, h)
	}
	if h.s.received(r.spoken.From, r.spoken.To) > 0 || h.s.onItsWay(r.spoken.From) || t.heardInPart(r) {
		return false
	}
	for _, s := range t.listeners {
		for _, x := range s.Heard {
			at := s.at(x.At).Add(t.userText() + slack)
			if x.Text == r.Spoken() && at.Before(h.at) && !s.failed(at) && at.Before(s.ended) {
				return true
			}
		}
	}
	return false
}

// heardInPart tells whether a request was heard again but for its beginning, which was
// no longer kept: the words are those of the rest.
func (t *trial) heardInPart(r *request) bool {
	return slices.ContainsFunc(t.listeners, func(s *stream) bool {
		from := s.runs[0].from
		return s.swap != nil && s.swap.Lost > 0 && r.spoken.From < from && from < r.spoken.To
	})
}

// onItsWay tells whether a stream failed while what was said before that sample was
// replayed to it: it would have received that as well.
func (s *stream) onItsWay(sample int64) bool {
	return len(s.runs) > 0 && s.runs[0].from <= sample && s.runs[len(s.runs)-1].to <= sample && s.failed(s.ended)
}

// waits tells whether a typed request was still to be asked when a stream was
// told its history: nothing was heard that answers it, and a later stream was asked.
func (t *trial) waits(r *request, h told) bool {
	asked := slices.ContainsFunc(t.heirs, func(s *stream) bool { return s != h.s && !s.began().Before(h.at) && r.writtenTo(s) })
	return asked && !slices.ContainsFunc(r.replies, func(a *answer) bool { return a.heard > 0 && a.first.Before(h.at) })
}

// openingID is the request that makes the agent speak first.
const openingID = 9999

// saidByAgent checks the agent's words in a history.
func (t *trial) saidByAgent(h told) {
	last := map[*answer]int{}
	// Two streams may have had the same words for it: those that were heard come
	// first.
	for _, heard := range []bool{true, false} {
		for _, a := range t.answers {
			if !a.s.Opened.Before(h.at) || a.s == h.s || heard != (a.heard > 0) {
				continue
			}
			for _, s := range a.sentences {
				t.saidSentence(h, a, s, last)
			}
		}
	}
	for _, l := range h.lines {
		if !l.answered && !(l.cut && l.nameless()) {
			t.badHistory(h.s, "the history says that the agent said %q, which the caller did not hear", l.text)
		}
	}
}

func (t *trial) saidSentence(h told, a *answer, s *sentence, last map[*answer]int) {
	share, ever := t.heardShare(s, h.at)
	// Where the stream had failed, and nobody could know, it seems to go on for a while.
	over := 0 < share && share == ever && ever < 1 && !(a.s.failed(later(h.at, h.taken)) && h.at.Sub(a.last) < pause)
	full := time.Duration(0)
	if len(s.PCM) > 0 {
		full = t.OutputRate.Duration(int64(len(s.PCM)))
	}
	wrong := tolerable + t.roundTrip()
	hurry := float64(wrong) / float64(max(full, wrong))
	// It goes on if nothing has ended it yet.
	ended := t.endOf(a)
	cut := a.cutBy != nil && !ended.After(h.at.Add(t.OutputChunk+t.roundTrip())) || over
	n := slices.IndexFunc(h.lines, func(l assistedLine) bool { return !l.answered && l.text == s.Text })
	if n < 0 {
		n = slices.IndexFunc(h.lines, func(l assistedLine) bool { return !l.answered && l.tells(s.Text) })
	}
	if n < 0 {
		// Of what a stream had sent when it failed, there may be hardly a word.
		scrap := a.s.failed(later(h.at, h.taken)) && ever < 1 && ever*float64(len(s.Text)) <= 24
		// And where the service says that it was cut after the first word, it is
		// believed within a second.
		least := 24.0
		if slices.ContainsFunc(h.lines, func(l assistedLine) bool { return l.cut && l.nameless() && strings.HasPrefix(s.Text, l.text+" ") }) {
			least, cut = 40, true
		}
		must := share*float64(len(s.Text)) > least || !cut && !scrap && share > 0
		if must && a.about != nil && !a.about.either {
			t.badHistory(h.s, "%s, of which %.0f %% had been heard, is not in the history", a.name(s), 100*share)
		}
		return
	}
	l := &h.lines[n]
	l.answered = true
	if a.about != nil && a.about.either {
		return // which of the two was said where, nobody can tell, either
	}
	if at, ok := h.place[idOf(a)]; ok && l.place < at && !a.outcome {
		t.badHistory(h.s, "%s comes before the request in the history", a.name(s))
	}
	if l.place < last[a] {
		t.badHistory(h.s, "%s comes before an earlier sentence in the history", a.name(s))
	}
	last[a] = l.place
	whole := len(l.text) == len(s.Text)
	inFull := whole && !l.cut
	wanted := share * float64(len(s.Text))
	// Where a barge-in is not marked, the service takes the answer to have ended
	// before the caller stopped hearing it.
	marked := !t.Service.Behaviour.Interruption.NoMarker
	switch {
	case !marked && (l.cut || a.Interrupted):
	case a.cutBy != nil && ended.Sub(h.at).Abs() <= t.OutputChunk+slack+t.roundTrip(): // it was cut just then
	case a.cutBy != nil && a.heard == 0 && !h.at.Before(ended) && h.at.Sub(ended) <= tolerable: // or was about to be: the caller had just begun to speak
	case share >= 1 && a.s.failed(later(h.at, h.taken)) && len(l.text) >= len(s.Text)-25: // nobody had said that there was no more of it
	case share >= 1 && !inFull && !((cut || a.Interrupted || t.spokenOver(a)) && share*float64(full) <= float64(full+tolerable) && len(l.text) >= len(s.Text)-25):
		t.badHistory(h.s, "%s was heard whole, and the history has %q (interrupted: %v)", a.name(s), l.text, l.cut)
	case share < 1 && cut && inFull && share < 1-hurry:
		t.badHistory(h.s, "of %s %.0f %% were heard before it was cut, and the history has all of it", a.name(s), 100*share)
	case share < 1 && cut && !inFull && !l.cut:
		t.badHistory(h.s, "%s was cut, and is not marked as interrupted in the history", a.name(s))
	case share < 1 && cut && l.cut && (float64(len(l.text)) > wanted+25 || float64(len(l.text)) < wanted-35):
		t.badHistory(h.s, "of %s %.0f of %d characters were heard, and the history has %d", a.name(s), wanted, len(s.Text), len(l.text))
	case share == 0 && cut && a.heard == 0 && len(l.text) > 25:
		t.badHistory(h.s, "%s was never heard, and is in the history", a.name(s))
	}
}

// tolerable is by how much the service's idea of what was heard may be wrong: it
// does not know how long audio is on its way. At a distance it is wrong by more.
const tolerable = 700 * time.Millisecond

// spokenOver tells whether the caller began to speak, or typed, as the end of an
// answer was heard: who then stops it may not know that there is hardly any left.
func (t *trial) spokenOver(a *answer) bool {
	return slices.ContainsFunc(t.requests, func(r *request) bool {
		return r.from.Before(a.last) && a.last.Sub(r.from) <= tolerable
	})
}

// pause is how long a sentence may stop before it is taken to have been cut.
const pause = 2500 * time.Millisecond

// tells tells whether the line is a sentence, or its beginning.
func (l assistedLine) tells(text string) bool {
	if l.text == text {
		return true
	}
	name := naming.FindString(text)
	return strings.HasPrefix(text, l.text+" ") && !l.nameless() && (strings.HasPrefix(l.text, name) || strings.HasPrefix(name, l.text))
}

// nameless tells whether the line is too short to tell which sentence it is the
// beginning of.
func (l assistedLine) nameless() bool { return !strings.Contains(l.text, " ") }

var naming = regexp.MustCompile(`^(reply|outcome) \d+ part \d+ of \d+`)

func idOf(a *answer) int {
	if a.about == nil {
		return -1
	}
	return a.about.ID
}

// endOf is when an answer ended to be heard. One of which nothing was heard, since
// the caller spoke before its turn came, ended with what was heard then.
func (t *trial) endOf(a *answer) time.Time {
	if a.heard > 0 || a.cutBy == nil {
		return a.last
	}
	ended := a.cutBy.from
	for _, b := range t.answers {
		if b.cutBy == a.cutBy && b.heard > 0 {
			ended = later(ended, b.last)
		}
	}
	return ended
}

// heardShare is how much of a sentence had been heard by a time, and how much
// ever was.
func (t *trial) heardShare(s *sentence, at time.Time) (share, ever float64) {
	if len(s.PCM) == 0 {
		return 0, 0
	}
	n, all := 0, 0
	for _, g := range s.heard {
		length := g.to - g.from
		all += length
		n += min(length, max(0, int(t.OutputRate.Samples(at.Sub(t.heardAt(g.at))))))
	}
	return float64(n) / float64(len(s.PCM)), float64(all) / float64(len(s.PCM))
}

// outcomesTold checks that a history has the outcomes of the tools that were
// known.
func (t *trial) outcomesTold(h told) {
	for _, x := range t.Runs {
		if !x.Returned.Before(h.at.Add(-slack)) || strings.Contains(h.text, x.Token()) {
			continue
		}
		inText := slices.ContainsFunc(h.s.Texts, func(y sonictest.TextLog) bool { return strings.Contains(y.Text, x.Token()) })
		if !inText {
			t.badHistory(h.s, "the outcome of call %d of request %d is not in the history", x.Call.Call, x.Request)
		}
	}
}
