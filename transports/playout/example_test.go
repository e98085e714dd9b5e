package playout_test

import (
	"context"
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/transports/playout"
)

// A transport of one's own: what it does with 20 ms of audio is all that it has
// to say.
func ExampleNew() {
	loudspeaker := playout.SinkFunc(func(ctx context.Context, c playout.Chunk) error {
		fmt.Printf("%d samples of %v for position %d\n", c.Format.Frames(len(c.Samples)), c.Format, c.Position)
		return nil
	})
	output := playout.New(playout.Config{Format: audio.Mono(audio.Rate48k)}, loudspeaker)
	fmt.Println(output.Name(), output.Format()) // the last processor of a pipeline
	// Output: output 48 kHz mono
}
