package vad_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/vad"
)

// loud is an engine that takes a window for speech if any sample of it is louder
// than a quarter of full scale, or what over says. It works at a rate of its own, or at that of the
// audio.
type loud struct {
	rate   audio.SampleRate
	window int
	answer float32 // what it says of speech; 0: 1
	over   float32 // 0: 0.25
}

type loudStream struct{ loud }

func (e loud) Open(rate audio.SampleRate) (vad.Stream, error) {
	if e.rate == 0 {
		e.rate = rate
	}
	if e.answer == 0 {
		e.answer = 1
	}
	if e.over == 0 {
		e.over = 0.25
	}
	return &loudStream{e}, nil
}

func (s *loudStream) Rate() audio.SampleRate { return s.rate }
func (s *loudStream) Window() int            { return s.window }
func (s *loudStream) Reset()                 {}

func (s *loudStream) Probability(window []float32) (float32, error) {
	for _, v := range window {
		if v > s.over || v < -s.over {
			return s.answer, nil
		}
	}
	return 0, nil
}

// span is a piece of a track, in samples.
type span struct{ from, to int }

// track is a tone of 440 Hz in some places, and silence elsewhere.
func track(rate audio.SampleRate, length int, tones ...span) []int16 {
	s := make([]int16, length)
	for _, t := range tones {
		for i := t.from; i < t.to; i++ {
			s[i] = int16(20000 * math.Cos(2*math.Pi*440*float64(i-t.from)/float64(rate)))
		}
	}
	return s
}

func piece(f audio.Format, at int, samples []int16) *frames.Audio {
	return &frames.Audio{Format: f, Track: "caller", Position: audio.Position(at), Samples: samples}
}

func detector(t testing.TB, cfg vad.Config) *vad.Detector {
	t.Helper()
	d, err := vad.NewDetector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// feed gives samples that begin at a position to a detector, in pieces of n.
func feed(t testing.TB, d *vad.Detector, f audio.Format, at int, samples []int16, n int) []vad.Event {
	t.Helper()
	var events []vad.Event
	for len(samples) > 0 {
		k := min(n*f.Channels, len(samples))
		var err error
		if events, err = d.Detect(events, piece(f, at, samples[:k])); err != nil {
			t.Fatal(err)
		}
		samples, at = samples[k:], at+k/f.Channels
	}
	return events
}

func began(at int, rate audio.SampleRate) vad.Event {
	return vad.Event{Speech: true, Position: audio.Position(at), Rate: rate}
}

func ended(at int, rate audio.SampleRate) vad.Event {
	return vad.Event{Position: audio.Position(at), Rate: rate}
}

func expect(t testing.TB, what string, got []vad.Event, want ...vad.Event) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestSpeechBeginsAWindowBeforeTheFirstThatCountsAndEndsWithTheLast(t *testing.T) {
	mono := audio.Mono(audio.Rate16k)
	for name, c := range map[string]struct {
		tones []span
		want  []vad.Event
	}{
		"silence":                   {nil, nil},
		"on the edges of windows":   {[]span{{5120, 10240}}, []vad.Event{began(4608, 16000), ended(10240, 16000)}},
		"a sample inside of them":   {[]span{{5121, 10239}}, []vad.Event{began(4608, 16000), ended(10240, 16000)}},
		"a sample outside of them":  {[]span{{5119, 10241}}, []vad.Event{began(4096, 16000), ended(10752, 16000)}},
		"at the beginning":          {[]span{{0, 10240}}, []vad.Event{began(0, 16000), ended(10240, 16000)}},
		"six windows":               {[]span{{5120, 5120 + 6*512}}, []vad.Event{began(4608, 16000), ended(5120+6*512, 16000)}},
		"a cough of five windows":   {[]span{{5120, 5120 + 5*512}}, nil},
		"two with a pause of 0.7 s": {[]span{{5120, 10240}, {10240 + 11200, 30000}}, []vad.Event{began(4608, 16000), ended(30208, 16000)}},
		"two with a pause of 0.9 s": {[]span{{5120, 10240}, {10240 + 14400, 30000}}, []vad.Event{began(4608, 16000), ended(10240, 16000), began(24064, 16000), ended(30208, 16000)}},
	} {
		t.Run(name, func(t *testing.T) {
			d := detector(t, vad.Config{Engine: loud{window: 512}})
			expect(t, "events", feed(t, d, mono, 0, track(mono.Rate, 60000, c.tones...), 320), c.want...)
			if d.Speaking() {
				t.Error("there is speech after two seconds of silence")
			}
		})
	}
}

func TestPositionsAreThoseOfTheTrackWhereverItBegins(t *testing.T) {
	d := detector(t, vad.Config{Engine: loud{window: 512}})
	got := feed(t, d, audio.Mono(audio.Rate16k), 1_000_003, track(audio.Rate16k, 40000, span{5120, 10240}), 333)
	expect(t, "events", got, began(1_004_611, 16000), ended(1_010_243, 16000))
}

func TestHowAudioIsCutMakesNoDifference(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	list := sounds(t)
	voice := list[0].Samples[:6*list[0].Rate]
	f := audio.Mono(list[0].Rate)
	for name, e := range map[string]vad.Engine{"silero": vad.Silero(), "energy": vad.Energy(), "resampled": loud{rate: 11025, window: 300, over: 0.01}} {
		t.Run(name, func(t *testing.T) {
			var want []vad.Window
			whole := detector(t, vad.Config{Engine: e, Observe: func(w vad.Window) { want = append(want, w) }})
			events := feed(t, whole, f, 0, voice, len(voice))
			if len(events) != 2 {
				t.Fatalf("it makes %v of six seconds with one sentence", events)
			}
			rapid.Check(t, func(r *rapid.T) {
				var got []vad.Window
				d := detector(t, vad.Config{Engine: e, Observe: func(w vad.Window) { got = append(got, w) }})
				var found []vad.Event
				limit := rapid.SampledFrom([]int{20, 700, 3000, 20000}).Draw(r, "limit")
				for at := 0; at < len(voice); {
					n := min(rapid.IntRange(1, limit).Draw(r, "n")*min(1+at, 3), len(voice)-at)
					if limit == 20 {
						n = min(160+n, len(voice)-at)
					}
					found = append(found, feed(t, d, f, at, voice[at:at+n], n)...)
					at += n
				}
				if diff := cmp.Diff(events, found); diff != "" {
					r.Errorf("events (-whole +cut):\n%s", diff)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					r.Errorf("windows (-whole +cut):\n%s", diff)
				}
			})
		})
	}
}

func TestPositionsAreRightAtEveryRateAndDoNotDrift(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	for _, rate := range []audio.SampleRate{8000, 11025, 22050, 24000, 44100, 48000} {
		for channels := 1; channels <= 2; channels++ {
			f := audio.Format{Rate: rate, Channels: channels}
			t.Run(f.String(), func(t *testing.T) {
				second := int(rate)
				d := detector(t, vad.Config{Engine: loud{rate: 16000, window: 512}})
				const n = 40
				var got []vad.Event
				for i := range n { // a second of tone in every three
					samples := audio.Remix(nil, track(rate, 3*second, span{second, 2 * second}), 1, channels)
					got = append(got, feed(t, d, f, 3*i*second, samples, second/50)...)
				}
				if len(got) != 2*n {
					t.Fatalf("%d events of %d tones: %v", len(got), n, got)
				}
				for i, e := range got {
					off := rate.Duration(int64(e.Position)).Seconds() - float64(3*(i/2)+1+i%2)
					window := 0.032
					if e.Speech != (i%2 == 0) || e.Rate != rate || e.Speech && (off > 0 || off < -2*window-0.001) || !e.Speech && (off < -0.001 || off > window+0.001) {
						t.Errorf("tone %d: %+v is off by %.4f s", i/2, e, off)
					}
				}
			})
		}
	}
}

func TestMissingAudioCountsAsSilence(t *testing.T) {
	const rate = audio.Rate16k
	const second = int(rate)
	f := audio.Mono(rate)
	for name, c := range map[string]struct {
		gap    int
		pauses bool
	}{
		"a sample":        {1, false},
		"half a window":   {256, false},
		"a tenth":         {second / 10, false},
		"half a second":   {second / 2, false},
		"a second":        {second, true},
		"a thousand days": {1000 * 86400 * second, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := detector(t, vad.Config{Engine: loud{window: 512}})
			got := feed(t, d, f, 0, track(rate, 10240, span{5120, 10240}), 320)
			got = append(got, feed(t, d, f, 10240+c.gap, track(rate, 2*second, span{0, second / 2}), 320)...)
			if len(got) == 0 {
				t.Fatal("no speech was found")
			}
			last := got[len(got)-1]
			if off := int(last.Position) - (10240 + c.gap + second/2); last.Speech || off < -10 || off > 512 { // the last samples are soft
				t.Errorf("the speech behind the gap ends at %d, which is off by %d", last.Position, off)
			}
			want := []vad.Event{began(4608, rate), last}
			if c.pauses { // no sound can be where no audio is
				want = []vad.Event{began(4608, rate), ended(10240, rate), began(10240+c.gap, rate), last}
			}
			expect(t, "events", got, want...)
		})
	}
}

func TestAudioThatComesTwiceIsHeardOnceAndComplainedOf(t *testing.T) {
	const rate = audio.Rate16k
	f := audio.Mono(rate)
	samples := track(rate, 40000, span{5120, 10240})
	want := feed(t, detector(t, vad.Config{Engine: loud{window: 512}}), f, 0, samples, 320)
	d := detector(t, vad.Config{Engine: loud{window: 512}})
	var got []vad.Event
	complaints := 0
	for at := 0; at < len(samples); at += 320 {
		from := max(0, at-100*(at/320%4)) // overlaps by 0, 100, 200 and 300 samples
		if at == 9600 {
			from = at - 640
			piece := piece(f, from, samples[from:at]) // nothing new at all
			var err error
			if got, err = d.Detect(got, piece); !errors.Is(err, vad.ErrOverlap) {
				t.Errorf("audio that came before is no error but %v", err)
			}
			from = at
		}
		var err error
		got, err = d.Detect(got, piece(f, from, samples[from:at+320]))
		if (err != nil) != (from < at) || err != nil && !errors.Is(err, vad.ErrOverlap) {
			t.Fatalf("samples %d to %d after %d: the error is %v", from, at+320, at, err)
		}
		if err != nil {
			complaints++
		}
	}
	expect(t, "events", got, want...)
	if complaints < 50 {
		t.Errorf("%d complaints", complaints)
	}
}

func TestAClockThatIsSetBackEndsTheSpeechAndBeginsAnew(t *testing.T) {
	const rate = audio.Rate16k
	f := audio.Mono(rate)
	d := detector(t, vad.Config{Engine: loud{window: 512}})
	got := feed(t, d, f, 100_000, track(rate, 20480, span{0, 20480}), 320)
	got, err := d.Detect(got, piece(f, 0, make([]int16, 320)))
	if !errors.Is(err, vad.ErrRestart) || !strings.Contains(err.Error(), "from 120480 to 0") {
		t.Errorf("the error is %v", err)
	}
	got = append(got, feed(t, d, f, 320, track(rate, 40000, span{4800, 10000}), 320)...)
	if len(got) != 4 || got[1] != ended(120_480, rate) || got[2].Position > 5120 || got[3].Position < 10320 {
		t.Errorf("events %v", got)
	}
}

func TestBehindAGapItHearsAsIfItWereNew(t *testing.T) {
	const rate = audio.Rate16k
	f := audio.Mono(rate)
	soft := track(rate, 8192, span{0, 8192})
	audio.Gain(soft, -30)
	for name, at := range map[string]int{"audio is missing": 10240 + 3200, "another clock": -100_000} { // where the soft sound follows a loud one
		for engine, e := range engines(t) {
			t.Run(name+", "+engine, func(t *testing.T) {
				var want, got []vad.Window
				fresh := detector(t, vad.Config{Engine: e, Observe: func(w vad.Window) { want = append(want, w) }})
				d := detector(t, vad.Config{Engine: e, Observe: func(w vad.Window) { got = append(got, w) }})
				feed(t, fresh, f, at, soft, len(soft))
				feed(t, d, f, 0, track(rate, 10240, span{5120, 10240}), 320)
				if _, err := d.Detect(nil, piece(f, at, soft)); (at < 0) != errors.Is(err, vad.ErrRestart) {
					t.Errorf("the error is %v", err)
				}
				got = got[max(0, len(got)-len(want)):]
				for i := range got { // speech may go on
					got[i].Speaking, got[i].Counts, want[i].Speaking, want[i].Counts = false, false, false, false
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("windows (-new +behind the gap):\n%s", diff)
				}
			})
		}
	}
}

// TestMissingAudioLastsAsLongAsSilence has speech that ends anywhere in a window,
// and a gap that is as long as the pause must be behind that window, or a sample
// shorter.
func TestMissingAudioLastsAsLongAsSilence(t *testing.T) {
	const rate = audio.Rate16k
	const window, pause = 512, 25 * 512 // 800 ms
	f := audio.Mono(rate)
	for end := 20 * window; end < 21*window; end += 64 {
		counts := (end + window - 1) / window * window // the last window that does
		for short := range 2 {
			behind := counts + pause - short
			d := detector(t, vad.Config{Engine: loud{window: window}})
			got := feed(t, d, f, 0, track(rate, end, span{5120, end}), 320)
			got = append(got, feed(t, d, f, behind, track(rate, 10*window, span{0, 10 * window}), 320)...)
			want := []vad.Event{began(4608, rate), ended(end, rate), began(behind, rate)}
			if short > 0 {
				want = want[:1]
			}
			expect(t, fmt.Sprintf("speech to %d, and on at %d", end, behind), got, want...)
		}
	}
	// So does silence itself, of so many windows,
	d := detector(t, vad.Config{Engine: loud{window: window}})
	feed(t, d, f, 0, track(rate, 10240, span{5120, 10240}), 320)
	expect(t, "in a pause of 24 windows", feed(t, d, f, 10240, make([]int16, 24*window), 320))
	expect(t, "and of another", feed(t, d, f, 10240+24*window, make([]int16, window), 320), ended(10240, rate))
	// and what is missing and what is silent count together.
	d = detector(t, vad.Config{Engine: loud{window: window}})
	feed(t, d, f, 0, track(rate, 10240, span{5120, 10240}), 320)
	expect(t, "in a pause of half a second and of 9 windows", feed(t, d, f, 10240+8000, make([]int16, 9*window), 320))
	expect(t, "and of another", feed(t, d, f, 10240+8000+9*window, make([]int16, window), 320), ended(10240, rate))
}

func TestAFrameWithoutSamplesChangesNothing(t *testing.T) {
	const rate = audio.Rate16k
	mono, stereo := audio.Mono(rate), audio.Stereo(rate)
	samples := track(rate, 60_000, span{16_000, 48_000})
	want := feed(t, detector(t, vad.Config{Engine: loud{window: 512}}), mono, 0, samples, 320)
	for name, a := range map[string]*frames.Audio{
		"none":                      piece(mono, 32_000, nil),
		"none, at the beginning":    piece(mono, 0, []int16{}),
		"none, far away":            piece(mono, 1_000_000, nil),
		"none, at another rate":     piece(audio.Mono(48_000), 0, nil),
		"half a frame of two sides": piece(stereo, 0, make([]int16, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			d := detector(t, vad.Config{Engine: loud{window: 512}})
			got, err := d.Detect(nil, a)
			got = append(got, feed(t, d, mono, 0, samples[:32_000], 320)...)
			got, again := d.Detect(got, a)
			got = append(got, feed(t, d, mono, 32_000, samples[32_000:], 320)...)
			expect(t, "events", got, want...)
			for _, err := range []error{err, again} {
				if half := len(a.Samples) > 0; (err != nil) != half || half && !strings.Contains(err.Error(), "1 samples at 0 are not whole frames of 2 channels") {
					t.Errorf("the error is %v", err)
				}
			}
		})
	}
}

func TestOfAFrameThatIsNotWholeIsHeardWhatIs(t *testing.T) {
	f := audio.Stereo(audio.Rate16k)
	samples := audio.Remix(nil, track(f.Rate, 40_000, span{10_000, 20_000}), 1, 2)
	want := feed(t, detector(t, vad.Config{Engine: loud{window: 512}}), f, 0, samples, 320)
	d := detector(t, vad.Config{Engine: loud{window: 512}})
	got, err := d.Detect(nil, piece(f, 0, samples[:2*15_000+1]))
	if err == nil || !strings.Contains(err.Error(), "30001 samples at 0 are not whole frames of 2 channels") {
		t.Errorf("the error is %v", err)
	}
	expect(t, "events", append(got, feed(t, d, f, 15_000, samples[2*15_000:], 320)...), want...)
}

func TestPositionsThatAreTakenAreRightAtEveryOtherRate(t *testing.T) {
	rates := []audio.SampleRate{8000, 44_100, 192_000, 768_000}
	for _, from := range rates {
		for _, to := range rates {
			for _, at := range []audio.Position{1 << 60, audio.Position(from)<<40 - audio.Position(from), -audio.Position(from) << 40} {
				var last vad.Window
				d := detector(t, vad.Config{Engine: loud{window: 400}, Observe: func(w vad.Window) { last = w }})
				a := piece(audio.Mono(from), int(at), make([]int16, from/10))
				if _, err := d.Detect(nil, a); err != nil {
					if at == 1<<60 {
						continue // that it may refuse
					}
					t.Fatalf("%v at %d: %v", from, at, err)
				}
				b := piece(audio.Mono(to), int(a.End().At(from, to)), make([]int16, to/5))
				_, err := d.Detect(nil, b)
				if waits := b.End() - last.To; err != nil || waits < 0 || waits > audio.Position(400).At(from, to)+audio.Position(to/100) { // and the resampler's delay
					t.Errorf("%v at %d and then %v to %d: it has heard up to %d, error %v", from, at, to, b.End(), last.To, err)
				}
			}
		}
	}
}

// scripted is an engine that says of one window after the other, of 512 samples at
// 16 kHz, what it is told to; 0 afterwards.
type scripted []float32

type scriptedStream struct{ says scripted }

func (e scripted) Open(audio.SampleRate) (vad.Stream, error) { return &scriptedStream{e}, nil }
func (s *scriptedStream) Rate() audio.SampleRate             { return audio.Rate16k }
func (s *scriptedStream) Window() int                        { return 512 }
func (s *scriptedStream) Reset()                             {}

func (s *scriptedStream) Probability([]float32) (p float32, err error) {
	if len(s.says) > 0 {
		p, s.says = s.says[0], s.says[1:]
	}
	return p, nil
}

func TestBehindAWindowThatCountsALessLikelyOneDoes(t *testing.T) {
	const start = 6 // windows are 200 ms
	for _, c := range []struct {
		confidence    float64
		first, others float32
		speech        bool
	}{
		{0.7, 0.71, 0.56, true},
		{0.7, 0.71, 0.54, false}, // 0.15 less
		{0.7, 0.69, 0.69, false}, // there is none that counts
		{0.4, 0.41, 0.26, true},
		{0.4, 0.41, 0.24, false},
		{0.2, 0.21, 0.11, true},
		{0.2, 0.21, 0.09, false}, // below 0.3, half of it
	} {
		says := scripted{0, 0, 0, c.first}
		for range start - 1 {
			says = append(says, c.others)
		}
		d := detector(t, vad.Config{Engine: says, Params: vad.Params{Confidence: c.confidence}})
		got := feed(t, d, audio.Mono(audio.Rate16k), 0, track(audio.Rate16k, 512*len(says), span{3 * 512, 512 * len(says)}), 512)
		var want []vad.Event
		if c.speech {
			want = []vad.Event{began(2*512, audio.Rate16k)}
		}
		expect(t, fmt.Sprintf("%+v", c), got, want...)
	}
}

// TestABeginningIsLookedForHalfASecondBack has windows that do not count but are
// heard, between silence and those that count.
func TestABeginningIsLookedForHalfASecondBack(t *testing.T) {
	const rate = audio.Rate16k
	const window, at = 512, 40 * 512
	for heard := range 16 {
		samples := track(rate, at+10*window, span{at - heard*window, at + 10*window})
		audio.Gain(samples[:at], -20)
		want := at - (heard+1)*window
		if heard == 15 { // for half a second and longer: it was like that before
			want = at - window
		}
		d := detector(t, vad.Config{Engine: loud{window: window}})
		expect(t, fmt.Sprintf("behind %d windows", heard), feed(t, d, audio.Mono(rate), 0, samples, 320), began(want, rate))
	}
}

func TestSpeechNeverEndsBeforeItBegins(t *testing.T) {
	const rate = audio.Rate16k
	// An engine that is late: what it says of silence in the place of missing audio.
	d := detector(t, vad.Config{Engine: scripted{0, 0, 0, 0, 1}, Params: vad.Params{Start: time.Millisecond, Stop: 100 * time.Millisecond, MinVolume: math.Inf(-1)}})
	got := feed(t, d, audio.Mono(rate), 0, track(rate, 1000, span{0, 1000}), 1000)
	got = append(got, feed(t, d, audio.Mono(rate), 5000, make([]int16, 1000), 1000)...)
	if len(got) != 2 || !got[0].Speech || got[1].Speech || got[1].Position < got[0].Position {
		t.Errorf("events %v", got)
	}
}

func TestABeginningIsNotSoughtBelowWhatWasOnAnotherClock(t *testing.T) {
	const rate = audio.Rate16k
	f := audio.Mono(rate)
	samples := track(rate, 8192, span{0, 8192})
	audio.Gain(samples[:5*512], -20) // heard, and does not count
	expect(t, "of a new detector", feed(t, detector(t, vad.Config{Engine: loud{window: 512}}), f, 0, samples, len(samples)), began(0, rate))
	d := detector(t, vad.Config{Engine: loud{window: 512}})
	feed(t, d, f, 100_000, track(rate, 20_000, span{0, 20_000}), 20_000) // ends within a window
	got, err := d.Detect(nil, piece(f, 0, samples))
	if !errors.Is(err, vad.ErrRestart) {
		t.Errorf("the error is %v", err)
	}
	expect(t, "of one that was set back", got, ended(120_000, rate), began(0, rate))
}

func TestSpeechGoesOnWhenTheFormatChanges(t *testing.T) {
	stereo48, mono16 := audio.Stereo(audio.Rate48k), audio.Mono(audio.Rate16k)
	d := detector(t, vad.Config{Engine: loud{rate: 16000, window: 512}})
	got := feed(t, d, mono16, 0, track(audio.Rate16k, 16000, span{5120, 16000}), 320)
	got = append(got, feed(t, d, stereo48, 48000, audio.Remix(nil, track(audio.Rate48k, 192000, span{0, 48000}), 1, 2), 960)...)
	if len(got) != 2 || got[0] != began(4608, audio.Rate16k) || got[1].Rate != audio.Rate48k || got[1].Position < 96000 || got[1].Position > 96000+3*512 {
		t.Errorf("events %v", got)
	}
	mono48 := audio.Mono(audio.Rate48k) // channels only: not a window is lost
	whole, changing := detector(t, vad.Config{Engine: loud{window: 512}}), detector(t, vad.Config{Engine: loud{window: 512}})
	samples := track(audio.Rate48k, 200_000, span{30_000, 80_000})
	want := feed(t, whole, mono48, 0, samples, 960)
	got = feed(t, changing, mono48, 0, samples[:50_001], 960)
	got = append(got, feed(t, changing, stereo48, 50_001, audio.Remix(nil, samples[50_001:], 1, 2), 960)...)
	expect(t, "events when a channel is added", got, want...)
}

func TestAudioThatIsNoneIsRefused(t *testing.T) {
	for name, a := range map[string]*frames.Audio{
		"sample rate 0 Hz":  piece(audio.Mono(0), 0, make([]int16, 320)),
		"0 channels":        piece(audio.Format{Rate: 16000}, 0, make([]int16, 320)),
		"beyond any clock":  piece(audio.Mono(16000), math.MaxInt64-5, make([]int16, 320)),
		"position -9223372": piece(audio.Mono(16000), math.MinInt64, make([]int16, 320)),
		"takes 1 kHz":       piece(audio.Mono(500), 0, make([]int16, 320)),
	} {
		d := detector(t, vad.Config{Engine: vad.Energy()})
		if events, err := d.Detect(nil, a); err == nil || !strings.Contains(err.Error(), name) || len(events) > 0 {
			t.Errorf("want an error with %q, got %v and %v", name, err, events)
		}
		if got := feed(t, d, audio.Mono(16000), 0, track(16000, 60000, span{8000, 16000}), 320); len(got) != 2 {
			t.Errorf("%s: afterwards it finds %v", name, got)
		}
	}
}

func TestAnEngineThatFailsIsNeitherSpeechNorSilence(t *testing.T) {
	for _, p := range []float32{float32(math.NaN()), -0.5, 1.5} {
		d := detector(t, vad.Config{Engine: loud{window: 512, answer: p}})
		events, err := d.Detect(nil, piece(audio.Mono(16000), 0, track(16000, 16000, span{0, 16000})))
		if err == nil || !strings.Contains(err.Error(), "must be from 0 to 1") || len(events) > 0 {
			t.Errorf("a probability of %v: %v and %v", p, events, err)
		}
	}
}

func TestWhatIsSofterThanTheMinimumDoesNotCount(t *testing.T) {
	sound := sounds(t)[0]
	soft := append([]int16(nil), sound.Samples[:6*sound.Rate]...)
	audio.Gain(soft, -30)
	f := audio.Mono(sound.Rate)
	found := func(min float64) int {
		return len(feed(t, detector(t, vad.Config{Params: vad.Params{MinVolume: min}}), f, 0, soft, 160))
	}
	if n := found(0); n != 0 {
		t.Errorf("%d events of what is as soft as a whisper next door", n)
	}
	if n := found(math.Inf(-1)); n != 2 {
		t.Errorf("%d events without a minimum, want 2", n)
	}
	if n := found(-70); n != 2 {
		t.Errorf("%d events with a minimum of -70 dBFS, want 2", n)
	}
}

func TestFlushEndsTheSpeechWhereTheAudioEnds(t *testing.T) {
	d := detector(t, vad.Config{Engine: loud{rate: 8000, window: 256}})
	got := feed(t, d, audio.Mono(audio.Rate16k), 0, track(audio.Rate16k, 12_345, span{4000, 12_345}), 320)
	got, err := d.Flush(got)
	if err != nil || len(got) != 2 || got[1] != ended(12_345, audio.Rate16k) {
		t.Errorf("events %v, error %v", got, err)
	}
	if more, err := d.Flush(nil); len(more) > 0 || err != nil {
		t.Errorf("flushed again: %v, %v", more, err)
	}
}

func TestSpeechThatIsOnlySureWithTheFlushEndsWhereTheAudioEnds(t *testing.T) {
	const rate = audio.Rate16k
	const end = 15*512 + 100 // in the sixth window of the tone
	d := detector(t, vad.Config{Engine: loud{window: 512}})
	got := feed(t, d, audio.Mono(rate), 0, track(rate, end, span{10 * 512, end}), 320)
	expect(t, "before it", got)
	got, err := d.Flush(got)
	if err != nil {
		t.Error(err)
	}
	expect(t, "with it", got, began(9*512, rate), ended(end, rate))
}

func TestAfterAFlushAnythingMayFollow(t *testing.T) {
	const rate = audio.Rate16k
	f := audio.Mono(rate)
	voice := track(rate, 40_000, span{0, 10_000})
	for name, at := range map[string]int{"the same": 0, "an overlap": 15_000, "what is next": 16_000, "what is later": 1_000_000, "what was long before": -100_000} {
		t.Run(name, func(t *testing.T) {
			want := feed(t, detector(t, vad.Config{Engine: loud{window: 512}}), f, at, voice, 320)
			if len(want) != 2 || want[0] != began(at, rate) {
				t.Fatalf("a new detector finds %v", want)
			}
			d := detector(t, vad.Config{Engine: loud{window: 512}})
			feed(t, d, f, 0, track(rate, 16_000, span{8000, 16_000}), 320)
			if _, err := d.Flush(nil); err != nil {
				t.Fatal(err)
			}
			expect(t, "events", feed(t, d, f, at, voice, 320), want...)
		})
	}
}

func TestParametersThatCannotWorkAreRefusedWithTheFieldAndTheRemedy(t *testing.T) {
	for _, c := range []struct {
		params vad.Params
		field  string
		remedy string
	}{
		{vad.Params{Confidence: -0.1}, "Confidence", "between 0 and 1"},
		{vad.Params{Confidence: 1}, "Confidence", "between 0 and 1"},
		{vad.Params{Confidence: 70}, "Confidence", "between 0 and 1"},
		{vad.Params{Confidence: math.NaN()}, "Confidence", "between 0 and 1"},
		{vad.Params{Start: -time.Second}, "Start", "negative"},
		{vad.Params{Start: time.Minute}, "Start", "more than 10s"},
		{vad.Params{Stop: -1}, "Stop", "negative"},
		{vad.Params{Stop: 8}, "Stop", "multiply by time.Second"},
		{vad.Params{Stop: time.Hour}, "Stop", "more than 1m"},
		{vad.Params{MinVolume: 0.6}, "MinVolume", "what Pipecat calls 0.6 is -50"},
		{vad.Params{MinVolume: -200}, "MinVolume", "minus infinity turns the limit off"},
		{vad.Params{MinVolume: math.NaN()}, "MinVolume", "dBFS"},
	} {
		_, err := vad.NewDetector(vad.Config{Params: c.params})
		var bad *vad.ParamError
		if !errors.As(err, &bad) || bad.Field != c.field || !strings.Contains(err.Error(), c.remedy) {
			t.Errorf("%+v: the error is %v, want one of %s with %q", c.params, err, c.field, c.remedy)
		}
		d := detector(t, vad.Config{})
		before := d.Params()
		change := vad.Settings{}
		switch c.field {
		case "Confidence":
			change.Confidence = &c.params.Confidence
		case "Start":
			change.Start = &c.params.Start
		case "Stop":
			change.Stop = &c.params.Stop
		case "MinVolume":
			change.MinVolume = &c.params.MinVolume
		}
		other := 0.5
		if change.Confidence == nil {
			change.Confidence = &other
		}
		if err := d.Update(change); !errors.As(err, &bad) || d.Params() != before {
			t.Errorf("%+v in mid-call: the error is %v, and the parameters are %+v", c.params, err, d.Params())
		}
	}
	if err := (vad.Params{}).Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	_, err := vad.NewDetector(vad.Config{Params: vad.Params{Confidence: 2, Stop: -1}})
	if err == nil || !strings.Contains(err.Error(), "Confidence") || !strings.Contains(err.Error(), "Stop") {
		t.Errorf("of two mistakes it says %v", err)
	}
}

func TestParametersChangeInMidCallForThePauseThatIsGoingOn(t *testing.T) {
	const rate = audio.Rate16k
	f := audio.Mono(rate)
	d := detector(t, vad.Config{Engine: loud{window: 512}})
	expect(t, "at first", feed(t, d, f, 0, track(rate, 15360, span{5120, 10240}), 320), began(4608, rate)) // a pause of 0.32 s
	if err := d.Update(vad.Settings{Stop: new(300 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	expect(t, "with the next window", feed(t, d, f, 15360, make([]int16, 512), 320), ended(10240, rate))
}

func TestWindowsAreReportedWithoutAGap(t *testing.T) {
	sound := sounds(t)[0]
	samples := audio.Remix(nil, sound.Samples[:6*sound.Rate], 1, 1)
	var last vad.Window
	n, speaking := 0, 0
	d := detector(t, vad.Config{Observe: func(w vad.Window) {
		if n > 0 && w.From != last.To || w.To-w.From != 256 || w.Rate != sound.Rate || w.Track != "caller" || w.Probability < 0 || w.Probability > 1 {
			t.Errorf("window %d is %+v after %+v", n, w, last)
		}
		last = w
		n++
		if w.Speaking {
			speaking++
		}
	}})
	feed(t, d, audio.Mono(sound.Rate), 0, samples, 160)
	if n != len(samples)/256 || speaking < 80 || speaking > n-50 {
		t.Errorf("%d windows were reported, %d of them with speech", n, speaking)
	}
}

func TestDetectingAllocatesNothing(t *testing.T) {
	for _, f := range []audio.Format{audio.Mono(8000), audio.Mono(16000), audio.Stereo(48000)} {
		d := detector(t, vad.Config{})
		a := piece(f, 0, make([]int16, int(f.Rate)/50*f.Channels))
		events := make([]vad.Event, 0, 8)
		n := testing.AllocsPerRun(200, func() {
			events, _ = d.Detect(events[:0], a)
			a.Position = a.End()
		})
		if n != 0 {
			t.Errorf("%v: %v allocations for each 20 ms", f, n)
		}
	}
}

func TestFiveMinutesOfNoiseDoNotMakeItDeaf(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: too much to compute under the race detector; run without it")
	}
	sound := sounds(t)[0]
	f := audio.Mono(sound.Rate)
	d := detector(t, vad.Config{})
	noise := make([]int16, 300*sound.Rate)
	state := uint32(1)
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = int16(state>>16) / 256
	}
	if got := feed(t, d, f, 0, noise, 160); len(got) != 0 {
		t.Errorf("noise is taken for speech: %v", got)
	}
	fresh := feed(t, detector(t, vad.Config{}), f, 0, sound.Samples[:6*sound.Rate], 160)
	got := feed(t, d, f, len(noise), sound.Samples[:6*sound.Rate], 160)
	if len(got) != 2 || len(fresh) != 2 {
		t.Fatalf("events %v, and %v at the beginning of a call", got, fresh)
	}
	for i := range got {
		if off := got[i].Position - audio.Position(len(noise)) - fresh[i].Position; off < -800 || off > 800 {
			t.Errorf("event %d is at %d after the noise, and at %d at the beginning of a call", i, got[i].Position-audio.Position(len(noise)), fresh[i].Position)
		}
	}
}

func TestAStreamTakesAtMostSixteenKilobytes(t *testing.T) {
	for _, f := range []audio.Format{audio.Mono(8000), audio.Mono(16000), audio.Stereo(24000), audio.Stereo(48000)} {
		var before, after runtime.MemStats
		const n = 200
		all := make([]*vad.Detector, n)
		a := piece(f, 0, make([]int16, int(f.Rate)/50*f.Channels))
		feed(t, detector(t, vad.Config{}), f, 0, a.Samples, 960) // what all share
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range all {
			all[i] = detector(t, vad.Config{})
			if _, err := all[i].Detect(nil, a); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 16<<10 {
			t.Errorf("%v: a stream takes %d bytes", f, each)
		} else {
			t.Logf("%v: a stream takes %d bytes", f, each)
		}
		runtime.KeepAlive(all)
	}
}
