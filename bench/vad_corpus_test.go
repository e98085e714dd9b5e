package bench

import (
	"io/fs"
	"math"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/testdata/calls"
)

// utterance is where somebody speaks.
type utterance struct{ from, to time.Duration }

// recording is a sound of which it is known where somebody speaks.
type recording struct {
	name    string
	rate    audio.SampleRate
	samples []int16
	spoken  []utterance
}

// decode reads a file of testdata/calls.
func decode(tb testing.TB, name string) ([]int16, audio.SampleRate) {
	tb.Helper()
	samples, format, err := calls.Read(name)
	if err != nil {
		tb.Fatal(err)
	}
	return samples, format.Rate
}

// callers are the shipped recordings. The script of the shop that they call says
// where they speak.
func callers(tb testing.TB) []recording {
	tb.Helper()
	var script struct {
		Recordings []struct {
			File       string
			Utterances []struct {
				From, To float64
				Text     string
			}
		}
	}
	b, err := fs.ReadFile(calls.Files, "bikeshop.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	if err := yaml.Unmarshal(b, &script); err != nil {
		tb.Fatal(err)
	}
	var list []recording
	for _, r := range script.Recordings {
		rec := recording{name: r.File}
		rec.samples, rec.rate = decode(tb, r.File)
		for _, u := range r.Utterances {
			seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
			rec.spoken = append(rec.spoken, utterance{seconds(u.From), seconds(u.To)})
		}
		list = append(list, rec)
	}
	return list
}

// agent is a recording of the sentences that the shop says, with two seconds of
// silence before, between and behind them.
func agent(tb testing.TB) recording {
	tb.Helper()
	names, err := fs.Glob(calls.Files, "clips/*.mp3")
	if err != nil || len(names) == 0 {
		tb.Fatalf("%d clips, %v", len(names), err)
	}
	r := recording{name: "the shop's clips", rate: audio.Rate24k}
	pause := make([]int16, 2*r.rate)
	r.samples = append(r.samples, pause...)
	for _, name := range names {
		samples, rate := decode(tb, name)
		if rate != r.rate {
			tb.Fatalf("%s is at %v", name, rate)
		}
		from := r.rate.Duration(int64(len(r.samples)))
		r.samples = append(r.samples, samples...)
		r.spoken = append(r.spoken, utterance{from, r.rate.Duration(int64(len(r.samples)))})
		r.samples = append(r.samples, pause...)
	}
	return r
}

// withPink returns r with pink noise that is so many decibels softer than the
// speech, both by their power from 0 to half the rate.
func (r recording) withPink(snr float64) recording {
	var speech float64
	n := 0
	for _, u := range r.spoken {
		for _, s := range r.samples[r.rate.Samples(u.from):r.rate.Samples(u.to)] {
			speech += float64(s) * float64(s)
			n++
		}
	}
	noise := pink(len(r.samples))
	var power float64
	for _, v := range noise {
		power += v * v
	}
	gain := math.Sqrt(speech / float64(n) / (power / float64(len(noise))) / math.Pow(10, snr/10))
	noisy := r
	noisy.samples = make([]int16, len(r.samples))
	for i, s := range r.samples {
		noisy.samples[i] = int16(max(-32768, min(32767, math.Round(float64(s)*0.5+noise[i]*gain*0.5))))
	}
	return noisy
}

// pink makes noise whose power falls by 3 dB an octave: white noise of a fixed
// seed through low-pass filters of one pole, an octave and a half apart.
func pink(n int) []float64 {
	rng := rand.New(rand.NewPCG(20, 26))
	poles := []float64{0.9986, 0.9963, 0.9898, 0.9722, 0.9255, 0.8075, 0.5377}
	state := make([]float64, len(poles))
	out := make([]float64, n)
	for i := range out {
		white := rng.NormFloat64()
		for k, p := range poles {
			state[k] = p*state[k] + (1-p)*white*math.Sqrt((1+p)/(1-p))
			out[i] += state[k]
		}
	}
	return out
}

// title makes a recording's name for a table.
func (r recording) title() string { return strings.TrimSuffix(r.name, path.Ext(r.name)) }
