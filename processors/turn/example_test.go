package turn_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/turn"
)

// What a detector tells becomes a turn.
func Example() {
	show := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		switch f.(type) {
		case *frames.UserStartedSpeaking, *frames.UserStoppedSpeaking:
			fmt.Println(f)
		}
		return out.Send(ctx, f, dir)
	})
	p := pipeline.New(pipeline.Config{}, turn.New(turn.Config{End: turn.Silence(0)}), show)
	go func() {
		p.Send(context.Background(), &frames.VADStarted{Track: "caller", Position: 16000, Rate: 16000})
		p.Send(context.Background(), &frames.VADStopped{Track: "caller", Position: 40000, Rate: 16000})
		p.End("that was all")
	}()
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// UserStartedSpeaking(@16000)
	// UserStoppedSpeaking(@40000)
}

// A model of one's own may be as simple as this one.
func ExampleSemantic() {
	fullStop := turn.EndOfTurnFunc(func(ctx context.Context, u turn.Utterance) (float64, error) {
		if strings.HasSuffix(u.Text, ".") || strings.HasSuffix(u.Text, "?") {
			return 1, nil
		}
		return 0, nil // the caller may go on
	})
	turns := turn.New(turn.Config{
		End: turn.Semantic(turn.SemanticConfig{Model: fullStop, Patience: 2 * time.Second}),
	})
	fmt.Println(turns.Name())
	// Output: turn
}

// A condition of one's own: nobody interrupts in the first ten seconds.
func ExampleFunc() {
	ten := turn.Func(func(f *turn.Facts) (bool, time.Duration) {
		return f.Since(0, 10*time.Second)
	})
	turns := turn.New(turn.Config{Interrupt: ten, Barred: turn.Ignore})
	fmt.Println(turns.Name())
	// Output: turn
}

// A wrong configuration says what is wrong, where, and how to mend it.
func ExampleConfig() {
	turns := turn.New(turn.Config{Start: turn.Any(turn.Pressed(), turn.Words(0))})
	fmt.Println(pipeline.New(pipeline.Config{}, turns).Run(context.Background()))
	// Output: pipeline: turn: start: configure turn: Start: Any[1]: Words(0): at least 1 word can be asked for; use Voice() to ask for none
}
