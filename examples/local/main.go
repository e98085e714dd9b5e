// Local is a voice agent on this machine: its microphone and its loudspeaker at
// the ends of the pipeline, and Nova Sonic in the middle.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/filter"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/script"
	"github.com/parley-go/parley/testdata/calls"
	"github.com/parley-go/parley/transports/local"
)

// alone is how long a call lasts that nobody takes part in.
const alone = 8 * time.Second

func main() {
	null := flag.Bool("null", false, "use no devices, and end after a few seconds")
	headphones := flag.Bool("headphones", false, "let the agent be interrupted, which works if the microphone cannot hear it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if _, err := talk(ctx, *null, *headphones); err != nil {
		log.Fatal(err)
	}
}

// talk holds a call until ctx is over, and returns what the devices did.
func talk(ctx context.Context, null, headphones bool) (local.Stats, error) {
	mic, err := local.New(local.Config{Null: null})
	if errors.Is(err, local.ErrNoDevice) || errors.Is(err, local.ErrNoCgo) {
		log.Printf("%v; this goes on without devices", err)
		null = true
		mic, err = local.New(local.Config{Null: true})
	}
	if err != nil {
		return local.Stats{}, err
	}

	shop, err := script.Load(calls.Files, "bikeshop.yaml") // who answers, and what they know
	if err != nil {
		return local.Stats{}, err
	}
	emulator := sonictest.NewServer(sonictest.Config{Brain: shop.Brain(), Library: shop.Library()})
	if err := emulator.StartPipe(); err != nil {
		return local.Stats{}, err
	}
	defer emulator.Close()
	service := emulator.AWSConfig() // to talk to AWS, leave the emulator and the AWS field out

	row := []pipeline.Processor{mic.Input()}
	if !headphones {
		// The loudspeaker is heard by the microphone: while the agent speaks, that is closed.
		row = append(row, filter.NewHalfDuplex(filter.HalfDuplexConfig{}))
	}
	row = append(row,
		novasonic.New(novasonic.Config{AWS: &service, Instructions: "You are a friendly, concise voice assistant.", SpeakFirst: "Greet the caller."}),
		pipeline.On(changed),
		mic.Output(),
	)
	p := pipeline.New(pipeline.Config{}, row...)
	hangUp := context.AfterFunc(ctx, func() { p.End("Ctrl-C") })
	defer hangUp()
	if null {
		timer := time.AfterFunc(alone, func() { p.End("nobody is there") })
		defer timer.Stop()
	} else {
		log.Println("talk; Ctrl-C ends the call")
	}
	err = p.Run(context.Background())
	heard := mic.Output().Stats()
	log.Printf("the agent spoke for %v", heard.Format.Rate.Duration(heard.Speech).Round(100*time.Millisecond))
	return mic.Stats(), err
}

// changed tells of devices that are unplugged, and plugged in again.
func changed(ctx context.Context, f *local.Change, dir frames.Direction, out *pipeline.Port) error {
	if dir == frames.Downstream {
		fmt.Println(f)
	}
	return out.Send(ctx, f, dir)
}
