package filter_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/filter"
)

// through sends frames through a processor, in order, and returns what comes
// out of it.
func through(t *testing.T, p pipeline.Processor, list ...frames.Frame) []frames.Frame {
	t.Helper()
	var mu sync.Mutex
	var got []frames.Frame
	collect := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := f.(*frames.Start); !ok && dir == frames.Downstream {
			got = append(got, f)
		}
		return out.Send(ctx, f, dir)
	})
	line := pipeline.New(pipeline.Config{}, p, collect)
	done := make(chan error, 1)
	go func() { done <- line.Run(t.Context()) }()
	for _, f := range append(list, &frames.End{}) {
		if err := line.Send(t.Context(), f); err != nil {
			t.Errorf("Send: %v", err)
		}
		synctest.Wait() // so that system frames do not overtake
	}
	if err := <-done; err != nil {
		t.Fatalf("Run: %v", err)
	}
	return got
}

func words(list []frames.Frame) []string {
	var w []string
	for _, f := range list {
		w = append(w, strings.SplitN(f.String(), "(", 2)[0])
	}
	return w
}

func in(position int, samples ...int16) *frames.AudioInput {
	return &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(audio.Rate8k), Samples: samples, Track: "caller", Position: audio.Position(position)}}
}

func out(samples ...int16) *frames.AudioOutput {
	return &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate8k), Samples: samples, Track: "agent", Position: 7}, Response: "r"}
}

func TestFiltersPassWhatTheyShouldAndNeverStopThePipeline(t *testing.T) {
	list := func() []frames.Frame {
		return []frames.Frame{&frames.Text{Text: "a"}, in(0, 1), &frames.LLMText{Text: "b"}, out(1), &frames.Heartbeat{}}
	}
	for name, c := range map[string]struct {
		p    pipeline.Processor
		want []string
	}{
		"keep text":     {filter.Keep[*frames.Text](), []string{"Text", "Heartbeat", "End"}},
		"drop text":     {filter.Drop[*frames.Text](), []string{"AudioInput", "LLMText", "AudioOutput", "Heartbeat", "End"}},
		"keep all":      {filter.Keep[frames.Frame](), []string{"Text", "AudioInput", "LLMText", "AudioOutput", "Heartbeat", "End"}},
		"keep nothing":  {filter.Where(func(frames.Frame, frames.Direction) bool { return false }), []string{"Heartbeat", "End"}},
		"keep the data": {filter.Where(func(f frames.Frame, _ frames.Direction) bool { return f.Class() == frames.DataClass }), []string{"Text", "LLMText", "AudioOutput", "Heartbeat", "End"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if diff := cmp.Diff(c.want, words(through(t, c.p, list()...))); diff != "" {
					t.Errorf("passed (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestGainChangesOneSideAndNotTheFrameThatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caller, agent := in(0, 100, -100), out(1000, -32768, 20000)
		got := through(t, filter.Gain(filter.Output, 20*math.Log10(2)), caller, agent)
		if got[0] != frames.Frame(caller) {
			t.Errorf("the caller's frame was replaced by %v", got[0])
		}
		loud := got[1].(*frames.AudioOutput)
		if !slices.Equal(loud.Samples, []int16{2000, -32768, 32767}) || loud.Response != "r" || loud.Position != 7 || loud.Track != "agent" {
			t.Errorf("the agent became %v with %v", loud, loud.Samples)
		}
		if !slices.Equal(agent.Samples, []int16{1000, -32768, 20000}) {
			t.Errorf("the frame that was sent became %v", agent.Samples)
		}
		silent := through(t, filter.Gain(filter.Input, math.Inf(-1)), in(0, 5, 6))[0].(*frames.AudioInput)
		if !audio.IsSilent(silent.Samples) {
			t.Errorf("silenced to %v", silent.Samples)
		}
	})
}

func TestWhatHasNothingToChangePassesTheVeryFrame(t *testing.T) {
	same := in(0, 1, 2).Format
	for name, c := range map[string]struct {
		p  pipeline.Processor
		up bool
	}{
		"a format that is the right one": {p: filter.Resample(filter.Input, same)},
		"a gain of none":                 {p: filter.Gain(filter.Input, 0)},
		"the agent's side":               {p: filter.Gain(filter.Output, 6)},
		"gain on the way up":             {p: filter.Gain(filter.Input, 6), up: true},
		"mute on the way up":             {p: filter.NewMute(filter.Discard), up: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, f := pipelinetest.New(t, c.p), in(0, 1, 2)
				var got []frames.Frame
				if c.up {
					h.SendUp(f)
					got = h.AllUp()
				} else {
					h.Send(f)
					got = h.All()
				}
				if len(got) != 1 || got[0] != frames.Frame(f) {
					t.Errorf("%v came of %v", got, f)
				}
			})
		})
	}
}

func TestMuteSilencesOrDiscardsTheCallerWhileItIsOn(t *testing.T) {
	for policy, want := range map[filter.Policy][]int16{filter.Silence: {0, 0, 3, 4}, filter.Discard: {3, 4}} {
		synctest.Test(t, func(t *testing.T) {
			mute := filter.NewMute(policy)
			switchOff := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				if a, ok := f.(*frames.AudioInput); ok && a.Position == 2 {
					mute.Set(false)
				}
				return out.Send(ctx, f, dir)
			})
			var got []int16
			for _, f := range through(t, pipeline.Chain(switchOff, mute), in(0, 1, 2), in(2, 3, 4), out(5)) {
				if a, ok := f.(*frames.AudioInput); ok {
					got = append(got, a.Samples...)
				}
			}
			if !slices.Equal(got, want) || mute.On() {
				t.Errorf("policy %d: the caller was heard as %v, want %v", policy, got, want)
			}
		})
	}
}

func TestResamplePutsEverySampleWhereItsPositionSays(t *testing.T) {
	for _, to := range []audio.Format{audio.Mono(audio.Rate16k), audio.Mono(audio.Rate8k), audio.Stereo(audio.Rate24k), audio.Mono(audio.Rate44k)} {
		t.Run(to.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// A 300 Hz tone of a second at 16 kHz, then, after a gap, half of one.
				tone := func(i float64, rate audio.SampleRate) float64 {
					return 9000 * math.Sin(2*math.Pi*300*i/float64(rate))
				}
				var list []frames.Frame
				for _, span := range [][2]int{{1600, 17_600}, {32_000, 40_000}} {
					for i := span[0]; i < span[1]; i += 320 {
						s := make([]int16, 320)
						for j := range s {
							s[j] = int16(math.Round(tone(float64(i+j), audio.Rate16k)))
						}
						list = append(list, &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(audio.Rate16k), Samples: s, Track: "caller", Position: audio.Position(i)}})
					}
				}
				next, gaps, n := audio.Position(1600).At(audio.Rate16k, to.Rate), 0, 0
				for _, f := range through(t, filter.Resample(filter.Input, to), list...) {
					a, ok := f.(*frames.AudioInput)
					if !ok {
						continue
					}
					if a.Format != to || a.Track != "caller" {
						t.Fatalf("got %v", a)
					}
					if a.Position != next {
						if want := audio.Position(32_000).At(audio.Rate16k, to.Rate); a.Position != want {
							t.Fatalf("audio at %d after %d, want it there or at %d", a.Position, next, want)
						}
						gaps++
					}
					next = a.End()
					for i := range int(a.Len()) {
						at := float64(a.Position) + float64(i)
						second := at / float64(to.Rate)
						if edge := math.Min(math.Abs(second-0.1), math.Min(math.Abs(second-1.1), math.Min(math.Abs(second-2), math.Abs(second-2.5)))); edge < 0.01 {
							continue
						}
						n++
						if d := math.Abs(float64(a.Samples[i*to.Channels]) - tone(at, to.Rate)); d > 60 {
							t.Fatalf("sample %v is off by %.0f", at, d)
						}
					}
				}
				wantEnd := audio.Position(40_000).At(audio.Rate16k, to.Rate)
				if d := next - wantEnd; d < -1 || d > 1 || gaps != 1 {
					t.Errorf("it ends at %d with %d gaps, want %d with one", next, gaps, wantEnd)
				}
				if n < int(to.Rate) {
					t.Errorf("only %d samples were looked at", n)
				}
			})
		})
	}
}

func TestResampleGivesTheAgentsLastSamplesBeforeTTSStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		samples := make([]int16, 800)
		got := through(t, filter.Resample(filter.Output, audio.Mono(audio.Rate16k)), out(samples...), &frames.TTSStop{Response: "r"})
		if diff := cmp.Diff([]string{"AudioOutput", "AudioOutput", "TTSStop", "End"}, words(got)); diff != "" {
			t.Fatalf("got (-want +got):\n%s", diff)
		}
		a, b := got[0].(*frames.AudioOutput), got[1].(*frames.AudioOutput)
		if a.Position != 14 || b.Position != a.End() || b.End() != 14+1600 || b.Response != "r" {
			t.Errorf("audio from %d to %d and from %d to %d, want 14 to %d", a.Position, a.End(), b.Position, b.End(), 14+1600)
		}
	})
}

func TestTheAgentFallingSilentLeavesTheResampledCallerWhole(t *testing.T) {
	caller := func(stops bool) []int16 {
		var got []int16
		synctest.Test(t, func(t *testing.T) {
			var list []frames.Frame
			for k := range 50 {
				s := make([]int16, 160)
				for j := range s {
					s[j] = int16(9000 * math.Sin(2*math.Pi*300*float64(k*160+j)/8000))
				}
				list = append(list, in(k*160, s...))
				if stops && k%10 == 5 {
					list = append(list, &frames.TTSStop{Response: "r"})
				}
			}
			for _, f := range through(t, filter.Resample(filter.Input, audio.Mono(audio.Rate16k)), list...) {
				if a, ok := f.(*frames.AudioInput); ok {
					if a.Position != audio.Position(len(got)) {
						t.Errorf("audio at %d after %d", a.Position, len(got))
					}
					got = append(got, a.Samples...)
				}
			}
		})
		return got
	}
	want, got := caller(false), caller(true)
	if len(want) != 16_000 || !slices.Equal(want, got) {
		t.Errorf("%d samples with TTSStop, %d without, or not the same", len(got), len(want))
	}
}

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	for want, p := range map[string]pipeline.Processor{
		"configure resample: audio: sample rate 0": filter.Resample(filter.Input, audio.Format{}),
	} {
		synctest.Test(t, func(t *testing.T) {
			if err := pipeline.New(pipeline.Config{}, p).Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run: %v, want %q", err, want)
			}
		})
	}
}
