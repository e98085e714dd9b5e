package websocket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// Lost is sent down the pipeline by the input when the connection of a call was
// lost whose peer may come back. [Resumed] follows, or the end.
type Lost struct {
	frames.System
	Err   error         // why
	Grace time.Duration // how long it is waited for
}

func (f *Lost) String() string { return fmt.Sprintf("Lost(for up to %v: %v)", f.Grace, f.Err) }

// Resumed is sent down the pipeline by the input when a call goes on over another
// connection. For as long as the peer was away there is a gap in the positions of
// its audio.
type Resumed struct {
	frames.System
	Away time.Duration
}

func (f *Resumed) String() string { return fmt.Sprintf("Resumed(after %v)", f.Away) }

// The codes with which a connection is closed that has to do with coming back.
const (
	// StatusReplaced is what a connection is closed with whose call goes on over
	// another one.
	StatusReplaced ws.StatusCode = 4409

	// StatusNoCall is what is answered to a peer that wants to go on with a call
	// which there is not: it is over, its grace is, or the token is not its own.
	StatusNoCall ws.StatusCode = 4410
)

var (
	errReplaced = &Refusal{Code: StatusReplaced, Reason: "the call goes on over another connection"}
	errNoCall   = &Refusal{Code: StatusNoCall, Reason: "there is no such call to go on with, or not any more: begin a new one"}
)

// Resumption is what both sides say of a connection that takes the place of one
// that was lost.
type Resumption struct {
	// Call is which call it is, and Token what only its peer knows. The server
	// gives both when the call begins. Without them, it is a new call.
	Call, Token string

	// Wanted says that the peer of a new call would come back.
	Wanted bool

	// Grace is how long the server waits for the peer.
	Grace time.Duration

	// Received is how many messages have come since the call began, without
	// greetings. The others are sent once more.
	Received uint64

	// Resumed is what the server answers when a call goes on, and At how long it
	// has lasted: where on its clocks it goes on.
	Resumed bool
	At      time.Duration
}

// absence is what is known of a peer that is away, or may be.
type absence struct {
	grace   time.Duration // 0 if it may not come back
	final   bool          // nor any more
	since   time.Time     // it is away; zero if it is here
	expiry  *time.Timer
	cause   error         // why it is
	returns int           // how many times it has come back
	last    time.Duration // how long it was away then
}

// end stops the grace.
func (a *absence) end() {
	if a.expiry != nil {
		a.expiry.Stop()
	}
}

// isLoss reports whether a connection ended by an accident: neither side wanted it
// to.
func isLoss(err error) bool {
	switch ws.CloseStatus(err) {
	case -1:
	case ws.StatusServiceRestart, ws.StatusTryAgainLater, ws.StatusBadGateway: // a proxy's
		return true
	default:
		return false
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r == errStalled
	}
	return true
}

// mayReturn reports whether the peer that was lost is waited for. l.mu is held.
func (l *link) mayReturn(err error) bool {
	return l.absence.grace > 0 && !l.absence.final && l.cause == nil && l.listening.Load() && isLoss(err)
}

// leaves begins the grace. l.mu is held.
func (l *link) leaves(err error) {
	a := &l.absence
	since := time.Now()
	a.since, a.cause = since, err
	a.expiry = time.AfterFunc(a.grace, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.wire == nil && a.since.Equal(since) {
			l.finish(fmt.Errorf("%w, and it did not come back within %v", err, a.grace))
		}
	})
	if !l.kept.audio { // which is late when the connection is back
		l.stats.DroppedAudio += uint64(l.audio)
		l.drop(l.audio)
	}
	l.turn()
	if l.redial != nil {
		l.work.Go(l.redial)
	}
}

// missed drops a chunk because the other side is not there.
func (l *link) missed(at audio.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.DroppedAudio++
	l.dropped = append(l.dropped, at)
}

// room returns when there is room for more audio than waits for a peer that is away:
// when it is back, and has got that, or will not come, or what waits is discarded, or
// ctx ends.
func (l *link) room(ctx context.Context) {
	l.mu.Lock()
	full, less := l.audio >= l.config.maxBacklog(), l.less
	l.mu.Unlock()
	if !full {
		return
	}
	select {
	case <-less:
	case <-l.over:
	case <-ctx.Done():
	}
}

// abandon ends the grace, or sees to it that there is none.
func (l *link) abandon(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.absence.final = true
	if l.wire == nil && !l.absence.since.IsZero() {
		l.finish(err)
	}
}

// turn tells the input that the peer was lost or has come back. l.mu is held.
func (l *link) turn() {
	select {
	case l.turned <- struct{}{}:
	default:
	}
}

// takeOver makes room for another connection, and returns how many messages have
// come so far: the one before is closed. It reports false if the call is over.
func (l *link) takeOver() (received uint64, ok bool) {
	l.mu.Lock()
	if l.cause != nil || l.absence.final {
		l.mu.Unlock()
		return 0, false
	}
	old := l.wire
	if old != nil { // it was not known yet that this one is lost
		l.wire, l.writing = nil, false
		l.absence.since, l.absence.cause = time.Now(), errReplaced
	}
	l.absence.end()
	l.mu.Unlock()
	if old != nil {
		old.fail(errReplaced)
	}
	return l.received(), true
}

// received returns how many messages have come so far, when no more can.
func (l *link) received() uint64 {
	l.hearing.Lock()
	defer l.hearing.Unlock()
	return l.got
}

// resume lets the call go on over another connection, of which the peer is told
// first. What it has not received is written once more.
func (l *link) resume(w *wire, greeting []queued, received uint64) {
	l.mu.Lock()
	if l.cause != nil || l.absence.final {
		l.mu.Unlock()
		w.fail(errNoCall)
		w.closing.Wait()
		return
	}
	again, lost := l.kept.again(received)
	l.stats.DroppedAudio += uint64(lost)
	l.first(append(greeting, again...))
	l.behind = l.audio
	a := &l.absence
	a.end()
	a.last = time.Since(a.since)
	a.since = time.Time{}
	a.returns++
	l.stats.Resumed++
	l.stats.Away += a.last
	l.stats.Resent += uint64(len(again))
	l.wire = w
	l.work.Add(perWire)
	l.turn()
	l.wake()
	l.mu.Unlock()
	w.start(l)
}

// kept are messages that have been written, until it is known that they have
// arrived: what is written to a connection that is dead already is lost without
// notice.
type kept struct {
	most  int  // bytes; 0 if none are to be kept
	audio bool // is worth sending late; it does not change

	count   uint64   // messages given to connections
	written uint64   // how many of them have been written
	sent    []queued // those that may not have arrived; without their data, if that is not kept
	bytes   int
}

// maxKeptBytes bounds what is kept, however seldom it is asked whether a connection is
// alive.
const maxKeptBytes = 16 << 20

// keptBytes is how many bytes of audio and of messages are kept: what is said while a
// connection is dead and nobody has noticed, for a ping is answered late, and then none.
// It is twice that, for those that write audio as text, and for whoever comes back and
// is lost again before it has got all of it.
func (c Config) keptBytes(f audio.Format) int {
	most := f.Rate.Duration(maxKeptBytes / int64(4*f.Channels))
	unnoticed := min(max(c.PingInterval, c.PingTimeout), most) + min(c.PingTimeout, most)
	return maxQueuedBytes + int(f.Rate.Samples(min(unnoticed, most)))*f.Channels*4
}

// keeps reports whether a message is kept.
func (k *kept) keeps(m queued) bool { return k.most > 0 && (k.audio || !m.audio) }

// add takes a message that is about to be written and returns its number.
func (k *kept) add(m queued) uint64 {
	k.count++
	m.number = k.count
	if k.most == 0 {
		return k.count
	}
	if !k.keeps(m) {
		m.Data = nil
	}
	k.sent = append(k.sent, m)
	for k.bytes += len(m.Data); k.bytes > k.most; {
		k.shed()
	}
	return k.count
}

// shed lets go of the data of one message: the oldest with audio, if there is one.
func (k *kept) shed() {
	audio := func(m queued) bool { return m.audio && m.Data != nil }
	any := func(m queued) bool { return m.Data != nil }
	i := slices.IndexFunc(k.sent, audio)
	if i < 0 {
		i = slices.IndexFunc(k.sent, any)
	}
	k.bytes -= len(k.sent[i].Data)
	k.sent[i].Data = nil
}

func (k *kept) pop() queued {
	m := k.sent[0]
	k.bytes -= len(m.Data)
	k.sent[0] = queued{}
	k.sent = k.sent[1:]
	return m
}

// discard forgets audio, and the marks that were behind it.
func (k *kept) discard() {
	left := k.sent[:0]
	for _, m := range k.sent {
		if m.audio || m.mark != "" {
			k.bytes -= len(m.Data)
			continue
		}
		left = append(left, m)
	}
	clear(k.sent[len(left):])
	k.sent = left
}

// again returns what has to be written once more to somebody who has received so
// many, and how many messages with audio are lost. Their count goes on: the next message
// is the one after them.
func (k *kept) again(received uint64) (all []queued, lost int) {
	for len(k.sent) > 0 && k.sent[0].number <= received {
		k.pop()
	}
	for _, m := range k.sent {
		if m.Data != nil {
			m.lent = true
			all = append(all, m)
		} else if m.audio {
			lost++
		}
	}
	k.sent, k.bytes, k.count, k.written = nil, 0, received, received
	return all, lost
}

// written returns how many messages have been written over a connection.
func (l *link) written(w *wire) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire != w {
		return 0
	}
	return l.kept.written
}

// arrived says that the peer has received so many messages.
func (l *link) arrived(w *wire, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire == w {
		l.forget(n)
	}
}

// forget lets go of messages that have arrived. l.mu is held.
func (l *link) forget(n uint64) {
	for k := &l.kept; len(k.sent) > 0 && k.sent[0].number <= n; {
		if m := k.pop(); m.number <= k.written {
			l.reuse(m)
		}
	}
}

// marked says that a mark has come back, so what was before it has arrived.
func (l *link) marked(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.kept.sent {
		if m.mark == name {
			l.forget(m.number)
			return
		}
	}
}
