package telephony_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/parley-go/parley/transports/websocket/telephony"
)

// cloud is Genesys's end of a session: it numbers what it says, and checks what it is
// told, as strictly as Genesys's reference client does.
type cloud struct {
	t    *testing.T
	conn *ws.Conn

	mu      sync.Mutex
	seq     int // of what it has said
	heard   int // the seq of what it was told
	pings   []int
	binary  []time.Time
	samples []int16
	told    []string
	ended   error
	over    chan struct{}
}

const sessionID = "30b0e395-84d3-4570-ac13-9a62d8f514c0"

func (c *cloud) say(kind, parameters string) {
	c.mu.Lock()
	c.seq++
	if kind == "ping" {
		c.pings = append(c.pings, c.seq)
	}
	m := fmt.Sprintf(`{"version":"2","id":%q,"type":%q,"seq":%d,"serverseq":%d,"position":"PT0S","parameters":%s}`, sessionID, kind, c.seq, c.heard, parameters)
	c.mu.Unlock()
	c.conn.Write(context.Background(), ws.MessageText, []byte(m)) // it may be over
}

func (c *cloud) open(conversation string) {
	c.say("open", `{"organizationId":"o","conversationId":"`+conversation+`","participant":{"id":"p","ani":"","aniName":"","dnis":""},"media":[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}],"inputVariables":{}}`)
}

// talk says samples on the caller's channel, and others on the agent's.
func (c *cloud) talk(samples []int16) {
	both := make([]int16, 0, 2*len(samples))
	for _, s := range samples {
		both = append(both, s, 31100)
	}
	c.conn.Write(context.Background(), ws.MessageBinary, audio.EncodeULaw(nil, both))
}

// listen notes what it is told until the server ends the connection, as it does behind
// what it has to say.
func (c *cloud) listen() {
	defer close(c.over)
	for {
		kind, b, err := c.conn.Read(context.Background())
		c.mu.Lock()
		if err != nil {
			c.ended = err
			c.mu.Unlock()
			return
		}
		if kind == ws.MessageBinary {
			c.binary = append(c.binary, time.Now())
			c.samples = audio.DecodeULaw(c.samples, b)
			c.mu.Unlock()
			continue
		}
		var m struct {
			Version, ID, Type string
			Seq, ClientSeq    int
			Parameters        json.RawMessage
		}
		if err := json.Unmarshal(b, &m); err != nil || m.Version != "2" || m.ID != sessionID || m.Parameters == nil {
			c.t.Errorf("told %s, %v", b, err)
		}
		if m.Seq != c.heard+1 || m.ClientSeq > c.seq {
			c.t.Errorf("after %d and %d it is told %s", c.heard, c.seq, b)
		}
		c.heard = m.Seq
		switch m.Type {
		case "pong":
			if len(c.pings) == 0 || m.ClientSeq != c.pings[0] {
				c.t.Errorf("the pings %v were answered with %s", c.pings, b)
			} else {
				c.pings = c.pings[1:]
			}
		default:
			c.told = append(c.told, m.Type+" "+string(m.Parameters))
		}
		c.mu.Unlock()
		if m.Type == "disconnect" {
			c.say("close", `{"reason":"disconnect"}`)
		}
	}
}

// genesys calls a server of Genesys's language.
func genesys(t *testing.T, agent func(*websocket.Call) *pipeline.Pipeline) *cloud {
	t.Helper()
	server, err := websocket.NewServer(websocket.Config{Serializer: telephony.Genesys}, func(c *websocket.Call) (*pipeline.Pipeline, error) { return agent(c), nil })
	if err != nil {
		t.Fatal(err)
	}
	net := pipenet.New()
	web := &http.Server{Handler: server}
	var served sync.WaitGroup
	served.Go(func() { web.Serve(net) })
	conn, _, err := ws.Dial(t.Context(), "ws://bot.test/", &ws.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{DialContext: net.DialContext, DisableKeepAlives: true}}})
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{t: t, conn: conn, over: make(chan struct{})}
	go c.listen()
	t.Cleanup(func() {
		server.Shutdown(context.Background())
		<-c.over
		conn.CloseNow()
		web.Close()
		served.Wait()
	})
	return c
}

// slowly takes its time to start.
type slowly struct{ *goodbye }

func (s slowly) Start(ctx context.Context, _ *pipeline.Port) error {
	select {
	case <-time.After(7 * time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const opened = `opened {"media":[{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}],"startPaused":false}`

// A whole call, by an agent that is slow to start: pings are answered all the same,
// only the caller's channel is heard, the agent disconnects when all is said, and the
// flow gets what it has set.
func TestACallByGenesys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		question, answer := onLine(1, 8000), onLine(2, 8000*3)
		agent := &goodbye{says: answer}
		c := genesys(t, func(call *websocket.Call) *pipeline.Pipeline {
			line := call.Serializer().(*telephony.GenesysCall)
			line.SetOutput("intent", "tea")
			return pipeline.New(pipeline.Config{}, call.Input(), slowly{agent}, call.Output())
		})
		c.open("c")
		time.Sleep(time.Second)
		c.say("ping", "{}")
		c.say("ping", `{"rtt":"PT0S"}`)
		time.Sleep(time.Millisecond)
		c.mu.Lock()
		if len(c.pings) != 0 || !slices.Equal(c.told, []string{opened}) {
			t.Errorf("before there is an agent the pings %v were not answered; told %q", c.pings, c.told)
		}
		c.mu.Unlock()
		time.Sleep(8 * time.Second)
		for piece := range slices.Chunk(question, 800) {
			time.Sleep(100 * time.Millisecond)
			c.talk(piece)
			c.say("ping", "{}")
		}
		<-c.over
		if !slices.Equal(agent.heard, question) {
			t.Errorf("%d samples were heard of %d", len(agent.heard), len(question))
		}
		if got := bare(c.samples); !slices.Equal(got, answer) {
			t.Errorf("%d samples were said of %d", len(got), len(answer))
		}
		for i := 5; i < len(c.binary); i++ {
			if d := c.binary[i].Sub(c.binary[i-5]); d < time.Second {
				t.Errorf("six messages with audio came within %v", d)
			}
		}
		if len(c.binary) != 15 {
			t.Errorf("%d messages with audio came", len(c.binary))
		}
		want := []string{opened, `disconnect {"info":"","outputVariables":{"intent":"tea"},"reason":"completed"}`, `closed {}`}
		if !slices.Equal(c.told, want) || len(c.pings) != 0 || ws.CloseStatus(c.ended) != ws.StatusNormalClosure {
			t.Errorf("told %q; the pings %v were not answered; it ended with %v", c.told, c.pings, c.ended)
		}
	})
}

// bare returns samples without the silence around them.
func bare(s []int16) []int16 {
	for ; len(s) > 0 && s[0] == 0; s = s[1:] {
	}
	for ; len(s) > 0 && s[len(s)-1] == 0; s = s[:len(s)-1] {
	}
	return s
}

// An interruption, messages and pings come from three sides at once, and are numbered
// in the order in which they are written.
func TestGenesysIsToldOfABargeIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := onLine(2, 8000*30)
		c := genesys(t, func(call *websocket.Call) *pipeline.Pipeline {
			began := false
			return pipeline.New(pipeline.Config{}, call.Input(), pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				switch f := f.(type) {
				case *frames.AudioInput:
					if !began {
						began = true
						return out.Send(out.Generation(), &frames.AudioOutput{Audio: frames.Audio{Format: f.Format, Samples: answer, Track: "agent"}}, dir)
					}
					return nil
				case *frames.DTMFInput:
					if f.Digit == '1' {
						out.Interrupt("the caller presses a key")
					}
					for range 5 {
						if err := out.Send(ctx, &frames.TransportMessageUrgent{Message: telephony.GenesysEntity{Type: "bot_turn_response", Data: map[string]string{"disposition": "match"}}}, dir); err != nil {
							return err
						}
					}
					return out.Send(ctx, &frames.TransportMessageUrgent{Message: telephony.GenesysPause}, dir)
				}
				return out.Send(ctx, f, dir)
			}), call.Output())
		})
		c.open("c")
		time.Sleep(100 * time.Millisecond)
		c.talk(onLine(1, 80))
		time.Sleep(3050 * time.Millisecond) // between two chunks: one that is due now may go before or behind
		for range 10 {
			c.say("ping", "{}")
			c.say("dtmf", `{"digit":"2"}`)
		}
		c.say("dtmf", `{"digit":"1"}`)
		time.Sleep(2 * time.Second)
		c.say("close", `{"reason":"end"}`)
		<-c.over
		if d := time.Duration(len(c.samples)) * time.Second / 8000; d < 3*time.Second || d > 3400*time.Millisecond {
			t.Errorf("%v were sent", d)
		}
		count := map[string]int{}
		for _, m := range c.told {
			count[m]++
		}
		if count[`event {"entities":[{"type":"barge_in","data":{}}]}`] != 1 || count[`event {"entities":[{"type":"bot_turn_response","data":{"disposition":"match"}}]}`] != 55 || count["pause {}"] != 11 || c.told[len(c.told)-1] != "closed {}" || len(c.pings) != 0 {
			t.Errorf("told %v; the pings %v were not answered", count, c.pings)
		}
	})
}

func TestAProbeByGenesysIsAnsweredAndNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := genesys(t, func(*websocket.Call) *pipeline.Pipeline {
			t.Error("a pipeline was made")
			return nil
		})
		c.open("00000000-0000-0000-0000-000000000000")
		time.Sleep(time.Second)
		c.say("ping", "{}")
		c.talk(onLine(1, 80))
		time.Sleep(time.Second)
		c.say("close", `{"reason":"end"}`)
		<-c.over
		if !slices.Equal(c.told, []string{opened, "closed {}"}) || len(c.pings) != 0 || ws.CloseStatus(c.ended) != ws.StatusNormalClosure {
			t.Errorf("told %q; the pings %v were not answered; it ended with %v", c.told, c.pings, c.ended)
		}
	})
}

func TestAnAgentThatFailsTellsGenesys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := genesys(t, func(call *websocket.Call) *pipeline.Pipeline {
			return pipeline.New(pipeline.Config{}, call.Input(), pipeline.On(func(context.Context, *frames.AudioInput, frames.Direction, *pipeline.Port) error {
				return pipeline.Fatal(errors.New("the password is 1234"))
			}), call.Output())
		})
		c.open("c")
		time.Sleep(time.Second)
		c.talk(onLine(1, 80))
		<-c.over
		if want := []string{opened, `disconnect {"info":"","outputVariables":{},"reason":"error"}`, "closed {}"}; !slices.Equal(c.told, want) {
			t.Errorf("told %q, want %q", c.told, want)
		}
	})
}

// A Genesys that does not answer the request to disconnect is not waited for for ever.
func TestGenesysIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := websocket.NewServer(websocket.Config{Serializer: telephony.Genesys}, func(c *websocket.Call) (*pipeline.Pipeline, error) {
			return nil, errors.New("no agent")
		})
		if err != nil {
			t.Fatal(err)
		}
		net := pipenet.New()
		web := &http.Server{Handler: server}
		go web.Serve(net)
		defer web.Close()
		defer server.Shutdown(context.Background())
		conn, _, err := ws.Dial(t.Context(), "ws://bot.test/", &ws.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{DialContext: net.DialContext, DisableKeepAlives: true}}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		c := &cloud{t: t, conn: conn}
		began := time.Now()
		c.open("c")
		for {
			if _, _, err := conn.Read(context.Background()); err != nil {
				if ws.CloseStatus(err) != ws.StatusInternalError || time.Since(began) != 10*time.Second {
					t.Errorf("after %v it ended with %v", time.Since(began), err)
				}
				return
			}
		}
	})
}

// documented is the example of Genesys's documentation, as its reference
// implementation quotes it. OpenSSL makes the same signature of it:
//
//	key=$(printf %s TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU= | base64 -d | xxd -p)
//	openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary base | base64
//
// where base has a line for each header, and no newline at its end.
func documented() *http.Request {
	r := httptest.NewRequest("GET", "/api/v1/voicebiometrics/ws", nil)
	r.Host = "audiohook.example.com"
	for name, value := range map[string]string{
		"Audiohook-Organization-Id": "d7934305-0972-4844-938e-9060eef73d05",
		"Audiohook-Session-Id":      "30b0e395-84d3-4570-ac13-9a62d8f514c0",
		"Audiohook-Correlation-Id":  "e160e428-53e2-487c-977d-96989bf5c99d",
		"X-API-KEY":                 "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh",
		"Signature":                 "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:",
		"Signature-Input":           `sig1=("@request-target" "@authority" "audiohook-organization-id" "audiohook-session-id" "audiohook-correlation-id" "x-api-key");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";nonce="VGhpc0lzQVVuaXF1ZU5vbmNl";alg="hmac-sha256";created=1641013200;expires=3282026430`,
	} {
		r.Header.Set(name, value)
	}
	return r
}

func TestOnlyGenesysIsLetIn(t *testing.T) {
	secrets := map[string]string{"SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh": "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="}
	created := time.Unix(1641013200, 0)
	input := func(from, to string) func(r *http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Signature-Input", strings.Replace(r.Header.Get("Signature-Input"), from, to, 1))
		}
	}
	header := func(name, value string) func(r *http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, tc := range map[string]struct {
		change func(r *http.Request)
		at     time.Duration // after it was created
		keys   map[string]string
		want   string
	}{
		"as it is documented":    {func(*http.Request) {}, 0, secrets, ""},
		"with a clock behind":    {func(*http.Request) {}, -3 * time.Second, secrets, ""},
		"with a clock ahead":     {func(*http.Request) {}, 13 * time.Second, secrets, ""},
		"too late":               {func(*http.Request) {}, 14 * time.Second, secrets, "has expired"},
		"too early":              {func(*http.Request) {}, -4 * time.Second, secrets, "in the future"},
		"past its own end":       {input("expires=3282026430", "expires=1641013201"), 5 * time.Second, secrets, "has expired"},
		"another host":           {func(r *http.Request) { r.Host = "evil.example.com" }, 0, secrets, "not that of the request"},
		"another path":           {func(r *http.Request) { r.RequestURI = "/other" }, 0, secrets, "not that of the request"},
		"another session":        {header("Audiohook-Session-Id", "x"), 0, secrets, "not that of the request"},
		"no session":             {func(r *http.Request) { r.Header.Del("Audiohook-Session-Id") }, 0, secrets, "which the request has not"},
		"another secret":         {func(*http.Request) {}, 0, map[string]string{"SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh": "AAAA"}, "not that of the request"},
		"an unknown key":         {func(*http.Request) {}, 0, map[string]string{"other": "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="}, "not that of the request"},
		"another key":            {header("X-Api-Key", "other"), 0, secrets, "not the keyid"},
		"no keys":                {func(*http.Request) {}, 0, nil, "there is no API key"},
		"an empty secret":        {func(*http.Request) {}, 0, map[string]string{"k": ""}, "is none"},
		"no signature":           {func(r *http.Request) { r.Header.Del("Signature") }, 0, secrets, "no Signature"},
		"nothing at all":         {func(r *http.Request) { r.Header = http.Header{} }, 0, secrets, "no Signature-Input"},
		"of another name":        {header("Signature", "sig2=:AAAA:"), 0, secrets, `no Signature "sig1"`},
		"no base64":              {header("Signature", "sig1=:***:"), 0, secrets, "not base64"},
		"an empty one":           {header("Signature", "sig1=::"), 0, secrets, "not that of the request"},
		"without the host":       {input(`"@authority" `, ""), 0, secrets, "does not cover @authority"},
		"twice the host":         {input(`"@authority" `, `"@authority" "@authority" `), 0, secrets, "twice"},
		"without a time":         {input(";created=1641013200", ""), 0, secrets, "when it was created"},
		"with a time that is no": {input("created=1641013200", "created=soon"), 0, secrets, "which is none"},
		"without a nonce":        {input(`nonce="VGhpc0lzQVVuaXF1ZU5vbmNl"`, `nonce="short"`), 0, secrets, "a nonce of 5 characters"},
		"of another algorithm":   {input("hmac-sha256", "none"), 0, secrets, "hmac-sha256 is"},
		"two of them":            {input("expires=3282026430", `expires=3282026430, b=("x")`), 0, secrets, "which is none"},
		"with a new parameter":   {input(";alg", ";tag=1;alg"), 0, secrets, `"tag"`},
		"no list":                {header("Signature-Input", `sig1="x"`), 0, secrets, "no list"},
		"an escape":              {input(`keyid="`, `keyid="\"`), 0, secrets, "where a string is expected"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(created.Add(tc.at)))
				r := documented()
				tc.change(r)
				verify := telephony.VerifyGenesys(tc.keys)
				err := verify(r)
				if tc.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					if err := verify(r); err == nil || !strings.Contains(err.Error(), "used before") {
						t.Errorf("a second time: %v", err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
			})
		})
	}
}

// FuzzVerifyGenesys sends any signature: none is good, and none does harm.
func FuzzVerifyGenesys(f *testing.F) {
	r := documented()
	f.Add(r.Header.Get("Signature-Input"), r.Header.Get("Signature"))
	f.Add(`sig1=("a" "b");created=1;keyid="a;b";nonce="x"`, "sig1=:AAAA:")
	f.Add(`a=(`, "a=:")
	verify := telephony.VerifyGenesys(map[string]string{"key": "AAAA"})
	f.Fuzz(func(t *testing.T, input, value string) {
		r := documented()
		r.Header["Signature-Input"], r.Header["Signature"] = []string{input}, []string{value}
		if verify(r) == nil {
			t.Errorf("%q, %q is let in", input, value)
		}
	})
}
