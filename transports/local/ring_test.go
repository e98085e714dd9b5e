package local

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/noise"
)

func TestARingGivesWhatItWasGivenInOrder(t *testing.T) {
	// Two goroutines, as in real life: the race detector looks on.
	r := newRing(1000, 0)
	want := noise.Samples(1, 200_000)
	var got []int16
	var both sync.WaitGroup
	both.Go(func() {
		for at := 0; at < len(want); {
			at += r.write(want[at:min(len(want), at+1+rand.IntN(700))])
		}
	})
	both.Go(func() {
		p := make([]int16, 700)
		for len(got) < len(want) {
			got = append(got, p[:r.take(p[:1+rand.IntN(700)])]...)
		}
	})
	both.Wait()
	if !slices.Equal(got, want) {
		t.Error("the samples that come out are not those that went in")
	}
}

// Whatever the sizes: what is cut comes out as it is up to where it was read, then
// fades, and what was written behind comes out whole.
func TestWhatIsCutFadesAndNothingBehindItIsTouched(t *testing.T) {
	const fade = 50
	for seed := range 2000 {
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		r := newRing(1024, fade)
		var got []int16
		read := func(n int) {
			p := make([]int16, n)
			got = append(got, p[:r.take(p)]...)
		}
		before := slices.Repeat([]int16{10000}, random.IntN(400))
		r.write(before)
		read(random.IntN(300))
		heard := len(got)
		r.discard()
		if r.filled() != 0 {
			t.Fatalf("seed %d: %d wait after a cut", seed, r.filled())
		}
		var after []int16
		for range 10 {
			piece := noise.Samples(seed, random.IntN(90))
			after = append(after, piece...)
			if n := r.write(piece); n < len(piece) {
				t.Fatalf("seed %d: no room", seed)
			}
			read(random.IntN(90))
			if random.IntN(20) == 0 { // cut again
				r.discard()
				after = nil
				got = got[:min(len(got), heard)]
				heard = -1
				break
			}
		}
		for range 20 {
			read(100)
		}
		if heard < 0 {
			if r.filled() != 0 {
				t.Fatalf("seed %d: %d wait behind the end", seed, r.filled())
			}
			continue
		}
		tail := got[heard : len(got)-len(after)]
		if len(tail) != min(fade, len(before)-heard) || !slices.IsSortedFunc(tail, func(a, b int16) int { return int(b) - int(a) }) {
			t.Fatalf("seed %d: what was cut goes away as %v", seed, tail)
		}
		if !slices.Equal(got[len(got)-len(after):], after) {
			t.Fatalf("seed %d: what is behind the cut is not as it was written", seed)
		}
	}
}

func TestCallbacksDoNotAllocate(t *testing.T) {
	for _, kind := range []Kind{Microphone, Loudspeaker} {
		s := &nullStream{period: 10 * time.Millisecond}
		l := newLine(s, "null", &counters{}, func() {})
		l.primed.Store(true)
		data := l.heard
		if kind == Loudspeaker {
			data = l.play
			l.ring.write(make([]int16, 4800))
			l.ring.discard() // so that it fades
		}
		p := make([]int16, 480)
		if n := testing.AllocsPerRun(500, func() { data(p) }); n != 0 {
			t.Errorf("the callback of a %v allocates %v times", kind, n)
		}
		if c := l.told; kind == Loudspeaker && c.underruns.Load() == 0 || kind == Microphone && c.overruns.Load() == 0 {
			t.Errorf("a %v that nobody serves counts nothing", kind)
		}
	}
}

func BenchmarkCallback(b *testing.B) {
	for _, kind := range []Kind{Microphone, Loudspeaker} {
		b.Run(kind.String(), func(b *testing.B) {
			l := newLine(&nullStream{}, "null", &counters{}, func() {})
			l.primed.Store(true)
			p := make([]int16, audio.Rate48k.Samples(10*time.Millisecond))
			b.ReportAllocs()
			for b.Loop() {
				if kind == Microphone {
					l.heard(p)
					l.ring.take(p)
				} else {
					l.ring.write(p)
					l.play(p)
				}
			}
		})
	}
}
