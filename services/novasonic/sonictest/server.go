package sonictest

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
	"github.com/parley-go/parley/services/novasonic/sonictest/internal/wire"
)

// Server is an emulated Bedrock endpoint. Make one with NewServer, start it
// with one of the Start methods, and Close it. Its methods may be called by any
// goroutine.
type Server struct {
	cfg  Config
	keys []Credentials

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // serving, accepting and handling goroutines

	mu       sync.Mutex
	closed   bool
	started  bool
	listener net.Listener
	address  string // base URL
	roots    []byte // PEM of the CA, with TLS
	caFile   string
	clients  []*http.Transport
	conns    map[*connection]bool
	dialled  int
	counts   Counts // violations only of streams that have ended
	open     int    // streams that count for the quota
	faults   []Fault
	live     map[*stream]bool
	done     []*recorder   // streams that have ended, oldest first
	refused  []*recorder   // requests that were, oldest first
	samples  int           // bytes of samples in done
	news     chan struct{} // closed, and replaced, when a log changes; nil if nobody waits
}

// NewServer returns a server that does not listen yet. It panics if cfg names a
// model that there is none of: that is a mistake in the test.
func NewServer(cfg Config) *Server {
	cfg = cfg.withDefaults()
	for _, id := range cfg.Models {
		if _, ok := protocol.ModelOf(id); !ok {
			panic(fmt.Sprintf("sonictest: there is no model %q", id))
		}
	}
	s := &Server{
		cfg:    cfg,
		keys:   slices.Clone(cfg.Credentials),
		conns:  map[*connection]bool{},
		live:   map[*stream]bool{},
		faults: slices.Clone(cfg.Faults),
	}
	if len(s.keys) == 0 {
		s.keys = []Credentials{randomKey()}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// randomKey makes a key that nobody could take for one of AWS's, and nobody
// could guess. It does not come from the seed, which is usually known, and
// nothing that can be heard or measured depends on it.
func randomKey() Credentials {
	return Credentials{
		AccessKeyID:     "PARLEYEMULATOR" + crand.Text()[:6],
		SecretAccessKey: "parley-emulator-" + crand.Text()[:24],
	}
}

// Close ends every stream and connection, and returns when all of the server's
// goroutines have. It removes the CA's file.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.wg.Wait()
		return nil
	}
	s.closed = true
	listener, clients, conns := s.listener, s.clients, s.conns
	s.conns = map[*connection]bool{}
	s.mu.Unlock()

	s.cancel()
	var errs []error
	if listener != nil {
		if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, fmt.Errorf("close listener: %w", err))
		}
	}
	for c := range conns {
		c.kill()
	}
	for _, t := range clients {
		t.CloseIdleConnections()
	}
	s.wg.Wait()
	errs = append(errs, s.removeCA())
	return errors.Join(errs...)
}

// AddFault adds a fault for the streams that are opened from now on.
func (s *Server) AddFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// Strike does a to the stream of this number, now. It reports whether the
// stream is open and the action is one that an open stream can suffer.
func (s *Server) Strike(number int, a Action) bool {
	s.mu.Lock()
	var target *stream
	for st := range s.live {
		if st.number == number {
			target = st
		}
	}
	s.mu.Unlock()
	return target != nil && !a.kind.opening() && target.strike(a)
}

// Streams returns the records of all streams, in the order of their requests:
// of those that are open, of the last Config.KeepStreams that have ended, and of
// as many requests that were refused.
func (s *Server) Streams() []StreamLog {
	s.mu.Lock()
	recorders := append(slices.Clone(s.done), s.refused...)
	for st := range s.live {
		recorders = append(recorders, st.rec)
	}
	s.mu.Unlock()
	logs := make([]StreamLog, 0, len(recorders))
	for _, r := range recorders {
		logs = append(logs, r.snapshot())
	}
	slices.SortFunc(logs, func(a, b StreamLog) int { return a.Number - b.Number })
	return logs
}

// Counts are how much a server has had to do since it was made, records that
// are no longer kept included.
type Counts struct {
	Requests   int // for a stream
	Refused    int // of them, those that got an HTTP error instead
	Violations int // of the protocol's rules; see Server.Violations
}

// Counts returns how much the server has had to do so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	for st := range s.live {
		c.Violations += st.rec.violations()
	}
	return c
}

// Stream returns the record of one stream. It reports whether there is one.
func (s *Server) Stream(number int) (StreamLog, bool) {
	s.mu.Lock()
	recorders := append(slices.Clone(s.done), s.refused...)
	for st := range s.live {
		recorders = append(recorders, st.rec)
	}
	s.mu.Unlock()
	for _, r := range recorders {
		if r.number == number {
			return r.snapshot(), true
		}
	}
	return StreamLog{}, false
}

// Violations returns the rules that clients broke, of all streams, those that
// the service lets pass included. A client without a mistake has none.
func (s *Server) Violations() []Violation {
	var all []Violation
	for _, l := range s.Streams() {
		all = append(all, l.Violations...)
	}
	return all
}

// Wait returns when the condition holds of the streams' records, which it
// checks whenever something happens on a stream, or with ctx's error.
func (s *Server) Wait(ctx context.Context, condition func([]StreamLog) bool) error {
	return s.wait(ctx, func() bool { return condition(s.Streams()) })
}

func (s *Server) wait(ctx context.Context, condition func() bool) error {
	for {
		s.mu.Lock()
		if s.news == nil {
			s.news = make(chan struct{})
		}
		news := s.news
		s.mu.Unlock()
		if condition() {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WaitIdle returns when no stream is open, or with ctx's error.
func (s *Server) WaitIdle(ctx context.Context) error {
	return s.wait(ctx, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for st := range s.live {
			if st.rec.open() {
				return false
			}
		}
		return true
	})
}

// tell wakes those who Wait.
func (s *Server) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.news != nil {
		close(s.news)
		s.news = nil
	}
}

// enter registers a request, and the faults that may strike it; nil if the
// server is closed.
func (s *Server) enter(c *connection, now time.Time) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.wg.Add(1)
	st := &stream{server: s, conn: c, number: s.counts.Requests, opened: now, strikes: make(chan Action, 16), greeted: make(chan struct{})}
	s.counts.Requests++
	st.rec = &recorder{number: st.number, limit: s.cfg.KeepSamples / 8, changed: s.tell}
	st.rec.log.Number, st.rec.log.Opened = st.number, now
	if c != nil {
		st.rec.log.Connection = c.number
	}
	// A generator of its own, so that a fault that is added does not change
	// what else happens.
	rng := rand.New(rand.NewPCG(s.cfg.Seed^0xfa017, uint64(st.number)))
	for _, f := range s.faults {
		struck := f.Probability <= 0 || rng.Float64() < f.Probability
		if struck && (f.Streams == nil || slices.Contains(f.Streams, st.number)) {
			st.faults = append(st.faults, &armed{Fault: f})
		}
	}
	s.live[st] = true
	return st
}

// leave keeps the record of a stream that has ended.
func (s *Server) leave(st *stream) {
	defer s.wg.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, st)
	end := st.rec.seal()
	if end == Refused {
		s.counts.Refused++
	}
	s.counts.Violations += st.rec.violations()
	if s.cfg.KeepStreams <= 0 {
		return
	}
	kept := &s.done
	if end == Refused {
		kept = &s.refused // a client that tries again and again leaves the others' records alone
	}
	for len(*kept) >= s.cfg.KeepStreams {
		s.samples -= (*kept)[0].samples()
		*kept = slices.Delete(*kept, 0, 1)
	}
	*kept = append(*kept, st.rec)
	s.samples += st.rec.samples()
	s.dropSamples()
}

// dropSamples takes their samples from the streams that ended first, if all
// together have too many. The caller holds mu.
func (s *Server) dropSamples() {
	for _, r := range s.done {
		if s.cfg.KeepSamples < 0 || s.samples <= s.cfg.KeepSamples {
			return
		}
		s.samples -= r.samples()
		r.drop(0)
	}
}

// occupy counts a stream for the quota, if there is room.
func (s *Server) occupy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit := s.cfg.Limits.Streams; limit >= 0 && s.open >= limit {
		return false
	}
	s.open++
	return true
}

func (s *Server) vacate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

func (s *Server) verifier() *wire.Verifier {
	v := &wire.Verifier{Region: s.cfg.Region, Skew: s.cfg.Limits.ClockSkew}
	for _, k := range s.keys {
		v.Keys = append(v.Keys, wire.Key{ID: k.AccessKeyID, Secret: k.SecretAccessKey, Token: k.SessionToken, Expires: k.Expires, Denied: k.Denied})
	}
	return v
}
