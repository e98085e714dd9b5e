package local

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/noise"
)

// sine is a tone of 8000 at its loudest, at sample i.
func sine(hz float64, rate audio.SampleRate, i int) int16 {
	return int16(math.Round(8000 * math.Sin(2*math.Pi*hz*float64(i%(int(rate)*60))/float64(rate))))
}

// roughest returns by how much samples differ at most from what a tone would be at
// that place, going by the two samples before: a sample that is missing or comes
// twice is far off, one that lies between two is not.
func roughest(samples []int16, hz float64, rate audio.SampleRate) (worst float64, at int) {
	c := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	for i := 2; i < len(samples); i++ {
		if d := math.Abs(float64(samples[i]) - c*float64(samples[i-1]) + float64(samples[i-2])); d > worst {
			worst, at = d, i
		}
	}
	return worst, at
}

// Minutes of a microphone and a loudspeaker whose clocks are wrong, both by as much
// as cheap hardware is, and with callbacks that are late as they like: nothing is
// lost, nothing runs dry, and both stay where they should be.
func TestClocksThatDifferStayTogether(t *testing.T) {
	for ppm, length := range map[float64]time.Duration{200: 10 * time.Minute, -200: 4 * time.Minute} {
		if testing.Short() {
			length = min(length, time.Minute)
		}
		t.Run(fmt.Sprintf("%+g ppm", ppm), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const hz = 40
				random := rand.New(rand.NewPCG(1, 2))
				late := func(int) time.Duration { return time.Duration(random.Int64N(int64(4 * time.Millisecond))) }
				mic := &fake{name: "mic", kind: Microphone, rate: audio.Rate48k, ppm: ppm, late: late, sizes: []int{480}, signal: func(i int) int16 { return sine(hz, audio.Rate48k, i) }}
				random2 := rand.New(rand.NewPCG(3, 4))
				speaker := &fake{name: "speaker", kind: Loudspeaker, rate: audio.Rate44k, ppm: -ppm, sizes: []int{441},
					late: func(int) time.Duration { return time.Duration(random2.Int64N(int64(4 * time.Millisecond))) }}
				c := begin(t, Config{}, &machine{plugged: []*fake{mic, speaker}})

				// The agent talks on and on, a second at a time, without a pause.
				words := make([]int16, audio.Rate24k)
				said := 0
				worstMic, worstSpeaker := 0.0, 0.0
				var next audio.Position
				micOff, speakerOff := time.Duration(0), time.Duration(0)
				listen := func() {
					heard, played, when := c.tape.take(), speaker.take(), speaker.lastCall()
					for _, f := range heard {
						if f.Position != next {
							t.Fatalf("a piece is at %d, want %d", f.Position, next)
						}
						next = f.End()
					}
					var all []int16
					for _, f := range heard {
						all = append(all, f.Samples...)
					}
					micOff = max(micOff, c.micOff(mic, all[len(all)-8000:], next, hz).Abs())
					d, _ := roughest(all, hz, audio.Rate16k)
					worstMic = max(worstMic, d)
					d, _ = roughest(played, hz, audio.Rate44k)
					worstSpeaker = max(worstSpeaker, d)
					speakerOff = max(speakerOff, c.speakerOff(played, when, hz).Abs())
				}
				time.Sleep(time.Second)
				for i := range int(length / time.Second) {
					for j := range words {
						words[j] = sine(hz, audio.Rate24k, said+j)
					}
					c.sayFrom(said, words)
					said += len(words)
					time.Sleep(time.Second)
					switch {
					case i == 2: // it has begun
						c.tape.take()
						speaker.take()
						next = audio.Position(c.tape.count * 320)
					case i > 2:
						listen()
					}
				}
				stats := c.transport.Stats()
				c.end()
				if s := stats.Microphone; s.Underruns+s.Overruns != 0 {
					t.Errorf("the microphone: %+v", s)
				}
				if s := stats.Loudspeaker; s.Underruns+s.Overruns != 0 {
					t.Errorf("the loudspeaker: %+v", s)
				}
				// A tone bends by hardly more than it is rounded where it is stretched.
				if worstMic > 60 || worstSpeaker > 60 {
					t.Errorf("a sample of the microphone is off by %.0f, one of the loudspeaker by %.0f", worstMic, worstSpeaker)
				}
				drifted := time.Duration(float64(length) * 200e-6)
				for who, s := range map[string]DeviceStats{"microphone": stats.Microphone, "loudspeaker": stats.Loudspeaker} {
					rate := audio.Rate16k
					if who == "loudspeaker" {
						rate = audio.Rate24k
					}
					got := rate.Duration(s.Stretched + s.Shortened)
					if (got - drifted).Abs() > 2*allowed {
						t.Errorf("the %s was put right by %v, want about %v", who, got, drifted)
					}
				}
				if micOff > allowed+2*time.Millisecond || speakerOff > allowed+5*time.Millisecond {
					t.Errorf("the microphone was off by %v, the loudspeaker by %v", micOff, speakerOff)
				}
				t.Logf("%v: microphone off by at most %v, loudspeaker by %v; %+v %+v", length, micOff, speakerOff, stats.Microphone, stats.Loudspeaker)
			})
		})
	}
}

// phase returns where in its period a tone is at the end of samples, as a time
// into it.
func phase(samples []int16, hz float64, rate audio.SampleRate) time.Duration {
	var re, im float64
	for i, v := range samples {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i-len(samples)) / float64(rate))
		re, im = re+float64(v)*sin, im+float64(v)*cos
	}
	return time.Duration(math.Atan2(im, re) / (2 * math.Pi * hz) * float64(time.Second))
}

// apart is the difference of two phases, within half a period.
func apart(a, b time.Duration, hz float64) time.Duration {
	period := time.Duration(float64(time.Second) / hz)
	d := (a - b) % period
	switch {
	case d > period/2:
		d -= period
	case d < -period/2:
		d += period
	}
	return d
}

// micOff is by how much a piece's position is off: its tone says when it was
// spoken, within half a period.
func (c *call) micOff(mic *fake, samples []int16, end audio.Position, hz float64) time.Duration {
	at := c.transport.clock.Start().Add(audio.Rate16k.Duration(int64(end)))
	spoken := float64(at.Sub(mic.began)) * (1 + mic.ppm/1e6)
	return apart(phase(samples, hz, audio.Rate16k), time.Duration(spoken), hz)
}

// speakerOff is by how much later or sooner what was played last is heard than its
// position on the output's clock says.
func (c *call) speakerOff(played []int16, when time.Time, hz float64) time.Duration {
	cfg := c.transport.config
	heard := when.Add(cfg.deviceBuffer()).Sub(c.transport.clock.Start())
	return apart(phase(played[len(played)-22050:], hz, audio.Rate44k), heard-c.offset(), hz)
}

// offset is where the agent's track begins on the output's clock.
func (c *call) offset() time.Duration {
	c.tape.mu.Lock()
	defer c.tape.mu.Unlock()
	for i := len(c.tape.frames) - 1; i >= 0; i-- {
		if p, ok := c.tape.frames[i].(*frames.Playout); ok {
			return p.OutputRate.Duration(int64(p.Output)) - p.Rate.Duration(int64(p.Heard))
		}
	}
	return 0
}

func TestWhatComesLateIsNotLost(t *testing.T) {
	for name, tc := range map[string]struct {
		hold   time.Duration // callbacks are held up for so long, and come all at once
		silent bool          // that is too long
	}{
		"a hiccup":           {60 * time.Millisecond, false},
		"as long as allowed": {180 * time.Millisecond, false},
		"too long":           {500 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, mic, _ := studio()
				mic.late = func(k int) time.Duration {
					if at := time.Duration(k) * 10 * time.Millisecond; at >= time.Second && at < time.Second+tc.hold {
						return time.Second + tc.hold - at
					}
					return 0
				}
				c := begin(t, Config{}, m)
				time.Sleep(5 * time.Second)
				stats := c.transport.Stats().Microphone
				c.end()
				all := c.tape.all(t)
				first := slices.IndexFunc(all, func(v int16) bool { return v != 0 })
				at := find(noise.Samples(7, 32000), all[first:first+100])
				want := noise.Samples(7, at+len(all))[at:]
				if !tc.silent {
					if !slices.Equal(all[first:], want[:len(all)-first]) || stats.Underruns+stats.Overruns != 0 {
						t.Errorf("something was lost: %+v", stats)
					}
					return
				}
				// Too late to be waited for: silent, and what comes then is in its place.
				if stats.Underruns == 0 || stats.Overruns == 0 || (stats.UnderrunFor-stats.OverrunFor).Abs() > 25*time.Millisecond {
					t.Errorf("stats: %+v", stats)
				}
				tail := all[len(all)-16000:]
				place := find(want, tail)
				if off := place - (len(all) - 16000 - first); place < 0 || off < -160 || off > 160 {
					t.Errorf("a second later it is off by %d samples", off)
				}
			})
		})
	}
}

func TestWhatADeviceLosesIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, mic, _ := studio()
		// The device drops 120 ms: its samples go on, and its time does not.
		mic.late = func(k int) time.Duration {
			if k >= 100 {
				return 120 * time.Millisecond
			}
			return 0
		}
		c := begin(t, Config{}, m)
		time.Sleep(6 * time.Second)
		stats := c.transport.Stats().Microphone
		start := c.transport.clock.Start()
		c.end()
		all := c.tape.all(t)
		tail := len(all) - 16000
		spoken := find(noise.Samples(7, 16000*8), all[tail:tail+400])
		if spoken < 0 {
			t.Fatal("the end is not what the microphone heard")
		}
		when := mic.began.Add(audio.Rate16k.Duration(int64(spoken)) + 120*time.Millisecond).Sub(start)
		if off := audio.Rate16k.Duration(int64(tail)) - when; off.Abs() > allowed {
			t.Errorf("what was spoken at %v is off by %v; %+v", when, off, stats)
		}
		if stats.Underruns == 0 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// Those of PulseAudio take what fills them, and nothing for a while; they do so
// again when the server moves them.
func TestADeviceThatPausesIsInTimeAgain(t *testing.T) {
	for name, from := range map[string]int{"when it wakes up": 1, "in the middle": 100} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, speaker := studio()
				speaker.late = func(k int) time.Duration {
					if k >= from {
						return 930 * time.Millisecond
					}
					return 0
				}
				c := begin(t, Config{}, m)
				time.Sleep(time.Duration(from)*10*time.Millisecond + 2200*time.Millisecond)
				before := c.transport.Stats().Loudspeaker
				words := noise.Samples(3, 24000*2)
				c.say(words)
				time.Sleep(4 * time.Second)
				stats := c.transport.Stats().Loudspeaker
				played := speaker.heardBy()
				c.end()
				if find(played, words) < 0 || stats.Underruns+stats.Stretched+stats.Shortened != before.Underruns+before.Stretched+before.Shortened {
					t.Errorf("what is said then is not played as it is: %+v, then %+v", before, stats)
				}
			})
		})
	}
}

func TestOnePieceInFourIsMadeLongerOrShorter(t *testing.T) {
	var d drift
	sum := 0
	for k := range 400 {
		missing := 200.0 // 12.5 ms
		if k >= 200 {
			missing = 0.5
		}
		sum += d.next(missing, audio.Rate16k)
		d.made()
	}
	if sum != 50 {
		t.Errorf("in 200 pieces, %d samples were added, want 50; in 200 more none", sum)
	}
	if d.next(100, audio.Rate16k) != 0 || d.next(-100, audio.Rate16k) != 0 {
		t.Error("6 ms are put right, of which 8 are allowed")
	}
}

func TestWhatADeviceHeardBeforeItWasLostIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &counters{}
		l := newLine(&nullStream{}, "null", told, func() {})
		h := newHearing(nullRate, 960, time.Now(), told)
		sound := noise.Samples(1, 48000)
		at := 0
		hear := func(n int) {
			time.Sleep(nullRate.Duration(int64(n)))
			l.heard(sound[at : at+n])
			at += n
		}
		for range 20 {
			hear(480)
		}
		if err := h.listen(l); err != nil {
			t.Fatal(err)
		}
		hear(480)
		hear(480)
		if err := h.listen(nil); err != nil { // lost before it was looked at
			t.Fatal(err)
		}
		var all []int16
		for {
			p, _, ok := h.piece(time.Now())
			if !ok {
				break
			}
			all = append(all, p...)
		}
		if find(all, sound[at-960:at-half]) < 0 {
			t.Error("the last 20 ms were lost with the device")
		}
	})
}
