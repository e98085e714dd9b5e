package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	ws "github.com/coder/websocket"
)

// wire is one connection: a goroutine that reads it, one that writes it, and one
// that asks whether the peer is there. A [link] has one after the other.
type wire struct {
	conn   *ws.Conn
	raw    io.Closer // what is below it: to close that is the only way out that no peer can obstruct
	around *overhead
	config Config
	ctx    context.Context // until the connection is given up
	giveUp context.CancelFunc

	closing sync.WaitGroup // of the goroutine that closes it

	message []byte        // the reader's own
	idle    *time.Timer   // runs out when the peer says nothing
	ready   chan struct{} // something was queued

	over chan struct{} // closed when cause is set

	mu    sync.Mutex
	link  *link // nil before the call has begun
	cause error // why it ended
}

func newWire(conn *ws.Conn, raw io.Closer, around *overhead, config Config) *wire {
	w := &wire{conn: conn, raw: raw, around: around, config: config, over: make(chan struct{}), ready: make(chan struct{}, 1)}
	w.ctx, w.giveUp = context.WithCancel(context.Background())
	conn.SetReadLimit(-1) // see Read
	return w
}

// start begins to read and to write, for a link, which has counted it in.
func (w *wire) start(l *link) {
	w.mu.Lock()
	w.link = l
	w.idle = time.AfterFunc(w.config.IdleTimeout, func() { w.fail(errIdle) })
	cause := w.cause
	w.mu.Unlock()
	for _, work := range []func(){w.read, w.write, w.ping} {
		go func() {
			defer l.work.Done()
			work()
		}()
	}
	if cause != nil { // it has ended before
		l.lost(w, cause)
		go func() {
			defer l.work.Done()
			w.closing.Wait()
		}()
	}
}

// perWire is how many goroutines a connection has: the three, and the one that closes
// it.
const perWire = 4

// Read returns the next message. It is one of the methods of [Peer]. The limit is its
// own: coder/websocket's tells the peer of a byte more than may come.
func (w *wire) Read(ctx context.Context) (Message, error) {
	kind, r, err := w.conn.Reader(ctx)
	if err != nil {
		return Message{}, &lostError{err}
	}
	w.message = w.message[:0]
	for {
		if len(w.message) == cap(w.message) {
			w.message = append(w.message, 0)[:len(w.message)]
		}
		n, err := w.around.message(r, w.message[len(w.message):cap(w.message)])
		w.message = w.message[:len(w.message)+n]
		if most := w.config.MaxMessage; int64(len(w.message)) > most {
			return Message{}, refuse(ws.StatusMessageTooBig, "a message is too big: at most %d bytes are taken", most)
		}
		if errors.Is(err, io.EOF) {
			return Message{Binary: kind == ws.MessageBinary, Data: w.message}, nil
		}
		if err != nil {
			return Message{}, &lostError{err}
		}
	}
}

// lostError says that the connection failed, and not the peer's language.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }

func (e *lostError) Unwrap() error { return e.err }

// Write writes a message. It is one of the methods of [Peer].
func (w *wire) Write(ctx context.Context, m Message) error {
	kind := ws.MessageText
	if m.Binary {
		kind = ws.MessageBinary
	}
	if err := w.conn.Write(ctx, kind, m.Data); err != nil {
		return &lostError{err}
	}
	return nil
}

// read reads until the connection ends.
func (w *wire) read() {
	l := w.link
	defer w.idle.Stop()
	defer l.left()
	err := safely(w.config.Logger, func() error {
		for {
			m, err := w.Read(w.ctx)
			if err != nil {
				return err
			}
			w.idle.Reset(w.config.IdleTimeout)
			if err := l.heard(w, m); err != nil {
				return err
			}
		}
	})
	w.fail(err)
}

// safely calls a serializer. One that panics spoils no other call than its own.
func safely(log *slog.Logger, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("serializer panicked", "panic", p, "stack", string(debug.Stack()))
			err = errInternal
		}
	}()
	return do()
}

// write writes what is queued, until the connection ends.
func (w *wire) write() {
	late := time.AfterFunc(w.config.WriteTimeout, func() { w.fail(errStalled) })
	late.Stop()
	for {
		m, ok := w.link.next(w)
		if !ok {
			select {
			case <-w.ready:
				continue
			case <-w.ctx.Done():
				return
			}
		}
		// A context that ends would end the connection before the reason is known.
		late.Reset(w.config.WriteTimeout)
		err := w.Write(w.ctx, m.Message)
		late.Stop()
		if err != nil {
			w.failLater(err)
			return
		}
		w.link.done(w, m)
	}
}

// ping finds out whether the peer is still there.
func (w *wire) ping() {
	tick := time.NewTicker(w.config.PingInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			return
		}
		written := w.link.written(w)
		ctx, cancel := context.WithTimeout(w.ctx, w.config.PingTimeout)
		err := w.conn.Ping(ctx)
		cancel()
		if err != nil {
			w.fail(fmt.Errorf("it does not answer a ping: %w", err))
			return
		}
		w.link.arrived(w, written)
	}
}

// wake tells the writer that there is something to do.
func (w *wire) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// fail ends the connection, and tells the peer why. Only the first reason counts.
func (w *wire) fail(err error) {
	w.mu.Lock()
	if w.cause != nil {
		w.mu.Unlock()
		return
	}
	w.cause = err
	l := w.link
	close(w.over)
	code, reason := closing(err)
	w.closing.Go(func() {
		if l != nil {
			defer l.work.Done()
		}
		defer w.giveUp()
		if code >= 0 {
			// Close waits for the end of a frame that may never come, and CloseNow
			// waits for Close.
			stop := time.AfterFunc(closeTimeout, func() { w.raw.Close() })
			defer stop.Stop()
			w.conn.Close(code, reason)
		}
		w.raw.Close()
		w.conn.CloseNow()
	})
	w.mu.Unlock()
	if l != nil {
		l.lost(w, err)
	}
}

// failLater leaves it to the reader to say why the connection has ended, if it
// knows: others see only that it has.
func (w *wire) failLater(err error) {
	known := time.NewTimer(readerFirst)
	defer known.Stop()
	select {
	case <-w.over:
	case <-known.C:
		w.fail(err)
	}
}

// readerFirst is how long the reader may take to find out what others know already.
const readerFirst = 10 * time.Millisecond

// why returns why the connection ended; nil if it has not.
func (w *wire) why() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}
