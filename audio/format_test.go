package audio

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSamplesAndDurationsAreExactForYears(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rate := SampleRate(rapid.IntRange(1, int(maxRate)).Draw(rt, "rate"))
		n := rapid.Int64Range(-1e12, 1e12).Draw(rt, "samples")
		n = min(max(n, -1e9*int64(rate)), 1e9*int64(rate)) // 30 years
		d := rate.Duration(n)
		exact := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(n), big.NewInt(1e9)), big.NewInt(int64(rate)))
		diff := new(big.Rat).Sub(exact, new(big.Rat).SetInt64(int64(d)))
		if diff.Abs(diff).Cmp(big.NewRat(1, 2)) > 0 {
			rt.Fatalf("%d samples at %d Hz last %v", n, rate, d)
		}
		if got := rate.Samples(d); got != n {
			rt.Fatalf("%d samples at %d Hz are %v, which are %d samples", n, rate, d, got)
		}
	})
}

func TestAPositionOnAnotherClockIsTheSameInstantRoundedDown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from := SampleRate(rapid.IntRange(1, int(maxRate)).Draw(rt, "from"))
		to := SampleRate(rapid.IntRange(1, int(maxRate)).Draw(rt, "to"))
		p := rapid.Int64Range(-1e12, 1e12).Draw(rt, "position")
		want := new(big.Int).Mul(big.NewInt(p), big.NewInt(int64(to)))
		want.Div(want, big.NewInt(int64(from))) // Euclidean, which rounds down here
		if got := Position(p).At(from, to); int64(got) != want.Int64() {
			rt.Fatalf("%d at %d Hz is %d at %d Hz, want %v", p, from, got, to, want)
		}
	})
}

func TestAPositionKeepsItsPlaceOnItsOwnClock(t *testing.T) {
	if Position(7).At(Rate8k, Rate8k) != 7 || Position(7).At(0, Rate8k) != 7 {
		t.Error("moved")
	}
}

func TestFormatsReadAsPeopleWriteThem(t *testing.T) {
	for f, want := range map[Format]string{
		Mono(Rate16k):   "16 kHz mono",
		Stereo(Rate11k): "11.025 kHz stereo",
		{Rate48k, 6}:    "48 kHz 6 channels",
	} {
		if f.String() != want {
			t.Errorf("%q, want %q", f, want)
		}
	}
}

func TestFormatsThatCannotBeAreRefused(t *testing.T) {
	for _, f := range []Format{{}, {Rate: -1, Channels: 1}, {Rate: maxRate + 1, Channels: 1}, {Rate: 1}, {Rate: 1, Channels: 65}} {
		if f.Validate() == nil {
			t.Errorf("%+v is accepted", f)
		}
	}
	for _, f := range []Format{Mono(1), {maxRate, maxLayout}} {
		if err := f.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestABufferLastsAsLongAsItsFrames(t *testing.T) {
	for _, c := range []struct {
		f    Format
		n    int
		want time.Duration
	}{
		{Mono(Rate16k), 320, 20 * time.Millisecond},
		{Stereo(Rate16k), 320, 10 * time.Millisecond},
		{Stereo(Rate8k), 3, 125 * time.Microsecond},
		{Format{}, 3, 0},
	} {
		if got := c.f.Duration(c.n); got != c.want {
			t.Errorf("%d values of %v: %v, want %v", c.n, c.f, got, c.want)
		}
	}
}
