package sonictest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley/internal/distance"
	"github.com/parley-go/parley/internal/pipenet"
)

// StartTLS listens on addr, such as "127.0.0.1:0", with a certificate of a CA
// made for the purpose. It is what an unmodified SDK needs: see Environ.
func (s *Server) StartTLS(addr string) error {
	if err := s.claim(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		s.release()
		return fmt.Errorf("start emulator: %w", err)
	}
	authority, err := newAuthority(l.Addr(), time.Now())
	if err == nil {
		err = s.writeCA(authority.pem)
	}
	if err == nil {
		err = s.start(l, "https://"+reachable(l.Addr()), &tls.Config{
			Certificates: []tls.Certificate{authority.leaf},
			NextProtos:   []string{"h2", "http/1.1"}, // HTTP/1.1 only to be told that it won't do
			MinVersion:   tls.VersionTLS12,
		})
	}
	if err != nil {
		s.release()
		return errors.Join(err, l.Close(), s.removeCA())
	}
	return nil
}

// StartH2C listens on addr without TLS, for HTTP/2 with prior knowledge. The
// AWS SDKs for Go and JavaScript need to be told to speak it; AWSConfig does.
func (s *Server) StartH2C(addr string) error {
	if err := s.claim(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		s.release()
		return fmt.Errorf("start emulator: %w", err)
	}
	if err := s.start(l, "http://"+reachable(l.Addr()), nil); err != nil {
		return errors.Join(err, l.Close())
	}
	return nil
}

// StartPipe listens in memory: only clients with the configuration of
// AWSConfig, in this process, can reach it. It needs no socket, and therefore
// works in the virtual time of testing/synctest, if the server was made there.
func (s *Server) StartPipe() error {
	if err := s.claim(); err != nil {
		return err
	}
	return s.start(pipenet.New(), "http://parley-emulator.invalid", nil)
}

// reachable is an address that a client on this machine can dial.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(tcp.Port))
}

// claim makes sure that the server is started once: a second start must not
// touch what the running one needs, such as the CA's file.
func (s *Server) claim() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errors.New("start emulator: it is closed")
	case s.started:
		return errors.New("start emulator: it has been started before")
	}
	s.started = true
	return nil
}

// release lets a start that failed be tried again.
func (s *Server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = false
}

// start serves on l. The server has been claimed.
func (s *Server) start(l net.Listener, address string, secure *tls.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("start emulator: it is closed")
	}
	s.listener, s.address = l, address
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		s.accept(l, secure)
	}()
	return nil
}

func (s *Server) accept(l net.Listener, secure *tls.Config) {
	for {
		raw, err := l.Accept()
		if err != nil {
			if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors, most likely: it passes.
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-s.ctx.Done():
				return
			}
		}
		s.serve(raw, secure)
	}
}

// connection is a client's connection. It has an HTTP server of its own, so
// that GOAWAY can be sent on one connection and not on the others.
type connection struct {
	number int
	raw    net.Conn
	http   *http.Server
	closed chan struct{} // closed with the connection
	once   sync.Once
}

type connectionKey struct{}

func (s *Server) serve(raw net.Conn, secure *tls.Config) {
	c := &connection{closed: make(chan struct{})}
	var protocols http.Protocols
	protocols.SetHTTP1(true) // to refuse it
	protocols.SetHTTP2(secure != nil)
	protocols.SetUnencryptedHTTP2(secure == nil)
	c.http = &http.Server{
		Handler:           s,
		Protocols:         &protocols,
		TLSConfig:         secure.Clone(), // each server writes to its own
		ReadHeaderTimeout: 20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // handshakes that fail are the client's to report
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:      int(s.cfg.Limits.HTTPStreams),
			MaxReadFrameSize:          16 << 10,
			MaxReceiveBufferPerStream: 64 << 10,
			// Shared by all streams: one that is not read must not stop the others.
			MaxReceiveBufferPerConnection: 16 << 20,
		},
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, c)
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				c.once.Do(func() { close(c.closed) })
			}
		},
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		raw.Close() // nobody waits for its error
		return
	}
	if d := s.cfg.Distance; d > 0 {
		raw = distance.Between(raw, d, s.wg.Go)
	}
	c.raw, c.number = raw, s.dialled
	s.dialled++
	s.conns[c] = true
	s.wg.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.wg.Done()
		l := &oneListener{conn: raw, closed: make(chan struct{})}
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			<-c.closed
			l.Close()
		}()
		// Both return when l is closed: with the connection, or after GOAWAY,
		// which the connection survives.
		if secure != nil {
			c.http.ServeTLS(l, "", "")
		} else {
			c.http.Serve(l)
		}
		<-c.closed
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

// kill closes the connection without a word.
func (c *connection) kill() {
	c.raw.Close() // as a lost connection; what it returns does not matter
	c.http.Close()
	c.once.Do(func() { close(c.closed) })
}

// goAway sends GOAWAY. It does not wait for the streams to end.
func (c *connection) goAway() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.http.Shutdown(ctx) // sends GOAWAY first, then sees that it need not wait
}

// oneListener accepts one connection.
type oneListener struct {
	conn   net.Conn
	taken  bool
	closed chan struct{}
	once   sync.Once
}

// Accept returns the connection, once; after that it waits to be closed.
func (l *oneListener) Accept() (net.Conn, error) {
	if !l.taken {
		l.taken = true
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

// Close stops accepting. It leaves the connection alone.
func (l *oneListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the connection's local address.
func (l *oneListener) Addr() net.Addr { return l.conn.LocalAddr() }
