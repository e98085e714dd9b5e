// Package pipenet has listeners whose connections never leave the process, so
// that servers and clients of any protocol can be run in virtual time.
package pipenet

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Listener accepts connections that are dialled in the same process. Make it with
// [New].
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// New returns a listener.
func New() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// errClosed says that nobody accepts any more.
var errClosed = errors.New("the server is closed")

// Dial returns the client's end of a new connection once it is accepted.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// DialContext is for an http.Transport, which then comes here whatever the address.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return l.Dial(ctx)
}

// Accept returns the server's end of the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close refuses further connections.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the address of a pipe, which is no more than a name.
func (l *Listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "pipe" }

func (addr) String() string { return "pipe" }
