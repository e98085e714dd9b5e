// Transport is a transport of its own: the caller types lines on standard
// input, each character becoming a beep, and the agent's voice is drawn on
// standard output as a level meter.
package main

import (
	"bufio"
	"context"
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
type Typewriter struct {
	in  io.Reader
	out io.Writer
}

// Input returns the processor that makes audio of what is typed.
func (t Typewriter) Input() pipeline.Processor { return input{t.in} }

// Output returns the processor that shows what the agent says. All that has to
// be told to package playout is what to do with a chunk when its time has come.
func (t Typewriter) Output() pipeline.Processor {
	return playout.New(playout.Config{Chunk: beepLength}, meter{t.out})
}

const beepLength = 100 * time.Millisecond

type input struct{ from io.Reader }

// Run sends a beep for each letter in real time, as a microphone would, which
// hears silence while nobody types. It hangs up at the end of the input, and
// returns as soon as ctx is over, whatever it waits for.
func (in input) Run(ctx context.Context, out *pipeline.Port) error {
	lines, failed := make(chan string), make(chan error, 1)
	go in.read(ctx, lines, failed)

	var waiting []rune
	var position audio.Position
	start := time.Now()
	for k := time.Duration(1); ; k++ {
		select {
		case <-time.After(time.Until(start.Add(k * beepLength))): // absolute, so that nothing drifts
		case <-ctx.Done():
			return nil
		}
		if len(waiting) == 0 {
			select {
			case line, more := <-lines:
				if !more {
					if err := <-failed; err != nil {
						return fmt.Errorf("read what is typed: %w", err)
					}
					return out.Send(ctx, &frames.End{Reason: "end of input"}, frames.Downstream)
				}
				waiting = []rune(line)
			default:
			}
		}
		letter := ' '
		if len(waiting) > 0 {
			letter, waiting = waiting[0], waiting[1:]
		}
		f := &frames.AudioInput{Audio: frames.Audio{
			Format: audio.Mono(audio.Rate16k), Samples: beep(letter), Track: "typewriter", Position: position,
		}}
		position = f.End()
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
	}
}

// read has a goroutine of its own, because nothing can call it back from a
// terminal: Run must not wait for it. What can be closed, such as a connection,
// is better closed when ctx is over, and its reader waited for.
func (in input) read(ctx context.Context, lines chan<- string, failed chan<- error) {
	defer close(lines)
	defer close(failed)
	scanner := bufio.NewScanner(in.from)
	for scanner.Scan() {
		select {
		case lines <- scanner.Text():
		case <-ctx.Done():
			return
		}
	}
	failed <- scanner.Err()
}

// Process passes everything on.
func (in input) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Interruption); ok {
		return nil
	}
	return out.Send(ctx, f, dir)
}

// beep is a moment of a tone, a higher one for later letters; a blank is silent.
func beep(letter rune) []int16 {
	samples := make([]int16, audio.Rate16k.Samples(beepLength))
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
type meter struct{ to io.Writer }

// Play is called when it is time for the chunk to be heard.
func (m meter) Play(_ context.Context, c playout.Chunk) error {
	if audio.IsSilent(c.Samples) {
		return nil
	}
	_, err := fmt.Fprintln(m.to, strings.Repeat("▮", int(60+audio.RMS(c.Samples))))
	return err
}

// parrot is an agent that repeats what it hears.
func parrot() pipeline.Processor {
	return pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		a := frames.Audio{Format: f.Format, Samples: f.Samples, Track: "parrot", Position: f.Position}
		return out.Send(ctx, &frames.AudioOutput{Audio: a}, dir)
	})
}

func main() {
	t := Typewriter{in: strings.NewReader("hello world\n"), out: os.Stdout}
	if len(os.Args) > 1 && os.Args[1] == "-" {
		fmt.Println("(type something; end with Ctrl-D)")
		t.in = os.Stdin
	}
	if err := pipeline.Run(context.Background(), t.Input(), parrot(), t.Output()); err != nil {
		log.Fatal(err)
	}
}
