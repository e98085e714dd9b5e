package websocket_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
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

// A message may come in pieces, and pieces may be empty: who sends those for ever
// never sends a message, and is disconnected all the same.
func TestEmptyPiecesAreTooMuchAtSomeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &chatterer{}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		conn, err := w.net.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go io.Copy(io.Discard, conn)
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		frame := func(head byte, text string) error { // masked with nothing
			_, err := conn.Write(append([]byte{head, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...))
			return err
		}
		frame(0x81, `{"type":"hello","version":1}`)
		time.Sleep(time.Second)
		frame(0x02, "")
		n := 0
		for ; n < 50_000 && frame(0x00, "") == nil; n++ {
		}
		if n == 50_000 {
			t.Error("50,000 empty pieces were taken")
		}
		time.Sleep(6 * time.Second)
		if n := w.server.Calls(); n != 0 || !strings.Contains(a.end, "too fast") {
			t.Errorf("there are %d calls; it ended with %q", n, a.end)
		}
	})
}

// Pieces of a usual size are not too much.
func TestALongMessageMayComeInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		c := w.call()
		said := voice(1, 24000)
		for piece := range slices.Chunk(said, 24000/10) {
			time.Sleep(100 * time.Millisecond)
			out, err := c.conn.Writer(context.Background(), ws.MessageBinary)
			if err != nil {
				t.Fatal(err)
			}
			for part := range slices.Chunk(audio.EncodePCM(nil, piece), 100) {
				if _, err := out.Write(part); err != nil {
					t.Fatal(err)
				}
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
		}
		c.say(`{"type":"bye"}`)
		c.rest()
		synctest.Wait()
		var heard []int16
		for _, f := range a.heard {
			heard = append(heard, f.Samples...)
		}
		if !slices.Equal(heard, said) {
			t.Errorf("%d samples were heard of %d", len(heard), len(said))
		}
	})
}

// When the time for a shutdown is over, nobody is waited for: not a provider whose
// API does not answer, nor a peer that does not read.
func TestAShutdownWhoseTimeIsOverReturns(t *testing.T) {
	for name, cfg := range map[string]websocket.Config{
		"a provider": {Serializer: func() websocket.Serializer { return patient{websocket.PCM()} }},
		"a peer":     {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &talker{say: 24000 * 60}
				w := serve(t, cfg, func(*websocket.Call) pipeline.Processor { return a })
				c := w.connect(nil)
				c.say(`{"type":"hello","version":1}`)
				time.Sleep(time.Second)
				c.talk(voice(1, 320))
				time.Sleep(time.Second) // it does not read
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				w.server.Shutdown(ctx)
				if took := time.Since(began); took > 1300*time.Millisecond {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// patient waits for an API.
type patient struct{ websocket.Serializer }

func (patient) HangUp(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// shy panics when it opens, or when it greets who has come back.
type shy struct {
	websocket.Serializer
	opens bool
}

func (s shy) Open(ctx context.Context, peer websocket.Peer, id string) (websocket.Formats, error) {
	if s.opens {
		panic("who is there?")
	}
	return s.Serializer.Open(ctx, peer, id)
}

func (s shy) Greet() (websocket.Message, error) {
	if s.Told().Call != "" {
		panic("you again")
	}
	return s.Serializer.(websocket.Greeter).Greet()
}

func (s shy) Told() websocket.Resumption  { return s.Serializer.(websocket.Resumer).Told() }
func (s shy) Tell(r websocket.Resumption) { s.Serializer.(websocket.Resumer).Tell(r) }

func TestAHandshakeThatPanicsLeavesNothingBehind(t *testing.T) {
	t.Run("the first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, websocket.Config{Serializer: func() websocket.Serializer { return shy{websocket.PCM(), true} }}, echo)
			c := w.connect(nil)
			c.ends(ws.StatusInternalError, "internal error")
			synctest.Wait()
			w.none()
			if n := w.server.Calls(); n != 0 {
				t.Errorf("there are %d calls", n)
			}
		})
	})
	t.Run("of who comes back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := &talker{}
			w := serve(t, websocket.Config{Serializer: func() websocket.Serializer { return shy{websocket.PCM(), false} }}, func(*websocket.Call) pipeline.Processor { return a })
			first, h := w.returning()
			first.conn.CloseNow()
			time.Sleep(time.Second)
			w.back(h.Call, h.Resume.Token, 0).ends(ws.StatusInternalError, "internal error")
			time.Sleep(time.Second)
			if n := w.server.Calls(); n != 0 || a.end != "the caller was disconnected: internal error" {
				t.Errorf("there are %d calls; it ended with %q", n, a.end)
			}
		})
	})
}
