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
// flight, through processors and through bare channels.
func BenchmarkFrameThroughProcessors(b *testing.B) { withBaseline(b, stream) }

// BenchmarkRoundThroughProcessors measures the time per round, one frame at a
// time, through processors and through bare channels.
func BenchmarkRoundThroughProcessors(b *testing.B) { withBaseline(b, rounds) }

// rounds sends frames one at a time.
func rounds(h hops, fs []frames.Text) {
	for i := range fs {
		h.send(&fs[i])
		<-h.out
	}
}

// stream sends frames with as many in flight as there may be.
func stream(h hops, fs []frames.Text) {
	flying := 0
	for i := range fs {
		if flying == inFlight {
			<-h.out
			flying--
		}
		h.send(&fs[i])
		flying++
	}
	for range flying {
		<-h.out
	}
}

func withBaseline(b *testing.B, fn func(hops, []frames.Text)) {
	for _, n := range []int{1, 5, 10} {
		b.Run(fmt.Sprintf("processors=%d", n), func(b *testing.B) {
			took := takeTurns(b, fn, channelHops(n), processorHops(b, n))
			b.ReportMetric(took[0], "channels-ns")
			b.ReportMetric(took[1], "processors-ns")
			b.ReportMetric(took[1]/took[0], "ratio")
		})
	}
}

// takeTurns runs fn on all rivals in turns, so that whatever else the machine
// does weighs on each, stops them, and returns the median turn of each in
// nanoseconds a frame. Every frame is a new one, so that giving it its identity
// is in the figure; making it, which is the sender's affair, is not.
func takeTurns(b *testing.B, fn func(hops, []frames.Text), rivals ...hops) []float64 {
	const turns = 31
	b.ReportAllocs()
	each := max(1, b.N/turns)
	for _, h := range rivals {
		defer h.stop()
		fn(h, make([]frames.Text, 100))
	}
	took := make([][]float64, len(rivals))
	b.ResetTimer()
	for range turns {
		for i, h := range rivals {
			b.StopTimer()
			fs := make([]frames.Text, each)
			b.StartTimer()
			begin := time.Now()
			fn(h, fs)
			took[i] = append(took[i], float64(time.Since(begin).Nanoseconds())/float64(each))
		}
	}
	b.StopTimer()
	b.ReportMetric(0, "ns/op") // it would mix them
	medians := make([]float64, len(rivals))
	for i := range took {
		slices.Sort(took[i])
		medians[i] = took[i][turns/2]
	}
	return medians
}

// nobody is an observer that looks at nothing.
type nobody struct{}

func (nobody) Observe([]pipeline.Event) {}

// BenchmarkWaysThroughFiveProcessors measures what inline processors and On
// save and what an observer costs, beside plain processors.
func BenchmarkWaysThroughFiveProcessors(b *testing.B) {
	b.Run("64 in flight", func(b *testing.B) { compareWays(b, stream) })
	b.Run("one at a time", func(b *testing.B) { compareWays(b, rounds) })
}

func compareWays(b *testing.B, fn func(hops, []frames.Text)) {
	four := func(make func() pipeline.Processor) (row []pipeline.Processor) {
		for range 4 {
			row = append(row, make())
		}
		return row
	}
	plain := func() pipeline.Processor { return &pass{} }
	on := func() pipeline.Processor {
		return pipeline.On(func(ctx context.Context, f *frames.AudioOutput, dir frames.Direction, out *pipeline.Port) error {
			return out.Send(ctx, f, dir)
		})
	}
	inline := func(of func() pipeline.Processor) func() pipeline.Processor {
		return func() pipeline.Processor { return pipeline.Inline(of()) }
	}
	ways := []string{"plain", "inline", "on", "inline-on", "observed"}
	took := takeTurns(b, fn,
		run(b, pipeline.Config{}, four(plain)...),
		run(b, pipeline.Config{}, four(inline(plain))...),
		run(b, pipeline.Config{}, four(on)...),
		run(b, pipeline.Config{}, four(inline(on))...),
		run(b, pipeline.Config{Observers: []pipeline.Observer{nobody{}}}, four(plain)...))
	for i, way := range ways {
		b.ReportMetric(took[i], way+"-ns")
	}
}
