package hearing

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

func TestSpeechStartsAndEndsWhereItDoes(t *testing.T) {
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate24k} {
		t.Run(rate.String(), func(t *testing.T) {
			spoken := join(silence(rate, 500*time.Millisecond), Speak(rate, "123"), silence(rate, time.Second), Speak(rate, "9"), silence(rate, time.Second))
			events := hear(Options{Rate: rate}, spoken)

			word := ToneDuration + GapDuration
			second := 500*time.Millisecond + 3*word + time.Second
			want := []struct {
				kind         Kind
				at, detected time.Duration
			}{
				{SpeechStarted, 500 * time.Millisecond, 620 * time.Millisecond},
				{SpeechEnded, 500*time.Millisecond + 3*word - GapDuration, 980*time.Millisecond + 3*word - GapDuration},
				{SpeechStarted, second, second + 120*time.Millisecond},
				{SpeechEnded, second + ToneDuration, second + ToneDuration + 480*time.Millisecond},
			}
			if len(events) != len(want) {
				t.Fatalf("events are %+v, want %d of them", events, len(want))
			}
			for i, w := range want {
				e := events[i]
				at, detected := rate.Duration(int64(e.At)), rate.Duration(int64(e.Detected))
				if e.Kind != w.kind || (at-w.at).Abs() > 10*time.Millisecond || (detected-w.detected).Abs() > 20*time.Millisecond {
					t.Errorf("event %d is %v at %v, detected at %v; want %v at %v, detected at %v",
						i, e.Kind, at, detected, w.kind, w.at, w.detected)
				}
			}
		})
	}
}

func TestTheEndIsDetectedAfterTheEndpointingSilence(t *testing.T) {
	const rate = audio.Rate16k
	for _, endpointing := range []time.Duration{400 * time.Millisecond, 480 * time.Millisecond, 700 * time.Millisecond} {
		events := hear(Options{Endpointing: endpointing}, join(Speak(rate, "1"), silence(rate, time.Second)))
		if len(events) != 2 || events[1].Detected-events[1].At != audio.Position(rate.Samples(endpointing)) {
			t.Errorf("with %v the events are %+v", endpointing, events)
		}
	}
}

func TestAPauseShorterThanTheEndpointingDoesNotEndAnUtterance(t *testing.T) {
	const rate = audio.Rate16k
	for _, c := range []struct {
		keys string
		want int
	}{{"12 34", 1}, {"12  34", 2}} {
		if us := utterances(hear(Options{}, join(Speak(rate, c.keys), silence(rate, time.Second)))); len(us) != c.want {
			t.Errorf("%q is %d utterances, want %d", c.keys, len(us), c.want)
		}
	}
}

func TestCloseEndsAnUtteranceInProgress(t *testing.T) {
	const rate = audio.Rate16k
	l := New(Options{})
	if events := l.Write(Speak(rate, "12")); len(events) != 1 || !l.Speaking() {
		t.Fatalf("events are %+v and Speaking is %v, want speech to have started", events, l.Speaking())
	}
	events := l.Close()
	if len(events) != 1 || events[0].Kind != SpeechEnded || events[0].Utterance.Text != "one two" {
		t.Fatalf("Close returned %+v, want the end of \"one two\"", events)
	}
	if l.Speaking() || l.Close() != nil {
		t.Error("speech goes on after Close")
	}
}

func TestWhatIsNotSpeechIsNotHeard(t *testing.T) {
	const rate = audio.Rate16k
	random := rand.New(rand.NewPCG(1, 1))
	noise := func(amplitude float64, d time.Duration) []int16 {
		out := silence(rate, d)
		for i := range out {
			out[i] = int16(amplitude * random.NormFloat64())
		}
		return out
	}
	clicks := silence(rate, 5*time.Second)
	for i := 4000; i < len(clicks); i += 8000 {
		for j := range 200 { // 12 ms at full scale, twice a second
			clicks[i+j] = int16(32000 - 64000*(j%2))
		}
	}
	offset := silence(rate, 3*time.Second)
	for i := range offset {
		offset[i] = 8000
	}
	hum := silence(rate, 3*time.Second)
	for i := range hum {
		hum[i] = int16(300 * math.Sin(2*math.Pi*50*float64(i)/float64(rate)))
	}
	for name, samples := range map[string][]int16{
		"digital silence":           silence(rate, 5*time.Second),
		"the hiss of a quiet room":  noise(20, 5*time.Second),
		"the noise of a street":     noise(600, 5*time.Second),
		"noise after silence":       join(silence(rate, 2*time.Second), noise(30, 3*time.Second)),
		"clicks":                    clicks,
		"a constant offset":         offset,
		"mains hum":                 hum,
		"a cough of 60 ms":          join(silence(rate, time.Second), Speak(rate, "5")[:960], silence(rate, time.Second)),
		"less than a frame of tone": Speak(rate, "5")[:100],
	} {
		if events := hear(Options{}, samples); len(events) > 0 {
			t.Errorf("%s: heard %+v", name, events)
		}
	}
}

func TestAClickAfterSpeechDoesNotPutOffItsEnd(t *testing.T) {
	const rate = audio.Rate16k
	spoken := join(Speak(rate, "12"), silence(rate, time.Second))
	clear := hear(Options{}, spoken)
	for j := range 200 {
		spoken[len(spoken)-10000+j] = int16(32000 - 64000*(j%2))
	}
	clicked := hear(Options{}, spoken)
	if diff := cmp.Diff(clear[1].At, clicked[1].At); diff != "" {
		t.Errorf("speech ends elsewhere with a click after it (-without +with):\n%s", diff)
	}
}

func TestSpeechIsSegmentedUnderNoiseAsInQuiet(t *testing.T) {
	const rate = audio.Rate16k
	r := caller(rate)
	library := libraryOf(t, r) // for its narrowed times only
	for _, decibels := range []float64{60, 20, 15, 10} {
		us := utterances(hear(Options{}, addNoise(r.Audio, decibels)))
		if len(us) != len(lines) {
			t.Errorf("at %v dB heard %d utterances, want %d", decibels, len(us), len(lines))
			continue
		}
		for i, k := range library.recordings[0].utterances {
			start, end := rate.Duration(int64(us[i].Start)), rate.Duration(int64(us[i].End))
			if (start-k.Start).Abs() > 150*time.Millisecond || (end-k.End).Abs() > 200*time.Millisecond {
				t.Errorf("at %v dB utterance %d is from %v to %v, want %v to %v", decibels, i, start, end, k.Start, k.End)
			}
		}
	}
}

func TestAnEndlessUtteranceIsCutAtItsLimitAndGoesOn(t *testing.T) {
	const rate = audio.Rate8k
	var keys []byte
	for i := range 100 {
		keys = append(keys, "0123456789"[i%10])
	}
	events := hear(Options{Rate: rate, MaxUtterance: 5 * time.Second}, join(Speak(rate, string(keys)), silence(rate, time.Second)))
	us := utterances(events)
	if len(us) < 5 {
		t.Fatalf("28 s were heard as %d utterances of at most 5 s", len(us))
	}
	var heard float64
	for _, u := range us {
		if length := rate.Duration(int64(u.End - u.Start)); length > 5*time.Second+10*time.Millisecond {
			t.Errorf("an utterance lasts %v", length)
		}
		for _, w := range u.Words {
			heard += w.Heard
		}
	}
	// A tone that is cut into a piece of less than 20 ms loses it: at most a
	// tenth of a word at each cut.
	if least := 100 - 0.1*float64(len(us)) - 0.5; heard < least || heard > 100.5 {
		t.Errorf("%.2f words were heard, want %.1f to 100", heard, least)
	}
}

func TestTheAudioOfAnUtteranceIsWhatWasHeardThere(t *testing.T) {
	const rate = audio.Rate16k
	spoken := join(silence(rate, time.Second), voice.Synthesize(lines[0], voice.Options{Rate: rate}), silence(rate, time.Second))
	for _, u := range utterances(hear(Options{}, spoken)) {
		if u.AudioStart > u.Start || u.AudioStart+audio.Position(len(u.Audio)) < u.End {
			t.Errorf("audio from %d, %d samples, does not hold %d to %d", u.AudioStart, len(u.Audio), u.Start, u.End)
		}
		if diff := cmp.Diff(spoken[u.AudioStart:int(u.AudioStart)+len(u.Audio)], u.Audio); diff != "" {
			t.Errorf("audio differs (-spoken +heard):\n%s", diff)
		}
	}
}

func TestHowAStreamIsCutIntoWritesDoesNotMatter(t *testing.T) {
	const rate = audio.Rate16k
	const line = "Thank you, bye."
	r := Recording{Name: "bye", Rate: rate, Audio: voice.Synthesize(line, voice.Options{Rate: rate})}
	r.Utterances = []Known{{Text: line, End: voice.Duration(line)}}
	spoken := join(addNoise(join(r.Audio, silence(rate, time.Second), Speak(rate, "12*"), silence(rate, time.Second)), 25), silence(rate, 100*time.Millisecond), Speak(rate, "7"))
	library := libraryOf(t, r)
	want := hear(Options{Library: library}, spoken)
	if len(want) != 6 {
		t.Fatalf("heard %d events, want those of three utterances", len(want))
	}
	cut := func(pieces []int, library *Library) []Event {
		l := New(Options{Library: library})
		var got []Event
		rest := spoken
		for i := 0; len(rest) > 0; i++ {
			n := min(pieces[i%len(pieces)]+i%2, len(rest))
			got = append(got, l.Write(rest[:n])...)
			rest = rest[n:]
		}
		if l.Position() != audio.Position(len(spoken)) {
			t.Fatalf("position is %d, want %d", l.Position(), len(spoken))
		}
		return append(got, l.Close()...)
	}
	for _, pieces := range [][]int{{1}, {159, 160, 161}, {0, 20000}} {
		if diff := cmp.Diff(want, cut(pieces, library)); diff != "" {
			t.Fatalf("in pieces of %v events differ (-at once +in pieces):\n%s", pieces, diff)
		}
	}

	// Recognition takes long, and looks at whole utterances only: the rest of the
	// property is checked without it.
	want = hear(Options{}, spoken)
	rapid.Check(t, func(t *rapid.T) {
		largest := rapid.SampledFrom([]int{3, 100, 161, 5000, 100000}).Draw(t, "largest")
		pieces := rapid.SliceOfN(rapid.IntRange(0, largest), 1, 50).Draw(t, "pieces")
		if got := cut(pieces, nil); !reflect.DeepEqual(want, got) { // much faster than cmp
			t.Fatalf("events differ (-at once +in pieces):\n%s", cmp.Diff(want, got))
		}
	})
}

func FuzzListener(f *testing.F) {
	rates := []audio.SampleRate{audio.Rate8k, audio.Rate11k, audio.Rate16k, audio.Rate24k}
	f.Add([]byte{0, 0}, byte(0), uint16(10))
	f.Add(bytesOf(Speak(audio.Rate8k, "12")), byte(0), uint16(160))
	f.Add(bytesOf(voice.Synthesize("Hello there.", voice.Options{Rate: audio.Rate8k})), byte(2), uint16(333))
	const line = "Hello."
	library := libraryOf(f, Recording{
		Name: "hello", Rate: audio.Rate8k, Audio: voice.Synthesize(line, voice.Options{Rate: audio.Rate8k}),
		Utterances: []Known{{Text: line, End: voice.Duration(line)}},
	})
	f.Fuzz(func(t *testing.T, data []byte, rate byte, chunk uint16) {
		if len(data) > 100_000 {
			return
		}
		samples := make([]int16, len(data)/2)
		for i := range samples {
			samples[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
		}
		o := Options{Rate: rates[int(rate)%len(rates)], Library: library}
		want := hear(o, samples)
		l := New(o)
		var got []Event
		for rest := samples; len(rest) > 0; {
			n := min(int(chunk)+1, len(rest))
			got = append(got, l.Write(rest[:n])...)
			rest = rest[n:]
		}
		got = append(got, l.Close()...)
		if !reflect.DeepEqual(want, got) { // much faster than cmp
			t.Fatalf("events differ (-at once +in pieces):\n%s", cmp.Diff(want, got))
		}
		for i, e := range got {
			if (e.Kind == SpeechStarted) != (i%2 == 0) || (e.Utterance != nil) != (e.Kind == SpeechEnded) {
				t.Fatalf("event %d is %+v", i, e)
			}
			if e.At < 0 || e.At > e.Detected || e.Detected > audio.Position(len(samples)) {
				t.Fatalf("event %d is outside the stream: %+v", i, e)
			}
		}
	})
}

func bytesOf(samples []int16) []byte {
	var b []byte
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}
