package websocket

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// overhead limits what a peer sends around its messages: messages are counted, and
// the pieces of which each may be are not, of which some may be empty.
type overhead struct {
	payload atomic.Int64 // bytes that were of messages
	asked   atomic.Int64 // bytes of a message that are being read, at most
	limit   *rate.Limiter

	// The reader's own.
	total int64 // bytes
	known int64 // of them, those around messages
}

// aroundMessage is how many bytes a message may have around it on average: twice the
// longest header of a frame.
const aroundMessage = 28

func newOverhead(c Config) *overhead {
	return &overhead{limit: rate.NewLimiter(rate.Limit(aroundMessage*c.MaxMessageRate), aroundMessage*c.burst())}
}

// message reads a piece of a message.
func (o *overhead) message(from io.Reader, b []byte) (int, error) {
	o.asked.Store(int64(len(b)))
	n, err := from.Read(b)
	o.payload.Add(int64(n))
	o.asked.Store(0)
	return n, err
}

// read reads from what is below a WebSocket. All that was read before has been looked
// at by then, or is of the piece that is being read.
func (o *overhead) read(from io.Reader, b []byte) (int, error) {
	if more := o.total - o.payload.Load() - o.asked.Load() - o.known; more > 0 {
		o.known += more
		if !o.limit.AllowN(time.Now(), int(more)) {
			return 0, errRate
		}
	}
	n, err := from.Read(b)
	o.total += int64(n)
	return n, err
}

// countedConn is a server's connection below a WebSocket.
type countedConn struct {
	net.Conn
	overhead *overhead
}

func (c *countedConn) Read(b []byte) (int, error) { return c.overhead.read(c.Conn, b) }

// countedBody is the same of who has dialled.
type countedBody struct {
	io.ReadWriteCloser
	overhead *overhead
}

func (c *countedBody) Read(b []byte) (int, error) { return c.overhead.read(c.ReadWriteCloser, b) }
