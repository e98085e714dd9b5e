package webrtc

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/opus"
)

// arrival is a packet on its way, numbered from 0.
type arrival struct {
	at     time.Duration
	number int
	time   int // in units
	packet []byte
}

// tone is sound that is nowhere quiet and changes all the time.
func tone(rate audio.SampleRate, d time.Duration) []int16 {
	s := make([]int16, rate.Samples(d))
	phase := 0.0
	for i := range s {
		t := float64(i) / float64(rate)
		phase += 2 * math.Pi * (300 + 200*math.Sin(2*math.Pi*1.3*t)) / float64(rate)
		s[i] = int16(8000 * (1 + 0.5*math.Sin(2*math.Pi*3.1*t)) * math.Sin(phase))
	}
	return s
}

// spoken returns the packets of what is spoken, each sent when its last sample is,
// and what a decoder makes of all of them.
func spoken(t testing.TB, samples []int16, loss float64) (sent []arrival, heard []int16) {
	t.Helper()
	enc, err := opus.NewEncoder(opus.EncoderConfig{Loss: loss})
	if err != nil {
		t.Fatal(err)
	}
	dec, err := opus.NewDecoder(audio.Mono(audio.Rate16k))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(samples) / 960 {
		p, err := enc.Encode(nil, samples[i*960:(i+1)*960])
		if err == nil {
			heard, err = dec.Decode(heard, p)
		}
		if err != nil {
			t.Fatal(err)
		}
		sent = append(sent, arrival{time.Duration(i+1) * 20 * time.Millisecond, i, i * 960, p})
	}
	return sent, heard
}

// received is what comes out of a receiver.
type received struct {
	samples []int16
	gaps    int             // in the positions
	first   audio.Position  // of the first sample
	delays  []time.Duration // by which each piece came later than it could have
	stats   ReceiverStats
}

// receive lets packets arrive, and what is due be pulled until some time later.
func receive(t testing.TB, all []arrival, until time.Duration) received {
	t.Helper()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r, err := newReceiver(audio.Mono(audio.Rate16k), 400*time.Millisecond, start)
	if err != nil {
		t.Fatal(err)
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b arrival) int { return int(a.at - b.at) })
	var got received
	next := audio.Position(-1)
	pull := func(now time.Duration) (wake time.Duration) {
		for {
			samples, at, due := r.pull(start.Add(now))
			if len(samples) == 0 {
				if due.IsZero() {
					return math.MaxInt64
				}
				if due.Sub(start) <= now {
					t.Fatalf("at %v there is nothing, and is to be something at %v", now, due.Sub(start))
				}
				return due.Sub(start)
			}
			if next < 0 {
				got.first = at
			} else if at != next {
				got.gaps++
			}
			next = at + audio.Position(len(samples))
			got.samples = append(got.samples, samples...)
			got.delays = append(got.delays, now-audio.Rate16k.Duration(int64(next)))
		}
	}
	wake := time.Duration(math.MaxInt64)
	for now := time.Duration(0); ; {
		if len(all) > 0 && all[0].at <= wake {
			now = all[0].at
			// Numbers and timestamps wrap around soon.
			r.push(uint16(65500+all[0].number), uint32(math.MaxUint32-100*960+all[0].time), all[0].packet, start.Add(now))
			all = all[1:]
		} else if wake > until {
			got.stats = r.Stats()
			return got
		} else {
			now = wake
		}
		wake = pull(now)
	}
}

// onOneGoroutine leaves a test out of short runs, which are for the race detector: it
// decodes minutes, and there is nothing to race with.
func onOneGoroutine(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it decodes minutes, on one goroutine")
	}
}

func TestANetworkThatLosesNothingCostsNothing(t *testing.T) {
	onOneGoroutine(t)
	sent, want := spoken(t, tone(audio.Rate48k, 10*time.Second), 0)
	const least = 30 * time.Millisecond
	for name, delay := range map[string]func(i int) time.Duration{
		"without delay": func(int) time.Duration { return 0 },
		"with delay":    func(int) time.Duration { return 150 * time.Millisecond },
		"with jitter":   func(int) time.Duration { return least + rand.N(15*time.Millisecond) },
		"in bursts":     func(i int) time.Duration { return least + time.Duration(9-i%10)*20*time.Millisecond },
		"overtaking":    func(i int) time.Duration { return least + time.Duration(i*7%4)*9*time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			moved := slices.Clone(sent)
			last := time.Duration(0)
			for i := range moved {
				moved[i].at += delay(i)
				last = max(last, moved[i].at)
			}
			got := receive(t, moved, last)
			if !slices.Equal(got.samples, want) || got.gaps > 0 {
				t.Errorf("%d samples came, with %d gaps; %d were sent. Equal: %v", len(got.samples), got.gaps, len(want), slices.Equal(got.samples, want))
			}
			if got.stats.Packets != uint64(len(sent)) || got.stats.Late+got.stats.Concealed+got.stats.Recovered+got.stats.Refused > 0 || got.stats.Stalled != 0 {
				t.Errorf("%+v", got.stats)
			}
			// What follows what is known goes on when it arrives.
			for i := range moved {
				came := moved[i].at
				for _, earlier := range moved[:i] {
					came = max(came, earlier.at)
				}
				if d := got.delays[i] - (came - audio.Rate16k.Duration(int64(got.first)+320*int64(i+1))); d != 0 {
					t.Fatalf("piece %d went on %v later than it could have", i, d)
				}
			}
		})
	}
}

func TestWhatIsLostIsRecoveredFromTheNextPacket(t *testing.T) {
	onOneGoroutine(t)
	sent, want := spoken(t, tone(audio.Rate48k, 10*time.Second), 0.1)
	kept := slices.DeleteFunc(slices.Clone(sent), func(a arrival) bool { return a.number%10 == 5 })
	got := receive(t, kept, kept[len(kept)-1].at)
	if len(got.samples) != len(want) || got.gaps > 0 {
		t.Fatalf("%d samples came, with %d gaps; %d were sent", len(got.samples), got.gaps, len(want))
	}
	if got.stats.Recovered < 25 || got.stats.Recovered+got.stats.Concealed != 50 {
		t.Errorf("%+v", got.stats)
	}
	if like := same(want, got.samples); like < 0.98 {
		t.Errorf("the likeness with what was sent is %.3f", like)
	}
	for i, d := range got.delays {
		if d > 20*time.Millisecond+initialWait {
			t.Errorf("piece %d came %v late", i, d)
		}
	}
}

func TestBurstsOfLossAreConcealedInTime(t *testing.T) {
	onOneGoroutine(t)
	sent, want := spoken(t, tone(audio.Rate48k, 10*time.Second), 0)
	kept := slices.DeleteFunc(slices.Clone(sent), func(a arrival) bool { return a.number%100 >= 50 && a.number%100 < 57 })
	got := receive(t, kept, kept[len(kept)-1].at)
	if len(got.samples) != len(want) || got.gaps > 0 {
		t.Fatalf("%d samples came, with %d gaps; %d were sent", len(got.samples), got.gaps, len(want))
	}
	if got.stats.Recovered+got.stats.Concealed != 35 || got.stats.Stalled != 0 {
		t.Errorf("%+v", got.stats)
	}
	// Shortly behind each burst all is as if nothing had been lost.
	for i := range 5 {
		n := (i*100 + 60) * 320
		if like := same(want[n:n+40*320], got.samples[n:n+40*320]); like < 0.98 {
			t.Errorf("behind burst %d the likeness is %.4f", i, like)
		}
	}
}

func TestNothingIsLostInAStall(t *testing.T) {
	onOneGoroutine(t)
	sent, want := spoken(t, tone(audio.Rate48k, 6*time.Second), 0)
	const from = 2 * time.Second
	late := func(by func(at time.Duration) time.Duration) []arrival {
		all := slices.Clone(sent)
		for i := range all {
			all[i].at += by(all[i].at)
		}
		return all
	}
	until := func(end time.Duration) func(at time.Duration) time.Duration {
		return func(at time.Duration) time.Duration {
			if at > from && at < end {
				return end - at
			}
			return 0
		}
	}
	behind := func(d time.Duration) func(at time.Duration) time.Duration {
		return func(at time.Duration) time.Duration {
			if at > from {
				return d
			}
			return 0
		}
	}
	for name, c := range map[string]struct {
		sent    []arrival
		silence time.Duration // that takes the place of what has not come
	}{
		"a short one":                            {late(until(from + 300*time.Millisecond)), 0},
		"all comes in a burst":                   {late(until(from + time.Second)), 600 * time.Millisecond},
		"a long one":                             {late(until(from + 3*time.Second)), 2600 * time.Millisecond},
		"the sender has stopped, and its clock":  {late(behind(1500 * time.Millisecond)), 1100 * time.Millisecond},
		"the network has become slower for good": {late(behind(700 * time.Millisecond)), 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			got := receive(t, c.sent, c.sent[len(c.sent)-1].at)
			if d := (got.stats.Stalled - c.silence).Abs(); d > 20*time.Millisecond {
				t.Errorf("silence took the place of %v, want %v", got.stats.Stalled, c.silence)
			}
			if got.gaps > 0 || got.stats.Late+got.stats.Refused+got.stats.Concealed+got.stats.Recovered > 0 {
				t.Errorf("%d gaps, %+v", got.gaps, got.stats)
			}
			if c.silence == 0 {
				if !slices.Equal(got.samples, want) {
					t.Error("what is heard is not what was said")
				}
				return
			}
			// Before it everything is the same; behind it as well, but for what the
			// decoder remembers, until time is made up for by leaving a piece out. So
			// much is all that is left out.
			n := int(audio.Rate16k.Samples(from))
			if !slices.Equal(got.samples[:n], want[:n]) {
				t.Error("what is heard before it is not what was said")
			}
			// The decoder remembers what it has made up.
			out, most := leftOut(got.samples[n:], want[n+3*320:]), int(-got.stats.Stretched/(20*time.Millisecond))
			if out > most {
				t.Errorf("%d pieces are left out, want %d", out, most)
			}
			if d := audio.Rate16k.Duration(int64(len(got.samples)-len(want))) - got.stats.Stalled - got.stats.Stretched; d != 0 {
				t.Errorf("%d samples were said, %d are heard, with %v of silence and %v of stretching", len(want), len(got.samples), got.stats.Stalled, got.stats.Stretched)
			}
		})
	}
}

func TestWhatCameAllAtOnceIsHeard(t *testing.T) {
	onOneGoroutine(t)
	sent, want := spoken(t, tone(audio.Rate48k, 10*time.Second), 0)
	burst := slices.Clone(sent)
	for i := range burst {
		burst[i].at = max(burst[i].at, 1500*time.Millisecond)
	}
	got := receive(t, burst, burst[len(burst)-1].at)
	if got.gaps > 0 || got.stats.Late+got.stats.Refused > 0 || got.stats.Stalled > 0 {
		t.Errorf("%d gaps, %+v", got.gaps, got.stats)
	}
	if out, want := leftOut(got.samples, want), int(-got.stats.Stretched/(20*time.Millisecond)); out < want-1 || out > want { // the last may be behind the end
		t.Errorf("%d pieces are left out, want %d", out, want)
	}
}

func TestAQueueThatGrowsAndDrainsLosesNothing(t *testing.T) {
	onOneGoroutine(t)
	// Words with pauses over a path that takes 2.5 s longer for a while.
	var said []int16
	for range 40 {
		said = audio.AppendSilence(append(said, tone(audio.Rate48k, time.Second)...), 48000/2)
	}
	sent, _ := spoken(t, said, 0)
	slow := slices.Clone(sent)
	last := time.Duration(0)
	for i := range slow {
		if at := slow[i].at; at > 15*time.Second && at < 40*time.Second {
			slow[i].at += 2500 * time.Millisecond
		}
		last = max(last, slow[i].at)
		slow[i].at = last // none overtakes another
	}
	got := receive(t, slow, last)
	if got.gaps > 0 || got.stats.Late+got.stats.Refused+got.stats.Concealed+got.stats.Recovered > 0 {
		t.Errorf("%d gaps, %+v", got.gaps, got.stats)
	}
	if d := audio.Rate16k.Duration(int64(len(got.samples))) - time.Minute; d.Abs() > 100*time.Millisecond {
		t.Errorf("a minute became %v longer: %+v", d, got.stats)
	}
}

func TestSomebodyWhoNeverPausesIsHeardForEver(t *testing.T) {
	onOneGoroutine(t)
	// A quarter of an hour of a sender whose clock is off by 0.2 %, 1.8 s.
	sent, _ := spoken(t, tone(audio.Rate48k, 10*time.Second), 0)
	for _, off := range []float64{-0.002, 0.002} {
		var all []arrival
		for n := range 90 {
			for _, a := range sent {
				a.at = time.Duration(float64(a.at+time.Duration(n)*10*time.Second) * (1 + off))
				a.number, a.time = a.number+n*len(sent), a.time+n*len(sent)*960
				all = append(all, a)
			}
		}
		last := all[len(all)-1].at
		got := receive(t, all, last)
		if got.gaps > 0 || got.stats.Late+got.stats.Refused+got.stats.Concealed > 0 || got.stats.Stalled > 0 {
			t.Errorf("%v: %d gaps, %+v", off, got.gaps, got.stats)
		}
		if d := (audio.Rate16k.Duration(int64(len(got.samples))) - last).Abs(); d > muchSkew+50*time.Millisecond {
			t.Errorf("%v: after %v it is %v off", off, last, d)
		}
	}
}

func TestAPauseOfTheSenderIsSilenceInTime(t *testing.T) {
	said := tone(audio.Rate48k, 4*time.Second)
	clear(said[40000 : 3*48000])
	sent, _ := spoken(t, said, 0)
	// One second is said, then nothing for two: the sender says so, and sends a sign
	// of life every 400 ms.
	const from, to = 50, 150
	var paused []arrival
	number := 0
	for i, a := range sent {
		switch {
		case i >= from && i < to && (i-from)%20 == 0:
			a.packet = a.packet[:1] // which is all of a pause
		case i >= from && i < to:
			continue
		}
		a.packet = slices.Clone(a.packet)
		if i >= from && i < to {
			a.packet[0] &^= 3
		}
		a.number = number
		number++
		paused = append(paused, a)
	}
	got := receive(t, paused, sent[len(sent)-1].at)
	if len(got.samples) != 4*16000 || got.gaps > 0 || got.stats.Stalled > 0 || got.stats.Concealed > 0 {
		t.Errorf("%d samples, %d gaps, %+v", len(got.samples), got.gaps, got.stats)
	}
	for i, d := range got.delays {
		if d > 60*time.Millisecond {
			t.Fatalf("piece %d came %v late", i, d)
		}
	}
	if level := audio.RMS(got.samples[32000:44000]); level > -50 {
		t.Errorf("the pause has %.0f dBFS", level)
	}
}

func TestPacketsThatComeTwiceOrTooLateAreDropped(t *testing.T) {
	onOneGoroutine(t)
	sent, want := spoken(t, tone(audio.Rate48k, 4*time.Second), 0)
	var all []arrival
	for _, a := range sent {
		all = append(all, a, a)
	}
	got := receive(t, all, all[len(all)-1].at)
	if !slices.Equal(got.samples, want) || got.stats.Late != uint64(len(sent)) {
		t.Errorf("twice: %+v", got.stats)
	}
	late := slices.Clone(sent)
	late[100].at += 500 * time.Millisecond
	got = receive(t, late, late[len(late)-1].at)
	if len(got.samples) != len(want) || got.stats.Late != 1 || got.stats.Recovered+got.stats.Concealed != 1 {
		t.Errorf("late: %d samples, %+v", len(got.samples), got.stats)
	}
}

func TestTheSendersClockIsKeptWithOurs(t *testing.T) {
	onOneGoroutine(t)
	// A minute of words with pauses, of a sender whose clock is off by 0.2 %, 120 ms.
	word := tone(audio.Rate48k, time.Second)
	var said []int16
	for range 40 {
		said = audio.AppendSilence(append(said, word...), 48000/2)
	}
	sent, want := spoken(t, said, 0)
	for _, off := range []float64{-0.002, 0.002} {
		moved := slices.Clone(sent)
		for i := range moved {
			moved[i].at = time.Duration(float64(moved[i].at) * (1 + off))
		}
		got := receive(t, moved, moved[len(moved)-1].at)
		if got.gaps > 0 || got.stats.Stalled > 0 || got.stats.Refused > 0 {
			t.Errorf("%v: %d gaps, %+v", off, got.gaps, got.stats)
		}
		length := audio.Rate16k.Duration(int64(len(got.samples)))
		if d := (length - time.Duration(float64(time.Minute)*(1+off))).Abs(); d > maxSkew+40*time.Millisecond {
			t.Errorf("%v: a minute became %v", off, length)
		}
		if got.stats.Stretched == 0 || (got.stats.Stretched > 0) != (off > 0) {
			t.Errorf("%v: %+v", off, got.stats)
		}
		// Every word is whole: found in order, sample for sample but for the decoder's memory.
		at := 0
		for i := range 40 {
			w := want[i*24000+800 : i*24000+15000]
			like, lag := 0.0, 0
			for l := max(0, at-4000); l < at+4000 && l+len(w) <= len(got.samples); l += 1 {
				if got.samples[l] == w[0] && got.samples[l+1] == w[1] && got.samples[l+500] == w[500] {
					if c := same(w, got.samples[l:l+len(w)]); c > like {
						like, lag = c, l
					}
				}
			}
			if like < 0.99 {
				t.Fatalf("%v: word %d is not found: %.3f", off, i, like)
			}
			at = lag + 24000
		}
	}
}

func TestWhoIsTooFastIsHeardInRealTime(t *testing.T) {
	onOneGoroutine(t)
	// Ten seconds are sent in two, and then five as they are spoken.
	sent, _ := spoken(t, tone(audio.Rate48k, 15*time.Second), 0)
	const fast = 500
	all := slices.Clone(sent)
	for i := range all {
		if all[i].number < fast {
			all[i].at /= 5
		} else {
			all[i].at -= 8 * time.Second
		}
	}
	first := receive(t, all[:fast], all[fast-1].at)
	if d := audio.Rate16k.Duration(int64(len(first.samples))); d > 2*time.Second+maxAhead+100*time.Millisecond || first.stats.Refused < 100 {
		t.Errorf("in two seconds %v were heard: %+v", d, first.stats)
	}
	got := receive(t, all, all[len(all)-1].at)
	if n := got.stats.Refused - first.stats.Refused; n > 10 || got.stats.Late > 0 {
		t.Errorf("of five seconds that were not too fast, %d packets were refused: %+v", n, got.stats)
	}
}

func TestASenderThatBeginsAnewIsHeardOn(t *testing.T) {
	onOneGoroutine(t)
	sent, want := spoken(t, tone(audio.Rate48k, 4*time.Second), 0)
	jumped := slices.Clone(sent)
	for i := 100; i < len(jumped); i++ {
		jumped[i].number += 30000
		jumped[i].time -= 123456789
	}
	got := receive(t, jumped, jumped[len(jumped)-1].at)
	if len(got.samples) != len(want) || got.gaps > 0 || !slices.Equal(got.samples[:32000], want[:32000]) {
		t.Errorf("%d samples, %d gaps, %+v", len(got.samples), got.gaps, got.stats)
	}
	if like := same(want[33000:], got.samples[33000:]); like < 0.99 {
		t.Errorf("the likeness is %.3f", like)
	}
}

// FuzzReceiver: whatever comes, in whatever order, audio is contiguous, in real
// time, and never more than there was time for.
func FuzzReceiver(f *testing.F) {
	f.Add(uint64(1), uint8(10), uint8(10), uint8(10))
	f.Add(uint64(2), uint8(90), uint8(200), uint8(0))
	sent, _ := spoken(f, tone(audio.Rate48k, 3*time.Second), 0.1)
	f.Fuzz(func(t *testing.T, seed uint64, loss, jitter, wild uint8) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var all []arrival
		for _, a := range sent {
			if rnd.IntN(256) < int(loss) {
				continue
			}
			a.at += time.Duration(rnd.IntN(int(jitter)*4+1)) * time.Millisecond
			if rnd.IntN(256) < int(wild) {
				a.number += rnd.IntN(65536)
				a.time += rnd.IntN(1<<32) - 1<<31
				a.packet = slices.Clone(a.packet[:rnd.IntN(len(a.packet)+1)])
			}
			all = append(all, a)
		}
		const end = 5 * time.Second
		got := receive(t, all, end)
		// Who has calmed down is heard.
		orderly := slices.Clone(all)
		for n := range 4 {
			for _, a := range sent[:50] {
				a.at, a.number, a.time = a.at+end+time.Duration(n)*time.Second, a.number+250+50*n, a.time+(250+50*n)*960
				orderly = append(orderly, a)
			}
		}
		calm := receive(t, orderly, end+4*time.Second)
		if n := calm.stats.Late + calm.stats.Refused - got.stats.Late - got.stats.Refused; n > 20 {
			t.Errorf("of 200 packets in order, %d were not heard: %+v, before %+v", n, calm.stats, got.stats)
		}
		if d := audio.Rate16k.Duration(int64(len(got.samples))); d > end+maxAhead+200*time.Millisecond {
			t.Errorf("%v came in %v: %+v", d, end, got.stats)
		}
		if wild == 0 && got.gaps > 0 {
			t.Errorf("%d gaps: %+v", got.gaps, got.stats)
		}
		if n := got.stats.Packets; n != uint64(len(all)) {
			t.Errorf("%d packets counted, of %d", n, len(all))
		}
	})
}

// same is how much b is a, from 0 to 1, sample by sample.
func same(a, b []int16) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb+1)
}

func TestLossesAreThoseOfThePacketsAndNotOfTheReports(t *testing.T) {
	var l losses
	l.add(1000, 0)
	if got := l.add(1003, 1); got > 0.03 {
		t.Errorf("one of the first three: %.3f", got)
	}
	highest, total := uint32(1003), uint32(1)
	for range 40 { // of every 50, 5 are lost
		highest, total = highest+50, total+5
		l.add(highest, total)
	}
	if got := l.add(highest+3, total+1); got < 0.09 || got > 0.12 {
		t.Errorf("a tenth is lost: %.3f", got)
	}
	if got := l.add(highest+2003, total+1); got > 0.01 {
		t.Errorf("nothing is lost any more: %.3f", got)
	}
	l = losses{}
	l.add(100, 3)
	if got := l.add(200, 0xfffffe); got != 0 { // -2: some came twice
		t.Errorf("less than nothing is lost: %.3f", got)
	}
	if got := l.add(50, 0); got < 0 || got > 1 { // begun anew
		t.Errorf("%.3f", got)
	}
}

// leftOut returns how many pieces of 20 ms of what was said are not in what is heard,
// which is the same from somewhere on, otherwise.
func leftOut(heard, said []int16) (n int) {
	const size = 320
	for len(heard) >= size && same(said[:size], heard[:size]) < 0.9 {
		heard = heard[size:]
	}
	for len(said) >= size && len(heard) >= size {
		if same(said[:size], heard[:size]) > 0.9 {
			heard = heard[size:]
		} else {
			n++
		}
		said = said[size:]
	}
	if len(said) > 2*size { // it is not heard to its end
		n += len(said) / size
	}
	return n
}
