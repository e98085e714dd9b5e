package websocket_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/noise"
	"github.com/parley-go/parley/internal/pipenet"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

// world is a server on connections within the process, which virtual time can
// wait for.
type world struct {
	t      *testing.T
	server *websocket.Server
	net    *pipenet.Listener
	web    *http.Server
	served sync.WaitGroup

	mu    sync.Mutex
	calls []*websocket.Call
}

// agent makes what answers a call.
type agent func(*websocket.Call) pipeline.Processor

// echo says what it hears.
func echo(*websocket.Call) pipeline.Processor {
	return pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		return out.Send(ctx, &frames.AudioOutput{Audio: f.Audio}, dir)
	})
}

func serve(t *testing.T, cfg websocket.Config, a agent) *world {
	t.Helper()
	w := &world{t: t, net: pipenet.New()}
	var err error
	w.server, err = websocket.NewServer(cfg, func(c *websocket.Call) (*pipeline.Pipeline, error) {
		w.mu.Lock()
		w.calls = append(w.calls, c)
		w.mu.Unlock()
		return pipeline.New(pipeline.Config{}, c.Input(), a(c), c.Output()), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.web = &http.Server{Handler: w.server}
	w.served.Go(func() { w.web.Serve(w.net) })
	t.Cleanup(w.close)
	return w
}

// close shuts the server down; what is still running is ended.
func (w *world) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.t.Errorf("shut down: %v", err)
	}
	w.web.Close()
	w.served.Wait()
}

func (w *world) only() *websocket.Call {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.calls) != 1 {
		w.t.Fatalf("there were %d calls, want 1", len(w.calls))
	}
	return w.calls[0]
}

func (w *world) none() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.calls) != 0 {
		w.t.Errorf("a pipeline was made for whom nobody let in")
	}
}

// client is a peer.
type client struct {
	t    *testing.T
	conn *ws.Conn
}

func (w *world) try(o *ws.DialOptions) (*ws.Conn, *http.Response, error) {
	if o == nil {
		o = &ws.DialOptions{}
	}
	o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: w.net.DialContext}}
	return ws.Dial(context.Background(), "ws://parley.test/call", o)
}

func (w *world) connect(o *ws.DialOptions) *client {
	w.t.Helper()
	conn, _, err := w.try(o)
	if err != nil {
		w.t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	w.t.Cleanup(func() { conn.CloseNow() })
	return &client{w.t, conn}
}

// call connects and says hello, in a format that needs no conversion.
func (w *world) call() *client {
	w.t.Helper()
	c := w.connect(nil)
	c.say(`{"type":"hello","version":1,"input":{"rate":24000},"output":{"rate":24000}}`)
	got := c.text()
	synctest.Wait() // the call is made
	if !strings.Contains(got, `"call":"`+w.only().ID+`"`) {
		w.t.Fatalf("the hello was answered with %s", got)
	}
	return c
}

func (c *client) say(text string) {
	c.t.Helper()
	if err := c.conn.Write(context.Background(), ws.MessageText, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) talk(samples []int16) {
	c.t.Helper()
	if err := c.conn.Write(context.Background(), ws.MessageBinary, audio.EncodePCM(nil, samples)); err != nil {
		c.t.Fatal(err)
	}
}

// endless writes one message for as long as the server takes it.
func (c *client) endless() {
	w, err := c.conn.Writer(context.Background(), ws.MessageBinary)
	for err == nil {
		_, err = w.Write(make([]byte, 1<<12))
	}
}

// text returns the next text message.
func (c *client) text() string {
	c.t.Helper()
	for {
		kind, b, err := c.conn.Read(context.Background())
		if err != nil {
			c.t.Fatal(err)
		}
		if kind == ws.MessageText {
			return string(b)
		}
	}
}

// rest reads to the end, and returns all audio, the text messages, and how it
// ended.
func (c *client) rest() (samples []int16, texts []string, end error) {
	for {
		kind, b, err := c.conn.Read(context.Background())
		if err != nil {
			return samples, texts, err
		}
		if kind == ws.MessageBinary {
			samples = audio.DecodePCM(samples, b)
		} else {
			texts = append(texts, string(b))
		}
	}
}

// ends checks how the server closes the connection.
func (c *client) ends(code ws.StatusCode, reason string) {
	c.t.Helper()
	_, _, err := c.rest()
	var e ws.CloseError
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Reason, reason) {
		c.t.Errorf("the connection ended with %v; want %v, %q", err, code, reason)
	}
}

// voice is what somebody says in the tests.
var voice = noise.Samples

// bare returns samples without the silence around them.
func bare(s []int16) []int16 {
	sound := func(v int16) bool { return v != 0 }
	first := slices.IndexFunc(s, sound)
	if first < 0 {
		return nil
	}
	for s = s[first:]; s[len(s)-1] == 0; s = s[:len(s)-1] {
	}
	return s
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
