package vad_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/vad"
)

func TestTheProcessorKeepsTheRules(t *testing.T) {
	sound := sounds(t)[0]
	at := 0
	for name, make := range map[string]func() pipeline.Processor{
		"silero": func() pipeline.Processor { return vad.New(vad.Config{}) },
		"energy": func() pipeline.Processor { return vad.New(vad.Config{Engine: vad.Energy()}) },
	} {
		t.Run(name, func(t *testing.T) {
			pipelinetest.Check(t, make, pipelinetest.With(func() frames.Frame {
				from := int(sound.Rate) + at%int(3*sound.Rate)
				at += 160
				return &frames.AudioInput{Audio: *piece(audio.Mono(sound.Rate), at, sound.Samples[from:from+160])}
			}))
		})
	}
}

// input makes frames of 20 ms of a track.
func input(name string, f audio.Format, at int, samples []int16) []frames.Frame {
	var list []frames.Frame
	n := int(f.Rate) / 50
	for i := 0; i < len(samples); i += n * f.Channels {
		p := piece(f, at+i/f.Channels, samples[i:min(i+n*f.Channels, len(samples))])
		p.Track = name
		list = append(list, &frames.AudioInput{Audio: *p})
	}
	return list
}

// told returns the events among frames, as they are written.
func told(list []frames.Frame) []string {
	var s []string
	for _, f := range list {
		switch f.(type) {
		case *frames.VADStarted, *frames.VADStopped:
			s = append(s, f.String())
		}
	}
	return s
}

func TestEventsAreTold(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, vad.New(vad.Config{Engine: loud{window: 512}}))
		sent := input("a", f, 0, track(f.Rate, 30080, span{5120, 10240}))
		h.Send(sent...)
		down, up := h.All(), h.AllUp()
		want := []string{"VADStarted(a @4608)", "VADStopped(a @10240)"}
		if diff := cmp.Diff(want, told(down)); diff != "" {
			t.Errorf("downstream (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, told(up)); diff != "" {
			t.Errorf("upstream (-want +got):\n%s", diff)
		}
		var passed []frames.Frame
		started := 0
		for _, f := range down {
			switch f := f.(type) {
			case *frames.AudioInput:
				passed = append(passed, f)
			case *frames.VADStarted:
				started = len(passed)
				for _, g := range up {
					if frames.Frame(f) == g {
						t.Error("the same frame went both ways")
					}
				}
			}
		}
		if len(passed) != len(sent) {
			t.Fatalf("%d of %d frames of audio were passed on", len(passed), len(sent))
		}
		for i := range sent {
			if passed[i] != sent[i] {
				t.Fatalf("frame %d was passed on as another one", i)
			}
		}
		// Six windows after the first that counts, and the rest of a frame.
		if want := (5120 + 6*512 + 319) / 320; started != want {
			t.Errorf("the beginning was told after %d frames, want %d", started, want)
		}
	})
}

func TestTracksAreHeardByThemselves(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, vad.New(vad.Config{Engine: loud{window: 512}}))
		a, b := input("a", f, 0, track(f.Rate, 30080, span{5120, 10240})), input("b", f, 90_000, track(f.Rate, 30080, span{7168, 12288}))
		for i := range a {
			h.Send(a[i], b[i])
		}
		want := []string{"VADStarted(a @4608)", "VADStarted(b @96656)", "VADStopped(a @10240)", "VADStopped(b @102288)"}
		if diff := cmp.Diff(want, told(h.All())); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestSpeechEndsWithTheAudioBeforeEndAndStop(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	for name, last := range map[string]frames.Frame{"Stop": &frames.Stop{}, "End": &frames.End{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := pipelinetest.New(t, vad.New(vad.Config{Engine: loud{window: 512}}))
				h.Send(input("a", f, 0, track(f.Rate, 16000, span{5120, 16000}))...)
				h.Send(last)
				var order []string
				for _, f := range h.All() {
					if s := strings.SplitN(f.String(), "(", 2)[0]; s != "AudioInput" {
						order = append(order, s)
					}
				}
				if diff := cmp.Diff([]string{"VADStarted", "VADStopped", name}, order); diff != "" {
					t.Errorf("order (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestSettingsChangeAllTracksAndGoNoFurther(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, vad.New(vad.Config{Engine: loud{window: 512}}))
		h.Send(input("a", f, 0, track(f.Rate, 12800, span{5120, 10240}))...)
		other := &frames.UpdateSettings{Settings: "somebody else's"}
		h.Send(&frames.UpdateSettings{Settings: &vad.Settings{Stop: new(100 * time.Millisecond)}}, other)
		h.Send(input("a", f, 12800, make([]int16, 640))...)
		h.Send(input("b", f, 0, track(f.Rate, 12800, span{5120, 10240}))...)
		all := h.All()
		if diff := cmp.Diff([]string{"VADStarted(a @4608)", "VADStopped(a @10240)", "VADStarted(b @4608)", "VADStopped(b @10240)"}, told(all)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		var settings []frames.Frame
		for _, f := range all {
			if s, ok := f.(*frames.UpdateSettings); ok {
				settings = append(settings, s)
			}
		}
		if len(settings) != 1 || settings[0] != other {
			t.Errorf("settings that went on: %v, want only somebody else's", settings)
		}

		h.Send(&frames.UpdateSettings{Settings: vad.Settings{Confidence: new(7.0), Stop: new(time.Second)}})
		errs := h.Errors()
		var bad *vad.ParamError
		if len(errs) != 1 || !errors.As(errs[0].Err, &bad) || bad.Field != "Confidence" || errs[0].Kind != frames.ErrorInvalidRequest || errs[0].Fatal {
			t.Errorf("settings that cannot work: %v", errs)
		}
	})
}

func TestAConfigurationThatCannotWorkEndsTheRunAtItsStart(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  vad.Config
		want string
	}{
		"a parameter": {vad.Config{Params: vad.Params{Confidence: 1.5}}, "Confidence: 1.5"},
		"an engine":   {vad.Config{Engine: broken{}}, "open VAD engine: no batteries"},
		"no stream":   {vad.Config{Engine: mute{}}, "open VAD engine: vad_test.mute.Open returned neither a stream nor an error: return one of them"},
		"no windows":  {vad.Config{Engine: loud{}}, "open VAD engine: it takes windows of 0 samples"},
		"a nil one":   {vad.Config{Engine: (*broken)(nil)}, "Engine: a nil *vad_test.broken hears nothing: make one, or leave it out"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := pipeline.New(pipeline.Config{}, vad.New(c.cfg)).Run(t.Context())
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("Run returned %v, want %q", err, c.want)
				}
			})
		})
	}
}

type broken struct{}

func (broken) Open(audio.SampleRate) (vad.Stream, error) { return nil, errors.New("no batteries") }

type mute struct{}

func (mute) Open(audio.SampleRate) (vad.Stream, error) { return nil, nil }

func TestBadAudioIsPassedOnAndReportedWithoutFloodingAnybody(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, vad.New(vad.Config{Engine: loud{window: 512}}))
		const n = 1000 // 20 s, each frame overlapping the one before by half
		for i := range n {
			h.Send(input("a", f, 160*i, make([]int16, 320))...)
		}
		errs := h.Errors()
		if len(errs) != 2 {
			t.Fatalf("%d errors of %d bad frames, want one in ten seconds of audio: %v", len(errs), n, errs)
		}
		for i, want := range []string{`track "a": audio overlaps what was heard before, from 160 to 320`, "499 times more"} {
			if !strings.Contains(errs[i].Err.Error(), want) || !errors.Is(errs[i].Err, vad.ErrOverlap) {
				t.Errorf("error %d is %v, want one with %q", i, errs[i].Err, want)
			}
		}
		if got := len(h.All()); got != n {
			t.Errorf("%d of %d frames were passed on", got, n)
		}
	})
}

func TestTracksThatAreNoLongerHeardMakeRoom(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, vad.New(vad.Config{Engine: loud{window: 512}}))
		h.Send(input("first", f, 0, track(f.Rate, 10240, span{0, 10240}))...)
		for i := range 64 {
			h.Send(input(fmt.Sprint(i), f, 0, make([]int16, 320))...)
		}
		if diff := cmp.Diff([]string{"VADStarted(first @0)", "VADStopped(first @10240)"}, told(h.All())); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestAudioOnItsWayUpstreamIsNotTheCallers(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, vad.New(vad.Config{Engine: loud{window: 512}}))
		h.SendUp(input("a", f, 0, track(f.Rate, 30080, span{5120, 10240}))...)
		if got := append(told(h.All()), told(h.AllUp())...); len(got) != 0 {
			t.Errorf("events %v", got)
		}
	})
}

// The processor in a pipeline, where it is heard.
var _ pipeline.Processor = (*vad.Processor)(nil)

func TestTwoProcessorsShareAnEngine(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	synctest.Test(t, func(t *testing.T) {
		e := vad.Silero()
		h := pipelinetest.New(t, vad.New(vad.Config{Engine: e}), vad.New(vad.Config{Engine: e}))
		sound := sounds(t)[1]
		h.Send(input("a", f, 0, sound.Samples[:6*f.Rate])...)
		got := told(h.All())
		if len(got) != 4 || got[0] != got[1] || got[2] != got[3] {
			t.Errorf("events %v, want each twice", got)
		}
	})
}

func TestTheTrackThatHasBeenQuietForLongestMakesRoom(t *testing.T) {
	f := audio.Mono(audio.Rate16k)
	synctest.Test(t, func(t *testing.T) {
		h := pipelinetest.New(t, vad.New(vad.Config{Engine: loud{window: 512}}))
		h.Send(input("a", f, 0, track(f.Rate, 10240, span{0, 10240}))...)
		h.Send(input("b", f, 0, track(f.Rate, 10240, span{0, 10240}))...)
		h.Send(input("a", f, 10240, track(f.Rate, 320, span{0, 320}))...)
		for i := range 63 {
			h.Send(input(fmt.Sprint(i), f, 0, make([]int16, 320))...)
		}
		if diff := cmp.Diff([]string{"VADStarted(a @0)", "VADStarted(b @0)", "VADStopped(b @10240)"}, told(h.All())); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
