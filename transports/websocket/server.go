package websocket

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	ws "github.com/coder/websocket"
	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/internal/reception"
	"github.com/parley-go/parley/transports/playout"
)

// Config says what is spoken, who may call, and how much. The zero value is a
// good one for callers that are served from the same host.
type Config struct {
	// Serializer makes the serializer of a connection; [PCM] by default.
	Serializer func() Serializer

	// Authenticate says whether a request may become a call. With an error it is
	// refused with 401 and nothing else; the error is logged. nil lets everybody
	// in. It is called before anything is allocated for the call, but within the
	// limit of MaxCalls.
	Authenticate func(r *http.Request) error

	// Origins are the hosts of other web pages that may call, as
	// "app.example.com" or "*.example.com"; pages of the same host always may.
	// "*" lets every page in. Programs that are no browsers send no origin.
	Origins []string

	// MaxCalls is how many connections there may be at once; 1000 by default.
	// One more is refused with 503.
	MaxCalls int

	// MaxMessage is the longest message, in bytes, that a peer may send; 64 KiB
	// by default. A longer one closes the connection (1009).
	MaxMessage int64

	// MaxMessageRate is how many messages a second a peer may send, pings
	// included; 200 by default. Those of MaxAhead may come at once. More close the
	// connection (1008).
	MaxMessageRate int

	// MaxAhead is how much earlier than it can have been spoken audio may come,
	// after a stall of the network or from a file; 5 s by default. What comes
	// still earlier closes the connection (1008).
	MaxAhead time.Duration

	// MaxGap is how long a peer may send no audio without leaving a gap in its
	// positions; 1 s by default.
	MaxGap time.Duration

	// MaxBacklog is how much audio may wait for a peer that reads slowly. The
	// oldest is dropped then, and counted; 1 s by default.
	MaxBacklog time.Duration

	// HandshakeTimeout is how long a peer may take from the connection to the
	// call; 10 s by default.
	HandshakeTimeout time.Duration

	// IdleTimeout is how long a peer may send no message at all; 5 minutes by
	// default.
	IdleTimeout time.Duration

	// WriteTimeout is how long a peer may take to accept a message; 10 s by
	// default.
	WriteTimeout time.Duration

	// PingInterval is how often the peer is asked whether it is there, and
	// PingTimeout how long it may take to answer; 15 s and 10 s by default.
	PingInterval, PingTimeout time.Duration

	// Grace is how long a call goes on without its peer when the connection was lost,
	// 30 s by default; see "Coming back" in the package's documentation. It is
	// only for peers that have said in the beginning that they would come back,
	// which they can with a [Resumer]: everybody else's call ends at once, for
	// nobody could go on with it. Negative: nobody's.
	Grace time.Duration

	// HangUpTimeout is how long a [HangUpper], and the peer of a [Leaver], may take;
	// 10 s by default.
	HangUpTimeout time.Duration

	// SendSilence says that the peer gets audio while there is nothing to hear,
	// too.
	SendSilence bool

	// Track is the name of the caller's audio; "caller" by default.
	Track string

	// Playout is for what is seldom changed of the output. Name, Format and Clock
	// are set by this package.
	Playout playout.Config

	// Logger gets a line for the beginning and the end of each call, and for each
	// refusal. nil means to discard.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.MaxCalls = cmp.Or(c.MaxCalls, 1000)
	c.MaxMessage = cmp.Or(c.MaxMessage, 64<<10)
	c.MaxMessageRate = cmp.Or(c.MaxMessageRate, 200)
	c.MaxAhead = cmp.Or(c.MaxAhead, 5*time.Second)
	c.MaxGap = cmp.Or(c.MaxGap, time.Second)
	c.MaxBacklog = cmp.Or(c.MaxBacklog, time.Second)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 10*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 5*time.Minute)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 10*time.Second)
	c.PingInterval = cmp.Or(c.PingInterval, 15*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, 10*time.Second)
	c.Grace = cmp.Or(c.Grace, 30*time.Second)
	c.HangUpTimeout = cmp.Or(c.HangUpTimeout, 10*time.Second)
	c.Track = cmp.Or(c.Track, "caller")
	if c.Serializer == nil {
		c.Serializer = PCM
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"MaxCalls", int64(c.MaxCalls)}, {"MaxMessage", c.MaxMessage}, {"MaxMessageRate", int64(c.MaxMessageRate)},
	} {
		if n.value < 1 {
			errs = append(errs, fmt.Errorf("%s is %d: at least 1, or 0 for the default", n.name, n.value))
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"MaxAhead", c.MaxAhead}, {"MaxGap", c.MaxGap}, {"MaxBacklog", c.MaxBacklog}, {"HandshakeTimeout", c.HandshakeTimeout},
		{"IdleTimeout", c.IdleTimeout}, {"WriteTimeout", c.WriteTimeout}, {"PingInterval", c.PingInterval}, {"PingTimeout", c.PingTimeout}, {"HangUpTimeout", c.HangUpTimeout},
	} {
		if d.value < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s is %v: at least 1ms, or 0 for the default (was it meant in seconds? write 5*time.Second)", d.name, d.value))
		}
	}
	return errors.Join(errs...)
}

const defaultChunk = 20 * time.Millisecond

// burst is how many messages may come at once: what a peer sends in MaxAhead, of
// which the network has kept everything.
func (c Config) burst() int {
	return max(1, int(float64(c.MaxMessageRate)*max(1, c.MaxAhead.Seconds())))
}

// maxBacklog is how many chunks may wait to be written.
func (c Config) maxBacklog() int { return max(1, int(c.MaxBacklog/c.Playout.Chunk)) }

// Server is an [http.Handler] that makes a call of each request. It is safe for
// concurrent use.
type Server struct {
	config   Config
	pipeline func(*Call) (*pipeline.Pipeline, error)
	desk     *reception.Reception

	mu   sync.Mutex
	held map[string]*held // by the call's ID
}

// NewServer returns a server that runs a pipeline of its own for each call, which
// agent makes:
//
//	func(call *websocket.Call) (*pipeline.Pipeline, error) {
//		return pipeline.New(pipeline.Config{}, call.Input(), service, call.Output()), nil
//	}
//
// An error of agent ends the call (1011) and is logged; the peer is not told.
func NewServer(cfg Config, agent func(*Call) (*pipeline.Pipeline, error)) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure WebSocket server: %w", err)
	}
	if agent == nil {
		return nil, errors.New("configure WebSocket server: there is no agent: give a function that makes a call's pipeline")
	}
	s := &Server{config: cfg, pipeline: agent, desk: reception.New(cfg.MaxCalls), held: map[string]*held{}}
	return s, nil
}

// Calls returns how many connections there are.
func (s *Server) Calls() int { return s.desk.Calls() }

// ServeHTTP conducts one call, and returns when it is over. Where the request goes
// on with a call, it returns at once, and the call belongs to the request that
// has begun it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	log := s.config.Logger.With("remote", r.RemoteAddr)
	var leave func() // of one that comes back beyond what there is room for
	comesBack := func() (ok bool) {
		leave, ok = s.comesBack(r)
		return ok
	}
	if err := s.desk.Enter(comesBack); err != nil {
		log.Warn("call refused", "error", err, "limit", s.config.MaxCalls)
		if errors.Is(err, reception.ErrFull) {
			w.Header().Set("Retry-After", "5")
		}
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer s.desk.Leave()
	if leave != nil {
		defer leave()
	}
	if s.config.Authenticate != nil {
		if err := s.config.Authenticate(r); err != nil {
			log.Warn("call refused: not authenticated", "error", err)
			http.Error(w, "not authenticated", http.StatusUnauthorized)
			return
		}
	}
	kept := &keeper{ResponseWriter: w, around: newOverhead(s.config)}
	pings := rate.NewLimiter(rate.Limit(s.config.MaxMessageRate), s.config.burst())
	conn, err := ws.Accept(kept, r, &ws.AcceptOptions{
		OriginPatterns: s.config.Origins,
		OnPingReceived: func(context.Context, []byte) bool {
			if !pings.Allow() {
				kept.conn.Close() // it has no use for an answer
			}
			return true
		},
	})
	if err != nil {
		log.Warn("call refused", "error", err) // the peer has been told
		return
	}
	s.serve(r, newWire(conn, kept.conn, kept.around, s.config), log)
}

// keeper keeps the connection below a WebSocket: to close it is the only way out
// that no peer can obstruct.
type keeper struct {
	http.ResponseWriter
	around *overhead
	conn   net.Conn
}

// Hijack is called by Accept.
func (k *keeper) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(k.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	k.conn = &countedConn{conn, k.around}
	return k.conn, rw, nil
}

// serve conducts the call on a connection, or lets one go on there.
func (s *Server) serve(r *http.Request, w *wire, log *slog.Logger) {
	id := uuid.NewString()
	serializer := s.config.Serializer()
	formats, err := open(s.desk.Context(), w, serializer, id, s.config.HandshakeTimeout)
	if err != nil {
		if isNoCall(err) {
			log.Info("there was no call", "reason", err)
		} else {
			log.Warn("call refused in the handshake", "error", err)
		}
		return
	}
	resumer, _ := serializer.(Resumer)
	if resumer != nil && resumer.Told().Call != "" {
		if err := s.resume(r, w, resumer, serializer, formats); err != nil {
			log.Warn("call refused: it cannot go on", "error", err)
			w.fail(err)
			w.closing.Wait()
		} else {
			log.Info("call goes on", "call", resumer.Told().Call)
		}
		return
	}
	log = log.With("call", id)
	l := newLink(serializer, s.config)
	if chunker, ok := serializer.(Chunker); ok {
		l.config.Playout.Chunk = cmp.Or(l.config.Playout.Chunk, chunker.Chunk())
	}
	l.config.Playout.Chunk = cmp.Or(l.config.Playout.Chunk, defaultChunk)
	call := newCall(id, r, l, formats)
	if resumer != nil && resumer.Told().Wanted && s.config.Grace > 0 {
		l.absence.grace = s.config.Grace
		l.kept = kept{most: s.config.keptBytes(formats.Output), audio: true}
		token := rand.Text() + rand.Text() // 260 bits
		resumer.Tell(Resumption{Call: id, Token: token, Grace: s.config.Grace})
		defer s.expect(call, token)()
	}
	s.conduct(r, call, w, log)
}

// conduct runs the call's pipeline on its first connection.
func (s *Server) conduct(r *http.Request, call *Call, w *wire, log *slog.Logger) {
	// The request's context ends with the handler, and not with the connection.
	ctx := context.WithoutCancel(r.Context())
	runCtx, stop := context.WithCancel(ctx)
	defer context.AfterFunc(s.desk.Context(), stop)()
	defer stop()
	l := call.link
	l.start(w, stop)
	p, err := reception.Make(func() (*pipeline.Pipeline, error) { return s.pipeline(call) })
	if err != nil {
		log.Error("call failed: there is no agent", "error", err)
		s.hangUp(call, err, log)
		l.end(s.desk.Context(), errInternal.Code, errInternal.Reason)
		return
	}
	log.Info("call begins", "input", call.formats.Input, "output", call.formats.Output)
	began := time.Now()
	err = s.desk.Run(runCtx, p)
	l.deafen()
	if cause := call.Err(); cause != nil { // nobody has hung up
		log = log.With("reason", cause)
	}
	code, reason := ws.StatusNormalClosure, ""
	switch {
	case errors.Is(err, reception.ErrDraining):
	case err != nil && runCtx.Err() != nil && s.desk.Context().Err() == nil:
		log.Info("the caller was gone before the agent was ready")
	case err != nil && s.desk.Context().Err() == nil:
		code, reason = errInternal.Code, errInternal.Reason
		log.Error("call failed", "error", err)
	}
	if s.Draining() {
		code, reason = errDraining.Code, errDraining.Reason
	}
	s.hangUp(call, err, log)
	l.end(s.desk.Context(), code, reason)
	stats := l.Stats()
	log.Info("call is over", "duration", time.Since(began).Round(time.Millisecond), "messages_in", stats.MessagesIn,
		"messages_out", stats.MessagesOut, "dropped_audio", stats.DroppedAudio, "resumed", stats.Resumed)
}

// hangUp ends the call at the peer's or the provider's, if there is more to do than
// to close the connection.
func (s *Server) hangUp(call *Call, failed error, log *slog.Logger) {
	l := call.link
	leaver, leaves := l.serializer.(Leaver)
	h, hangsUp := l.serializer.(HangUpper)
	if !leaves && !hangsUp || call.left.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(s.desk.Context(), s.config.HangUpTimeout)
	defer cancel()
	if leaves {
		m, err := leaver.Leave(failed)
		if err != nil {
			log.Error("call could not be taken leave of", "error", err)
		} else {
			l.queueUp(queued{Message: m, early: true})
			l.parted(ctx)
		}
	}
	if hangsUp {
		l.drained(ctx)
		if err := h.HangUp(ctx); err != nil {
			log.Error("call could not be hung up", "error", err)
		}
	}
}

// open conducts the handshake. If it fails the peer is told why, and nothing of
// the connection is left.
func open(ctx context.Context, w *wire, s Serializer, id string, timeout time.Duration) (Formats, error) {
	// A context that ends would end the connection without a word.
	late := time.AfterFunc(timeout, func() {
		w.fail(refuse(ws.StatusPolicyViolation, "the handshake was not done within %v", timeout))
	})
	defer late.Stop()
	defer context.AfterFunc(ctx, func() { w.fail(errDraining) })()
	var formats Formats
	err := safely(w.config.Logger, func() (err error) {
		formats, err = s.Open(w.ctx, w, id)
		return err
	})
	if err == nil {
		err = errors.Join(checkFormat(formats.Input), checkFormat(formats.Output))
	}
	if err == nil && !late.Stop() {
		err = errors.New("the handshake was done too late")
	}
	if err == nil {
		return formats, nil
	}
	if _, gone := errors.AsType[*lostError](err); !gone {
		err = refusal(err)
	}
	w.fail(err)
	w.closing.Wait()
	return Formats{}, w.why()
}

// isNoCall reports whether a connection was closed in the handshake because all is
// done, such as that of a provider that only looks whether we are there.
func isNoCall(err error) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Code == ws.StatusNormalClosure
}

// held is a call whose peer may come back.
type held struct {
	call     *Call
	token    string
	visiting bool       // over what is more than MaxCalls
	mu       sync.Mutex // one comes back at a time
}

// expect lets the peer of a call come back, until the function that it returns is
// called.
func (s *Server) expect(call *Call, token string) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[call.ID] = &held{call: call, token: token}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.held, call.ID)
	}
}

// Resumes reports whether a request says, in its query, that it goes on with a call
// that there is here: it needs no place of its own. What it says is not proven.
func (s *Server) Resumes(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[r.URL.Query().Get(resumeQuery)] != nil
}

// resumeQuery is the parameter that names the call to go on with. It is no secret,
// and needed only where there are as many calls as there may be.
const resumeQuery = "resume"

// comesBack lets one request for each call come in beyond MaxCalls, until leave is
// called.
func (s *Server) comesBack(r *http.Request) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[r.URL.Query().Get(resumeQuery)]
	if h == nil || h.visiting {
		return nil, false
	}
	h.visiting = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		h.visiting = false
	}, true
}

// resume lets a call go on over another connection, if it is the peer's own.
func (s *Server) resume(r *http.Request, w *wire, resumer Resumer, serializer Serializer, formats Formats) error {
	asked := resumer.Told()
	s.mu.Lock()
	h := s.held[asked.Call]
	s.mu.Unlock()
	if h == nil || subtle.ConstantTimeCompare([]byte(asked.Token), []byte(h.token)) != 1 {
		return errNoCall
	}
	if formats != h.call.formats {
		return refuse(ws.StatusPolicyViolation, "the call goes on in the formats in which it has begun: %v and %v", h.call.formats.Input, h.call.formats.Output)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.call.link
	received, ok := l.takeOver()
	if !ok {
		return errNoCall
	}
	resumer.Tell(Resumption{
		Call: h.call.ID, Token: h.token, Grace: s.config.Grace,
		Resumed: true, Received: received, At: time.Since(h.call.clock.Start()),
	})
	var greeting []queued
	err := safely(w.config.Logger, func() (err error) {
		greeting, err = greet(serializer)
		return err
	})
	if err != nil {
		w.fail(refusal(err))
	}
	l.resume(w, greeting, asked.Received)
	return nil
}

// errDraining is what those are told who cannot stay.
var errDraining = &Refusal{Code: ws.StatusGoingAway, Reason: reception.ErrDraining.Error()}

// Draining reports whether the server is shutting down.
func (s *Server) Draining() bool { return s.desk.Draining() }

// Shutdown refuses new calls, lets the agents of those that are running finish
// what they say, and returns when all are over. When ctx ends, the rest is
// cancelled, and its error returned.
//
// [http.Server.Shutdown] knows nothing of WebSockets: call both.
func (s *Server) Shutdown(ctx context.Context) error {
	return s.desk.Shutdown(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, h := range s.held {
			h.call.link.abandon(errDraining) // nobody will hear the rest
		}
	})
}
