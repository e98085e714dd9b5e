// Transport is a transport of its own: the caller types lines on standard
// input, each character becoming a beep, and the agent's voice is drawn on
// standard output as a level meter.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

// Typewriter is a transport: Input is its source, Output its sink.
type Typewriter struct{ in io.Reader }

// Input returns the processor that makes audio of what is typed.
func (t Typewriter) Input() pipeline.Processor { return input{t.in} }

// Output returns the processor that shows what the agent says. All that has to
// be told to package playout is what to do with a chunk when its time has come.
func (t Typewriter) Output() pipeline.Processor {
	return playout.New(playout.Config{Chunk: 100 * time.Millisecond}, meter{})
}

type input struct{ from io.Reader }

// Run reads lines until the end, and hangs up.
func (in input) Run(ctx context.Context, out *pipeline.Port) error {
	var position audio.Position
	lines := bufio.NewScanner(in.from)
	for lines.Scan() {
		for _, letter := range lines.Text() {
			f := &frames.AudioInput{Audio: frames.Audio{
				Format: audio.Mono(audio.Rate16k), Samples: beep(letter), Track: "typewriter", Position: position,
			}}
			position = f.End()
			if err := out.Send(ctx, f, frames.Downstream); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read what is typed: %w", err)
	}
	return out.Send(ctx, &frames.End{Reason: "end of input"}, frames.Downstream)
}

// Process passes everything on.
func (in input) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Interruption); ok {
		return nil
	}
	return out.Send(ctx, f, dir)
}

// beep is 100 ms of a tone, a higher one for later letters; a blank is silent.
func beep(letter rune) []int16 {
	samples := make([]int16, audio.Rate16k/10)
	if letter == ' ' {
		return samples
	}
	hz := 300 + 20*float64(letter%64)
	for i := range samples {
		samples[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/float64(audio.Rate16k)))
	}
	return samples
}

// meter draws the loudness of each chunk.
type meter struct{}

// Play is called when it is time for the chunk to be heard.
func (meter) Play(_ context.Context, c playout.Chunk) error {
	if audio.IsSilent(c.Samples) {
		return nil
	}
	fmt.Println(strings.Repeat("▮", int(60+audio.RMS(c.Samples))))
	return nil
}

func main() {
	t := Typewriter{in: strings.NewReader("hello world\n")}
	if len(os.Args) > 1 && os.Args[1] == "-" {
		fmt.Println("(type something; end with Ctrl-D)")
		t.in = os.Stdin
	}
	// An agent that repeats what it hears, one octave of politeness lower.
	var said audio.Position
	parrot := pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		a := &frames.AudioOutput{Audio: frames.Audio{Format: f.Format, Samples: f.Samples, Track: "parrot", Position: said}}
		said = a.End()
		return out.Send(ctx, a, dir)
	})
	if err := pipeline.Run(context.Background(), t.Input(), parrot, t.Output()); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}
