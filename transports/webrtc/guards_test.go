package webrtc

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/transport/v4/vnet"
	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

func TestARequestWhoseBodyDoesNotComeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, silence)
		near, far := net.Pipe()
		web := &http.Server{Handler: w.server}
		defer web.Close()
		go web.Serve(&oneConn{conns: make(chan net.Conn, 1), conn: far})
		began := time.Now()
		go io.WriteString(near, "POST /webrtc HTTP/1.1\r\nHost: parley.test\r\nContent-Length: 100\r\n\r\n{\"sdp\":")
		defer near.Close()
		r, err := http.ReadResponse(bufio.NewReader(near), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r.Body)
		if r.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(text), "within 10s") {
			t.Errorf("%d: %s", r.StatusCode, text)
		}
		if took := time.Since(began); took != readTimeout {
			t.Errorf("it took %v", took)
		}
	})
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn  net.Conn
	conns chan net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	if _, ok := <-l.conns; !ok {
		return nil, net.ErrClosed
	}
	return nil, errors.New("there is one")
}

func (l *oneConn) Close() error   { close(l.conns); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

func TestShuttingDownWaitsForNobodyWhoHasNoAgent(t *testing.T) {
	shutDown := func(t *testing.T, w *world) {
		began := time.Now()
		if err := w.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > gatherTimeout {
			t.Errorf("it took %v", took)
		}
	}
	t.Run("yet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := serve(t, Config{}, silence)
			w.router.AddChunkFilter(func(vnet.Chunk) bool { return false })
			if status, text := w.dial("10.0.0.2", "parley").offer(nil); status != http.StatusOK {
				t.Fatalf("%d: %s", status, text)
			}
			shutDown(t, w)
		})
	})
	t.Run("since it came in the same moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			// A server that is not there is asked for an address for three seconds.
			w := serve(t, Config{ICEServers: []ICEServer{{URLs: []string{"stun:10.0.0.99:3478"}}}}, silence)
			c := w.dial("10.0.0.2", "parley")
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.offer(nil)
			}()
			time.Sleep(time.Second)
			if w.server.Calls() != 1 {
				t.Error("the offer has been answered already")
			}
			w.router.AddChunkFilter(func(vnet.Chunk) bool { return false })
			shutDown(t, w)
			<-done
		})
	})
}

// lingering is an agent that takes its time to end.
func lingering(*Call) pipeline.Processor {
	return pipeline.On(func(ctx context.Context, f *frames.End, dir frames.Direction, out *pipeline.Port) error {
		time.Sleep(2 * time.Second)
		return out.Send(ctx, f, dir)
	})
}

func TestACallThatIsOverIsNotConnectedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, lingering)
		c := w.dial("10.0.0.2", "parley").connect()
		c.say(`{"type":"bye"}`)
		time.Sleep(time.Second)
		if n := w.server.Calls(); n != 1 {
			t.Fatalf("there are %d calls, want the one that ends", n)
		}
		again := w.redial(c.net, "parley")
		again.id = c.id
		if status, text := again.offer(map[string]any{"restart_pc": true}); status != http.StatusNotFound {
			t.Errorf("%d: %s", status, text)
		}
	})
}

func TestWhatWasSaidBeforeHangingUpIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := serve(t, Config{}, func(*Call) pipeline.Processor {
			var once sync.Once
			return pipeline.Chain(pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
				once.Do(func() { time.Sleep(10 * time.Second) })
				return out.Send(ctx, f, dir)
			}), l)
		})
		c := w.dial("10.0.0.2", "parley").connect()
		// More audio than the pipeline holds: what follows is behind it.
		sent, _ := spoken(t, tone(audio.Rate48k, 3*time.Second), 0)
		c.talk(sent)
		const said = "0123456789"
		for _, digit := range said {
			c.say(`{"type":"dtmf","digit":"` + string(digit) + `"}`)
		}
		time.Sleep(50 * time.Millisecond)
		c.channel.Close()
		time.Sleep(30 * time.Second)
		l.mu.Lock()
		defer l.mu.Unlock()
		keys := ""
		for _, f := range l.other {
			if k, ok := f.(*frames.DTMFInput); ok {
				keys += string(k.Digit)
			}
		}
		if keys != said {
			t.Errorf("of %s the keys %s were heard", said, keys)
		}
		if e, ok := l.other[len(l.other)-1].(*frames.End); !ok || !e.Gone {
			t.Errorf("the last was %v, want that the caller is gone", l.other[len(l.other)-1])
		}
	})
}

func TestAPeerThatDoesNotReadItsMessagesHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, n = 10_000, 300
		var errs atomic.Int64
		w := serve(t, Config{}, func(*Call) pipeline.Processor {
			return pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
				switch f.(type) {
				case *frames.Error:
					errs.Add(1)
				case *frames.DTMFInput:
					time.Sleep(100 * time.Millisecond)
					for range n {
						if err := out.Send(ctx, &frames.TransportMessageUrgent{Message: strings.Repeat("x", size)}, dir); err != nil {
							return err
						}
					}
					return nil
				}
				return out.Send(ctx, f, dir)
			})
		})
		c := w.dial("10.0.0.2", "parley").connect()
		call := w.only()
		c.say(`{"type":"dtmf","digit":"1"}`)
		time.Sleep(50 * time.Millisecond)
		w.router.AddChunkFilter(func(vnet.Chunk) bool { return false })
		time.Sleep(2 * time.Second)
		call.mu.Lock()
		waits := call.peer.channel.BufferedAmount()
		call.mu.Unlock()
		if waits > maxBuffered {
			t.Errorf("%d bytes wait for the peer", waits)
		}
		if dropped := call.Stats().MessagesDropped; dropped < n-maxBuffered/size || dropped >= n {
			t.Errorf("%d of %d messages were dropped", dropped, n)
		}
		if errs.Load() != 1 {
			t.Errorf("that was said %d times", errs.Load())
		}
	})
}

func TestTheMarkerBeginsASpurtOfTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, parrot)
		c := w.dial("10.0.0.2", "parley").connect()
		samples := tone(audio.Rate48k, 2*time.Second)
		clear(samples[48000:])
		said, _ := spoken(t, samples, 0)
		for range 2 {
			c.talk(said)
			time.Sleep(3 * time.Second)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		var marked, quiet int
		for i, p := range c.packets {
			first := i == 0 || len(c.packets[i-1].Payload) == 1 && len(p.Payload) > 1
			if p.Marker != first {
				t.Errorf("packet %d of %d bytes: marker %v", i, len(p.Payload), p.Marker)
			}
			if p.Marker {
				marked++
			}
			if len(p.Payload) == 1 {
				quiet++
				// A pause of the same kind of packets: mode, bandwidth and frame size of
				// those around it (RFC 6716, section 3.1).
				if last := c.packets[i-1].Payload[0]; p.Payload[0]&^3 != last&^3 || p.Payload[0]&3 != 0 {
					t.Errorf("packet %d is of kind %#x behind %#x", i, p.Payload[0], last)
				}
			}
		}
		if marked != 2 || quiet < 2 {
			t.Errorf("%d markers, %d signs of life", marked, quiet)
		}
	})
}

func TestACallerWhoLeavesBeforeTheAgentIsReadyIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		w := serve(t, Config{}, func(*Call) pipeline.Processor {
			<-ready
			return silence(nil)
		})
		c := w.dial("10.0.0.2", "parley")
		if status, text := c.offer(nil); status != http.StatusOK {
			t.Fatalf("%d: %s", status, text)
		}
		c.waitFor(pion.PeerConnectionStateConnected)
		<-c.opened
		c.channel.Close()
		time.Sleep(time.Second)
		close(ready)
		time.Sleep(time.Second)
		if n := w.server.Calls(); n != 0 {
			t.Errorf("there are %d calls left", n)
		}
	})
}

func TestReportsAreReadOfWhomeverTheyAre(t *testing.T) {
	blocks := []rtcp.ReceptionReport{{SSRC: 1}, {SSRC: 2}, {SSRC: 3}}
	got := reportsIn([]rtcp.Packet{
		&rtcp.ReceiverReport{Reports: blocks[:1]}, &rtcp.SourceDescription{}, &rtcp.SenderReport{Reports: blocks[1:]},
	})
	if !slices.Equal(got, blocks) {
		t.Errorf("got %+v", got)
	}
}

// By the time of the last report that the server tells back, a peer knows how long a
// packet takes there and back.
func TestThePeerIsToldWhichReportOfItsOwnCameLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := serve(t, Config{}, silence)
		c := w.dial("10.0.0.2", "parley").connect()
		told := make(chan rtcp.ReceptionReport, 64)
		go func() {
			for {
				packets, _, err := c.pc.GetSenders()[0].ReadRTCP()
				if err != nil {
					return
				}
				for _, b := range reportsIn(packets) {
					told <- b
				}
			}
		}()
		sent, _ := spoken(t, tone(audio.Rate48k, 4*time.Second), 0)
		c.talk(sent)
		var last rtcp.ReceptionReport
		for len(told) > 0 {
			last = <-told
		}
		if last.LastSenderReport == 0 {
			t.Errorf("the last report was %+v", last)
		}
	})
}

func TestOfTwoMicrophonesOneIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		w := serve(t, Config{}, func(*Call) pipeline.Processor { return l })
		c := w.dial("10.0.0.2", "parley")
		other, err := pion.NewTrackLocalStaticRTP(opusCodec, "another", "caller")
		if err == nil {
			_, err = c.pc.AddTrack(other)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.connect()
		// They say the same, but not at the same time.
		sent, want := spoken(t, tone(audio.Rate48k, 2*time.Second), 0)
		go func() {
			time.Sleep(10 * time.Millisecond)
			second := &client{w: w, track: other}
			second.packet.Version, second.packet.SequenceNumber, second.packet.Timestamp = 2, 20000, 1<<30
			second.talk(sent)
		}()
		c.talk(sent)
		time.Sleep(200 * time.Millisecond)
		l.mu.Lock()
		defer l.mu.Unlock()
		if out := leftOut(l.heard, want[3*320:]); out > 0 || len(l.heard) > len(want)+16000 {
			t.Errorf("%d pieces are not heard, of %d samples %d", out, len(want), len(l.heard))
		}
	})
}
