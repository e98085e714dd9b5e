package audio

import (
	"slices"
	"testing"
)

func TestAFadeGoesAllTheWayWithoutAStep(t *testing.T) {
	const n = 120
	flat := func() []int16 { return slices.Repeat([]int16{20000, -10000}, n) }
	out, in := flat(), flat()
	FadeOut(out, 2, 0, n)
	FadeIn(in, 2, 0, n)
	if out[0] < 19990 || out[2*n-2] > 10 || in[0] > 10 || in[2*n-2] < 19990 {
		t.Errorf("out from %d to %d, in from %d to %d", out[0], out[2*n-2], in[0], in[2*n-2])
	}
	for i := 2; i < 2*n; i += 2 {
		// A straight line would fall by 167 at a time, and have corners.
		if step := out[i-2] - out[i]; step < 0 || step > 167*8/5 {
			t.Errorf("frame %d falls by %d", i/2, step)
		}
		if d := out[i] + 2*out[i+1]; d < -1 || d > 1 {
			t.Errorf("frame %d: channels %d and %d, want the same gain", i/2, out[i], out[i+1])
		}
		if sum := int(out[i]) + int(in[i]); sum < 19999 || sum > 20001 {
			t.Errorf("frame %d: out and in add up to %d, want 20000", i/2, sum)
		}
	}
}

func TestAFadeInPartsIsTheSame(t *testing.T) {
	whole, parts := slices.Repeat([]int16{12345}, 99), slices.Repeat([]int16{12345}, 99)
	FadeIn(whole, 1, 0, 99)
	FadeIn(parts[:40], 1, 0, 99)
	FadeIn(parts[40:], 1, 40, 99)
	if !slices.Equal(whole, parts) {
		t.Errorf("in parts %v, whole %v", parts, whole)
	}
}

func TestBesideAFadeThereIsAllOrNothing(t *testing.T) {
	out, in := []int16{100, 100, 100, 100}, []int16{100, 100, 100, 100}
	FadeOut(out, 1, -1, 2)
	FadeIn(in, 1, -1, 2)
	if want := []int16{100, 85, 15, 0}; !slices.Equal(out, want) {
		t.Errorf("out: %v, want %v", out, want)
	}
	if want := []int16{0, 15, 85, 100}; !slices.Equal(in, want) {
		t.Errorf("in: %v, want %v", in, want)
	}
	none := []int16{7}
	FadeOut(none, 1, 0, 0)
	if none[0] != 0 {
		t.Errorf("behind a fade of no length there is %d, want silence", none[0])
	}
}

func TestAFadeOfNoChannelsDoesNothing(t *testing.T) {
	for _, channels := range []int{0, -1} {
		samples := []int16{100, 100}
		FadeOut(samples, channels, 0, 2)
		FadeIn(samples, channels, 0, 2)
		if want := []int16{100, 100}; !slices.Equal(samples, want) {
			t.Errorf("with %d channels: %v, want %v", channels, samples, want)
		}
	}
}
