package voice

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
)

const (
	question = "Which day would you like to come?"
	answer   = "We open at nine, and close at half past five."
)

func twoSentences() (a, b []int16) {
	return Synthesize(question, Options{Seed: 1}), Synthesize(answer, Options{Seed: 2})
}

func join(pieces ...[]int16) []int16 { return slices.Concat(pieces...) }

func silence(n int) []int16 { return make([]int16, n) }

func TestSpeechLastsAFifteenthOfASecondACharacter(t *testing.T) {
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate24k} {
		for _, text := range []string{"", "a", "Yes.", answer, "Grüße, 世界!"} {
			got := Synthesize(text, Options{Rate: rate})
			if want := math.Round(float64(len([]rune(text))) / 15 * float64(rate)); float64(len(got)) != want {
				t.Errorf("%q at %v is %d samples long, want %v", text, rate, len(got), want)
			}
		}
	}
}

func TestSpeechIsModestInLevelAndPausesWhereTheTextDoes(t *testing.T) {
	const text = "aaaaaaaaaaaaaaa........aaaaaaaaaaaaaaa"
	samples := Synthesize(text, Options{})
	for i, s := range samples {
		if math.Abs(float64(s)) > peak*32767+1 {
			t.Fatalf("sample %d is %d, above -8 dBFS", i, s)
		}
	}
	third := len(samples) / 3
	loud, quiet := rms(samples[:third/2]), rms(samples[third+third/4:2*third-third/4])
	if loud < 1000 || quiet > 30 {
		t.Errorf("level is %.0f in the vowels and %.0f in the pause, want above 1000 and below 30", loud, quiet)
	}
}

func rms(samples []int16) float64 {
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return math.Sqrt(sum / float64(len(samples)))
}

func TestTheSameTextAndSeedSoundTheSameAndOthersDoNot(t *testing.T) {
	first := Synthesize(answer, Options{Seed: 7})
	if !slices.Equal(first, Synthesize(answer, Options{Seed: 7})) {
		t.Error("the same text and seed gave other samples")
	}
	if slices.Equal(first, Synthesize(answer, Options{Seed: 8})) {
		t.Error("another seed gave the same samples")
	}
}

func TestUndisturbedSpeechIsSeamless(t *testing.T) {
	a, b := twoSentences()
	got := Analyse(join(silence(500), a, silence(2400), b, silence(77)), a, b)
	want := Report{Segments: []Span{
		{Sentence: 0, From: 0, To: len(a), At: 500},
		{Sentence: 1, From: 0, To: len(b), At: 500 + len(a) + 2400},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report differs (-want +got):\n%s", diff)
	}
	if !got.Seamless() || got.String() != "seamless" {
		t.Errorf("Seamless is %v and String is %q", got.Seamless(), got.String())
	}
}

func TestEachDisturbanceIsReportedAsItself(t *testing.T) {
	a, b := twoSentences()
	noise := make([]int16, 300)
	for i := range noise {
		noise[i] = int16(1000 * math.Sin(float64(i*i)))
	}
	mixed := join(a, silence(len(b)-1000))
	for i, s := range b {
		mixed[len(a)-1000+i] += s
	}
	length := len(a)
	for _, c := range []struct {
		name      string
		recording []int16
		want      Report
	}{
		{"nothing was heard", silence(1000), Report{
			Unheard: []Span{{0, 0, length, -1}, {1, 0, len(b), -1}}}},
		{"the end is cut off", join(a[:4000], silence(50)), Report{
			Segments: []Span{{0, 0, 4000, 0}},
			Unheard:  []Span{{0, 4000, length, -1}, {1, 0, len(b), -1}}}},
		{"samples are lost", join(a[:4000], a[4100:]), Report{
			Segments: []Span{{0, 0, 4000, 0}, {0, 4100, length, 4000}},
			Gaps:     []Span{{0, 4000, 4100, 4000}},
			Unheard:  []Span{{1, 0, len(b), -1}}}},
		{"samples are replaced by silence", join(a[:4000], silence(100), a[4100:]), Report{
			Segments: []Span{{0, 0, 4000, 0}, {0, 4100, length, 4100}},
			Gaps:     []Span{{0, 4000, 4100, 4100}},
			Unheard:  []Span{{1, 0, len(b), -1}}}},
		{"samples come late", join(a[:4000], silence(100), a[4000:]), Report{
			Segments: []Span{{0, 0, 4000, 0}, {0, 4000, length, 4100}},
			Delays:   []Delay{{0, 4000, Stretch{4000, 100}}},
			Unheard:  []Span{{1, 0, len(b), -1}}}},
		{"samples are repeated", join(a[:4000], a[3900:]), Report{
			Segments: []Span{{0, 0, 4000, 0}, {0, 3900, length, 4000}},
			Repeats:  []Span{{0, 3900, 4000, 4000}},
			Unheard:  []Span{{1, 0, len(b), -1}}}},
		{"pieces are swapped", join(a[:2000], a[3000:4000], a[2000:3000], a[4000:]), Report{
			Segments:  []Span{{0, 0, 2000, 0}, {0, 3000, 4000, 2000}, {0, 2000, 3000, 3000}, {0, 4000, length, 4000}},
			Reordered: []Span{{0, 2000, 3000, 3000}},
			Unheard:   []Span{{1, 0, len(b), -1}}}},
		{"one begins before the other ends", mixed, Report{
			Segments: []Span{{0, 0, length, 0}, {1, 0, len(b), length - 1000}},
			Overlaps: []Overlap{{0, 1, Stretch{length - 1000, 1000}}}}},
		{"something else is heard", join(a, silence(10), noise, silence(10), b), Report{
			Segments: []Span{{0, 0, length, 0}, {1, 0, len(b), length + 320}},
			Unknown:  []Stretch{{length + 11, 299}}}}, // the noise begins with a zero
		{"one cuts the other off", join(a[:3000], b), Report{
			Segments: []Span{{0, 0, 3000, 0}, {1, 0, len(b), 3000}},
			Unheard:  []Span{{0, 3000, length, -1}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Analyse(c.recording, a, b)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("report differs (-want +got):\n%s", diff)
			}
		})
	}
}

// Any recording that is cut from the sentences is explained to the last sample,
// and the explanation is true: checked against how it was cut.
func TestAnyCutIsExplainedSampleBySample(t *testing.T) {
	a, b := twoSentences()
	sentences := [][]int16{a, b}
	d := NewDecoder(sentences...)
	rapid.Check(t, func(t *rapid.T) {
		var recording []int16
		var lost, heard int
		for range rapid.IntRange(1, 8).Draw(t, "pieces") {
			s := sentences[rapid.IntRange(0, 1).Draw(t, "sentence")]
			from := rapid.IntRange(0, len(s)-window-stride).Draw(t, "from")
			to := rapid.IntRange(from+window+stride, len(s)).Draw(t, "to")
			recording = append(recording, s[from:to]...)
			recording = append(recording, silence(rapid.IntRange(0, 40).Draw(t, "pause"))...)
			heard += to - from
		}
		report := d.Decode(recording)

		var explained int
		for _, s := range report.Segments {
			if !slices.Equal(recording[s.At:s.At+s.Len()], sentences[s.Sentence][s.From:s.To]) {
				t.Fatalf("segment %+v is not what the recording holds", s)
			}
			explained += s.Len()
		}
		if len(report.Unknown) > 0 || len(report.Overlaps) > 0 {
			t.Fatalf("not all explained: %v", &report)
		}
		// A sample that is zero may count as silence or as speech.
		if explained < heard-zeros(recording) || explained > len(recording) {
			t.Fatalf("%d samples explained, %d were heard", explained, heard)
		}
		for _, spans := range [][]Span{report.Gaps, report.Unheard} {
			for _, s := range spans {
				lost += s.Len()
			}
		}
		for _, s := range report.Repeats {
			explained -= s.Len()
		}
		if lost+explained != len(a)+len(b) {
			t.Fatalf("%d samples lost and %d heard once, of %d", lost, explained, len(a)+len(b))
		}
	})
}

func zeros(samples []int16) int {
	n := 0
	for _, s := range samples {
		if s == 0 {
			n++
		}
	}
	return n
}

func TestARepeatedClipWithSilenceInItIsFollowed(t *testing.T) {
	a, b := twoSentences()
	clip := join(silence(800), a[:5000], silence(3000), b[:5000], silence(800))
	got := Analyse(join(silence(100), clip, silence(500)), clip)
	if len(got.Segments) != 1 || got.Segments[0].Len() < len(clip) {
		t.Errorf("segments are %+v, want one of %d samples", got.Segments, len(clip))
	}
	if !got.Seamless() {
		t.Errorf("a whole clip is reported as\n%v", &got)
	}
}

// Clips from files begin and end in a hush of -1, 0 and 1.
func TestTheHushAroundClipsIsNotTakenForEachOther(t *testing.T) {
	hush := func(n, seed int) []int16 {
		out := make([]int16, n)
		for i := range out {
			out[i] = int16((i*i/7+seed*i)%3 - 1)
		}
		return out
	}
	a, b := twoSentences()
	first, second := join(hush(700, 1), a[1000:9000], hush(700, 2)), join(hush(500, 2), b[1000:9000], hush(700, 1))
	got := Analyse(join(silence(300), first, silence(90), second, first[:4000], silence(200)), first, second)
	want := []Span{{0, 0, len(first), 300}, {1, 0, len(second), 390 + len(first)}, {0, 0, 4000, 390 + len(first) + len(second)}}
	for i, w := range want {
		if i >= len(got.Segments) || got.Segments[i].Sentence != w.Sentence || abs(got.Segments[i].At-w.At) > 2 || abs(got.Segments[i].Len()-w.Len()) > 2 {
			t.Fatalf("segments are %+v, want about %+v", got.Segments, want)
		}
	}

	mixed := join(first, silence(len(second)-2000))
	for i, s := range second {
		mixed[len(first)-2000+i] += s
	}
	overlapped := Analyse(mixed, first, second)
	if len(overlapped.Segments) != 2 || len(overlapped.Overlaps) != 1 || len(overlapped.Unknown) > 0 {
		t.Errorf("two clips that overlap are reported as %+v\n%v", overlapped.Segments, &overlapped)
	}
}

func abs(n int) int { return max(n, -n) }

func FuzzDecode(f *testing.F) {
	f.Add([]byte{1, 0, 2, 0, 3, 0}, []byte{1, 0}, 3)
	f.Add([]byte("the same the same the same the same the same the same"), []byte("the same the same the same the same "), 16)
	f.Fuzz(func(t *testing.T, recording, sentence []byte, cut int) {
		r, s := pcm(recording), pcm(sentence)
		if cut > 0 && cut < len(s) {
			r = join(s[cut:], r, s[:cut])
		}
		report := Analyse(r, s, r)
		at := 0
		for _, seg := range report.Segments {
			if seg.At < 0 || seg.At+seg.Len() > len(r) || seg.Len() <= 0 {
				t.Fatalf("segment %+v lies outside the recording of %d", seg, len(r))
			}
			at = max(at, seg.At+seg.Len())
		}
		for _, u := range report.Unknown {
			if u.Length <= 0 || u.At+u.Length > len(r) {
				t.Fatalf("unknown stretch %+v", u)
			}
		}
	})
}

func pcm(b []byte) []int16 {
	out := make([]int16, len(b)/2)
	for i := range out {
		out[i] = int16(b[2*i]) | int16(b[2*i+1])<<8
	}
	return out
}

func BenchmarkSynthesize(b *testing.B) {
	for b.Loop() {
		Synthesize(answer, Options{})
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/Duration(answer).Seconds(), "µs/s-of-audio")
}

func BenchmarkDecode(b *testing.B) {
	x, y := twoSentences()
	d := NewDecoder(x, y)
	recording := join(x, silence(24000), y, silence(24000), x)
	for b.Loop() {
		d.Decode(recording)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/(float64(len(recording))/24000), "µs/s-of-audio")
}

func ExampleAnalyse() {
	hello := Synthesize("Hello, how can I help?", Options{Seed: 1})
	// The recording of a call: a second of silence, then the greeting, of which
	// the network lost 20 ms.
	recording := slices.Concat(make([]int16, 24000), hello[:12000], hello[12480:])

	report := Analyse(recording, hello)
	fmt.Println(report.Gaps[0].Len(), "samples lost at", time.Duration(report.Gaps[0].At)*time.Second/24000)
	// Output: 480 samples lost at 1.5s
}

func TestWithinReturnsWhatCanBeSaidInTheTime(t *testing.T) {
	for _, test := range []struct {
		text string
		d    time.Duration
		want string
	}{
		{"héllo wörld", 340 * time.Millisecond, "héllo"}, {"short", time.Hour, "short"},
		{"short", 0, ""}, {"short", -time.Second, ""}, {"", time.Second, ""},
	} {
		if got := Within(test.text, test.d); got != test.want || Duration(got) > max(test.d, 0) {
			t.Errorf("in %v %q can be said of %q, want %q", test.d, got, test.text, test.want)
		}
	}
}
