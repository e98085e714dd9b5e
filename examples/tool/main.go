// Tool gives the agent a Go function to call.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/tool"
)

// Order is what the model has to fill in. The JSON Schema that it sees is
// derived from this type.
type Order struct {
	Item     string `json:"item" jsonschema:"what the caller wants"`
	Quantity int    `json:"quantity" jsonschema:"how many"`
}

// Receipt is what it gets back.
type Receipt struct {
	Number int     `json:"number"`
	Total  float64 `json:"total"`
}

func placeOrder(_ context.Context, o Order) (Receipt, error) {
	if o.Quantity > 10 {
		// The model reads this, and tells the caller.
		return Receipt{}, fmt.Errorf("we have only 10 of %s", o.Item)
	}
	return Receipt{Number: 4711, Total: 2.5 * float64(o.Quantity)}, nil
}

func main() {
	order := tool.Must(tool.New("place_order", "Places an order and returns its number and price.", placeOrder))

	// The emulator stands in for a model that decides to call the tool.
	emulator := sonictest.NewServer(sonictest.Config{Brain: sonictest.BrainFunc(
		func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
			if turn.Kind == sonictest.ToolResults {
				return sonictest.Say("Done: " + turn.Latest.Content)
			}
			return sonictest.Call("place_order", `{"item":"rolls","quantity":4}`)
		})})
	if err := emulator.StartPipe(); err != nil {
		log.Fatal(err)
	}
	defer emulator.Close()
	service := emulator.AWSConfig()

	// Prints what happens, and hangs up after the answer.
	show := pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		switch f := f.(type) {
		case *frames.FunctionCall:
			fmt.Printf("the model calls %s(%s)\n", f.Name, f.Arguments)
		case *frames.FunctionCallResult:
			fmt.Printf("it returns %s\n", f.Result)
		case *frames.LLMText:
			fmt.Printf("the agent says %q\n", f.Text)
		case *frames.LLMResponseEnd:
			return out.Send(ctx, &frames.End{Reason: "that was all"}, frames.Upstream)
		case *frames.Interruption:
			return nil
		}
		return out.Send(ctx, f, dir)
	})

	p := pipeline.New(pipeline.Config{}, novasonic.New(novasonic.Config{AWS: &service, Tools: tool.Set{order}}), show)
	go p.Send(context.Background(), &frames.Text{Text: "Four rolls, please."})
	if err := p.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
