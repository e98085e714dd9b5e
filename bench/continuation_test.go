//go:build unix

package bench

import (
	"context"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/virtualtime"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// talkative is a caller who says something every half a minute, in frames of
// 20 ms, for a while.
type talkative struct{ long time.Duration }

func (*talkative) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (c *talkative) Run(ctx context.Context, out *pipeline.Port) error {
	const n = 320
	words := hearing.Speak(audio.Rate16k, "1234")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for at := audio.Position(0); audio.Rate16k.Duration(int64(at)) < c.long; at += n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		samples := make([]int16, n)
		if from := int(int64(at) % int64(30*audio.Rate16k)); from < len(words) {
			copy(samples, words[from:])
		}
		f := &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(audio.Rate16k), Track: "caller", Position: at, Samples: samples}}
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return nil
		}
	}
	return out.Send(ctx, &frames.End{Reason: "said all"}, frames.Downstream)
}

// converse holds a conversation in virtual time and returns what it cost, and
// how many streams it took. The emulator runs in the same process, and never
// ends a stream: whether to move is the processor's affair.
func converse(b *testing.B, long time.Duration, moves novasonic.Continuation) (cpu time.Duration, streams int) {
	b.Helper()
	began := cpuTime(b)
	err := virtualtime.Run(func() error {
		srv := sonictest.NewServer(sonictest.Config{
			Seed: 1, Limits: sonictest.Limits{Life: -1, Events: -1, Ahead: -1}, KeepStreams: -1,
			Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, t sonictest.Turn) sonictest.Answer {
				return sonictest.Say("You said " + t.Text + ".")
			}),
		})
		if err := srv.StartPipe(); err != nil {
			return err
		}
		defer srv.Close()
		cfg := srv.AWSConfig()
		sonic := novasonic.New(novasonic.Config{AWS: &cfg, Continuation: moves})
		err := pipeline.New(pipeline.Config{}, &talkative{long}, sonic, realOutput(new(departures))).Run(context.Background())
		streams = sonic.Stats().Streams
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return cpuTime(b) - began, streams
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkContinuation holds an hour of conversation that moves from stream to
// stream as it must, and one that stays on a single stream, by turns. The CPU
// time is that of both ends, emulator included, so the moves' share of the
// processor's own is about twice the difference. On one core: the collector's
// time on cores that are idle would be counted, and costs nobody anything.
func BenchmarkContinuation(b *testing.B) {
	var moving, staying, ratios []float64
	streams := 0
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for i := range b.N {
		var stay, move time.Duration
		for turn := range 2 { // neither is always the first
			if (i+turn)%2 == 0 {
				stay, _ = converse(b, time.Hour, novasonic.Continuation{Prepare: -1})
			} else {
				move, streams = converse(b, time.Hour, novasonic.Continuation{})
			}
		}
		moving, staying = append(moving, move.Seconds()), append(staying, stay.Seconds())
		ratios = append(ratios, move.Seconds()/stay.Seconds())
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	b.ReportMetric(median(moving), "cpu-s/hour")
	b.ReportMetric(median(staying), "cpu-s/hour-on-one-stream")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(float64(streams), "streams")
	b.ReportMetric(0, "ns/op")
}
