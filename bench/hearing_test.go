package bench

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/audio/enhance"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/filter"
	"github.com/parley-go/parley/processors/keypad"
)

// microsPerSecond runs f, which deals with one second of audio, and reports the
// microseconds of a core that it takes: of the fastest run, as perSecond does.
func microsPerSecond(b *testing.B, f func()) {
	b.ReportAllocs()
	f() // the tables and buffers of the first time
	fastest := time.Duration(math.MaxInt64)
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		f()
		fastest = min(fastest, time.Since(start))
	}
	b.ReportMetric(float64(fastest)/1e3, "µs/s")
}

// callerSecond is a second in the middle of a caller's sentence.
func callerSecond(b *testing.B, rate audio.SampleRate) []int16 {
	b.Helper()
	all, native := decode(b, "bargein.wav")
	all = all[:5*native]
	loudest, at := math.Inf(-1), 0
	second := int(native)
	for i := 0; i+second <= len(all); i += second / 10 {
		if l := audio.RMS(all[i : i+second]); l > loudest {
			loudest, at = l, i
		}
	}
	speech := all[at : at+second]
	if rate == native {
		return speech
	}
	re, err := audio.NewResampler(native, rate, 1)
	if err != nil {
		b.Fatal(err)
	}
	return re.Flush(re.Resample(nil, speech))[:rate]
}

// BenchmarkDTMF measures a second of mono in pieces of 20 ms. The baseline is a
// copy.
func BenchmarkDTMF(b *testing.B) {
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate48k} {
		keys, err := dtmf.Generator{Rate: rate}.Append(nil, "147#5A")
		if err != nil {
			b.Fatal(err)
		}
		det, err := dtmf.NewDetector(rate)
		if err != nil {
			b.Fatal(err)
		}
		buf := make([]int16, 0, 2*rate)
		var events []dtmf.Event
		for _, c := range []struct {
			name    string
			samples []int16
		}{{"speech", callerSecond(b, rate)}, {"keys", keys[:min(len(keys), int(rate))]}, {"silence", make([]int16, rate)}} {
			b.Run(rate.String()+"/detect "+c.name, func(b *testing.B) {
				microsPerSecond(b, func() {
					inPieces(rate, c.samples, func(p []int16) { events = det.Write(events[:0], p) })
				})
			})
		}
		b.Run(rate.String()+"/generate", func(b *testing.B) {
			gen := dtmf.Generator{Rate: rate}
			microsPerSecond(b, func() { buf, _ = gen.Append(buf[:0], "147#5A") })
		})
		b.Run(rate.String()+"/copy", func(b *testing.B) {
			microsPerSecond(b, func() {
				inPieces(rate, keys[:min(len(keys), int(rate))], func(p []int16) { buf = append(buf[:0], p...) })
			})
		})
	}
}

// BenchmarkEnhance measures a second of mono in pieces of 20 ms, as float32. The
// baseline is a copy.
func BenchmarkEnhance(b *testing.B) {
	for _, rate := range []audio.SampleRate{audio.Rate8k, audio.Rate16k, audio.Rate48k} {
		speech := audio.ToFloat32(nil, callerSecond(b, rate))
		piece := int(rate) / 50
		work := make([]float32, piece)
		pieces := func(f func([]float32)) func() {
			return func() {
				for i := 0; i+piece <= len(speech); i += piece {
					copy(work, speech[i:]) // since a filter changes what it is given
					f(work)
				}
			}
		}
		for _, c := range []struct {
			name   string
			stages []enhance.Stage
		}{
			{"high-pass", []enhance.Stage{enhance.HighPass{}}},
			{"high-pass of order 4", []enhance.Stage{enhance.HighPass{Order: 4}}},
			{"gain control", []enhance.Stage{enhance.AGC{}}},
			{"both", []enhance.Stage{enhance.HighPass{}, enhance.AGC{}}},
		} {
			b.Run(rate.String()+"/"+c.name, func(b *testing.B) {
				chain, err := enhance.NewChain(audio.Mono(rate), c.stages...)
				if err != nil {
					b.Fatal(err)
				}
				microsPerSecond(b, pieces(chain.Filter))
			})
		}
		b.Run(rate.String()+"/copy", func(b *testing.B) { microsPerSecond(b, pieces(func([]float32) {})) })
	}
}

// copier is the baseline of processors: a new frame with the same samples.
func copier() pipeline.Processor {
	return pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		a := f.Audio
		a.Samples = append([]int16(nil), a.Samples...)
		return out.Send(ctx, &frames.AudioInput{Audio: a}, dir)
	})
}

// BenchmarkInputFilters measures processors of the caller's audio within a
// pipeline: a second at 16 kHz in frames of 20 ms, sent one by one, each when the
// one before has come out. The baseline copies each frame.
func BenchmarkInputFilters(b *testing.B) {
	speech := callerSecond(b, audio.Rate16k)
	for _, c := range []struct {
		name   string
		make   func() pipeline.Processor
		spoken bool
	}{
		{"keys", func() pipeline.Processor { return keypad.NewDetector(keypad.DetectorConfig{}) }, false},
		{"keys removed", func() pipeline.Processor { return keypad.NewDetector(keypad.DetectorConfig{Remove: true}) }, false},
		{"high-pass", func() pipeline.Processor { return filter.Enhance(filter.Input, enhance.HighPass{}) }, false},
		{"high-pass and gain control", func() pipeline.Processor {
			return filter.Enhance(filter.Input, enhance.HighPass{}, enhance.AGC{})
		}, false},
		{"half duplex, open", func() pipeline.Processor { return filter.NewHalfDuplex(filter.HalfDuplexConfig{}) }, false},
		{"half duplex, closed", func() pipeline.Processor {
			return filter.NewHalfDuplex(filter.HalfDuplexConfig{BreakThrough: -1})
		}, true},
		{"copy", copier, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			came := make(chan audio.Position, 100)
			tail := pipeline.On(func(ctx context.Context, f *frames.AudioInput, _ frames.Direction, _ *pipeline.Port) error {
				came <- f.End()
				return nil
			})
			line := pipeline.New(pipeline.Config{}, c.make(), tail)
			done := make(chan error, 1)
			go func() { done <- line.Run(context.Background()) }()
			send := func(f frames.Frame) {
				if err := line.Send(context.Background(), f); err != nil {
					b.Fatal(err)
				}
			}
			if c.spoken {
				send(&frames.BotStartedSpeaking{})
			}
			position := audio.Position(0)
			microsPerSecond(b, func() {
				inPieces(audio.Rate16k, speech, func(p []int16) {
					f := &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(audio.Rate16k), Samples: p, Track: "caller", Position: position}}
					position = f.End()
					send(f)
					// What is held back never comes to more than 100 ms.
					for heard := audio.Position(-1); heard < position-1600; {
						if position <= 1600 {
							return
						}
						heard = <-came
					}
				})
			})
			line.Cancel("the benchmark is over", nil)
			for range len(came) {
				<-came
			}
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}
