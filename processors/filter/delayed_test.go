package filter_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

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
	steady := func(i int) *frames.AudioInput { return counting(audio.Mono(100), 2*i, 2) }
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
		"a format that is refused":     {filter.Enhance(filter.Input, enhance.HighPass{Cutoff: 100}), steady, `filter track "caller"`, false},
		"a rate that is too far":       {filter.Resample(filter.Input, audio.Mono(audio.Rate16k)), steady, `resample track "caller": audio: cannot resample`, true},
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

// A voice that ends says nothing of another track: a continuous tone remains one.
func TestTheEndOfOneVoiceLeavesOtherTracksAlone(t *testing.T) {
	const piece, pieces = 160, 6
	f := audio.Mono(audio.Rate8k)
	run := func(t *testing.T, p pipeline.Processor, stop ...frames.Frame) (music []int16) {
		var list []frames.Frame
		for i := range pieces {
			s := make([]int16, piece)
			for j := range s {
				s[j] = int16(8000 * math.Cos(2*math.Pi*150*float64(piece*i+j)/8000))
			}
			a := frames.Audio{Format: f, Samples: s, Position: audio.Position(piece * i)}
			voice := a
			voice.Track, a.Track = "voice", "music"
			list = append(list, &frames.AudioOutput{Audio: a, Response: "hold the line"})
			if i < pieces/2 {
				list = append(list, &frames.AudioOutput{Audio: voice, Response: "r"})
			}
			if i == pieces/2 {
				list = append(list, stop...)
			}
		}
		var heard, last audio.Position // of the voice, and of it before the music went on
		for _, f := range through(t, p, list...) {
			switch f := f.(type) {
			case *frames.TTSStop:
				last = heard
			case *frames.AudioOutput:
				if f.Track == "voice" {
					heard = f.End()
					continue
				}
				if want := f.Position * audio.Position(len(f.Samples)) / audio.Position(f.Len()); int(want) != len(music) {
					t.Errorf("the music at %d comes behind %d samples of it", want, len(music))
				}
				music = append(music, f.Samples...)
			}
		}
		if len(stop) > 0 && last != heard {
			t.Errorf("of the voice, %d samples of %d came before its end", last, heard)
		}
		return music
	}
	for name, make := range map[string]func() pipeline.Processor{
		"resample": func() pipeline.Processor { return filter.Resample(filter.Output, audio.Stereo(audio.Rate8k)) },
		"convert":  func() pipeline.Processor { return filter.Resample(filter.Output, audio.Mono(audio.Rate24k)) },
		"enhance":  func() pipeline.Processor { return filter.Enhance(filter.Output, enhance.HighPass{}, late(20)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				want := run(t, make())
				if got := run(t, make(), &frames.TTSStop{Response: "r"}); !slices.Equal(got, want) {
					t.Error("the end of a voice changes the music")
				}
			})
		})
	}
}

// Whatever is contiguous stays so at another rate, however often it is finished on
// the way; behind lost audio nothing is in two places. Each sample is where it
// belongs, as an impulse in the middle of each stretch tells.
func TestResampledStretchesNeverOverlap(t *testing.T) {
	rates := []audio.SampleRate{audio.Rate8k, audio.Rate11k, audio.Rate16k, audio.Rate22k, audio.Rate24k, audio.Rate44k, audio.Rate48k}
	rapid.Check(t, func(r *rapid.T) {
		in, to := rapid.SampledFrom(rates).Draw(r, "in"), rapid.SampledFrom(rates).Draw(r, "to")
		side := rapid.SampledFrom([]filter.Side{filter.Input, filter.Output}).Draw(r, "side")
		type stretch struct{ from, to, impulse audio.Position }
		var stretches []stretch // as they are sent
		var list []frames.Frame
		at := audio.Position(rapid.IntRange(-50_000, 50_000).Draw(r, "begin"))
		channels := 1
		for range rapid.IntRange(1, 6).Draw(r, "stretches") {
			n := rapid.OneOf(rapid.IntRange(1, 10), rapid.IntRange(1, 2000)).Draw(r, "samples")
			s := stretch{at, at + audio.Position(n), at + audio.Position(n/2)}
			stretches = append(stretches, s)
			response := fmt.Sprint(len(stretches))
			for at < s.to {
				k := min(rapid.IntRange(1, 700).Draw(r, "piece"), int(s.to-at))
				samples := make([]int16, k*channels)
				if i := int(s.impulse - at); i >= 0 && i < k {
					for c := range channels {
						samples[i*channels+c] = 20_000
					}
				}
				a := frames.Audio{Format: audio.Format{Rate: in, Channels: channels}, Samples: samples, Track: "a", Position: at}
				at = a.End()
				if side == filter.Input {
					list = append(list, &frames.AudioInput{Audio: a})
				} else {
					list = append(list, &frames.AudioOutput{Audio: a, Response: response})
				}
			}
			what := []string{"a gap", "another format"} // what ends a stretch
			if side == filter.Output {
				what = append(what, "TTSStop", "TTSStop")
			}
			switch rapid.SampledFrom(what).Draw(r, "what comes behind it") {
			case "a gap":
				at += audio.Position(rapid.OneOf(rapid.Just(1), rapid.IntRange(1, 3000)).Draw(r, "gap"))
			case "another format":
				channels = 3 - channels
			case "TTSStop":
				list = append(list, &frames.TTSStop{Response: response})
			}
		}
		var wrong string // a failure is told outside of the bubble
		synctest.Test(t, func(t *testing.T) {
			heard := map[audio.Position]int16{} // at the other rate
			end := stretches[0].from.At(in, to)
			for _, f := range through(t, filter.Resample(side, audio.Mono(to)), list...) {
				var a frames.Audio
				switch f := f.(type) {
				case *frames.AudioInput:
					a = f.Audio
				case *frames.AudioOutput:
					a = f.Audio
				default:
					continue
				}
				if a.Position < end {
					wrong = fmt.Sprintf("audio at %d behind audio up to %d", a.Position, end)
					return
				}
				for i, s := range a.Samples {
					heard[a.Position+audio.Position(i)] = s
				}
				end = a.End()
			}
			n := 0
			for _, s := range stretches {
				for i := s.from.At(in, to); i < s.to.At(in, to); i++ {
					if _, ok := heard[i]; !ok {
						wrong = fmt.Sprintf("of %d to %d at %v, sample %d at %v is missing", s.from, s.to, in, i, to)
						return
					}
					n++
				}
				exact := float64(s.impulse) * float64(to) / float64(in)
				if exact+2 > float64(s.to.At(in, to)) {
					continue // it is at the very end
				}
				loudest, most := audio.Position(0), int16(-1)
				for i := s.from.At(in, to); i < s.to.At(in, to); i++ {
					if heard[i] > most {
						loudest, most = i, heard[i]
					}
				}
				// A stretch begins at the sample before it, or with it; and the loudest
				// sample is within half of one of the impulse.
				if d := float64(loudest) - exact; d < -1.5 || d > 0.5 {
					wrong = fmt.Sprintf("sample %d at %v is sample %d at %v, want %.2f", s.impulse, in, loudest, to, exact)
				}
			}
			if n != len(heard) {
				wrong = fmt.Sprintf("there are %d samples, want %d", len(heard), n)
			}
		})
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}
