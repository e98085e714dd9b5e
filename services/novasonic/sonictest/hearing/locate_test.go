package hearing

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

var lines = []string{
	"Hello, I would like to bring my bicycle in for a repair.",
	"The front brake makes a terrible noise.",
	"Which days are you open this week?",
	"Thank you very much, goodbye.",
}

// caller is a recording of all lines at a rate, with a second before each.
func caller(rate audio.SampleRate) Recording {
	r := Recording{Name: "caller", Rate: rate}
	for i, line := range lines {
		r.Audio = append(r.Audio, make([]int16, rate)...)
		start := rate.Duration(int64(len(r.Audio)))
		r.Audio = append(r.Audio, voice.Synthesize(line, voice.Options{Rate: rate, Seed: uint64(i)})...)
		r.Utterances = append(r.Utterances, Known{Text: line, Start: start, End: rate.Duration(int64(len(r.Audio)))})
	}
	r.Audio = append(r.Audio, make([]int16, rate)...)
	return r
}

func libraryOf(t testing.TB, recordings ...Recording) *Library {
	t.Helper()
	l := new(Library)
	for _, r := range recordings {
		if err := l.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// convert resamples with a long windowed sinc, delayed by a number of samples of
// the original that need not be whole.
func convert(samples []int16, from, to audio.SampleRate, delay float64) []int16 {
	const zeros, resolution = 16, 1024
	table := make([]float64, 2*zeros*resolution+2) // sin and cos take too long for each sample
	for i := range table {
		x := float64(i)/resolution - zeros
		table[i] = 0.95 * sinc(0.95*x) * hann(x/zeros)
	}
	step := float64(from) / float64(to)
	width := max(step, 1)
	out := make([]int16, len(samples)*int(to)/int(from))
	for n := range out {
		centre := float64(n)*step - delay
		var sum float64
		first, last := int(math.Ceil(centre-zeros*width)), int(centre+zeros*width)
		for i := max(first, 0); i <= min(last, len(samples)-1); i++ {
			at := ((float64(i)-centre)/width + zeros) * resolution
			whole := min(max(int(at), 0), len(table)-2)
			rest := at - float64(whole)
			sum += float64(samples[i]) * (table[whole]*(1-rest) + table[whole+1]*rest)
		}
		out[n] = int16(math.Round(min(max(sum/width, -32768), 32767)))
	}
	return out
}

func addNoise(samples []int16, decibels float64) []int16 {
	var power float64
	for _, s := range samples {
		power += float64(s) * float64(s)
	}
	amplitude := math.Sqrt(power / float64(len(samples)) / math.Pow(10, decibels/10))
	random := rand.New(rand.NewPCG(1, 2))
	out := slices.Clone(samples)
	for i := range out {
		out[i] = int16(min(max(float64(out[i])+amplitude*random.NormFloat64(), -32768), 32767))
	}
	return out
}

func texts(us []*Utterance) []string {
	var out []string
	for _, u := range us {
		out = append(out, u.Text)
	}
	return out
}

func TestAKnownRecordingIsUnderstoodAtAnyRate(t *testing.T) {
	r := caller(audio.Rate16k)
	library := libraryOf(t, r)
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate24k, audio.Rate44k} {
		for _, delay := range []float64{0, 777.3} {
			t.Run(fmt.Sprintf("%v delayed by %v samples", rate, delay), func(t *testing.T) {
				us := utterances(hear(Options{Rate: rate, Library: library}, convert(r.Audio, r.Rate, rate, delay)))
				if got := texts(us); !slices.Equal(got, lines) {
					t.Fatalf("heard %q, want %q", got, lines)
				}
				for _, u := range us {
					if len(u.Parts) != 1 {
						t.Fatalf("%q was heard in %d parts: %+v", u.Text, len(u.Parts), u.Parts)
					}
					p := u.Parts[0]
					at := (float64(p.At)/float64(rate) - (float64(p.From)+delay)/float64(r.Rate)) * 1000
					if math.Abs(at) > 0.1 {
						t.Errorf("%q: sample %d of the recording was heard %.3f ms away from where it was", u.Text, p.From, at)
					}
					if p.Score < 0.98 {
						t.Errorf("%q: the score is %.3f", u.Text, p.Score)
					}
				}
			})
		}
	}
}

func TestAKnownRecordingIsUnderstoodUnderNoise(t *testing.T) {
	r := caller(audio.Rate16k)
	library := libraryOf(t, r)
	for _, decibels := range []float64{30, 20, 15, 10} {
		us := utterances(hear(Options{Library: library}, addNoise(r.Audio, decibels)))
		if got := texts(us); !slices.Equal(got, lines) {
			t.Errorf("at %v dB heard %q, want %q", decibels, got, lines)
		}
	}
}

// A stream that begins or ends in mid-sentence hears part of it; which part is
// known to a millisecond.
func TestThePartThatWasHeardIsKnownToAMillisecond(t *testing.T) {
	r := caller(audio.Rate16k)
	library := libraryOf(t, r)
	whole := libraryOf(t, r).recordings[0].utterances
	const rate = audio.Rate16k
	for i, k := range whole {
		length := k.End - k.Start
		for _, fraction := range []float64{0.25, 0.4, 0.6, 0.75} {
			cut := k.Start + time.Duration(fraction*float64(length))
			at := rate.Samples(cut)
			t.Run(fmt.Sprintf("utterance %d from %.0f%%", i, 100*fraction), func(t *testing.T) {
				us := utterances(hear(Options{Library: library}, r.Audio[at:rate.Samples(k.End+700*time.Millisecond)]))
				checkCut(t, r.Audio, us, audio.Position(at), 0, expectedWords(k, cut, k.End))
			})
			t.Run(fmt.Sprintf("utterance %d up to %.0f%%", i, 100*fraction), func(t *testing.T) {
				us := utterances(hear(Options{Library: library}, join(r.Audio[rate.Samples(k.Start-300*time.Millisecond):at], silence(rate, time.Second))))
				checkCut(t, r.Audio, us, 0, audio.Position(at), expectedWords(k, k.Start, cut))
			})
		}
	}
}

// expectedWords are the words in [from, to), without regard to those of which
// about a half is.
func expectedWords(k Known, from, to time.Duration) func(text string) bool {
	var all, half []string
	for _, w := range spreadWords(k) {
		switch heard := (min(w.End, to) - max(w.Start, from)).Seconds() / (w.End - w.Start).Seconds(); {
		case heard > 0.65:
			all = append(all, w.Text)
		case heard > 0.35:
			half = append(half, w.Text)
		}
	}
	return func(text string) bool {
		words := strings.Fields(text)
		words = slices.DeleteFunc(words, func(w string) bool { return slices.Contains(half, w) })
		return slices.Equal(words, all)
	}
}

func checkCut(t *testing.T, recording []int16, us []*Utterance, from, to audio.Position, text func(string) bool) {
	t.Helper()
	if len(us) != 1 || len(us[0].Parts) != 1 {
		t.Fatalf("heard %+v, want one utterance in one part", us)
	}
	p := us[0].Parts[0]
	if from > 0 && !near(recording, p.From, from) {
		t.Errorf("the part begins at sample %d, %d too late", p.From, p.From-from)
	}
	if to > 0 && !near(recording, p.To, to) {
		t.Errorf("the part ends at sample %d, %d too late", p.To, p.To-to)
	}
	if !text(us[0].Text) {
		t.Errorf("heard %q, which are not the words in the part", us[0].Text)
	}
}

// near tells whether a cut in a recording at 16 kHz was found to a millisecond,
// but for samples next to it that are too quiet to tell: less than 0.2 ms of
// loud speech in all.
func near(recording []int16, found, cut audio.Position) bool {
	var mean, between float64
	for _, s := range recording {
		mean += float64(s) * float64(s)
	}
	mean /= float64(len(recording)) / 2 // half of it is silence
	for i := min(found, cut); i < max(found, cut); i++ {
		between += float64(recording[i]) * float64(recording[i])
	}
	return max(found-cut, cut-found) <= 16 || between < 3*mean
}

func TestSpeechHeardTwiceIsTwoPartsThatOverlap(t *testing.T) {
	r := caller(audio.Rate16k)
	const rate = audio.Rate16k
	k := r.Utterances[0]
	at := func(d time.Duration) int64 { return rate.Samples(k.Start + d) }
	// A replay that goes back half a second.
	us := utterances(hear(Options{Library: libraryOf(t, r)},
		join(r.Audio[at(0):at(1800*time.Millisecond)], r.Audio[at(1300*time.Millisecond):at(4*time.Second)])))
	if len(us) != 1 || len(us[0].Parts) != 2 {
		t.Fatalf("heard %+v, want one utterance in two parts", us)
	}
	p := us[0].Parts
	if cut := audio.Position(at(1800 * time.Millisecond)); !near(r.Audio, p[0].To, cut) {
		t.Errorf("the first part ends %d samples late", p[0].To-cut)
	}
	if cut := audio.Position(at(1300 * time.Millisecond)); !near(r.Audio, p[1].From, cut) {
		t.Errorf("the second part begins %d samples late", p[1].From-cut)
	}
}

func TestAHoleInASentenceDividesItsParts(t *testing.T) {
	r := caller(audio.Rate16k)
	const rate = audio.Rate16k
	from, to := rate.Samples(r.Utterances[0].Start+1500*time.Millisecond), rate.Samples(r.Utterances[0].Start+1800*time.Millisecond)
	damaged := slices.Clone(r.Audio)
	clear(damaged[from:to])
	us := utterances(hear(Options{Library: libraryOf(t, r)}, damaged))
	if len(us) != len(lines) || len(us[0].Parts) != 2 {
		t.Fatalf("heard %+v, want the first utterance in two parts", us)
	}
	p := us[0].Parts
	if !near(r.Audio, p[0].To, audio.Position(from)) {
		t.Errorf("the hole begins %d samples late", int64(p[0].To)-from)
	}
	if !near(r.Audio, p[1].From, audio.Position(to)) {
		t.Errorf("the hole ends %d samples late", int64(p[1].From)-to)
	}
	if us[0].Text == lines[0] {
		t.Errorf("%q was heard whole through a hole of 300 ms", us[0].Text)
	}
}

func TestUnknownSpeechHasNoText(t *testing.T) {
	library := libraryOf(t, caller(audio.Rate16k))
	for i, line := range append(slices.Clone(lines), "Completely different words are said in here.", "Hello, I would like to") {
		other := voice.Synthesize(line, voice.Options{Rate: audio.Rate16k, Seed: 1000 + uint64(i), Pitch: 130 + 10*float64(i)})
		for _, u := range utterances(hear(Options{Library: library}, join(other, silence(audio.Rate16k, time.Second)))) {
			if u.Text != "" || len(u.Parts) > 0 {
				t.Errorf("%q in another voice was taken for %q %+v", line, u.Text, u.Parts)
			}
		}
	}
}

func TestALibraryRefusesWhatItCannotHold(t *testing.T) {
	good := caller(audio.Rate16k)
	for _, c := range []struct {
		name  string
		spoil func(*Recording)
		want  string
	}{
		{"no name", func(r *Recording) { r.Name = "" }, "it has no name"},
		{"a name twice", func(r *Recording) { r.Name = "first" }, `"first": the library has one of that name`},
		{"no audio", func(r *Recording) { r.Audio = nil }, "it is empty"},
		{"low rate", func(r *Recording) { r.Rate = 4000 }, "below 8 kHz"},
		{"too much", func(r *Recording) { r.Audio = make([]int16, 16000*60*31) }, "too long"},
		{"times reversed", func(r *Recording) { r.Utterances[1].End = 0 }, "utterance 2"},
		{"beyond the end", func(r *Recording) { r.Utterances[0].Start += time.Hour; r.Utterances[0].End += time.Hour }, "not within"},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, second := good, good
			first.Name = "first"
			second.Utterances = slices.Clone(good.Utterances)
			c.spoil(&second)
			err := libraryOf(t, first).Add(second)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func BenchmarkRecognise(b *testing.B) {
	r := caller(audio.Rate16k)
	other := r
	other.Name = "other"
	other.Audio = voice.Synthesize(strings.Repeat(strings.Join(lines, " "), 5), voice.Options{Rate: audio.Rate16k, Seed: 99})
	other.Utterances = nil
	library := libraryOf(b, other, r)
	digits := join(Speak(audio.Rate16k, "1234567890"), silence(audio.Rate16k, time.Second))
	line := r.Audio[:audio.Rate16k.Samples(r.Utterances[0].End+time.Second)]
	for _, c := range []struct {
		name    string
		library *Library
		samples []int16
	}{
		{"silence", library, silence(audio.Rate16k, 5*time.Second)},
		{"DTMF", library, digits},
		{"known, going on", library, r.Audio},
		{"known, anywhere", library, line},
		{"unknown", library, voice.Synthesize(lines[1], voice.Options{Rate: audio.Rate16k, Seed: 77, Pitch: 190})},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				hear(Options{Library: c.library}, c.samples)
			}
			seconds := audio.Rate16k.Duration(int64(len(c.samples))).Seconds()
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/seconds, "µs/s-of-audio")
		})
	}
}
