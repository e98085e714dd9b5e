// Package othermodule is a module of its own, as a user's would be.
package othermodule

import (
	"context"
	"fmt"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// Mood is a frame type that Parley knows nothing of.
type Mood struct {
	frames.Data
	Score float64 // −1 is furious, +1 delighted
}

func (m *Mood) String() string { return fmt.Sprintf("Mood(%+.1f)", m.Score) }

// A frame of another module flows like a built-in one: it takes its class and
// its identity from the base that it embeds.
func Example() {
	double := pipeline.On(func(ctx context.Context, m *Mood, dir frames.Direction, out *pipeline.Port) error {
		return out.Send(ctx, &Mood{Score: 2 * m.Score}, dir)
	})
	show := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		if f.Class() == frames.DataClass {
			fmt.Println(f)
		}
		return out.Send(ctx, f, dir)
	})
	p := pipeline.New(pipeline.Config{}, double, show)
	go func() {
		p.Send(context.Background(), &frames.Text{Text: "What a day!"})
		p.Send(context.Background(), &Mood{Score: 0.4})
		p.End("that was all")
	}()
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Text("What a day!")
	// Mood(+0.8)
}
