package bench

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

// chunk is how much audio an output plays at once.
const chunk = 20 * time.Millisecond

// stuck is in one call for as long as the benchmark lasts, deaf to its context.
type stuck struct{ until chan struct{} }

func (s *stuck) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Text); ok {
		<-s.until
	}
	return out.Send(ctx, f, dir)
}

// departures notes when old audio has left.
type departures struct {
	mu sync.Mutex
	at []time.Time
}

func (d *departures) note() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = append(d.at, time.Now())
}

func (d *departures) since(begin time.Time) (n int, last time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, at := range d.at {
		if at.After(begin) {
			n++
			last = max(last, at.Sub(begin))
		}
	}
	return n, last
}

// player is the simplest output: it plays a chunk in Process, to its end.
type player struct{ left *departures }

func (p *player) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.AudioOutput); ok {
		time.Sleep(chunk)
		p.left.note()
		return nil
	}
	return out.Send(ctx, f, dir)
}

// realOutput is what transports use; its sink notes each chunk with speech. Of
// 1,000 chunks that are sent to it, it keeps one half in its buffer.
func realOutput(left *departures) pipeline.Processor {
	return playout.New(playout.Config{Chunk: chunk, MaxQueued: 500 * chunk}, playout.SinkFunc(
		func(ctx context.Context, c playout.Chunk) error {
			if !c.Silent() {
				left.note()
			}
			return nil
		}))
}

// BenchmarkInterruption measures the time from the call to the last old chunk
// that leaves the output, with 1,000 frames queued and a processor stuck in a
// call. Its baseline is the physical limit: the one chunk which is being played.
// The time is counted in chunks of 20 ms and holds what the machine's timers are
// late; the number of old chunks does not. The chunk behind the last old one begins
// with the fade, which is 5 ms long, if there is something to fade.
//
// "playout" is the output of all transports, with the 1,000 frames across its
// queue and its buffer. "processor" is the engine alone: an output that plays in
// Process, with 500 frames in front of it and 500 in front of the stuck one.
func BenchmarkInterruption(b *testing.B) {
	b.Run("playout", func(b *testing.B) {
		measureInterruption(b, realOutput, 1000, 0)
	})
	b.Run("processor", func(b *testing.B) {
		measureInterruption(b, func(left *departures) pipeline.Processor { return &player{left} }, 500, 500)
	})
}

func measureInterruption(b *testing.B, output func(*departures) pipeline.Processor, inOutput, inFront int) {
	var calls, lasts []float64
	most := 0
	for i := range b.N {
		var left departures
		call, last, old := interrupt(b, &left, output(&left), inOutput, inFront, chunk*time.Duration(i%8)/8)
		most = max(most, old)
		calls = append(calls, float64(call.Nanoseconds()))
		lasts = append(lasts, float64(last)/float64(chunk))
	}
	slices.Sort(calls)
	slices.Sort(lasts)
	b.ReportMetric(0, "ns/op") // it is all setting up
	b.ReportMetric(calls[len(calls)/2], "call-p50-ns")
	b.ReportMetric(calls[len(calls)*99/100], "call-p99-ns")
	b.ReportMetric(lasts[len(lasts)/2], "last-p50-chunks")
	b.ReportMetric(lasts[len(lasts)-1], "last-max-chunks")
	b.ReportMetric(float64(most), "old-chunks-max")
	b.ReportMetric(1, "limit-chunks")
}

// interrupt interrupts a call, a phase after a chunk has left.
func interrupt(b *testing.B, left *departures, output pipeline.Processor, inOutput, inFront int, phase time.Duration) (call, last time.Duration, old int) {
	ctx := context.Background()
	hang := &stuck{until: make(chan struct{})}
	p := pipeline.New(pipeline.Config{QueueSize: 600}, &pass{}, hang, &pass{}, output)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	send := func(f frames.Frame) {
		if err := p.Send(ctx, f); err != nil {
			b.Fatal(err)
		}
	}
	var position audio.Position
	sendAudio := func(n int) {
		for range n {
			f := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate24k), Samples: make([]int16, 480), Track: "agent", Position: position}}
			position += 480
			send(f)
		}
	}
	until := func(ok func(s []pipeline.ProcessorStats) bool) {
		for !ok(p.Stats()) {
			time.Sleep(time.Millisecond)
		}
	}
	sendAudio(inOutput)
	until(func(s []pipeline.ProcessorStats) bool { return s[3].Ordered.Depth > 450 && s[2].Ordered.Depth == 0 })
	send(&frames.Text{})
	until(func(s []pipeline.ProcessorStats) bool { return s[1].Doing != "" })
	sendAudio(inFront)
	for begin := time.Now(); ; time.Sleep(time.Millisecond / 4) {
		if n, _ := left.since(begin); n > 0 {
			break
		}
	}
	time.Sleep(phase)

	begin := time.Now()
	p.Interrupt("benchmark")
	call = time.Since(begin)
	time.Sleep(5 * chunk)
	old, last = left.since(begin)
	close(hang.until)
	p.Cancel("the benchmark is over", nil)
	if err := <-done; err != nil {
		b.Error(err)
	}
	return call, last, old
}
