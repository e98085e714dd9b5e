package recorder

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
)

func ramp(first, n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(first + i)
	}
	return s
}

func newTimeline(t interface{ Fatalf(string, ...any) }, rate audio.SampleRate, layout Layout) *Timeline {
	tl, err := NewTimeline(rate, layout)
	if err != nil {
		t.Fatalf("NewTimeline: %v", err)
	}
	return tl
}

func add(t interface{ Fatalf(string, ...any) }, tl *Timeline, v Voice, rate audio.SampleRate, samples []int16, at int) {
	if err := tl.Add(v, audio.Mono(rate), samples, audio.Position(at)); err != nil {
		t.Fatalf("Add: %v", err)
	}
}

func TestLayoutsPutTheVoicesWhereTheyBelong(t *testing.T) {
	for layout, want := range map[Layout][]int16{
		Stereo:     {1, 0, 2, 10, 3, 20, 0, 30},
		Mono:       {1, 12, 23, 30},
		CallerOnly: {1, 2, 3, 0},
		AgentOnly:  {0, 10, 20, 30},
	} {
		tl := newTimeline(t, 8000, layout)
		add(t, tl, Agent, 8000, []int16{10, 20, 30}, 1)
		add(t, tl, Caller, 8000, []int16{1, 2, 3}, 0)
		if got := tl.Rest(nil); !slices.Equal(got, want) {
			t.Errorf("layout %d: %v, want %v", layout, got, want)
		}
	}
}

func TestMixedVoicesSaturate(t *testing.T) {
	tl := newTimeline(t, 8000, Mono)
	add(t, tl, Caller, 8000, []int16{30000, -30000}, 0)
	add(t, tl, Agent, 8000, []int16{30000, -30000}, 0)
	if got := tl.Rest(nil); !slices.Equal(got, []int16{32767, -32768}) {
		t.Errorf("mixed %v", got)
	}
}

// Whatever the order, the pieces, the gaps and the repetitions: every sample is
// where its position says.
func TestEverySampleIsWhereItsPositionSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tl := newTimeline(t, 8000, Stereo)
		var want [voices][]int16
		var got []int16
		next := [voices]int{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			v := Voice(rapid.IntRange(0, 1).Draw(t, "voice"))
			gap := rapid.SampledFrom([]int{0, 0, 0, 7, 500}).Draw(t, "gap")
			n := rapid.IntRange(1, 300).Draw(t, "n")
			// Neither voice is behind the other by more than the patience.
			if next[v]+gap+n > next[1-v]+15_000 {
				continue
			}
			at := next[v] + gap
			samples := ramp(at+1, n)
			add(t, tl, v, 8000, samples, at)
			want[v] = append(audio.AppendSilence(want[v], at-len(want[v])), samples...)
			next[v] = at + n
			if again := rapid.IntRange(0, 50).Draw(t, "again"); again > 0 {
				again = min(again, n)
				add(t, tl, v, 8000, samples[n-again:], next[v]-again)
			}
			got = tl.Take(got)
		}
		got = tl.Rest(got)
		if all := audio.Interleave(nil, want[Caller], want[Agent]); !slices.Equal(all, got) && len(all)+len(got) > 0 {
			t.Fatalf("recorded %d values, want %d", len(got), len(all))
		}
		if tl.Late() != 0 {
			t.Fatalf("%d samples late", tl.Late())
		}
	})
}

func TestResampledVoiceIsNotShifted(t *testing.T) {
	for _, in := range []audio.SampleRate{8000, 11025, 16000, 22050, 44100, 48000} {
		t.Run(in.String(), func(t *testing.T) {
			tl := newTimeline(t, audio.Rate24k, CallerOnly)
			// A tone that begins half a second into the call, in pieces.
			n, at := int(in), int(in)/2
			hz := 500.0
			tone := func(i int, rate float64) float64 { return 10000 * math.Sin(2*math.Pi*hz*float64(i)/rate) }
			samples := make([]int16, n)
			for i := range samples {
				samples[i] = int16(math.Round(tone(i, float64(in))))
			}
			for i := 0; i < n; i += 333 {
				add(t, tl, Caller, in, samples[i:min(n, i+333)], at+i)
			}
			got := tl.Rest(nil)
			if d := len(got) - 36000; d < -2 || d > 2 {
				t.Fatalf("%d samples, want 36000", len(got))
			}
			// If it were late by one sample of 24 kHz, its difference to the
			// true tone would be 13 % of its amplitude.
			begin := int(audio.Position(at).At(in, audio.Rate24k))
			offset := float64(at)/float64(in)*24000 - float64(begin) // of the grid
			worst := 0.0
			for i := 200; i < 23800; i++ {
				want := 10000 * math.Sin(2*math.Pi*hz*(float64(i)-offset)/24000)
				worst = max(worst, math.Abs(want-float64(got[begin+i])))
			}
			if worst > 10000*0.14 {
				t.Errorf("a difference of %.0f: it is shifted", worst)
			}
			if in != 11025 && in != 22050 && in != 44100 && worst > 200 {
				t.Errorf("a difference of %.0f where nothing has to be rounded", worst)
			}
		})
	}
}

func TestAVoiceThatSaysNothingIsWaitedForTwoSeconds(t *testing.T) {
	tl := newTimeline(t, 8000, Stereo)
	for i := range 500 { // ten seconds of the caller
		add(t, tl, Caller, 8000, ramp(1, 160), i*160)
	}
	got := tl.Take(nil)
	if want := 2 * 8 * 8000; len(got) != want {
		t.Fatalf("%d values are complete, want %d", len(got), want)
	}
	add(t, tl, Agent, 8000, ramp(1, 16), 8*8000-6) // six of them too late
	if tl.Late() != 6 {
		t.Errorf("%d samples late, want 6", tl.Late())
	}
	rest := tl.Rest(nil)
	if len(rest) != 2*2*8000 || rest[1] != 7 || rest[19] != 16 || rest[21] != 0 {
		t.Errorf("then %d values beginning with %v", len(rest), rest[:24])
	}
}

func TestSeveralChannelsOfOneVoiceAreMixed(t *testing.T) {
	tl := newTimeline(t, 8000, AgentOnly)
	if err := tl.Add(Agent, audio.Stereo(8000), []int16{10, 20, 30, 50}, 0); err != nil {
		t.Fatal(err)
	}
	if got := tl.Rest(nil); !slices.Equal(got, []int16{15, 40}) {
		t.Errorf("recorded %v", got)
	}
}

func TestTimelineThatCannotBeIsRefused(t *testing.T) {
	if _, err := NewTimeline(0, Stereo); err == nil || !strings.Contains(err.Error(), "sample rate 0") {
		t.Errorf("rate 0: %v", err)
	}
	if _, err := NewTimeline(8000, 9); err == nil || !strings.Contains(err.Error(), "there is no layout 9") {
		t.Errorf("layout 9: %v", err)
	}
	if patience != 2*time.Second {
		t.Error("the documentation says two seconds")
	}
}
