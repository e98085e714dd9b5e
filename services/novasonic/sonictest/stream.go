package sonictest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
	"github.com/parley-go/parley/services/novasonic/sonictest/internal/wire"
)

// maxQueued bounds what waits to be written to a client that does not read, in
// events: some seconds of audio, beyond what the client's windows take.
const maxQueued = 256

// maxDrain is how long a client may read nothing when that is full, and how
// long it may take to read what was said before the end.
const maxDrain = 10 * time.Second

// stream drives a session with a request. Three goroutines share the work:
//
//	reader ──inputs──▶ loop (session, clock) ──frames──▶ writer
//
// The writer is the request's own goroutine, since only that one can abort it.
type stream struct {
	server    *Server
	conn      *connection
	number    int
	opened    time.Time
	requestID string
	rec       *recorder
	faults    []*armed
	strikes   chan Action   // from Server.Strike
	greeted   chan struct{} // closed when the response headers have been sent
	padding   *rand.Rand
}

// item is what the reader read: an event, or how the input ended.
type item struct {
	event []byte
	err   error
}

func (st *stream) age() time.Duration { return time.Since(st.opened) }

// run answers the request.
func (st *stream) run(w http.ResponseWriter, r *http.Request) {
	rng := rand.New(rand.NewPCG(st.server.cfg.Seed^0x1d, uint64(st.number)))
	st.requestID = fmt.Sprintf("parley-emulator-%08x-%04x", rng.Uint32(), st.number&0xffff)
	st.rec.note(func(l *StreamLog) { l.RequestID = st.requestID })
	o, refusal := st.admit(r)
	if refusal == nil && !st.server.occupy() {
		refusal = quotaRefusal(o.behaviour)
	} else if refusal == nil {
		defer st.server.vacate()
	}
	if refusal != nil {
		st.refuse(w, r, refusal)
		return
	}
	if o.behaviour.Padding {
		st.padding = rng
	}

	ctx, stop := context.WithCancel(r.Context())
	inputs := make(chan item)
	frames := make(chan frame, maxQueued)
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		st.read(ctx, wire.NewReader(r.Body, o.key, st.server.cfg.Region, o.seed, st.server.cfg.Limits.Message), inputs)
	}()
	go func() {
		defer wg.Done()
		defer close(frames)
		session := newSession(st.server.cfg, o.behaviour, o.model, st.number, st.rec, st.faults)
		session.headersDelay = o.delay
		if expires := o.key.Expires; !expires.IsZero() {
			session.timers.add(expires.Sub(st.opened), session.expired)
		}
		st.loop(ctx, session, inputs, frames, http.NewResponseController(w))
	}()
	abort := st.write(w, r, frames, o.delay)

	// The response is complete; what the client still says is of no interest.
	stop()
	http.NewResponseController(w).SetReadDeadline(longAgo) // frees the reader; every HTTP/2 stream has deadlines
	for range frames {                                     // and the loop
	}
	wg.Wait()
	if abort {
		panic(http.ErrAbortHandler) // RST_STREAM
	}
}

// longAgo is a deadline that has passed: it takes effect at once, and without a timer,
// of which in virtual time under the race detector two that are due at the same moment
// can crash Go 1.26 (both run with the race context of their bubble).
var longAgo = time.Unix(1, 0)

// read decodes the input until it ends or ctx does.
func (st *stream) read(ctx context.Context, r *wire.Reader, inputs chan<- item) {
	for {
		event, err := r.Next()
		select {
		case inputs <- item{event, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// loop is the stream's life: events, time, faults.
func (st *stream) loop(ctx context.Context, s *session, inputs <-chan item, frames chan<- frame, rc *http.ResponseController) {
	clock := time.NewTimer(0)
	defer clock.Stop()
	silent := false // a fault stopped the output
	for {
		for _, f := range s.take() {
			switch f.action {
			case actStall, actStallReads:
				inputs = nil
				silent = silent || f.action == actStall
				continue
			case actStallWrites:
				silent = true
				continue
			}
			if silent && !f.fault {
				continue
			}
			if failure := st.push(ctx, frames, f); failure.Kind != Open {
				s.gone(failure)
				rc.SetWriteDeadline(longAgo) // every HTTP/2 stream has deadlines
				return
			}
		}
		if s.told {
			select {
			case <-st.greeted:
			case <-ctx.Done():
			}
			rc.SetWriteDeadline(time.Now().Add(maxDrain)) // every HTTP/2 stream has deadlines
			return
		}
		var wake <-chan time.Time
		if at, ok := s.next(); ok {
			clock.Reset(time.Until(st.opened.Add(at)))
			wake = clock.C
		}
		select {
		case in := <-inputs:
			if in.err != nil {
				inputs = nil
				if st.server.ctx.Err() != nil {
					continue // the server is being closed, and with it the connection
				}
			}
			st.take(s, in)
		case a := <-st.strikes:
			s.advance(st.age())
			s.act(&armed{Fault: Fault{Do: a}})
		case <-wake:
			s.advance(st.age())
		case <-ctx.Done():
			s.advance(st.age())
			s.gone(st.lost())
			return
		}
	}
}

// lost is how a stream ended whose context has.
func (st *stream) lost() End {
	if st.server.ctx.Err() != nil {
		return End{Kind: ServerClosed, Message: "the server was closed"}
	}
	return End{Kind: Dropped, Message: "the client went away"}
}

// push hands a frame to the writer. It waits for a client that is slow to read,
// from when it may read at all; if it does not, push returns how the stream
// ended by that.
func (st *stream) push(ctx context.Context, frames chan<- frame, f frame) (failure End) {
	select {
	case frames <- f:
		return End{}
	default:
	}
	select {
	case frames <- f:
		return End{}
	case <-st.greeted:
	case <-ctx.Done():
		return st.lost()
	}
	patience := time.NewTimer(maxDrain)
	defer patience.Stop()
	select {
	case frames <- f:
		return End{}
	case <-patience.C:
		return End{Kind: ServerClosed, Message: "the client does not read"}
	case <-ctx.Done():
		return st.lost()
	}
}

// take gives the session what was read.
func (st *stream) take(s *session, in item) {
	switch {
	case in.err == nil:
		s.input(st.age(), in.event)
	case errors.Is(in.err, wire.ErrUnended):
		s.violation("", in.err.Error(), false)
		s.eof(st.age())
	case errors.Is(in.err, io.EOF):
		s.eof(st.age())
	default:
		s.advance(st.age())
		s.garbled(in.err)
	}
}

// garbled ends the stream because its input could not be read.
func (s *session) garbled(err error) {
	name, text := protocol.ExceptionValidation, protocol.TextParse
	switch {
	case errors.Is(err, wire.ErrUnsigned):
		text = protocol.TextInvalid
	case errors.Is(err, wire.ErrSignature):
		name, text = "invalidSignatureException", "The event signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."
	case errors.Is(err, wire.ErrTooLarge), errors.Is(err, wire.ErrMessage), errors.Is(err, wire.ErrEnvelope), errors.Is(err, wire.ErrTrailing), errors.Is(err, io.ErrUnexpectedEOF):
	default:
		s.gone(End{Kind: Dropped, Message: err.Error()})
		s.frames = append(s.frames, frame{end: true, fault: true})
		return
	}
	if s.over {
		s.finish(End{Kind: ClosedBoth, Message: err.Error()})
		return
	}
	s.violation("", err.Error(), true)
	s.fail(&protocol.Refusal{Exception: name, Text: text})
}

// expired ends the stream because the credentials that opened it have.
func (s *session) expired() {
	s.raise(Failed, "expiredTokenException", "The security token included in the request is expired", false)
}

// write writes frames until the response is complete. It tells whether the
// request is to be aborted then.
func (st *stream) write(w http.ResponseWriter, r *http.Request, frames <-chan frame, delay time.Duration) (abort bool) {
	rc := http.NewResponseController(w)
	greeted := false
	greet := func() {
		if greeted {
			return
		}
		greeted = true
		if delay > 0 {
			st.sleep(r, delay)
			if r.Context().Err() != nil {
				close(st.greeted)
				return // the client has gone away: it is not accepted, and writing fails
			}
		}
		st.introduce(w)
		w.Header().Set("Content-Type", eventStreamType)
		w.WriteHeader(http.StatusOK)
		close(st.greeted)
		st.rec.note(func(l *StreamLog) { l.Accepted = max(1, st.age()) })
	}
	var buf []byte
	for f := range frames {
		buf = buf[:0]
		switch {
		case f.headers:
			greet()
		case f.event != nil:
			greet()
			buf = wire.AppendEvent(buf, f.event, st.pad())
		case f.isError:
			greet()
			buf = wire.AppendError(buf, f.exception, f.message)
		case f.exception != "":
			greet()
			buf = wire.AppendException(buf, f.exception, f.message)
		case f.action == actTruncate:
			greet()
			buf = wire.AppendEvent(buf, []byte(`{"event":{}}`), 0)
			buf = buf[:len(buf)/2]
		case f.action == actBadCRC:
			greet()
			buf = wire.AppendEvent(buf, []byte(`{"event":{}}`), 0)
			buf[len(buf)-1] ^= 0xff
		case f.action == actReset:
			return true
		case f.action == actKill:
			if st.conn != nil {
				st.conn.kill()
			}
			return true
		case f.action == actGoAway:
			if st.conn != nil {
				st.conn.goAway()
			}
			continue
		case f.end:
			greet()
			return false
		}
		if len(buf) > 0 {
			if _, err := w.Write(buf); err != nil {
				return true
			}
		}
		if err := rc.Flush(); err != nil {
			return true
		}
	}
	return false
}

func (st *stream) pad() int {
	if st.padding == nil {
		return 0
	}
	return 1 + st.padding.IntN(60)
}

// strike gives an action to the loop. It tells whether there was room for it.
func (st *stream) strike(a Action) bool {
	select {
	case st.strikes <- a:
		return true
	default:
		return false
	}
}

// sleep waits for d; false if the client goes away.
func (st *stream) sleep(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
