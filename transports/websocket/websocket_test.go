package websocket_test

import (
	"context"
	"errors"
	"io"
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
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

func TestWhatIsSaidIsHeardSampleForSample(t *testing.T) {
	for name, cut := range map[string]int{"in one piece": 24000, "in pieces of 20 ms": 480, "in odd pieces": 1001} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, websocket.Config{}, echo)
				c := w.call()
				said := voice(1, 24000)
				go func() {
					for piece := range slices.Chunk(said, cut) {
						c.talk(piece)
					}
					time.Sleep(3 * time.Second)
					c.say(`{"type":"bye"}`)
				}()
				heard, texts, err := c.rest()
				if ws.CloseStatus(err) != ws.StatusNormalClosure {
					t.Errorf("it ended with %v", err)
				}
				if got := bare(heard); !slices.Equal(got, said) {
					t.Errorf("%d samples were heard, and not the %d that were said", len(got), len(said))
				}
				if len(heard) > len(said)+480 {
					t.Errorf("%d samples were sent for %d: silence is to be left out", len(heard), len(said))
				}
				if texts != nil {
					t.Errorf("there was more: %q", texts)
				}
				if stats := w.only().Stats(); stats.DroppedAudio != 0 || stats.BytesOut < 48000 {
					t.Errorf("counted: %+v", stats)
				}
			})
		})
	}
}

func TestABadHelloIsRefusedWithAReason(t *testing.T) {
	for hello, want := range map[string]struct {
		code   ws.StatusCode
		reason string
	}{
		`hello`:                        {ws.StatusInvalidFramePayloadData, `send {"type":"hello","version":1}`},
		`{"type":"hi","version":1}`:    {ws.StatusPolicyViolation, `has the type "hi"`},
		`{"type":"hello","version":2}`: {ws.StatusPolicyViolation, `version 2 is not known`},
		`{"type":"hello","version":1,"input":{"rate":12345}}`:                {ws.StatusPolicyViolation, "12345 Hz is not known"},
		`{"type":"hello","version":1,"output":{"rate":24000,"channels":7}}`:  {ws.StatusPolicyViolation, "one or two channels, not 7"},
		`{"type":"hello","version":1,"output":{"rate":24000,"channels":-1}}`: {ws.StatusPolicyViolation, "one or two channels, not -1"},
		"binary": {ws.StatusPolicyViolation, "audio before the hello"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, websocket.Config{}, echo)
			c := w.connect(nil)
			if hello == "binary" {
				c.talk(voice(1, 480))
			} else {
				c.say(hello)
			}
			c.ends(want.code, want.reason)
			w.none()
		})
	}
}

func TestWhoeverIsNotLetInCostsNothing(t *testing.T) {
	cfg := websocket.Config{
		Origins: []string{"app.example.com"},
		Authenticate: func(r *http.Request) error {
			if r.Header.Get("Authorization") != "Bearer secret" {
				return errors.New("there is no such token")
			}
			return nil
		},
	}
	for name, tc := range map[string]struct {
		token, origin string
		status        int
		body          string
	}{
		"without a token":     {"", "", http.StatusUnauthorized, "not authenticated"},
		"with a wrong one":    {"Bearer guess", "https://app.example.com", http.StatusUnauthorized, "not authenticated"},
		"from another page":   {"Bearer secret", "https://evil.example", http.StatusForbidden, "evil.example"},
		"from a known page":   {"Bearer secret", "https://app.example.com", http.StatusSwitchingProtocols, ""},
		"from the same host":  {"Bearer secret", "http://parley.test", http.StatusSwitchingProtocols, ""},
		"from no page at all": {"Bearer secret", "", http.StatusSwitchingProtocols, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, cfg, echo)
				h := http.Header{}
				if tc.token != "" {
					h.Set("Authorization", tc.token)
				}
				if tc.origin != "" {
					h.Set("Origin", tc.origin)
				}
				conn, resp, err := w.try(&ws.DialOptions{HTTPHeader: h})
				if conn != nil {
					defer conn.CloseNow()
				}
				if resp == nil || resp.StatusCode != tc.status {
					t.Fatalf("got %v, %v; want %d", resp, err, tc.status)
				}
				if tc.body != "" && !strings.Contains(body(t, resp), tc.body) {
					t.Errorf("it does not say %q", tc.body)
				}
				w.none()
			})
		})
	}
}

func TestOneCallTooManyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, websocket.Config{MaxCalls: 2}, echo)
		first, _ := w.connect(nil), w.connect(nil)
		_, resp, err := w.try(nil)
		if err == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Fatalf("got %v, %v", resp, err)
		}
		if n := w.server.Calls(); n != 2 {
			t.Errorf("there are %d calls", n)
		}
		first.conn.Close(ws.StatusNormalClosure, "")
		synctest.Wait()
		if _, _, err := w.try(nil); err != nil {
			t.Errorf("there is room again: %v", err)
		}
	})
}

func TestARequestThatIsNoWebSocketsIsRefused(t *testing.T) {
	server, err := websocket.NewServer(websocket.Config{}, func(*websocket.Call) (*pipeline.Pipeline, error) {
		t.Error("a pipeline was made")
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := httptest.NewRecorder()
	server.ServeHTTP(got, httptest.NewRequest("GET", "/call", nil))
	if got.Code != http.StatusUpgradeRequired {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
}

func TestWhatBreaksTheRulesIsClosedWithTheRightCode(t *testing.T) {
	for name, tc := range map[string]struct {
		does   func(c *client)
		code   ws.StatusCode
		reason string
	}{
		"half a sample":        {func(c *client) { c.conn.Write(context.Background(), ws.MessageBinary, []byte{1, 2, 3}) }, ws.StatusInvalidFramePayloadData, "3 bytes of audio"},
		"text that is no JSON": {func(c *client) { c.say("{") }, ws.StatusInvalidFramePayloadData, "it is not JSON"},
		"a key that is none":   {func(c *client) { c.say(`{"type":"dtmf","digit":"55"}`) }, ws.StatusPolicyViolation, `"55" is not a key`},
		"a long message":       {func(c *client) { c.conn.Write(context.Background(), ws.MessageBinary, make([]byte, 64<<10+2)) }, ws.StatusMessageTooBig, "at most 65536 bytes"},
		"one that never ends":  {func(c *client) { c.endless() }, ws.StatusMessageTooBig, "at most 65536 bytes"},
		"too many messages": {func(c *client) {
			for range 1100 {
				c.conn.Write(context.Background(), ws.MessageText, []byte(`{"type":"nothing"}`))
			}
		}, ws.StatusPolicyViolation, "too fast"},
		"audio of the future": {func(c *client) {
			for range 7 { // the last ones may find the connection closed
				c.conn.Write(context.Background(), ws.MessageBinary, make([]byte, 48000))
			}
		}, ws.StatusPolicyViolation, "earlier than it can have been spoken"},
		"silence":    {func(c *client) {}, ws.StatusPolicyViolation, "nothing was said"},
		"no problem": {func(c *client) { c.say(`{"type":"nothing"}`); c.say(`{"type":"bye"}`) }, ws.StatusNormalClosure, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor {
					return pipeline.On(func(context.Context, *frames.AudioInput, frames.Direction, *pipeline.Port) error { return nil })
				})
				c := w.call()
				go tc.does(c)
				c.ends(tc.code, tc.reason)
			})
		})
	}
}

func TestWhoeverDoesNotSayHelloIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, websocket.Config{}, echo)
		c := w.connect(nil)
		began := time.Now()
		c.ends(ws.StatusPolicyViolation, "the handshake was not done within 10s")
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		w.none()
	})
}

func TestAPeerThatIsGoneIsNoticed(t *testing.T) {
	t.Run("it answers no ping", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, websocket.Config{}, echo)
			c := w.connect(&ws.DialOptions{OnPingReceived: func(context.Context, []byte) bool { return false }})
			c.say(`{"type":"hello","version":1}`)
			began := time.Now()
			c.rest()
			if took := time.Since(began); took != 25*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	})
	t.Run("it vanishes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, websocket.Config{}, echo)
			w.call().conn.CloseNow()
			time.Sleep(100 * time.Millisecond)
			if n := w.server.Calls(); n != 0 {
				t.Errorf("there are %d calls", n)
			}
		})
	})
}

// talker says n samples when it is told to, and notes when frames come by.
type talker struct {
	mu    sync.Mutex
	heard []*frames.AudioInput
	keys  []byte
	got   []any
	end   string
	say   int // at the first audio
}

func (a *talker) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch f := f.(type) {
	case *frames.AudioInput:
		a.heard = append(a.heard, f)
		if n := a.say; n > 0 {
			a.say = 0
			gen := out.Generation()
			if err := out.Send(gen, &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(24000), Samples: voice(2, n), Track: "agent"}}, dir); err != nil {
				return err
			}
			return out.Send(gen, &frames.TTSStop{}, dir)
		}
		return nil
	case *frames.DTMFInput:
		a.keys = append(a.keys, f.Digit)
		return out.Send(ctx, &frames.DTMFOutput{Digit: f.Digit}, dir)
	case *frames.TransportMessageInput:
		a.got = append(a.got, f.Message)
		return out.Send(ctx, &frames.TransportMessageUrgent{Message: f.Message}, dir)
	case *frames.End:
		a.end = f.Reason
	}
	return out.Send(ctx, f, dir)
}

func TestAnInterruptionDiscardsWhatIsNotYetHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 10}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.call()
		go func() {
			c.talk(voice(1, 480))
			time.Sleep(time.Second)
			c.say(`{"type":"interrupt"}`)
			time.Sleep(time.Second)
			c.say(`{"type":"interrupt"}`) // there is nothing to clear any more
			time.Sleep(time.Second)
			c.say(`{"type":"bye"}`)
		}()
		heard, texts, _ := c.rest()
		// A second, which may end right before a chunk, and what was sent ahead.
		if got := time.Duration(len(heard)) * time.Second / 24000; got < 980*time.Millisecond || got > 1200*time.Millisecond {
			t.Errorf("%v were sent", got)
		}
		if !slices.Equal(texts, []string{`{"type":"clear"}`}) {
			t.Errorf("the peer was told %q", texts)
		}
	})
}

func TestKeysAndMessagesGoBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.call()
		go func() {
			c.say(`{"type":"dtmf","digit":"#"}`)
			time.Sleep(time.Second)
			c.say(`{"type":"message","data":{"a":[1,2]}}`)
			time.Sleep(time.Second)
			c.conn.Close(ws.StatusNormalClosure, "")
		}()
		_, texts, _ := c.rest()
		if want := []string{`{"type":"dtmf","digit":"#"}`, `{"type":"message","data":{"a":[1,2]}}`}; !slices.Equal(texts, want) {
			t.Errorf("the peer was told %q, want %q", texts, want)
		}
		synctest.Wait()
		if string(a.keys) != "#" || len(a.got) != 1 || a.end != "the caller hung up" {
			t.Errorf("the agent was told %q, %v, %q", a.keys, a.got, a.end)
		}
	})
}

// A peer that stalls, or that reads too slowly, loses audio and delays nobody.
func TestAPeerThatReadsTooSlowlyLosesTheOldestAudio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 5}
		w := serve(t, websocket.Config{WriteTimeout: time.Minute}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.call()
		c.talk(voice(1, 480))
		time.Sleep(6 * time.Second) // it does not read
		call := w.only()
		if stats := call.Output().Stats(); stats.SpeechEnd < 24000*5 {
			t.Errorf("the output has waited: %+v", stats)
		}
		go func() {
			time.Sleep(time.Second)
			c.say(`{"type":"bye"}`)
		}()
		heard, _, _ := c.rest()
		said := voice(2, 24000*5)
		stats := call.Stats()
		// What was being written when it stalled, and the last second.
		if got, want := len(heard), 24000+480; got != want {
			t.Errorf("%d samples were heard, want %d", got, want)
		}
		if !slices.Equal(heard[len(heard)-24000:], said[len(said)-24000:]) {
			t.Errorf("what was heard is not the newest")
		}
		if want := uint64(len(said)-len(heard)) / 480; stats.DroppedAudio != want {
			t.Errorf("%d were dropped, want %d", stats.DroppedAudio, want)
		}
	})
}

func TestAPeerThatNeverReadsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 60}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.call()
		began := time.Now()
		c.talk(voice(1, 480))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := w.server.Calls(); n != 0 {
			t.Errorf("after %v there are %d calls", time.Since(began), n)
		}
		if !strings.Contains(a.end, "you do not read") {
			t.Errorf("the call ended with %q", a.end)
		}
	})
}

func TestPositionsFollowTheClockWhereThePeerWasSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.call()
		var want []audio.Position
		at := func(p audio.Position, after time.Duration) {
			time.Sleep(after)
			c.talk(voice(1, 480))
			synctest.Wait()
			want = append(want, p)
		}
		at(24000-480, time.Second)                 // the first is where it was spoken
		at(24000, 20*time.Millisecond)             // in time
		at(24480, 900*time.Millisecond)            // late, and not a gap
		at(24960, 0)                               // it catches up
		at(24000*592/100-480, 4*time.Second)       // muted
		at(24000*592/100, 20*time.Millisecond)     // in time
		at(24000*592/100+480, 30*time.Millisecond) // late, and not a gap
		var got []audio.Position
		for _, f := range a.heard {
			got = append(got, f.Position)
			if f.Track != "caller" || f.Format != audio.Mono(24000) {
				t.Errorf("got %v", f)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("positions %v, want %v", got, want)
		}
	})
}

// A mark, or a key, right behind the first audio after a silence is no more of it, and
// between two pieces of audio that come at once it hides nothing.
func TestWhatElseComesBehindAudioDoesNotMoveIt(t *testing.T) {
	for name, tc := range map[string]struct {
		piece int           // samples
		more  time.Duration // comes so much later
		want  audio.Position
	}{
		"muted":   {480, 20 * time.Millisecond, 3400*24 - 480},
		"a stall": {28800, 0, 24000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &talker{}
				w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
				c := w.call()
				time.Sleep(time.Second)
				c.talk(voice(1, 480))
				time.Sleep(2400 * time.Millisecond)
				c.talk(voice(1, tc.piece))
				c.say(`{"type":"mark","name":"1"}`)
				c.say(`{"type":"dtmf","digit":"1"}`)
				time.Sleep(tc.more)
				c.talk(voice(1, tc.piece))
				c.say(`{"type":"dtmf","digit":"2"}`)
				time.Sleep(time.Second)
				a.mu.Lock()
				defer a.mu.Unlock()
				var got []audio.Position
				for _, f := range a.heard {
					got = append(got, f.Position)
				}
				if want := []audio.Position{24000 - 480, tc.want, tc.want + audio.Position(tc.piece)}; !slices.Equal(got, want) || string(a.keys) != "12" {
					t.Errorf("positions %v, want %v; keys %q", got, want, a.keys)
				}
			})
		})
	}
}

// After a stall of the network everything comes at once: that is late, and nobody
// was silent.
func TestABurstAfterAStallIsNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.call()
		for range 50 {
			time.Sleep(20 * time.Millisecond)
			c.talk(voice(1, 480))
		}
		time.Sleep(4500 * time.Millisecond)
		for range 4500 / 20 {
			c.talk(voice(1, 480))
		}
		for range 50 {
			time.Sleep(20 * time.Millisecond)
			c.talk(voice(1, 480))
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if want := 50 + 225 + 50; len(a.heard) != want {
			t.Fatalf("%d pieces were heard, want %d", len(a.heard), want)
		}
		for i, f := range a.heard {
			if want := a.heard[0].Position + audio.Position(480*i); f.Position != want {
				t.Fatalf("piece %d is at %d, want %d", i, f.Position, want)
			}
		}
	})
}

// starter takes its time to start.
type starter struct {
	talker
	takes time.Duration
}

func (s *starter) Start(ctx context.Context, _ *pipeline.Port) error {
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestWhatIsSaidBeforeTheAgentListensIsNotHeardLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &starter{takes: 6 * time.Second}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.connect(nil)
		c.say(`{"type":"hello","version":1,"input":{"rate":24000},"output":{"rate":24000}}`)
		began := time.Now()
		go func() {
			c.text()
			if took := time.Since(began); took != 6*time.Second {
				t.Errorf("it was told after %v that there is an agent", took)
			}
		}()
		for range 8 * 50 {
			c.talk(voice(1, 480))
			time.Sleep(20 * time.Millisecond)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if n := len(a.heard); n < 99 || n > 101 {
			t.Errorf("%d pieces were heard in the two seconds that there was an agent", n)
		} else if first := a.heard[0].Position; first > 480 {
			t.Errorf("the first is at %d", first)
		}
	})
}

// greeter has something to say as soon as it runs.
type greeter struct{}

func (greeter) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (greeter) Run(ctx context.Context, out *pipeline.Port) error {
	return out.Send(ctx, &frames.TransportMessageUrgent{Message: "welcome"}, frames.Downstream)
}

func TestTheAnswerToTheHelloIsTheFirstThingThatIsSaid(t *testing.T) {
	for range 50 { // the agent and the input begin at the same instant
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return greeter{} })
			c := w.connect(nil)
			c.say(`{"type":"hello","version":1}`)
			if first := c.text(); !strings.Contains(first, `"hello"`) {
				t.Fatalf("the first message is %s", first)
			}
			if second := c.text(); second != `{"type":"message","data":"welcome"}` {
				t.Fatalf("the second message is %s", second)
			}
			c.say(`{"type":"bye"}`)
			c.rest()
		})
	}
}

func TestACallerWhoLeavesBeforeTheAgentListensIsNotWaitedFor(t *testing.T) {
	for name, leave := range map[string]func(c *client){
		"bye":     func(c *client) { c.say(`{"type":"bye"}`) },
		"closing": func(c *client) { go c.conn.Close(ws.StatusNormalClosure, "") },
		"gone":    func(c *client) { c.conn.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return &starter{takes: 15 * time.Second} })
				c := w.connect(nil)
				c.say(`{"type":"hello","version":1}`)
				time.Sleep(time.Second)
				leave(c)
				go c.rest()
				time.Sleep(100 * time.Millisecond)
				if n := w.server.Calls(); n != 0 {
					t.Errorf("there are %d calls", n)
				}
			})
		})
	}
}

// A peer that announces a frame and never sends it cannot keep its place.
func TestAPeerThatObstructsTheEndIsCutOff(t *testing.T) {
	for name, hello := range map[string]string{
		"in the handshake": "{",
		"in the call":      `{"type":"hello","version":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, websocket.Config{}, echo)
				conn, err := w.net.Dial(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				go io.Copy(io.Discard, conn)
				io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
				frame := func(text string) { // masked with nothing
					conn.Write(append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...))
				}
				frame(hello)
				time.Sleep(time.Second)
				go func() { // the server may not read it any more
					frame("{")
					conn.Write([]byte{0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
				}()
				time.Sleep(12 * time.Second)
				if n := w.server.Calls(); n != 0 {
					t.Errorf("there are %d calls", n)
				}
			})
		})
	}
}

func TestAShutdownLetsTheAgentsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 3}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.call()
		c.talk(voice(1, 480))
		done := make(chan error, 1)
		go func() {
			time.Sleep(time.Second)
			done <- w.server.Shutdown(context.Background())
		}()
		heard, _, err := c.rest()
		if !slices.Equal(bare(heard), voice(2, 24000*3)) {
			t.Errorf("%d samples were heard", len(heard))
		}
		var e ws.CloseError
		if !errors.As(err, &e) || e.Code != ws.StatusGoingAway || e.Reason != "the server is shutting down" {
			t.Errorf("it ended with %v", err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, resp, err := w.try(nil); err == nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a new call got %v, %v", resp, err)
		}
	})
}

func TestAShutdownThatTakesTooLongCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 60}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.call()
		c.talk(voice(1, 480))
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		go func() {
			if err := w.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}()
		began := time.Now()
		c.ends(ws.StatusGoingAway, "shutting down")
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAnAgentThatCannotBeMadeIsNoFaultOfThePeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, websocket.Config{}, echo)
		server, err := websocket.NewServer(websocket.Config{}, func(*websocket.Call) (*pipeline.Pipeline, error) {
			return nil, errors.New("the password is 1234")
		})
		if err != nil {
			t.Fatal(err)
		}
		w.web.Handler = server
		c := w.connect(nil)
		c.say(`{"type":"hello","version":1}`)
		c.ends(ws.StatusInternalError, "internal error")
	})
}

func TestABadConfigurationIsRefused(t *testing.T) {
	agent := func(*websocket.Call) (*pipeline.Pipeline, error) { return nil, nil }
	_, err := websocket.NewServer(websocket.Config{MaxCalls: -1, IdleTimeout: 5, MaxMessage: -3}, agent)
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, want := range []string{"MaxCalls is -1", "IdleTimeout is 5ns", "write 5*time.Second", "MaxMessage is -3"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, err := websocket.NewServer(websocket.Config{}, nil); err == nil || !strings.Contains(err.Error(), "there is no agent") {
		t.Errorf("got %v", err)
	}
}
