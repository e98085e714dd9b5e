package hearing

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
)

// maxLibrary limits the recordings of a [Library] together: a minute takes about
// 8 MB, and some ten milliseconds of each search.
const maxLibrary = 30 * time.Minute

// ErrTooLong is returned by [Library.Add] for audio beyond its limit.
var ErrTooLong = errors.New("too long")

// Recording is audio whose words are known.
type Recording struct {
	Name       string // names it in a [Part]; unique in its library
	Audio      []int16
	Rate       audio.SampleRate
	Utterances []Known
}

// Known is one utterance of a recording.
type Known struct {
	Text       string
	Start, End time.Duration // in the recording

	// Words are the times of the single words, in order; if empty they are
	// taken to be evenly spoken, each as long as its number of letters.
	Words []KnownWord
}

// KnownWord is one word of a known utterance.
type KnownWord struct {
	Text       string
	Start, End time.Duration // in the recording
}

// Library is a set of recordings that listeners recognise. Add to it first;
// afterwards any number of listeners may share it. The zero value is empty.
type Library struct {
	recordings []*entry
	length     time.Duration
	index      index
}

// entry is a recording prepared for being found.
type entry struct {
	name       string
	rate       audio.SampleRate
	length     audio.Position // in samples at rate
	utterances []Known
	signal     []float32 // at analysisRate, see analyse
	energy     []float64 // energy[i] is that of signal[:i]
}

// Add adds a recording. A library holds at most 30 minutes of them. It keeps no
// reference to the audio.
//
// The times of an utterance may be rough: they are narrowed to where the
// recording has its energy.
func (l *Library) Add(r Recording) error {
	if r.Name == "" {
		return errors.New("hearing: add recording: it has no name")
	}
	for _, e := range l.recordings {
		if e.name == r.Name {
			return fmt.Errorf("hearing: add recording %q: the library has one of that name", r.Name)
		}
	}
	if r.Rate < audio.Rate8k {
		return fmt.Errorf("hearing: add recording %q: a rate of %v is below 8 kHz", r.Name, r.Rate)
	}
	length := r.Rate.Duration(int64(len(r.Audio)))
	if length == 0 {
		return fmt.Errorf("hearing: add recording %q: it is empty", r.Name)
	}
	if l.length+length > maxLibrary {
		return fmt.Errorf("hearing: add recording %q of %v: %w: the recordings of a library may last %v together",
			r.Name, length.Round(time.Second), ErrTooLong, maxLibrary)
	}
	e := &entry{name: r.Name, rate: r.Rate, length: audio.Position(len(r.Audio)), signal: analyse(r.Audio, r.Rate, 0)}
	e.energy = cumulativeEnergy(e.signal)
	for i, k := range r.Utterances {
		if k.Start < 0 || k.End <= k.Start || k.Start >= length {
			return fmt.Errorf("hearing: add recording %q: utterance %d (%q) from %v to %v is not within its %v",
				r.Name, i+1, k.Text, k.Start, k.End, length.Round(time.Millisecond))
		}
		e.utterances = append(e.utterances, e.narrow(k))
	}
	l.recordings = append(l.recordings, e)
	l.length += length
	l.index.add(len(l.recordings)-1, e.signal)
	return nil
}

// narrow moves the utterance's times to where its energy is, and gives it words.
func (e *entry) narrow(k Known) Known {
	last := len(e.signal)
	lo, hi := middle(e.energy, min(int(analysisRate.Samples(k.Start)), last), min(int(analysisRate.Samples(k.End)), last))
	k.Start, k.End = analysisRate.Duration(int64(lo)), analysisRate.Duration(int64(hi))
	if len(k.Words) == 0 {
		k.Words = spreadWords(k)
		return k
	}
	words := make([]KnownWord, 0, len(k.Words))
	for _, w := range k.Words {
		w.Start, w.End = max(w.Start, k.Start), min(w.End, k.End)
		if w.Start < w.End {
			words = append(words, w)
		}
	}
	k.Words = words
	return k
}

// spreadWords spreads the words of an utterance over its length.
func spreadWords(k Known) []KnownWord {
	fields := strings.Fields(k.Text)
	var letters int
	for _, f := range fields {
		letters += len(f) + 1
	}
	words := make([]KnownWord, 0, len(fields))
	at, done := k.Start, 0
	for _, f := range fields {
		done += len(f) + 1
		end := k.Start + time.Duration(float64(k.End-k.Start)*float64(done)/float64(letters))
		words = append(words, KnownWord{Text: f, Start: at, End: end})
		at = end
	}
	return words
}
