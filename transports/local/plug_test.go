package local

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/noise"
)

func TestACallOutlivesItsDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, mic, speaker := studio()
		c := begin(t, Config{Microphone: "studio mic", Loudspeaker: "studio speaker"}, m)
		other := &fake{name: "Webcam", kind: Microphone, rate: audio.Rate48k, signal: func(int) int16 { return 20000 }}
		m.plug(other) // which is not to be taken instead
		time.Sleep(2*time.Second + 3*time.Millisecond)
		start := c.transport.clock.Start()
		lost := time.Since(start)
		m.unplug(mic)
		m.unplug(speaker)
		c.say(noise.Samples(3, 24000)) // for nobody
		time.Sleep(3 * time.Second)
		if s := c.transport.Stats(); s.Microphone.Device != "" || s.Loudspeaker.Device != "" {
			t.Errorf("devices that are not there: %+v", s)
		}
		// They come back in another socket, with other clocks.
		sound := noise.Samples(11, 48000*8)
		mic = &fake{name: "Studio Mic", kind: Microphone, rate: audio.Rate48k, signal: func(i int) int16 { return sound[i] / 2 }}
		speaker = &fake{name: "Studio Speaker", kind: Loudspeaker, rate: audio.Rate48k}
		m.plug(mic)
		m.plug(speaker)
		time.Sleep(3 * time.Second)
		words := noise.Samples(5, 24000)
		for i := range words {
			words[i] /= 2
		}
		c.sayFrom(24000, words)
		time.Sleep(2 * time.Second)
		stats := c.transport.Stats()
		output := c.transport.output.Stats()
		played := speaker.heardBy()
		c.end()

		// The microphone: what it heard, then silence at the pace of the clock, then
		// what the new one heard, in its place.
		all := c.tape.all(t)
		before := all[:audio.Rate16k.Samples(lost)-200]
		first := slices.IndexFunc(before, func(v int16) bool { return v != 0 })
		at := find(noise.Samples(7, 16000), before[first:first+100])
		if !slices.Equal(before[first:], noise.Samples(7, 48000)[at:][:len(before)-first]) {
			t.Error("something of what the first microphone heard was lost")
		}
		back := mic.began.Sub(start)
		from, to := audio.Rate16k.Samples(lost)+200, audio.Rate16k.Samples(back)-200
		if !audio.IsSilent(all[from:to]) || to-from < 16000*5/2 {
			t.Errorf("between %v and %v it is not silent", lost, back)
		}
		r, err := audio.NewResampler(48000, 16000, 1)
		if err != nil {
			t.Fatal(err)
		}
		halved := make([]int16, len(sound))
		for i := range sound {
			halved[i] = sound[i] / 2
		}
		want := r.Resample(nil, halved)[r.Delay():]
		tail := all[len(all)-16000:]
		place := find(want, tail)
		if place < 0 {
			t.Error("what the second microphone hears does not arrive")
		} else if off := audio.Rate16k.Duration(int64(len(all)-16000-place)) - back; off.Abs() > time.Millisecond {
			t.Errorf("what the second microphone hears is off by %v", off)
		}

		// The loudspeaker: the output went on as if it was heard, and the new one
		// plays what is said now.
		if output.Speech != 48000 {
			t.Errorf("output: %+v", output)
		}
		r, err = audio.NewResampler(24000, 48000, 1)
		if err != nil {
			t.Fatal(err)
		}
		if find(played, r.Resample(nil, words)[500:40000]) < 0 {
			t.Error("what the agent says is not played on the second loudspeaker")
		}
		told := []string{`microphone "Studio Mic" was lost: it has stopped: unplugged?`, `loudspeaker "Studio Speaker" was lost: it has stopped: unplugged?`, `microphone "Studio Mic" is there again`, `loudspeaker "Studio Speaker" is there again`}
		slices.Sort(told)
		if got := slices.Sorted(slices.Values(c.tape.told)); !slices.Equal(got, told) {
			t.Errorf("told: %q", got)
		}
		if len(c.errors) != 2 || !strings.Contains(c.errors[0], "was lost") {
			t.Errorf("errors: %q", c.errors)
		}
		if stats.Microphone.Lost != 1 || stats.Loudspeaker.Lost != 1 || stats.Microphone.Device != "Studio Mic" || stats.Microphone.Rate != audio.Rate48k ||
			(stats.Microphone.Silent-(back-lost)).Abs() > 250*time.Millisecond || stats.Microphone.Underruns+stats.Loudspeaker.Underruns != 0 {
			t.Errorf("stats: %+v", stats)
		}
		if m.opened != 0 {
			t.Errorf("%d systems are still open", m.opened)
		}
	})
}

func TestADeviceThatStandsStillIsLost(t *testing.T) {
	for name, unplugged := range map[string]bool{"while it is there": false, "when it is not there any more": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, mic, speaker := studio()
				c := begin(t, Config{}, m)
				time.Sleep(time.Second)
				for _, f := range []*fake{mic, speaker} {
					f.mu.Lock()
					f.sleeps = true
					f.mu.Unlock()
				}
				want, within := errIdle, 7*time.Second
				if unplugged { // without a word
					m.mu.Lock()
					m.plugged = nil
					m.mu.Unlock()
					want, within = errGone, 2*time.Second
				}
				time.Sleep(within)
				s := c.transport.Stats()
				c.end()
				if s.Microphone.Lost != 1 || s.Loudspeaker.Lost != 1 {
					t.Errorf("stats: %+v", s)
				}
				if len(c.tape.told) < 2 || !strings.Contains(c.tape.told[0], want.Error()) {
					t.Errorf("told: %q", c.tape.told)
				}
				if all := c.tape.all(t); len(all) < int(audio.Rate16k.Samples(within)) {
					t.Errorf("%d samples: the call stood still", len(all))
				}
			})
		})
	}
}

// A headset is two devices of one name: that one of them is there says nothing of the
// other.
func TestTheMicrophoneOfAHeadsetIsLostAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, mic, speaker := studio()
		mic.name, speaker.name = "Headset", "Headset"
		c := begin(t, Config{Microphone: "Headset"}, m)
		time.Sleep(time.Second)
		mic.mu.Lock()
		mic.sleeps = true
		mic.mu.Unlock()
		m.mu.Lock()
		m.plugged = []*fake{speaker} // without a word
		m.mu.Unlock()
		time.Sleep(2 * time.Second)
		s := c.transport.Stats()
		c.end()
		if s.Microphone.Lost != 1 || s.Loudspeaker.Lost != 0 || len(c.tape.told) == 0 || !strings.Contains(c.tape.told[0], errGone.Error()) {
			t.Errorf("told %q, stats: %+v", c.tape.told, s)
		}
	})
}

func TestANameChoosesADevice(t *testing.T) {
	all := []Device{
		{Name: "Built-in Microphone", Kind: Microphone, id: 1},
		{Name: "USB Headset", Kind: Microphone, Default: true, id: 2},
		{Name: "USB Headset 2", Kind: Microphone, id: 3},
		{Name: "Monitor of Écran", Kind: Microphone, id: 4},
		{Name: "Only Speaker", Kind: Loudspeaker, id: 5},
	}
	for _, tc := range []struct {
		name string
		kind Kind
		id   any
		want string // the name, or a part of the error
	}{
		{"", Microphone, nil, "USB Headset"},
		{"usb headset", Microphone, 2, "USB Headset"},
		{"headset 2", Microphone, 3, "USB Headset 2"},
		{"BUILT", Microphone, 1, "Built-in Microphone"},
		{"écran", Microphone, 4, "Monitor of Écran"},
		{"headset", Microphone, nil, `"headset" could be more than one microphone: say which of "USB Headset", "USB Headset 2"`},
		{"speaker", Microphone, nil, `no microphone is called "speaker": there are "Built-in Microphone", "USB Headset", "USB Headset 2", "Monitor of Écran"`},
		{"", Loudspeaker, nil, "the default loudspeaker"},
	} {
		d, err := choose(all, tc.kind, tc.name)
		if err == nil && (d.Name != tc.want || d.id != tc.id) || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q chooses %+v, %v; want %s", tc.name, d, err, tc.want)
		}
	}
}

func TestWhatIsWrongIsSaidAtOnce(t *testing.T) {
	m, mic, _ := studio()
	for name, tc := range map[string]struct {
		cfg  Config
		want string
		is   error
	}{
		"no such microphone":  {Config{Microphone: "xyz", system: m.system}, `no microphone is called "xyz": there are "Studio Mic"`, ErrNoDevice},
		"no such loudspeaker": {Config{Loudspeaker: "xyz", system: m.system}, `no loudspeaker is called "xyz"`, ErrNoDevice},
		"no loudspeaker":      {Config{system: (&machine{plugged: []*fake{mic}}).system}, "this machine has no loudspeaker: connect one", ErrNoDevice},
		"no devices":          {Config{system: (&machine{}).system}, "neither microphone nor loudspeaker", ErrNoDevice},
		"a broken system":     {Config{system: (&machine{broken: errBroken}).system}, "broken", errBroken},
		"both":                {Config{Null: true, Microphone: "x"}, "leave one out", nil},
		"a rate":              {Config{Null: true, InputRate: 1}, "a rate of 1 Hz", nil},
		"a chunk":             {Config{Null: true, Chunk: time.Second}, "its Chunk is 1s", nil},
		"a period":            {Config{Null: true, Period: time.Second}, "its Period is 1s", nil},
		"a cushion":           {Config{Null: true, Cushion: -1}, "its Cushion is -1ns", nil},
	} {
		_, err := New(tc.cfg)
		if err == nil || !strings.Contains(err.Error(), tc.want) || tc.is != nil && !errors.Is(err, tc.is) {
			t.Errorf("%s: %v; want %q", name, err, tc.want)
		}
	}
}

var errBroken = errors.New("broken")

func TestADeviceThatDoesNotOpenEndsTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, speaker := studio()
		transport, err := New(Config{system: m.system})
		if err != nil {
			t.Fatal(err)
		}
		m.plugged = []*fake{speaker} // the microphone has gone meanwhile
		c := run(t, transport)
		err = <-c.done
		var e *DeviceError
		if !errors.As(err, &e) || e.Kind != Microphone || !errors.Is(err, ErrNoDevice) {
			t.Errorf("the call began, or ended with %v", err)
		}
		if m.opened != 0 {
			t.Errorf("%d systems are still open", m.opened)
		}
	})
}

func TestAMicrophoneIsMutedWithoutAClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, mic, _ := studio()
		mic.signal = func(int) int16 { return 10000 }
		c := begin(t, Config{}, m)
		time.Sleep(time.Second)
		c.transport.Mute(true)
		time.Sleep(time.Second)
		if level := c.transport.Stats().Microphone.Level; level > -100 {
			t.Errorf("muted, its level is %v dBFS", level)
		}
		c.transport.Mute(false)
		time.Sleep(time.Second)
		c.end()
		all := c.tape.all(t)
		all = all[slices.Index(all, 10000):]
		silent, steps := 0, int16(0)
		for i, v := range all {
			if v == 0 {
				silent++
			}
			if i > 0 {
				steps = max(steps, v-all[i-1], all[i-1]-v)
			}
		}
		if steps > 400 || silent < 15000 || silent > 16500 || all[len(all)-1] != 10000 {
			t.Errorf("%d samples are silent, the steepest step is %d, the last sample %d", silent, steps, all[len(all)-1])
		}
	})
}

func TestAnInterruptionTakesBackWhatWasNotGivenToTheDevice(t *testing.T) {
	for _, sizes := range [][]int{nil, {100, 37, 501}} {
		synctest.Test(t, func(t *testing.T) {
			m, _, speaker := studio()
			speaker.sizes = sizes
			c := begin(t, Config{}, m)
			time.Sleep(time.Second)
			words := noise.Samples(3, 24000*10)
			c.say(words)
			time.Sleep(1500*time.Millisecond + 7*time.Millisecond)
			c.pipeline.Interrupt("barge-in")
			synctest.Wait()
			given := speaker.heardBy()
			time.Sleep(time.Second)
			played := speaker.heardBy()
			again := noise.Samples(9, 4800)
			c.say(again)
			time.Sleep(time.Second)
			if find(speaker.heardBy(), again) < 0 {
				t.Error("what is said after the interruption is not heard as it is")
			}
			c.end()
			from := find(played, words[:200])
			heard := len(played) - from
			for heard > 0 && played[from+heard-1] == 0 {
				heard--
			}
			whole := 0
			for whole < heard && played[from+whole] == words[whole] {
				whole++
			}
			before := len(given) - from
			// What the device has is heard; what it has not fades within 5 ms, and
			// nothing comes behind it.
			if whole < before || whole > before+20 || heard-before > 120 {
				t.Errorf("%d samples were given before the interruption, %d are heard as they are, %d in all", before, whole, heard)
			}
			var report *frames.Playout
			for _, f := range c.tape.frames {
				if p, ok := f.(*frames.Playout); ok && p.Flushed {
					report = p
				}
			}
			if report == nil {
				t.Fatal("nothing was told of it")
			}
			if off := int(report.Heard) - before; off < -240 || off > 480 { // a period, and what fades
				t.Errorf("it is told that %d samples were heard; %d were given to the device, %d are heard", report.Heard, before, heard)
			}
		})
	}
}

func TestALoudspeakerThatRunsDryGetsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, speaker := studio()
		// Every five seconds, when that is forgotten, it takes something 35 ms sooner
		// than it should, which is more than the 20 ms that are there.
		speaker.late = func(k int) time.Duration {
			if k%500 >= 490 {
				return -35 * time.Millisecond
			}
			return 0
		}
		c := begin(t, Config{}, m)
		time.Sleep(time.Second)
		for range 20 {
			c.say(noise.Samples(3, 24000))
			time.Sleep(1500 * time.Millisecond)
		}
		half := c.transport.Stats().Loudspeaker.Underruns
		for range 20 {
			c.say(noise.Samples(3, 24000))
			time.Sleep(1500 * time.Millisecond)
		}
		all := c.transport.Stats().Loudspeaker
		c.end()
		if half == 0 || half > 3 || all.Underruns != half {
			t.Errorf("%d underruns, then %d: %+v", half, all.Underruns-half, all)
		}
	})
}
