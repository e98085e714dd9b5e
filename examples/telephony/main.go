// Telephony answers calls from the telephone: Twilio's, who asks what to do with a call
// and then brings the caller's voice over a WebSocket. By default a Twilio of its own,
// in line.go, puts one call through.
package main

import (
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/script"
	"github.com/parley-go/parley/testdata/calls"
	"github.com/parley-go/parley/transports/websocket"
	"github.com/parley-go/parley/transports/websocket/telephony"
)

func main() {
	address := flag.String("serve", "", "answer Twilio at this `address`, such as :8080, until Ctrl-C; by default a Twilio of our own puts one call through")
	public := flag.String("public", "", "where Twilio reaches that, such as wss://bot.example.com")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	show := func(t conversation.Turn) { fmt.Printf("%s: %s\n", t.Who, t.Text()) }
	var err error
	if *address == "" {
		_, err = callOnce(ctx, show)
	} else {
		err = serveUntil(ctx, *address, *public, show)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// serveUntil answers calls until ctx is over.
func serveUntil(ctx context.Context, address, public string, said func(conversation.Turn)) error {
	token := os.Getenv("TWILIO_AUTH_TOKEN")
	if token == "" || !strings.HasPrefix(public, "wss://") {
		return errors.New("nobody but Twilio is let in, who signs its requests: set TWILIO_AUTH_TOKEN to the account's auth token, and -public to the address that Twilio calls, wss://HOST")
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s, err := serve(listener, public, token, telephony.TwilioConfig{AuthToken: token}, said)
	if err != nil {
		return err
	}
	log.Printf("let a number of Twilio's ask https%s what to do with a call; Ctrl-C ends it", strings.TrimPrefix(s.public, "wss")+"/answer")
	<-ctx.Done()
	return s.close()
}

// callOnce answers the call of a Twilio of our own, and returns what the caller has
// heard.
func callOnce(ctx context.Context, said func(conversation.Turn)) (heard []int16, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	twilio := &line{webhook: "http://" + listener.Addr().String() + "/answer", token: "the account's secret"}
	s, err := serve(listener, "ws://"+listener.Addr().String(), twilio.token, telephony.TwilioConfig{}, said)
	if err != nil {
		return nil, err
	}
	caller, _, err := calls.Read("bargein.wav") // 33 s at 8 kHz; he interrupts the agent
	if err == nil {
		heard, err = twilio.call(ctx, caller)
	}
	return heard, errors.Join(err, s.close()) // it waits for the call, and for the last word
}

// server answers calls.
type server struct {
	public   string // where it is reached
	emulator *sonictest.Server
	calls    *websocket.Server
	web      *http.Server
}

// serve begins to answer calls, and tells what is said in them. hangUp is what an
// agent that ends a call needs for it.
func serve(listener net.Listener, public, token string, hangUp telephony.TwilioConfig, said func(conversation.Turn)) (*server, error) {
	shop, err := script.Load(calls.Files, "bikeshop.yaml") // who answers, and what they know
	if err != nil {
		return nil, err
	}
	emulator := sonictest.NewServer(sonictest.Config{Brain: shop.Brain(), Library: shop.Library()})
	if err := emulator.StartPipe(); err != nil {
		return nil, err
	}
	service := emulator.AWSConfig() // to talk to AWS, leave the emulator and the AWS field out

	s := &server{public: strings.TrimSuffix(public, "/"), emulator: emulator}
	stream := s.public + "/twilio"
	s.calls, err = websocket.NewServer(websocket.Config{
		Serializer:   telephony.Twilio(hangUp),
		Authenticate: telephony.VerifyTwilio(token, stream),
	}, func(call *websocket.Call) (*pipeline.Pipeline, error) {
		log.Printf("a call from %q", call.Serializer().(*telephony.TwilioCall).Parameters["from"])
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
	mux := http.NewServeMux()
	mux.Handle("POST /answer", connect(stream))
	mux.Handle("/twilio", s.calls)
	s.web = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go s.web.Serve(listener) // until it is closed
	return s, nil
}

// close lets the agents finish what they say.
func (s *server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := errors.Join(s.calls.Shutdown(ctx), s.web.Shutdown(ctx))
	s.emulator.Close()
	return err
}

// twiML is what Twilio is told to do with a call.
type twiML struct {
	XMLName xml.Name `xml:"Response"`
	Stream  struct {
		URL        string      `xml:"url,attr"`
		Parameters []parameter `xml:"Parameter"`
	} `xml:"Connect>Stream"`
}

// parameter is told to the agent when the stream begins.
type parameter struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// connect answers Twilio's question what to do with a call. Anybody may ask: the answer
// is no secret, and whoever opens the stream without being Twilio is not let in.
func connect(stream string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "it is not a form", http.StatusBadRequest)
			return
		}
		var answer twiML
		answer.Stream.URL = stream
		answer.Stream.Parameters = []parameter{{"from", r.PostForm.Get("From")}}
		w.Header().Set("Content-Type", "text/xml")
		xml.NewEncoder(w).Encode(answer) // Twilio asks once more if it does not get it
	})
}
