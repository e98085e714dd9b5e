package websocket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	ws "github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// link is what connects a call with its peer: one connection, or several one after
// the other if the peer comes back, and between it and the pipeline a bounded
// queue, so that nobody waits for a peer that reads slowly.
type link struct {
	serializer Serializer
	config     Config
	work       sync.WaitGroup // the goroutines of all connections

	said chan frames.Frame // what the peer says
	deaf chan struct{}     // closed when the pipeline hears no more
	ear  *ear              // takes what is to be played; nil where everything goes on at once

	// Before the agent listens, audio is discarded: it would be late. A peer that
	// leaves meanwhile is not waited for.
	listening atomic.Bool
	leave     func()

	over    chan struct{} // closed when cause is set
	bye     chan struct{} // closed when the peer has hung up
	turned  chan struct{} // the peer was lost, or has come back
	deafen  func()        // closes deaf
	byeOnce func()        // closes bye

	// Held while a message is heard: messages come one at a time, whatever
	// connection they come over.
	hearing sync.Mutex
	rate    *rate.Limiter
	got     uint64 // messages

	mu      sync.Mutex
	wire    *wire // nil while the peer is away
	queue   []queued
	audio   int      // of them
	bytes   int      // of those without audio
	unclear bool     // audio has been queued since the peer was last told to clear
	spare   [][]byte // buffers that have been written
	cause   error    // why it ended
	stats   LinkStats
	less    chan struct{} // closed and made anew when nothing is left to write, or audio was discarded
	writing bool
	front   queued           // what is being written, if it is
	dropped []audio.Position // the chunks that nobody will hear, until the output asks
	kept    kept
	behind  int // of audio, what waited when the peer came back, until it has caught up
	absence absence
	redial  func() // looks for the peer that was lost; nil if it has to come itself
}

// queued is a message that waits to be written.
type queued struct {
	Message
	audio    bool
	at       audio.Position // of the chunk, if it is audio
	mark     string         // of what was before it
	early    bool           // it does not wait for the greeting
	greeting bool           // it is what both sides count from
	number   uint64         // among all that are counted; 0 before it is written

	// lent says that a connection which is over may still be writing it: its buffer is
	// not used again.
	lent bool
}

// LinkStats counts what went over a call's connections.
type LinkStats struct {
	MessagesIn, MessagesOut uint64
	BytesIn, BytesOut       uint64 // of the messages, without what frames them

	// DroppedAudio counts the messages with audio that were thrown away because
	// the peer read too slowly, or was not there; what an interruption discards is
	// not counted.
	DroppedAudio uint64

	// Resumed is how many times a peer that was lost has come back, Away for how
	// long it was not there, together, and Resent how many messages it was sent
	// once more then.
	Resumed uint64
	Away    time.Duration
	Resent  uint64
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
	errStalled  = &Refusal{Code: ws.StatusPolicyViolation, Reason: errSlow.Reason} // which may be the network's fault
	errIdle     = &Refusal{Code: ws.StatusPolicyViolation, Reason: "nothing was said for too long"}
	errInternal = &Refusal{Code: ws.StatusInternalError, Reason: "internal error"}
	errRate     = &Refusal{Code: ws.StatusPolicyViolation, Reason: "messages come too fast"}
)

func newLink(serializer Serializer, config Config) *link {
	l := &link{
		config: config, serializer: serializer,
		said: make(chan frames.Frame, 16), deaf: make(chan struct{}), over: make(chan struct{}), bye: make(chan struct{}),
		turned: make(chan struct{}, 1), less: make(chan struct{}),
		rate:  rate.NewLimiter(rate.Limit(config.MaxMessageRate), config.burst()),
		leave: func() {},
	}
	l.deafen = sync.OnceFunc(func() { close(l.deaf) })
	l.byeOnce = sync.OnceFunc(func() { close(l.bye) })
	return l
}

// start lets the call begin on its first connection. leave is called if the peer
// leaves before the agent listens.
func (l *link) start(w *wire, leave func()) {
	l.leave = leave
	l.mu.Lock()
	l.wire = w
	l.work.Add(perWire)
	l.mu.Unlock()
	w.start(l)
}

// left tells of a connection that has ended before the agent listens.
func (l *link) left() {
	if !l.listening.Load() {
		l.leave()
	}
}

// heard takes a message of the peer's. An error ends the connection.
func (l *link) heard(w *wire, m Message) error {
	l.hearing.Lock()
	defer l.hearing.Unlock()
	if w.why() != nil {
		return w.why() // another connection may have taken its place
	}
	if !l.rate.Allow() {
		return errRate
	}
	l.got++
	l.mu.Lock()
	l.stats.MessagesIn++
	l.stats.BytesIn += uint64(len(m.Data))
	l.mu.Unlock()
	said, err := l.serializer.Decode(m)
	if err != nil {
		return refusal(err)
	}
	for _, f := range said {
		if err := l.take(f); err != nil {
			return err
		}
	}
	return nil
}

// take does with a frame what is to be done with it here, or hands it to the
// pipeline.
func (l *link) take(f frames.Frame) error {
	switch f := f.(type) {
	case *Reply:
		if f.AfterAudio {
			if waits, err := l.ear.reply(f.Message); waits || err != nil {
				return err
			}
		}
		l.queueUp(queued{Message: f.Message, early: f.Early})
		return nil
	case *Discard:
		l.ear.discard()
		return nil
	case *Played:
		l.marked(f.Mark)
	case *frames.AudioInput:
		if l.ear != nil {
			return l.ear.hear(f)
		}
		if !l.listening.Load() {
			return nil
		}
	case *frames.End:
		l.byeOnce()
		l.left()
	}
	// What has been counted is not lost: the peer will not send it once more.
	select {
	case l.said <- f:
		return nil
	default:
	}
	select {
	case l.said <- f:
	case <-l.deaf:
	case <-l.over: // who closes the connection reads the rest
	}
	return nil
}

// listen says that the agent listens from now on. The peer is told so before
// anything else: what others have said to it meanwhile has waited.
func (l *link) listen() error {
	greeting, err := greet(l.serializer)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first(greeting)
	l.listening.Store(true)
	l.wake()
	return nil
}

// greet returns what a serializer says first, if anything.
func greet(s Serializer) ([]queued, error) {
	g, ok := s.(Greeter)
	if !ok {
		return nil, nil
	}
	m, err := g.Greet()
	if err != nil {
		return nil, err
	}
	return []queued{{Message: m, greeting: true}}, nil
}

// first puts messages before all others. l.mu is held.
func (l *link) first(all []queued) {
	for _, m := range all {
		if m.audio {
			l.audio++
		} else {
			l.bytes += len(m.Data)
		}
	}
	l.queue = append(all, l.queue...)
}

// next takes the next message that is to be written over a connection.
func (l *link) next(w *wire) (queued, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire != w {
		return queued{}, false
	}
	i := 0
	for ; i < len(l.queue) && !l.listening.Load() && !l.queue[i].early; i++ {
	}
	if i == len(l.queue) {
		return queued{}, false
	}
	m := l.queue[i]
	copy(l.queue[i:], l.queue[i+1:])
	l.queue[len(l.queue)-1] = queued{}
	l.queue = l.queue[:len(l.queue)-1]
	if m.audio {
		l.audio--
	} else {
		l.bytes -= len(m.Data)
	}
	l.writing, l.front = true, m
	if s, ok := l.serializer.(Sequencer); ok {
		m.Message = s.Sequence(m.Message)
	}
	if !m.greeting {
		m.number = l.kept.add(m)
	}
	return m, true
}

// done says that a message has been written.
func (l *link) done(w *wire, m queued) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire != w {
		return // it goes on elsewhere
	}
	l.writing = false
	l.stats.MessagesOut++
	l.stats.BytesOut += uint64(len(m.Data))
	if m.number > 0 {
		l.kept.written = m.number
	}
	if !l.kept.keeps(m) {
		l.reuse(m)
	}
	if len(l.queue) == 0 {
		l.eased()
	}
}

// eased tells who waits for it that there is less to write. l.mu is held.
func (l *link) eased() {
	close(l.less)
	l.less = make(chan struct{})
}

// reuse keeps the buffer of a message with audio that is written no more. l.mu is held.
func (l *link) reuse(m queued) {
	if m.audio && !m.lent && m.Data != nil {
		l.spare = append(l.spare, m.Data)
	}
}

// sendAudio queues the chunk at a position. Where there is too much audio, the peer does
// not keep up, and the oldest is dropped: what comes late is of no use.
func (l *link) sendAudio(at audio.Position, encode func(dst []byte) (Message, error)) error {
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
	if l.cause != nil { // nobody listens
		l.dropped = append(l.dropped, at)
		return nil
	}
	if l.audio >= l.backlog() {
		l.drop(1)
		l.stats.DroppedAudio++
		// Marks that nothing is before any more would come back at once.
		for i := 0; i < len(l.queue) && !l.queue[i].audio; {
			if l.queue[i].mark != "" {
				l.bytes -= len(l.queue[i].Data)
				l.queue = append(l.queue[:i], l.queue[i+1:]...)
			} else {
				i++
			}
		}
	}
	l.push(queued{Message: m, audio: true, at: at})
	l.audio++
	l.unclear = true
	return nil
}

// backlog is how many messages with audio may wait to be written. What is said while
// whoever has come back gets what it has missed does not push that out. l.mu is held.
func (l *link) backlog() int {
	most := l.config.maxBacklog()
	if l.audio < most {
		l.behind = 0
	}
	return most + l.behind
}

// drop removes the oldest messages with audio. l.mu is held.
func (l *link) drop(most int) {
	kept := l.queue[:0]
	for _, m := range l.queue {
		if m.audio && most > 0 {
			most--
			l.audio--
			l.dropped = append(l.dropped, m.at)
			l.reuse(m)
			continue
		}
		kept = append(kept, m)
	}
	clear(l.queue[len(kept):])
	l.queue = kept
}

// send queues a message that must not be lost.
func (l *link) send(m Message) { l.queueUp(queued{Message: m}) }

func (l *link) queueUp(m queued) {
	l.mu.Lock()
	if l.cause != nil {
		l.mu.Unlock()
		return
	}
	l.push(m)
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

// wake tells the writer that there is something to do. l.mu is held.
func (l *link) wake() {
	if l.wire != nil {
		l.wire.wake()
	}
}

// flush discards the audio that waits, and tells the peer to discard what it has
// got.
func (l *link) flush() error {
	l.mu.Lock()
	l.drop(l.audio)
	l.dropped = nil
	l.kept.discard()
	l.eased()
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

// waits returns the position of the first chunk that has not been written, if there is
// one, and those of the chunks that were dropped since it was asked last.
func (l *link) waits() (first audio.Position, any bool, dropped []audio.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dropped, l.dropped = l.dropped, nil
	if l.writing && l.front.audio {
		first, any = l.front.at, true
	}
	if l.audio > 0 {
		i := slices.IndexFunc(l.queue, func(m queued) bool { return m.audio })
		if at := l.queue[i].at; !any || at < first {
			first, any = at, true
		}
	}
	return first, any, dropped
}

// drained returns when nothing waits to be written, or nobody writes any more, or
// ctx ends.
func (l *link) drained(ctx context.Context) {
	for {
		l.mu.Lock()
		empty := len(l.queue) == 0 && !l.writing || l.cause != nil || l.wire == nil || !l.listening.Load()
		less := l.less
		l.mu.Unlock()
		if empty {
			return
		}
		select {
		case <-less:
		case <-l.over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// parted returns when the peer has hung up, or nobody listens, or ctx ends.
func (l *link) parted(ctx context.Context) {
	select {
	case <-l.bye:
	case <-l.over:
	case <-ctx.Done():
	}
}

// fail ends the call's connection, and tells the peer why.
func (l *link) fail(err error) {
	l.mu.Lock()
	w := l.wire
	l.mu.Unlock()
	if w != nil {
		w.fail(err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire == nil { // the peer is away, and need not come back
		l.finish(err)
	}
}

// lost says that a connection has ended.
func (l *link) lost(w *wire, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire != w {
		return // it has been replaced
	}
	l.wire = nil
	l.writing = false
	if l.mayReturn(err) {
		l.leaves(err)
	} else {
		l.finish(err)
	}
}

// finish says that the peer does not come back. l.mu is held.
func (l *link) finish(err error) {
	if l.cause != nil {
		return
	}
	l.cause = err
	l.drop(l.audio)
	l.absence.end()
	close(l.over)
	l.turn()
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
	if !ok || r == errSlow || r == errStalled {
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
// when nothing of it is left. When ctx ends, what is left is cut off.
func (l *link) end(ctx context.Context, code ws.StatusCode, reason string) {
	l.abandon(&Refusal{Code: code, Reason: reason})
	patience, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	l.drained(patience)
	l.mu.Lock()
	w := l.wire
	l.mu.Unlock()
	l.fail(&Refusal{Code: code, Reason: reason})
	if w != nil {
		defer context.AfterFunc(ctx, func() { time.AfterFunc(cutOff, func() { w.raw.Close() }) })()
	}
	l.work.Wait()
}

// cutOff is how long a peer may take to answer a close frame when there is no time
// any more.
const cutOff = 100 * time.Millisecond

// why says for people why the connection ended, and whether the peer has ended it.
func (l *link) why(dialled bool) (reason string, left bool) {
	who := "the caller"
	if dialled {
		who = "the server"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := errors.AsType[ws.CloseError](l.cause); ok {
		switch e.Code {
		case ws.StatusNormalClosure, ws.StatusGoingAway, ws.StatusNoStatusRcvd:
			if e.Reason != "" && dialled {
				return fmt.Sprintf("%s hung up: %s", who, e.Reason), true
			}
			return who + " hung up", true
		}
	}
	if r, ok := errors.AsType[*Refusal](l.cause); ok {
		return who + " was disconnected: " + r.Reason, false
	}
	return fmt.Sprintf("%s was lost: %v", who, l.cause), false
}

const hungUp = "the caller hung up"

// away reports whether there is no connection now, and there may be one again.
func (l *link) away() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wire == nil && !l.absence.since.IsZero()
}

// Stats returns what went over the connection so far.
func (l *link) Stats() LinkStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}
