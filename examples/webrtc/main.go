// Webrtc serves callers who come over WebRTC: browsers, from a page of a few lines, or a
// caller of its own, who is a program and calls once.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/parley-go/parley/examples/webrtc/phone"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/script"
	"github.com/parley-go/parley/testdata/calls"
	"github.com/parley-go/parley/transports/webrtc"
)

//go:embed page.html
var page []byte

func main() {
	address := flag.String("serve", "", "answer browsers at this `address`, such as localhost:8080, until Ctrl-C; by default a caller of our own calls once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	if err := run(ctx, *address); err != nil {
		log.Fatal(err)
	}
}

// run serves at an address, or, if there is none, holds one call.
func run(ctx context.Context, address string) error {
	show := func(t conversation.Turn) { fmt.Printf("%s: %s\n", t.Who, t.Text()) }
	if address == "" {
		_, err := callOnce(ctx, show)
		return err
	}
	s, err := serve(address, show)
	if err != nil {
		return err
	}
	log.Printf("open http://%s/ and talk; Ctrl-C ends it", s.address)
	<-ctx.Done()
	return s.close()
}

// callOnce answers a caller of our own, and returns what it has heard.
func callOnce(ctx context.Context, said func(conversation.Turn)) (heard []int16, err error) {
	s, err := serve("127.0.0.1:0", said)
	if err != nil {
		return nil, err
	}
	caller, format, err := calls.Read("noisy.mp3") // 22 s, from a street
	if err == nil && format.Rate != phone.Rate {
		err = fmt.Errorf("the recording is %v, and should be what the telephone takes", format)
	}
	if err == nil {
		heard, err = phone.Call(ctx, "http://"+s.address+"/webrtc", caller)
	}
	return heard, errors.Join(err, s.close()) // it waits for the call, and for the last word
}

// server answers calls.
type server struct {
	address  string // of its page
	emulator *sonictest.Server
	calls    *webrtc.Server
	web      *http.Server
}

// serve begins to answer calls at an address, and tells what is said in them.
func serve(address string, said func(conversation.Turn)) (*server, error) {
	shop, err := script.Load(calls.Files, "bikeshop.yaml") // who answers, and what they know
	if err != nil {
		return nil, err
	}
	emulator := sonictest.NewServer(sonictest.Config{Brain: shop.Brain(), Library: shop.Library()})
	if err := emulator.StartPipe(); err != nil {
		return nil, err
	}
	service := emulator.AWSConfig() // to talk to AWS, leave the emulator and the AWS field out

	// The zero Config takes a free UDP port; where there is a firewall, give Addr.
	server := &server{emulator: emulator}
	server.calls, err = webrtc.NewServer(webrtc.Config{}, func(call *webrtc.Call) (*pipeline.Pipeline, error) {
		return pipeline.New(pipeline.Config{},
			call.Input(),
			novasonic.New(novasonic.Config{AWS: &service, Instructions: "You are a friendly, concise voice assistant."}),
			conversation.New(conversation.Config{OnTurn: said}),
			call.Output(),
		), nil
	})
	if err != nil {
		emulator.Close()
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		server.calls.Shutdown(context.Background())
		emulator.Close()
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/webrtc", server.calls)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write(page) })
	server.address = listener.Addr().String()
	server.web = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.web.Serve(listener) // until it is closed
	return server, nil
}

// close lets the agents finish what they say.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := errors.Join(s.calls.Shutdown(ctx), s.web.Shutdown(ctx))
	s.emulator.Close()
	return err
}
