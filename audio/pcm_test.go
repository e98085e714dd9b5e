package audio

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// everySample is all 65,536 of them.
func everySample() []int16 {
	all := make([]int16, 0, 1<<16)
	for s := math.MinInt16; s <= math.MaxInt16; s++ {
		all = append(all, int16(s))
	}
	return all
}

func TestPCMBytesAreLittleEndianOnAnyMachine(t *testing.T) {
	samples := []int16{0x0102, -2, math.MinInt16}
	want := []byte{9, 0x02, 0x01, 0xFE, 0xFF, 0x00, 0x80}
	for name, encode := range map[string]func([]byte, []int16) []byte{"native": EncodePCM, "portable": encodePCM} {
		if got := encode([]byte{9}, samples); !bytes.Equal(got, want) {
			t.Errorf("%s: % x, want % x", name, got, want)
		}
	}
	for name, decode := range map[string]func([]int16, []byte) []int16{"native": DecodePCM, "portable": decodePCM} {
		// From an odd address, which is no address of an int16.
		if got := decode([]int16{7}, want[1:]); !slices.Equal(got, append([]int16{7}, samples...)) {
			t.Errorf("%s: %v", name, got)
		}
		if got := decode(nil, []byte{1, 0, 5}); !slices.Equal(got, []int16{1}) {
			t.Errorf("%s: half a sample at the end gave %v", name, got)
		}
	}
}

func TestPCMBytesShareTheSamplesMemory(t *testing.T) {
	samples := []int16{1, 2}
	b, ok := PCMBytes(samples)
	if !ok {
		if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
			t.Fatal("no view on a little-endian machine")
		}
		return
	}
	if samples[1] = 0x0304; !bytes.Equal(b, []byte{1, 0, 4, 3}) {
		t.Errorf("% x", b)
	}
	if b, ok := PCMBytes(nil); !ok || len(b) != 0 {
		t.Errorf("of no samples: %v, %v", b, ok)
	}
}

func TestAnySamplesSurviveBytes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		samples := rapid.SliceOf(rapid.Int16()).Draw(rt, "samples")
		if got := DecodePCM(nil, EncodePCM(nil, samples)); !slices.Equal(got, samples) {
			rt.Fatalf("%v", got)
		}
	})
}

func TestEverySampleSurvivesFloat(t *testing.T) {
	all := everySample()
	if !slices.Equal(FromFloat32(nil, ToFloat32(nil, all)), all) {
		t.Error("int16 to float32 and back changed a sample")
	}
}

func TestFloatsAreRoundedToTheNearestSampleAndSaturate(t *testing.T) {
	inf := float32(math.Inf(1))
	for f, want := range map[float32]int16{
		0: 0, 1: 32767, -1: -32768, 1.5: 32767, -7: -32768, inf: 32767, -inf: -32768,
		0.5: 16384, 1.4 / 32768: 1, -1.4 / 32768: -1, 1.6 / 32768: 2, -1.6 / 32768: -2,
		0.5 / 32768: 0, 1.5 / 32768: 2, -0.5 / 32768: 0, -1.5 / 32768: -2, // halves to even
		32766.6 / 32768: 32767, 32767.4 / 32768: 32767, -32767.6 / 32768: -32768,
		1e-40: 0, 1e30: 32767,
	} {
		if got := FromFloat32(nil, []float32{f}); got[0] != want {
			t.Errorf("%v becomes %d, want %d", f, got[0], want)
		}
	}
	if got := FromFloat32(nil, []float32{float32(math.NaN())}); got[0] != 0 {
		t.Errorf("NaN becomes %d", got[0])
	}
	rapid.Check(t, func(rt *rapid.T) {
		f := rapid.Float32Range(-1, 0.9999).Draw(rt, "f")
		if got, want := FromFloat32(nil, []float32{f})[0], math.RoundToEven(float64(f)*32768); float64(got) != want {
			rt.Errorf("%v becomes %d, want %v", f, got, want)
		}
	})
}

func TestNothingAllocatesWhenThereIsRoom(t *testing.T) {
	samples := make([]int16, 960)
	bs, fs, out := make([]byte, 0, 2000), make([]float32, 0, 2000), make([]int16, 0, 2000)
	for name, f := range map[string]func(){
		"EncodePCM":   func() { bs = EncodePCM(bs[:0], samples) },
		"DecodePCM":   func() { out = DecodePCM(out[:0], bs[:960]) },
		"ToFloat32":   func() { fs = ToFloat32(fs[:0], samples) },
		"FromFloat32": func() { out = FromFloat32(out[:0], fs[:960]) },
		"EncodeULaw":  func() { bs = EncodeULaw(bs[:0], samples) },
		"DecodeULaw":  func() { out = DecodeULaw(out[:0], bs[:960]) },
		"EncodeALaw":  func() { bs = EncodeALaw(bs[:0], samples) },
		"DecodeALaw":  func() { out = DecodeALaw(out[:0], bs[:960]) },
		"Remix":       func() { out = Remix(out[:0], samples, 1, 2) },
		"Interleave":  func() { out = Interleave(out[:0], samples, samples) },
		"Channel":     func() { out = Channel(out[:0], samples, 2, 1) },
	} {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
