package playout

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

func mixes(m *mixer, n int, speech bool, values ...int16) []int16 {
	dst := make([]int16, n)
	for i := range dst {
		dst[i] = values[i%len(values)]
	}
	m.mix(dst, speech)
	return dst
}

func TestALoopHasNoSeam(t *testing.T) {
	for name, rate := range map[string]audio.SampleRate{"at the output's rate": 8000, "at another rate": 24000} {
		t.Run(name, func(t *testing.T) {
			// A hundred whole periods, so that the loop is a sine for ever.
			tone := make([]int16, int(rate)/10)
			for i := range tone {
				tone[i] = int16(10000 * math.Sin(2*math.Pi*1000*float64(i)/float64(rate)))
			}
			m := &mixer{format: mono8k}
			if err := m.play(&frames.PlayBackground{Track: "hold", Format: audio.Mono(rate), Samples: tone, Loop: true}); err != nil {
				t.Fatal(err)
			}
			var got []int16
			for range 100 {
				got = append(got, mixes(m, 160, false, 0)...)
			}
			// A sine of that frequency obeys s[i+1] = 2cos(w)s[i] - s[i-1].
			k := 2 * math.Cos(2*math.Pi*1000/8000)
			for i := 401; i < len(got)-1; i++ {
				if want := k*float64(got[i]) - float64(got[i-1]); math.Abs(float64(got[i+1])-want) > 4 {
					t.Fatalf("sample %d is %d, want %.0f: a seam", i+1, got[i+1], want)
				}
			}
			if audio.Peak(got) < -11 || audio.Peak(got) > -9 {
				t.Errorf("the level is %v dB, want -10.3", audio.Peak(got))
			}
		})
	}
}

func TestASoundThatDoesNotLoopIsPlayedOnceAndGone(t *testing.T) {
	m := &mixer{format: mono8k}
	if err := m.play(&frames.PlayBackground{Format: mono8k, Samples: ramp(1, 6)}); err != nil {
		t.Fatal(err)
	}
	if got := mixes(m, 4, false, 100); !slices.Equal(got, []int16{101, 102, 103, 104}) {
		t.Errorf("%v", got)
	}
	if got := mixes(m, 4, false, 100); !slices.Equal(got, []int16{105, 106, 100, 100}) {
		t.Errorf("%v", got)
	}
	if m.mix(make([]int16, 4), false) || len(m.beds) != 0 {
		t.Error("it is still there")
	}
}

func TestTheBackgroundIsSofterWhileTheAgentSpeaks(t *testing.T) {
	m := &mixer{format: mono8k}
	err := m.play(&frames.PlayBackground{Format: mono8k, Samples: slices.Repeat([]int16{8000}, 80), Loop: true, Gain: -6.0206, Duck: 6.0206})
	if err != nil {
		t.Fatal(err)
	}
	last := func(speech bool) int16 {
		got := mixes(m, 800, speech, 0) // 100 ms, in which the level changes
		for i := 1; i < len(got); i++ {
			if d := got[i] - got[i-1]; d < -4 || d > 4 {
				t.Errorf("sample %d jumps by %d", i, d)
			}
		}
		return got[len(got)-1]
	}
	if before, during, after := last(false), last(true), last(false); before != 4000 || during != 2000 || after != 4000 {
		t.Errorf("%d, %d while the agent speaks, and then %d; want 4000, 2000, 4000", before, during, after)
	}
}

func TestOneBackgroundFadesIntoTheNext(t *testing.T) {
	m := &mixer{format: mono8k}
	for _, level := range []int16{1000, 3000} {
		if err := m.play(&frames.PlayBackground{Track: "x", Format: mono8k, Samples: slices.Repeat([]int16{level}, 80), Loop: true, Fade: 10 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		got := mixes(m, 80, false, 0)
		for i := 1; i < len(got); i++ {
			if got[i] < got[i-1] {
				t.Errorf("sample %d falls from %d to %d", i, got[i-1], got[i])
			}
		}
		if got[79] != level {
			t.Errorf("after the fade it is %d, want %d", got[79], level)
		}
	}
	if len(m.beds) != 1 {
		t.Errorf("%d sounds are left", len(m.beds))
	}
	m.stop("", 0)
	if m.mix(make([]int16, 80), false) {
		t.Error("it was not stopped")
	}
}

func TestLoudBackgroundsSaturate(t *testing.T) {
	m := &mixer{format: mono8k}
	for _, f := range []*frames.PlayBackground{{Track: "a"}, {Track: "b"}} {
		f.Format, f.Samples, f.Gain = mono8k, []int16{20000, -20000}, 6
		if err := m.play(f); err != nil {
			t.Fatal(err)
		}
	}
	if got := mixes(m, 2, false, 20000, -20000); !slices.Equal(got, []int16{32767, -32768}) {
		t.Errorf("%v", got)
	}
}

func TestABackgroundThatCannotBePlayedIsRefused(t *testing.T) {
	good := func() *frames.PlayBackground { return &frames.PlayBackground{Format: mono8k, Samples: ramp(1, 8)} }
	for want, spoil := range map[string]func(f *frames.PlayBackground){
		"channels":             func(f *frames.PlayBackground) { f.Format.Channels = 0 },
		"0 samples":            func(f *frames.PlayBackground) { f.Samples = nil },
		"whole number":         func(f *frames.PlayBackground) { f.Format = audio.Stereo(8000); f.Samples = f.Samples[:3] },
		"let it loop":          func(f *frames.PlayBackground) { f.Samples = make([]int16, 8000*601) },
		"gain of NaN":          func(f *frames.PlayBackground) { f.Gain = math.NaN() },
		"gain of 30":           func(f *frames.PlayBackground) { f.Gain = 30 },
		"louder":               func(f *frames.PlayBackground) { f.Duck = -3 },
		"fade of -1s":          func(f *frames.PlayBackground) { f.Fade = -time.Second },
		"fade of 1m0s":         func(f *frames.PlayBackground) { f.Fade = time.Minute },
		"8 sounds in the back": nil,
	} {
		m := &mixer{format: mono8k}
		f := good()
		if spoil != nil {
			spoil(f)
		} else {
			for i := range 8 {
				f := good()
				f.Track, f.Loop = string(rune('a'+i)), true
				if err := m.play(f); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := m.play(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestOneOfEightSoundsCanBeReplaced(t *testing.T) {
	m := &mixer{format: mono8k}
	loop := func(track string) *frames.PlayBackground {
		return &frames.PlayBackground{Track: track, Format: mono8k, Samples: ramp(1, 8), Loop: true, Fade: 10 * time.Millisecond}
	}
	for i := range 8 {
		if err := m.play(loop(string(rune('a' + i)))); err != nil {
			t.Fatal(err)
		}
	}
	for range 30 { // while most of the others still fade out
		if err := m.play(loop("c")); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.beds) > 16 {
		t.Errorf("%d sounds at a time", len(m.beds))
	}
	m.mix(make([]int16, 800), false)
	if len(m.beds) != 8 {
		t.Errorf("%d sounds are left", len(m.beds))
	}
}
