package novasonic_test

import (
	"context"
	"fmt"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// A typed question, answered by the emulator. Without the AWS field the service
// answers, with credentials and region from the environment.
func Example() {
	emulator := sonictest.NewServer(sonictest.Config{Brain: sonictest.Sequence(sonictest.Say("Good morning!"))})
	if err := emulator.StartPipe(); err != nil {
		fmt.Println(err)
		return
	}
	defer emulator.Close()
	aws := emulator.AWSConfig()

	show := pipeline.On(func(ctx context.Context, f *frames.LLMText, dir frames.Direction, out *pipeline.Port) error {
		fmt.Println(f.Text)
		return out.Send(ctx, f, dir)
	})
	p := pipeline.New(pipeline.Config{}, novasonic.New(novasonic.Config{AWS: &aws}), show)
	go func() {
		p.Send(context.Background(), &frames.Text{Text: "Hello?"})
		p.End("that was all") // waits for the answer
	}()
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: Good morning!
}

func ExampleVoices() {
	for _, v := range novasonic.Voices(novasonic.ModelV2)[:3] {
		fmt.Println(v.ID, v.Languages, v.Polyglot)
	}
	// Output:
	// tiffany [en-US] true
	// matthew [en-US] true
	// amy [en-GB] false
}
