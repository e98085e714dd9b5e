package keypad_test

import (
	"context"
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/dtmf"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/keypad"
)

// caller is a telephone line on which somebody presses keys, and hangs up.
type caller struct{ keys string }

func (c caller) Run(ctx context.Context, out *pipeline.Port) error {
	samples, err := dtmf.Generator{Rate: audio.Rate8k}.Append(make([]int16, 800), c.keys)
	if err != nil {
		return err
	}
	position := audio.Position(0)
	for ; len(samples) >= 160; samples = samples[160:] {
		f := &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(audio.Rate8k), Samples: samples[:160:160], Track: "caller", Position: position}}
		position = f.End()
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
	}
	return out.Send(ctx, &frames.End{}, frames.Downstream)
}

func (caller) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

// A caller types a customer number, which the agent gets as a text.
func Example() {
	printTexts := pipeline.On(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
		fmt.Println(f.Text)
		return out.Send(ctx, f, dir)
	})
	err := pipeline.Run(context.Background(),
		caller{"4711#0"},
		keypad.NewDetector(keypad.DetectorConfig{Remove: true}),
		keypad.NewKeys(keypad.KeysConfig{Prefix: "The caller pressed "}),
		printTexts,
	)
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// The caller pressed 4711#
	// The caller pressed 0
}

// An agent that finds its way through another machine's menu presses a key; on a
// line that can carry nothing but sound, it leaves as a tone.
func ExampleNewDialler() {
	printTones := pipeline.On(func(ctx context.Context, f *frames.AudioOutput, dir frames.Direction, out *pipeline.Port) error {
		fmt.Println(f.Track, f.Format, f.Duration())
		return out.Send(ctx, f, dir)
	})
	line := pipeline.New(pipeline.Config{}, keypad.NewDialler(keypad.DiallerConfig{Rate: audio.Rate8k}), printTones)
	done := make(chan error)
	go func() { done <- line.Run(context.Background()) }()
	_ = line.Send(context.Background(), &frames.DTMFOutput{Digit: '2'})
	line.End("done")
	if err := <-done; err != nil {
		fmt.Println(err)
	}
	// Output: keypad 8 kHz mono 160ms
}
