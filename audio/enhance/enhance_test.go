package enhance_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/enhance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var formats = []audio.Format{audio.Mono(audio.Rate8k), audio.Mono(audio.Rate16k), audio.Stereo(audio.Rate24k), audio.Mono(audio.Rate44k), audio.Stereo(audio.Rate48k)}

// usual are the formats, or fewer if there is little time.
func usual() []audio.Format {
	if testing.Short() {
		return formats[1:3]
	}
	return formats
}

// newFilter makes a filter of a stage.
func newFilter(t testing.TB, s enhance.Stage, f audio.Format) enhance.Filter {
	t.Helper()
	filter, err := s.Stage(f)
	if err != nil {
		t.Fatal(err)
	}
	return filter
}

// sine is a tone on all channels; level is its RMS in dBFS.
func sine(f audio.Format, hz, level float64, n int) []float32 {
	a := math.Sqrt2 * math.Pow(10, level/20)
	s := make([]float32, 0, n*f.Channels)
	for i := range n {
		for range f.Channels {
			s = append(s, float32(a*math.Sin(2*math.Pi*hz*float64(i)/float64(f.Rate))))
		}
	}
	return s
}

// measure returns amplitude and phase of one frequency on one channel, from
// sample from on.
func measure(samples []float32, f audio.Format, channel int, hz float64, from int) (amplitude, phase float64) {
	var re, im, weight float64
	n := len(samples)/f.Channels - from
	for i := range n {
		w := 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(n))
		x := float64(samples[(from+i)*f.Channels+channel])
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(from+i) / float64(f.Rate))
		re, im, weight = re+w*x*sin, im+w*x*cos, weight+w
	}
	return 2 * math.Hypot(re, im) / weight, math.Atan2(im, re)
}

func rms(samples []float32) float64 {
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return 10 * math.Log10(sum/float64(len(samples)))
}

func peak(samples []float32) float64 {
	var most float64
	for _, s := range samples {
		most = max(most, math.Abs(float64(s)))
	}
	return 20 * math.Log10(most)
}

// The oracle is Butterworth's formula, with the frequencies bent as the bilinear
// transform bends them.
func TestTheHighPassHasButterworthsResponse(t *testing.T) {
	for _, f := range usual() {
		for _, h := range []enhance.HighPass{{}, {Cutoff: 100, Order: 4}, {Cutoff: 300}} {
			cutoff, order := h.Cutoff, h.Order
			if cutoff == 0 {
				cutoff = 90
			}
			if order == 0 {
				order = 2
			}
			for _, hz := range []float64{20, 50, cutoff / 2, cutoff, 2 * cutoff, 400, 1000, 3000} {
				samples := sine(f, hz, -3.0103, int(f.Rate)*3/2)
				newFilter(t, h, f).Filter(samples)
				ratio := math.Tan(math.Pi*cutoff/float64(f.Rate)) / math.Tan(math.Pi*hz/float64(f.Rate))
				want := -10 * math.Log10(1+math.Pow(ratio, float64(2*order)))
				for c := range f.Channels {
					a, _ := measure(samples, f, c, hz, int(f.Rate)/2)
					if got := 20 * math.Log10(a); math.Abs(got-want) > 0.02 {
						t.Errorf("%v, cut-off %g Hz, order %d: %.3f dB at %g Hz on channel %d, want %.3f", f, cutoff, order, got, hz, c, want)
					}
				}
			}
		}
	}
}

func TestTheHighPassRemovesAnOffset(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	samples := sine(f, 440, -20, int(f.Rate))
	for i := range samples {
		samples[i] += 0.3
	}
	newFilter(t, enhance.HighPass{}, f).Filter(samples)
	var mean float64
	for _, s := range samples[8000:] {
		mean += float64(s) / 8000
	}
	if math.Abs(mean) > 1e-4 {
		t.Errorf("an offset of %g is left", mean)
	}
}

// speech is bursts of a tone with pauses, at a level while it sounds, over quiet
// noise.
func speech(f audio.Format, level, noise float64, d time.Duration) []float32 {
	s := sine(f, 300, level, int(f.Rate.Samples(d)))
	r := rand.New(rand.NewPCG(1, 2))
	sigma := math.Pow(10, noise/20)
	for i := range s {
		if isPause(f, i) {
			s[i] = 0
		}
		s[i] += float32(sigma * r.NormFloat64())
	}
	return s
}

// isPause tells where speech pauses: 100 ms of every 400.
func isPause(f audio.Format, i int) bool {
	return i/f.Channels%int(f.Rate.Samples(400*time.Millisecond)) < int(f.Rate.Samples(100*time.Millisecond))
}

func TestGainControlBringsAVoiceToItsTarget(t *testing.T) {
	for _, f := range usual() {
		for _, c := range []struct {
			agc         enhance.AGC
			level, want float64
		}{
			{enhance.AGC{}, -40, -20},
			{enhance.AGC{}, -32, -20},
			{enhance.AGC{}, -20, -20},
			{enhance.AGC{}, -8, -20},
			{enhance.AGC{Target: -26}, -40, -26},
			{enhance.AGC{MaxGain: 6}, -40, -34},
			{enhance.AGC{MaxCut: 3}, -8, -11},
		} {
			agc := newFilter(t, c.agc, f)
			samples := speech(f, c.level, -90, 8*time.Second)
			agc.Filter(samples)
			// The last burst, well inside.
			n := len(samples)
			end := n - int(f.Rate.Samples(50*time.Millisecond))*f.Channels
			if got := rms(samples[end-int(f.Rate.Samples(100*time.Millisecond))*f.Channels : end]); math.Abs(got-c.want) > 0.5 {
				t.Errorf("%v, %+v: a voice at %g dBFS comes out at %.2f, want %g", f, c.agc, c.level, got, c.want)
			}
		}
	}
}

func TestTheGainFollowsWithItsTimeConstants(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	for _, c := range []struct {
		first, then float64 // dBFS
		after       time.Duration
	}{
		{-30, -14, 200 * time.Millisecond},
		{-10, -28, 2 * time.Second},
	} {
		agc := newFilter(t, enhance.AGC{Attack: 200 * time.Millisecond, Release: 2 * time.Second}, f)
		settle := speech(f, c.first, -90, 20*time.Second)
		agc.Filter(settle)
		// A steady tone right behind a pause: within the time constant the gain has
		// made all but 1/e of its way.
		next := append(make([]float32, 3200), sine(f, 300, c.then, int(f.Rate)*4)...)
		agc.Filter(next)
		at := 3200 + int(f.Rate.Samples(c.after)) + agc.Latency()
		got := rms(next[at-160:at+160]) - c.then
		want := -20 - c.then + (c.then-c.first)/math.E
		if math.Abs(got-want) > 1 {
			t.Errorf("from %g to %g dBFS: the gain after %v is %.2f dB, want %.2f", c.first, c.then, c.after, got, want)
		}
	}
}

func TestPausesAndNoiseAreNotPumpedUp(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	for _, noise := range []float64{-90, -70, -56, -45} {
		r := rand.New(rand.NewPCG(3, 4))
		samples := make([]float32, 10*int(f.Rate))
		for i := range samples {
			samples[i] = float32(math.Pow(10, noise/20) * r.NormFloat64())
		}
		newFilter(t, enhance.AGC{}, f).Filter(samples)
		if got := rms(samples[len(samples)/2:]); math.Abs(got-noise) > 1 {
			t.Errorf("noise at %g dBFS became %.1f", noise, got)
		}
	}
	// A pause of ten seconds behind a voice has the gain that the voice had.
	agc := newFilter(t, enhance.AGC{}, f)
	agc.Filter(speech(f, -30, -70, 10*time.Second))
	pause := speech(f, -200, -70, 10*time.Second)
	agc.Filter(pause)
	first, last := rms(pause[2000:10_000]), rms(pause[len(pause)-8000:])
	if math.Abs(first-(-60)) > 1 || math.Abs(first-last) > 0.3 {
		t.Errorf("the noise of a pause is at %.1f dBFS at first and %.1f at last, want -60", first, last)
	}
}

func TestNothingClipsHoweverLoudItGetsAtOnce(t *testing.T) {
	for _, f := range usual() {
		for _, ceiling := range []float64{0, -0.1, -6} {
			agc := newFilter(t, enhance.AGC{Ceiling: ceiling}, f)
			if ceiling == 0 {
				ceiling = -1
			}
			quiet := speech(f, -42, -90, 3*time.Second)
			agc.Filter(quiet)
			r := rand.New(rand.NewPCG(9, 9))
			loud := sine(f, 440, -3.02, int(f.Rate))
			for i := range loud {
				switch {
				case i%5000 == 0:
					loud[i] = 1 // a click
				case i > len(loud)/2:
					loud[i] = 2*r.Float32() - 1
				}
			}
			agc.Filter(loud)
			// One rounding of float32 is allowed for.
			if got := peak(loud); got > ceiling+1e-6 {
				t.Errorf("%v: a peak of %.4f dBFS, want at most %g", f, got, ceiling)
			}
			// What is cut off has a flat top; what is turned down has none.
			top := float32(math.Pow(10, ceiling/20) * (1 - 1e-6))
			for i := 2 * f.Channels; i < len(loud); i++ {
				if min(loud[i], loud[i-f.Channels], loud[i-2*f.Channels]) >= top || max(loud[i], loud[i-f.Channels], loud[i-2*f.Channels]) <= -top {
					t.Fatalf("%v: the peak at %d is cut off at %g dBFS", f, i/f.Channels, ceiling)
				}
			}
		}
	}
}

func TestWhatIsQuietEnoughPassesTheLimiterAsItIs(t *testing.T) {
	f := audio.Stereo(audio.Rate16k)
	agc := newFilter(t, enhance.AGC{MaxGain: 1e-9, MaxCut: 1e-9}, f)
	in := sine(f, 440, -12, 16_000)
	out := slices.Clone(in)
	agc.Filter(out)
	late := agc.Latency() * f.Channels
	for i, s := range out[late:] {
		if math.Abs(float64(s-in[i])) > 1e-6 {
			t.Fatalf("value %d is %v, want %v, %d samples late", i, s, in[i], agc.Latency())
		}
	}
	if want := int(f.Rate.Samples(5 * time.Millisecond)); agc.Latency() != want {
		t.Errorf("it is %d samples late, want %d", agc.Latency(), want)
	}
}

// The oracle is the limiter's definition, computed the slow way: a sample is
// multiplied by the mean, over those n+1 up to the one that arrives n later, of the
// least gain that any of the last n+1 needs. That alone keeps every peak below the
// ceiling; what is cut off besides is a rounding error.
func TestTheLimiterTurnsDownInTimeAndCutsNothingOff(t *testing.T) {
	for _, f := range usual() {
		ceiling := math.Pow(10, -6.0/20)
		agc := newFilter(t, enhance.AGC{MaxGain: 1e-9, MaxCut: 1e-9, Ceiling: -6}, f)
		n := agc.Latency()
		in := sine(f, 440, -20, int(f.Rate)/2)
		r := rand.New(rand.NewPCG(2, 8))
		for i := range in {
			switch at := i / f.Channels; {
			case i%(7*n+1) == 0:
				in[i] = 20 // a click on one channel
			case at > len(in)/f.Channels/2:
				in[i] = 4*r.Float32() - 2
			}
		}
		out := slices.Clone(in)
		agc.Filter(out)
		count := len(in) / f.Channels
		least := make([]float64, count) // of the last n+1
		for at := range least {
			least[at] = 1
			for _, x := range in[max(at-n, 0)*f.Channels : (at+1)*f.Channels] {
				least[at] = min(least[at], ceiling/math.Abs(float64(x)))
			}
		}
		for at := n; at < count; at++ {
			gain := 0.0
			for k := at - n; k <= at; k++ {
				gain += least[k] / float64(n+1)
			}
			for c := range f.Channels {
				want := gain * float64(in[(at-n)*f.Channels+c])
				if math.Abs(want) > ceiling*(1+1e-9) {
					t.Fatalf("%v: the definition gives %v at %d", f, want, at-n)
				}
				if got := float64(out[at*f.Channels+c]); math.Abs(got-want) > 2e-6 {
					t.Fatalf("%v: sample %d of channel %d is %v, want %v", f, at-n, c, got, want)
				}
			}
		}
	}
}

func TestTheLimiterDoesNotClick(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	agc := newFilter(t, enhance.AGC{MaxGain: 1e-9, MaxCut: 1e-9, Ceiling: -12}, f)
	samples := append(sine(f, 100, -30, 8000), sine(f, 100, -3.02, 8000)...)
	agc.Filter(samples)
	// A limited 100 Hz tone of amplitude 0.25 moves by at most 0.0098 a sample, and
	// the gain, of 0.25 within 80 samples, adds 0.01 to that.
	for i := 1; i < len(samples); i++ {
		if d := math.Abs(float64(samples[i] - samples[i-1])); d > 0.03 {
			t.Fatalf("it jumps by %.3f at %d", d, i)
		}
	}
}

func TestFiltersDoNotMindHowAStreamIsCut(t *testing.T) {
	for _, f := range usual() {
		for name, s := range map[string]enhance.Stage{"high-pass": enhance.HighPass{Order: 4}, "gain control": enhance.AGC{}} {
			whole := speech(f, -14, -40, 2*time.Second)
			pieces := slices.Clone(whole)
			newFilter(t, s, f).Filter(whole)
			filter := newFilter(t, s, f)
			r := rand.New(rand.NewPCG(5, 5))
			for rest := pieces; len(rest) > 0; {
				n := min(len(rest), f.Channels*r.IntN(700))
				filter.Filter(rest[:n])
				rest = rest[n:]
			}
			for i := range whole {
				if whole[i] != pieces[i] {
					t.Errorf("%s, %v: value %d is %v in pieces, %v at once", name, f, i, pieces[i], whole[i])
					break
				}
			}
		}
	}
}

func TestBadSamplesEndInTheChain(t *testing.T) {
	f := audio.Mono(audio.Rate8k)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	chain, err := enhance.NewChain(f, enhance.HighPass{}, enhance.AGC{})
	if err != nil {
		t.Fatal(err)
	}
	samples := sine(f, 300, -20, 8000)
	samples[100], samples[101], samples[102] = nan, inf, -inf
	chain.Filter(samples)
	if chain.Bad() != 3 {
		t.Errorf("%d bad samples were counted, want 3", chain.Bad())
	}
	// Each filter by itself also gets over it.
	for _, s := range []enhance.Stage{enhance.HighPass{}, enhance.HighPass{Order: 4}, enhance.AGC{}} {
		filter := newFilter(t, s, f)
		for _, bad := range []float32{nan, inf, -inf, math.MaxFloat32} {
			filter.Filter([]float32{bad, bad})
			rest := speech(f, -20, -90, 4*time.Second)
			filter.Filter(rest)
			if got := rms(rest[len(rest)-1600 : len(rest)-100]); !(math.Abs(got-(-20)) < 1) {
				t.Errorf("%T: after %v a voice is at %v dBFS", filter, bad, got)
			}
		}
	}
	for i, s := range samples {
		if s-s != 0 {
			t.Fatalf("sample %d is %v", i, s)
		}
	}
}

func TestResetForgetsSamplesAndKeepsTheGain(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	agc := newFilter(t, enhance.AGC{}, f)
	agc.Filter(speech(f, -35, -90, 8*time.Second))
	agc.Reset()
	next := make([]float32, 1600)
	agc.Filter(next)
	if peak(next) > -200 {
		t.Errorf("samples from before the reset come out at %.0f dBFS", peak(next))
	}
	again := sine(f, 300, -35, 3200)
	agc.Filter(again)
	if got := rms(again[1600:]); math.Abs(got-(-20)) > 0.7 {
		t.Errorf("after the reset a voice comes out at %.1f dBFS, want -20", got)
	}
	hp := newFilter(t, enhance.HighPass{}, f)
	hp.Filter(sine(f, 30, -3, 1234))
	hp.Reset()
	hp.Filter(next)
	if peak(next) > -200 {
		t.Errorf("the high-pass rings on at %.0f dBFS", peak(next))
	}
}

// What comes behind a reset has the gain at which the block before it arrived, and
// not the way there once more.
func TestAResetInTheMiddleOfAMoveKeepsWhereTheGainWasGoing(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	agc := newFilter(t, enhance.AGC{Attack: 100 * time.Microsecond}, f)
	agc.Filter(make([]float32, 160))                    // the noise is known
	agc.Filter(slices.Repeat([]float32{0.501187}, 160)) // a block at -6 dBFS, and then …
	agc.Filter(slices.Repeat([]float32{0.501187}, 100)) // … the gain goes down to -14 dB
	agc.Reset()
	next := slices.Repeat([]float32{0.1}, 160)
	agc.Filter(next)
	for i, s := range next[agc.Latency():] {
		if got := 20 * math.Log10(float64(s)/0.1); math.Abs(got+14) > 0.01 {
			t.Fatalf("sample %d behind the reset has a gain of %.2f dB, want -14", i, got)
		}
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	f := audio.Mono(audio.Rate8k)
	broken := enhance.StageFunc(func(audio.Format) (enhance.Filter, error) { return nil, errors.New("no model") })
	backwards := enhance.StageFunc(func(audio.Format) (enhance.Filter, error) { return early{}, nil })
	for want, s := range map[string]enhance.Stage{
		"high-pass: a cut-off of 4000 Hz is not between 0 and 3600 Hz, for 8 kHz mono": enhance.HighPass{Cutoff: 4000},
		"high-pass: a cut-off of -1 Hz":                     enhance.HighPass{Cutoff: -1},
		"high-pass: a cut-off of NaN Hz":                    enhance.HighPass{Cutoff: math.NaN()},
		"high-pass: order 3 is neither 2 nor 4":             enhance.HighPass{Order: 3},
		"order 3 is neither 2 nor 4\na cut-off of -1 Hz":    enhance.HighPass{Order: 3, Cutoff: -1},
		"gain control: Target is 3 dBFS: -60 to -6":         enhance.AGC{Target: 3},
		"Target is NaN dBFS":                                enhance.AGC{Target: math.NaN()},
		"MaxGain is -1 dB: 0 to 60":                         enhance.AGC{MaxGain: -1},
		"MaxCut is 100 dB: 0 to 60":                         enhance.AGC{MaxCut: 100},
		"Gate is -10 dBFS: -90 to the target, -20":          enhance.AGC{Gate: -10},
		"Ceiling is 1 dBFS: from the target, -20, to -0.01": enhance.AGC{Ceiling: 1},
		"Attack is -1s: 100µs to 1m0s":                      enhance.AGC{Attack: -time.Second},
		"Release is 2m0s: 100µs to 1m0s":                    enhance.AGC{Release: 2 * time.Minute},
		"Attack is 50ns":                                    enhance.AGC{Attack: 50},
		"write 1*time.Millisecond, or time.Second":          enhance.AGC{Release: 1},
		"Target is 3 dBFS: -60 to -6\nMaxGain is -1 dB: 0 to 60\nMaxCut is -1 dB: 0 to 60\nGate is -10 dBFS: -90 to the target, -20\nCeiling is 1 dBFS": enhance.AGC{Target: 3, MaxGain: -1, MaxCut: -1, Gate: -10, Ceiling: 1},
		"no model":                    broken,
		"has a latency of -1 samples": backwards,
		"stage 1 of 1 is nil: give it a configuration or a function, or leave it out":             nil,
		"stage 1 of 1 is nil: give it a configuration or":                                         enhance.StageFunc(nil),
		"stage 1 of 1, enhance.StageFunc, made neither a filter nor an error: return one of them": enhance.StageFunc(func(audio.Format) (enhance.Filter, error) { return nil, nil }),
	} {
		if _, err := enhance.NewChain(f, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := enhance.NewChain(f, broken, nil, backwards, enhance.AGC{MaxGain: -1}); err == nil ||
		!strings.Contains(err.Error(), "no model\nstage 2 of 4 is nil: give it a configuration or a function, or leave it out\nstage 3, enhance_test.early, has a latency of -1 samples\ngain control: MaxGain is -1 dB") {
		t.Errorf("four mistakes: %v", err)
	}
	if _, err := enhance.NewChain(audio.Format{}); err == nil || !strings.Contains(err.Error(), "sample rate 0 Hz") {
		t.Errorf("no format: %v", err)
	}
}

type early struct{}

func (early) Filter([]float32) {}
func (early) Latency() int     { return -1 }
func (early) Reset()           {}

func TestFiltersDoNotAllocate(t *testing.T) {
	f := audio.Stereo(audio.Rate16k)
	chain, err := enhance.NewChain(f, enhance.HighPass{}, enhance.AGC{})
	if err != nil {
		t.Fatal(err)
	}
	samples := speech(f, -14, -40, time.Second)
	if n := testing.AllocsPerRun(20, func() { chain.Filter(samples) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	chain.Reset()
}

// A microphone with hum becomes one without, at a level that a service likes.
func ExampleNewChain() {
	f := audio.Mono(audio.Rate16k)
	chain, err := enhance.NewChain(f, enhance.HighPass{Cutoff: 100}, enhance.AGC{Target: -18})
	if err != nil {
		fmt.Println(err)
		return
	}
	piece := make([]float32, 320) // 20 ms
	chain.Filter(piece)
	fmt.Println(f.Rate.Duration(int64(chain.Latency())), "late")

	_, err = enhance.NewChain(f, enhance.HighPass{Cutoff: 9000})
	fmt.Println(err)
	// Output:
	// 5ms late
	// high-pass: a cut-off of 9000 Hz is not between 0 and 7200 Hz, for 16 kHz mono
}
