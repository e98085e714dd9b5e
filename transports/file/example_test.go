package file_test

import (
	"context"
	"fmt"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/file"
)

// A recorded caller talks to an echo, and the conversation is written: the caller
// on the left, what came back on the right.
func Example() {
	call, err := file.New(file.Config{Input: "caller.wav", Output: "conversation.wav"})
	if err != nil {
		fmt.Println(err)
		return
	}
	echo := pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		return out.Send(ctx, &frames.AudioOutput{Audio: f.Audio}, dir)
	})
	if err := pipeline.Run(context.Background(), call.Input(), echo, call.Output()); err != nil {
		fmt.Println(err)
	}
	// Output: open caller.wav: no such file or directory: check the path
}
