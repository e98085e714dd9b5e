package demo

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
	"github.com/parley-go/parley/audio/wav"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/services/novasonic/sonictest/script"
)

// line is an utterance as make.sh printed it.
type line struct {
	from, to time.Duration
	text     string
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// spoken is what the callers say, independently of the script.
var spoken = map[string][]line{
	Order: {
		{ms(1000), ms(4140), "Hello. I would like to bring my bicycle in for a repair."},
		{ms(7800), ms(11440), "The front brake makes a terrible noise, and the chain keeps falling off."},
		{ms(18350), ms(20890), "That is good news. When are you open on Saturday?"},
		{ms(26260), ms(28300), "Then I will come on Saturday at ten."},
		{ms(33510), ms(35130), "Thank you very much. Goodbye."},
	},
	BargeIn: {
		{ms(1000), ms(3910), "Hi there. Can you tell me how a full service works?"},
		{ms(11410), ms(14670), "Sorry, let me stop you there. How much does it cost?"},
		{ms(19400), ms(20850), "And how long does it take?"},
		{ms(26340), ms(28740), "That is all that I wanted to know. Goodbye."},
	},
	Noisy: {
		{ms(1000), ms(4380), "Hello, I am standing in front of your shop, and it is closed."},
		{ms(9680), ms(11710), "Can I leave my bicycle at the door?"},
		{ms(16710), ms(18300), "All right. Thank you for your help."},
	},
}

func texts(recording string) []string {
	var out []string
	for _, l := range spoken[recording] {
		out = append(out, l.text)
	}
	return out
}

// decoded keeps what read has read: each file is used by many tests.
var decoded sync.Map // of file names to sounds

type sound struct {
	samples []int16
	rate    audio.SampleRate
}

// read decodes a shipped file. The samples must not be changed.
func read(t testing.TB, name string) ([]int16, audio.SampleRate) {
	t.Helper()
	if s, ok := decoded.Load(name); ok {
		return s.(sound).samples, s.(sound).rate
	}
	f, err := Files().Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	samples, rate := decode(t, f, name)
	samples = slices.Clip(samples)
	decoded.Store(name, sound{samples, rate})
	return samples, rate
}

func decode(t testing.TB, f io.Reader, name string) ([]int16, audio.SampleRate) {
	t.Helper()
	var r interface {
		Read([]int16) (int, error)
		Format() audio.Format
	}
	var err error
	if strings.HasSuffix(name, ".mp3") {
		r, err = mp3.NewReader(f)
	} else {
		r, err = wav.NewReader(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.Format().Channels != 1 {
		t.Fatalf("%s has %d channels", name, r.Format().Channels)
	}
	var samples []int16
	buffer := make([]int16, 8192)
	for {
		n, err := r.Read(buffer)
		samples = append(samples, buffer[:n]...)
		if err == io.EOF {
			return samples, r.Format().Rate
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func resample(t testing.TB, samples []int16, from, to audio.SampleRate) []int16 {
	t.Helper()
	if from == to {
		return samples
	}
	r, err := audio.NewResampler(from, to, 1)
	if err != nil {
		t.Fatal(err)
	}
	return r.Flush(r.Resample(nil, samples))
}

var once = sync.OnceValues(Script)

func shippedScript(t testing.TB) *script.Script {
	t.Helper()
	s, err := once()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func listen(o hearing.Options, samples []int16) []*hearing.Utterance {
	l := hearing.New(o)
	var us []*hearing.Utterance
	for _, e := range append(l.Write(samples), l.Close()...) {
		if e.Utterance != nil {
			us = append(us, e.Utterance)
		}
	}
	return us
}

func heard(us []*hearing.Utterance) []string {
	var out []string
	for _, u := range us {
		out = append(out, u.Text)
	}
	return out
}

func TestTheShippedFilesAreSound(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	if err := shippedScript(t).Check(); err != nil {
		t.Error(err)
	}
	var size int64
	err := fs.WalkDir(Files(), ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, _ := d.Info()
			size += info.Size()
		}
		return err
	})
	if err != nil || size > 4<<20 {
		t.Errorf("the shipped files have %d bytes (%v), want at most 4 MiB", size, err)
	}
	for name, rate := range map[string]audio.SampleRate{Order: 16000, BargeIn: 8000, Noisy: 16000, "clips/welcome.mp3": 24000} {
		if _, got := read(t, name); got != rate {
			t.Errorf("%s is at %v, want %v", name, got, rate)
		}
	}
}

func TestEachCallerIsHeardWhereTheySpeak(t *testing.T) {
	for recording, lines := range spoken {
		samples, rate := read(t, recording)
		for _, at := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate24k} {
			us := listen(hearing.Options{Rate: at}, resample(t, samples, rate, at))
			if len(us) != len(lines) {
				t.Errorf("%s at %v is %d utterances, want %d", recording, at, len(us), len(lines))
				continue
			}
			for i, u := range us {
				from, to := at.Duration(int64(u.Start)), at.Duration(int64(u.End))
				// A word may begin softly, and end more so in noise.
				if from < lines[i].from-ms(30) || from > lines[i].from+ms(250) || to < lines[i].to-ms(200) || to > lines[i].to+ms(120) {
					t.Errorf("%s at %v: utterance %d is from %v to %v, want %v to %v", recording, at, i, from, to, lines[i].from, lines[i].to)
				}
			}
		}
	}
}

// passages are what may happen to audio on its way.
var passages = []struct {
	name string
	do   func(t *testing.T, samples []int16, rate audio.SampleRate) ([]int16, audio.SampleRate)
}{
	{"as it is", func(_ *testing.T, s []int16, r audio.SampleRate) ([]int16, audio.SampleRate) { return s, r }},
	{"at 8 kHz", func(t *testing.T, s []int16, r audio.SampleRate) ([]int16, audio.SampleRate) {
		return resample(t, s, r, audio.Rate8k), audio.Rate8k
	}},
	{"at 24 kHz", func(t *testing.T, s []int16, r audio.SampleRate) ([]int16, audio.SampleRate) {
		return resample(t, s, r, audio.Rate24k), audio.Rate24k
	}},
	{"by way of 44.1 kHz at 16 kHz", func(t *testing.T, s []int16, r audio.SampleRate) ([]int16, audio.SampleRate) {
		return resample(t, resample(t, s, r, audio.Rate44k), audio.Rate44k, audio.Rate16k), audio.Rate16k
	}},
	{"over a µ-law telephone line", func(t *testing.T, s []int16, r audio.SampleRate) ([]int16, audio.SampleRate) {
		s = resample(t, s, r, audio.Rate8k)
		return audio.DecodeULaw(nil, audio.EncodeULaw(nil, s)), audio.Rate8k
	}},
	{"12 dB quieter", func(_ *testing.T, s []int16, r audio.SampleRate) ([]int16, audio.SampleRate) {
		s = slices.Clone(s)
		audio.Gain(s, -12)
		return s, r
	}},
	{"with noise 15 dB below", func(_ *testing.T, s []int16, r audio.SampleRate) ([]int16, audio.SampleRate) {
		random := rand.New(rand.NewPCG(1, 2))
		amplitude := 32768 * loudness(s, r) * math.Pow(10, -15.0/20)
		s = slices.Clone(s)
		for i := range s {
			s[i] = int16(min(max(float64(s[i])+amplitude*random.NormFloat64(), -32768), 32767))
		}
		return s, r
	}},
	{"by way of an MP3 of 32 kb/s", func(t *testing.T, s []int16, r audio.SampleRate) ([]int16, audio.SampleRate) {
		return throughFFmpeg(t, resample(t, s, r, audio.Rate16k), audio.Rate16k), audio.Rate16k
	}},
}

// loudness is the RMS of a recording where somebody speaks, 1 being full scale.
func loudness(samples []int16, rate audio.SampleRate) float64 {
	var sum, n float64
	for frame := range slices.Chunk(samples, int(rate)/50) {
		if dB := audio.RMS(frame); dB > -30 {
			sum += math.Pow(10, dB/10)
			n++
		}
	}
	return math.Sqrt(sum / n)
}

func throughFFmpeg(t *testing.T, samples []int16, rate audio.SampleRate) []int16 {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatal("ffmpeg is not installed")
		}
		t.Skip("ffmpeg is not installed: install it to test recognition after MP3")
	}
	file := filepath.Join(t.TempDir(), "x.mp3")
	encode := exec.Command("ffmpeg", "-loglevel", "error", "-f", "s16le", "-ar", fmt.Sprint(int(rate)), "-ac", "1", "-i", "-", "-c:a", "libmp3lame", "-b:a", "32k", file)
	encode.Stdin = bytes.NewReader(audio.EncodePCM(nil, samples))
	if out, err := encode.CombinedOutput(); err != nil {
		t.Fatalf("encode: %v: %s", err, out)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, _ := decode(t, f, file)
	return out
}

func TestEachCallerIsUnderstoodHoweverTheyCall(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	library := shippedScript(t).Library()
	for recording := range spoken {
		samples, rate := read(t, recording)
		for _, p := range passages {
			t.Run(recording+" "+p.name, func(t *testing.T) {
				s, r := p.do(t, samples, rate)
				us := listen(hearing.Options{Rate: r, Library: library}, s)
				if got, want := heard(us), texts(recording); !slices.Equal(got, want) {
					t.Errorf("heard %q, want %q", got, want)
				}
				for _, u := range us {
					for _, part := range u.Parts {
						if part.Recording != recording {
							t.Errorf("%q was found in %s", u.Text, part.Recording)
						}
					}
					if len(u.Parts) != 1 {
						t.Errorf("%q was heard in %d parts: %+v", u.Text, len(u.Parts), u.Parts)
					}
				}
			})
		}
	}
}

func TestAListenerThatJoinsLateHearsTheRestOfTheSentence(t *testing.T) {
	library := shippedScript(t).Library()
	for recording, lines := range spoken {
		samples, rate := read(t, recording)
		for i, l := range lines {
			cut := l.from + (l.to-l.from)*2/5
			us := listen(hearing.Options{Rate: rate, Library: library}, samples[rate.Samples(cut):rate.Samples(l.to+ms(900))])
			if len(us) != 1 || len(us[0].Parts) != 1 {
				t.Errorf("%s, line %d: heard %+v, want one utterance of one part", recording, i, us)
				continue
			}
			p := us[0].Parts[0]
			// The clock of the recording is known exactly, whatever was heard of it.
			if offset := int64(p.From-p.At) - rate.Samples(cut); math.Abs(float64(offset)) > float64(rate)/1000 {
				t.Errorf("%s, line %d: the recording is %d samples off", recording, i, offset)
			}
			if !strings.HasSuffix(l.text, us[0].Text) || us[0].Text == l.text || us[0].Text == "" {
				t.Errorf("%s, line %d: heard %q of %q", recording, i, us[0].Text, l.text)
			}
		}
	}
}

func TestTheAgentIsNotTakenForACaller(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	library := shippedScript(t).Library()
	clips, err := fs.Glob(Files(), "clips/s*.mp3") // some are enough: it takes a while under the race detector
	if err != nil || len(clips) < 6 {
		t.Fatalf("found %d clips: %v", len(clips), err)
	}
	for _, clip := range clips {
		samples, rate := read(t, clip)
		us := listen(hearing.Options{Rate: rate, Library: library}, append(samples, make([]int16, rate)...))
		if len(us) == 0 {
			t.Errorf("%s was not heard at all", clip)
		}
		for _, u := range us {
			if u.Text != "" {
				t.Errorf("%s was taken for %q (%+v)", clip, u.Text, u.Parts)
			}
		}
	}
}

func TestACallerIsNotTakenForAnother(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	for recording := range spoken {
		// A library of all callers but this one.
		library := new(hearing.Library)
		for other := range spoken {
			if other == recording {
				continue
			}
			samples, rate := read(t, other)
			r := hearing.Recording{Name: other, Audio: samples, Rate: rate}
			for _, l := range spoken[other] {
				r.Utterances = append(r.Utterances, hearing.Known{Text: l.text, Start: l.from, End: l.to})
			}
			if err := library.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		samples, rate := read(t, recording)
		for _, u := range listen(hearing.Options{Rate: rate, Library: library}, samples) {
			if u.Text != "" {
				t.Errorf("%s: %v to %v was taken for %q (%+v)", recording, rate.Duration(int64(u.Start)), rate.Duration(int64(u.End)), u.Text, u.Parts)
			}
		}
	}
}

func BenchmarkScript(b *testing.B) {
	for b.Loop() {
		if _, err := Script(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnderstand(b *testing.B) {
	library := shippedScript(b).Library()
	for recording := range spoken {
		samples, rate := read(b, recording)
		samples = resample(b, samples, rate, audio.Rate16k)
		b.Run(recording, func(b *testing.B) {
			for b.Loop() {
				listen(hearing.Options{Library: library}, samples)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/(float64(len(samples))/16000), "µs/s-of-audio")
		})
	}
}
