package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	ws "github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/parley-go/parley/frames"
)

// link is one connection: a goroutine that reads it, one that writes it, and a
// bounded queue between the pipeline and the second, so that nobody waits for a
// peer that reads slowly.
type link struct {
	conn       *ws.Conn
	raw        net.Conn // below it
	serializer Serializer
	config     Config
	ctx        context.Context // until the connection is given up
	giveUp     context.CancelFunc
	work       sync.WaitGroup

	// The reader's own.
	message []byte
	rate    *rate.Limiter
	idle    *time.Timer

	said chan frames.Frame // what the peer says; closed when nothing more is read

	// Before the agent listens, audio is discarded: it would be late. A peer that
	// leaves meanwhile is not waited for.
	listening atomic.Bool
	leave     func()

	over chan struct{} // closed when cause is set

	mu      sync.Mutex
	queue   []queued
	audio   int      // of them
	bytes   int      // of those without audio
	unclear bool     // audio has been queued since the peer was last told to clear
	spare   [][]byte // buffers that have been written
	cause   error    // why it ended
	stats   LinkStats
	ready   chan struct{} // something was queued
	written chan struct{} // closed and made anew whenever nothing is left to write
	writing bool
}

// queued is a message that waits to be written.
type queued struct {
	Message
	audio bool
	mark  bool // of what was before it
}

// LinkStats counts what went over a connection.
type LinkStats struct {
	MessagesIn, MessagesOut uint64
	BytesIn, BytesOut       uint64 // of the messages, without what frames them

	// DroppedAudio counts the messages with audio that were thrown away because
	// the peer read too slowly; what an interruption discards is not counted.
	DroppedAudio uint64
}

const (
	// maxQueued and maxQueuedBytes are how many messages without audio may wait,
	// and how long they may be together: a peer that has not read any of them is
	// not there.
	maxQueued      = 1024
	maxQueuedBytes = 1 << 20

	// closeTimeout is how long what is queued may take to be written in the end,
	// and then again the close frame and the peer's answer to it.
	closeTimeout = 5 * time.Second
)

var (
	errSlow     = &Refusal{Code: ws.StatusPolicyViolation, Reason: "you do not read what is sent to you"}
	errIdle     = &Refusal{Code: ws.StatusPolicyViolation, Reason: "nothing was said for too long"}
	errInternal = &Refusal{Code: ws.StatusInternalError, Reason: "internal error"}
	errRate     = &Refusal{Code: ws.StatusPolicyViolation, Reason: "messages come too fast"}
)

func newLink(conn *ws.Conn, raw net.Conn, config Config) *link {
	l := &link{
		conn: conn, raw: raw, config: config, serializer: config.Serializer(),
		said: make(chan frames.Frame, 16), over: make(chan struct{}), ready: make(chan struct{}, 1), written: make(chan struct{}),
		rate: rate.NewLimiter(rate.Limit(config.MaxMessageRate), config.burst()),
	}
	l.ctx, l.giveUp = context.WithCancel(context.Background())
	return l
}

// start begins to read and to write, after the handshake. leave is called if the
// peer leaves before the agent listens.
func (l *link) start(leave func()) {
	l.leave = leave
	l.idle = time.AfterFunc(l.config.IdleTimeout, func() { l.fail(errIdle) })
	l.work.Go(l.read)
	l.work.Go(l.write)
	l.work.Go(l.ping)
}

// Read returns the next message. It is one of the methods of [Peer].
func (l *link) Read(ctx context.Context) (Message, error) {
	kind, r, err := l.conn.Reader(ctx)
	if err != nil {
		return Message{}, &lostError{err}
	}
	l.message = l.message[:0]
	for {
		if len(l.message) == cap(l.message) {
			l.message = append(l.message, 0)[:len(l.message)]
		}
		n, err := r.Read(l.message[len(l.message):cap(l.message)])
		l.message = l.message[:len(l.message)+n]
		if errors.Is(err, io.EOF) {
			return Message{Binary: kind == ws.MessageBinary, Data: l.message}, nil
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
func (l *link) Write(ctx context.Context, m Message) error {
	kind := ws.MessageText
	if m.Binary {
		kind = ws.MessageBinary
	}
	if err := l.conn.Write(ctx, kind, m.Data); err != nil {
		return &lostError{err}
	}
	return nil
}

// read reads until the connection ends.
func (l *link) read() {
	defer close(l.said)
	defer l.idle.Stop()
	defer func() {
		if p := recover(); p != nil {
			l.config.Logger.Error("serializer panicked", "panic", p, "stack", string(debug.Stack()))
			l.fail(errInternal)
		}
		if !l.listening.Load() {
			l.leave()
		}
	}()
	for {
		m, err := l.Read(l.ctx)
		if err != nil {
			l.fail(err)
			return
		}
		if !l.rate.Allow() {
			l.fail(errRate)
			return
		}
		l.idle.Reset(l.config.IdleTimeout)
		l.mu.Lock()
		l.stats.MessagesIn++
		l.stats.BytesIn += uint64(len(m.Data))
		l.mu.Unlock()
		said, err := l.serializer.Decode(m)
		if err != nil {
			l.fail(refusal(err))
			return
		}
		for _, f := range said {
			if !l.listening.Load() {
				switch f.(type) {
				case *frames.AudioInput:
					continue
				case *frames.End:
					l.leave()
				}
			}
			select {
			case l.said <- f:
			case <-l.over: // nobody listens any more; who closes the connection reads the rest
				return
			}
		}
	}
}

// write writes what is queued, until the connection ends.
func (l *link) write() {
	late := time.AfterFunc(l.config.WriteTimeout, func() { l.fail(errSlow) })
	late.Stop()
	for {
		m, ok := l.next()
		if !ok {
			select {
			case <-l.ready:
				continue
			case <-l.ctx.Done():
				return
			}
		}
		// A context that ends would end the connection before the reason is known.
		late.Reset(l.config.WriteTimeout)
		err := l.Write(l.ctx, m.Message)
		late.Stop()
		if err != nil {
			l.fail(err)
			return
		}
		l.done(m)
	}
}

// listen says that the agent listens from now on. The peer is told so before
// anything else: what others have said to it meanwhile has waited.
func (l *link) listen() error {
	var greeting []queued
	if g, ok := l.serializer.(Greeter); ok {
		m, err := g.Greet()
		if err != nil {
			return err
		}
		greeting = []queued{{Message: m}}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range greeting {
		l.bytes += len(m.Data)
	}
	l.queue = append(greeting, l.queue...)
	l.listening.Store(true)
	l.wake()
	return nil
}

// next takes the next message that is to be written.
func (l *link) next() (queued, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 || !l.listening.Load() {
		return queued{}, false
	}
	m := l.queue[0]
	l.queue = append(l.queue[:0], l.queue[1:]...)
	if m.audio {
		l.audio--
	} else {
		l.bytes -= len(m.Data)
	}
	l.writing = true
	return m, true
}

// done notes that a message has been written.
func (l *link) done(m queued) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = false
	l.stats.MessagesOut++
	l.stats.BytesOut += uint64(len(m.Data))
	if m.audio {
		l.spare = append(l.spare, m.Data)
	}
	if len(l.queue) == 0 {
		close(l.written)
		l.written = make(chan struct{})
	}
}

// ping finds out whether the peer is still there.
func (l *link) ping() {
	tick := time.NewTicker(l.config.PingInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(l.ctx, l.config.PingTimeout)
		err := l.conn.Ping(ctx)
		cancel()
		if err != nil {
			l.fail(fmt.Errorf("it does not answer a ping: %w", err))
			return
		}
	}
}

// sendAudio queues audio. Where there is too much of it, the peer does not keep
// up, and the oldest is dropped: what comes late is of no use.
func (l *link) sendAudio(encode func(dst []byte) (Message, error)) error {
	l.mu.Lock()
	var buffer []byte
	if n := len(l.spare); n > 0 {
		buffer, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	l.mu.Unlock()
	m, err := encode(buffer)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return nil // nobody listens
	}
	if l.audio >= l.config.maxBacklog() {
		l.drop(1)
		l.stats.DroppedAudio++
		// Marks that nothing is before any more would come back at once.
		for i := 0; i < len(l.queue) && !l.queue[i].audio; {
			if l.queue[i].mark {
				l.bytes -= len(l.queue[i].Data)
				l.queue = append(l.queue[:i], l.queue[i+1:]...)
			} else {
				i++
			}
		}
	}
	l.push(queued{Message: m, audio: true})
	l.audio++
	l.unclear = true
	return nil
}

// drop removes the oldest messages with audio. l.mu is held.
func (l *link) drop(most int) {
	kept := l.queue[:0]
	for _, m := range l.queue {
		if m.audio && most > 0 {
			most--
			l.audio--
			l.spare = append(l.spare, m.Data)
			continue
		}
		kept = append(kept, m)
	}
	clear(l.queue[len(kept):])
	l.queue = kept
}

// send queues a message that must not be lost.
func (l *link) send(m Message) { l.queueUp(m, false) }

func (l *link) queueUp(m Message, mark bool) {
	l.mu.Lock()
	if l.cause != nil {
		l.mu.Unlock()
		return
	}
	l.push(queued{Message: m, mark: mark})
	l.bytes += len(m.Data)
	full := len(l.queue)-l.audio > maxQueued || l.bytes > maxQueuedBytes
	l.mu.Unlock()
	if full {
		l.fail(errSlow)
	}
}

// push appends to the queue. l.mu is held.
func (l *link) push(m queued) {
	l.queue = append(l.queue, m)
	l.wake()
}

// wake tells the writer that there is something to do.
func (l *link) wake() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// flush discards the audio that waits, and tells the peer to discard what it has
// got.
func (l *link) flush() error {
	l.mu.Lock()
	l.drop(l.audio)
	tell := l.unclear
	l.unclear = false
	l.mu.Unlock()
	c, ok := l.serializer.(Clearer)
	if !ok || !tell {
		return nil
	}
	m, err := c.Clear()
	if err == nil {
		l.send(m)
	}
	return err
}

// drained returns when nothing waits to be written, or nobody writes any more, or
// ctx ends.
func (l *link) drained(ctx context.Context) {
	for {
		l.mu.Lock()
		empty, written := len(l.queue) == 0 && !l.writing || l.cause != nil || !l.listening.Load(), l.written
		l.mu.Unlock()
		if empty {
			return
		}
		select {
		case <-written:
		case <-l.ctx.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// fail ends the connection, and tells the peer why. Only the first reason counts.
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return
	}
	l.cause = err
	close(l.over)
	code, reason := closing(err)
	l.work.Go(func() {
		defer l.giveUp()
		if code >= 0 {
			// Close waits for the end of a frame that may never come, and CloseNow
			// waits for Close.
			stop := time.AfterFunc(closeTimeout, func() { l.raw.Close() })
			defer stop.Stop()
			l.conn.Close(code, reason)
		}
		l.raw.Close()
		l.conn.CloseNow()
	})
}

// refusal makes a serializer's error one that the peer is told.
func refusal(err error) error {
	if _, ok := errors.AsType[*Refusal](err); ok {
		return err
	}
	return &Refusal{Code: ws.StatusProtocolError, Reason: err.Error()}
}

// closing returns what the peer is told about the end of the connection; -1 if it
// has said so itself, does not listen, or is gone.
func closing(err error) (ws.StatusCode, string) {
	r, ok := errors.AsType[*Refusal](err)
	if !ok || r == errSlow {
		return -1, ""
	}
	return r.Code, cut(r.Reason)
}

// cut returns as much of a text as a close frame has room for.
func cut(s string) string {
	const most = 123
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for len(s) > 0 && s[len(s)-1]&0xC0 == 0x80 {
		s = s[:len(s)-1]
	}
	return s[:len(s)-1]
}

// end closes the connection in order: what is queued is written first. It returns
// when nothing of it is left.
func (l *link) end(ctx context.Context, code ws.StatusCode, reason string) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	l.drained(ctx)
	l.fail(&Refusal{Code: code, Reason: reason})
	l.work.Wait()
}

// why says for people why the connection ended, and whether the peer has ended it.
func (l *link) why() (reason string, left bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch code := ws.CloseStatus(l.cause); code {
	case ws.StatusNormalClosure, ws.StatusGoingAway, ws.StatusNoStatusRcvd:
		return hungUp, true
	}
	if r, ok := errors.AsType[*Refusal](l.cause); ok {
		return "the caller was disconnected: " + r.Reason, false
	}
	return fmt.Sprintf("the caller was lost: %v", l.cause), false
}

const hungUp = "the caller hung up"

// Stats returns what went over the connection so far.
func (l *link) Stats() LinkStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}
