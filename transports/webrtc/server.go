package webrtc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/stun/v4"
	"github.com/pion/transport/v4"
	pion "github.com/pion/webrtc/v4"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/opus"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/internal/reception"
	"github.com/parley-go/parley/transports/playout"
)

// Config says who may call, and how. The zero value is a good one for callers that
// are served from the same host and can reach one of its addresses.
type Config struct {
	// Addr is the UDP address of all calls, as "HOST:PORT", or ":PORT" for every
	// address that this host has when it is called. Default: a free port of all.
	// Firewalls have to let it through.
	Addr string

	// PublicIPs are the addresses under which peers reach this host, too, if it
	// does not know them itself, being behind a NAT that maps ports one to one.
	PublicIPs []string

	// ICEServers are STUN and TURN servers with which this host finds out under
	// which addresses it can be reached, when it is called, for up to 3 s. Those of
	// the form stun: over UDP are asked from Addr; what others find has ports of its
	// own, a new one for each call. A server with a public address needs none, and
	// one whose public address is known is better off with PublicIPs.
	ICEServers []ICEServer

	// Authenticate says whether a request, an offer or a candidate, is let in. With
	// an error it is refused with 401 and nothing else; the error is logged. nil
	// lets everybody in.
	Authenticate func(r *http.Request) error

	// Origins are the hosts of other web pages that may call, as
	// "app.example.com" or "*.example.com"; pages of the same host always may.
	// "*" lets every page in. Programs that are no browsers send no origin.
	Origins []string

	// MaxCalls is how many calls there may be at once, those included that are not
	// yet connected; 1000 by default. One more is refused with 503.
	MaxCalls int

	// Admit, if set, is asked about each new call, when [Server.Calls] counts it and
	// before anything else is done for it: where several servers share a limit. With
	// an error the call is refused with 503, and told the error's text.
	Admit func(r *http.Request) error

	// ConnectTimeout is how long a peer may take from its offer to the call; 15 s
	// by default.
	ConnectTimeout time.Duration

	// Grace is how long a call goes on without a connection, until it comes back
	// or the peer makes another; 20 s by default, at least 5 s, after which a
	// silent connection is taken for lost.
	Grace time.Duration

	// InputRate is that of the peer's audio, which is mono: 8, 16, 24 or 48 kHz;
	// 16 kHz by default, which is what services that recognise speech take.
	InputRate audio.SampleRate

	// MaxWait is how long to wait for audio when the network has stalled, before
	// silence takes its place, and what comes later is dropped; 400 ms by default.
	MaxWait time.Duration

	// Bitrate is that of the agent's voice, in bit/s, while it speaks; 32000 by
	// default.
	Bitrate int

	// SendSilence says that the peer gets audio while there is nothing to hear,
	// too.
	SendSilence bool

	// MaxMessage is the longest message, in bytes, that a peer may send on a data
	// channel; 64 KiB by default and at most. A longer one ends the call.
	MaxMessage int

	// MaxMessageRate is how many messages a second it may send; 200 by default,
	// those of five seconds at once. More end the call.
	MaxMessageRate int

	// Track is the name of the caller's audio; "caller" by default.
	Track string

	// Playout is for what is seldom changed of the output. Lead is 60 ms by
	// default, and EndSilence 200 ms, which is what the peer's jitter buffer holds.
	// Name, Format, Chunk and Clock are set by this package.
	Playout playout.Config

	// Logger gets a line for the beginning and the end of each call, and for each
	// refusal. nil means to discard.
	Logger *slog.Logger

	net transport.Net // of tests
}

// ICEServer is a STUN or TURN server.
type ICEServer struct {
	URLs       []string `json:"urls"` // as "stun:stun.example.com:3478" or "turn:…?transport=udp"
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

func (c Config) withDefaults() Config {
	c.MaxCalls = cmp.Or(c.MaxCalls, 1000)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 15*time.Second)
	c.Grace = cmp.Or(c.Grace, 20*time.Second)
	c.InputRate = cmp.Or(c.InputRate, audio.Rate16k)
	c.MaxWait = cmp.Or(c.MaxWait, 400*time.Millisecond)
	c.Bitrate = cmp.Or(c.Bitrate, 32000)
	c.MaxMessage = cmp.Or(c.MaxMessage, maxMessage)
	c.MaxMessageRate = cmp.Or(c.MaxMessageRate, 200)
	c.Track = cmp.Or(c.Track, "caller")
	c.Playout.Lead = cmp.Or(c.Playout.Lead, 60*time.Millisecond)
	c.Playout.EndSilence = cmp.Or(c.Playout.EndSilence, 200*time.Millisecond)
	c.Addr = cmp.Or(c.Addr, ":0")
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

const (
	maxMessage    = 64 << 10
	maxOffer      = 128 << 10
	maxMedia      = 16  // sections of an offer
	maxCandidates = 64  // of a peer that follow, for each of its offers
	maxOffered    = 256 // in an offer: each section has them
	maxOffers     = 10  // of a call, at once; one more each second

	// readTimeout is how long a request's body may take.
	readTimeout = 10 * time.Second

	// noTraffic is for how long nothing may come before a connection is taken for
	// lost, and gatherTimeout how long to look for this side's addresses.
	noTraffic     = 5 * time.Second
	gatherTimeout = 3 * time.Second
)

func (c Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, n := range []struct {
		name  string
		value int
	}{{"MaxCalls", c.MaxCalls}, {"MaxMessage", c.MaxMessage}, {"MaxMessageRate", c.MaxMessageRate}} {
		if n.value < 1 {
			bad("%s is %d: at least 1, or 0 for the default", n.name, n.value)
		}
	}
	for _, d := range []struct {
		name         string
		value, least time.Duration
	}{{"ConnectTimeout", c.ConnectTimeout, time.Second}, {"Grace", c.Grace, noTraffic}, {"MaxWait", c.MaxWait, minWait}} {
		if d.value < d.least {
			bad("%s is %v: at least %v, or 0 for the default (was it meant in seconds? write 20*time.Second)", d.name, d.value, d.least)
		}
	}
	if c.MaxMessage > maxMessage {
		bad("MaxMessage is %d: at most %d", c.MaxMessage, maxMessage)
	}
	if _, err := newReceiver(audio.Mono(c.InputRate), c.MaxWait, time.Time{}); err != nil {
		bad("InputRate: %w", err)
	}
	if _, err := newSender(c.Bitrate, "call"); err != nil {
		bad("Bitrate: %w", err)
	}
	for _, ip := range c.PublicIPs {
		if net.ParseIP(ip) == nil {
			bad("PublicIPs: %q is not an IP address", ip)
		}
	}
	for _, o := range c.Origins {
		if _, err := path.Match(o, ""); err != nil {
			bad("Origins: %q: %w", o, err)
		}
	}
	return errors.Join(errs...)
}

// Server is an [http.Handler] that makes calls of offers. It is safe for concurrent
// use.
type Server struct {
	config   Config
	pipeline func(*Call) (*pipeline.Pipeline, error)
	api      *pion.API
	ice      pion.Configuration
	mux      *ice.UniversalUDPMuxDefault
	stun     []*stun.URI // servers that are asked from the port of all
	addr     net.Addr
	desk     *reception.Reception

	mu    sync.Mutex
	calls map[string]*Call
}

// NewServer opens the UDP port, and returns a server that runs a pipeline of its own
// for each call, which agent makes:
//
//	func(call *webrtc.Call) (*pipeline.Pipeline, error) {
//		return pipeline.New(pipeline.Config{}, call.Input(), service, call.Output()), nil
//	}
//
// It is called when the peer is connected. An error ends the call and is logged; the
// peer is not told. [Server.Shutdown] closes the port.
func NewServer(cfg Config, agent func(*Call) (*pipeline.Pipeline, error)) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("configure WebRTC server: %w", err)
	}
	if agent == nil {
		return nil, errors.New("configure WebRTC server: there is no agent: give a function that makes a call's pipeline")
	}
	s := &Server{config: cfg, pipeline: agent, desk: reception.New(cfg.MaxCalls), calls: map[string]*Call{}}
	for _, i := range cfg.ICEServers {
		other := pion.ICEServer{Username: i.Username, Credential: i.Credential}
		for _, url := range i.URLs {
			if u, err := stun.ParseURI(url); err == nil && u.Scheme == stun.SchemeTypeSTUN && u.Proto == stun.ProtoTypeUDP {
				s.stun = append(s.stun, u)
			} else {
				other.URLs = append(other.URLs, url) // pion knows what to do, or what is wrong
			}
		}
		if len(other.URLs) > 0 || len(i.URLs) == 0 {
			s.ice.ICEServers = append(s.ice.ICEServers, other)
		}
	}
	settings, err := s.settings()
	if err != nil {
		return nil, fmt.Errorf("configure WebRTC server: %w", err)
	}
	media := &pion.MediaEngine{}
	reports := &interceptor.Registry{}
	if err := errors.Join(
		media.RegisterCodec(pion.RTPCodecParameters{RTPCodecCapability: opusCodec, PayloadType: opusPayload}, pion.RTPCodecTypeAudio),
		// Some gateways give keys the clock of a telephone, not that of Opus.
		media.RegisterCodec(keyCodec(opus.Clock, 110), pion.RTPCodecTypeAudio),
		media.RegisterCodec(keyCodec(8000, 126), pion.RTPCodecTypeAudio),
		register(reports),
	); err != nil {
		s.mux.Close()
		return nil, fmt.Errorf("configure WebRTC server: %w", err)
	}
	s.api = pion.NewAPI(pion.WithMediaEngine(media), pion.WithInterceptorRegistry(reports), pion.WithSettingEngine(settings))
	// What is wrong with an ICE server is said now, and not in the first call.
	pc, err := s.api.NewPeerConnection(s.ice)
	if err != nil {
		s.mux.Close()
		return nil, fmt.Errorf("configure WebRTC server: ICEServers: %w", err)
	}
	pc.GracefulClose()
	return s, nil
}

// register adds the reports of RTCP, and nothing else: for audio there is no use in
// sending again what is lost.
func register(r *interceptor.Registry) error {
	receiver, err := report.NewReceiverInterceptor()
	if err != nil {
		return err
	}
	sender, err := report.NewSenderInterceptor()
	if err != nil {
		return err
	}
	r.Add(receiver)
	r.Add(sender)
	return nil
}

// settings opens the port, and says how connections are made on it.
func (s *Server) settings() (pion.SettingEngine, error) {
	var e pion.SettingEngine
	cfg := s.config
	addr, err := net.ResolveUDPAddr("udp", cfg.Addr)
	if err != nil {
		return e, fmt.Errorf("address %q: %w: it is of the form HOST:PORT, or :PORT for every address", cfg.Addr, err)
	}
	logs := loggers{cfg.Logger}
	// One socket, also for all addresses: what is rewritten to a public one must
	// still be it.
	var conn net.PacketConn
	if cfg.net != nil {
		conn, err = cfg.net.ListenUDP("udp4", addr)
		e.SetNet(cfg.net)
	} else {
		conn, err = listen(addr)
	}
	if err != nil {
		return e, fmt.Errorf("open UDP port: %w: choose another address, or port 0 for a free one", err)
	}
	s.addr = conn.LocalAddr()
	s.mux = ice.NewUniversalUDPMuxDefault(ice.UniversalUDPMuxParams{Logger: logs.NewLogger("ice"), UDPConn: conn, Net: cfg.net})
	if p, ok := conn.(*port); ok {
		close(p.ready)
	}
	e.LoggerFactory = logs
	e.SetICEUDPMux(s.mux)
	e.SetIncludeLoopbackCandidate(true) // for callers on this machine
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.SetICETimeouts(noTraffic, cfg.Grace-noTraffic+time.Millisecond, 2*time.Second)
	e.SetSTUNGatherTimeout(gatherTimeout)
	// When the peer closes, pion's connection does so, too, and holds a lock while it
	// waits for an answer that cannot come. Virtual time stands still then.
	e.DisableCloseByDTLS(cfg.net != nil)
	if len(cfg.PublicIPs) > 0 {
		if err := e.SetICEAddressRewriteRules(rewriteRules(cfg.PublicIPs)...); err != nil {
			return e, errors.Join(fmt.Errorf("PublicIPs: %w", err), s.mux.Close())
		}
	}
	return e, nil
}

// rewriteRules has this host's addresses told of under public ones, too, of the same
// family.
func rewriteRules(public []string) (rules []pion.ICEAddressRewriteRule) {
	for _, network := range []pion.NetworkType{pion.NetworkTypeUDP4, pion.NetworkTypeUDP6} {
		rule := pion.ICEAddressRewriteRule{AsCandidateType: pion.ICECandidateTypeHost, Mode: pion.ICEAddressRewriteAppend, Networks: []pion.NetworkType{network}}
		for _, ip := range public {
			if is4 := net.ParseIP(ip).To4() != nil; is4 == (network == pion.NetworkTypeUDP4) {
				rule.External = append(rule.External, ip)
			}
		}
		if len(rule.External) > 0 {
			rules = append(rules, rule)
		}
	}
	return rules
}

// Addr returns the UDP address of all calls, with the port that was chosen.
func (s *Server) Addr() net.Addr { return s.addr }

// Calls returns how many calls there are, those included that are not yet connected.
func (s *Server) Calls() int { return s.desk.Calls() }

// offer is what a peer posts, and answer what it gets.
type (
	offer struct {
		SDP     string          `json:"sdp"`
		Type    string          `json:"type"`
		ID      string          `json:"pc_id"`
		Restart bool            `json:"restart_pc"`
		Data    json.RawMessage `json:"requestData"`
		Data2   json.RawMessage `json:"request_data"`
	}
	answer struct {
		SDP  string `json:"sdp"`
		Type string `json:"type"`
		ID   string `json:"pc_id"`
	}
	trickle struct {
		ID         string `json:"pc_id"`
		Candidates []struct {
			Candidate string  `json:"candidate"`
			Mid       *string `json:"sdp_mid"`
			Line      *uint16 `json:"sdp_mline_index"`
		} `json:"candidates"`
	}
)

// refusal is why a request is refused, and how.
type refusal struct {
	status int
	reason string
	cause  error // which is only logged; nil if there is no more to say
}

func (r *refusal) Error() string {
	if r.cause != nil {
		return r.cause.Error()
	}
	return r.reason
}

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, reason: fmt.Sprintf(format, args...)}
}

// ServeHTTP takes offers and candidates. See the package's documentation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	log := s.config.Logger.With("remote", r.RemoteAddr)
	what, err := s.serve(w, r)
	var no *refusal
	switch {
	case err == nil && what != nil:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(what) // a peer that does not get it will not connect
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.As(err, &no):
		log.Warn("request refused", "status", no.status, "error", err)
		if no.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5")
		}
		http.Error(w, no.reason, no.status)
	default:
		log.Error("request failed", "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
}

// serve conducts a request and returns the answer.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := s.admit(w, r); err != nil || r.Method == http.MethodOptions {
		return nil, err
	}
	if s.config.Authenticate != nil {
		if err := s.config.Authenticate(r); err != nil {
			return nil, &refusal{http.StatusUnauthorized, "not authenticated", err}
		}
	}
	body, err := read(w, r)
	if err != nil {
		return nil, err
	}
	switch r.Method {
	case http.MethodPost:
		var o offer
		if err := decode(body, &o); err != nil {
			return nil, err
		}
		if err := o.check(); err != nil {
			return nil, err
		}
		return s.offered(r, o)
	case http.MethodPatch:
		var t trickle
		if err := decode(body, &t); err != nil {
			return nil, err
		}
		return map[string]string{"status": "success"}, s.trickled(t)
	}
	w.Header().Set("Allow", "POST, PATCH, OPTIONS")
	return nil, refuse(http.StatusMethodNotAllowed, "post an offer here: see the documentation of package webrtc")
}

// admit lets pages of other hosts in, if they may.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	u, err := url.Parse(origin)
	if err != nil {
		return refuse(http.StatusForbidden, "the origin is not a URL")
	}
	allowed := strings.EqualFold(u.Host, r.Host)
	for _, pattern := range s.config.Origins {
		target := strings.ToLower(u.Host)
		if strings.Contains(pattern, "://") {
			target = strings.ToLower(u.Scheme + "://" + u.Host)
		}
		ok, _ := path.Match(strings.ToLower(pattern), target) // its form has been checked
		allowed = allowed || ok
	}
	if !allowed {
		return refuse(http.StatusForbidden, "pages of %.100q may not call here", u.Host)
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "POST, PATCH")
		h.Set("Access-Control-Allow-Headers", "Content-Type, Authorization")
		h.Set("Access-Control-Max-Age", "600")
	}
	return nil
}

// read returns a request's body.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// Where there is a connection, and for this request only: net/http sets it anew.
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOffer))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, refuse(http.StatusRequestEntityTooLarge, "the request is longer than %d bytes", maxOffer)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, refuse(http.StatusRequestTimeout, "the request did not come within %v", readTimeout)
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "the request could not be read: %v", err)
	}
	return b, nil
}

func decode(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return refuse(http.StatusBadRequest, "the request is not the JSON that is expected: %v", err)
	}
	return nil
}

func (o *offer) check() error {
	if len(o.Data) == 0 {
		o.Data = o.Data2
	}
	switch {
	case o.Type != "offer":
		return refuse(http.StatusBadRequest, "the type is %.20q: post an offer", o.Type)
	case !strings.HasPrefix(o.SDP, "v=0"):
		return refuse(http.StatusBadRequest, "the sdp is not one: it begins with v=0")
	case strings.Count(o.SDP, "\nm=") > maxMedia:
		return refuse(http.StatusBadRequest, "the offer has more than %d media sections", maxMedia)
	case strings.Count(o.SDP, "\na=candidate:") > maxOffered:
		return refuse(http.StatusBadRequest, "the offer has too many candidates")
	}
	return nil
}

// offered answers an offer: for a call that there is, or for a new one.
func (s *Server) offered(r *http.Request, o offer) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), gatherTimeout)
	defer cancel()
	if c := s.call(o.ID); c != nil {
		sdp, err := s.renegotiate(ctx, c, o)
		return answer{sdp, "answer", c.ID}, err
	}
	if err := s.desk.Enter(nil); err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "%v", err)
	}
	conducted := false
	defer func() {
		if !conducted { // or something has panicked
			s.desk.Leave()
		}
	}()
	if s.config.Admit != nil {
		if err := s.config.Admit(r); err != nil {
			return nil, refuse(http.StatusServiceUnavailable, "%v", err)
		}
	}
	c, err := newCall(uuid.NewString(), r.Clone(context.WithoutCancel(r.Context())), o.Data, s.config)
	if err != nil {
		return nil, err
	}
	sdp, err := s.connect(ctx, c, o.SDP)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.calls[c.ID] = c
	s.mu.Unlock()
	if s.desk.Draining() { // since a moment ago
		c.leave(reception.ErrDraining.Error())
	}
	conducted = true
	go s.conduct(c)
	return answer{sdp, "answer", c.ID}, nil
}

// connect gives a call a peer, instead of the one that it may have.
func (s *Server) connect(ctx context.Context, c *Call, sdp string) (string, error) {
	changed := func(p *peer) {
		if c.current() != p {
			return
		}
		c.moves()
		switch p.pc.ConnectionState() {
		case pion.PeerConnectionStateConnected:
			c.once.Do(func() { close(c.connected) })
		case pion.PeerConnectionStateFailed:
			c.leave("the connection was lost")
		case pion.PeerConnectionStateClosed:
			c.leave(hungUp)
		}
	}
	p, err := newPeer(c, s.api, s.ice, s.seen, changed)
	if err != nil {
		return "", err
	}
	local, err := p.answer(ctx, sdp)
	if err != nil {
		p.close()
		return "", refuse(http.StatusBadRequest, "the offer cannot be answered: %v", err)
	}
	old := c.use(p)
	c.moves()
	if old != nil {
		// One that answers, and never encrypts, would not be lost.
		p.late = time.AfterFunc(s.config.ConnectTimeout, func() {
			if c.current() == p && p.pc.ConnectionState() != pion.PeerConnectionStateConnected {
				c.leave("the connection was not made anew in time")
			}
		})
		c.closing.Go(old.close)
	}
	return local, nil
}

// renegotiate answers another offer of a call's peer.
func (s *Server) renegotiate(ctx context.Context, c *Call, o offer) (string, error) {
	c.negotiating.Lock()
	defer c.negotiating.Unlock()
	if c.why() != "" {
		return "", errNoCall
	}
	if !c.offers.Allow() {
		return "", refuse(http.StatusTooManyRequests, "too many offers: try again later")
	}
	if o.Restart {
		return s.connect(ctx, c, o.SDP)
	}
	p := c.current()
	sdp, err := p.answer(ctx, o.SDP)
	if err != nil {
		return "", refuse(http.StatusBadRequest, "the offer cannot be answered: %v", err)
	}
	c.use(p)
	return sdp, nil
}

// trickled takes candidates of a call's peer.
func (s *Server) trickled(t trickle) error {
	c := s.call(t.ID)
	if c == nil {
		return errNoCall
	}
	var candidates []pion.ICECandidateInit
	for _, i := range t.Candidates {
		candidates = append(candidates, pion.ICECandidateInit{Candidate: i.Candidate, SDPMid: i.Mid, SDPMLineIndex: i.Line})
	}
	p, ok := c.follow(candidates)
	if !ok {
		return refuse(http.StatusBadRequest, "there are more than %d candidates", maxCandidates)
	}
	for _, i := range candidates {
		if err := p.pc.AddICECandidate(i); err != nil {
			return refuse(http.StatusBadRequest, "a candidate is not understood: %v", err)
		}
	}
	return nil
}

var errNoCall = refuse(http.StatusNotFound, "there is no call of that pc_id")

func (s *Server) call(id string) *Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id]
}

// conduct conducts a call to its end.
func (s *Server) conduct(c *Call) {
	defer s.desk.Leave()
	defer func() {
		s.mu.Lock()
		delete(s.calls, c.ID)
		s.mu.Unlock()
		c.leave("the call is over")
		c.negotiating.Lock()
		defer c.negotiating.Unlock()
		c.current().close()
		c.closing.Wait()
	}()
	log := s.config.Logger.With("call", c.ID)
	select {
	case <-c.connected:
	case <-c.gone:
		log.Info("the caller left before it was connected", "reason", c.why())
		return
	case <-time.After(s.config.ConnectTimeout):
		log.Warn("the caller has not connected", "after", s.config.ConnectTimeout)
		return
	case <-s.desk.Context().Done():
		return
	}
	ctx, stop := context.WithCancel(s.desk.Context())
	defer stop()
	c.mu.Lock()
	c.cancel = stop
	left := c.left != ""
	c.mu.Unlock()
	p, err := reception.Make(func() (*pipeline.Pipeline, error) { return s.pipeline(c) })
	if err != nil {
		log.Error("call failed: there is no agent", "error", err)
		return
	}
	if left {
		return
	}
	log.Info("call begins")
	began := time.Now()
	switch err := s.desk.Run(ctx, p); {
	case errors.Is(err, reception.ErrDraining):
	case err != nil && ctx.Err() != nil && s.desk.Context().Err() == nil:
		log.Info("the caller left before the agent was ready", "reason", c.why())
	case err != nil && s.desk.Context().Err() == nil:
		log.Error("call failed", "error", err)
	}
	c.current().farewell(s.desk.Context())
	stats := c.Stats()
	log.Info("call is over", "duration", time.Since(began).Round(time.Millisecond), "packets_in", stats.Receiver.Packets, "recovered", stats.Receiver.Recovered,
		"concealed", stats.Receiver.Concealed, "late", stats.Receiver.Late, "stalled", stats.Receiver.Stalled, "packets_out", stats.SentPackets, "loss_out", stats.Loss)
}

// Draining reports whether the server is shutting down.
func (s *Server) Draining() bool { return s.desk.Draining() }

// Shutdown refuses new calls, lets the agents of those that are running finish what
// they say, closes the UDP port when all are over, and returns. When ctx ends, the
// rest is cancelled, and its error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.desk.Shutdown(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.calls {
			c.mu.Lock()
			waits := c.receiver == nil // it has no agent yet
			c.mu.Unlock()
			if waits {
				c.leave(reception.ErrDraining.Error())
			}
		}
	})
	return errors.Join(err, s.mux.Close())
}
