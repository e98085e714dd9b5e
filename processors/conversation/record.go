package conversation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/spoken"
)

// wasSpoken handles the text of record of a part of an answer. It may be of a
// sentence, of a few words, or of several sentences, and comes when it is heard
// or seconds later.
func (b *book) wasSpoken(f *frames.SpokenText) {
	text := strings.TrimSpace(f.Text)
	if text == "" {
		return
	}
	id := b.name(f.Response)
	words := spoken.Words(text)
	open := b.untold(id)

	if n := find(open, func(rest []string) bool { return len(rest) == len(words) && spoken.HasPrefix(rest, words) }); n != nil {
		b.record(n, text, f.Interrupted)
		return
	}
	if n := find(open, func(rest []string) bool { return len(words) > 0 && spoken.HasPrefix(rest, words) }); n != nil {
		b.recordPart(n, text, len(words), f.Interrupted)
		return
	}
	// It may be of several.
	for i, n := range open {
		rest := n.rest()
		if n.worded || len(rest) == 0 || !spoken.HasPrefix(words, rest) {
			continue
		}
		covered, left := 0, words
		for _, o := range open[i:] {
			if rest := o.rest(); o.worded || len(rest) == 0 || !spoken.HasPrefix(left, rest) {
				break
			} else {
				left, covered = left[len(rest):], covered+1
			}
		}
		b.recordSeveral(open[i:], covered, text, f.Interrupted)
		return
	}
	// It is worded otherwise: of what is being heard, if anything is.
	for _, n := range open {
		if n.run != nil && n.State != Unheard && n.spoken == 0 && !n.worded {
			if n.announced != "" {
				b.issue(BadWords, fmt.Sprintf("what was spoken of answer %q is worded otherwise", id))
			}
			b.record(n, text, f.Interrupted)
			return
		}
	}
	// Nothing was announced. That it was spoken is known all the same.
	r := b.latest(id)
	if r == nil {
		r = b.newAnswer(id)
		r.ended = true
	} else if id != "" {
		b.issue(BadWords, fmt.Sprintf("what was spoken of answer %q was not announced", id))
	}
	n := b.sentence(r, Heard)
	n.Place, n.Rough = b.rough(""), true
	b.record(n, text, f.Interrupted)
}

// untold are the sentences that a text of record can be about, oldest first: of
// the answer that it names, or of all if it names none.
func (b *book) untold(id string) []*note {
	var open []*note
	for _, r := range b.responses {
		if r.id != id && id != "" {
			continue
		}
		for _, n := range r.notes {
			if !n.sure && !n.gone {
				open = append(open, n)
			}
		}
	}
	return open
}

// rest are the words of a sentence that were not told to have been spoken.
func (n *note) rest() []string {
	words := spoken.Words(n.announced)
	return words[min(n.spoken, len(words)):]
}

// find returns the sentence whose rest fits: rather one that has been heard, if
// only in part, and of which nothing was told yet.
func find(open []*note, fits func(rest []string) bool) *note {
	var unheard, again *note
	for _, n := range open {
		switch {
		case n.announced == "" || !fits(n.rest()):
		case n.worded:
			again = cmp.Or(again, n)
		case n.State == Unheard:
			unheard = cmp.Or(unheard, n)
		default:
			return n
		}
	}
	return cmp.Or(unheard, again)
}

// record writes down that a sentence was spoken to its end, or was cut behind
// text.
func (b *book) record(n *note, text string, interrupted bool) {
	if n.gone {
		return
	}
	if n.spoken > 0 {
		before, _ := spoken.Split(n.announced, n.spoken)
		text = join(before, text)
	}
	if !n.worded {
		n.Clipped = 0
	}
	n.Text = b.text(n, text)
	n.worded = true
	if u := n.run; !interrupted && u != nil && !u.cut && !u.over && u.heard+u.slack() < u.to {
		// It was told ahead of what is heard, which is known better from playout, if
		// somebody reports any: see finish.
		b.changed(n)
		return
	}
	n.sure, n.Estimated = true, false
	if !interrupted {
		n.State, n.Unheard, n.Reason = Heard, "", ""
		b.dropPending(n)
		b.changed(n)
		return
	}
	n.State, n.Unheard = Cut, ""
	if said, all := spoken.Words(text), spoken.Words(n.announced); spoken.HasPrefix(all, said) {
		_, n.Unheard = spoken.Split(strings.TrimSpace(n.announced), len(said))
	}
	b.dropPending(n)
	b.changed(n)
}

// dropPending forgets that a sentence has had no audio: none was told of.
func (b *book) dropPending(n *note) {
	if n.of != nil {
		n.of.pending = slices.DeleteFunc(n.of.pending, func(o *note) bool { return o == n })
	}
}

// recordPart writes down that the next words of a sentence were spoken.
func (b *book) recordPart(n *note, text string, words int, interrupted bool) {
	if interrupted {
		b.record(n, text, true)
		return
	}
	n.spoken += words
	if n.State == Unheard || n.State == Cut { // later news than the interruption
		n.State = Cut
		n.Text, n.Unheard = spoken.Split(strings.TrimSpace(n.announced), n.spoken)
	}
	b.changed(n)
}

// recordSeveral writes down that several sentences were spoken, and perhaps the
// beginning of another.
func (b *book) recordSeveral(open []*note, covered int, text string, interrupted bool) {
	for i, n := range open[:covered] {
		words := len(n.rest())
		first, rest := spoken.Split(text, words)
		last := i == covered-1
		if last && len(spoken.Words(rest)) == 0 {
			b.record(n, text, false)
			return
		}
		b.record(n, first, false)
		text = rest
	}
	words := spoken.Words(text)
	if covered < len(open) {
		if n := open[covered]; len(words) < len(n.rest()) && spoken.HasPrefix(n.rest(), words) {
			b.recordPart(n, text, len(words), interrupted)
			return
		}
	}
	// There is more than was announced. It is not lost.
	n := open[covered-1]
	b.issue(BadWords, fmt.Sprintf("more was spoken of answer %q than was announced", n.Response))
	n.Text = b.text(n, join(n.Text, text))
	if interrupted {
		n.State = Cut
	}
	b.changed(n)
}
