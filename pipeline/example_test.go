package pipeline_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// A processor is a function or a struct with one method. Here a source sends
// two texts and an end, a function changes them, and a sink prints them.
func Example() {
	shout := pipeline.On(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
		return out.Send(ctx, &frames.Text{Text: strings.ToUpper(f.Text)}, dir)
	})
	if err := pipeline.Run(context.Background(), source{"hello", "goodbye"}, shout, sink{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// HELLO
	// GOODBYE
}

// source sends its texts when everybody has started, and then ends the run.
type source []string

func (source) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (s source) Run(ctx context.Context, out *pipeline.Port) error {
	for _, text := range s {
		if err := out.Send(ctx, &frames.Text{Text: text}, frames.Downstream); err != nil {
			return err
		}
	}
	return out.Send(ctx, &frames.End{Reason: "nothing left to say"}, frames.Downstream)
}

// sink prints texts.
type sink struct{}

func (sink) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if text, ok := f.(*frames.Text); ok {
		fmt.Println(text.Text)
		return nil
	}
	return out.Send(ctx, f, dir)
}

// Sentiment is a frame of the user's own: any struct that embeds one of the
// three bases is a frame, and flows like a built-in one.
type Sentiment struct {
	frames.Data
	Score float64 // −1 … +1
}

func (s *Sentiment) String() string { return fmt.Sprintf("Sentiment(%+.1f)", s.Score) }

func Example_frameOfYourOwn() {
	judge := pipeline.On(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
		score := 0.5
		if strings.Contains(f.Text, "not") {
			score = -0.5
		}
		if err := out.Send(ctx, &Sentiment{Score: score}, dir); err != nil {
			return err
		}
		return out.Send(ctx, f, dir)
	})
	print := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		switch f.(type) {
		case *frames.Text, *Sentiment:
			fmt.Println(f)
			return nil
		}
		return out.Send(ctx, f, dir)
	})
	if err := pipeline.Run(context.Background(), source{"I like it", "I do not"}, judge, print); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Sentiment(+0.5)
	// Text("I like it")
	// Sentiment(-0.5)
	// Text("I do not")
}

func ExampleSwitch() {
	answer := func(name string, works bool) pipeline.Processor {
		return pipeline.On(func(ctx context.Context, f *frames.Text, dir frames.Direction, out *pipeline.Port) error {
			if !works {
				return pipeline.Fatal(fmt.Errorf("%s is out of service", name))
			}
			return out.Send(ctx, &frames.Text{Text: name + " answers: " + f.Text}, dir)
		})
	}
	p := pipeline.New(
		pipeline.Config{OnError: func(f *frames.Error) { fmt.Println("error:", f.Err) }},
		source{"hello"}, pipeline.Switch(pipeline.SwitchConfig{Name: "voice"}, answer("first", false), answer("second", true)), sink{})
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// error: voice goes on with On[*frames.Text]#2 after On[*frames.Text] failed: first is out of service
}
