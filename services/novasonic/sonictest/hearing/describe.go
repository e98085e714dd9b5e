package hearing

import (
	"strings"

	"github.com/parley-go/parley/audio"
)

// heardWord is a word of a recording, of which a part was heard.
type heardWord struct {
	Word
	entry           *entry
	utterance, word int
	from, to        audio.Position // what was heard of the recording last, in its samples
}

// describe fills in the utterance from the parts that were located in it.
func (r *recogniser) describe(u *Utterance, found []located) {
	if len(found) == 0 {
		return
	}
	var words []heardWord
	for _, m := range found {
		e := r.library.recordings[m.recording]
		p := Part{
			Recording: e.name, Rate: e.rate, Score: m.score,
			From: min(max(position(float64(m.from)+m.lag, e.rate), 0), e.length),
			To:   min(max(position(float64(m.to)+m.lag, e.rate), 0), e.length),
			At:   u.AudioStart + position(float64(m.from), u.Rate),
		}
		u.Parts = append(u.Parts, p)
		words = hearWords(words, e, p, u.Rate)
	}
	u.Recording = u.Parts[0].Recording
	for _, w := range words {
		u.Words = append(u.Words, w.Word)
	}
	u.Text = compose(words)
}

// hearWords adds the words that are in a part of a recording. A word that a
// hole divides is one word.
func hearWords(words []heardWord, e *entry, p Part, rate audio.SampleRate) []heardWord {
	const unnoticed = 0.02
	for i, k := range e.utterances {
		for j, w := range k.Words {
			start, end := audio.Position(e.rate.Samples(w.Start)), audio.Position(e.rate.Samples(w.End))
			from, to := max(start, p.From), min(end, p.To)
			heard := float64(to-from) / float64(max(end-start, 1))
			if heard < unnoticed {
				continue
			}
			on := func(at audio.Position) audio.Position { return p.At + (at-p.From).At(e.rate, rate) }
			if n := len(words) - 1; n >= 0 {
				last := &words[n]
				if last.entry == e && last.utterance == i && last.word == j && last.to <= from {
					last.End, last.to = on(to), to
					last.Heard += heard
					continue
				}
			}
			words = append(words, heardWord{
				Word:  Word{Text: w.Text, Start: on(from), End: on(to), Heard: heard},
				entry: e, utterance: i, word: j, from: from, to: to,
			})
		}
	}
	return words
}

// compose makes a text of the words of which enough was heard. Where all words
// of an utterance follow each other it is the utterance's text as written.
func compose(words []heardWord) string {
	var text []string
	for i := 0; i < len(words); {
		w := words[i]
		k := w.entry.utterances[w.utterance]
		if w.word == 0 && whole(words[i:], len(k.Words)) {
			text = append(text, k.Text)
			i += len(k.Words)
			continue
		}
		if w.Heard >= enoughOfWord {
			text = append(text, w.Text)
		}
		i++
	}
	return strings.Join(text, " ")
}

// whole tells whether words begin with the n words of the first one's utterance.
func whole(words []heardWord, n int) bool {
	if len(words) < n {
		return false
	}
	for i, w := range words[:n] {
		if w.entry != words[0].entry || w.utterance != words[0].utterance || w.word != i || w.Heard < enoughOfWord {
			return false
		}
	}
	return true
}
