package local

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/noise"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/pipeline/pipelinetest"
)

// studio is a machine with a microphone that hears noise and a loudspeaker, at the
// rates of the pipeline.
func studio() (*machine, *fake, *fake) {
	sound := noise.Samples(7, 1<<20)
	mic := &fake{name: "Studio Mic", kind: Microphone, rate: audio.Rate16k, signal: func(i int) int16 { return sound[i%len(sound)] }}
	speaker := &fake{name: "Studio Speaker", kind: Loudspeaker, rate: audio.Rate24k}
	return &machine{plugged: []*fake{mic, speaker}}, mic, speaker
}

func TestBothEndsKeepTheRules(t *testing.T) {
	for name, cfg := range map[string]func() Config{
		"fake": func() Config { m, _, _ := studio(); return Config{system: m.system} },
		"null": func() Config { return Config{Null: true} },
	} {
		for end, of := range map[string]func(*Transport) pipeline.Processor{
			"input":  func(t *Transport) pipeline.Processor { return t.Input() },
			"output": func(t *Transport) pipeline.Processor { return t.Output() },
		} {
			t.Run(name+" "+end, func(t *testing.T) {
				pipelinetest.Check(t, func() pipeline.Processor {
					transport, err := New(cfg())
					if err != nil {
						t.Fatal(err)
					}
					return of(transport)
				})
			})
		}
	}
}

func TestEverySampleOfTheMicrophoneArrivesInItsPlace(t *testing.T) {
	for name, sizes := range map[string][]int{"even": nil, "odd": {160, 7, 333, 1, 80, 511}, "large": {1600}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, mic, _ := studio()
				mic.sizes = sizes
				c := begin(t, Config{}, m)
				time.Sleep(10 * time.Second)
				start := c.transport.clock.Start()
				c.end()
				all := c.tape.all(t)
				if len(all) < 16000*95/10 {
					t.Fatalf("%d samples in 10s", len(all))
				}
				first := slices.IndexFunc(all, func(v int16) bool { return v != 0 })
				heard := all[first:]
				// The microphone was opened when the call was, or a moment before.
				at := find(noise.Samples(7, 32000), heard[:100])
				if at < 0 {
					t.Fatal("what the microphone heard did not arrive")
				}
				want := noise.Samples(7, at+len(heard))[at:]
				if !slices.Equal(heard, want) {
					t.Errorf("of %d samples, some are not as the microphone heard them", len(heard))
				}
				spoken := mic.began.Add(audio.Rate16k.Duration(int64(at))).Sub(start)
				if off := audio.Rate16k.Duration(int64(first)) - spoken; off.Abs() > time.Millisecond {
					t.Errorf("what was spoken at %v has a position that is off by %v", spoken, off)
				}
				if s := c.transport.Stats().Microphone; s.Underruns+s.Overruns+s.Stretched+s.Shortened+s.Lost != 0 {
					t.Errorf("stats: %+v", s)
				}
			})
		})
	}
}

func TestEverySampleOfTheAgentIsPlayedInItsPlace(t *testing.T) {
	for name, sizes := range map[string][]int{"even": nil, "odd": {240, 7, 333, 1, 80, 511}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, speaker := studio()
				speaker.sizes = sizes
				c := begin(t, Config{}, m)
				time.Sleep(time.Second)
				words := noise.Samples(3, 24000*3)
				c.say(words)
				time.Sleep(5 * time.Second)
				played := speaker.heardBy()
				if at := find(played, words); at < 0 {
					t.Errorf("of %d samples that were played, none are the agent's words as they are", len(played))
				}
				if s := c.transport.Stats().Loudspeaker; s.Underruns+s.Overruns+s.Lost+s.Stretched+s.Shortened != 0 {
					t.Errorf("stats: %+v", s)
				}
				c.end()
			})
		})
	}
}

func TestAPieceIsStretchedWithoutASeam(t *testing.T) {
	for _, hz := range []float64{200, 1000, 3000} {
		tone := func(i float64) float64 { return 12000 * math.Sin(2*math.Pi*hz*i/16000) }
		var s stretcher
		var out []int16
		at := 0
		for k := range 200 {
			n := 320 + []int{0, 1, 0, -1, 1}[k%5]
			piece := make([]int16, n)
			for i := range piece {
				piece[i] = int16(math.Round(tone(float64(at + i))))
			}
			at += n
			out = s.stretch(out, piece, 320)
		}
		if len(out) != 200*320 {
			t.Fatalf("%d samples", len(out))
		}
		// Each sample is where the tone was at its place in the source.
		worst, from := 0.0, 0
		for k := range 200 {
			n := 320 + []int{0, 1, 0, -1, 1}[k%5]
			for j := range 320 {
				x := float64(from) + float64(j*n)/320 - half
				if k > 0 {
					worst = max(worst, math.Abs(float64(out[k*320+j])-tone(x)))
				}
			}
			from += n
		}
		if worst > 4 {
			t.Errorf("%v Hz: a sample is off by %v", hz, worst)
		}
	}
}
