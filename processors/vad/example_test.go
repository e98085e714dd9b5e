package vad_test

import (
	"context"
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/processors/vad"
)

// A recording is sent through a pipeline, faster than real time; what is said of
// speech is printed.
func Example() {
	recording, err := audiofile.Open("../../testdata/calls/bargein.wav")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer recording.Close()
	show := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		switch f := f.(type) {
		case *frames.VADStarted:
			fmt.Printf("speech from %.1f s", seconds(f.Position, f.Rate))
		case *frames.VADStopped:
			fmt.Printf(" to %.1f s\n", seconds(f.Position, f.Rate))
		}
		return out.Send(ctx, f, dir)
	})
	p := pipeline.New(pipeline.Config{}, vad.New(vad.Config{}), show)
	go func() {
		defer p.End("that was all")
		var at audio.Position
		for {
			samples := make([]int16, 1600)
			n, err := recording.Read(samples)
			if n == 0 || err != nil {
				return
			}
			p.Send(context.Background(), &frames.AudioInput{Audio: frames.Audio{
				Format: recording.Format(), Track: "caller", Position: at, Samples: samples[:n],
			}})
			at += audio.Position(n)
		}
	}()
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// speech from 1.0 s to 3.9 s
	// speech from 11.4 s to 14.6 s
	// speech from 19.4 s to 20.8 s
	// speech from 26.3 s to 28.7 s
}

func seconds(p audio.Position, rate audio.SampleRate) float64 {
	return rate.Duration(int64(p)).Seconds()
}

// A recording is judged without a pipeline, and the probability of each window
// kept for a plot.
func ExampleDetector() {
	var plot []float32
	d, err := vad.NewDetector(vad.Config{
		Params:  vad.Params{Confidence: 0.5},
		Observe: func(w vad.Window) { plot = append(plot, w.Probability) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	silence := frames.Audio{Format: audio.Mono(audio.Rate16k), Samples: make([]int16, 16000)}
	events, err := d.Detect(nil, &silence)
	fmt.Println(len(plot), "windows,", len(events), "events,", err)
	// Output: 31 windows, 0 events, <nil>
}
