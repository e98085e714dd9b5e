package dtmf_test

import (
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// needTool returns the path of a program that judges what this package does.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PARLEY_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is not installed, and PARLEY_REQUIRE_TOOLS=1 forbids to do without: %v", name, err)
		}
		t.Skipf("%s is not installed: what it would say about these tones is not checked (apt-get install %s)", name, name)
	}
	return path
}

// sound is a piece of audio in the making, in full scale ±1. It is made without
// the generator, so that one can judge the other.
type sound struct {
	rate    audio.SampleRate
	samples []float64
}

func newSound(rate audio.SampleRate) *sound { return &sound{rate: rate} }

// silence appends silence and returns the sound.
func (s *sound) silence(d time.Duration) *sound {
	s.samples = append(s.samples, make([]float64, s.rate.Samples(d))...)
	return s
}

// pair is two sines of their own frequencies and levels (peak, dBFS).
type pair struct {
	low, high           float64
	lowLevel, highLevel float64
}

// of is a key's pair at -12 dBFS each.
func of(key byte) pair {
	low, high, _ := dtmf.Frequencies(key)
	return pair{low, high, -12, -12}
}

func (p pair) off(low, high float64) pair {
	p.low, p.high = p.low*(1+low), p.high*(1+high)
	return p
}

func (p pair) level(low, high float64) pair {
	p.lowLevel, p.highLevel = low, high
	return p
}

// tone appends a pair that begins and ends abruptly, and returns where.
func (s *sound) tone(p pair, d time.Duration, phase float64) (start, end audio.Position) {
	n := s.rate.Samples(d)
	start = audio.Position(len(s.samples))
	a, b := math.Pow(10, p.lowLevel/20), math.Pow(10, p.highLevel/20)
	for i := range n {
		t := 2 * math.Pi * float64(i) / float64(s.rate)
		s.samples = append(s.samples, a*math.Sin(p.low*t+phase)+b*math.Sin(p.high*t+2*phase))
	}
	return start, start + audio.Position(n)
}

// noise adds white noise of an RMS level in dBFS to all that there is.
func (s *sound) noise(dB float64, seed uint64) *sound {
	r := rand.New(rand.NewPCG(seed, 7))
	sigma := math.Pow(10, dB/20)
	for i := range s.samples {
		s.samples[i] += sigma * r.NormFloat64()
	}
	return s
}

func (s *sound) pcm() []int16 {
	out := make([]int16, len(s.samples))
	for i, v := range s.samples {
		out[i] = int16(math.Round(32767 * max(-1, min(1, v))))
	}
	return out
}

// hear returns all events in samples, which are written in pieces of n.
func hear(t testing.TB, rate audio.SampleRate, samples []int16, n int) []dtmf.Event {
	t.Helper()
	d, err := dtmf.NewDetector(rate)
	if err != nil {
		t.Fatal(err)
	}
	var events []dtmf.Event
	for len(samples) > 0 {
		k := min(n, len(samples))
		events = d.Write(events, samples[:k])
		samples = samples[k:]
	}
	return d.Close(events)
}

// pressed returns the keys that went down, and fails the test if they do not go
// up again one by one.
func pressed(t testing.TB, events []dtmf.Event) string {
	t.Helper()
	var keys []byte
	var down byte
	var end audio.Position
	for _, e := range events {
		switch {
		case e.Up && (e.Key != down || e.End <= e.Start):
			t.Errorf("%c goes up while %q is down, from %d to %d", e.Key, down, e.Start, e.End)
		case !e.Up && (down != 0 || e.Start < end):
			t.Errorf("%c goes down at %d while %q is down, or before %d", e.Key, e.Start, down, end)
		case e.Up:
			down, end = 0, e.End
		default:
			down = e.Key
			keys = append(keys, e.Key)
		}
	}
	if down != 0 {
		t.Errorf("%c did not go up", down)
	}
	return string(keys)
}
