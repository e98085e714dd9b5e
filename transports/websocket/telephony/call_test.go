package telephony_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
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
	"github.com/parley-go/parley/transports/websocket/telephony"
)

// goodbye hears a second, says another, and hangs up.
type goodbye struct {
	heard []int16
	says  []int16
}

func (g *goodbye) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	in, ok := f.(*frames.AudioInput)
	if !ok {
		return out.Send(ctx, f, dir)
	}
	g.heard = append(g.heard, in.Samples...)
	if len(g.heard) < 8000 || g.says == nil {
		return nil
	}
	answer := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate8k), Samples: g.says, Track: "agent"}}
	g.says = nil
	if err := out.Send(ctx, answer, dir); err != nil {
		return err
	}
	return out.Send(ctx, &frames.End{Reason: "all is said"}, dir)
}

// onLine returns n samples that G.711 µ-law can write.
func onLine(seed uint32, n int) []int16 {
	b := make([]byte, n)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed>>25) | 1 // never silence
	}
	return audio.DecodeULaw(nil, b)
}

// A whole call as Twilio conducts it: what is said arrives sample for sample both
// ways, the agent hangs up when the caller has heard everything, through the REST
// API, and then the connection is closed.
func TestACallByTwilio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, what)
		}
		question, answer := onLine(1, 8000), onLine(2, 8000)

		rest := pipenet.New()
		api := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { note(r.Method + " " + r.URL.Path) })}
		go api.Serve(rest)
		defer api.Close()
		client := &http.Client{Transport: &http.Transport{DialContext: rest.DialContext, DisableKeepAlives: true}}

		agent := &goodbye{says: answer}
		server, err := websocket.NewServer(websocket.Config{
			Serializer: telephony.Twilio(telephony.TwilioConfig{AuthToken: "secret", BaseURL: "http://api.test", Client: client}),
		}, func(c *websocket.Call) (*pipeline.Pipeline, error) {
			return pipeline.New(pipeline.Config{}, c.Input(), agent, c.Output()), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		net := pipenet.New()
		web := &http.Server{Handler: server}
		go web.Serve(net)
		defer web.Close()
		defer server.Shutdown(t.Context())

		conn, _, err := ws.Dial(t.Context(), "ws://bot.test/", &ws.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{DialContext: net.DialContext, DisableKeepAlives: true}}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		say := func(m string) {
			if err := conn.Write(context.Background(), ws.MessageText, []byte(m)); err != nil {
				t.Error(err)
			}
		}
		go func() {
			say(`{"event":"connected","protocol":"Call","version":"1.0.0"}`)
			say(`{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ1","callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},"streamSid":"MZ1"}`)
			for piece := range slices.Chunk(question, 160) {
				time.Sleep(20 * time.Millisecond)
				say(`{"event":"media","streamSid":"MZ1","media":{"track":"inbound","payload":"` + base64.StdEncoding.EncodeToString(audio.EncodeULaw(nil, piece)) + `"}}`)
			}
		}()

		// The provider plays with a delay of a second, and tells of it.
		var heard []int16
		var until time.Time
		for {
			_, b, err := conn.Read(context.Background())
			if err != nil {
				if ws.CloseStatus(err) != ws.StatusNormalClosure {
					t.Errorf("the connection ended with %v", err)
				}
				break
			}
			var m struct {
				Event, StreamSID string
				Media            struct{ Payload string }
				Mark             struct{ Name string }
			}
			if err := json.Unmarshal(b, &m); err != nil || m.StreamSID != "MZ1" {
				t.Fatalf("got %s, %v", b, err)
			}
			if at := time.Now().Add(time.Second); at.After(until) {
				until = at
			}
			switch m.Event {
			case "media":
				raw, err := base64.StdEncoding.DecodeString(m.Media.Payload)
				if err != nil {
					t.Fatal(err)
				}
				heard = audio.DecodeULaw(heard, raw)
				until = until.Add(time.Duration(len(raw)) * time.Second / 8000)
				if len(heard) == len(answer) {
					time.AfterFunc(time.Until(until), func() { note("heard") })
				}
			case "mark":
				time.AfterFunc(time.Until(until), func() {
					conn.Write(context.Background(), ws.MessageText, []byte(`{"event":"mark","streamSid":"MZ1","mark":{"name":"`+m.Mark.Name+`"}}`))
				})
			default:
				t.Errorf("got %s", b)
			}
		}
		note("closed")
		if !slices.Equal(agent.heard, question) {
			t.Errorf("%d samples were heard of %d", len(agent.heard), len(question))
		}
		if !slices.Equal(heard, answer) {
			t.Errorf("%d samples were said of %d", len(heard), len(answer))
		}
		if want := []string{"heard", "POST /2010-04-01/Accounts/AC1/Calls/CA1.json", "closed"}; !slices.Equal(order, want) {
			t.Errorf("it went %q, want %q", order, want)
		}
	})
}
