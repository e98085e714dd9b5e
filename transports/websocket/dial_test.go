package websocket_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/pipenet"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

// wide is a language in which nothing needs to be converted.
var wide = websocket.PCMClient(websocket.Formats{Input: audio.Mono(24000), Output: audio.Mono(24000)})

// within returns a client whose connections do not leave the process.
func within(n *pipenet.Listener) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: n.DialContext}}
}

// dial calls the world's server with our own client.
func (w *world) dial(cfg websocket.DialConfig) *websocket.Call {
	w.t.Helper()
	if cfg.Serializer == nil {
		cfg.Serializer = wide
	}
	cfg.Client = within(w.net)
	call, err := websocket.Dial(context.Background(), "ws://parley.test/call", cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return call
}

// person is the pipeline of somebody who calls: says something, and notes what
// is heard.
type person struct {
	mu     sync.Mutex
	says   []int16
	hangUp time.Duration // after so long; 0 is never

	heard []int16 // silence included
	parts []*frames.AudioInput
	times []time.Time // when they came
	other []frames.Frame
}

func (p *person) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch f := f.(type) {
	case *frames.AudioInput:
		p.heard = append(p.heard, f.Samples...)
		p.parts = append(p.parts, f)
		p.times = append(p.times, time.Now())
		return nil
	case *frames.TransportMessageInput, *frames.DTMFInput, *websocket.Lost, *websocket.Resumed, *frames.End:
		p.other = append(p.other, f)
	}
	return out.Send(ctx, f, dir)
}

func (p *person) Run(ctx context.Context, out *pipeline.Port) error {
	if p.says != nil {
		f := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(24000), Samples: p.says, Track: "person"}}
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
	}
	if p.hangUp == 0 {
		return nil
	}
	select {
	case <-time.After(p.hangUp):
		return out.Send(ctx, &frames.End{Reason: "all is said"}, frames.Downstream)
	case <-ctx.Done():
		return nil
	}
}

// talk runs the person's pipeline to its end.
func (p *person) talk(t *testing.T, call *websocket.Call) {
	t.Helper()
	if err := pipeline.New(pipeline.Config{}, call.Input(), p, call.Output()).Run(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestBothEndsHearEachOtherSampleForSample(t *testing.T) {
	for name, language := range map[string]struct {
		server func() websocket.Serializer
		client func() websocket.Serializer
		in     audio.SampleRate
	}{
		"PCM":     {websocket.PCM, wide, 24000},
		"Pipecat": {websocket.Pipecat, websocket.PipecatClient, 16000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := &talker{say: 3 * 24000}
				w := serve(t, websocket.Config{Serializer: language.server}, func(*websocket.Call) pipeline.Processor { return answer })
				call := w.dial(websocket.DialConfig{Serializer: language.client})
				p := &person{says: voice(1, 2*24000), hangUp: 6 * time.Second}
				p.talk(t, call)
				synctest.Wait()

				if got := bare(p.heard); !slices.Equal(got, voice(2, 3*24000)) {
					t.Errorf("%d samples were heard of the %d that the agent said", len(got), 3*24000)
				}
				var heard []int16
				for _, f := range answer.heard {
					heard = append(heard, f.Samples...)
				}
				if language.in == 24000 {
					if got := bare(heard); !slices.Equal(got, p.says) {
						t.Errorf("the agent heard %d samples of %d", len(got), len(p.says))
					}
				} else if got := len(bare(heard)); got < 2*16000-2 || got > 2*16000+200 { // what the filter adds
					t.Errorf("the agent heard %d samples", got)
				}
				if silent := len(heard) - len(bare(heard)); silent < 3*int(language.in) {
					t.Errorf("only %d samples of silence were sent, by which an agent knows that it is its turn", silent)
				}
				ready := slices.ContainsFunc(p.other, func(f frames.Frame) bool {
					m, ok := f.(*frames.TransportMessageInput)
					return ok && strings.Contains(string(m.Message.(json.RawMessage)), `"type":"bot-ready"`)
				})
				if ready != (name == "Pipecat") {
					t.Errorf("it is told that the bot is ready: %v", ready)
				}
				for i, f := range p.parts {
					if want := audio.Position(480 * i); f.Position != want || f.Track != "caller" {
						t.Fatalf("part %d is at %d on %q; want %d", i, f.Position, f.Track, want)
					}
				}
				for i := 1; i < len(p.times); i++ {
					if d := p.times[i].Sub(p.times[i-1]); d != 20*time.Millisecond {
						t.Fatalf("part %d came %v after the one before", i, d)
					}
				}
				if answer.end != "the caller hung up" || call.Err() != nil {
					t.Errorf("the agent was told %q, the caller %v", answer.end, call.Err())
				}
				if language.in == 24000 && (call.ID == "" || call.ID != w.only().ID) {
					t.Errorf("the call is %q here and %q there", call.ID, w.only().ID)
				}
			})
		})
	}
}

func TestThePeerKnowsWhatItsCallerHasHeard(t *testing.T) {
	for _, delay := range []time.Duration{-1, 60 * time.Millisecond, 700 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, e := &talker{say: 24000 * 3}, &ear{began: time.Now()}
				w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return pipeline.Chain(a, e) })
				p := &person{hangUp: 8 * time.Second}
				p.talk(t, w.dial(websocket.DialConfig{Delay: delay}))
				sounds := func(f *frames.AudioInput) bool { return !audio.IsSilent(f.Samples) }
				first := slices.IndexFunc(p.parts, sounds)
				began, ended := p.times[first].Sub(e.began)-20*time.Millisecond, time.Duration(0)
				for i, f := range p.parts {
					if sounds(f) {
						ended = p.times[i].Sub(e.began)
					}
				}
				e.mu.Lock()
				defer e.mu.Unlock()
				if len(e.started) != 1 || len(e.stopped) != 1 || (e.stopped[0]-ended).Abs() > 25*time.Millisecond {
					t.Errorf("the agent is said to have spoken from %v to %v; it did from %v to %v", e.started, e.stopped, began, ended)
				}
				if last := e.playouts[len(e.playouts)-1]; last.Heard != 24000*3 {
					t.Errorf("the last report: %v", last)
				}
			})
		})
	}
}

func TestWhatTheServerTakesBackIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 10}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		call := w.dial(websocket.DialConfig{Delay: 2 * time.Second})
		p := &person{hangUp: 8 * time.Second}
		go func() {
			// 3 s of it have been heard, or what the server sends ahead more, and the rest
			// is queued.
			time.Sleep(5 * time.Second)
			if err := call.Interrupt(); err != nil {
				t.Error(err)
			}
		}()
		p.talk(t, call)
		got := bare(p.heard)
		if n := len(got); n < 24000*28/10 || n > 24000*32/10 || !slices.Equal(got, voice(2, 24000*10)[:n]) {
			t.Errorf("%v were heard", time.Duration(n)*time.Second/24000)
		}
	})
}

// starts are frames that are sent as soon as the pipeline runs.
type starts []frames.Frame

func (s starts) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (s starts) Run(ctx context.Context, out *pipeline.Port) error {
	for _, f := range s {
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
	}
	return nil
}

func TestKeysAndMessagesGoToTheServerAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return &talker{} })
		call := w.dial(websocket.DialConfig{})
		p := &person{hangUp: time.Second}
		keys := starts{&frames.DTMFOutput{Digit: '7'}, &frames.TransportMessage{Message: map[string]int{"a": 1}}}
		if err := pipeline.New(pipeline.Config{}, call.Input(), p, keys, call.Output()).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range p.other {
			switch f := f.(type) {
			case *frames.DTMFInput:
				got = append(got, string(f.Digit))
			case *frames.TransportMessageInput:
				got = append(got, string(f.Message.(json.RawMessage)))
			}
		}
		slices.Sort(got) // a message overtakes a key on the way back
		if want := []string{"7", `{"a":1}`}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestWhoeverIsRefusedIsToldWhyAndWhatToDo(t *testing.T) {
	answers := func(status int, header, value, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set(header, value)
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
	}
	accepts := func(do func(*ws.Conn)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := ws.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer conn.CloseNow()
			do(conn)
		})
	}
	says := func(kind ws.MessageType, b []byte) func(*ws.Conn) {
		return func(c *ws.Conn) {
			c.Read(context.Background()) // the hello
			c.Write(context.Background(), kind, b)
			c.Read(context.Background())
		}
	}
	for name, tc := range map[string]struct {
		server http.Handler
		cfg    websocket.DialConfig
		status int           // of a StatusError
		code   ws.StatusCode // of a Refusal
		want   string
		took   time.Duration
	}{
		"401":             {answers(401, "", "", "not authenticated"), websocket.DialConfig{}, 401, 0, `401 Unauthorized: "not authenticated"; set DialConfig.Token`, 0},
		"403":             {answers(403, "", "", ""), websocket.DialConfig{}, 403, 0, "does not let this caller", 0},
		"503":             {answers(503, "Retry-After", "5", "too many calls"), websocket.DialConfig{}, 503, 0, `"too many calls"; try again in 5s`, 0},
		"404":             {answers(404, "", "", ""), websocket.DialConfig{}, 404, 0, "is there a WebSocket at this address?", 0},
		"a page":          {answers(200, "", "", "<html>"), websocket.DialConfig{}, 200, 0, `200 OK: "<html>"; is there a WebSocket`, 0},
		"no subprotocol":  {accepts(func(c *ws.Conn) { c.Read(context.Background()) }), websocket.DialConfig{Subprotocols: []string{"a", "b"}}, 0, ws.StatusPolicyViolation, `none of the subprotocols ["a" "b"]`, 0},
		"a close frame":   {accepts(func(c *ws.Conn) { c.Read(context.Background()); c.Close(4001, "not on Sundays") }), websocket.DialConfig{}, 0, 4001, "not on Sundays", 0},
		"audio first":     {accepts(says(ws.MessageBinary, make([]byte, 4))), websocket.DialConfig{}, 0, ws.StatusPolicyViolation, "audio before the answer to the hello; does the server speak what DialConfig.Serializer speaks?", 0},
		"another type":    {accepts(says(ws.MessageText, []byte(`{"type":"hi"}`))), websocket.DialConfig{}, 0, ws.StatusPolicyViolation, `answered with the type "hi"; does the server speak what`, 0},
		"no answer":       {accepts(func(c *ws.Conn) { c.Read(context.Background()); c.Read(context.Background()) }), websocket.DialConfig{HandshakeTimeout: 3 * time.Second}, 0, ws.StatusPolicyViolation, "not done within 3s; does the server speak what", 3 * time.Second},
		"no HTTP at all":  {http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), websocket.DialConfig{ConnectTimeout: 2 * time.Second}, 0, 0, "there was no connection within 2s; is there a WebSocket at this address?", 2 * time.Second},
		"an unknown rate": {nil, websocket.DialConfig{Serializer: websocket.PCMClient(websocket.Formats{Output: audio.Mono(12345)})}, 0, ws.StatusPolicyViolation, "12345 Hz is not known", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, websocket.Config{}, echo)
				if tc.server != nil {
					w.web.Handler = tc.server
				}
				tc.cfg.Client = within(w.net)
				began := time.Now()
				call, err := websocket.Dial(t.Context(), "ws://user:pass@parley.test/twilio/SECRET?token=SECRET", tc.cfg)
				if err == nil {
					call.Close(t.Context())
					t.Fatal("it was let in")
				}
				if took := time.Since(began); took != tc.took {
					t.Errorf("it took %v, want %v", took, tc.took)
				}
				if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "dial WebSocket at parley.test: ") || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "pass") {
					t.Errorf("got %q, want %q", err, tc.want)
				}
				status, _ := errors.AsType[*websocket.StatusError](err)
				if (status != nil) != (tc.status != 0) || status != nil && status.Status != tc.status {
					t.Errorf("the status is %+v", status)
				}
				refusal, _ := errors.AsType[*websocket.Refusal](err)
				if (refusal != nil) != (tc.code != 0) || refusal != nil && refusal.Code != tc.code {
					t.Errorf("the refusal is %+v", refusal)
				}
			})
		})
	}
}

func TestADialThatIsGivenUpLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return &starter{takes: 15 * time.Second} })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := websocket.Dial(ctx, "ws://parley.test/", websocket.DialConfig{Client: within(w.net)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(100 * time.Millisecond)
		if n := w.server.Calls(); n != 0 {
			t.Errorf("there are %d calls", n)
		}
	})
}

func TestACallThatIsNotRunCanBeClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, websocket.Config{}, echo)
		call := w.dial(websocket.DialConfig{})
		call.Close(t.Context())
		call.Close(t.Context())
		time.Sleep(100 * time.Millisecond)
		if n := w.server.Calls(); n != 0 {
			t.Errorf("there are %d calls", n)
		}
	})
}

func TestTheEndThatTheServerMakesIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, websocket.Config{}, echo)
		call := w.dial(websocket.DialConfig{})
		p := &person{}
		go func() {
			time.Sleep(time.Second)
			w.server.Shutdown(context.Background())
		}()
		p.talk(t, call)
		refusal, ok := errors.AsType[*websocket.Refusal](call.Err())
		if !ok || refusal.Code != ws.StatusGoingAway || refusal.Reason != "the server is shutting down" {
			t.Errorf("the call ended with %v", call.Err())
		}
		if end := p.other[len(p.other)-1].(*frames.End); end.Reason != "the server hung up: the server is shutting down" {
			t.Errorf("the pipeline was told %q", end.Reason)
		}
	})
}

func TestAnAgentThatHangsUpIsHeardToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := voice(3, 24000*2)
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor {
			return &person{says: said, hangUp: time.Millisecond}
		})
		call := w.dial(websocket.DialConfig{Delay: time.Second})
		p := &person{}
		p.talk(t, call)
		if got := bare(p.heard); !slices.Equal(got, said) {
			t.Errorf("%d samples were heard of %d", len(got), len(said))
		}
		if call.Err() != nil {
			t.Errorf("it ended with %v", call.Err())
		}
	})
}

// What comes while the caller's own pipeline starts is heard, and silence that the
// server sends in between brings it back to the present.
func TestAGreetingIsHeardByWhoStartsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := voice(3, 24000)
		w := serve(t, websocket.Config{SendSilence: true}, func(*websocket.Call) pipeline.Processor { return &person{says: said} })
		call := w.dial(websocket.DialConfig{})
		time.Sleep(3 * time.Second)
		began := time.Now()
		p := &person{hangUp: 3 * time.Second}
		p.talk(t, call)
		if got := bare(p.heard); !slices.Equal(got, said) {
			t.Errorf("%d samples were heard of %d", len(got), len(said))
		}
		last := 0
		for i, f := range p.parts {
			if !audio.IsSilent(f.Samples) {
				last = i
			}
		}
		if after := p.times[last].Sub(began); after > 1100*time.Millisecond {
			t.Errorf("it was heard to the end after %v", after)
		}
	})
}

func TestAServerThatSendsTooMuchIsLeft(t *testing.T) {
	for name, tc := range map[string]struct {
		sends []byte
		text  string // and this, after each
		many  int
		cfg   websocket.DialConfig
		want  string
	}{
		"a long message":    {make([]byte, 3000), "", 1, websocket.DialConfig{MaxMessage: 2000}, "too big: at most 2000 bytes"},
		"too much at once":  {make([]byte, 48000), "", 12, websocket.DialConfig{MaxAhead: 5 * time.Second}, "audio came more than 5s earlier"},
		"too many messages": {make([]byte, 2), "", 500, websocket.DialConfig{MaxMessageRate: 50, MaxAhead: time.Second}, "messages come too fast"},
		"long marks":        {make([]byte, 48000), `{"type":"mark","name":"` + strings.Repeat("x", 200_000) + `"}`, 6, websocket.DialConfig{}, "have more than 1048576 bytes"},
		"half a sample":     {make([]byte, 3), "", 1, websocket.DialConfig{}, "3 bytes of audio"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, websocket.Config{}, echo)
				w.web.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					conn, err := ws.Accept(rw, r, nil)
					if err != nil {
						return
					}
					defer conn.CloseNow()
					conn.Read(r.Context())
					conn.Write(r.Context(), ws.MessageText, []byte(`{"type":"hello","version":1}`))
					go func() {
						for range tc.many {
							conn.Write(context.Background(), ws.MessageBinary, tc.sends)
							if tc.text != "" {
								conn.Write(context.Background(), ws.MessageText, []byte(tc.text))
							}
						}
					}()
					for {
						if _, _, err := conn.Read(context.Background()); err != nil {
							return
						}
					}
				})
				call := w.dial(tc.cfg)
				(&person{hangUp: 20 * time.Second}).talk(t, call)
				if err := call.Err(); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("it ended with %v, want %q", err, tc.want)
				}
			})
		})
	}
}

func TestAServerWithTLSIsCalledThroughTheHTTPClient(t *testing.T) {
	server, err := websocket.NewServer(websocket.Config{Authenticate: func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer sesame" || r.Header.Get("X-Who") != "me" {
			return errors.New("somebody else")
		}
		return nil
	}}, func(c *websocket.Call) (*pipeline.Pipeline, error) {
		return pipeline.New(pipeline.Config{}, c.Input(), echo(c), c.Output()), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewTLSServer(server) // a real socket, for a real handshake
	defer web.Close()
	defer server.Shutdown(t.Context())
	address := strings.Replace(web.URL, "https", "wss", 1)
	strict := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{}}}
	if _, err := websocket.Dial(t.Context(), address, websocket.DialConfig{Client: strict}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	call, err := websocket.Dial(t.Context(), address, websocket.DialConfig{Client: web.Client(), Token: "sesame", Header: http.Header{"X-Who": {"me"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := call.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// Real sockets: what they answer is what is tested.
func TestWhoeverDialsTheWrongPlaceIsToldHowToMendIt(t *testing.T) {
	talk := func(s func() websocket.Serializer) http.Handler {
		server, err := websocket.NewServer(websocket.Config{Serializer: s}, func(c *websocket.Call) (*pipeline.Pipeline, error) {
			return pipeline.New(pipeline.Config{}, c.Input(), echo(c), c.Output()), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Shutdown(context.Background()) })
		return server
	}
	quiet := log.New(io.Discard, "", 0)
	plain, pipecat := httptest.NewServer(talk(websocket.PCM)), httptest.NewServer(talk(websocket.Pipecat))
	secure := httptest.NewUnstartedServer(talk(websocket.PCM))
	secure.Config.ErrorLog = quiet
	secure.StartTLS()
	alert, err := tls.Listen("tcp", "127.0.0.1:0", secure.TLS) // which answers in TLS even to who does not speak it
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := alert.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	ssh, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := ssh.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "SSH-2.0-OpenSSH\r\n")
			io.CopyN(io.Discard, c, 16)
			c.Close()
		}
	}()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, server := range []io.Closer{closer(plain.Close), closer(pipecat.Close), closer(secure.Close), alert, ssh} {
		defer server.Close()
	}
	nowhere := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "nobody.invalid", IsNotFound: true}}
	}}}
	const language = "does the server speak what DialConfig.Serializer speaks?"
	for name, tc := range map[string]struct {
		scheme string
		at     net.Addr
		cfg    websocket.DialConfig
		want   []string
	}{
		"TLS where there is none":         {"wss", plain.Listener.Addr(), websocket.DialConfig{}, []string{"HTTP response to HTTPS client", "does not speak TLS at this port: call it with ws://"}},
		"TLS where there is no HTTP":      {"wss", ssh.Addr(), websocket.DialConfig{}, []string{"does not look like a TLS handshake", "does not speak TLS at this port"}},
		"no TLS, and the server tells":    {"ws", secure.Listener.Addr(), websocket.DialConfig{}, []string{"400 Bad Request", "If the server speaks TLS, call it with wss://"}},
		"no TLS, and the server does not": {"ws", alert.Addr(), websocket.DialConfig{}, []string{"If the server speaks TLS, call it with wss://"}},
		"a certificate of nobody's":       {"wss", secure.Listener.Addr(), websocket.DialConfig{}, []string{"certificate", "trust who has issued it in the TLS configuration of DialConfig.Client"}},
		"a port where nobody listens":     {"ws", closed.Addr(), websocket.DialConfig{}, []string{"refused", "does the server run"}},
		"a host that there is not":        {"ws", closed.Addr(), websocket.DialConfig{Client: nowhere}, []string{"no such host", "is the name of the host right?"}},
		"another protocol":                {"ftp", plain.Listener.Addr(), websocket.DialConfig{}, []string{"no address; it is of the form wss://host/path"}},
		"another language":                {"ws", pipecat.Listener.Addr(), websocket.DialConfig{}, []string{"Pipecat's protobuf frames are spoken", language}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.cfg.ConnectTimeout = 10 * time.Second
			call, err := websocket.Dial(t.Context(), tc.scheme+"://"+tc.at.String()+"/SECRET", tc.cfg)
			if err == nil {
				call.Close(t.Context())
				t.Fatal("it was let in")
			}
			for _, want := range append(tc.want, "dial WebSocket") {
				if got := err.Error(); !strings.Contains(got, want) || strings.Contains(got, "SECRET") || strings.Contains(got, "\n") {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// closer closes something without an error.
type closer func()

func (c closer) Close() error { c(); return nil }

// A Pipecat client has no handshake in which it could be found out.
func TestACallInTheWrongLanguageSaysSoInTheEnd(t *testing.T) {
	t.Run("the server does not understand", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, websocket.Config{}, echo)
			call := w.dial(websocket.DialConfig{Serializer: websocket.PipecatClient})
			(&person{}).talk(t, call)
			if err := call.Err(); err == nil || !strings.Contains(err.Error(), "if it is PCM that you speak") {
				t.Errorf("it ended with %v", err)
			}
		})
	})
	t.Run("the server is not understood", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, websocket.Config{}, echo)
			w.web.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if conn, err := ws.Accept(rw, r, nil); err == nil {
					conn.Read(context.Background())
					conn.Write(context.Background(), ws.MessageText, []byte("{}"))
					conn.Read(context.Background())
					conn.CloseNow()
				}
			})
			call := w.dial(websocket.DialConfig{Serializer: websocket.PipecatClient})
			(&person{}).talk(t, call)
			err := call.Err()
			if r, ok := errors.AsType[*websocket.Refusal](err); !ok || r.Code != ws.StatusUnsupportedData || !strings.Contains(err.Error(), "what DialConfig.Serializer speaks?") {
				t.Errorf("it ended with %v", err)
			}
		})
	})
}

func TestABadDialConfigurationIsRefused(t *testing.T) {
	for address, want := range map[string]string{"": "no address", "call": "no address", "ws://x": "ConnectTimeout is 5ns"} {
		if _, err := websocket.Dial(t.Context(), address, websocket.DialConfig{ConnectTimeout: 5 * map[bool]time.Duration{true: 1, false: time.Second}[address == "ws://x"]}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}
