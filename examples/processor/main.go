// Processor is a custom processor in a pipeline of two: it stars out card
// numbers before anybody else sees them.
package main

import (
	"context"
	"fmt"
	"os"
	"regexp"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// Redact is a processor: a struct with one method. Frames that it does not
// know it passes on.
type Redact struct{ Pattern *regexp.Regexp }

// Process handles one frame.
func (r Redact) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if t, ok := f.(*frames.Text); ok {
		f = &frames.Text{Text: r.Pattern.ReplaceAllString(t.Text, "****"), Instruction: t.Instruction}
	}
	return out.Send(ctx, f, dir)
}

func main() {
	print := pipeline.On(func(ctx context.Context, t *frames.Text, dir frames.Direction, out *pipeline.Port) error {
		fmt.Println(t.Text)
		return out.Send(ctx, t, dir)
	})
	p := pipeline.New(pipeline.Config{}, Redact{regexp.MustCompile(`\d{4,}`)}, print)

	go func() {
		p.Send(context.Background(), &frames.Text{Text: "My card is 4929123456781234, thanks."})
		p.End("that was all")
	}()
	if err := p.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
