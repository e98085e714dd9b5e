package filter_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/enhance"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/filter"
)

// delaying are the filters that hold audio back.
func delaying() map[string]func() pipeline.Processor {
	return map[string]func() pipeline.Processor{
		"resample": func() pipeline.Processor { return filter.Resample(filter.Input, audio.Mono(audio.Rate16k)) },
		"enhance":  func() pipeline.Processor { return filter.Enhance(filter.Input, late(30)) },
	}
}

// lasts returns how much of each track's audio there is, and fails the test where
// a track has a hole.
func lasts(t *testing.T, list []frames.Frame) map[string]int64 {
	t.Helper()
	next := map[string]audio.Position{}
	got := map[string]int64{}
	for _, f := range list {
		a, ok := f.(*frames.AudioInput)
		if !ok {
			continue
		}
		if a.Position != next[a.Track] {
			t.Fatalf("%v comes after %d", a, next[a.Track])
		}
		next[a.Track] = a.End()
		got[a.Track] += a.Duration().Microseconds()
	}
	return got
}

func TestWhatIsHeldBackComesBeforeWhatEndsOrPauses(t *testing.T) {
	for name, make := range delaying() {
		for _, last := range []frames.Frame{&frames.End{}, &frames.Stop{}} {
			synctest.Test(t, func(t *testing.T) {
				h := pipelinetest.New(t, make())
				h.Send(counting(audio.Mono(audio.Rate8k), 0, 800), last)
				all := h.All()
				if got := lasts(t, all)["caller"]; got != 100_000 || all[len(all)-1] != last {
					t.Errorf("%s: %d of 100,000 µs came before %v: %v", name, got, last, all)
				}
			})
		}
	}
}

func TestTheTrackThatMakesRoomIsFinished(t *testing.T) {
	for name, make := range delaying() {
		synctest.Test(t, func(t *testing.T) {
			frame := func(track string, at int) frames.Frame {
				f := counting(audio.Mono(audio.Rate8k), at, 160)
				f.Track = track
				return f
			}
			h := pipelinetest.New(t, make())
			h.Send(frame("b", 0), frame("a", 0))
			for i := range 62 {
				h.Send(frame(fmt.Sprint(i), 0))
			}
			h.Send(frame("b", 160), frame("new", 0))
			all := h.All()
			got := lasts(t, all)
			for track, most := range map[string]int64{"a": 20_000, "b": 39_990, "0": 19_990, "new": 19_990} {
				if n := got[track]; track == "a" && n != most || n > most {
					t.Errorf("%s: of track %s there are %d µs, want %d", name, track, n, most)
				}
			}
			h.Send(frame("a", 160), frame("b", 320), &frames.Stop{}) // for which another goes
			for track, n := range lasts(t, append(all, h.All()...)) {
				want := map[string]int64{"a": 40_000, "b": 60_000}[track]
				if want == 0 {
					want = 20_000
				}
				if n != want {
					t.Errorf("%s: in the end there are %d µs of track %s, want %d", name, n, track, want)
				}
			}
		})
	}
}

// never makes numbers.
type never struct{}

func (never) Filter(samples []float32) {
	for i := range samples {
		samples[i] = float32(math.NaN())
	}
}
func (never) Latency() int { return 3 }
func (never) Reset()       {}

func TestWhatGoesWrongWithEveryFrameIsReportedOnceInTenSeconds(t *testing.T) {
	const n = 1000 // 20 s
	none := enhance.StageFunc(func(audio.Format) (enhance.Filter, error) { return never{}, nil })
	mono := func(i int) *frames.AudioInput { return counting(audio.Mono(audio.Rate8k), 160*i, 160) }
	alternating := func(i int) *frames.AudioInput {
		if i%2 == 0 {
			return counting(audio.Format{Rate: 100, Channels: 1}, 2*i, 2)
		}
		return counting(audio.Format{Rate: 50, Channels: 1}, i, 1)
	}
	odd := func(i int) *frames.AudioInput {
		f := counting(audio.Stereo(audio.Rate8k), 160*i, 160)
		f.Samples = f.Samples[:319]
		return f
	}
	for name, c := range map[string]struct {
		p    pipeline.Processor
		make func(i int) *frames.AudioInput
		says string
		lost bool
	}{
		"filters that make no numbers": {filter.Enhance(filter.Input, none), mono, `filter track "caller"`, false},
		"formats that are refused":     {filter.Enhance(filter.Input, enhance.HighPass{Cutoff: 100}), alternating, `filter track "caller"`, false},
		"half frames":                  {filter.Enhance(filter.Input), odd, "not whole frames of 2 channels", false},
		"rates that are too far":       {filter.Resample(filter.Input, audio.Mono(audio.Rate16k)), alternating, `resample track "caller": audio: cannot resample`, true},
		"half frames to convert":       {filter.Resample(filter.Input, audio.Mono(audio.Rate16k)), odd, "not whole frames of 2 channels", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := pipelinetest.New(t, c.p)
				for i := range n {
					h.Send(c.make(i))
				}
				end := &frames.End{}
				h.Send(end)
				errs := h.Errors()
				if len(errs) != 2 && len(errs) != 3 {
					t.Fatalf("%d errors of %d frames, want one in ten seconds", len(errs), n)
				}
				for _, e := range errs {
					if !strings.Contains(e.Err.Error(), c.says) {
						t.Errorf("it reports %v, want %q", e.Err, c.says)
					}
				}
				all := h.All()
				if all[len(all)-1] != frames.Frame(end) {
					t.Errorf("the last is %v, not the end", all[len(all)-1])
				}
				if c.lost != (len(all) == 1) || !c.lost && len(all) < n {
					t.Errorf("%d frames passed of %d", len(all), n)
				}
			})
		})
	}
}

func TestAnInterruptionDropsWhatIsHeldBackOfTheAgentAndNothingOfTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tone := make([]int16, 800)
		voice := func(at audio.Position) frames.Audio {
			return frames.Audio{Format: audio.Mono(audio.Rate8k), Samples: tone, Track: "voice", Position: at}
		}
		to := audio.Mono(audio.Rate16k)
		h := pipelinetest.New(t, filter.Resample(filter.Input, to), filter.Resample(filter.Output, to))
		h.Send(&frames.AudioInput{Audio: voice(0)}, &frames.AudioOutput{Audio: voice(0)})
		h.Interrupt("barge-in")
		h.Send(&frames.AudioInput{Audio: voice(800)}, &frames.AudioOutput{Audio: voice(8000)}, &frames.TTSStop{}, &frames.End{})
		var caller, agent []audio.Position
		var heard audio.Position
		for _, f := range h.All() {
			switch f := f.(type) {
			case *frames.AudioInput:
				if f.Position != heard {
					t.Errorf("the caller's audio at %d follows that to %d", f.Position, heard)
				}
				heard = f.End()
				caller = append(caller, f.Position)
			case *frames.AudioOutput:
				agent = append(agent, f.Position)
				if f.Position > 0 && f.Position < 16_000 {
					t.Errorf("the agent's audio at %d came after the interruption", f.Position)
				}
			}
		}
		if heard != 3200 || len(agent) < 2 {
			t.Errorf("the caller is heard up to %d in %v, the agent at %v", heard, caller, agent)
		}
	})
}

func TestWhatIsTooShortToGiveASampleGivesNoFrame(t *testing.T) {
	for name, make := range delaying() {
		synctest.Test(t, func(t *testing.T) {
			h := pipelinetest.New(t, make())
			for i := range 20 {
				h.Send(counting(audio.Mono(audio.Rate8k), 3*i, 3))
			}
			h.Send(&frames.End{})
			all := h.All()
			for _, f := range all {
				if a, ok := f.(*frames.AudioInput); ok && len(a.Samples) == 0 {
					t.Errorf("%s: %v is empty", name, a)
				}
			}
			if got := lasts(t, all)["caller"]; got != 7500 {
				t.Errorf("%s: %d µs came of 7500", name, got)
			}
		})
	}
}
