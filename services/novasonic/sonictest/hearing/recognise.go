package hearing

import (
	"strings"

	"github.com/parley-go/parley/audio"
)

const (
	// A word belongs to the text if at least half of it was heard.
	enoughOfWord = 0.5

	// An utterance is spoken in DTMF if tones make up this much of it, gaps
	// counted: a real recording has hardly any.
	enoughTone = 0.4
)

// recogniser finds the words of one listener's utterances.
type recogniser struct {
	library *Library
	rate    audio.SampleRate

	// last is where the last part was found: a recording usually goes on where
	// it stopped, and looking there first costs next to nothing.
	last *alignment
}

// recognise fills in the utterance's text, words and parts.
func (r *recogniser) recognise(u *Utterance) {
	if r.spoken(u) {
		return
	}
	if r.library != nil {
		r.locate(u)
	}
}

// spoken recognises DTMF, and tells whether the utterance was.
func (r *recogniser) spoken(u *Utterance) bool {
	found := tones(u.Audio, u.Rate)
	var sounding int
	for _, t := range found {
		sounding += t.to - t.from
	}
	if len(found) == 0 || float64(sounding) < enoughTone*float64(u.End-u.Start) {
		return false
	}
	whole := float64(u.Rate.Samples(ToneDuration))
	var text []string
	for _, t := range found {
		word, _ := keyWord(t.key)
		w := Word{
			Text:  word,
			Start: u.AudioStart + audio.Position(t.from),
			End:   u.AudioStart + audio.Position(t.to),
			Heard: float64(t.to-t.from) / whole,
		}
		u.Words = append(u.Words, w)
		if w.Heard >= enoughOfWord {
			text = append(text, word)
		}
	}
	u.Text = strings.Join(text, " ")
	return true
}
