package websocket

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	ws "github.com/coder/websocket"
	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/parley-go/parley/transports/playout"
)

// DialConfig says how a server is called. The zero value is a good one for a server
// of this package's with its default serializer that lets everybody in.
type DialConfig struct {
	// Serializer makes the serializer of each connection: [PCMClient] by default,
	// [PipecatClient], or one of your own.
	Serializer func() Serializer

	// Token is sent as a bearer token (Authorization: Bearer …), if there is one.
	Token string

	// Header is sent with the request.
	Header http.Header

	// Subprotocols are offered to the server, which must choose one of them.
	Subprotocols []string

	// Client connects; http.DefaultClient by default. Its Transport has the TLS
	// configuration and the proxy.
	Client *http.Client

	// ConnectTimeout is how long it may take until there is a connection, TLS and the
	// WebSocket's handshake included; 10 s by default.
	ConnectTimeout time.Duration

	// HandshakeTimeout is how long the server may take from then on until the call
	// begins, which is when its agent is ready; 30 s by default. An attempt to go on
	// with a call may take 5 s, whatever is set here.
	HandshakeTimeout time.Duration

	// Delay is how long the first audio behind a silence waits for more, so that what
	// comes unevenly is heard without holes; 60 ms by default. Negative: not at all.
	Delay time.Duration

	// MaxMessage is the longest message, in bytes, that the server may send; 1 MiB by
	// default.
	MaxMessage int64

	// MaxMessageRate is how many messages a second the server may send, pings
	// included; 200 by default. Those of MaxAhead may come at once.
	MaxMessageRate int

	// MaxAhead is how much audio the server may send before it can be heard; 1 minute
	// by default, for many send whole answers at once.
	MaxAhead time.Duration

	// MaxBacklog is how much audio may wait for a server that reads slowly. The oldest
	// is dropped then, and counted; 1 s by default.
	MaxBacklog time.Duration

	// WriteTimeout, PingInterval and PingTimeout are as in [Config]: 10 s, 15 s, 10 s.
	WriteTimeout, PingInterval, PingTimeout time.Duration

	// NoResume leaves a call over when its connection is lost, though the server
	// would let it go on.
	NoResume bool

	// OmitSilence says that nothing is sent while there is nothing to hear. By default
	// silence is, as by a microphone: agents recognise by it that a turn is over.
	OmitSilence bool

	// Track is the name of the audio that is heard; "caller" by default, as it is
	// of every transport's input.
	Track string

	// Playout is for what is seldom changed of the output. Name, Format and Clock
	// are set by this package. There is no Lead by default: what is said is for
	// somebody who listens, and not for a loudspeaker.
	Playout playout.Config

	// Logger gets a line when the connection is lost, and when the call goes on. nil
	// means to discard.
	Logger *slog.Logger
}

func (c DialConfig) withDefaults() DialConfig {
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 10*time.Second)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 30*time.Second)
	c.Delay = cmp.Or(c.Delay, 60*time.Millisecond)
	c.MaxMessage = cmp.Or(c.MaxMessage, 1<<20)
	c.MaxAhead = cmp.Or(c.MaxAhead, time.Minute)
	if c.Serializer == nil {
		c.Serializer = PCMClient(Formats{})
	}
	if c.Client == nil {
		c.Client = http.DefaultClient
	}
	return c
}

// link returns the part of the configuration that both sides have in common.
func (c DialConfig) link() Config {
	l := Config{
		Serializer: c.Serializer, MaxMessage: c.MaxMessage, MaxMessageRate: c.MaxMessageRate, MaxAhead: c.MaxAhead, MaxBacklog: c.MaxBacklog,
		HandshakeTimeout: c.HandshakeTimeout, WriteTimeout: c.WriteTimeout, PingInterval: c.PingInterval, PingTimeout: c.PingTimeout,
		IdleTimeout: math.MaxInt64, // an agent may be silent for long; whether it is there, pings tell
		SendSilence: !c.OmitSilence, Track: c.Track, Playout: c.Playout, Logger: c.Logger,
	}.withDefaults()
	l.Playout.Chunk = cmp.Or(l.Playout.Chunk, defaultChunk)
	return l
}

// StatusError is why a server refuses a request: with an HTTP status, before there
// is a WebSocket.
type StatusError struct {
	Status     int
	Text       string        // what the server says
	RetryAfter time.Duration // when it asks to come again, if it does

	plain bool // it was asked without TLS
}

func (e *StatusError) Error() string {
	text := ""
	if e.Text != "" {
		text = fmt.Sprintf(": %.200q", e.Text)
	}
	advice := ""
	switch e.Status {
	case http.StatusUnauthorized:
		advice = "; set DialConfig.Token or Header to what lets you in"
	case http.StatusForbidden:
		advice = "; it does not let this caller, or this Origin, in"
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		advice = "; try again later"
		if e.RetryAfter > 0 {
			advice = fmt.Sprintf("; try again in %v", e.RetryAfter)
		}
	default:
		advice = "; is there a WebSocket at this address?"
		if e.plain && e.Status == http.StatusBadRequest { // as servers with TLS answer who speaks without
			advice += " If the server speaks TLS, call it with wss://"
		}
	}
	return fmt.Sprintf("the server answers %d %s%s%s", e.Status, http.StatusText(e.Status), text, advice)
}

// Dial calls a server at a ws, wss, http or https address, which may be a [Server] or
// anything else that speaks the serializer's language. It returns when the call has
// begun, and ctx is of no matter from then on. The call is a transport like any other:
//
//	call, err := websocket.Dial(ctx, "wss://bot.example.com/call", websocket.DialConfig{Token: token})
//	…
//	err = pipeline.Run(ctx, call.Input(), agent, call.Output())
//
// The input gives what the server's side says as a microphone would, silence
// included. What comes before the pipeline runs is kept, up to DialConfig.MaxAhead.
// When the pipeline ends the call is hung up, and when the other side hangs up the
// pipeline ends; [Call.Err] then says why. A call whose pipeline is never run must be
// closed with [Call.Close].
//
// If the connection is lost, and the server would let the call go on, it is connected
// anew, again and again for as long as the server waits. The pipeline goes on
// meanwhile: it hears silence, what it says is dropped and counted, and it is told
// with [Lost] and [Resumed].
//
// The error is a [*StatusError] if the server refuses the request, a [*Refusal] if it
// closes the connection with a code and a reason.
func Dial(ctx context.Context, address string, cfg DialConfig) (*Call, error) {
	cfg = cfg.withDefaults()
	config := cfg.link()
	if err := errors.Join(config.validate(), cfg.validate()); err != nil {
		return nil, fmt.Errorf("configure WebSocket call: %w", err)
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || !slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme) {
		return nil, errors.New("dial WebSocket: this is no address; it is of the form wss://host/path")
	}
	d := &dialler{url: u, config: cfg, link: config}
	call, err := d.dial(ctx)
	if err != nil {
		// The path and the query may have secrets in them.
		return nil, fmt.Errorf("dial WebSocket at %s: %w", u.Host, err)
	}
	return call, nil
}

func (c DialConfig) validate() error {
	if c.ConnectTimeout < time.Millisecond {
		return fmt.Errorf("ConnectTimeout is %v: at least 1ms, or 0 for the default (was it meant in seconds? write 5*time.Second)", c.ConnectTimeout)
	}
	return nil
}

// dialler connects, and connects again.
type dialler struct {
	url    *url.URL
	config DialConfig
	link   Config
}

func (d *dialler) dial(ctx context.Context) (*Call, error) {
	serializer := d.config.Serializer()
	resumer, _ := serializer.(Resumer)
	if resumer != nil && !d.config.NoResume {
		resumer.Tell(Resumption{Wanted: true})
	}
	w, formats, err := d.connect(ctx, d.url, serializer, d.config.HandshakeTimeout)
	if err != nil {
		return nil, err
	}
	l := newLink(serializer, d.link)
	l.ear = &ear{delay: d.config.Delay, maxAhead: d.config.MaxAhead, format: formats.Input}
	l.listening.Store(true)
	var told Resumption
	if resumer != nil {
		told = resumer.Told()
	}
	if told.Token != "" && told.Grace > 0 && !d.config.NoResume {
		l.absence.grace = told.Grace
		l.kept = kept{most: maxQueuedBytes}
		l.redial = func() { d.again(l, told) }
	}
	call := newCall(told.Call, nil, l, formats)
	l.start(w, func() {})
	return call, nil
}

// connect returns a connection on which the serializer's handshake is done, which may
// take as long as patience says.
func (d *dialler) connect(ctx context.Context, u *url.URL, s Serializer, patience time.Duration) (*wire, Formats, error) {
	dialling, cancel := context.WithTimeoutCause(ctx, d.config.ConnectTimeout, fmt.Errorf("there was no connection within %v; is there a WebSocket at this address? DialConfig.ConnectTimeout allows more", d.config.ConnectTimeout))
	defer cancel()
	header := d.config.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if d.config.Token != "" {
		header.Set("Authorization", "Bearer "+d.config.Token)
	}
	client := *d.config.Client
	k := &bodyKeeper{next: client.Transport, around: newOverhead(d.link)}
	client.Transport = k
	pings := rate.NewLimiter(rate.Limit(d.link.MaxMessageRate), d.link.burst())
	conn, resp, err := ws.Dial(dialling, u.String(), &ws.DialOptions{
		HTTPClient: &client, HTTPHeader: header, Subprotocols: d.config.Subprotocols,
		OnPingReceived: func(context.Context, []byte) bool {
			if !pings.Allow() {
				k.Close() // it has no use for an answer
			}
			return true
		},
	})
	if err != nil {
		return nil, Formats{}, d.refused(dialling, resp, err)
	}
	w := newWire(conn, k, k.around, d.link)
	if len(d.config.Subprotocols) > 0 && conn.Subprotocol() == "" {
		err := refuse(ws.StatusPolicyViolation, "the server speaks none of the subprotocols %q", d.config.Subprotocols)
		w.fail(err)
		w.closing.Wait()
		return nil, Formats{}, err
	}
	stop := context.AfterFunc(ctx, func() { w.fail(context.Cause(ctx)) })
	formats, err := open(context.Background(), w, s, uuid.NewString(), patience)
	if err == nil && !stop() {
		w.fail(context.Cause(ctx))
		w.closing.Wait()
		err = context.Cause(ctx)
	}
	if err != nil {
		_, ours := errors.AsType[*Refusal](err) // what was said is not what was expected, or nothing was
		doubtful := ours || misunderstood(err)
		if e := ended(err); e != nil {
			err = e
		}
		if doubtful {
			err = doubt(err)
		}
		return nil, Formats{}, fmt.Errorf("begin the call: %w", err)
	}
	return w, formats, nil
}

// refused says why there is no WebSocket.
func (d *dialler) refused(ctx context.Context, resp *http.Response, err error) error {
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		e := &StatusError{Status: resp.StatusCode, plain: !d.secure()}
		if s, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s"); err == nil && s > 0 {
			e.RetryAfter = s
		}
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // it only explains
		e.Text = strings.TrimSpace(string(b))
		return e
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*url.Error](err); ok { // which has the address in it
		err = e.Err
	}
	return fmt.Errorf("%w; %s", err, d.remedy(err))
}

func (d *dialler) secure() bool { return d.url.Scheme == "wss" || d.url.Scheme == "https" }

// remedy says what to do where there is nobody who answers in HTTP.
func (d *dialler) remedy(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "is the name of the host right?"
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return "does the server run, and listen at this address and port?"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "call it by a name that its certificate has, or trust who has issued it in the TLS configuration of DialConfig.Client"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "the server does not speak TLS at this port: call it with ws://, or at the port where it does"
	}
	// A server may answer with an alert of TLS's, or with nothing at all, to who
	// speaks without.
	if !d.secure() {
		return "is there a WebSocket at this address? If the server speaks TLS, call it with wss://"
	}
	return "is there a WebSocket at this address?"
}

// misunderstood reports whether a connection has ended because one of the two sides
// did not know what to make of what the other has said.
func misunderstood(cause error) bool {
	code := ws.CloseStatus(cause)
	if r, ok := errors.AsType[*Refusal](cause); ok {
		code = r.Code
	}
	return code == ws.StatusProtocolError || code == ws.StatusUnsupportedData || code == ws.StatusInvalidFramePayloadData
}

// doubt adds to the error in such an end of a call that has hardly begun what it
// probably comes from.
func doubt(err error) error {
	return fmt.Errorf("%w; does the server speak what DialConfig.Serializer speaks?", err)
}

// again looks for the server until the call goes on, or there is no call to go on
// with any more. The pauses get longer, and none is like another's.
func (d *dialler) again(l *link, told Resumption) {
	log := d.link.Logger.With("call", told.Call)
	log.Warn("connection lost", "error", l.absent())
	u := *d.url
	q := u.Query()
	q.Set(resumeQuery, told.Call)
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-l.over:
			cancel()
		case <-ctx.Done():
		}
	})
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		serializer := d.config.Serializer()
		resumer := serializer.(Resumer)
		resumer.Tell(Resumption{Call: told.Call, Token: told.Token, Received: l.received()})
		attempt, done := context.WithTimeoutCause(ctx, attemptTimeout, errAttempt)
		w, _, err := d.connect(attempt, &u, serializer, math.MaxInt64) // the attempt is limited as a whole
		done()
		switch {
		case err == nil && resumer.Told().Resumed:
			log.Info("call goes on")
			l.resume(w, nil, resumer.Told().Received)
			return
		case err == nil: // a server that has forgotten what it has promised
			err = errNoCall
			w.fail(err)
			w.closing.Wait()
		case ctx.Err() != nil:
			return
		}
		if isFinal(err) {
			log.Warn("call does not go on", "error", err)
			l.abandon(err)
			return
		}
		log.Info("connecting again failed", "error", err)
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-l.over:
			timer.Stop()
			return
		}
	}
}

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 3 * time.Second

	// attemptTimeout is how long one attempt may take: a server that lets a call go
	// on answers at once.
	attemptTimeout = 5 * time.Second
)

var errAttempt = fmt.Errorf("the server has not answered within %v", attemptTimeout)

// isFinal reports whether there is no use in trying again.
func isFinal(err error) bool {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Status/100 == 4 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
	}
	e, ok := errors.AsType[*Refusal](err)
	return ok && e.Code != ws.StatusGoingAway && e.Code != ws.StatusTryAgainLater && e.Code != ws.StatusServiceRestart
}

// absent returns why the other side is away.
func (l *link) absent() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.absence.cause
}

// bodyKeeper keeps what is below a WebSocket. It does the request's round trip.
type bodyKeeper struct {
	next   http.RoundTripper
	around *overhead
	mu     sync.Mutex
	body   io.Closer
}

func (k *bodyKeeper) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := cmp.Or(k.next, http.DefaultTransport).RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		k.mu.Lock()
		k.body = resp.Body
		k.mu.Unlock()
		if both, ok := resp.Body.(io.ReadWriteCloser); ok {
			resp.Body = &countedBody{both, k.around}
		}
	}
	return resp, err
}

// Close closes the connection.
func (k *bodyKeeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.body == nil {
		return nil
	}
	return k.body.Close()
}
