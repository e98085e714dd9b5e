package websocket_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

// provider is a serializer of somebody's own: it panics on "!", and hangs up by
// itself.
type provider struct {
	websocket.Serializer
	hungUp *atomic.Int64
}

func (p provider) Decode(m websocket.Message) ([]frames.Frame, error) {
	if string(m.Data) == "!" {
		panic("index out of range")
	}
	return p.Serializer.Decode(m)
}

func (p provider) HangUp(context.Context) error {
	p.hungUp.Add(1)
	return nil
}

func providing() (*atomic.Int64, websocket.Config) {
	hungUp := new(atomic.Int64)
	return hungUp, websocket.Config{Serializer: func() websocket.Serializer { return provider{websocket.PCM(), hungUp} }}
}

func TestASerializerThatPanicsEndsItsCallOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cfg := providing()
		w := serve(t, cfg, echo)
		c := w.connect(nil)
		c.say(`{"type":"hello","version":1}`)
		c.say("!")
		c.ends(ws.StatusInternalError, "internal error")
	})
}

func TestACallIsHungUpUnlessTheCallerHasDoneSo(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(w *world, c *client)
		want int64
	}{
		"the agent's end":       {func(w *world, c *client) { go w.server.Shutdown(context.Background()) }, 1},
		"the caller says bye":   {func(w *world, c *client) { c.say(`{"type":"bye"}`) }, 0},
		"the caller closes":     {func(w *world, c *client) { go c.conn.Close(ws.StatusNormalClosure, "") }, 0},
		"the caller is lost":    {func(w *world, c *client) { c.conn.CloseNow() }, 1},
		"the caller misbehaves": {func(w *world, c *client) { c.say("!") }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hungUp, cfg := providing()
				w := serve(t, cfg, echo)
				c := w.connect(nil)
				c.say(`{"type":"hello","version":1}`)
				time.Sleep(time.Second)
				tc.end(w, c)
				c.rest()
				time.Sleep(time.Second)
				if got := hungUp.Load(); got != tc.want {
					t.Errorf("it was hung up %d times, want %d", got, tc.want)
				}
			})
		})
	}
}

// chatterer answers each message with a long one.
type chatterer struct{ end string }

func (a *chatterer) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.TransportMessageInput:
		return out.Send(ctx, &frames.TransportMessageUrgent{Message: strings.Repeat("x", 100_000)}, dir)
	case *frames.End:
		a.end = f.Reason
	}
	return out.Send(ctx, f, dir)
}

func TestWhatWaitsForAPeerIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &chatterer{}
		w := serve(t, websocket.Config{WriteTimeout: time.Hour}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.call()
		for range 20 { // of which it reads nothing
			if c.conn.Write(context.Background(), ws.MessageText, []byte(`{"type":"message"}`)) != nil {
				break
			}
		}
		time.Sleep(time.Second)
		if n := w.server.Calls(); n != 0 || !strings.Contains(a.end, "you do not read") {
			t.Errorf("there are %d calls; it ended with %q", n, a.end)
		}
	})
}

// The marks of audio that is dropped are not sent: they would come back at once,
// as if it had been heard.
func TestMarksOfDroppedAudioAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 5}
		w := serve(t, websocket.Config{WriteTimeout: time.Minute}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.connect(nil)
		c.say(`{"type":"hello","version":1,"input":{"rate":24000},"output":{"rate":24000},"marks":true}`)
		c.text()
		c.talk(voice(1, 480))
		time.Sleep(4 * time.Second) // it does not read, and the agent still speaks
		go func() {
			time.Sleep(time.Second / 2)
			c.say(`{"type":"bye"}`)
		}()
		var kinds []ws.MessageType
		for {
			kind, _, err := c.conn.Read(context.Background())
			if err != nil {
				break
			}
			kinds = append(kinds, kind)
		}
		// What was being written when it stalled, and then audio, and not a mark.
		text := slices.Index(kinds[1:], ws.MessageText)
		if len(kinds) < 20 || text < 2 {
			t.Errorf("behind what was being written a mark came as message %d of %d", text, len(kinds))
		}
	})
}
