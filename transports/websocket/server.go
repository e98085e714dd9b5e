package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	ws "github.com/coder/websocket"
	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/parley-go/parley/pipeline"
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

	// HangUpTimeout is how long a [HangUpper] may take; 10 s by default.
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
	def(&c.MaxCalls, 1000)
	def(&c.MaxMessage, 64<<10)
	def(&c.MaxMessageRate, 200)
	def(&c.MaxAhead, 5*time.Second)
	def(&c.MaxGap, time.Second)
	def(&c.MaxBacklog, time.Second)
	def(&c.HandshakeTimeout, 10*time.Second)
	def(&c.IdleTimeout, 5*time.Minute)
	def(&c.WriteTimeout, 10*time.Second)
	def(&c.PingInterval, 15*time.Second)
	def(&c.PingTimeout, 10*time.Second)
	def(&c.HangUpTimeout, 10*time.Second)
	def(&c.Track, "caller")
	if c.Serializer == nil {
		c.Serializer = PCM
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// def sets what is zero to its default.
func def[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
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
	ctx      context.Context // until the calls are cancelled
	cancel   context.CancelFunc
	calls    atomic.Int64

	mu       sync.Mutex
	running  map[*pipeline.Pipeline]bool
	draining bool
	serving  sync.WaitGroup
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
	s := &Server{config: cfg, pipeline: agent, running: map[*pipeline.Pipeline]bool{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Calls returns how many connections there are.
func (s *Server) Calls() int { return int(s.calls.Load()) }

// ServeHTTP conducts one call. It returns when the call is over.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	log := s.config.Logger.With("remote", r.RemoteAddr)
	if !s.enter() {
		log.Warn("call refused: the server is shutting down")
		http.Error(w, "the server is shutting down", http.StatusServiceUnavailable)
		return
	}
	defer s.serving.Done()
	defer s.calls.Add(-1)
	if n := s.calls.Add(1); n > int64(s.config.MaxCalls) {
		log.Warn("call refused: there are too many", "limit", s.config.MaxCalls)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many calls: try again later", http.StatusServiceUnavailable)
		return
	}
	if s.config.Authenticate != nil {
		if err := s.config.Authenticate(r); err != nil {
			log.Warn("call refused: not authenticated", "error", err)
			http.Error(w, "not authenticated", http.StatusUnauthorized)
			return
		}
	}
	kept := &keeper{ResponseWriter: w}
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
	defer conn.CloseNow()
	defer kept.conn.Close()
	s.serve(r, newLink(conn, kept.conn, s.config), log)
}

// keeper keeps the connection below a WebSocket: to close it is the only way out
// that no peer can obstruct.
type keeper struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack is called by Accept.
func (k *keeper) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(k.ResponseWriter).Hijack()
	k.conn = conn
	return conn, rw, err
}

// enter counts a request in, unless the server is shutting down.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.serving.Add(1)
	return true
}

// serve conducts the call on a connection.
func (s *Server) serve(r *http.Request, l *link, log *slog.Logger) {
	id := uuid.NewString()
	log = log.With("call", id)
	l.conn.SetReadLimit(s.config.MaxMessage)
	// The request's context ends with the handler, and not with the connection.
	ctx := context.WithoutCancel(r.Context())
	formats, err := s.open(l, id)
	if err != nil {
		log.Warn("call refused in the handshake", "error", err)
		return
	}
	chunker, ok := l.serializer.(Chunker)
	if ok {
		def(&l.config.Playout.Chunk, chunker.Chunk())
	}
	def(&l.config.Playout.Chunk, defaultChunk)
	runCtx, stop := context.WithCancel(ctx)
	defer context.AfterFunc(s.ctx, stop)()
	defer stop()
	call := newCall(id, r, l, formats)
	l.start(stop)
	p, err := s.pipeline(call)
	if err == nil && p == nil {
		err = errors.New("the agent's function returned no pipeline")
	}
	if err != nil {
		log.Error("call failed: there is no agent", "error", err)
		s.hangUp(ctx, call, log)
		l.end(ctx, errInternal.Code, errInternal.Reason)
		return
	}
	if !s.run(p) {
		s.hangUp(ctx, call, log)
		l.end(ctx, errDraining.Code, errDraining.Reason)
		return
	}
	defer s.ran(p)
	log.Info("call begins", "input", formats.Input, "output", formats.Output)
	began := time.Now()
	err = p.Run(runCtx)
	code, reason := ws.StatusNormalClosure, ""
	switch {
	case err != nil && runCtx.Err() != nil && s.ctx.Err() == nil:
		log.Info("the caller left before the agent was ready")
	case err != nil && s.ctx.Err() == nil:
		code, reason = errInternal.Code, errInternal.Reason
		log.Error("call failed", "error", err)
	}
	if s.Draining() {
		code, reason = errDraining.Code, errDraining.Reason
	}
	s.hangUp(ctx, call, log)
	l.end(ctx, code, reason)
	stats := l.Stats()
	log.Info("call is over", "duration", time.Since(began).Round(time.Millisecond), "messages_in", stats.MessagesIn,
		"messages_out", stats.MessagesOut, "dropped_audio", stats.DroppedAudio)
}

// hangUp ends the call at the provider's, if there is more to do than to close the
// connection.
func (s *Server) hangUp(ctx context.Context, call *Call, log *slog.Logger) {
	h, ok := call.link.serializer.(HangUpper)
	if !ok || call.left.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.HangUpTimeout)
	defer cancel()
	call.link.drained(ctx)
	if err := h.HangUp(ctx); err != nil {
		log.Error("call could not be hung up", "error", err)
	}
}

// open conducts the handshake. If it fails the peer is told why, and nothing of
// the connection is left.
func (s *Server) open(l *link, id string) (Formats, error) {
	// A context that ends would end the connection without a word.
	late := time.AfterFunc(s.config.HandshakeTimeout, func() {
		l.fail(refuse(ws.StatusPolicyViolation, "the handshake was not done within %v", s.config.HandshakeTimeout))
	})
	defer late.Stop()
	defer context.AfterFunc(s.ctx, func() { l.fail(errDraining) })()
	formats, err := l.serializer.Open(l.ctx, l, id)
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
	l.fail(err)
	l.work.Wait()
	return Formats{}, l.cause
}

// errDraining is what those are told who cannot stay.
var errDraining = &Refusal{Code: ws.StatusGoingAway, Reason: "the server is shutting down"}

// run notes that a pipeline is about to run, unless the server is shutting down.
func (s *Server) run(p *pipeline.Pipeline) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.running[p] = true
	return true
}

// Draining reports whether the server is shutting down.
func (s *Server) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

func (s *Server) ran(p *pipeline.Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, p)
}

// Shutdown refuses new calls, lets the agents of those that are running finish
// what they say, and returns when all are over. When ctx ends, the rest is
// cancelled, and its error returned.
//
// [http.Server.Shutdown] knows nothing of WebSockets: call both.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	for p := range s.running {
		p.End(errDraining.Reason)
	}
	s.mu.Unlock()
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.serving.Wait()
	}()
	select {
	case <-over:
		s.cancel()
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	<-over
	return ctx.Err()
}
