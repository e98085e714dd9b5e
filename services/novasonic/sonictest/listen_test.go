package sonictest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// These are on real sockets: how net/http tells the end of a connection
// differs between TLS and clear text.
func TestAConnectionThatIsClosedIsForgotten(t *testing.T) {
	starts := map[string]func(*Server) error{
		"TLS":  func(s *Server) error { return s.StartTLS("127.0.0.1:0") },
		"h2c":  func(s *Server) error { return s.StartH2C("127.0.0.1:0") },
		"pipe": func(s *Server) error { return s.StartPipe() },
	}
	ends := map[string]func(*Server, *http.Client){
		"by the client": func(_ *Server, c *http.Client) { c.CloseIdleConnections() },
		"after GOAWAY": func(s *Server, _ *http.Client) {
			for _, c := range s.connections() {
				c.goAway()
			}
		},
		"by the server": func(s *Server, _ *http.Client) {
			for _, c := range s.connections() {
				c.kill()
			}
		},
	}
	for transport, start := range starts {
		for by, end := range ends {
			t.Run(transport+" "+by, func(t *testing.T) {
				srv := NewServer(Config{})
				if err := start(srv); err != nil {
					t.Fatal(err)
				}
				defer srv.Close()
				client := srv.AWSConfig().HTTPClient.(*http.Client)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL(), strings.NewReader(""))
				if err != nil {
					t.Fatal(err)
				}
				reply, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				reply.Body.Close()
				if n := len(srv.connections()); reply.StatusCode != http.StatusNotFound || n != 1 {
					t.Fatalf("answered %s on %d connections", reply.Status, n)
				}
				end(srv, client)
				for len(srv.connections()) > 0 {
					select {
					case <-ctx.Done():
						t.Fatal("the connection is still there")
					case <-time.After(5 * time.Millisecond):
					}
				}
			})
		}
	}
}

func (s *Server) connections() (all []*connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

func TestASecondStartLeavesTheRunningServerAlone(t *testing.T) {
	starts := map[string]func(*Server) error{
		"TLS":  func(s *Server) error { return s.StartTLS("127.0.0.1:0") },
		"h2c":  func(s *Server) error { return s.StartH2C("127.0.0.1:0") },
		"pipe": func(s *Server) error { return s.StartPipe() },
	}
	for name, again := range starts {
		t.Run(name, func(t *testing.T) {
			srv := NewServer(Config{})
			if err := srv.StartTLS("127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
			defer srv.Close()
			file, address := srv.CAFile(), srv.URL()
			if err := again(srv); err == nil || !strings.Contains(err.Error(), "started before") {
				t.Errorf("a second start returned %v", err)
			}
			if _, err := os.Stat(file); err != nil || srv.CAFile() != file || srv.URL() != address {
				t.Errorf("the CA's file was %s and is %s: %v", file, srv.CAFile(), err)
			}
			reply, err := srv.AWSConfig().HTTPClient.(*http.Client).Get(address)
			if err != nil {
				t.Fatalf("the server does not answer any more: %v", err)
			}
			reply.Body.Close()
		})
	}
}

func TestAStartThatFailedCanBeRepeated(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	srv := NewServer(Config{})
	defer srv.Close()
	if err := srv.StartTLS(taken.Addr().String()); err == nil {
		t.Fatal("it listens on a port that is taken")
	}
	if err := srv.StartTLS("127.0.0.1:0"); err != nil {
		t.Errorf("after a start that failed: %v", err)
	}
}

// The race detector is the oracle: net/http writes to the configuration of each
// connection's server.
func TestConnectionsDoNotShareATLSConfiguration(t *testing.T) {
	srv := NewServer(Config{})
	if err := srv.StartTLS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(srv.roots)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			c, err := tls.Dial("tcp", strings.TrimPrefix(srv.URL(), "https://"), &tls.Config{RootCAs: pool, NextProtos: []string{"h2"}})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if p := c.ConnectionState().NegotiatedProtocol; p != "h2" {
				t.Errorf("the protocol is %q", p)
			}
		})
	}
	wg.Wait()
}
