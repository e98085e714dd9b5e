package filter_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
	"github.com/parley-go/parley/processors/filter"
	"github.com/parley-go/parley/transports/playout"
)

// room is a microphone in front of a HalfDuplex, and what comes out behind it.
type room struct {
	h        *pipelinetest.Harness
	format   audio.Format
	position audio.Position
	out      []int16
	same     int // frames that passed as they were
	level    int16
}

func newRoom(t *testing.T, f audio.Format, cfg filter.HalfDuplexConfig) *room {
	return &room{h: pipelinetest.New(t, filter.NewHalfDuplex(cfg)), format: f, level: 10_000}
}

// listen lets the microphone hear a constant level for d.
func (r *room) listen(t *testing.T, d time.Duration) {
	t.Helper()
	for ; d > 0; d -= 20 * time.Millisecond {
		n := int(r.format.Rate.Samples(min(d, 20*time.Millisecond)))
		s := make([]int16, n*r.format.Channels)
		for i := range s {
			s[i] = r.level
		}
		f := &frames.AudioInput{Audio: frames.Audio{Format: r.format, Samples: s, Track: "mic", Position: r.position}}
		r.position = f.End()
		r.h.Send(f)
		a := pipelinetest.Next[*frames.AudioInput](r.h)
		if a.Position != f.Position || len(a.Samples) != len(f.Samples) || a.Format != f.Format || a.Track != "mic" {
			t.Fatalf("%v became %v", f, a)
		}
		if slices.ContainsFunc(f.Samples, func(v int16) bool { return v != r.level }) {
			t.Fatalf("%v was changed", f)
		}
		if a == f {
			r.same++
		}
		r.out = append(r.out, a.Samples...)
	}
}

// levels tells, at each change between full, none and something between, where it
// is, in samples.
func (r *room) levels() []level {
	var all []level
	for i := 0; i < len(r.out); i += r.format.Channels {
		what := "between"
		switch v := r.out[i]; v {
		case 0:
			what = "none"
		case r.level:
			what = "full"
		}
		if len(all) == 0 || all[len(all)-1].what != what {
			all = append(all, level{what, i / r.format.Channels})
		}
	}
	return all
}

type level struct {
	what string
	at   int
}

// alike compares levels. The first and the last gains of a fade are so close to
// its ends that rounding a sample hides them.
func alike(got, want []level) bool {
	return slices.EqualFunc(got, want, func(a, b level) bool {
		return a.what == b.what && a.at-b.at <= 4 && b.at-a.at <= 4
	})
}

func TestTheMicrophoneIsClosedWhileTheAgentIsHeardAndALittleLonger(t *testing.T) {
	for _, f := range []audio.Format{audio.Mono(audio.Rate8k), audio.Stereo(audio.Rate48k)} {
		for _, up := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t, f, filter.HalfDuplexConfig{})
				send := r.h.Send
				if up { // from an output behind it
					send = r.h.SendUp
				}
				r.listen(t, 200*time.Millisecond)
				send(&frames.BotStartedSpeaking{})
				r.listen(t, 500*time.Millisecond)
				send(&frames.BotStoppedSpeaking{})
				r.listen(t, 500*time.Millisecond)
				ms := int(f.Rate) / 1000
				want := []level{{"full", 0}, {"between", 200 * ms}, {"none", 210*ms - 1}, {"between", 1000 * ms}, {"full", 1010*ms - 1}}
				if got := r.levels(); !alike(got, want) {
					t.Errorf("%v: the microphone is %v, want %v", f, got, want)
				}
				if r.same != 10+9 {
					t.Errorf("%d frames passed as they were, want the 19 in which nothing happened", r.same)
				}
			})
		}
	}
}

func TestTheMicrophoneClosesAndOpensWithoutAClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := audio.Mono(audio.Rate16k)
		r := newRoom(t, f, filter.HalfDuplexConfig{})
		r.listen(t, 100*time.Millisecond)
		r.h.Send(&frames.BotStartedSpeaking{})
		r.listen(t, 4*time.Millisecond) // the agent stops before it is closed
		r.h.Send(&frames.BotStoppedSpeaking{})
		r.listen(t, 500*time.Millisecond)
		// A raised cosine of 160 samples has its steepest step in the middle.
		most := 10_000 * math.Pi / 2 / 160
		for i := 1; i < len(r.out); i++ {
			if d := math.Abs(float64(r.out[i]) - float64(r.out[i-1])); d > most+2 {
				t.Fatalf("it jumps by %.0f at %d, want at most %.0f", d, i, most)
			}
		}
	})
}

func TestDuckingMakesTheMicrophoneSofter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{Duck: 20})
		r.h.Send(&frames.BotStartedSpeaking{})
		r.listen(t, 200*time.Millisecond)
		if got := r.out[len(r.out)-1]; got != 1000 {
			t.Errorf("10,000 became %d, want 1,000", got)
		}
	})
}

func TestALoudCallerBreaksThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{BreakThrough: -20})
		r.h.Send(&frames.BotStartedSpeaking{})
		r.level = 2000 // -24 dBFS: the echo of the agent
		r.listen(t, 500*time.Millisecond)
		if got := r.levels(); got[len(got)-1].what != "none" {
			t.Fatalf("the echo is heard: %v", got)
		}
		r.out, r.level = nil, 8000 // -12 dBFS
		r.listen(t, 300*time.Millisecond)
		want := []level{{"none", 0}, {"between", 79}, {"full", 79 + 79}}
		if got := r.levels(); !alike(got, want) {
			t.Errorf("a loud caller is %v, want %v", got, want)
		}
		r.out, r.level = nil, 2000
		r.listen(t, 800*time.Millisecond)
		// 600 ms after the last loud block, in which the level was known.
		want = []level{{"full", 0}, {"between", 4799}, {"none", 4799 + 79}}
		if got := r.levels(); !alike(got, want) {
			t.Errorf("behind that the echo is %v, want %v", got, want)
		}
	})
}

func TestALoudCallerStaysThroughWhenTheFormatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{BreakThrough: -20})
		r.h.Send(&frames.BotStartedSpeaking{})
		r.level = 8000 // -12 dBFS
		r.listen(t, 300*time.Millisecond)
		r.out, r.level = nil, 2000
		r.format, r.position = audio.Mono(audio.Rate16k), 0
		r.listen(t, 800*time.Millisecond)
		// 600 ms behind the last loud block.
		want := []level{{"full", 0}, {"between", 9599}, {"none", 9599 + 159}}
		if got := r.levels(); !alike(got, want) {
			t.Errorf("behind the change the caller is %v, want %v", got, want)
		}
	})
}

func TestNobodyBreaksThroughWhereThatIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{})
		r.h.Send(&frames.BotStartedSpeaking{})
		r.level = -32768 // 0 dBFS: there is nothing louder
		r.listen(t, 300*time.Millisecond)
		if got := r.levels(); got[len(got)-1].what != "none" {
			t.Errorf("the caller is %v", got)
		}
	})
}

func TestLostSamplesCountAndRepeatedOnesDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{})
		r.h.Send(&frames.BotStartedSpeaking{})
		r.listen(t, 100*time.Millisecond)
		r.h.Send(&frames.BotStoppedSpeaking{})
		r.listen(t, 100*time.Millisecond)
		for range 50 { // a second of what was heard already
			r.position -= 160
			r.listen(t, 20*time.Millisecond)
		}
		if got := r.out[len(r.out)-1]; got != 0 {
			t.Errorf("repeated samples opened it: %d", got)
		}
		r.position += 8000 // a second is lost
		r.listen(t, 20*time.Millisecond)
		if got := r.out[len(r.out)-160]; got != r.level {
			t.Errorf("behind a second of loss it is at %d of %d", got, r.level)
		}
		r.h.Send(&frames.BotStartedSpeaking{})
		r.listen(t, 100*time.Millisecond)
		r.position = 0 // a clock that begins anew
		r.h.Send(&frames.BotStoppedSpeaking{})
		r.listen(t, 400*time.Millisecond)
		if got := r.out[len(r.out)-1]; got != r.level {
			t.Errorf("with a new clock it does not open: %d", got)
		}
	})
}

func TestAChangeOfFormatDoesNotOpenTheMicrophone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{})
		r.listen(t, 40*time.Millisecond)
		r.h.Send(&frames.BotStartedSpeaking{})
		r.listen(t, 100*time.Millisecond)
		r.h.Send(&frames.BotStoppedSpeaking{})
		r.listen(t, 200*time.Millisecond)
		r.out, r.format, r.position = nil, audio.Stereo(audio.Rate16k), 0
		r.listen(t, 200*time.Millisecond)
		if got, want := r.levels(), []level{{"none", 0}, {"between", 1600}, {"full", 1759}}; !alike(got, want) {
			t.Errorf("behind the change it is %v, want %v", got, want)
		}
	})
}

func TestOtherTracksDoNotOpenTheMicrophone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{})
		r.listen(t, 40*time.Millisecond)
		r.h.Send(&frames.BotStartedSpeaking{})
		r.listen(t, 100*time.Millisecond)
		r.h.Send(&frames.BotStoppedSpeaking{})
		r.out = nil
		for i := range 100 { // more than it remembers
			other := counting(audio.Mono(audio.Rate8k), 0, 160)
			other.Track = fmt.Sprint(i)
			r.h.Send(other)
			pipelinetest.Next[*frames.AudioInput](r.h)
			if i%10 == 0 {
				r.listen(t, 20*time.Millisecond)
			}
		}
		r.listen(t, 200*time.Millisecond)
		if got, want := r.levels(), []level{{"none", 0}, {"between", 2400}, {"full", 2479}}; !alike(got, want) {
			t.Errorf("the microphone is %v, want %v", got, want)
		}
	})
}

func TestAMicrophoneThatAppearsWhileTheAgentIsHeardIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{})
		r.h.Send(&frames.BotStartedSpeaking{})
		r.listen(t, 40*time.Millisecond)
		if !audio.IsSilent(r.out) {
			t.Errorf("it is %v", r.levels())
		}
	})
}

func TestAMicrophoneThatAppearsWhenTheAgentHasJustStoppedIsClosedForTheRestOfTheHold(t *testing.T) {
	for later, want := range map[time.Duration][]level{
		0:                      {{"none", 0}, {"between", 2400}, {"full", 2479}},
		100 * time.Millisecond: {{"none", 0}, {"between", 1600}, {"full", 1679}},
		300 * time.Millisecond: {{"full", 0}},
		time.Hour:              {{"full", 0}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{})
			r.h.Send(&frames.BotStartedSpeaking{}, &frames.BotStoppedSpeaking{})
			time.Sleep(later)
			r.listen(t, 500*time.Millisecond)
			if got := r.levels(); !alike(got, want) {
				t.Errorf("one that appears %v later is %v, want %v", later, got, want)
			}
		})
	}
}

func TestTheLastAgentToFallSilentOpensTheMicrophone(t *testing.T) {
	started := func() frames.Frame { return &frames.BotStartedSpeaking{} }
	stopped := func() frames.Frame { return &frames.BotStoppedSpeaking{} }
	held := func() frames.Frame { return &frames.BotStoppedSpeaking{Held: true} }
	cut := func() frames.Frame { return &frames.BotStoppedSpeaking{Interrupted: true} }
	for name, c := range map[string]struct {
		list []func() frames.Frame
		open bool
	}{
		"two speak":                         {[]func() frames.Frame{started, started}, false},
		"one of two stops":                  {[]func() frames.Frame{started, started, stopped}, false},
		"both stop":                         {[]func() frames.Frame{started, started, stopped, stopped}, true},
		"one is held, and the other speaks": {[]func() frames.Frame{started, started, held}, false},
		"what was held is cut, and the other speaks": {[]func() frames.Frame{started, started, held, cut}, false},
		"both are cut, of which one was held":        {[]func() frames.Frame{started, started, held, cut, cut}, true},
		"one goes on that was held":                  {[]func() frames.Frame{started, held, started}, false},
		"one stops that was held before":             {[]func() frames.Frame{started, held, started, cut}, true},
		"one stops that never spoke":                 {[]func() frames.Frame{stopped, started}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{})
				r.listen(t, 20*time.Millisecond)
				for _, f := range c.list {
					r.h.SendUp(f())
				}
				r.listen(t, 500*time.Millisecond)
				want := int16(0)
				if c.open {
					want = r.level
				}
				if got := r.out[len(r.out)-1]; got != want {
					t.Errorf("10,000 is %d, want %d", got, want)
				}
			})
		})
	}
}

func TestAFormatThatIsRefusedIsReportedOnceInTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Mono(audio.Rate8k), filter.HalfDuplexConfig{})
		f := audio.Format{Rate: 8000, Channels: 65}
		for i := range 1000 { // 20 s
			r.h.Send(&frames.AudioInput{Audio: frames.Audio{Format: f, Samples: make([]int16, 160*65), Track: "mic", Position: audio.Position(160 * i)}})
		}
		if errs := r.h.Errors(); len(errs) != 2 || !strings.Contains(errs[1].Err.Error(), "499 times more") {
			t.Errorf("it reports %v", errs)
		}
	})
}

func TestFormatsThatAreNoneAndAlternateAreReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Format{}, filter.HalfDuplexConfig{})
		for i := range 100 {
			r.h.Send(&frames.AudioInput{Audio: frames.Audio{Format: audio.Format{Channels: i % 2}, Samples: []int16{1, 2}, Track: "mic"}})
		}
		if errs := r.h.Errors(); len(errs) != 1 {
			t.Errorf("it reports %d times: %v", len(errs), errs)
		}
	})
}

func TestAFormatThatIsNoneIsReportedOnceAndSilencedWhileTheAgentSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, audio.Format{Rate: 8000}, filter.HalfDuplexConfig{})
		send := func() []int16 {
			r.h.Send(&frames.AudioInput{Audio: frames.Audio{Format: r.format, Samples: []int16{1, 2}, Track: "mic"}})
			return pipelinetest.Next[*frames.AudioInput](r.h).Samples
		}
		open := send()
		r.h.Send(&frames.BotStartedSpeaking{})
		closed := send()
		if errs := r.h.Errors(); len(errs) != 1 || !strings.Contains(errs[0].Err.Error(), `gate track "mic": audio: 0 channels`) {
			t.Errorf("it reports %v", errs)
		}
		if !slices.Equal(open, []int16{1, 2}) || !audio.IsSilent(closed) {
			t.Errorf("%v passed while the agent was silent, %v while it spoke", open, closed)
		}
	})
}

func TestHalfDuplexRefusesWhatMakesNoSense(t *testing.T) {
	for want, cfg := range map[string]filter.HalfDuplexConfig{
		"configure half duplex: Hold is -1ns: 1ms to 1m0s":                               {Hold: -1},
		"configure half duplex: Fade is 1h0m0s: 100µs to 1m0s":                           {Fade: time.Hour},
		"configure half duplex: BreakHold is -1ns":                                       {BreakHold: -1},
		"configure half duplex: Duck is -3 dB: at least 0":                               {Duck: -3},
		"configure half duplex: Duck is NaN dB":                                          {Duck: math.NaN()},
		"BreakThrough is 6 dBFS: from -90 to below 0, or 0":                              {BreakThrough: 6},
		"configure half duplex: BreakThrough is NaN dBFS":                                {BreakThrough: math.NaN()},
		"configure half duplex: BreakThrough is -200 dBFS":                               {BreakThrough: -200},
		"configure half duplex: BreakThrough is -Inf dBFS":                               {BreakThrough: math.Inf(-1)},
		"BreakHold is 1s, and nothing breaks through: set BreakThrough, or leave it out": {BreakHold: time.Second},
		"configure half duplex: Hold is 300ns: 1ms to 1m0s, or 0 for the default (300 nanoseconds: was another unit meant? write 300*time.Millisecond, or time.Second)": {Hold: 300},
		"was another unit meant? write 10*":  {Fade: 10},
		"was another unit meant? write 600*": {BreakHold: 600},
		"configure half duplex: Hold is -1ns: 1ms to 1m0s, or 0 for the default\nFade is -1ns: 100µs to 1m0s, or 0 for the default\nDuck is -1 dB: at least 0": {Hold: -1, Fade: -1, Duck: -1},
	} {
		synctest.Test(t, func(t *testing.T) {
			if err := pipeline.New(pipeline.Config{}, filter.NewHalfDuplex(cfg)).Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run: %v, want %q", err, want)
			}
		})
	}
}

// The output is a real one: what it plays is what closes the microphone.
func TestAnOutputClosesTheMicrophoneForAsLongAsItPlays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := audio.Mono(audio.Rate16k)
		var played []audio.Position // of chunks with speech
		speaker := playout.SinkFunc(func(_ context.Context, c playout.Chunk) error {
			if !c.Silent() {
				played = append(played, c.Position)
			}
			return nil
		})
		h := pipelinetest.New(t, filter.NewHalfDuplex(filter.HalfDuplexConfig{}), playout.New(playout.Config{Format: f}, speaker))
		var open, closed time.Duration
		for i := range 100 { // two seconds
			if i == 10 {
				// Faster than it is spoken: all at once.
				h.Send(&frames.AudioOutput{Audio: frames.Audio{Format: f, Samples: make([]int16, 12_800), Track: "agent"}, Response: "r"}, &frames.TTSStop{Response: "r"})
			}
			h.Advance(20 * time.Millisecond)
			h.Send(&frames.AudioInput{Audio: frames.Audio{Format: f, Samples: slices.Repeat([]int16{1000}, 320), Track: "mic", Position: audio.Position(320 * i)}})
			switch a := pipelinetest.Next[*frames.AudioInput](h); {
			case a.Samples[319] == 0:
				closed += a.Duration()
			case a.Samples[0] == 1000 && a.Samples[319] == 1000:
				open += a.Duration()
			}
		}
		// 800 ms of speech and 300 ms of hold; a fade at each end.
		if len(played) != 40 || closed < 1080*time.Millisecond || closed > 1120*time.Millisecond || open < 840*time.Millisecond {
			t.Errorf("%d chunks of speech were played; the microphone was closed for %v and open for %v", len(played), closed, open)
		}
	})
}
