package dtmf_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
)

var rates = []audio.SampleRate{audio.Rate8k, audio.Rate11k, audio.Rate16k, audio.Rate22k, audio.Rate24k, audio.Rate44k, audio.Rate48k}

const ms = time.Millisecond

// usual are the rates, or those of telephones if there is little time.
func usual() []audio.SampleRate {
	if testing.Short() {
		return rates[:3]
	}
	return rates
}

func TestEveryKeyIsHeardAtEveryRateWhereItIs(t *testing.T) {
	for _, rate := range usual() {
		t.Run(rate.String(), func(t *testing.T) {
			s := newSound(rate).silence(100 * ms)
			var want [][2]audio.Position
			for i := range len(dtmf.Keys) {
				from, to := s.tone(of(dtmf.Keys[i]), time.Duration(40+5*i)*ms, float64(i))
				want = append(want, [2]audio.Position{from, to})
				s.silence(time.Duration(40+3*i) * ms)
			}
			events := hear(t, rate, s.pcm(), 160)
			if got := pressed(t, events); got != dtmf.Keys {
				t.Fatalf("heard %q, want %q", got, dtmf.Keys)
			}
			// A sine that begins or ends near its zero says nothing of itself for a
			// moment.
			slack := audio.Position(rate.Samples(250 * time.Microsecond))
			i := 0
			for _, e := range events {
				if !e.Up {
					continue
				}
				if d := e.Start - want[i][0]; d < -slack || d > slack {
					t.Errorf("%c begins at %d, want %d", e.Key, e.Start, want[i][0])
				}
				if d := e.End - want[i][1]; d < -slack || d > slack {
					t.Errorf("%c ends at %d, want %d", e.Key, e.End, want[i][1])
				}
				i++
			}
		})
	}
}

func TestEventsDoNotDependOnHowTheSamplesAreCut(t *testing.T) {
	s := newSound(audio.Rate11k)
	for i, key := range []byte("159D0") {
		s.silence(time.Duration(50+i) * ms)
		s.tone(of(key), 63*ms, 1)
	}
	pcm := s.noise(-40, 3).pcm()
	want := hear(t, s.rate, pcm, len(pcm))
	if got := pressed(t, want); got != "159D0" {
		t.Fatalf("heard %q", got)
	}
	for _, n := range []int{1, 7, 160, 221, 4096} {
		if got := hear(t, s.rate, pcm, n); !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %v, want %v", n, got, want)
		}
	}
}

// The limits of ITU-T Q.24: what must be heard and what must not.
func TestTheLimitsOfQ24AreKept(t *testing.T) {
	type limit struct {
		name  string
		heard bool
		pair  func(key byte) pair
		tone  time.Duration
		noise float64 // dBFS; 0 is none
	}
	plain := func(key byte) pair { return of(key) }
	var limits []limit
	for _, heard := range []bool{true, false} {
		off := map[bool]float64{true: 0.015, false: 0.035}[heard]
		for _, sign := range [][2]float64{{1, 0}, {-1, 0}, {0, 1}, {0, -1}, {1, 1}, {1, -1}, {-1, -1}} {
			limits = append(limits, limit{
				name: fmt.Sprintf("frequencies off by %+.1f%% and %+.1f%%", 100*off*sign[0], 100*off*sign[1]), heard: heard, tone: 80 * ms,
				pair: func(key byte) pair { return of(key).off(off*sign[0], off*sign[1]) },
			})
		}
	}
	limits = append(limits,
		limit{name: "40 ms", heard: true, pair: plain, tone: 40 * ms},
		limit{name: "23 ms", pair: plain, tone: 23 * ms},
		limit{name: "20 ms", pair: plain, tone: 20 * ms},
		limit{name: "the row 8 dB louder", heard: true, pair: func(k byte) pair { return of(k).level(-8, -16) }, tone: 50 * ms},
		limit{name: "the column 4 dB louder", heard: true, pair: func(k byte) pair { return of(k).level(-12, -8) }, tone: 50 * ms},
		limit{name: "the row 14 dB louder", pair: func(k byte) pair { return of(k).level(-6, -20) }, tone: 80 * ms},
		limit{name: "the column 10 dB louder", pair: func(k byte) pair { return of(k).level(-18, -8) }, tone: 80 * ms},
		limit{name: "the row alone", pair: func(k byte) pair { return of(k).level(-12, -90) }, tone: 200 * ms},
		limit{name: "the column alone", pair: func(k byte) pair { return of(k).level(-90, -12) }, tone: 200 * ms},
		limit{name: "loud", heard: true, pair: func(k byte) pair { return of(k).level(-6.1, -6.1) }, tone: 40 * ms},
		limit{name: "-29 dBm0 each", heard: true, pair: func(k byte) pair { return of(k).level(-32, -32) }, tone: 40 * ms},
		limit{name: "inaudible", pair: func(k byte) pair { return of(k).level(-55, -55) }, tone: 200 * ms},
		// The level of two sines of -12 dBFS peak is -12 dBFS RMS.
		limit{name: "noise 15 dB below", heard: true, pair: plain, tone: 40 * ms, noise: -27},
		limit{name: "noise 15 dB below, off by 1.5%", heard: true, pair: func(k byte) pair { return of(k).off(-0.015, 0.015) }, tone: 50 * ms, noise: -27},
		limit{name: "noise 15 dB below, off by 3.5%", pair: func(k byte) pair { return of(k).off(-0.035, 0.035) }, tone: 100 * ms, noise: -27},
		limit{name: "noise as loud", pair: plain, tone: 0, noise: -12},
	)
	for _, l := range limits {
		t.Run(l.name, func(t *testing.T) {
			for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate16k} {
				s := newSound(rate).silence(60 * ms)
				for i := range len(dtmf.Keys) {
					s.tone(l.pair(dtmf.Keys[i]), l.tone, float64(i)/3)
					s.silence(60 * ms)
				}
				if l.noise != 0 {
					s.noise(l.noise, 1)
				}
				want := ""
				if l.heard {
					want = dtmf.Keys
				}
				if got := pressed(t, hear(t, rate, s.pcm(), 160)); got != want {
					t.Errorf("%v: heard %q, want %q", rate, got, want)
				}
			}
		})
	}
}

// Where nothing else sounds, a key is known to the sample. What sounds behind it
// must not be taken for a part of it.
func TestTheEdgesOfAKeyAreFoundToTheSample(t *testing.T) {
	for name, c := range map[string]struct {
		pair  func(key byte) pair
		tone  time.Duration
		then  float64 // the level of another key right behind it, in dBFS; 0 is none
		worst float64 // samples off, of an edge
		mean  float64 // and of all ends
	}{
		"in silence":          {of, 60 * ms, 0, 1, 0.05},
		"short":               {of, 40 * ms, 0, 1, 0.05},
		"off by 1.5%":         {func(key byte) pair { return of(key).off(0.015, -0.015) }, 60 * ms, 0, 1, 0.05},
		"before a softer one": {of, 60 * ms, -18, 16, 1.5},
	} {
		t.Run(name, func(t *testing.T) {
			var worst, sum float64
			const presses = 160
			for i := range presses {
				key, other := dtmf.Keys[i%16], dtmf.Keys[(7*i+5)%16]
				s := newSound(audio.Rate8k).silence(100 * ms)
				from, to := s.tone(c.pair(key), c.tone+time.Duration(i%13)*ms, float64(i))
				if c.then != 0 {
					s.tone(of(other).level(c.then, c.then), 60*ms, 1.7*float64(i))
				}
				events := hear(t, s.rate, s.silence(100*ms).pcm(), 160)
				if len(events) < 2 || !events[1].Up || events[1].Key != key {
					t.Fatalf("press %d of %c is heard as %v", i, key, events)
				}
				start, end := math.Abs(float64(events[1].Start-from)), math.Abs(float64(events[1].End-to))
				worst = max(worst, start, end)
				sum += end
			}
			if mean := sum / presses; worst > c.worst || mean > c.mean {
				t.Errorf("at most %.0f samples off, want %.0f; ends by %.2f on average, want %.2f", worst, c.worst, mean, c.mean)
			}
		})
	}
}

func TestPositionsHoldInNoise(t *testing.T) {
	s := newSound(audio.Rate8k).silence(200 * ms)
	var want [][2]audio.Position
	for i := range 64 {
		from, to := s.tone(of(dtmf.Keys[i%16]), 60*ms, float64(i))
		want = append(want, [2]audio.Position{from, to})
		s.silence(70 * ms)
	}
	i := 0
	var worst float64
	for _, e := range hear(t, s.rate, s.noise(-27, 11).pcm(), 160) { // 15 dB below
		if !e.Up {
			continue
		}
		if i >= len(want) {
			t.Fatal("more keys than were pressed")
		}
		worst = max(worst, math.Abs(float64(e.Start-want[i][0])), math.Abs(float64(e.End-want[i][1])))
		i++
	}
	if i != len(want) || worst > 16 {
		t.Errorf("%d keys of %d, at most %.0f samples off, want 16 (2 ms)", i, len(want), worst)
	}
	t.Logf("at most %.0f samples off in noise 15 dB below", worst)
}

func TestAKeyIsHeardOverATelephoneLine(t *testing.T) {
	gen := dtmf.Generator{Rate: audio.Rate8k, Tone: 50 * ms, Gap: 50 * ms, Level: -25}
	pcm, err := gen.Append(audio.AppendSilence(nil, 800), dtmf.Keys)
	if err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string][]int16{
		"µ-law": audio.DecodeULaw(nil, audio.EncodeULaw(nil, pcm)),
		"A-law": audio.DecodeALaw(nil, audio.EncodeALaw(nil, pcm)),
	} {
		if got := pressed(t, hear(t, audio.Rate8k, line, 160)); got != dtmf.Keys {
			t.Errorf("%s: heard %q", name, got)
		}
	}
}

func TestABreakWithinAPressIsNoPauseBetweenTwo(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, hole time.Duration
		second      time.Duration
		want        string
	}{
		{"a break of 5 ms", 60 * ms, 5 * ms, 60 * ms, "5"},
		{"a break of 10 ms", 60 * ms, 10 * ms, 60 * ms, "5"},
		{"a break of 18 ms", 60 * ms, 18 * ms, 60 * ms, "5"},
		{"a pause of 22 ms", 60 * ms, 22 * ms, 60 * ms, "55"},
		{"a pause of 30 ms", 60 * ms, 30 * ms, 60 * ms, "55"},
		{"a pause of 40 ms", 40 * ms, 40 * ms, 40 * ms, "55"},
		{"no break", 30 * ms, 0, 500 * ms, "5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSound(audio.Rate8k).silence(50 * ms)
			from, _ := s.tone(of('5'), c.first, 0)
			if c.hole > 0 {
				s.silence(c.hole)
			}
			_, to := s.tone(of('5'), c.second, 2)
			events := hear(t, s.rate, s.silence(100*ms).pcm(), 80)
			if got := pressed(t, events); got != c.want {
				t.Fatalf("heard %q, want %q", got, c.want)
			}
			if last := events[len(events)-1]; c.want == "5" && (last.Start-from > 4 || from-last.Start > 4 || last.End-to > 4 || to-last.End > 4) {
				t.Errorf("from %d to %d, want %d to %d", last.Start, last.End, from, to)
			}
		})
	}
}

func TestKeysThatTouchAreBothHeard(t *testing.T) {
	s := newSound(audio.Rate8k).silence(50 * ms)
	for _, k := range []byte("15962D") {
		s.tone(of(k), 60*ms, 0)
	}
	if got := pressed(t, hear(t, s.rate, s.silence(50*ms).pcm(), 80)); got != "15962D" {
		t.Errorf("heard %q", got)
	}
}

func TestAnOffsetAndQuietHumDoNotHideAKey(t *testing.T) {
	s := newSound(audio.Rate8k).silence(60 * ms)
	for i := range len(dtmf.Keys) {
		s.tone(of(dtmf.Keys[i]), 50*ms, 0)
		s.silence(50 * ms)
	}
	for i := range s.samples {
		s.samples[i] += 0.25 + 0.02*math.Sin(2*math.Pi*50*float64(i)/8000)
	}
	if got := pressed(t, hear(t, s.rate, s.pcm(), 160)); got != dtmf.Keys {
		t.Errorf("heard %q", got)
	}
}

func TestAnEventIsNoLaterThanTheLatency(t *testing.T) {
	for _, rate := range usual() {
		s := newSound(rate).silence(30 * ms)
		for i := range len(dtmf.Keys) {
			s.tone(of(dtmf.Keys[i]), time.Duration(40+40*(i%5))*ms, 1)
			s.silence(time.Duration(40+13*(i%7)) * ms)
		}
		d, err := dtmf.NewDetector(rate)
		if err != nil {
			t.Fatal(err)
		}
		var worst audio.Position
		n := 0
		for _, x := range s.silence(100*ms).noise(-30, 5).pcm() {
			for _, e := range d.Write(nil, []int16{x}) {
				n++
				at := e.Start
				if e.Up {
					at = e.End
				}
				worst = max(worst, d.Position()-at)
			}
		}
		if n != 32 || worst > audio.Position(d.Latency()) {
			t.Errorf("%v: %d events, the latest %d samples behind; Latency says %d", rate, n, worst, d.Latency())
		}
	}
}

func TestAPressAcrossLostSamplesIsOnePress(t *testing.T) {
	for _, c := range []struct {
		name string
		lost time.Duration
		want string
	}{
		{"a packet", 20 * ms, "8"},
		{"half a second", 500 * ms, "88"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSound(audio.Rate8k).silence(50 * ms)
			from, to := s.tone(of('8'), 700*ms, 0)
			pcm := s.silence(100 * ms).pcm()
			d, err := dtmf.NewDetector(s.rate)
			if err != nil {
				t.Fatal(err)
			}
			cut := 1200
			behind := cut + int(s.rate.Samples(c.lost))
			events := d.Write(nil, pcm[:cut])
			events = d.Skip(events, int64(behind-cut))
			events = d.Close(d.Write(events, pcm[behind:]))
			if got := pressed(t, events); got != c.want {
				t.Fatalf("heard %q in %v, want %q", got, events, c.want)
			}
			last := events[len(events)-1]
			if events[0].Start-from > 4 || from-events[0].Start > 4 || last.End-to > 4 || to-last.End > 4 {
				t.Errorf("heard from %d to %d, want %d to %d", events[0].Start, last.End, from, to)
			}
		})
	}
}

func TestAKeyThatIsDownAtTheEndGoesUpThere(t *testing.T) {
	s := newSound(audio.Rate16k).silence(20 * ms)
	from, to := s.tone(of('#'), 45*ms, 0)
	events := hear(t, s.rate, s.pcm(), 320)
	if len(events) != 2 || !events[1].Up || events[1].End-to > 4 || to-events[1].End > 8 || events[1].Start-from > 4 {
		t.Errorf("heard %v, want # from %d to %d", events, from, to)
	}
}

func TestResetBeginsANewStream(t *testing.T) {
	s := newSound(audio.Rate8k).silence(20 * ms)
	s.tone(of('#'), 45*ms, 0)
	pcm := s.silence(70 * ms).pcm()
	d, err := dtmf.NewDetector(s.rate)
	if err != nil {
		t.Fatal(err)
	}
	first := d.Write(nil, pcm)
	d.Write(nil, pcm[:500])
	d.Reset()
	if second := d.Write(nil, pcm); !slices.Equal(first, second) || len(first) != 2 {
		t.Errorf("heard %v, after a reset %v", first, second)
	}
}

func TestARateThatCannotCarryTonesIsRefused(t *testing.T) {
	for _, rate := range []audio.SampleRate{0, -8000, 3000, 1_000_000} {
		d, err := dtmf.NewDetector(rate)
		if d != nil || err == nil || !strings.Contains(err.Error(), fmt.Sprint(int(rate))) || !strings.Contains(err.Error(), "resample") {
			t.Errorf("%d Hz: %v", int(rate), err)
		}
	}
}

func TestTheDetectorDoesNotAllocate(t *testing.T) {
	s := newSound(audio.Rate16k).silence(20 * ms)
	for _, k := range []byte("4711") {
		s.tone(of(k), 45*ms, 0)
		s.silence(60 * ms)
	}
	pcm := s.noise(-40, 1).pcm()
	d, err := dtmf.NewDetector(s.rate)
	if err != nil {
		t.Fatal(err)
	}
	events := make([]dtmf.Event, 0, 16)
	if n := testing.AllocsPerRun(20, func() { events = d.Write(events[:0], pcm) }); n != 0 {
		t.Errorf("%v allocations for %v of audio", n, audio.Mono(s.rate).Duration(len(pcm)))
	}
	if len(events) < 6 {
		t.Errorf("it heard only %v", events)
	}
}

// What is allowed may come together: the frequencies off, one louder than the
// other, soft, in noise, over a µ-law line.
func TestWhateverIsWithinTheLimitsIsHeard(t *testing.T) {
	for _, snr := range []float64{15, 12} {
		r := rand.New(rand.NewPCG(1, uint64(snr)))
		presses := 1000
		if testing.Short() {
			presses = 200
		}
		heard, extra := 0, 0
		for range presses / 50 {
			level := -20 + 12*(2*r.Float64()-1)
			s := newSound(audio.Rate8k).silence(50 * ms)
			var want []byte
			for range 50 {
				key := dtmf.Keys[r.IntN(16)]
				off := func() float64 { return 0.015 * (2*r.Float64() - 1) }
				twist := -8 + 12*r.Float64() // dB, the column over the row
				p := of(key).off(off(), off()).level(level-3-twist/2, level-3+twist/2)
				s.tone(p, 40*ms, 6*r.Float64())
				s.silence(time.Duration(40+r.IntN(20)) * ms)
				want = append(want, key)
			}
			pcm := s.noise(level-3-snr, r.Uint64()).pcm()
			pcm = audio.DecodeULaw(nil, audio.EncodeULaw(nil, pcm))
			n := common(string(want), pressed(t, hear(t, s.rate, pcm, 160)))
			heard += n[0]
			extra += n[1]
		}
		t.Logf("noise %g dB below: %d of %d presses of 40 ms heard, %d too many", snr, heard, presses, extra)
		if heard < presses*999/1000 || extra > 0 {
			t.Errorf("noise %g dB below: %d of %d presses heard, %d too many", snr, heard, presses, extra)
		}
	}
}

// common returns how many of the keys that are wanted were heard, in order, and
// how many others.
func common(want, got string) [2]int {
	table := make([][]int, len(want)+1)
	for i := range table {
		table[i] = make([]int, len(got)+1)
	}
	for i := range len(want) {
		for j := range len(got) {
			table[i+1][j+1] = max(table[i][j+1], table[i+1][j])
			if want[i] == got[j] {
				table[i+1][j+1] = max(table[i+1][j+1], table[i][j]+1)
			}
		}
	}
	n := table[len(want)][len(got)]
	return [2]int{n, len(got) - n}
}
