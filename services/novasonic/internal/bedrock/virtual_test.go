package bedrock

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a network of one address whose connections are pipes, so that
// both ends of a stream are in one synctest bubble. It can be made to swallow
// everything, as a network does whose route is gone.
type memory struct {
	accepting chan net.Conn
	closed    chan struct{}
	black     atomic.Bool
}

func newMemory() *memory {
	return &memory{accepting: make(chan net.Conn), closed: make(chan struct{})}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.accepting:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { close(m.closed); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case m.accepting <- far:
		return &hole{Conn: near, net: m}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hole is a connection into a network that may swallow what is written.
type hole struct {
	net.Conn
	net *memory
}

func (h *hole) Write(p []byte) (int, error) {
	if h.net.black.Load() {
		return len(p), nil
	}
	return h.Conn.Write(p)
}

// inBubble runs f with a dialer and a peer in virtual time.
func inBubble(t *testing.T, script func(*session), f func(*testing.T, *SDKDialer, *memory)) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{script: script, cut: make(chan struct{}, 1)}
		m := newMemory()
		srv := &http.Server{Handler: p, ErrorLog: discardLog, Protocols: new(http.Protocols)}
		srv.Protocols.SetUnencryptedHTTP2(true)
		served := make(chan struct{})
		go func() {
			srv.Serve(m)
			close(served)
		}()
		d, err := NewDialer(configFor("http://sonic.test"), Options{Transport: &http.Transport{DialContext: m.dial}})
		if err != nil {
			t.Fatal(err)
		}
		f(t, d, m)
		d.CloseIdleConnections()
		srv.Close()
		<-served
		if err := p.faults(); err != nil {
			t.Error(err)
		}
	})
}

func TestEightMinutesOfConversationInVirtualTime(t *testing.T) {
	const frame = 32 * time.Millisecond
	n := int(8 * time.Minute / frame)
	if testing.Short() {
		n = int(10 * time.Second / frame)
	}
	inBubble(t, echo, func(t *testing.T, d *SDKDialer, _ *memory) {
		began := time.Now()
		s, err := d.Dial(t.Context(), testModel)
		if err != nil {
			t.Fatal(err)
		}
		received := make(chan error, 1)
		go func() {
			for i := range n {
				if _, err := s.Recv(t.Context()); err != nil {
					received <- err
					return
				}
				if i == n-1 {
					received <- nil
				}
			}
		}()
		tick := time.NewTicker(frame)
		defer tick.Stop()
		event := []byte(strings.Repeat("a", 1500))
		for range n {
			<-tick.C
			if err := s.Send(t.Context(), event); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-received; err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < time.Duration(n)*frame {
			t.Errorf("the clock showed %v", took)
		}
	})
}

func TestBlackHoleIsNoticedByPing(t *testing.T) {
	inBubble(t, echo, func(t *testing.T, d *SDKDialer, m *memory) {
		s, err := d.Dial(t.Context(), testModel)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.black.Store(true)
		began := time.Now()
		_, err = s.Recv(t.Context())
		took := time.Since(began)
		if v := Classify(err); v.Reason != ReasonConnection || v.Action != Retry {
			t.Errorf("%v: %v, %v", err, v.Reason, v.Action)
		}
		// 5 s of silence, 3 s for the answer.
		if took < 3*time.Second || took > 8*time.Second+100*time.Millisecond {
			t.Errorf("noticed after %v, want within 8s", took)
		}
	})
}

func TestSlowHeadersDoNotHoldUpSending(t *testing.T) {
	slow := func(s *session) {
		for range 3 {
			if _, err := s.recv(); err != nil {
				return
			}
		}
		time.Sleep(20 * time.Second) // virtual; longer than any header timeout in use
		s.send([]byte("at last"))
		untilHalfClose(s)
	}
	inBubble(t, slow, func(t *testing.T, d *SDKDialer, _ *memory) {
		s, err := d.Dial(t.Context(), testModel)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 3 {
			if err := s.Send(t.Context(), []byte("setup")); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("sending took %v", took)
		}
		select {
		case <-s.Accepted():
			t.Error("accepted before the headers came")
		default:
		}
		if got, err := s.Recv(t.Context()); err != nil || string(got) != "at last" {
			t.Errorf("received %q, %v", got, err)
		}
		<-s.Accepted()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStalledPeerIsTheCallersToNotice(t *testing.T) {
	inBubble(t, untilGone, func(t *testing.T, d *SDKDialer, _ *memory) {
		s, err := d.Dial(t.Context(), testModel)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("a minute without a word"))
		defer cancel()
		if _, err := s.Recv(ctx); err == nil || !strings.Contains(err.Error(), "a minute without a word") {
			t.Errorf("Recv: %v", err)
		}
		if _, err := s.Recv(ctx); errors.Is(err, io.EOF) {
			t.Error("the stream was taken to have ended")
		}
		s.Abort(nil)
	})
}
