package playout

import (
	"fmt"
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

func TestABackgroundStopsWhateverIsWrongWithItsFade(t *testing.T) {
	for fade, want := range map[time.Duration]string{
		-time.Second: "a fade of -1s is not between 100µs and 10s",
		time.Minute:  "a fade of 1m0s is not",
		300:          "write 300*time.Millisecond",
		0:            "<nil>",
		time.Second:  "<nil>",
	} {
		m := &mixer{format: mono8k}
		if err := m.play(&frames.PlayBackground{Track: "x", Format: mono8k, Samples: ramp(1, 8), Loop: true}); err != nil {
			t.Fatal(err)
		}
		if err := fmt.Sprint(m.stop("x", fade)); !strings.Contains(err, want) {
			t.Errorf("a fade of %v: %v, want %q", fade, err, want)
		}
		mixes(m, 10*8000, false, make([]int16, 10*8000)...)
		if len(m.beds) != 0 {
			t.Errorf("a fade of %v: it goes on", fade)
		}
		if err := m.stop("x", 0); err != nil {
			t.Errorf("what is over is stopped: %v", err)
		}
	}
}

func TestABackgroundThatCannotBePlayedIsRefused(t *testing.T) {
	good := func() *frames.PlayBackground { return &frames.PlayBackground{Format: mono8k, Samples: ramp(1, 8)} }
	for want, spoil := range map[string]func(f *frames.PlayBackground){
		"channels":     func(f *frames.PlayBackground) { f.Format.Channels = 0 },
		"0 samples":    func(f *frames.PlayBackground) { f.Samples = nil },
		"whole number": func(f *frames.PlayBackground) { f.Format = audio.Stereo(8000); f.Samples = f.Samples[:3] },
		"let it loop":  func(f *frames.PlayBackground) { f.Samples = make([]int16, 8000*601) },
		"gain of NaN":  func(f *frames.PlayBackground) { f.Gain = math.NaN() },
		"gain of 30":   func(f *frames.PlayBackground) { f.Gain = 30 },
		"louder":       func(f *frames.PlayBackground) { f.Duck = -3 },
		"fade of -1s":  func(f *frames.PlayBackground) { f.Fade = -time.Second },
		"fade of 300ns is not between 100µs and 10s, nor 0 for none (300 nanoseconds: was another unit meant? write 300*time.Millisecond, or time.Second)": func(f *frames.PlayBackground) { f.Fade = 300 },
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

// tone is a loop of the same value all over, which shows its level.
func tone(track string, level int16, fade time.Duration) *frames.PlayBackground {
	return &frames.PlayBackground{Track: track, Format: mono8k, Samples: slices.Repeat([]int16{level}, 80), Loop: true, Fade: fade}
}

// behind plays a sound in chunks of four samples, of which up to five can be given
// back, and returns so many of them.
func behind(t *testing.T, m *mixer, f *frames.PlayBackground, chunks int) (got []int16) {
	t.Helper()
	m.format, m.keep = mono8k, 5
	if err := m.play(f); err != nil {
		t.Fatal(err)
	}
	for range chunks {
		got = append(got, mixes(m, 4, false, 0)...)
	}
	return got
}

func TestWhatTheSinkGivesBackOfASoundIsPlayedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		length, mixed int   // samples of the sound, chunks before the flushes
		flushes       []int // chunks that each gives back
		want          int   // the first sample that is heard again
	}{
		"in its middle":                 {100, 8, []int{2}, 25},
		"by two flushes":                {100, 8, []int{2, 1}, 21},
		"no more than can be":           {100, 8, []int{9}, 13},
		"its end":                       {12, 3, []int{1}, 9},
		"its end, and silence behind":   {12, 5, []int{4}, 5},
		"silence behind it, by another": {12, 6, []int{2, 2}, 9},
		"from its beginning":            {100, 3, []int{5}, 1},
		"a part of a chunk, at its end": {10, 4, []int{2}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			m := &mixer{}
			behind(t, m, &frames.PlayBackground{Format: mono8k, Samples: ramp(1, c.length)}, c.mixed)
			for _, n := range c.flushes {
				m.rewind(n)
			}
			var got []int16
			for range 10 {
				got = append(got, mixes(m, 4, false, 0)...)
			}
			want := ramp(c.want, min(40, c.length-c.want+1))
			if want = append(want, make([]int16, 40-len(want))...); !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

func TestWhatIsGivenBackOfASoundThatWasStoppedIsNotPlayedAgain(t *testing.T) {
	for name, fade := range map[string]time.Duration{"at once": 0, "within a chunk": 10 * time.Millisecond, "within some": 30 * time.Millisecond} {
		for order, both := range map[string]func(m *mixer){
			"behind a flush":   func(m *mixer) { m.rewind(5); m.stop("a", fade) },
			"before a flush":   func(m *mixer) { m.stop("a", fade); m.rewind(5) },
			"while it goes on": func(m *mixer) { m.stop("a", fade); mixes(m, 80, false, 0); m.rewind(5) },
		} {
			t.Run(name+" "+order, func(t *testing.T) {
				m := &mixer{format: mono8k, keep: 10}
				for _, f := range []*frames.PlayBackground{tone("a", 1000, 0), tone("b", 100, 0)} {
					if err := m.play(f); err != nil {
						t.Fatal(err)
					}
				}
				for range 20 {
					mixes(m, 80, false, 0)
				}
				both(m)
				n := int(audio.Rate8k.Samples(fade))
				last := int16(1100)
				if n == 0 {
					last = 100
				}
				for i, v := range mixes(m, 800, false, 0) {
					switch {
					case v > last || int(v) < int(last)-1000/max(1, n)-1:
						t.Fatalf("sample %d jumps from %d to %d", i, last, v)
					case i >= n && v != 100: // the other goes on
						t.Fatalf("sample %d is %d", i, v)
					}
					last = v
				}
				for range 10 {
					mixes(m, 80, false, 0)
				}
				if len(m.beds) != 1 {
					t.Errorf("%d sounds are kept, want the one that goes on", len(m.beds))
				}
			})
		}
	}
}

func TestTheLevelGoesOnFromWhereItWasHeard(t *testing.T) {
	m := &mixer{format: mono8k, keep: 10}
	f := tone("a", 8000, 50*time.Millisecond) // it comes in within five chunks
	f.Duck = 6.0206
	if err := m.play(f); err != nil {
		t.Fatal(err)
	}
	var got []int16
	mix := func(chunks int, speech bool) {
		for range chunks {
			got = append(got, mixes(m, 80, speech, 0)...)
		}
	}
	flush := func(chunks int) {
		m.rewind(chunks)
		got = got[:len(got)-80*chunks]
	}
	mix(4, false)
	flush(2)
	mix(20, false)
	if got[len(got)-1] != 8000 {
		t.Errorf("it has come in to %d", got[len(got)-1])
	}
	mix(6, true) // the agent is about to speak …
	flush(5)     // … and has said a chunk of it when he is interrupted
	mix(20, false)
	for i := 1; i < len(got); i++ {
		if d := int(got[i]) - int(got[i-1]); d < -30 || d > 30 {
			t.Fatalf("sample %d jumps from %d to %d", i, got[i-1], got[i])
		}
	}
	if low := slices.Min(got[1600:]); low < 7500 || got[len(got)-1] != 8000 {
		t.Errorf("it was softer by then, down to %d, and is %d again", low, got[len(got)-1])
	}
}

func TestTheMemoryOfTheBackgroundIsBounded(t *testing.T) {
	m := &mixer{}
	behind(t, m, tone("a", 1000, 0), 1000)
	if b := m.beds[0]; len(b.taken) != 20 || cap(b.taken) > 200 || cap(b.past) > 50 {
		t.Errorf("of a loop %d samples are kept, with room for %d, and %d chunks", len(b.taken), cap(b.taken), cap(b.past))
	}
	m = &mixer{}
	for i := range 100 { // which are over at once
		behind(t, m, &frames.PlayBackground{Track: string(rune('a' + i)), Format: mono8k, Samples: ramp(1, 4)}, 0)
		if m.mix(make([]int16, 4), false); len(m.beds) > 16 {
			t.Fatalf("%d sounds are kept", len(m.beds))
		}
	}
	behind(t, m, tone("a", 1000, 0), 1)
	m.stop("", 0)
	for range 5 {
		if m.mix(make([]int16, 4), false) {
			t.Error("there is something to be heard")
		}
	}
	if len(m.beds) != 0 {
		t.Errorf("%d sounds are kept that nobody can give back", len(m.beds))
	}
}

func TestASoundTakesThePlaceOfOneThatIsOver(t *testing.T) {
	m := &mixer{format: mono8k, keep: 100}
	for i := range 40 { // more than there is room for, most of them kept for a flush
		f := tone(string(rune('a'+i)), 1, 0)
		f.Loop = i >= 33
		if err := m.play(f); err != nil {
			t.Fatal(err)
		}
		mixes(m, 80, false, 0)
	}
	if got := mixes(m, 1, false, 0); len(m.beds) != 16 || got[0] != 7 {
		t.Errorf("%d sounds, and the seven that play are heard as %d", len(m.beds), got[0])
	}
}
