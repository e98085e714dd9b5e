// Three has one agent answer over a file, a WebSocket and WebRTC at once. One function
// makes the pipeline of all of them: what is detected, said, written down and recorded
// is the same, and only the two ends differ.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/processors/recorder"
	"github.com/parley-go/parley/processors/vad"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/script"
	"github.com/parley-go/parley/testdata/calls"
	"github.com/parley-go/parley/transports/file"
	"github.com/parley-go/parley/transports/webrtc"
	"github.com/parley-go/parley/transports/websocket"
)

// agent makes the pipeline of a call, whatever it comes over.
func (s *shop) agent(name string, in, out pipeline.Processor) *pipeline.Pipeline {
	c := &call{name: name, recording: filepath.Join(s.folder, name+".wav"), talk: conversation.New(conversation.Config{})}
	c.pipeline = pipeline.New(pipeline.Config{},
		in,
		vad.New(vad.Config{}),
		novasonic.New(novasonic.Config{AWS: &s.service, Instructions: "You are a friendly, concise voice assistant."}),
		pipeline.Func(c.note),
		c.talk,
		recorder.New(recorder.Config{Path: c.recording}), // the caller left, the agent right
		out,
	)
	s.keep(c)
	return c.pipeline
}

// overFile holds a call with a recording.
func (s *shop) overFile(ctx context.Context, path string) error {
	call, err := file.New(file.Config{Input: path, HangUpAfter: time.Second})
	if err != nil {
		return err
	}
	return s.agent("file", call.Input(), call.Output()).Run(ctx)
}

// overWebSocket answers callers who come over WebSockets.
func (s *shop) overWebSocket() (*websocket.Server, error) {
	return websocket.NewServer(websocket.Config{}, func(call *websocket.Call) (*pipeline.Pipeline, error) {
		return s.agent("websocket", call.Input(), call.Output()), nil
	})
}

// overWebRTC answers callers who come over WebRTC.
func (s *shop) overWebRTC() (*webrtc.Server, error) {
	return webrtc.NewServer(webrtc.Config{}, func(call *webrtc.Call) (*pipeline.Pipeline, error) {
		return s.agent("webrtc", call.Input(), call.Output()), nil
	})
}

// shop is what answers, and what it keeps.
type shop struct {
	service aws.Config
	folder  string

	mu    sync.Mutex
	calls []*call
}

// call is what is kept of one.
type call struct {
	name      string
	recording string // its path
	pipeline  *pipeline.Pipeline
	talk      *conversation.Processor
	speech    []span // of the caller's; the pipeline's until the call is over, as is the next
	holes     int    // in the agent's voice, of which more should have been there in time
}

// span is when somebody spoke, from the beginning of the call.
type span struct{ from, to time.Duration }

// note sees what flows by, and passes it on.
func (c *call) note(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.VADStarted:
		c.speech = append(c.speech, span{from: f.Rate.Duration(int64(f.Position))})
	case *frames.VADStopped:
		c.speech[len(c.speech)-1].to = f.Rate.Duration(int64(f.Position))
	case *frames.Metrics: // the output's, which knows what was heard
		for _, m := range f.Values {
			if m.Name == "parley.playout.gap" {
				c.holes++
			}
		}
	case *frames.Interruption:
		return nil // the engine tells everybody
	}
	return out.Send(ctx, f, dir)
}

func (s *shop) keep(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}

// words is what was said, as it was heard.
func (c *call) words() string {
	var b strings.Builder
	for _, t := range c.talk.Transcript().Turns() {
		fmt.Fprintf(&b, "%s: %s\n", t.Who, t.Text())
	}
	return b.String()
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	folder, err := os.MkdirTemp("", "parley-three-")
	if err != nil {
		log.Fatal(err)
	}
	log.Print("three callers at once, in real time: it takes about 20 s")
	held, err := hold(ctx, folder)
	if err == nil {
		err = compare(os.Stdout, held)
	}
	if err != nil {
		os.RemoveAll(folder) // half a recording is of no use
		log.Fatal(err)
	}
}

// hold has one call over each transport, at the same time.
func hold(ctx context.Context, folder string) ([]*call, error) {
	known, err := script.Load(calls.Files, "bikeshop.yaml") // who answers, and what they know
	if err != nil {
		return nil, err
	}
	emulator := sonictest.NewServer(sonictest.Config{Brain: known.Brain(), Library: known.Library()})
	if err := emulator.StartPipe(); err != nil {
		return nil, err
	}
	defer emulator.Close()
	s := &shop{service: emulator.AWSConfig(), folder: folder} // to talk to AWS, leave the emulator and the AWS field out

	overWebSocket, err := s.overWebSocket()
	if err != nil {
		return nil, err
	}
	overWebRTC, err := s.overWebRTC()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/call", overWebSocket)
	mux.Handle("/webrtc", overWebRTC)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, overWebRTC.Shutdown(ctx))
	}
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go web.Serve(listener) // until it is closed

	caller, err := newCaller(filepath.Join(folder, "caller.wav"))
	if err == nil {
		at := listener.Addr().String()
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return s.overFile(ctx, caller.path) })
		group.Go(func() error { return caller.dial(ctx, "ws://"+at+"/call") })
		group.Go(func() error { return caller.phone(ctx, "http://"+at+"/webrtc") })
		err = group.Wait()
	}
	// The callers have hung up: now all is written.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err = errors.Join(err, overWebSocket.Shutdown(closing), overWebRTC.Shutdown(closing), web.Shutdown(closing))
	return s.calls, err
}

// compare tells what came of the calls, and fails if that is not the same.
func compare(w io.Writer, held []*call) error {
	slices.SortFunc(held, func(a, b *call) int { return strings.Compare(a.name, b.name) })
	fmt.Fprintf(w, "%s\n", held[0].words())
	for _, c := range held {
		if c.words() != held[0].words() {
			return fmt.Errorf("over %s it was:\n%s", c.name, c.words())
		}
		fmt.Fprintf(w, "%-9s  caller at", c.name)
		for _, s := range c.speech {
			fmt.Fprintf(w, " %.1f–%.1f s", s.from.Seconds(), s.to.Seconds())
		}
		if c.holes > 0 { // this machine was busy
			fmt.Fprintf(w, ", the agent with %d holes", c.holes)
		}
		fmt.Fprintf(w, "  %s\n", c.recording)
	}
	fmt.Fprintf(w, "\n%d transports, one function, the same words.\n", len(held))
	return nil
}
