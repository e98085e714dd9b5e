package hearing

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
)

// Limits on a [Library].
const (
	maxRecording = 30 * time.Minute
	maxLibrary   = 2 * time.Hour
)

// ErrTooLong is returned by [Library.Add] for audio beyond its limits.
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

// Add adds a recording of at most 30 minutes; a library holds at most 2 hours.
// It keeps no reference to the audio.
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
	if length > maxRecording || l.length+length > maxLibrary {
		return fmt.Errorf("hearing: add recording %q of %v: %w: a recording may last %v, a library %v",
			r.Name, length.Round(time.Second), ErrTooLong, maxRecording, maxLibrary)
	}
	e := &entry{name: r.Name, rate: r.Rate, length: audio.Position(len(r.Audio))}
	for i, k := range r.Utterances {
		if k.Start < 0 || k.End <= k.Start || k.Start >= length {
			return fmt.Errorf("hearing: add recording %q: utterance %d (%q) from %v to %v is not within its %v",
				r.Name, i+1, k.Text, k.Start, k.End, length.Round(time.Millisecond))
		}
		if len(k.Words) == 0 {
			k.Words = spreadWords(k)
		}
		e.utterances = append(e.utterances, k)
	}
	e.signal = analyse(r.Audio, r.Rate)
	e.energy = cumulativeEnergy(e.signal)
	l.recordings = append(l.recordings, e)
	l.length += length
	l.index.add(len(l.recordings)-1, e.signal)
	return nil
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
