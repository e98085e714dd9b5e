// Package distance puts time between the two ends of a connection.
package distance

import (
	"net"
	"sync"
	"time"
)

// onTheWay is how many pieces of up to 16 KB are under way in each direction at
// most; who sends more waits, as with a full window of TCP.
const onTheWay = 256

// Between returns an end of conn for which everything, the close included, takes d
// to arrive: what is read from it, and what is written to it. Nothing is lost or
// changed its order. It takes conn over, which is closed d after it. spawn begins the
// goroutines that carry everything; they end with the connection.
func Between(conn net.Conn, d time.Duration, spawn func(func())) net.Conn {
	near, far := net.Pipe()
	c := &distant{Conn: near, local: conn.LocalAddr(), remote: conn.RemoteAddr()}
	spawn(func() { carry(far, conn, d) })
	spawn(func() { carry(conn, far, d) })
	return c
}

// distant has the addresses of what it stands for.
type distant struct {
	net.Conn
	local, remote net.Addr
}

func (c *distant) LocalAddr() net.Addr  { return c.local }
func (c *distant) RemoteAddr() net.Addr { return c.remote }

// piece is what was sent at once; nothing is the end.
type piece struct {
	due  time.Time
	data []byte
}

// carry moves what comes from one end to the other, so much later, and then closes
// both.
func carry(to, from net.Conn, d time.Duration) {
	way := make(chan piece, onTheWay)
	gone := make(chan struct{}) // nobody is there any more
	var arriving sync.WaitGroup
	arriving.Go(func() {
		defer close(gone)
		defer to.Close() // what both return tells nothing: they may be closed already
		defer from.Close()
		for p := range way {
			time.Sleep(time.Until(p.due))
			if len(p.data) == 0 {
				return
			}
			if _, err := to.Write(p.data); err != nil {
				time.Sleep(d) // until who sent it learns that nobody is there any more
				return
			}
		}
	})
	defer arriving.Wait()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			select {
			case way <- piece{time.Now().Add(d), append([]byte(nil), buf[:n]...)}:
			case <-gone:
				return
			}
		}
		if err != nil { // the end takes as long as what was sent before it
			select {
			case way <- piece{due: time.Now().Add(d)}:
			case <-gone:
			}
			return
		}
	}
}
