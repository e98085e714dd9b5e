package audio

import (
	"math"
	"slices"
	"testing"
)

func TestRemixKeepsEverythingThatWasSaid(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to int
		src      []int16
		want     []int16
	}{
		{"a copy", 2, 2, []int16{1, 2, 3, 4}, []int16{1, 2, 3, 4}},
		{"mono to stereo", 1, 2, []int16{1, -2}, []int16{1, 1, -2, -2}},
		{"mono to three", 1, 3, []int16{5}, []int16{5, 5, 5}},
		{"stereo to mono", 2, 1, []int16{10, 20, -1, 0, -3, -1, math.MaxInt16, math.MaxInt16, math.MinInt16, math.MinInt16},
			[]int16{15, -1, -2, math.MaxInt16, math.MinInt16}},
		{"7.1 to mono", 8, 1, []int16{8, 16, 24, 32, 40, 48, 56, 64, -1, 0, 0, 0, 0, 0, 0, 0}, []int16{36, -1}},
		{"5.1 to stereo", 6, 2, []int16{6, 0, 600, 0, 0, 0}, []int16{101, 101}},
		{"stereo to four", 2, 4, []int16{1, 2, 3, 4}, []int16{1, 2, 0, 0, 3, 4, 0, 0}},
		{"an incomplete frame", 2, 1, []int16{2, 4, 9}, []int16{3}},
		{"no channels", 0, 1, []int16{2}, nil},
		{"to no channels", 1, -1, []int16{2}, nil},
	} {
		// The memory behind dst is dirty, as that of a reused buffer is.
		dirty := []int16{77, 99, 99, 99, 99, 99, 99, 99, 99, 99}[:1]
		if got := Remix(dirty, c.src, c.from, c.to); !slices.Equal(got, append([]int16{77}, c.want...)) {
			t.Errorf("%s: %v, want %v", c.name, got[1:], c.want)
		}
	}
}

func TestInterleaveAndChannelUndoEachOther(t *testing.T) {
	left, right := []int16{1, 2, 3}, []int16{-1}
	dirty := []int16{99, 99, 99, 99, 99, 99}[:0]
	both := Interleave(dirty, left, right)
	if !slices.Equal(both, []int16{1, -1, 2, 0, 3, 0}) {
		t.Fatalf("%v", both)
	}
	if got := Channel(nil, both, 2, 0); !slices.Equal(got, left) {
		t.Errorf("left: %v", got)
	}
	if got := Channel(nil, both, 2, 1); !slices.Equal(got, []int16{-1, 0, 0}) {
		t.Errorf("right: %v", got)
	}
	if got := Channel(nil, both, 2, 2); got != nil {
		t.Errorf("a third: %v", got)
	}
	if got := Interleave(nil); len(got) != 0 {
		t.Errorf("no channels: %v", got)
	}
}

func TestAddSaturates(t *testing.T) {
	dst := []int16{1, 32000, -32000, 7}
	if n := Add(dst, []int16{2, 32000, -32000}); n != 3 || !slices.Equal(dst, []int16{3, 32767, -32768, 7}) {
		t.Errorf("%d, %v", n, dst)
	}
}

func TestGainIsInDecibels(t *testing.T) {
	for _, c := range []struct {
		db   float64
		want []int16
	}{
		{0, []int16{100, -100, 32767}},
		{20 * math.Log10(2), []int16{200, -200, 32767}},
		{-20, []int16{10, -10, 3277}},
		{60, []int16{32767, -32768, 32767}},
		{math.Inf(-1), []int16{0, 0, 0}},
	} {
		s := []int16{100, -100, 32767}
		if Gain(s, c.db); !slices.Equal(s, c.want) {
			t.Errorf("%v dB: %v, want %v", c.db, s, c.want)
		}
	}
}

func TestSilenceIsZeros(t *testing.T) {
	dirty := []int16{9, 9, 9, 9}[:1]
	if got := AppendSilence(dirty, 3); !slices.Equal(got, []int16{9, 0, 0, 0}) || !IsSilent(got[1:]) || IsSilent(got) {
		t.Errorf("%v", got)
	}
	if got := AppendSilence(nil, -1); got != nil {
		t.Errorf("%v", got)
	}
}

func TestLevelsAreInDecibelsOfFullScale(t *testing.T) {
	near := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 0.002 && got != want {
			t.Errorf("%s: %.3f dBFS, want %.3f", name, got, want)
		}
	}
	tone := quantize(sine(1000, 1, Rate16k, 1600))
	near("RMS of a full-scale sine", RMS(tone), -3.01)
	near("its peak", Peak(tone), 0)
	near("RMS of the largest square", RMS([]int16{-32768, -32768}), 0)
	near("peak of a negative half", Peak([]int16{0, -16384, 5}), -6.0206)
	near("RMS of one in a hundred", RMS(append(make([]int16, 99), -32768)), -20)
	for _, s := range [][]int16{nil, {0, 0}} {
		near("RMS of silence", RMS(s), math.Inf(-1))
		near("peak of silence", Peak(s), math.Inf(-1))
	}
}
