// Package ear tells the tests of the examples which sentences are in a recording: those
// of the callers and of the agent of testdata/calls, whatever they went through.
package ear

import (
	"fmt"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/testdata/calls"
)

// Sentence is one that was heard, or a part of it.
type Sentence struct {
	Text     string
	From, To time.Duration // where, in what was listened to
	Heard    time.Duration // how much of it
	Whole    time.Duration // how long it is
	Score    float64       // the least normalised correlation with the original, 1 at best
}

func (s Sentence) String() string {
	return fmt.Sprintf("%q from %.2f to %.2f s, %.2f s of %.2f", s.Text, s.From.Seconds(), s.To.Seconds(), s.Heard.Seconds(), s.Whole.Seconds())
}

// hole is the longest that does not make two of a sentence.
const hole = 500 * time.Millisecond

// Texts returns what was said, sentence by sentence.
func Texts(all []Sentence) []string {
	var texts []string
	for _, s := range all {
		texts = append(texts, s.Text)
	}
	return texts
}

// Listen returns the known sentences in a recording, in their order.
func Listen(t *testing.T, samples []int16, rate audio.SampleRate) []Sentence {
	t.Helper()
	known, lengths := sentences(t)
	listener := hearing.New(hearing.Options{Rate: rate, Library: known})
	var heard []Sentence
	for _, e := range append(listener.Write(samples), listener.Close()...) {
		if e.Utterance == nil {
			continue
		}
		for _, p := range e.Utterance.Parts {
			from, length := rate.Duration(int64(p.At)), p.Rate.Duration(int64(p.To-p.From))
			s := Sentence{p.Recording, from, from + length, length, lengths[p.Recording], p.Score}
			if n := len(heard) - 1; n >= 0 && heard[n].Text == s.Text && s.From-heard[n].To < hole {
				heard[n].To, heard[n].Heard, heard[n].Score = s.To, heard[n].Heard+s.Heard, min(heard[n].Score, s.Score)
				continue
			}
			heard = append(heard, s)
		}
	}
	return heard
}

// sentences returns each known sentence as a recording of its own, named by its text,
// and how long they are.
func sentences(t *testing.T) (*hearing.Library, map[string]time.Duration) {
	t.Helper()
	var script struct {
		Clips []struct {
			Text, File string
		}
		Recordings []struct {
			File       string
			Utterances []struct {
				From, To float64
				Text     string
			}
		}
	}
	text, err := calls.Files.ReadFile("bikeshop.yaml")
	if err == nil {
		err = yaml.Unmarshal(text, &script)
	}
	if err != nil {
		t.Fatal(err)
	}
	var library hearing.Library
	lengths := map[string]time.Duration{}
	add := func(text string, samples []int16, rate audio.SampleRate) {
		lengths[text] = rate.Duration(int64(len(samples)))
		known := []hearing.Known{{Text: text, End: lengths[text]}}
		if err := library.Add(hearing.Recording{Name: text, Audio: samples, Rate: rate, Utterances: known}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) ([]int16, audio.SampleRate) {
		samples, format, err := calls.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		return samples, format.Rate
	}
	for _, c := range script.Clips {
		samples, rate := read(c.File)
		add(c.Text, samples, rate)
	}
	for _, r := range script.Recordings {
		samples, rate := read(r.File)
		for _, u := range r.Utterances {
			from, to := rate.Samples(seconds(u.From)), rate.Samples(seconds(u.To))
			add(u.Text, samples[from:to], rate)
		}
	}
	return &library, lengths
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
