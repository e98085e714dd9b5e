package convert_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/convert"
)

var rates = []audio.SampleRate{audio.Rate8k, audio.Rate11k, audio.Rate16k, audio.Rate22k, audio.Rate24k, audio.Rate44k, audio.Rate48k}

func TestEachSampleStaysInItsPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := audio.Format{Rate: rapid.SampledFrom(rates).Draw(t, "in"), Channels: rapid.IntRange(1, 2).Draw(t, "channels in")}
		out := audio.Format{Rate: rapid.SampledFrom(rates).Draw(t, "out"), Channels: rapid.IntRange(1, 2).Draw(t, "channels out")}
		c, err := convert.New(in, out)
		if err != nil {
			t.Fatal(err)
		}
		if c.In() != in || c.Out() != out {
			t.Errorf("from %v to %v, want from %v to %v", c.In(), c.Out(), in, out)
		}
		for range 2 { // Finish and Reset both begin anew
			n := rapid.IntRange(0, 2000).Draw(t, "frames")
			at := n / 2
			samples := make([]int16, n*in.Channels)
			for ch := range in.Channels {
				if n > 0 {
					samples[at*in.Channels+ch] = 20_000
				}
			}
			const before = 7
			got := make([]int16, before, 8)
			for rest := samples; len(rest) > 0; {
				k := min(len(rest), in.Channels*rapid.IntRange(1, 700).Draw(t, "piece"))
				got = c.Convert(got, rest[:k])
				rest = rest[k:]
			}
			got = c.Finish(got)
			if !audio.IsSilent(got[:before]) {
				t.Fatal("what was in dst before is another")
			}
			left := audio.Channel(nil, got[before:], out.Channels, 0)
			want := (n*int(out.Rate) + int(in.Rate) - 1) / int(in.Rate)
			if len(left) != want || len(got) != before+want*out.Channels {
				t.Fatalf("%d frames of %v became %d of %v, want %d", n, in, len(left), out, want)
			}
			if n > 0 {
				loudest := slices.Index(left, slices.Max(left))
				exact := float64(at) * float64(out.Rate) / float64(in.Rate)
				// Between samples, or at the very end, the nearest one may be either.
				if d := float64(loudest) - exact; d < -1 || d > 1 {
					t.Fatalf("frame %d of %d at %v is frame %d at %v, want %.2f", at, n, in, loudest, out, exact)
				}
			}
			c.Convert(nil, samples)
			c.Reset()
			if rest := c.Finish(nil); len(rest) != 0 {
				t.Fatalf("behind Reset there are %d samples", len(rest))
			}
		}
	})
}

func TestWhatCannotBeConvertedIsRefused(t *testing.T) {
	for _, c := range [][2]audio.Format{
		{{}, audio.Mono(audio.Rate8k)},
		{audio.Mono(audio.Rate8k), {Rate: audio.Rate8k}},
		{audio.Mono(100), audio.Mono(audio.Rate48k)},
	} {
		if _, err := convert.New(c[0], c[1]); err == nil {
			t.Errorf("from %v to %v: no error", c[0], c[1])
		}
	}
}
