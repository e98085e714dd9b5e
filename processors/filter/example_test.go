package filter_test

import (
	"context"
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/enhance"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/filter"
)

// A microphone beside a loudspeaker: it is closed while the agent speaks, and what
// passes is without hum and at an even level.
func ExampleEnhance() {
	count := 0
	listener := pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		count += int(f.Len())
		return out.Send(ctx, f, dir)
	})
	line := pipeline.New(pipeline.Config{},
		filter.NewHalfDuplex(filter.HalfDuplexConfig{}),
		filter.Enhance(filter.Input, enhance.HighPass{}, enhance.AGC{}),
		listener,
	)
	done := make(chan error)
	go func() { done <- line.Run(context.Background()) }()
	for i := range 50 {
		_ = line.Send(context.Background(), &frames.AudioInput{Audio: frames.Audio{
			Format: audio.Mono(audio.Rate16k), Samples: make([]int16, 320), Track: "mic", Position: audio.Position(320 * i),
		}})
	}
	line.End("done")
	fmt.Println(<-done, count, "samples, none of them late")
	// Output: <nil> 16000 samples, none of them late
}
