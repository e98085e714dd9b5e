// Websocket is a call over a WebSocket, both ends of it: an agent that repeats what it
// is told, and a caller who talks to it, or to any other agent of a server of
// Parley's.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

func main() {
	address := flag.String("call", "", "the `address` to call, such as ws://localhost:8080/call; a parrot of our own by default")
	flag.Parse()
	ctx := context.Background()
	if *address == "" {
		parrot, err := serve("127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		defer parrot.close()
		*address = parrot.address
	}
	heard, err := call(ctx, *address, os.Getenv("PARLEY_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("said %v, and heard %v of sound\n", melodyLength, heard.Round(10*time.Millisecond))
}

// parrot is a server whose agent repeats what it hears.
type parrot struct {
	address string
	calls   *websocket.Server
	web     *http.Server
}

// serve answers calls at an address.
func serve(address string) (*parrot, error) {
	calls, err := websocket.NewServer(websocket.Config{}, func(call *websocket.Call) (*pipeline.Pipeline, error) {
		repeat := pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
			return out.Send(ctx, &frames.AudioOutput{Audio: f.Audio}, dir)
		})
		return pipeline.New(pipeline.Config{}, call.Input(), repeat, call.Output()), nil
	})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &parrot{address: "ws://" + listener.Addr().String(), calls: calls, web: &http.Server{Handler: calls, ReadHeaderTimeout: 10 * time.Second}}
	go p.web.Serve(listener) // until it is closed
	return p, nil
}

func (p *parrot) close() {
	p.calls.Shutdown(context.Background()) // it waits for the calls
	p.web.Close()
}

// call plays a melody to whoever answers, and returns how much was heard.
func call(ctx context.Context, address, token string) (heard time.Duration, err error) {
	// A load generator would do this many times over, and change nothing else.
	call, err := websocket.Dial(ctx, address, websocket.DialConfig{Token: token})
	if err != nil {
		return 0, err
	}
	p := &player{}
	if err := pipeline.Run(ctx, call.Input(), p, call.Output()); err != nil {
		return 0, err
	}
	return p.heard, call.Err()
}

// player is a caller: it plays a melody, listens, and hangs up.
type player struct{ heard time.Duration }

const (
	noteLength   = 250 * time.Millisecond
	melodyLength = 5 * noteLength
)

// Run plays the melody, and hangs up two seconds behind it.
func (p *player) Run(ctx context.Context, out *pipeline.Port) error {
	melody := frames.Audio{Format: audio.Mono(audio.Rate16k), Track: "melody"}
	for _, hz := range []float64{587, 659, 523, 262, 392} {
		for i := range audio.Rate16k.Samples(noteLength) {
			melody.Samples = append(melody.Samples, int16(8000*math.Sin(2*math.Pi*hz*float64(i)/float64(audio.Rate16k))))
		}
	}
	if err := out.Send(ctx, &frames.AudioOutput{Audio: melody}, frames.Downstream); err != nil {
		return err
	}
	select {
	case <-time.After(melodyLength + 2*time.Second):
		return out.Send(ctx, &frames.End{Reason: "the melody is over"}, frames.Downstream)
	case <-ctx.Done():
		return nil
	}
}

// Process listens.
func (p *player) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.AudioInput:
		if !audio.IsSilent(f.Samples) {
			p.heard += f.Duration()
		}
		return nil
	case *websocket.Lost, *websocket.Resumed:
		log.Print(f)
	}
	return out.Send(ctx, f, dir)
}
