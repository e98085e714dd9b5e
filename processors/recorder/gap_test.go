package recorder

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
)

// allocated returns how many bytes do allocates.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestALongSilenceIsYieldedWholeAndTakesNoMemory(t *testing.T) {
	tl := newTimeline(t, audio.Rate24k, Stereo)
	const gap = 59 * 60 * 24_000
	var total, heard int
	var last []int16
	used := allocated(func() {
		add(t, tl, Caller, audio.Rate24k, []int16{1, 2, 3}, 0)
		add(t, tl, Caller, audio.Rate24k, []int16{4, 5, 6}, gap)
		add(t, tl, Agent, audio.Rate24k, []int16{7, 8, 9}, gap)
		buffer := make([]int16, 0, 2*10*24_000)
		for {
			buffer = tl.Take(buffer[:0])
			if len(buffer) == 0 {
				break
			}
			total += len(buffer)
			for _, v := range buffer {
				if v != 0 {
					heard++
				}
			}
			last = append(last[:0], buffer[len(buffer)-6:]...)
		}
	})
	if total != 2*(gap+3) || heard != 9 || !slices.Equal(last, []int16{4, 7, 5, 8, 6, 9}) {
		t.Errorf("%d values, %d of them voice, the last %v", total, heard, last)
	}
	if used > 8<<20 {
		t.Errorf("%d MB were allocated for an hour of silence", used>>20)
	}
	if tl.Jumps() != 0 {
		t.Errorf("%d jumps in an hour's silence", tl.Jumps())
	}
}

func TestAPositionThatCannotBeIsReportedAndItsAudioFollowsWhatThereIs(t *testing.T) {
	for name, at := range map[string]audio.Position{
		"two hours ahead":      2 * 3600 * 16_000,
		"years ahead":          1 << 50,
		"the last there is":    math.MaxInt64 - 1000,
		"before the beginning": math.MinInt64,
	} {
		t.Run(name, func(t *testing.T) {
			tl := newTimeline(t, audio.Rate24k, CallerOnly)
			in := audio.Mono(audio.Rate16k)
			voice := slices.Repeat([]int16{1000}, 160)
			first := slices.Repeat([]int16{1000}, 16_000)
			var got []int16
			used := allocated(func() {
				if err := tl.Add(Caller, in, first, 0); err != nil {
					t.Fatal(err)
				}
				for i := range 100 { // a second of it
					err := tl.Add(Caller, in, voice, at+audio.Position(min(i, 5)*160))
					if (i == 0 && at > 0) != errors.Is(err, ErrJump) {
						t.Errorf("piece %d: %v", i, err)
					}
				}
				got = tl.Rest(nil)
			})
			if used > 8<<20 || len(got) > 4*24_000 {
				t.Errorf("%d kB were allocated, %d samples recorded", used>>10, len(got))
			}
			loud := 0
			for _, v := range got {
				if v > 500 {
					loud++
				}
			}
			want := 24_000
			if at > 0 {
				want += 6 * 240
			} else if late := tl.Late(); late != 16_000 {
				t.Errorf("%d samples late, want 16000", late)
			}
			if loud < want-10 || loud > want+10 {
				t.Errorf("%d samples of voice, want %d", loud, want)
			}
		})
	}
}

func TestAClockThatComesBackIsBelievedAgain(t *testing.T) {
	tl := newTimeline(t, 8000, CallerOnly)
	add(t, tl, Caller, 8000, ramp(1, 8000), 0)
	if err := tl.Add(Caller, audio.Mono(8000), ramp(1, 160), 1<<40); !errors.Is(err, ErrJump) {
		t.Errorf("Add: %v", err)
	}
	add(t, tl, Caller, 8000, ramp(1, 160), 1<<40-160) // overtaken by the one before
	add(t, tl, Caller, 8000, []int16{7}, 5*8000)
	add(t, tl, Caller, 8000, []int16{8}, 1<<40+6*8000)
	got := tl.Rest(nil)
	if tl.Jumps() != 1 || got[5*8000] != 7 || got[len(got)-1] != 8 || len(got) > 9*8000 {
		t.Errorf("%d jumps, %d samples", tl.Jumps(), len(got))
	}
}

// Wherever samples are put, over others and between them: a lane holds what a
// plain slice of all would.
func TestALaneIsAsGoodAsOneLongSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := lane{rate: 10} // more than a second of silence: 11 samples
		var want []int16
		start := 0
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "forget") == 0 {
				start = max(start, rapid.IntRange(0, 250).Draw(t, "from"))
				l.forget(audio.Position(start))
			} else {
				at, samples := rapid.IntRange(0, 200).Draw(t, "at"), ramp(rapid.IntRange(1, 9999).Draw(t, "v"), rapid.IntRange(1, 60).Draw(t, "n"))
				l.cursor = audio.Position(at)
				l.put(samples)
				if need := at + len(samples) - len(want); need > 0 {
					want = audio.AppendSilence(want, need)
				}
				for i, v := range samples {
					if at+i >= start {
						want[at+i] = v
					}
				}
			}
			if len(want) < start {
				want = audio.AppendSilence(want, start-len(want))
			}
			if l.end() != audio.Position(len(want)) && len(want) > start {
				t.Fatalf("it ends at %d, want %d", l.end(), len(want))
			}
			from := rapid.IntRange(0, 250).Draw(t, "copy")
			got := ramp(1, 80)
			l.copyTo(got, audio.Position(from))
			for i, v := range got {
				p := from + i
				if ok := p >= start && p < len(want); ok && v != want[p] || !ok && v != 0 {
					t.Fatalf("sample %d is %d", p, v)
				}
			}
		}
	})
}

// A minute of silence belongs to a conversation, three hours that come with one
// frame do not.
func TestAPeerThatLiesAboutThePositionCostsAnErrorAndNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "call.wav")
		var turns []Turn
		rec := New(Config{Path: path, Layout: CallerOnly, Rate: 8000, OnTurn: func(turn Turn) { turns = append(turns, turn) }})
		jumps := 0
		cfg := pipeline.Config{OnError: func(e *frames.Error) {
			if errors.Is(e.Err, ErrJump) {
				jumps++
			}
		}}
		p := pipeline.New(cfg, rec)
		go func() {
			say := func(at audio.Position) {
				p.Send(context.Background(), &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(8000), Samples: ramp(1, 160), Track: "caller", Position: at}})
				time.Sleep(20 * time.Millisecond)
			}
			say(0)
			say(60 * 8000)
			p.Send(context.Background(), &frames.UserStartedSpeaking{Position: 60 * 8000, Rate: 8000})
			for i := range audio.Position(20) {
				say((i + 1) * 3 * 3600 * 8000)
			}
			p.Send(context.Background(), &frames.UserStoppedSpeaking{Position: math.MaxInt64, Rate: 8000})
			time.Sleep(20 * time.Millisecond)
			p.End("that was all")
		}()
		var err error
		used := allocated(func() { err = p.Run(context.Background()) })
		if err != nil {
			t.Error(err)
		}
		if used > 16<<20 || jumps != 1 || rec.Jumps() != 20 {
			t.Errorf("%d kB allocated, %d jumps reported, %d counted; want 1 and 20", used>>10, jumps, rec.Jumps())
		}
		if len(turns) != 1 || turns[0].Start != 60*8000 || turns[0].Duration() > time.Minute {
			t.Errorf("%d turns were told, want one that begins after a minute", len(turns))
		}
		r, err := audiofile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if d := r.Duration(); d < 61*time.Second || d > 105*time.Second {
			t.Errorf("%v were recorded", d)
		}
	})
}
