package mp3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
)

var (
	lowRates  = []audio.SampleRate{16000, 22050, 24000}
	highRates = []audio.SampleRate{32000, 44100, 48000}
	allRates  = slices.Concat(lowRates, highRates)
)

func bitratesOf(r audio.SampleRate) []int {
	if r >= 32000 {
		return kbits1[1:]
	}
	return kbits2[1:]
}

func TestEveryRateBitRateAndChannelCountDecodes(t *testing.T) {
	for _, rate := range allRates {
		left := speechLike(int(rate), int(rate), 1)
		both := interleave(left, speechLike(int(rate), int(rate), 2))
		for _, kbit := range bitratesOf(rate) {
			for _, f := range []audio.Format{audio.Mono(rate), audio.Stereo(rate)} {
				t.Run(fmt.Sprintf("%v, %d kbit/s", f, kbit), func(t *testing.T) {
					pcm := left
					if f.Channels == 2 {
						pcm = both
					}
					got, gotRate := decode(t, encode(t, pcm, f, kbit*1000))
					if gotRate != int(rate) || len(got) != len(pcm) {
						t.Fatalf("%d values at %d Hz, not %d at %d Hz", len(got), gotRate, len(pcm), rate)
					}
					snr, gain := quality(pcm, got)
					// What is left out, since it is masked or since there are too
					// few bits, is missing in the gain.
					perSample := float64(kbit*1000) / float64(int(rate)*f.Channels)
					if want := min(6*perSample, 40); snr < want {
						t.Errorf("signal to noise %.1f dB, less than %.1f dB", snr, want)
					}
					if most := max(0.1, 0.6/perSample); perSample >= 1 && math.Abs(gain) > most {
						t.Errorf("gain %+.3f dB", gain)
					}
				})
			}
		}
	}
}

// These are the levels that a recording of speech is held to.
func TestSpeechKeepsItsQualityAtTheDefaultBitRates(t *testing.T) {
	for _, rate := range allRates {
		left, right := speechLike(int(rate), 4*int(rate), 3), speechLike(int(rate), 4*int(rate), 4)
		for _, f := range []audio.Format{audio.Mono(rate), audio.Stereo(rate)} {
			pcm := left
			if f.Channels == 2 {
				pcm = interleave(left, right)
			}
			got, _ := decode(t, encode(t, pcm, f, 0))
			snr, gain := quality(pcm, got)
			t.Logf("%v: signal to noise %.1f dB, gain %+.3f dB", f, snr, gain)
			if snr < 20 || math.Abs(gain) > 0.1 {
				t.Errorf("%v: signal to noise %.1f dB, gain %+.3f dB", f, snr, gain)
			}
		}
	}
}

func TestTonesAreCleanAtAnyFrequency(t *testing.T) {
	for _, rate := range allRates {
		for _, part := range []float64{0.004, 0.02, 0.0625, 0.11, 0.25, 0.333, 0.4, 0.45, 0.49} {
			for _, level := range []float64{0.9, 0.01} {
				pcm := tone(int(rate), int(rate)/2, part*float64(rate), level)
				got, _ := decode(t, encode(t, pcm, audio.Mono(rate), 0))
				// The switching on and off of the tone is not a tone.
				edge := 2304
				snr, gain := quality(pcm[edge:len(pcm)-edge], got[edge:])
				if snr < 30 || math.Abs(gain) > 0.1 {
					t.Errorf("%v, %.0f Hz at %g: signal to noise %.1f dB, gain %+.3f dB",
						rate, part*float64(rate), level, snr, gain)
				}
			}
		}
	}
}

func TestSilenceStaysSilent(t *testing.T) {
	for _, f := range []audio.Format{audio.Mono(24000), audio.Stereo(44100)} {
		got, _ := decode(t, encode(t, make([]int16, 10000*f.Channels), f, 0))
		for i, v := range got {
			if v != 0 {
				t.Fatalf("%v: value %d is %d", f, i, v)
			}
		}
	}
}

// In a recording of a conversation one is silent while the other speaks.
func TestASilentChannelStaysSilentBesideSpeech(t *testing.T) {
	for _, rate := range []audio.SampleRate{16000, 24000, 48000} {
		n := 2 * int(rate)
		left := speechLike(int(rate), n, 4)
		got, _ := decode(t, encode(t, interleave(left, make([]int16, n)), audio.Stereo(rate), 0))
		for i, v := range channel(got, 1) {
			if v != 0 {
				t.Fatalf("%v: the silent channel's sample %d is %d", rate, i, v)
			}
		}
		if snr, _ := quality(left, channel(got, 0)); snr < 25 {
			t.Errorf("%v: signal to noise %.1f dB", rate, snr)
		}
	}
}

// Equal channels are worth one: sum and difference make use of that.
func TestEqualChannelsAreAsGoodAsMonoAtTheSameBitRate(t *testing.T) {
	const rate = 24000
	mono := speechLike(rate, 3*rate, 5)
	one, _ := decode(t, encode(t, mono, audio.Mono(rate), 96000))
	two, _ := decode(t, encode(t, interleave(mono, mono), audio.Stereo(rate), 96000))
	single, _ := quality(mono, one)
	double, _ := quality(mono, channel(two, 0))
	t.Logf("mono %.1f dB, stereo %.1f dB", single, double)
	if double < single-3 {
		t.Errorf("signal to noise %.1f dB in each of two equal channels, %.1f dB in one", double, single)
	}
}

func TestTheLoudestSignalsDoNotOverflow(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	const n = 30000
	signals := map[string]func(i int) int16{
		"noise":  func(int) int16 { return int16(rng.IntN(65536) - 32768) },
		"random": func(int) int16 { return int16(65535*rng.IntN(2) - 32768) },
		"square": func(i int) int16 { return int16(65535*(i/37%2) - 32768) },
		"direct": func(int) int16 { return -32768 },
		"fast":   func(i int) int16 { return int16(65535*(i%2) - 32768) },
	}
	for name, next := range signals {
		pcm := make([]int16, n)
		for i := range pcm {
			pcm[i] = next(i)
		}
		for _, rate := range allRates {
			for _, bitrate := range []int{0, bitratesOf(rate)[13] * 1000} {
				got, _ := decode(t, encode(t, pcm, audio.Mono(rate), bitrate))
				// A wrapped sample is an error of twice the full scale; clipped
				// ones are small errors.
				if snr, _ := quality(pcm[2000:n-2000], got[2000:]); snr < 3 {
					t.Errorf("%s at %v, %d bit/s: signal to noise %.1f dB", name, rate, bitrate, snr)
				}
			}
		}
	}
}

// Long blocks spread their noise over all their length, also ahead of an attack.
// This is how much that is for the worst of attacks, out of silence at once.
func TestNoiseAheadOfAnAttackIsLowAndShort(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 13))
	for _, rate := range []audio.SampleRate{16000, 24000, 48000} {
		// The place of the attack within a frame makes a difference.
		for shift := 0; shift < 1152; shift += 72 {
			onset, window := int(rate)/2+shift, int(rate)/50
			pcm := make([]int16, int(rate))
			for i := onset; i < len(pcm); i++ {
				pcm[i] = int16(3000 * rng.NormFloat64())
			}
			got, _ := decode(t, encode(t, pcm, audio.Mono(rate), 0))
			attack := rms(pcm[onset : onset+window])
			near := 20 * math.Log10(rms(got[onset-window:onset])/attack)
			far := 20 * math.Log10(rms(got[:onset-2*window])/attack)
			if near > -18 || far > -45 {
				t.Errorf("%v, attack at %d: noise of %.1f dB within 20 ms and %.1f dB before 40 ms",
					rate, onset, near, far)
			}
		}
	}
}

func rms(pcm []int16) float64 {
	sum := 1e-9
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(pcm)))
}

func TestAReaderGivesBackWhatAWriterWrote(t *testing.T) {
	for _, rate := range allRates {
		for _, f := range []audio.Format{audio.Mono(rate), audio.Stereo(rate)} {
			pcm := speechLike(int(rate), 12345*f.Channels, 14)
			r, err := mp3.NewReader(bytes.NewReader(encode(t, pcm, f, 0)))
			if err != nil {
				t.Fatal(err)
			}
			if r.Format() != f {
				t.Errorf("%v came back as %v", f, r.Format())
			}
			var got []int16
			buf := make([]int16, 1000)
			for {
				n, err := r.Read(buf)
				got = append(got, buf[:n]...)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if len(got) != len(pcm) {
				t.Fatalf("%v: %d values of %d came back", f, len(got), len(pcm))
			}
			if snr, _ := quality(pcm, got); snr < 20 {
				t.Errorf("%v: signal to noise %.1f dB", f, snr)
			}
		}
	}
}

func TestTelephoneRatesAreDoubled(t *testing.T) {
	for _, rate := range []audio.SampleRate{8000, 11025} {
		for _, channels := range []int{1, 2} {
			const n = 20001
			pcm := tone(int(rate), n, 700, 0.5)
			want := tone(2*int(rate), 2*n, 700, 0.5)
			if channels == 2 {
				pcm, want = interleave(pcm, pcm), interleave(want, want)
			}
			got, gotRate := decode(t, encode(t, pcm, audio.Format{Rate: rate, Channels: channels}, 0))
			if gotRate != 2*int(rate) || len(got) != len(want) {
				t.Fatalf("%v: %d values at %d Hz, not %d at %d Hz", rate, len(got), gotRate, len(want), 2*rate)
			}
			edge := 2000
			if snr, gain := quality(want[edge:len(want)-edge], got[edge:]); snr < 35 || math.Abs(gain) > 0.1 {
				t.Errorf("%v: signal to noise %.1f dB, gain %+.3f dB", rate, snr, gain)
			}
		}
	}
}

func TestChunkSizesMakeNoDifference(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, f := range []audio.Format{audio.Mono(8000), audio.Stereo(11025), audio.Mono(24000), audio.Stereo(44100)} {
		pcm := speechLike(int(f.Rate), 20000, 8)
		want := encode(t, pcm, f, 0)
		var file memoryFile
		w := newWriter(t, &file, f, nil)
		for rest := pcm; len(rest) > 0; {
			n := min(rng.IntN(3000), len(rest))
			if rng.IntN(2) == 0 {
				n = min(rng.IntN(3), len(rest))
			}
			if err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(file.data, want) {
			t.Errorf("%v: the file depends on how the samples came", f)
		}
	}
}

func TestInfoFrameTellsTheLength(t *testing.T) {
	for _, n := range []int{0, 1, 94, 95, 96, 575, 576, 671, 672, 5000, 48000} {
		for _, f := range []audio.Format{audio.Mono(24000), audio.Stereo(44100), audio.Mono(8000)} {
			file := encode(t, make([]int16, n*f.Channels), f, 0)
			g := readTag(t, file)
			frames, size := framesOf(t, file[g.size:])
			if int(g.frames) != frames || int(g.bytes) != len(file) || int(g.length) != len(file) {
				t.Errorf("%v, %d samples: tag says %d frames in %d bytes, and %d; there are %d in %d",
					f, n, g.frames, g.bytes, g.length, frames, len(file))
			}
			samples := n
			if f.Rate == 8000 {
				samples *= 2
			}
			if got := frames*size - g.delay - g.padding; got != samples {
				t.Errorf("%v: tag leaves %d samples of %d", f, got, samples)
			}
			if g.padding < decoderDelay {
				t.Errorf("%v, %d samples: padding %d is less than the decoder's delay", f, n, g.padding)
			}
			if got := crc16(file[:g.crcAt]); got != g.tagCRC {
				t.Errorf("%v: tag's CRC is %04x, not %04x", f, g.tagCRC, got)
			}
			if got := crc16(file[g.size:]); got != g.musicCRC {
				t.Errorf("%v: the frames' CRC is %04x, not %04x", f, g.musicCRC, got)
			}
		}
	}
}

// framesOf walks from header to header.
func framesOf(t *testing.T, stream []byte) (frames, samples int) {
	t.Helper()
	for len(stream) > 0 {
		rate, _, size := frameSize(t, stream)
		if size > len(stream) {
			t.Fatalf("frame %d of %d bytes has only %d", frames, size, len(stream))
		}
		samples = 576
		if rate >= 32000 {
			samples = 1152
		}
		stream = stream[size:]
		frames++
	}
	return frames, samples
}

func crc16(p []byte) uint16 {
	var crc uint16
	for _, b := range p {
		for bit := range 8 {
			if (crc^uint16(b>>bit))&1 == 1 {
				crc = crc>>1 ^ 0xa001
			} else {
				crc >>= 1
			}
		}
	}
	return crc
}

func TestAFileStartsWhereItsWriterIs(t *testing.T) {
	pcm := speechLike(16000, 9000, 9)
	want := encode(t, pcm, audio.Mono(16000), 0)
	file := memoryFile{}
	io.WriteString(&file, "before")
	w := newWriter(t, &file, audio.Mono(16000), nil)
	if err := errors.Join(w.Write(pcm), w.Close()); err != nil {
		t.Fatal(err)
	}
	io.WriteString(&file, "behind")
	if string(file.data) != "before"+string(want)+"behind" {
		t.Error("the file is not between what was written before and behind it")
	}
}

// streamOnly cannot seek.
type streamOnly struct{ io.Writer }

func TestAStreamTellsItsLengthIfThatIsKnown(t *testing.T) {
	pcm := speechLike(24000, 30000, 10)
	file := encode(t, pcm, audio.Mono(24000), 0)
	for _, samples := range []int64{0, 30000} {
		var b bytes.Buffer
		w := newWriter(t, streamOnly{&b}, audio.Mono(24000), &mp3.WriterOptions{Samples: samples})
		if err := errors.Join(w.Write(pcm), w.Close()); err != nil {
			t.Fatal(err)
		}
		g, whole := readTag(t, b.Bytes()), readTag(t, file)
		if !bytes.Equal(b.Bytes()[g.size:], file[g.size:]) {
			t.Error("the frames of a stream are not those of a file")
		}
		if g.delay != encoderDelay {
			t.Errorf("delay %d", g.delay)
		}
		if samples == 0 && g.flags != 0 {
			t.Errorf("the tag claims to know the length: flags %x", g.flags)
		}
		if samples > 0 && (g.frames != whole.frames || g.bytes != whole.bytes || g.padding != whole.padding) {
			t.Errorf("tag %+v, and the file's %+v", g, whole)
		}
	}
}

// The whole of it is there before the first byte leaves, so that a stream can say
// what a file does.
func TestAStreamShorterThanAFrameIsTheSameAsAFile(t *testing.T) {
	for _, f := range []audio.Format{audio.Mono(24000), audio.Stereo(44100), audio.Mono(8000)} {
		size := 576 // of a frame, in samples that are written
		switch f.Rate {
		case 44100:
			size = 1152
		case 8000:
			size = 288
		}
		for _, n := range []int{0, 1, size/2 - 1, size / 2, size - 1} {
			pcm := speechLike(int(f.Rate), n*f.Channels, 11)
			file := encode(t, pcm, f, 0)
			for _, planned := range []int64{0, 9999} {
				var b bytes.Buffer
				w := newWriter(t, streamOnly{&b}, f, &mp3.WriterOptions{Samples: planned})
				if err := errors.Join(w.Write(pcm), w.Close()); (err != nil) != (planned != 0) {
					t.Errorf("%v, %d samples of %d: %v", f, n, planned, err)
				}
				if !bytes.Equal(b.Bytes(), file) {
					t.Errorf("%v, %d samples: the stream tells %+v, the file %+v", f, n, readTag(t, b.Bytes()), readTag(t, file))
				}
			}
			r, err := mp3.NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			want := n
			if f.Rate == 8000 {
				want *= 2
			}
			got := 0
			for block := make([]int16, 1000); err == nil; {
				var m int
				m, err = r.Read(block)
				got += m / f.Channels
			}
			if got != want || r.Frames() != int64(want) {
				t.Errorf("%v: %d samples of %d are read, and %d announced", f, got, want, r.Frames())
			}
		}
	}
}

func TestAPipeIsAStreamThoughItHasASeekMethod(t *testing.T) {
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(r)
		done <- b
	}()
	w := newWriter(t, p, audio.Mono(24000), nil)
	if err := errors.Join(w.Write(make([]int16, 3000)), w.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	if g := readTag(t, <-done); g.flags != 0 {
		t.Errorf("flags %x", g.flags)
	}
	r.Close()
}

func TestWritersRejectWhatTheyCannotEncode(t *testing.T) {
	for _, c := range []struct {
		format audio.Format
		opts   *mp3.WriterOptions
		want   string
	}{
		{audio.Mono(12000), nil, "mp3: new writer: sample rate 12000 Hz is not one of"},
		{audio.Format{}, nil, "mp3: new writer: sample rate 0 Hz is not one of"},
		{audio.Format{Rate: 16000, Channels: 6}, nil, "mp3: new writer: 6 channels are not 1 or 2"},
		{audio.Format{Rate: 8000}, nil, "mp3: new writer: 0 channels are not 1 or 2"},
		{audio.Mono(16000), &mp3.WriterOptions{Bitrate: 64}, "mp3: new writer: bit rate 64 bit/s at 16000 Hz is not one of"},
		{audio.Mono(16000), &mp3.WriterOptions{Samples: -1}, "mp3: new writer: number of samples -1 is negative"},
	} {
		if _, err := mp3.NewWriter(io.Discard, c.format, c.opts); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.format, err, c.want)
		}
	}
}

func TestCloseReportsSamplesThatDoNotAddUp(t *testing.T) {
	var b bytes.Buffer
	w := newWriter(t, &b, audio.Mono(16000), &mp3.WriterOptions{Samples: 100})
	w.Write(make([]int16, 99))
	if err := w.Close(); err == nil || err.Error() != "mp3: close: 99 samples were written, but WriterOptions.Samples is 100" {
		t.Errorf("too few samples: error %v", err)
	}

	var file memoryFile
	w = newWriter(t, &file, audio.Stereo(16000), nil)
	w.Write(make([]int16, 2001))
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "the last left sample has no right one") {
		t.Errorf("half a pair: error %v", err)
	}
	if got, _ := decode(t, file.data); len(got) != 2000 {
		t.Errorf("%d values of 2000 are in the file", len(got))
	}
}

func TestAClosedWriterStaysClosed(t *testing.T) {
	var b bytes.Buffer
	w := newWriter(t, &b, audio.Mono(16000), nil)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	size := b.Len()
	if err := w.Write(make([]int16, 5000)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after close: error %v", err)
	}
	if err := w.Close(); err != nil || b.Len() != size {
		t.Errorf("second close: error %v, %d bytes more", err, b.Len()-size)
	}
}

// brokenAfter fails once it has been given so many bytes; or, if short, takes a
// part and says nothing.
type brokenAfter struct {
	left  int
	short bool
}

var errFull = errors.New("disk full")

func (b *brokenAfter) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left >= 0 {
		return len(p), nil
	}
	if b.short {
		return len(p) - 1, nil
	}
	return 0, errFull
}

func TestAnErrorOfTheUnderlyingWriterIsFinal(t *testing.T) {
	for _, c := range []struct {
		short bool
		want  error
	}{{false, errFull}, {true, io.ErrShortWrite}} {
		for _, left := range []int{0, 1000} {
			w := newWriter(t, &brokenAfter{left: left, short: c.short}, audio.Mono(16000), nil)
			if err := w.Write(make([]int16, 8000)); !errors.Is(err, c.want) {
				t.Errorf("write: error %v, not %v", err, c.want)
			}
			if err := w.Write(nil); !errors.Is(err, c.want) {
				t.Errorf("next write: error %v, not %v", err, c.want)
			}
			if err := w.Close(); !errors.Is(err, c.want) {
				t.Errorf("close: error %v, not %v", err, c.want)
			}
		}
	}
}

func TestASteadyStreamAllocatesNothing(t *testing.T) {
	for _, f := range []audio.Format{audio.Mono(8000), audio.Mono(24000), audio.Stereo(44100)} {
		pcm := speechLike(int(f.Rate), int(f.Rate), 11)
		w := newWriter(t, streamOnly{io.Discard}, f, nil)
		w.Write(pcm)
		chunk := pcm[:f.Rate.Samples(20e6)]
		if n := testing.AllocsPerRun(200, func() { w.Write(chunk) }); n > 0 {
			t.Errorf("%v: %g allocations a chunk of 20 ms", f, n)
		}
		w.Close()
	}
}

func FuzzWriterOutputDecodes(f *testing.F) {
	f.Add([]byte{}, uint8(0), uint8(0), uint16(1))
	f.Add(bytes.Repeat([]byte{0x7f, 0xff, 0x80, 0x00}, 900), uint8(3), uint8(8), uint16(160))
	f.Add(bytes.Repeat([]byte("speech"), 700), uint8(7), uint8(0), uint16(441))
	f.Add(bytes.Repeat([]byte{0, 1, 255}, 1500), uint8(10), uint8(13), uint16(2000))
	f.Fuzz(func(t *testing.T, raw []byte, kind, bitrate uint8, chunk uint16) {
		format := audio.Format{Rate: allRates[kind/2%6], Channels: 1 + int(kind%2)}
		kbits := bitratesOf(format.Rate)
		raw = raw[:min(len(raw), 1<<15)]
		pcm := make([]int16, len(raw)/2/format.Channels*format.Channels)
		for i := range pcm {
			pcm[i] = int16(raw[2*i])<<8 | int16(raw[2*i+1])
		}
		var file memoryFile
		w := newWriter(t, &file, format, &mp3.WriterOptions{Bitrate: kbits[int(bitrate)%len(kbits)] * 1000})
		for rest := pcm; len(rest) > 0; {
			n := min(len(rest), int(chunk)+1)
			if err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got, rate := decode(t, file.data); len(got) != len(pcm) || rate != int(format.Rate) {
			t.Fatalf("%v: %d values at %d Hz, not %d", format, len(got), rate, len(pcm))
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	for _, f := range []audio.Format{audio.Mono(16000), audio.Mono(24000), audio.Stereo(24000), audio.Stereo(48000)} {
		b.Run(f.String(), func(b *testing.B) {
			pcm := speechLike(int(f.Rate), 5*int(f.Rate), 12)
			w := newWriter(b, streamOnly{io.Discard}, f, nil)
			w.Write(pcm)
			b.ReportAllocs()
			for b.Loop() {
				w.Write(pcm)
			}
			seconds := f.Duration(len(pcm)).Seconds() * float64(b.N)
			b.ReportMetric(seconds/b.Elapsed().Seconds(), "x-real-time")
			w.Close()
		})
	}
}
