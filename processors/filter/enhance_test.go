package filter_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
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

// delay is a filter that does nothing but come late.
type delay struct {
	held   []float32
	n      int
	resets int
}

func (d *delay) Filter(samples []float32) {
	for i, s := range samples {
		d.held = append(d.held, s)
		samples[i], d.held = d.held[0], d.held[1:]
	}
}
func (d *delay) Latency() int { return d.n }
func (d *delay) Reset()       { clear(d.held); d.resets++ }

// late is a stage that delays by n samples.
func late(n int) enhance.Stage {
	return enhance.StageFunc(func(f audio.Format) (enhance.Filter, error) {
		return &delay{n: n, held: make([]float32, n*f.Channels)}, nil
	})
}

// counting is a frame of n samples that count up, from position on.
func counting(f audio.Format, position, n int) *frames.AudioInput {
	s := make([]int16, n*f.Channels)
	for i := range s {
		s[i] = int16(position + i/f.Channels)
	}
	return &frames.AudioInput{Audio: frames.Audio{Format: f, Samples: s, Track: "caller", Position: audio.Position(position)}}
}

func TestEnhanceKeepsEverySampleWhereItsPositionSays(t *testing.T) {
	mono, stereo := audio.Mono(audio.Rate8k), audio.Stereo(audio.Rate16k)
	for name, list := range map[string][]frames.Frame{
		"in a row":                    {counting(mono, 100, 160), counting(mono, 260, 160), counting(mono, 420, 160)},
		"less than the latency":       {counting(mono, 100, 10)},
		"a little at a time":          {counting(mono, 100, 10), counting(mono, 110, 10), counting(mono, 120, 10), counting(mono, 130, 1)},
		"with a gap":                  {counting(mono, 100, 160), counting(mono, 460, 160)},
		"with an overlap":             {counting(mono, 100, 160), counting(mono, 180, 160)},
		"in stereo":                   {counting(stereo, 0, 320), counting(stereo, 320, 320)},
		"with another format halfway": {counting(mono, 100, 160), counting(stereo, 260, 320), counting(mono, 580, 50)},
		"with a pause":                {counting(mono, 100, 160), &frames.Stop{}, counting(mono, 260, 160)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				for _, f := range list {
					if a, ok := f.(*frames.AudioInput); ok {
						sent += len(a.Samples)
					}
				}
				got := 0
				for _, f := range through(t, filter.Enhance(filter.Input, late(30), late(7)), list...) {
					a, ok := f.(*frames.AudioInput)
					if !ok {
						continue
					}
					for i, s := range a.Samples {
						if want := int16(int(a.Position) + i/a.Format.Channels); s != want || a.Track != "caller" {
							t.Fatalf("%v: value %d is %d, want %d", a, i, s, want)
						}
					}
					got += len(a.Samples)
				}
				if got != sent {
					t.Errorf("%d values came out of %d", got, sent)
				}
			})
		})
	}
}

func TestEnhanceLosesNothingOfManyTracks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list []frames.Frame
		for round := range 3 {
			for i := range 70 {
				f := counting(audio.Mono(audio.Rate8k), 100+50*round, 50)
				f.Track = fmt.Sprint(i)
				list = append(list, f)
			}
		}
		got := map[string]int{}
		for _, f := range through(t, filter.Enhance(filter.Input, late(30)), list...) {
			a, ok := f.(*frames.AudioInput)
			if !ok {
				continue
			}
			for i, s := range a.Samples {
				if want := int16(int(a.Position) + i); s != want {
					t.Fatalf("%v: sample %d is %d, want %d", a, i, s, want)
				}
			}
			got[a.Track] += len(a.Samples)
		}
		for i := range 70 {
			if n := got[fmt.Sprint(i)]; n != 150 {
				t.Errorf("%d samples of 150 came out of track %d", n, i)
			}
		}
	})
}

func TestEnhanceFiltersOneSideAndNotTheFrameThatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		half := enhance.StageFunc(func(audio.Format) (enhance.Filter, error) { return halver{}, nil })
		caller, agent := in(0, 100, -100), out(1000, -32768)
		got := through(t, filter.Enhance(filter.Output, half), caller, agent)
		if got[0] != frames.Frame(caller) {
			t.Errorf("the caller's frame was replaced by %v", got[0])
		}
		soft := got[1].(*frames.AudioOutput)
		if !slices.Equal(soft.Samples, []int16{500, -16384}) || soft.Response != "r" || soft.Position != 7 || soft.Track != "agent" {
			t.Errorf("the agent became %v with %v", soft, soft.Samples)
		}
		if !slices.Equal(agent.Samples, []int16{1000, -32768}) {
			t.Errorf("the frame that was sent became %v", agent.Samples)
		}
	})
}

type halver struct{}

func (halver) Filter(samples []float32) {
	for i := range samples {
		samples[i] /= 2
	}
}
func (halver) Latency() int { return 0 }
func (halver) Reset()       {}

func TestEnhanceWithoutFiltersChangesNoSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := make([]int16, 1<<16)
		for i := range all {
			all[i] = int16(i + math.MinInt16)
		}
		got := through(t, filter.Enhance(filter.Input), in(0, all...))
		if !slices.Equal(got[0].(*frames.AudioInput).Samples, all) {
			t.Error("samples changed")
		}
	})
}

// liar gives NaN once.
type liar struct{ told *bool }

func (l liar) Filter(samples []float32) {
	if !*l.told {
		*l.told = true
		samples[1] = float32(math.NaN())
	}
}
func (liar) Latency() int { return 0 }
func (liar) Reset()       {}

func TestWhatEnhanceCannotFilterIsReportedAndPasses(t *testing.T) {
	mono := audio.Mono(audio.Rate8k)
	only16k := enhance.StageFunc(func(f audio.Format) (enhance.Filter, error) {
		if f != audio.Mono(audio.Rate16k) {
			return nil, fmt.Errorf("suppress noise: %v is not 16 kHz mono; resample first", f)
		}
		return halver{}, nil
	})
	told := false
	odd := counting(audio.Stereo(audio.Rate8k), 0, 4)
	odd.Samples = odd.Samples[:7]
	for name, c := range map[string]struct {
		stage enhance.Stage
		list  []frames.Frame
		says  string
	}{
		"a format that a filter refuses": {only16k, []frames.Frame{counting(mono, 0, 9), counting(mono, 9, 9)}, `filter track "caller": suppress noise: 8 kHz mono is not 16 kHz mono; resample first`},
		"no format":                      {halver2(), []frames.Frame{counting(audio.Format{Channels: 1}, 0, 9)}, `filter track "caller": audio: sample rate 0 Hz`},
		"half a frame":                   {halver2(), []frames.Frame{odd}, "7 samples at 0 are not whole frames of 2 channels"},
		"a filter that makes NaN": {enhance.StageFunc(func(audio.Format) (enhance.Filter, error) { return liar{&told}, nil }),
			[]frames.Frame{counting(mono, 0, 9), counting(mono, 9, 9)}, `filter track "caller": at 0: the filters made no numbers; they are reset`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := pipelinetest.New(t, filter.Enhance(filter.Input, c.stage))
				h.Send(c.list...)
				n := 0
				for _, f := range h.All() {
					if a, ok := f.(*frames.AudioInput); ok {
						if want := c.list[n].(*frames.AudioInput); a.Position != want.Position || len(a.Samples) != len(want.Samples) {
							t.Errorf("frame %d is %v, want %v", n, a, want)
						}
						n++
					}
				}
				errs := h.Errors()
				if n != len(c.list) || len(errs) != 1 || !strings.Contains(errs[0].Err.Error(), c.says) {
					t.Errorf("%d frames of %d passed; it reports %v, want %q once", n, len(c.list), errs, c.says)
				}
			})
		})
	}
}

func halver2() enhance.Stage {
	return enhance.StageFunc(func(audio.Format) (enhance.Filter, error) { return halver{}, nil })
}

func TestEnhanceRefusesFiltersThatSuitNoFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, s := range map[string]enhance.Stage{
			"configure enhance: high-pass: order 3": enhance.HighPass{Order: 3},
			"configure enhance: stage 1 of 1 is ni": nil,
			"configure enhance: no model": enhance.StageFunc(func(audio.Format) (enhance.Filter, error) {
				return nil, errors.New("no model")
			}),
		} {
			if err := pipeline.New(pipeline.Config{}, filter.Enhance(filter.Input, s)).Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run: %v, want %q", err, want)
			}
		}
	})
}
