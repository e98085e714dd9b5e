// Frame sends a frame type of its own through a pipeline: one processor makes
// it of what the caller said, another one, which could have been written by
// somebody else, acts on it.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/parley-go/parley/examples/frame/mood"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	// Adds a Mood behind each transcription.
	feel := pipeline.On(func(ctx context.Context, t *frames.Transcription, dir frames.Direction, out *pipeline.Port) error {
		if err := out.Send(ctx, t, dir); err != nil {
			return err
		}
		return out.Send(ctx, &mood.Mood{Score: score(t.Text)}, dir)
	})

	// Knows the type, and nothing of who made it.
	care := pipeline.On(func(ctx context.Context, m *mood.Mood, dir frames.Direction, out *pipeline.Port) error {
		if m.Score < 0 {
			fmt.Println(m, "→ hand over to a colleague")
		} else {
			fmt.Println(m, "→ carry on")
		}
		return out.Send(ctx, m, dir)
	})

	return pipeline.Run(ctx, caller("What a lovely bike!", "This is the worst service ever."), feel, care)
}

// caller says some sentences and hangs up.
type lines []string

func caller(sentences ...string) lines { return sentences }

// Run sends the sentences.
func (l lines) Run(ctx context.Context, out *pipeline.Port) error {
	for _, s := range l {
		if err := out.Send(ctx, &frames.Transcription{Text: s}, frames.Downstream); err != nil {
			return err
		}
	}
	return out.Send(ctx, &frames.End{Reason: "the caller hung up"}, frames.Downstream)
}

// Process passes everything on.
func (l lines) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func score(text string) float64 {
	switch text = strings.ToLower(text); {
	case strings.Contains(text, "worst"):
		return -0.8
	case strings.Contains(text, "lovely"):
		return 0.9
	}
	return 0
}
