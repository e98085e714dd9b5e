package audio

import (
	"bytes"
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"
	"pgregory.net/rapid"
)

var usualRates = []SampleRate{Rate8k, Rate11k, Rate16k, Rate22k, Rate24k, Rate32k, Rate44k, Rate48k}

// eachPair runs a subtest for each of the 56 pairs of different usual rates.
func eachPair(t *testing.T, test func(t *testing.T, in, out SampleRate)) {
	for _, in := range usualRates {
		for _, out := range usualRates {
			if in != out {
				t.Run(fmt.Sprintf("%v to %v", in, out), func(t *testing.T) { test(t, in, out) })
			}
		}
	}
}

func mustResampler(t testing.TB, in, out SampleRate, channels int) *Resampler {
	t.Helper()
	r, err := NewResampler(in, out, channels)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sine returns n samples of a tone of the given frequency and amplitude (1 is
// full scale), the first of them at time 0, not rounded.
func sine(hz, amplitude float64, rate SampleRate, n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))
	}
	return s
}

func quantize(signals ...[]float64) []int16 {
	out := make([]int16, len(signals[0]))
	for i := range out {
		v := 0.0
		for _, s := range signals {
			v += s[i]
		}
		out[i] = int16(math.Round(v * 32767))
	}
	return out
}

// spectrum resamples what make yields and returns the amplitudes (1 is full
// scale) at the frequencies k*out/size of a piece of the output from which the
// filter's beginning has been cut.
func spectrum(t *testing.T, in, out SampleRate, size int, make func(n int) []int16) []float64 {
	t.Helper()
	r := mustResampler(t, in, out, 1)
	skip := 2*r.Delay() + 8
	need := int(math.Ceil(float64(skip+size)*float64(in)/float64(out))) + 2
	got := r.Resample(nil, make(need))
	x := floats(got[skip : skip+size])
	amplitudes := []float64{}
	for _, c := range fourier.NewFFT(size).Coefficients(nil, x) {
		amplitudes = append(amplitudes, 2*cmplx.Abs(c)/float64(size)/32767)
	}
	return amplitudes
}

func floats(s []int16) []float64 {
	x := make([]float64, len(s))
	for i, v := range s {
		x[i] = float64(v)
	}
	return x
}

func dB(x float64) float64 { return 20 * math.Log10(x) }

func TestTonesUpTo45PercentOfTheLowerRatePassWithinATenthOfADecibel(t *testing.T) {
	const size = 2048
	worst := 0.0
	eachPair(t, func(t *testing.T, in, out SampleRate) {
		low := float64(min(in, out))
		for _, f := range []float64{0.003, 0.05, 0.13, 0.21, 0.29, 0.35, 0.4, 0.42, 0.44, 0.45} {
			bin := int(f * low / float64(out) * size)
			hz := float64(bin) * float64(out) / size
			got := spectrum(t, in, out, size, func(n int) []int16 { return quantize(sine(hz, 0.9, in, n)) })
			ripple := dB(got[bin] / 0.9)
			worst = max(worst, math.Abs(ripple))
			if math.Abs(ripple) > 0.1 {
				t.Errorf("a tone of %.0f Hz changes by %.3f dB", hz, ripple)
			}
		}
	})
	t.Logf("largest ripple: %.3f dB", worst)
}

func TestAliasesAndImagesOfAnyToneAreBelowMinus90Decibels(t *testing.T) {
	const size = 4096
	worst := -200.0
	eachPair(t, func(t *testing.T, in, out SampleRate) {
		low := float64(min(in, out))
		for _, f := range []float64{0.02, 0.25, 0.45, 0.48, 0.495, 0.5005, 0.51, 0.52, 0.54, 0.57, 0.6, 0.7, 0.85, 1, 1.3, 1.9, 2.6} {
			bin := int(math.Ceil(f * low / float64(out) * size))
			hz := float64(bin) * float64(out) / size
			if hz >= float64(in)/2 {
				continue
			}
			// A softer tone, well inside of the pass band, stirs the output, so
			// that what is left of the other is not rounded away.
			stir := int(0.0617 * low / float64(out) * size)
			if bin == stir {
				continue
			}
			stirHz := float64(stir) * float64(out) / size
			got := spectrum(t, in, out, size, func(n int) []int16 {
				return quantize(sine(hz, 0.6, in, n), sine(stirHz, 0.31, in, n))
			})
			for k, a := range got {
				wanted := k == stir || k == bin && hz < low/2
				if wanted {
					continue
				}
				level := dB(a / 0.6)
				worst = max(worst, level)
				if level > -90 {
					t.Errorf("a tone of %.0f Hz (%.3f of the lower rate) comes out at %.0f Hz with %.1f dB",
						hz, hz/low, float64(k)*float64(out)/size, level)
				}
			}
		}
	})
	t.Logf("loudest alias: %.1f dB", worst)
}

func TestTheOutputIsWhatWouldHaveBeenSampledAtTheOtherRateDelaySamplesLater(t *testing.T) {
	pairs := [][2]SampleRate{
		{44101, 48000}, {48000, 44101}, {47999, 8000}, {8000, 47999}, // interpolated tables
		{96000, 16000}, {768000, 8000}, {8000, 768000}, {6000, 768000}, {192000, 11025},
	}
	check := func(t *testing.T, in, out SampleRate) {
		r := mustResampler(t, in, out, 1)
		hz := 0.31 * float64(min(in, out))
		n := int(in) / 20
		if n < 4000 {
			n = 4000
		}
		got := r.Flush(r.Resample(nil, quantize(sine(hz, 0.9, in, n))))
		if want := ceilDiv(n, int(out), int(in)) + r.Delay(); len(got) != want {
			t.Fatalf("%d samples after Flush, want %d", len(got), want)
		}
		got = got[r.Delay():]
		want := sine(hz, 0.9*32767, out, len(got))
		// The signal begins and ends with a jump, which rings; look between.
		edge := r.Delay() + int(filterHalf*float64(out)/float64(min(in, out))) + 2
		var signal, noise float64
		for i := edge; i < len(got)-edge; i++ {
			signal += want[i] * want[i]
			noise += (want[i] - float64(got[i])) * (want[i] - float64(got[i]))
		}
		if snr := 10 * math.Log10(signal/noise); snr < 88 {
			t.Errorf("differs from the tone itself by %.1f dB", -snr)
		}
	}
	eachPair(t, check)
	for _, p := range pairs {
		t.Run(fmt.Sprintf("%v to %v", p[0], p[1]), func(t *testing.T) { check(t, p[0], p[1]) })
	}
}

func ceilDiv(n, mul, div int) int { return int((int64(n)*int64(mul) + int64(div) - 1) / int64(div)) }

func TestAnImpulseComesOutDelaySamplesLater(t *testing.T) {
	eachPair(t, func(t *testing.T, in, out SampleRate) {
		r := mustResampler(t, in, out, 1)
		at := Position(in) / 25 // 40 ms: a whole number of samples at every rate
		src := make([]int16, in/10)
		src[at] = 30000
		got := r.Flush(r.Resample(nil, src))
		loudest := 0
		for i, s := range got {
			if s > got[loudest] {
				loudest = i
			}
		}
		if want := int(at.At(in, out)) + r.Delay(); loudest != want {
			t.Errorf("the impulse is at %d, want %d", loudest, want)
		}
	})
}

func TestTheDelayIsShortEnoughForConversation(t *testing.T) {
	eachPair(t, func(t *testing.T, in, out SampleRate) {
		r := mustResampler(t, in, out, 1)
		got, limit := out.Duration(int64(r.Delay())), min(in, out).Duration(filterHalf)+out.Duration(1)
		if got > limit {
			t.Errorf("%v, want at most %v", got, limit)
		}
	})
	r := mustResampler(t, Rate48k, Rate16k, 1)
	if d := Rate16k.Duration(int64(r.Delay())); d != 3250*time.Microsecond {
		t.Errorf("48 to 16 kHz takes %v; the documentation says 3.25 ms", d)
	}
}

func TestTwentyMillisecondsInAreTwentyMillisecondsOutInTheSameCall(t *testing.T) {
	eachPair(t, func(t *testing.T, in, out SampleRate) {
		r := mustResampler(t, in, out, 1)
		total := 0
		for call := 1; call <= 250; call++ {
			// 11.025 kHz has half a sample in 20 ms.
			n := int(in.Samples(time.Duration(call)*20*time.Millisecond) - in.Samples(time.Duration(call-1)*20*time.Millisecond))
			total += len(r.Resample(nil, make([]int16, n)))
			sent := int(in.Samples(time.Duration(call) * 20 * time.Millisecond))
			if want := ceilDiv(sent, int(out), int(in)); total != want {
				t.Fatalf("after %d calls %d samples came out, want %d", call, total, want)
			}
		}
	})
}

func TestTheNumberOfSamplesStaysExactOverMillionsOfThem(t *testing.T) {
	if testing.Short() {
		t.Skip("resamples many millions of samples")
	}
	// The ratio of two primes has the longest cycle of phases, and the odd pieces
	// never meet it.
	r := mustResampler(t, 997, 1009, 1)
	chunk := make([]int16, 999)
	var buf []int16
	sent, got := 0, 0
	for range 4000 {
		buf = r.Resample(buf[:0], chunk)
		sent += len(chunk)
		got += len(buf)
		if want := ceilDiv(sent, 1009, 997); got != want {
			t.Fatalf("after %d samples %d came out, want %d", sent, got, want)
		}
	}
}

func TestHowTheInputIsCutMakesNoDifference(t *testing.T) {
	noise := make([]int16, 12000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = int16(random.IntN(65536) - 32768)
	}
	rapid.Check(t, func(rt *rapid.T) {
		rates := rapid.SampledFrom(append(slices.Clone(usualRates), 44101, 7350, 96000))
		in, out := rates.Draw(rt, "in"), rates.Draw(rt, "out")
		channels := rapid.IntRange(1, 3).Draw(rt, "channels")
		src := noise[:rapid.IntRange(0, len(noise)/channels).Draw(rt, "frames")*channels]
		r := mustResampler(t, in, out, channels)
		whole := r.Resample(nil, src)
		whole = r.Flush(whole)

		// r was reset by Flush: it begins anew.
		var pieces []int16
		for rest := src; len(rest) > 0; {
			n := rapid.IntRange(0, min(len(rest)/channels, rapid.SampledFrom([]int{1, 7, 160, 3000}).Draw(rt, "at most"))).Draw(rt, "piece") * channels
			pieces = r.Resample(pieces, rest[:n])
			rest = rest[n:]
		}
		pieces = r.Flush(pieces)
		if !slices.Equal(whole, pieces) {
			rt.Fatalf("%v to %v: cutting changed the samples", in, out)
		}
		if want := (ceilDiv(len(src)/channels, int(out), int(in)) + r.Delay()) * channels; len(whole) != want {
			rt.Fatalf("%v to %v: %d samples, want %d", in, out, len(whole), want)
		}
	})
}

func TestChannelsAreResampledApart(t *testing.T) {
	left := quantize(sine(440, 0.5, Rate16k, 4000))
	right := quantize(sine(1000, 0.8, Rate16k, 4000))
	mono := func(s []int16) []int16 { return mustResampler(t, Rate16k, Rate44k, 1).Resample(nil, s) }
	both := mustResampler(t, Rate16k, Rate44k, 2).Resample(nil, Interleave(nil, left, right))
	if !slices.Equal(Channel(nil, both, 2, 0), mono(left)) || !slices.Equal(Channel(nil, both, 2, 1), mono(right)) {
		t.Error("stereo differs from its channels")
	}
}

func TestTheSameRateIsACopyWithoutDelay(t *testing.T) {
	r := mustResampler(t, Rate16k, Rate16k, 2)
	src := []int16{1, 2, 3, 4, 5}
	if got := r.Flush(r.Resample([]int16{9}, src)); !slices.Equal(got, []int16{9, 1, 2, 3, 4}) || r.Delay() != 0 {
		t.Errorf("got %v, delay %d", got, r.Delay())
	}
	r.Reset()
}

func TestSilenceStaysSilentAndAConstantStaysTheSame(t *testing.T) {
	eachPair(t, func(t *testing.T, in, out SampleRate) {
		r := mustResampler(t, in, out, 1)
		if !IsSilent(r.Resample(nil, make([]int16, in/10))) {
			t.Error("silence became sound")
		}
		src := make([]int16, in/10)
		fill(src, -12345)
		got := r.Resample(nil, src)
		for i, s := range got[2*r.Delay()+2:] {
			if s != -12345 {
				t.Fatalf("sample %d of a constant is %d", i, s)
			}
		}
	})
}

func TestFullScaleSaturatesInsteadOfWrapping(t *testing.T) {
	r := mustResampler(t, Rate8k, Rate48k, 1)
	// A square wave overshoots when its harmonics are cut off.
	src := make([]int16, 8000)
	for i := range src {
		src[i] = math.MaxInt16
		if i/40%2 == 1 {
			src[i] = math.MinInt16
		}
	}
	got := r.Resample(nil, src)[2*r.Delay():]
	if slices.Max(got) != math.MaxInt16 || slices.Min(got) != math.MinInt16 {
		t.Errorf("range %d to %d", slices.Min(got), slices.Max(got))
	}
	for i := 1; i < len(got); i++ {
		if d := int(got[i]) - int(got[i-1]); d > 40000 || d < -40000 {
			t.Fatalf("samples %d and %d are %d and %d: wrapped", i-1, i, got[i-1], got[i])
		}
	}
}

func TestResamplingDoesNotAllocateInSteadyState(t *testing.T) {
	eachPair(t, func(t *testing.T, in, out SampleRate) {
		r := mustResampler(t, in, out, 2)
		src := make([]int16, in/50*2)
		dst := make([]int16, 0, out/50*2+4)
		if n := testing.AllocsPerRun(50, func() { dst = r.Resample(dst[:0], src) }); n != 0 {
			t.Errorf("%v allocations a call", n)
		}
	})
}

func TestFilterMeetsItsSpecification(t *testing.T) {
	// The transform of the kernel itself, of which every table is a sampling,
	// on a grid eight times finer than the lower rate.
	const fine = 8
	response := func(f float64) float64 {
		sum := kernel(0)
		for i := 1; i <= filterHalf*fine; i++ {
			x := float64(i) / fine
			sum += 2 * kernel(x) * math.Cos(2*math.Pi*f*x)
		}
		return sum
	}
	unity := response(0)
	for f := 0.0; f <= 0.45; f += 0.0005 {
		if ripple := dB(response(f) / unity); math.Abs(ripple) > 0.1 {
			t.Errorf("%.4f: ripple %.3f dB", f, ripple)
		}
	}
	for f := 0.5; f < fine/2; f += 0.0005 {
		if level := dB(math.Abs(response(f) / unity)); level > -90 {
			t.Errorf("%.4f: only %.1f dB", f, level)
		}
	}
}

func TestResamplersOfOneRatioShareATableWhichGoesWhenTheyGo(t *testing.T) {
	var cache filterCache
	a, b := cache.get(ratio{3, 7}), cache.get(ratio{3, 7})
	if a != b {
		t.Error("two tables for one ratio")
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	a, b = nil, nil
	entries := func() int {
		cache.mu.Lock()
		defer cache.mu.Unlock()
		return len(cache.byKey)
	}
	// Cleanups run on a goroutine of the runtime, some time after a collection:
	// nothing but trying can wait for it.
	deadline := time.Now().Add(30 * time.Second)
	for entries() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the table of a ratio that nobody uses is still kept")
		}
		runtime.GC()
		runtime.Gosched()
	}
}

func TestImpossibleRatesAreRefused(t *testing.T) {
	for _, c := range []struct {
		in, out  SampleRate
		channels int
		want     string
	}{
		{0, 8000, 1, "audio: sample rate 0 Hz is not between 1 and 768000 Hz"},
		{8000, -1, 1, "audio: sample rate -1 Hz is not between 1 and 768000 Hz"},
		{8000, 16000, 0, "audio: 0 channels is not between 1 and 64"},
		{8000, 16000, 65, "audio: 65 channels is not between 1 and 64"},
		{1, 8000, 1, "audio: cannot resample 0.001 kHz to 8 kHz: the ratio is more than 128"},
		{768000, 5999, 1, "audio: cannot resample 768 kHz to 5.999 kHz: the ratio is more than 128"},
	} {
		if _, err := NewResampler(c.in, c.out, c.channels); err == nil || err.Error() != c.want {
			t.Errorf("%d to %d, %d channels: error %q, want %q", c.in, c.out, c.channels, err, c.want)
		}
	}
}

func TestSoxAgreesAboutTheSamples(t *testing.T) {
	sox := needTool(t, "sox")
	eachPair(t, func(t *testing.T, in, out SampleRate) {
		// A sweep with a soft beginning and end, inside of both filters' pass bands.
		n := int(in) / 2
		low := float64(min(in, out))
		src := make([]float64, n)
		for i := range src {
			x := float64(i) / float64(n)
			phase := 2 * math.Pi * 0.42 * low * x * x / 2 * float64(n) / float64(in)
			src[i] = 0.9 * math.Sin(phase) * math.Min(1, math.Min(20*x, 20*(1-x)))
		}
		pcm := quantize(src)
		raw := func(rate SampleRate) []string {
			return []string{"-t", "raw", "-r", fmt.Sprint(int(rate)), "-e", "signed", "-b", "16", "-c", "1"}
		}
		args := append(append([]string{"-D"}, raw(in)...), "-")
		args = append(append(args, raw(out)...), "-", "rate", "-v", "-s", fmt.Sprint(int(out)))
		cmd := exec.Command(sox, args...)
		cmd.Stdin = bytes.NewReader(EncodePCM(nil, pcm))
		b, err := cmd.Output()
		if err != nil {
			t.Fatalf("sox: %v", err)
		}
		want := DecodePCM(nil, b)
		r := mustResampler(t, in, out, 1)
		got := r.Flush(r.Resample(nil, pcm))[r.Delay():]
		if d := len(got) - len(want); d < -1 || d > 1 {
			t.Fatalf("%d samples, sox has %d", len(got), len(want))
		}
		var signal, noise float64
		for i := range min(len(got), len(want)) {
			w, g := float64(want[i]), float64(got[i])
			signal += w * w
			noise += (w - g) * (w - g)
		}
		if snr := 10 * math.Log10(signal/noise); snr < 65 {
			t.Errorf("differs from sox by %.1f dB", -snr)
		} else {
			t.Logf("differs from sox by %.1f dB", -snr)
		}
	})
}
