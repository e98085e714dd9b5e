package bench

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// inFlight is how many frames are on their way at once where throughput is
// measured; each channel of the baseline has room for as many.
const inFlight = 64

// hops is something that frames go through.
type hops struct {
	send func(frames.Frame)
	out  <-chan frames.Frame
	stop func()
}

// channelHops is the baseline, less than which no pipeline of goroutines can
// do: n goroutines, each of which passes what it gets on to the next over a
// bare channel.
func channelHops(n int) hops {
	first := make(chan frames.Frame, inFlight)
	last := first
	for range n {
		from, to := last, make(chan frames.Frame, inFlight)
		go func() {
			defer close(to)
			for f := range from {
				to <- f
			}
		}()
		last = to
	}
	return hops{
		send: func(f frames.Frame) { first <- f },
		out:  last,
		stop: func() {
			close(first)
			for range last {
			}
		},
	}
}

// pass is a processor that passes everything on, with queues of its own.
type pass struct{ _ byte }

func (*pass) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

// exit is the last processor: it passes data on to the benchmark, as the last
// goroutine of the baseline does.
type exit struct{ out chan<- frames.Frame }

func (e *exit) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if f.Class() == frames.DataClass {
		e.out <- f
		return nil
	}
	return out.Send(ctx, f, dir)
}

// processorHops is a pipeline of n processors, each with queues and a
// goroutine of its own.
func processorHops(b *testing.B, n int) hops {
	var row []pipeline.Processor
	for range n - 1 {
		row = append(row, &pass{})
	}
	return run(b, pipeline.Config{}, row...)
}

// run runs processors with an exit behind them.
func run(b *testing.B, cfg pipeline.Config, row ...pipeline.Processor) hops {
	out := make(chan frames.Frame, inFlight)
	p := pipeline.New(cfg, append(row, &exit{out})...)
	done := make(chan error, 1)
	ctx := context.Background()
	go func() { done <- p.Run(ctx) }()
	return hops{
		send: func(f frames.Frame) {
			if err := p.Send(ctx, f); err != nil {
				b.Error(err)
			}
		},
		out: out,
		stop: func() {
			p.End("the benchmark is over")
			if err := <-done; err != nil {
				b.Error(err)
			}
		},
	}
}

// BenchmarkFrameThroughProcessors measures the time per frame with 64 in
// flight, through processors and through bare channels, turn by turn.
func BenchmarkFrameThroughProcessors(b *testing.B) {
	compare(b, func(h hops, n int) {
		f := &frames.Text{}
		for range inFlight {
			h.send(f)
		}
		for range n {
			<-h.out
			h.send(f)
		}
		for range inFlight {
			<-h.out
		}
	})
}

// BenchmarkRoundThroughProcessors measures the time per round, one frame at a
// time, through processors and through bare channels, turn by turn.
func BenchmarkRoundThroughProcessors(b *testing.B) {
	compare(b, func(h hops, n int) {
		f := &frames.Text{}
		for range n {
			h.send(f)
			<-h.out
		}
	})
}

// compare runs fn on both kinds of hops in turns, so that whatever else the
// machine does weighs on both, and reports the median turn of each.
func compare(b *testing.B, fn func(h hops, n int)) {
	const turns = 31
	for _, n := range []int{1, 5, 10} {
		b.Run(fmt.Sprintf("processors=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			baseline, ours := channelHops(n), processorHops(b, n)
			defer baseline.stop()
			defer ours.stop()
			each := max(1, b.N/turns)
			fn(baseline, 100)
			fn(ours, 100)
			var bare, took []float64
			b.ResetTimer()
			for range turns {
				begin := time.Now()
				fn(baseline, each)
				middle := time.Now()
				fn(ours, each)
				took = append(took, float64(time.Since(middle).Nanoseconds())/float64(each))
				bare = append(bare, float64(middle.Sub(begin).Nanoseconds())/float64(each))
			}
			b.StopTimer()
			slices.Sort(bare)
			slices.Sort(took)
			b.ReportMetric(0, "ns/op") // it would mix the two
			b.ReportMetric(bare[turns/2], "channels-ns")
			b.ReportMetric(took[turns/2], "processors-ns")
			b.ReportMetric(took[turns/2]/bare[turns/2], "ratio")
		})
	}
}

// nobody is an observer that looks at nothing.
type nobody struct{}

func (nobody) Observe([]pipeline.Event) {}

// BenchmarkWaysThroughFiveProcessors measures what inline processors save and
// what an observer costs, with 64 frames in flight, beside plain processors.
func BenchmarkWaysThroughFiveProcessors(b *testing.B) {
	five := func(make func() pipeline.Processor) (row []pipeline.Processor) {
		for range 4 {
			row = append(row, make())
		}
		return row
	}
	plain := func() pipeline.Processor { return &pass{} }
	for _, way := range []struct {
		name string
		cfg  pipeline.Config
		row  []pipeline.Processor
	}{
		{"plain", pipeline.Config{}, five(plain)},
		{"inline", pipeline.Config{}, five(func() pipeline.Processor { return pipeline.Inline(plain()) })},
		{"on", pipeline.Config{}, five(func() pipeline.Processor {
			return pipeline.On(func(ctx context.Context, f *frames.AudioOutput, dir frames.Direction, out *pipeline.Port) error {
				return out.Send(ctx, f, dir)
			})
		})},
		{"observed", pipeline.Config{Observers: []pipeline.Observer{nobody{}}}, five(plain)},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			h := run(b, way.cfg, way.row...)
			defer h.stop()
			f := &frames.Text{}
			for range inFlight {
				h.send(f)
			}
			for b.Loop() {
				<-h.out
				h.send(f)
			}
			for range inFlight {
				<-h.out
			}
		})
	}
}

// stuck is in one call for as long as the benchmark lasts, deaf to its context.
type stuck struct{ until chan struct{} }

func (s *stuck) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Text); ok {
		<-s.until
	}
	return out.Send(ctx, f, dir)
}

// player is an output that plays chunks in real time, each to its end.
type player struct {
	chunk time.Duration
	left  chan time.Time // when a chunk has left
}

func (p *player) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.AudioOutput); ok {
		time.Sleep(p.chunk)
		p.left <- time.Now()
		return nil
	}
	return out.Send(ctx, f, dir)
}

// BenchmarkInterruption measures the time from the call to the last old frame
// that leaves the output, with 1,000 frames queued and a processor stuck in a
// call. Its baseline is the physical limit: the one chunk which is being played.
// The time is counted in chunks of 20 ms and holds what the machine's timers are
// late; the number of old chunks does not.
func BenchmarkInterruption(b *testing.B) {
	const chunk = 20 * time.Millisecond
	var calls, lasts []float64
	most := 0
	for range b.N {
		call, last, old := interruption(b, chunk)
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
	b.ReportMetric(float64(most), "old-chunks-max")
	b.ReportMetric(1, "limit-chunks")
}

func interruption(b *testing.B, chunk time.Duration) (call, last time.Duration, old int) {
	ctx := context.Background()
	hang := &stuck{until: make(chan struct{})}
	play := &player{chunk: chunk, left: make(chan time.Time, 1000)}
	p := pipeline.New(pipeline.Config{QueueSize: 500}, &pass{}, hang, &pass{}, play)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	send := func(f frames.Frame) {
		if err := p.Send(ctx, f); err != nil {
			b.Fatal(err)
		}
	}
	for range 500 { // in front of the output
		send(&frames.AudioOutput{})
	}
	for p.Stats()[3].Ordered.Depth < 495 {
		time.Sleep(time.Millisecond)
	}
	send(&frames.Text{}) // sticks
	for range 500 {      // in front of the stuck processor
		send(&frames.AudioOutput{})
	}
	<-play.left

	begin := time.Now()
	p.Interrupt("benchmark")
	call = time.Since(begin)
	time.Sleep(5 * chunk)
	for {
		select {
		case at := <-play.left:
			if at.After(begin) {
				last = max(last, at.Sub(begin))
				old++
			}
			continue
		default:
		}
		break
	}
	close(hang.until)
	p.Cancel("the benchmark is over", nil)
	if err := <-done; err != nil {
		b.Error(err)
	}
	return call, last, old
}
