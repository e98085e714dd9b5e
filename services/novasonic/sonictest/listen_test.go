package sonictest

import (
	"context"
	"net/http"
	"strings"
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
