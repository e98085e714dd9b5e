package main

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/examples/webrtc/phone"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/audiofile"
	"github.com/parley-go/parley/testdata/calls"
	"github.com/parley-go/parley/transports/websocket"
)

// caller is who calls, three times at once: two sentences of a shipped recording, with
// time for the answers.
type caller struct {
	path    string // of the recording
	samples []int16
	format  audio.Format
}

func newCaller(path string) (*caller, error) {
	whole, format, err := calls.Read("order.mp3")
	if err != nil {
		return nil, err
	}
	// "Hello. I would like to bring my bicycle in for a repair." "Thank you very much. Goodbye."
	hello, goodbye := format.Rate.Samples(7600*time.Millisecond), format.Rate.Samples(33200*time.Millisecond)
	c := &caller{path: path, format: format}
	for _, piece := range [][]int16{whole[:hello], whole[goodbye:]} {
		c.samples = append(c.samples, piece...)
		c.samples = audio.AppendSilence(c.samples, int(c.format.Rate.Samples(time.Second))) // for a machine that is slow to answer
	}
	return c, c.write()
}

// write makes a file of what is said, for the caller who is one.
func (c *caller) write() error {
	w, err := audiofile.Create(c.path, c.format)
	if err != nil {
		return err
	}
	if err := w.Write(c.samples); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}

// dial calls over a WebSocket.
func (c *caller) dial(ctx context.Context, address string) error {
	call, err := websocket.Dial(ctx, address, websocket.DialConfig{})
	if err != nil {
		return err
	}
	if err := pipeline.Run(ctx, call.Input(), c, call.Output()); err != nil {
		return err
	}
	return call.Err()
}

// Run says everything, and hangs up when it has been said.
func (c *caller) Run(ctx context.Context, out *pipeline.Port) error {
	a := frames.Audio{Format: c.format, Samples: c.samples, Track: "caller"}
	if err := out.Send(ctx, &frames.AudioOutput{Audio: a}, frames.Downstream); err != nil {
		return err
	}
	return out.Send(ctx, &frames.End{Reason: "the recording is over"}, frames.Downstream)
}

// Process passes everything on.
func (c *caller) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

// phone calls over WebRTC.
func (c *caller) phone(ctx context.Context, address string) error {
	if c.format != audio.Mono(phone.Rate) {
		return fmt.Errorf("the recording is %v, which the telephone does not take", c.format)
	}
	_, err := phone.Call(ctx, address, c.samples)
	return err
}
