package bench

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
)

var audioRates = []audio.SampleRate{
	audio.Rate8k, audio.Rate11k, audio.Rate16k, audio.Rate22k, audio.Rate24k, audio.Rate32k, audio.Rate44k, audio.Rate48k,
}

// speechLike is a second of sound at rate.
func speechLike(rate audio.SampleRate) []int16 {
	s := make([]int16, rate)
	for i := range s {
		t := float64(i) / float64(rate)
		s[i] = int16(9000*math.Sin(2*math.Pi*210*t) + 6000*math.Sin(2*math.Pi*1700*t)*math.Sin(2*math.Pi*4*t))
	}
	return s
}

// perSecond runs f, which deals with one second of audio, and reports the time
// that it takes of a core in milliseconds: of the fastest run, since the others
// were interrupted by something else.
func perSecond(b *testing.B, f func()) {
	b.ReportAllocs()
	f() // the tables and buffers of the first time
	fastest := time.Duration(math.MaxInt64)
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		f()
		fastest = min(fastest, time.Since(start))
	}
	b.ReportMetric(float64(fastest)/1e6, "ms/s")
}

// inPieces calls f with pieces of 20 ms.
func inPieces(rate audio.SampleRate, samples []int16, f func([]int16)) {
	for at, i := 0, 1; at < len(samples); i++ {
		end := min(int(rate.Samples(time.Duration(i)*20*time.Millisecond)), len(samples))
		f(samples[at:end])
		at = end
	}
}

// BenchmarkResampler measures a second of mono in pieces of 20 ms, for each pair
// of rates. Its baseline, "linear", is the least that any resampler can do:
// straight lines between samples, with aliases at -10 dB.
func BenchmarkResampler(b *testing.B) {
	for _, in := range audioRates {
		src := speechLike(in)
		for _, out := range audioRates {
			if in == out {
				continue
			}
			name := fmt.Sprintf("%d-%d", int(in), int(out))
			b.Run(name+"/parley", func(b *testing.B) {
				r, err := audio.NewResampler(in, out, 1)
				if err != nil {
					b.Fatal(err)
				}
				dst := make([]int16, 0, out)
				perSecond(b, func() {
					inPieces(in, src, func(piece []int16) { dst = r.Resample(dst[:0], piece) })
				})
			})
			b.Run(name+"/linear", func(b *testing.B) {
				dst := make([]int16, 0, out)
				perSecond(b, func() {
					inPieces(in, src, func(piece []int16) { dst = linear(dst[:0], piece, in, out) })
				})
			})
		}
	}
}

func linear(dst, src []int16, in, out audio.SampleRate) []int16 {
	for j := 0; ; j++ {
		at := j * int(in)
		i, rest := at/int(out), at%int(out)
		if i+1 >= len(src) {
			return dst
		}
		a, d := int(src[i]), int(src[i+1])-int(src[i])
		dst = append(dst, int16(a+d*rest/int(out)))
	}
}

// BenchmarkNewResampler measures what the start of a call pays when another call
// uses the table of its pair of rates.
func BenchmarkNewResampler(b *testing.B) {
	for _, pair := range [][2]audio.SampleRate{{audio.Rate8k, audio.Rate16k}, {audio.Rate44k, audio.Rate16k}, {audio.Rate11k, audio.Rate48k}} {
		name := fmt.Sprintf("%d-%d", int(pair[0]), int(pair[1]))
		b.Run(name, func(b *testing.B) {
			keep, err := audio.NewResampler(pair[0], pair[1], 1)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := audio.NewResampler(pair[0], pair[1], 1); err != nil {
					b.Fatal(err)
				}
			}
			keep.Reset()
		})
	}
}

// BenchmarkG711 measures a second of telephone audio. The baseline is a copy.
func BenchmarkG711(b *testing.B) {
	src := speechLike(audio.Rate8k)
	ulaw, alaw := audio.EncodeULaw(nil, src), audio.EncodeALaw(nil, src)
	bytes, samples := make([]byte, 0, len(src)), make([]int16, 0, len(src))
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"encode/ulaw", func() { bytes = audio.EncodeULaw(bytes[:0], src) }},
		{"encode/alaw", func() { bytes = audio.EncodeALaw(bytes[:0], src) }},
		{"decode/ulaw", func() { samples = audio.DecodeULaw(samples[:0], ulaw) }},
		{"decode/alaw", func() { samples = audio.DecodeALaw(samples[:0], alaw) }},
		{"copy", func() { samples = append(samples[:0], src...) }},
	} {
		b.Run(c.name, func(b *testing.B) { perSecond(b, c.f) })
	}
}

// BenchmarkConversions measures a second of 16 kHz mono, beside what
// encoding/binary does.
func BenchmarkConversions(b *testing.B) {
	src := speechLike(audio.Rate16k)
	stereo := audio.Remix(nil, src, 1, 2)
	pcm, floats := audio.EncodePCM(nil, src), audio.ToFloat32(nil, src)
	bytes, samples, out := make([]byte, 0, 2*len(src)), make([]int16, 0, 2*len(src)), make([]float32, 0, len(src))
	other := make([]int16, len(src))
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"encode/parley", func() { bytes = audio.EncodePCM(bytes[:0], src) }},
		{"encode/binary", func() {
			bytes = bytes[:0]
			for _, s := range src {
				bytes = binary.LittleEndian.AppendUint16(bytes, uint16(s))
			}
		}},
		{"decode/parley", func() { samples = audio.DecodePCM(samples[:0], pcm) }},
		{"decode/binary", func() {
			samples = samples[:0]
			for i := 0; i+1 < len(pcm); i += 2 {
				samples = append(samples, int16(binary.LittleEndian.Uint16(pcm[i:])))
			}
		}},
		{"to float32", func() { out = audio.ToFloat32(out[:0], src) }},
		{"from float32", func() { samples = audio.FromFloat32(samples[:0], floats) }},
		{"mono to stereo", func() { samples = audio.Remix(samples[:0], src, 1, 2) }},
		{"stereo to mono", func() { samples = audio.Remix(samples[:0], stereo, 2, 1) }},
		{"add", func() { audio.Add(other, src) }},
		{"rms", func() { audio.RMS(src) }},
	} {
		b.Run(c.name, func(b *testing.B) { perSecond(b, c.f) })
	}
}
