package bench

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/vad"
)

// engine is one of those that are compared.
type engine struct {
	name string
	vad.Engine
}

// engines returns those that this machine has: ONNX Runtime is one of them if the
// tests were built with the tag onnxruntime.
func engines(tb testing.TB) []engine {
	tb.Helper()
	list := []engine{{"silero", vad.Silero()}, {"energy", vad.Energy()}}
	ort, err := vad.NewONNXRuntime(vad.ONNXConfig{})
	if err != nil {
		if !errors.Is(err, vad.ErrNoONNXRuntime) {
			tb.Fatal(err)
		}
		return list
	}
	tb.Cleanup(func() { ort.Close() })
	return slices.Insert(list, 1, engine{"onnxruntime", ort})
}

// pieces cuts samples into frames of 20 ms.
func pieces(samples []int16, rate audio.SampleRate) []*frames.Audio {
	var list []*frames.Audio
	n := int(rate.Samples(20 * time.Millisecond))
	for at := 0; at < len(samples); at += n {
		list = append(list, &frames.Audio{
			Format: audio.Mono(rate), Track: "caller", Position: audio.Position(at), Samples: samples[at:min(at+n, len(samples))],
		})
	}
	return list
}

// detected is what an engine finds in a recording.
func detected(tb testing.TB, r recording, e vad.Engine) []utterance {
	tb.Helper()
	d, err := vad.NewDetector(vad.Config{Engine: e})
	if err != nil {
		tb.Fatal(err)
	}
	var events []vad.Event
	for _, a := range pieces(r.samples, r.rate) {
		if events, err = d.Detect(events, a); err != nil {
			tb.Fatal(err)
		}
	}
	if events, err = d.Flush(events); err != nil {
		tb.Fatal(err)
	}
	var found []utterance
	for i := 0; i+1 < len(events); i += 2 {
		found = append(found, utterance{r.rate.Duration(int64(events[i].Position)), r.rate.Duration(int64(events[i+1].Position))})
	}
	return found
}

// score compares what was found with what is known.
type score struct {
	spoken, missed, false, split int
	begins, ends                 []time.Duration // found minus known
}

func overlap(a, b utterance) time.Duration { return max(0, min(a.to, b.to)-max(a.from, b.from)) }

// add counts an utterance as missed if less than half of it was found, as split if
// more than one segment has part of it, and a segment as false if less than a
// tenth of it was spoken.
func (s *score) add(spoken, found []utterance) {
	for _, u := range spoken {
		s.spoken++
		var heard time.Duration
		var parts []utterance
		for _, f := range found {
			if o := overlap(u, f); o > 0 {
				heard += o
				parts = append(parts, f)
			}
		}
		if heard < (u.to-u.from)/2 {
			s.missed++
			continue
		}
		if len(parts) > 1 {
			s.split++
		}
		s.begins = append(s.begins, parts[0].from-u.from)
		s.ends = append(s.ends, parts[len(parts)-1].to-u.to)
	}
	for _, f := range found {
		var heard time.Duration
		for _, u := range spoken {
			heard += overlap(u, f)
		}
		if heard < (f.to-f.from)/10 {
			s.false++
		}
	}
}

// quantile returns the q-th of times in milliseconds.
func quantile(list []time.Duration, q float64) int64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[int(q*float64(len(list)-1)+0.5)].Milliseconds()
}

// TestSpeechIsFoundInNoise prints the table of docs/vad.md:
//
//	go test ./bench -run TestSpeechIsFoundInNoise -v
//
// With -tags onnxruntime it has rows for that, too.
func TestSpeechIsFoundInNoise(t *testing.T) {
	var clean []recording
	conditions := []struct {
		name string
		of   []recording
	}{{"shipped", nil}, {"street", nil}}
	for _, r := range callers(t) {
		if r.title() == "noisy" {
			conditions[1].of = append(conditions[1].of, r)
			continue
		}
		clean = append(clean, r)
	}
	clean = append(clean, agent(t))
	conditions[0].of = clean
	for _, snr := range []float64{20, 10, 5} {
		var noisy []recording
		for _, r := range clean {
			noisy = append(noisy, r.withPink(snr))
		}
		conditions = append(conditions, struct {
			name string
			of   []recording
		}{fmt.Sprintf("pink noise, %g dB", snr), noisy})
	}
	var table strings.Builder
	fmt.Fprintln(&table, "| sound | engine | utterances | missed | false | split | begins, p10 … p50 … p90 (ms) | ends, p10 … p50 … p90 (ms) |")
	fmt.Fprintln(&table, "| --- | --- | ---: | ---: | ---: | ---: | --- | --- |")
	scores := map[string]score{}
	for _, c := range conditions {
		for _, e := range engines(t) {
			var s score
			for _, r := range c.of {
				s.add(r.spoken, detected(t, r, e.Engine))
			}
			scores[c.name+"/"+e.name] = s
			fmt.Fprintf(&table, "| %s | %s | %d | %d | %d | %d | %+d … %+d … %+d | %+d … %+d … %+d |\n", c.name, e.name, s.spoken, s.missed, s.false, s.split,
				quantile(s.begins, 0.1), quantile(s.begins, 0.5), quantile(s.begins, 0.9), quantile(s.ends, 0.1), quantile(s.ends, 0.5), quantile(s.ends, 0.9))
		}
	}
	t.Logf("\n%s", table.String())
	for _, condition := range []string{"shipped", "street", "pink noise, 20 dB", "pink noise, 10 dB", "pink noise, 5 dB"} {
		if s := scores[condition+"/silero"]; s.spoken == 0 || s.missed+s.false+s.split > 0 {
			t.Errorf("%s: Silero misses %d of %d utterances, splits %d, and finds %d that are none", condition, s.missed, s.spoken, s.split, s.false)
		}
		if s, ok := scores[condition+"/onnxruntime"]; ok && s.missed+s.false+s.split > 0 {
			t.Errorf("%s: ONNX Runtime finds other utterances than Silero: %+v", condition, s)
		}
	}
	if s := scores["shipped/energy"]; s.missed+s.false+s.split > 0 {
		t.Errorf("in a quiet room energy misses %d utterances, splits %d, and finds %d that are none", s.missed, s.split, s.false)
	}
}

// BenchmarkVADWindow measures one window of 32 ms (20 ms for energy) of a recorded
// call at 16 kHz, in the time of the processor. ONNX Runtime is the baseline, with
// the tag onnxruntime. The engines take turns of six seconds of audio, and the
// median turn counts, since the machine does other things as well.
func BenchmarkVADWindow(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	samples, rate := decode(b, "noisy.mp3")
	if rate != audio.Rate16k {
		b.Fatal(rate)
	}
	type contestant struct {
		name   string
		stream vad.Stream
		turns  []float64 // ns a window
	}
	var all []*contestant
	for _, e := range engines(b) {
		s, err := e.Open(rate)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, &contestant{name: e.name, stream: s})
	}
	turn := func(c *contestant) {
		window := make([]float32, 0, c.stream.Window())
		const n = 200
		start := threadTime()
		for i := range n {
			at := i * cap(window)
			window = audio.ToFloat32(window[:0], samples[at:at+cap(window)])
			if _, err := c.stream.Probability(window); err != nil {
				b.Fatal(err)
			}
		}
		c.turns = append(c.turns, float64((threadTime()-start).Nanoseconds())/n)
	}
	for _, c := range all {
		turn(c) // tables, and the pages of the weights
		c.turns = c.turns[:0]
	}
	for b.Loop() {
		for _, c := range all {
			turn(c)
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, c := range all {
		slices.Sort(c.turns)
		b.ReportMetric(c.turns[len(c.turns)/2], "ns/window-"+c.name)
		b.ReportMetric(c.turns[0], "best-"+c.name)
	}
}

// BenchmarkVADStreams is a thousand callers on one core: each has a detector of its
// own, and each 20 ms of its audio is heard before anybody's next. It reports how
// many such streams a core hears in real time, by the time of the processor, and
// what a stream occupies.
func BenchmarkVADStreams(b *testing.B) {
	for _, e := range engines(b) {
		for _, file := range []string{"bargein.wav", "order.mp3", "clips/service1.mp3"} {
			samples, rate := decode(b, file)
			if e.name == "onnxruntime" && rate != audio.Rate16k {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", e.name, int(rate)), func(b *testing.B) { streams(b, e.Engine, samples, rate) })
		}
	}
}

func streams(b *testing.B, e vad.Engine, samples []int16, rate audio.SampleRate) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const n = 1000
	heard := pieces(samples[:3*rate], rate) // three seconds, again and again
	all := make([]*vad.Detector, n)
	events := make([]vad.Event, 0, 8)
	round := func(k int) {
		for i, d := range all {
			// Everybody says the same, but not at the same time.
			a := *heard[(k+7*i)%len(heard)]
			a.Position = audio.Position(k) * audio.Position(len(a.Samples))
			var err error
			if events, err = d.Detect(events[:0], &a); err != nil {
				b.Fatal(err)
			}
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range all {
		d, err := vad.NewDetector(vad.Config{Engine: e})
		if err != nil {
			b.Fatal(err)
		}
		all[i] = d
	}
	round(0)
	round(1)
	runtime.GC()
	runtime.ReadMemStats(&after)
	k, start := 2, threadTime()
	for b.Loop() {
		round(k)
		k++
	}
	spent := threadTime() - start // for each stream, k-2 pieces of 20 ms
	b.ReportMetric(n*float64((k-2)*20)*1e6/float64(spent.Nanoseconds()), "streams/core")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/stream")
}
