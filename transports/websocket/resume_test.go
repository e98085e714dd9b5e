package websocket_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
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

// network is what lies between our client and the server, and fails in all ways.
type network struct {
	w *world

	mu    sync.Mutex
	down  bool // nobody gets through
	holes int  // so many connections lead nowhere
	conns []*cable
	dials int
	speed int // bytes a second to the client, if it is not 0
}

// cable is a connection, seen from the client.
type cable struct {
	net.Conn
	speed int
	mu    sync.Mutex
	dead  bool // what is written is lost, and nothing comes: without notice
}

func (c *cable) Write(b []byte) (int, error) {
	c.mu.Lock()
	dead := c.dead
	c.mu.Unlock()
	if dead {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *cable) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	dead := c.dead
	c.mu.Unlock()
	if dead && err == nil { // what has been sent is swallowed
		for err == nil {
			_, err = c.Conn.Read(b)
		}
		return 0, err
	}
	if c.speed > 0 {
		time.Sleep(time.Duration(n) * time.Second / time.Duration(c.speed))
	}
	return n, err
}

func (n *network) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	down := n.down
	n.mu.Unlock()
	if down {
		return nil, errors.New("the network is down")
	}
	conn, err := n.w.net.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &cable{Conn: conn, speed: n.speed}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.holes > 0 {
		n.holes--
		c.dead = true
	}
	n.conns = append(n.conns, c)
	return c, nil
}

func (n *network) set(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

// tear breaks the connection so that both ends notice.
func (n *network) tear() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[len(n.conns)-1].Conn.Close()
}

// vanish lets what is sent disappear from now on, in both directions.
func (n *network) vanish() {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.conns[len(n.conns)-1]
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
}

func (w *world) through(n *network, cfg websocket.DialConfig) *websocket.Call {
	w.t.Helper()
	n.w = w
	cfg.Serializer = wide
	// Not at the very instant at which the server pings: on a pipe without a buffer both
	// would wait for each other.
	cfg.PingInterval = cmp.Or(cfg.PingInterval, 11*time.Second)
	cfg.Client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: n.DialContext}}
	call, err := websocket.Dial(context.Background(), "ws://parley.test/call", cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return call
}

// kinds are the frames of a person's that have to do with coming back, and the end.
func (p *person) kinds() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, f := range p.other {
		switch f := f.(type) {
		case *websocket.Lost:
			all = append(all, "lost")
		case *websocket.Resumed:
			all = append(all, fmt.Sprintf("resumed after %v", f.Away.Round(100*time.Millisecond)))
		case *frames.End:
			all = append(all, "end")
		}
	}
	return strings.Join(all, ", ")
}

// Each way of losing a connection in the middle of a sentence: the caller hears all
// of it, every sample once.
func TestAConversationGoesOnOverAnotherConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		fails func(n *network)
		away  time.Duration // as the agent's pipeline is told
	}{
		"torn, and back soon": {func(n *network) { n.tear() }, 0},
		"torn, and down for ten seconds": {func(n *network) {
			n.set(true)
			n.tear()
			time.Sleep(10 * time.Second)
			n.set(false)
		}, 10 * time.Second},
		"torn again and again": {func(n *network) {
			for range 5 {
				n.tear()
				time.Sleep(700 * time.Millisecond)
			}
		}, 0},
		"torn, and then twice into nowhere": {func(n *network) {
			n.mu.Lock()
			n.holes = 2
			n.mu.Unlock()
			n.tear()
		}, 10 * time.Second},
		"vanished without notice": {func(n *network) { n.vanish() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said := loud(2, 24000*8)
				a := &person{says: said}
				w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
				n := &network{}
				call := w.through(n, websocket.DialConfig{})
				p := &person{hangUp: 60 * time.Second}
				go func() {
					time.Sleep(3 * time.Second)
					tc.fails(n)
				}()
				p.talk(t, call)
				synctest.Wait()
				if held, err := follow(sounding(p.heard), said); err != nil || held > int(call.Stats().Resumed) {
					t.Errorf("it was held %d times, and then %v", held, err)
				}
				stats := call.Stats()
				if stats.Resumed == 0 || stats.Resumed != w.only().Stats().Resumed {
					t.Errorf("the caller has come back %d times, the server says %d", stats.Resumed, w.only().Stats().Resumed)
				}
				if !strings.HasPrefix(p.kinds(), "lost, resumed after") || !strings.HasSuffix(a.kinds(), ", end") || !strings.HasPrefix(a.kinds(), "lost, resumed") {
					t.Errorf("the caller's pipeline was told %s; the agent's %s", p.kinds(), a.kinds())
				}
				if tc.away > 0 {
					if got := w.only().Stats().Away; got < tc.away || got > tc.away+4*time.Second {
						t.Errorf("it was away for %v, want %v", got, tc.away)
					}
				}
				for i := 1; i < len(p.parts); i++ { // the caller's own clock notices nothing
					if p.parts[i].Position != p.parts[i-1].End() {
						t.Fatalf("there is a hole in what the caller's pipeline hears")
					}
				}
				// The agent's hears a gap, and then goes on where the clock is.
				last := a.parts[len(a.parts)-1]
				if late := a.times[len(a.times)-1].Sub(a.times[0]) - audio.Rate24k.Duration(int64(last.Position-a.parts[0].Position)); late.Abs() > 100*time.Millisecond {
					t.Errorf("the caller's audio is %v behind its clock", late)
				}
			})
		})
	}
}

// A connection may be dead for as long as it takes until a ping is due, and until nobody
// has answered it: what was said meanwhile is heard, too, also where it takes longer to
// send it than may wait for a peer that reads slowly.
func TestWhatIsSaidUntilALossIsNoticedIsHeard(t *testing.T) {
	for name, tc := range map[string]struct {
		pings time.Duration // of the caller's; the server's are those of the default
		speed int
	}{
		"the caller notices first":     {14 * time.Second, 0},
		"the server notices first":     {16 * time.Second, 0},
		"and the network is no faster": {14 * time.Second, 150_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said := loud(2, 24000*35)
				w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return &person{says: said} })
				n := &network{speed: tc.speed}
				call := w.through(n, websocket.DialConfig{PingInterval: tc.pings})
				p := &person{hangUp: 80 * time.Second}
				go func() {
					time.Sleep(time.Second)
					n.vanish()
				}()
				p.talk(t, call)
				synctest.Wait()
				if held, err := follow(sounding(p.heard), said); err != nil || held > 1 {
					t.Errorf("it was held %d times, and then %v", held, err)
				}
				if stats := w.only().Stats(); stats.Resumed != 1 || stats.Resent < 1000 || stats.DroppedAudio != 0 {
					t.Errorf("the server says %+v", stats)
				}
			})
		})
	}
}

// What the caller says into a dead connection is late when there is another one, and is
// counted.
func TestWhatIsLostOfWhatTheCallerSaysIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &person{}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		n := &network{}
		call := w.through(n, websocket.DialConfig{OmitSilence: true})
		p := &person{says: loud(1, 24000*30), hangUp: 60 * time.Second}
		go func() {
			time.Sleep(time.Second)
			n.vanish()
		}()
		p.talk(t, call)
		synctest.Wait()
		heard, dropped := 0, int(call.Stats().DroppedAudio)
		for _, f := range a.parts {
			heard += len(f.Samples)
		}
		if heard+480*dropped != len(p.says) || dropped < 50*19 {
			t.Errorf("%d samples were heard of %d, and %d pieces of 480 dropped", heard, len(p.says), dropped)
		}
	})
}

// What a caller says while there is no connection is dropped, and told not to have been
// heard.
func TestWhatTheCallerSaysWhileItIsAwayIsToldNotToBeHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &person{}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		n := &network{}
		call := w.through(n, websocket.DialConfig{OmitSilence: true})
		p, e := &person{says: loud(1, 24000*12), hangUp: 20 * time.Second}, &ear{}
		go func() {
			time.Sleep(3*time.Second + 5*time.Millisecond)
			n.set(true)
			n.tear()
			time.Sleep(5 * time.Second)
			n.set(false)
		}()
		if err := pipeline.New(pipeline.Config{}, call.Input(), p, e, call.Output()).Run(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		heard, told, dropped, at := 0, 0, 0, audio.Position(0)
		for _, f := range a.parts {
			heard += len(f.Samples)
		}
		for _, f := range e.playouts {
			told += int(f.Heard - at)
			if at = f.Heard; f.Dropped {
				at = f.Queued
				dropped += int(f.Queued - f.Heard)
			}
		}
		if heard != told || heard+dropped != len(p.says) || dropped != 480*int(call.Stats().DroppedAudio) || dropped < 24000*5 {
			t.Errorf("%d samples were heard of %d, told were %d and %d not; %+v", heard, len(p.says), told, dropped, call.Stats())
		}
	})
}

// How long a call may take to begin is of no matter to one that goes on: who is
// slower than that once has not refused.
func TestASlowAttemptToComeBackIsNotTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return &talker{} })
		var requests atomic.Int64
		w.web.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if requests.Add(1) != 2 {
				w.server.ServeHTTP(rw, r)
				return
			}
			conn, err := ws.Accept(rw, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.CloseNow()
			conn.Read(context.Background()) // the hello, which is never answered
			conn.Read(context.Background())
		})
		n := &network{}
		call := w.through(n, websocket.DialConfig{HandshakeTimeout: time.Second})
		p := &person{hangUp: 20 * time.Second}
		go func() {
			time.Sleep(2 * time.Second)
			n.tear()
		}()
		p.talk(t, call)
		synctest.Wait()
		if got := p.kinds(); !strings.HasPrefix(got, "lost, resumed after 5.") {
			t.Errorf("the caller's pipeline was told %s", got)
		}
	})
}

// follow compares what was heard with what was said, sample for sample, but for the
// places where it was held: there it fades out and in, in 5 ms each, of which the first
// and the last sample are silent. It returns how many there were.
func follow(heard, said []int16) (held int, err error) {
	const check = 100
	i, j := 0, 0
	for ; i < len(said); i, j = i+1, j+1 {
		if j < len(heard) && heard[j] == said[i] {
			continue
		}
		found := false
		for n := 1; n <= 480 && !found; n++ {
			for lost := 0; lost <= 2 && !found; lost++ {
				if i+n+check > len(said) || j+n-lost+check > len(heard) || j+n-lost < j {
					continue
				}
				if found = slices.Equal(said[i+n:i+n+check], heard[j+n-lost:j+n-lost+check]); found {
					held++
					i, j = i+n, j+n-lost
				}
			}
		}
		if !found {
			return held, fmt.Errorf("sample %d of %d is followed by another one of %d", i, len(said), len(heard))
		}
	}
	if j != len(heard) {
		err = fmt.Errorf("%d samples follow the end", len(heard)-j)
	}
	return held, err
}

// loud are samples that a fade leaves to be heard.
func loud(seed, n int) []int16 {
	s := voice(seed, n)
	for i := range s {
		if s[i] > 0 {
			s[i] |= 0x2000
		} else {
			s[i] &^= 0x2000
		}
	}
	return s
}

// An agent that says goodbye while nobody is there is heard by who comes back.
func TestAGoodbyeWaitsForWhoComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := loud(2, 24000*5)
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return &person{says: said, hangUp: 2 * time.Second} })
		n := &network{}
		call := w.through(n, websocket.DialConfig{})
		p := &person{}
		go func() {
			time.Sleep(time.Second)
			n.set(true)
			n.tear()
			time.Sleep(8 * time.Second)
			n.set(false)
		}()
		p.talk(t, call)
		if held, err := follow(sounding(p.heard), said); err != nil || held > 1 {
			t.Errorf("it was held %d times, and then %v", held, err)
		}
		if call.Err() != nil {
			t.Errorf("it ended with %v", call.Err())
		}
	})
}

// sounding are all samples that are not silent.
func sounding(s []int16) (all []int16) {
	for _, v := range s {
		if v != 0 {
			all = append(all, v)
		}
	}
	return all
}

// hello is what a peer of our own making says and is told of coming back.
type hello struct {
	Call     string
	Resumed  bool
	Position struct{ Input, Output int64 }
	Resume   struct {
		Token    string
		Grace    int `json:"grace_ms"`
		Received int
	}
}

// returning begins a call that can be gone on with.
func (w *world) returning() (*client, hello) {
	w.t.Helper()
	c := w.connect(nil)
	c.say(`{"type":"hello","version":1,"input":{"rate":24000},"output":{"rate":24000},"marks":true,"resume":{}}`)
	return c, c.hello()
}

func (c *client) hello() (h hello) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.text()), &h); err != nil {
		c.t.Fatal(err)
	}
	return h
}

func (w *world) back(call, token string, received int) *client {
	w.t.Helper()
	c := w.connect(nil)
	c.say(fmt.Sprintf(`{"type":"hello","version":1,"input":{"rate":24000},"output":{"rate":24000},"marks":true,"resume":{"call":%q,"token":%q,"received":%d}}`, call, token, received))
	return c
}

func TestTheHelloTellsHowToComeBackAndWhereTheCallGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{}
		w := serve(t, websocket.Config{Grace: 12 * time.Second}, func(*websocket.Call) pipeline.Processor { return a })
		first, h := w.returning()
		if h.Call != w.only().ID || len(h.Resume.Token) < 50 || h.Resume.Grace != 12000 || h.Resumed || h.Position.Input != 0 {
			t.Errorf("the hello was answered with %+v", h)
		}
		first.say(`{"type":"dtmf","digit":"1"}`)
		first.talk(voice(1, 480))
		first.text() // the key comes back
		time.Sleep(2 * time.Second)
		first.conn.CloseNow()
		time.Sleep(3 * time.Second)
		second := w.back(h.Call, h.Resume.Token, 1)
		got := second.hello()
		if !got.Resumed || got.Call != h.Call || got.Resume.Token != h.Resume.Token || got.Position.Input != 5*24000 || got.Position.Output != 5*24000 || got.Resume.Received != 2 {
			t.Errorf("the hello was answered with %+v", got)
		}
		second.talk(voice(1, 480))
		second.say(`{"type":"bye"}`)
		second.rest()
		synctest.Wait()
		if n := len(a.heard); n != 2 || a.heard[1].Position != 5*24000-480 {
			t.Errorf("%d pieces were heard, the last at %v", n, a.heard[n-1].Position)
		}
		if a.end != "the caller hung up" {
			t.Errorf("it ended with %q", a.end)
		}
	})
}

func TestANewConnectionTakesThePlaceOfOneThatOnlySeemsToBeThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		first, h := w.returning()
		began := time.Now()
		second := w.back(h.Call, h.Resume.Token, 0)
		if got := second.hello(); !got.Resumed {
			t.Errorf("the hello was answered with %+v", got)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		first.ends(websocket.StatusReplaced, "over another connection")
		second.say(`{"type":"dtmf","digit":"5"}`)
		if got := second.text(); got != `{"type":"dtmf","digit":"5"}` {
			t.Errorf("the agent says %s", got)
		}
		synctest.Wait()
		if n := w.server.Calls(); n != 1 {
			t.Errorf("there are %d calls", n)
		}
	})
}

func TestWhoeverCannotGoOnWithACallIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		call, token func(h hello) string
		format      string
		after       time.Duration
		bye         bool
		code        ws.StatusCode
		want        string
	}{
		"a wrong token":     {nil, func(h hello) string { return strings.ToLower(h.Resume.Token) }, "24000", time.Second, false, websocket.StatusNoCall, "no such call"},
		"no token":          {nil, func(hello) string { return "" }, "24000", time.Second, false, websocket.StatusNoCall, "no such call"},
		"another call":      {func(hello) string { return "x" }, nil, "24000", time.Second, false, websocket.StatusNoCall, "no such call"},
		"too late":          {nil, nil, "24000", 31 * time.Second, false, websocket.StatusNoCall, "no such call"},
		"after a goodbye":   {nil, nil, "24000", time.Second, true, websocket.StatusNoCall, "no such call"},
		"in another format": {nil, nil, "16000", time.Second, false, ws.StatusPolicyViolation, "in the formats in which it has begun"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &talker{}
				w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
				first, h := w.returning()
				if tc.bye {
					first.say(`{"type":"bye"}`)
					first.rest()
				}
				first.conn.CloseNow()
				time.Sleep(tc.after)
				call, token := h.Call, h.Resume.Token
				if tc.call != nil {
					call = tc.call(h)
				}
				if tc.token != nil {
					token = tc.token(h)
				}
				c := w.connect(nil)
				c.say(fmt.Sprintf(`{"type":"hello","version":1,"input":{"rate":%s},"output":{"rate":24000},"marks":true,"resume":{"call":%q,"token":%q}}`, tc.format, call, token))
				c.ends(tc.code, tc.want)
				w.only() // no pipeline was made for it
				time.Sleep(50 * time.Millisecond)
				over := tc.bye || tc.after > 30*time.Second
				if got := w.server.Calls(); (got == 0) != over {
					t.Errorf("there are %d calls", got)
				}
				if tc.after > 30*time.Second && !strings.Contains(a.end, "did not come back within 30s") {
					t.Errorf("it ended with %q", a.end)
				}
			})
		})
	}
}

// Only accidents are waited for.
func TestWhoeverEndsTheCallIsNotWaitedFor(t *testing.T) {
	for name, leave := range map[string]func(c *client){
		"bye":       func(c *client) { c.say(`{"type":"bye"}`) },
		"closing":   func(c *client) { go c.conn.Close(ws.StatusNormalClosure, "") },
		"the page":  func(c *client) { go c.conn.Close(ws.StatusGoingAway, "") },
		"a mistake": func(c *client) { c.say(`{`) },
		"too long":  func(c *client) { go c.conn.Write(context.Background(), ws.MessageBinary, make([]byte, 1<<17)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return &talker{} })
				c, _ := w.returning()
				leave(c)
				c.rest()
				time.Sleep(200 * time.Millisecond)
				if n := w.server.Calls(); n != 0 {
					t.Errorf("there are %d calls", n)
				}
			})
		})
	}
	t.Run("who has not asked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return &talker{} })
			w.call().conn.CloseNow()
			time.Sleep(100 * time.Millisecond)
			if n := w.server.Calls(); n != 0 {
				t.Errorf("there are %d calls", n)
			}
		})
	})
	t.Run("where nobody is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, websocket.Config{Grace: -1}, func(*websocket.Call) pipeline.Processor { return &talker{} })
			c, h := w.returning()
			if h.Resume.Token != "" {
				t.Errorf("there is a token: %+v", h)
			}
			c.conn.CloseNow()
			time.Sleep(100 * time.Millisecond)
			if n := w.server.Calls(); n != 0 {
				t.Errorf("there are %d calls", n)
			}
		})
	})
}

func TestACallWithoutItsPeerKeepsItsPlaceAndThePeerItsWayIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := 0
		w := serve(t, websocket.Config{MaxCalls: 1, Authenticate: func(r *http.Request) error {
			mu.Lock()
			defer mu.Unlock()
			if asked++; asked == 3 {
				return errors.New("who is that?")
			}
			return nil
		}}, func(*websocket.Call) pipeline.Processor { return &talker{} })
		first, h := w.returning()
		first.conn.CloseNow()
		time.Sleep(time.Second)
		try := func(query string) (*ws.Conn, int) {
			conn, resp, err := ws.Dial(t.Context(), "ws://parley.test/call"+query, &ws.DialOptions{HTTPClient: within(w.net)})
			if err != nil && resp == nil {
				t.Fatal(err)
			}
			return conn, resp.StatusCode
		}
		if _, status := try(""); status != 503 {
			t.Errorf("somebody else got %d", status)
		}
		if _, status := try("?resume=guess"); status != 503 {
			t.Errorf("a guess got %d", status)
		}
		conn, status := try("?resume=" + h.Call)
		if status != 101 {
			t.Fatalf("the peer got %d", status)
		}
		if _, status := try("?resume=" + h.Call); status != 503 {
			t.Errorf("a second one got %d", status)
		}
		conn.CloseNow()
		time.Sleep(time.Second)
		if _, status := try("?resume=" + h.Call); status != 401 {
			t.Errorf("who is not authenticated got %d", status)
		}
		conn, _ = try("?resume=" + h.Call)
		c := &client{t, conn}
		c.say(fmt.Sprintf(`{"type":"hello","version":1,"input":{"rate":24000},"output":{"rate":24000},"marks":true,"resume":{"call":%q,"token":%q}}`, h.Call, h.Resume.Token))
		if !c.hello().Resumed {
			t.Error("the call does not go on")
		}
		synctest.Wait() // the request that it came back with is over then
		if n := w.server.Calls(); n != 1 {
			t.Errorf("there are %d calls", n)
		}
		c.say(`{"type":"bye"}`)
		c.rest()
	})
}

func TestAShutdownEndsCallsWithoutTheirPeersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 60}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		first, _ := w.returning()
		first.talk(voice(1, 480))
		time.Sleep(time.Second)
		first.conn.CloseNow()
		time.Sleep(time.Second)
		began := time.Now()
		if err := w.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// Who is lost while the server shuts down is not waited for either.
func TestNobodyIsWaitedForInAShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{say: 24000 * 60}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		first, _ := w.returning()
		first.talk(voice(1, 480))
		time.Sleep(time.Second)
		done := make(chan time.Time, 1)
		go func() {
			w.server.Shutdown(context.Background())
			done <- time.Now()
		}()
		time.Sleep(time.Second)
		lost := time.Now()
		first.conn.CloseNow()
		if took := (<-done).Sub(lost); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// A storm: many connections with the right token at once, and many with a wrong one.
// The call goes on with one of them.
func TestAStormOfConnectionsLeavesOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &talker{}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		first, h := w.returning()
		go first.rest()
		var all sync.WaitGroup
		var mu sync.Mutex
		ends := map[ws.StatusCode]int{}
		clients := make([]*client, 60)
		for i := range clients {
			token := h.Resume.Token
			if i%3 == 0 {
				token = "guess"
			}
			all.Go(func() {
				c := w.back(h.Call, token, 0)
				mu.Lock()
				clients[i] = c
				mu.Unlock()
				_, _, err := c.rest()
				mu.Lock()
				defer mu.Unlock()
				ends[ws.CloseStatus(err)]++
			})
		}
		time.Sleep(time.Second)
		mu.Lock()
		if ends[websocket.StatusNoCall] != 20 || ends[websocket.StatusReplaced] != 39 {
			t.Errorf("they ended with %v", ends)
		}
		mu.Unlock()
		if n := w.server.Calls(); n != 1 {
			t.Errorf("there are %d calls", n)
		}
		for _, c := range clients { // the one that is left
			c.conn.Write(context.Background(), ws.MessageText, []byte(`{"type":"bye"}`))
		}
		all.Wait()
		synctest.Wait()
		if a.end != "the caller hung up" || ends[ws.StatusNormalClosure] != 1 {
			t.Errorf("the agent was told %q, and they ended with %v", a.end, ends)
		}
	})
}

// Messages of the application arrive once, and in order, whatever becomes of the
// connections.
func TestMessagesArriveOnceInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counting := func() *counter { return &counter{} }
		there, here := counting(), counting()
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return there })
		n := &network{}
		call := w.through(n, websocket.DialConfig{PingInterval: 700 * time.Millisecond, PingTimeout: 300 * time.Millisecond})
		go func() {
			for i := range 12 {
				time.Sleep(1700 * time.Millisecond)
				if i%2 == 0 {
					n.vanish()
				} else {
					n.tear()
				}
			}
		}()
		here.limit = 30 * time.Second
		if err := pipeline.New(pipeline.Config{}, call.Input(), here, call.Output()).Run(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if call.Stats().Resumed < 10 {
			t.Errorf("it has come back %d times only", call.Stats().Resumed)
		}
		for name, c := range map[string]*counter{"the server": there, "the caller": here} {
			if len(c.got) < 280 {
				t.Errorf("%s got %d messages", name, len(c.got))
			}
			for i, got := range c.got {
				if got != i {
					t.Errorf("%s got %d as message %d", name, got, i)
					break
				}
			}
		}
	})
}

// counter sends a number ten times a second, and notes those that come.
type counter struct {
	limit time.Duration
	mu    sync.Mutex
	got   []int
}

func (c *counter) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if m, ok := f.(*frames.TransportMessageInput); ok {
		var n int
		if err := json.Unmarshal(m.Message.(json.RawMessage), &n); err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, n)
		return nil
	}
	return out.Send(ctx, f, dir)
}

func (c *counter) Run(ctx context.Context, out *pipeline.Port) error {
	began := time.Now()
	for i := 0; c.limit == 0 || time.Since(began) < c.limit; i++ {
		if err := out.Send(ctx, &frames.TransportMessageUrgent{Message: i}, frames.Downstream); err != nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
	time.Sleep(4 * time.Second)
	return out.Send(ctx, &frames.End{}, frames.Downstream)
}

// An interruption while the caller is away discards what waits for it, and the agent
// is held all the same.
func TestAnInterruptionWhileTheCallerIsAwayDoesNotLetTheAgentSpeakToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &prompter{}
		w := serve(t, websocket.Config{}, func(*websocket.Call) pipeline.Processor { return a })
		n := &network{}
		call := w.through(n, websocket.DialConfig{})
		p := &person{hangUp: 30 * time.Second}
		go func() {
			time.Sleep(2 * time.Second) // of the first sentence
			n.set(true)
			n.tear()
			time.Sleep(6 * time.Second) // interrupted at 4 s; then there is another one
			n.set(false)
		}()
		p.talk(t, call)
		got := sounding(p.heard)
		second := voice(5, 24000*2)
		if len(got) < len(second) || !slices.Equal(got[len(got)-len(second):], second) {
			t.Fatalf("%d samples were heard, and not the second sentence at the end", len(got))
		}
		first := got[:len(got)-len(second)]
		if d := time.Duration(len(first)) * time.Second / 24000; d < 1800*time.Millisecond || d > 2150*time.Millisecond {
			t.Errorf("of the first sentence %v were heard", d)
		}
		if dropped := w.only().Stats().DroppedAudio; dropped != 0 {
			t.Errorf("%d pieces were dropped", dropped)
		}
	})
}

// prompter says a long sentence, is interrupted after 4 s, and says another.
type prompter struct{}

func (prompter) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (prompter) Run(ctx context.Context, out *pipeline.Port) error {
	say := func(seed, n int) error {
		return out.Send(out.Generation(), &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(24000), Samples: voice(seed, n), Track: "agent"}}, frames.Downstream)
	}
	if err := say(4, 24000*20); err != nil {
		return err
	}
	time.Sleep(4 * time.Second)
	out.Interrupt("news")
	return say(5, 24000*2)
}

func TestWhatTheTokenIsDoesNotComeIntoTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lines{}
		w := serve(t, websocket.Config{Logger: log.logger()}, func(*websocket.Call) pipeline.Processor { return &talker{} })
		first, h := w.returning()
		first.conn.CloseNow()
		time.Sleep(time.Second)
		w.back(h.Call, "another-token", 0).rest()
		c := w.back(h.Call, h.Resume.Token, 0)
		c.hello()
		c.say(`{"type":"bye"}`)
		c.rest()
		synctest.Wait()
		got := log.String()
		if strings.Contains(got, h.Resume.Token) || strings.Contains(got, "another-token") {
			t.Errorf("the log:\n%s", got)
		}
		for _, want := range []string{"it cannot go on", "call goes on"} {
			if !strings.Contains(got, want) {
				t.Errorf("the log does not say %q:\n%s", want, got)
			}
		}
	})
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// The same on real sockets, which buffer what is written: it is in real time.
func TestACallGoesOnOverRealSockets(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes as long as an agent speaks")
	}
	said := loud(2, 24000*3)
	server, err := websocket.NewServer(websocket.Config{}, func(c *websocket.Call) (*pipeline.Pipeline, error) {
		return pipeline.New(pipeline.Config{}, c.Input(), &person{says: said, hangUp: 4 * time.Second}, c.Output()), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	defer web.Close()
	defer server.Shutdown(context.Background())
	var mu sync.Mutex
	var conns []net.Conn
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
		return conn, err
	}}
	call, err := websocket.Dial(t.Context(), web.URL, websocket.DialConfig{Serializer: wide, Client: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for _, after := range []time.Duration{700 * time.Millisecond, 900 * time.Millisecond} {
			time.Sleep(after)
			mu.Lock()
			conns[len(conns)-1].Close()
			mu.Unlock()
		}
	}()
	p := &person{}
	p.talk(t, call)
	if held, err := follow(sounding(p.heard), said); err != nil || held > 2 || call.Stats().Resumed != 2 {
		t.Errorf("it has come back %d times, was held %d times, and then %v", call.Stats().Resumed, held, err)
	}
}
