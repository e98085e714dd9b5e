package mp3_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	gomp3 "github.com/hajimehoshi/go-mp3"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/mp3"
)

// The sum of what the encoder and any decoder delay, as the Info frame has it
// and as every player understands it.
const (
	encoderDelay = 528
	decoderDelay = 529
)

// memoryFile is a file: it can be sought and overwritten.
type memoryFile struct {
	data []byte
	pos  int
}

func (f *memoryFile) Write(p []byte) (int, error) {
	f.data = append(f.data[:max(f.pos, len(f.data))], make([]byte, max(0, f.pos+len(p)-len(f.data)))...)
	copy(f.data[f.pos:], p)
	f.pos += len(p)
	return len(p), nil
}

func (f *memoryFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		f.pos = int(offset)
	case io.SeekCurrent:
		f.pos += int(offset)
	default:
		return 0, errors.New("not needed here")
	}
	return int64(f.pos), nil
}

func newWriter(t testing.TB, w io.Writer, f audio.Format, opts *mp3.WriterOptions) *mp3.Writer {
	t.Helper()
	m, err := mp3.NewWriter(w, f, opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// encode returns the file of pcm, written at once.
func encode(t testing.TB, pcm []int16, f audio.Format, bitrate int) []byte {
	t.Helper()
	var file memoryFile
	w := newWriter(t, &file, f, &mp3.WriterOptions{Bitrate: bitrate})
	if err := w.Write(pcm); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.data
}

// tag is what a player reads in the Info frame.
type tag struct {
	flags, frames, bytes uint32
	delay, padding       int
	length               uint32
	musicCRC, tagCRC     uint16
	size                 int // of the frame
	crcAt                int
}

var (
	rates1   = []int{44100, 48000, 32000}
	kbits1   = []int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	kbits2   = []int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	sideInfo = map[bool]map[bool]int{true: {true: 17, false: 32}, false: {true: 9, false: 17}}
)

// frameSize reads a frame header: rate, whether it is mono, and the length.
func frameSize(t testing.TB, h []byte) (rate int, mono bool, size int) {
	t.Helper()
	v := binary.BigEndian.Uint32(h)
	if v>>21 != 0x7ff || v>>17&3 != 1 || v>>20&1 != 1 {
		t.Fatalf("no Layer III header: % x", h[:4])
	}
	mpeg1, pad := v>>19&1 == 1, int(v>>9&1)
	rate, mono = rates1[v>>10&3], v>>6&3 == 3
	if mpeg1 {
		return rate, mono, 144*1000*kbits1[v>>12&15]/rate + pad
	}
	rate /= 2
	return rate, mono, 72*1000*kbits2[v>>12&15]/rate + pad
}

func readTag(t testing.TB, file []byte) tag {
	t.Helper()
	rate, mono, size := frameSize(t, file)
	at := 4 + sideInfo[rate >= 32000][mono]
	if string(file[at:at+4]) != "Info" {
		t.Fatalf("no Info tag at %d: % x", at, file[:at+4])
	}
	be := binary.BigEndian
	g := tag{flags: be.Uint32(file[at+4:]), size: size}
	at += 8
	if g.flags&1 != 0 {
		g.frames, at = be.Uint32(file[at:]), at+4
	}
	if g.flags&2 != 0 {
		g.bytes, at = be.Uint32(file[at:]), at+4
	}
	if g.flags&4 != 0 {
		at += 100
	}
	d := be.Uint32(file[at+21:])
	g.delay, g.padding = int(d>>20), int(d>>8&0xfff)
	g.length, g.musicCRC, g.tagCRC = be.Uint32(file[at+28:]), be.Uint16(file[at+32:]), be.Uint16(file[at+34:])
	g.crcAt = at + 34
	return g
}

// decode gives back what a player would: without the Info frame and the delays.
// It returns interleaved samples of one or two channels, and the rate.
func decode(t testing.TB, file []byte) (pcm []int16, rate int) {
	t.Helper()
	g := readTag(t, file)
	rate, mono, _ := frameSize(t, file)
	d, err := gomp3.NewDecoder(bytes.NewReader(file[g.size:]))
	if err != nil {
		t.Fatal(err)
	}
	if d.SampleRate() != rate {
		t.Fatalf("decoder says %d Hz, the header %d Hz", d.SampleRate(), rate)
	}
	raw, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	samples := 576
	if rate >= 32000 {
		samples = 1152
	}
	if got := len(raw) / 4; got != int(g.frames)*samples {
		t.Fatalf("decoder finds %d samples, %d frames have %d", got, g.frames, int(g.frames)*samples)
	}
	from, to := g.delay+decoderDelay, int(g.frames)*samples-g.padding+decoderDelay
	for i := from; i < to; i++ {
		left := int16(binary.LittleEndian.Uint16(raw[4*i:]))
		right := int16(binary.LittleEndian.Uint16(raw[4*i+2:]))
		pcm = append(pcm, left)
		if mono && left != right {
			t.Fatalf("mono sample %d is %d left and %d right", i, left, right)
		}
		if !mono {
			pcm = append(pcm, right)
		}
	}
	return pcm, rate
}

// quality compares a signal with its decoded copy: the ratio of signal to error
// and the gain, both in decibels.
func quality(want, got []int16) (snr, gain float64) {
	var signal, cross, noise float64
	for i, w := range want {
		x, y := float64(w), float64(got[i])
		signal += x * x
		cross += x * y
		noise += (x - y) * (x - y)
	}
	return 10 * math.Log10(signal/max(noise, 1e-9)), 20 * math.Log10(max(cross, 1e-9)/signal)
}

// channel takes one channel out of interleaved stereo.
func channel(pcm []int16, ch int) []int16 {
	out := make([]int16, 0, len(pcm)/2)
	for i := ch; i < len(pcm); i += 2 {
		out = append(out, pcm[i])
	}
	return out
}

func interleave(left, right []int16) []int16 {
	out := make([]int16, 0, 2*len(left))
	for i := range left {
		out = append(out, left[i], right[i])
	}
	return out
}

func tone(rate, n int, hz, level float64) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(math.Round(level * 32767 * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return out
}

// speechLike is n samples of something that an encoder finds as hard as speech:
// syllables of a pulse train with a moving pitch through moving resonances,
// hisses between them, and pauses of silence.
func speechLike(rate, n int, seed uint64) []int16 {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]float64, n)
	const hiss = 0.01 // some 15 dB below a vowel
	formants := [3]resonator{{width: 80}, {width: 100}, {width: 150}}
	for at := 0; at < n; {
		length := rate/8 + rng.IntN(rate/8)
		switch rng.IntN(4) {
		case 0: // a pause
		case 1: // a hiss
			mouth := resonator{width: 2000}
			for i := range length {
				v := mouth.next(hiss*rng.NormFloat64(), 4500, float64(rate))
				if at+i < n {
					out[at+i] = v * fade(i, length)
				}
			}
		default: // a vowel
			pitch := 90 + 120*rng.Float64()
			from := [3]float64{300 + 500*rng.Float64(), 900 + 1300*rng.Float64(), 2300 + 900*rng.Float64()}
			to := [3]float64{300 + 500*rng.Float64(), 900 + 1300*rng.Float64(), 2300 + 900*rng.Float64()}
			phase := 0.0
			for i := range length {
				part := float64(i) / float64(length)
				phase += pitch * (1 - 0.2*part) / float64(rate)
				v := 0.02 * rng.NormFloat64()
				if phase >= 1 {
					phase--
					v += float64(rate) / 16000
				}
				for f := range formants {
					v = formants[f].next(v, from[f]+(to[f]-from[f])*part, float64(rate))
				}
				if at+i < n {
					out[at+i] = v * fade(i, length)
				}
			}
		}
		at += length
	}
	peak := 0.0
	for _, v := range out {
		peak = max(peak, math.Abs(v))
	}
	pcm := make([]int16, n)
	for i, v := range out {
		pcm[i] = int16(math.Round(0.7 * 32767 * v / max(peak, 1e-9)))
	}
	return pcm
}

// fade goes up and down within an eighth of a syllable.
func fade(i, length int) float64 {
	edge := float64(length) / 8
	return min(1, float64(i)/edge, float64(length-i)/edge)
}

// resonator is a two-pole filter with a bandwidth in hertz. It leaves 0 Hz as it
// is.
type resonator struct{ width, a, b float64 }

func (r *resonator) next(x, hz, rate float64) float64 {
	radius := math.Exp(-math.Pi * r.width / rate)
	p, q := 2*radius*math.Cos(2*math.Pi*hz/rate), radius*radius
	y := (1-p+q)*x + p*r.a - q*r.b
	r.a, r.b = y, r.a
	return y
}
