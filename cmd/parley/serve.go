package main

import (
	"bytes"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/transports/webrtc"
	"github.com/parley-go/parley/transports/websocket"
	"github.com/parley-go/parley/transports/websocket/telephony"
)

type serveCommand struct {
	Addr    string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to listen on; port 0 chooses a free one. Default: ${default}, which nobody but this machine can reach."`
	TLSCert string        `name:"tls-cert" type:"path" placeholder:"FILE" help:"Certificate chain in PEM form. Browsers give a page of another machine no microphone without TLS."`
	TLSKey  string        `name:"tls-key" type:"path" placeholder:"FILE" help:"Its key."`
	Token   string        `type:"name" env:"PARLEY_TOKEN" placeholder:"SECRET" help:"What callers must know: ?token=SECRET, a bearer token, or the end of the path (/twilio/SECRET). Default: everybody may call."`
	Origins []string      `name:"origin" type:"names" placeholder:"HOST" help:"Another host whose pages may call, such as app.example.com or *.example.com. May be repeated."`
	Calls   int           `default:"100" help:"How many calls there may be at once. Default: ${default}."`
	Drain   time.Duration `least:"0s" default:"1m" help:"How long agents may take to finish what they say when the server is stopped. Default: ${default}."`

	Streams int `default:"20" help:"How many streams the account may have open at once; callers beyond wait. Default: ${default}, which is what AWS grants."`
	agentFlags
	webrtcFlags

	TwilioAuthToken     string `env:"TWILIO_AUTH_TOKEN" placeholder:"SECRET" help:"To hang up Twilio's calls. It needs --token."`
	TelnyxAPIKey        string `name:"telnyx-api-key" env:"TELNYX_API_KEY" placeholder:"SECRET" help:"To hang up Telnyx's calls. It needs --token."`
	PlivoAuthToken      string `env:"PLIVO_AUTH_TOKEN" placeholder:"SECRET" help:"To hang up Plivo's calls. It needs --token."`
	GenesysAPIKey       string `name:"genesys-api-key" env:"GENESYS_API_KEY" placeholder:"KEY" help:"The API key of Genesys's integration. With its client secret, /genesys lets those in whose requests are signed with it, and nobody else."`
	GenesysClientSecret string `env:"GENESYS_CLIENT_SECRET" placeholder:"BASE64" help:"Its client secret."`

	Verbose bool `short:"v" help:"Log what the service does, too."`
}

func (c *serveCommand) Help() string {
	return `One address for callers from everywhere:

  /          a page: press the button and talk
  /call      raw PCM over a WebSocket, with a JSON hello (see the documentation of websocket.PCM)
  /pipecat   Pipecat's clients over a WebSocket
  /webrtc    browsers over WebRTC, Pipecat's SmallWebRTC clients among them (also as /api/offer)
  /twilio, /telnyx, /plivo, /exotel, /vonage, /genesys
             telephone providers (see docs/telephony.md)
  /healthz   200 while calls are accepted, 503 while the server is being stopped
  /metrics   for Prometheus, with the token; without one for this machine only (see docs/deploying.md)

Without --service aws the built-in emulator answers. It does not understand what people say: it says it back.

SIGINT, SIGTERM or SIGHUP lets the agents finish what they say, and then ends the calls; once more ends the program at once.

  parley serve
  parley serve --addr :8443 --tls-cert cert.pem --tls-key key.pem --token "$(openssl rand -hex 16)" --service aws`
}

//go:embed page
var pageFiles embed.FS

// Run serves until it is told to stop.
func (c *serveCommand) Run(ctx context.Context, con console) error {
	if err := c.check(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(con.err, nil))
	var verbose *slog.Logger
	if c.Verbose {
		verbose = log
	}
	certificates, err := c.certificates()
	if err != nil {
		return err
	}
	cfg, who, done, err := c.connect(ctx, c.Streams, verbose)
	if err != nil {
		return err
	}
	defer done()
	client, err := novasonic.NewClient(cfg, novasonic.ClientOptions{MaxStreams: c.Streams})
	if err != nil {
		return err
	}
	defer client.Close()

	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("--addr %s: %w: choose another address, or port 0 for a free one", c.Addr, err)
	}
	gauges, err := newGauges(client)
	if err != nil {
		listener.Close()
		return err
	}
	shop := &shop{command: c, client: client, log: log, who: who, gauges: gauges}
	if c.Token != "" { // otherwise anybody could have any call of the account's hung up
		shop.twilio.AuthToken, shop.telnyx.APIKey, shop.plivo.AuthToken = c.TwilioAuthToken, c.TelnyxAPIKey, c.PlivoAuthToken
	}
	mux, err := shop.routes()
	if err != nil {
		listener.Close()
		return err
	}
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), TLSConfig: &tls.Config{Certificates: certificates}}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	fmt.Fprintln(con.out, who)
	fmt.Fprintf(con.out, "Listening on %s://%s/\n", scheme, browsable(listener.Addr()))
	fmt.Fprintf(con.out, "WebRTC on UDP %s\n", shop.webrtc.Addr())
	if c.Token == "" {
		if shop.local = isLoopback(listener.Addr()); !shop.local {
			fmt.Fprintln(con.out, "Everybody who can reach this address can call: set --token to change that.")
		}
		if c.TwilioAuthToken+c.TelnyxAPIKey+c.PlivoAuthToken != "" {
			fmt.Fprintln(con.out, "Calls of telephone providers are not hung up without --token: anybody could name one that is not theirs.")
		}
	}

	failed := make(chan error, 1)
	go func() {
		if c.TLSCert != "" {
			failed <- web.ServeTLS(listener, "", "")
		} else {
			failed <- web.Serve(listener)
		}
	}()
	ctx, stop := untilSignal(ctx, func() {
		log.Info("ending the calls; interrupt again to stop at once") // others write to the log, too
	})
	defer stop()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Drain)
	defer cancel()
	err = shop.close(draining)
	web.Close() // what is left has been asked for a page, or whether we are well
	<-failed
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("some agents had not finished after %v, and were cut: --drain allows them more", c.Drain)
	}
	return err
}

// check refuses values that make no sense.
func (c *serveCommand) check() error {
	if _, port, err := net.SplitHostPort(c.Addr); err != nil {
		return usageError{fmt.Errorf("--addr %s: it is not of the form HOST:PORT, such as 127.0.0.1:8080", c.Addr)}
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		return usageError{fmt.Errorf("--addr %s: %q is no port: name one up to 65535, or 0 for a free one", c.Addr, port)}
	}
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return usageError{errors.New("--tls-cert and --tls-key belong together: give both or neither")}
	case (c.GenesysAPIKey == "") != (c.GenesysClientSecret == ""):
		return usageError{errors.New("--genesys-api-key and --genesys-client-secret belong together: give both or neither")}
	case !isBase64(c.GenesysClientSecret):
		return usageError{errors.New("--genesys-client-secret: it is not in base64, as Genesys shows it")}
	case c.Calls < 1:
		return usageError{fmt.Errorf("--calls=%d: there must be at least one", c.Calls)}
	case c.Streams < 2:
		return usageError{fmt.Errorf("--streams=%d: there must be at least two, for a call opens its next stream before it leaves the old one", c.Streams)}
	case strings.Trim(c.Token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return usageError{errors.New("--token: it must fit into a path: letters, digits, - and _ only")}
	}
	for _, o := range c.Origins {
		if _, host, ok := strings.Cut(o, "://"); strings.Contains(o, "/") && (!ok || strings.Contains(host, "/")) {
			return usageError{fmt.Errorf("--origin %s: it is a host, such as app.example.com, and no page", o)}
		}
	}
	return errors.Join(c.agentFlags.check(), c.webrtcFlags.check(c.Addr))
}

// certificates reads what TLS needs, if there is to be any.
func (c *serveCommand) certificates() ([]tls.Certificate, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	chain, err := os.ReadFile(c.TLSCert)
	if err != nil {
		return nil, usageError{fmt.Errorf("--tls-cert: %w: name a file that this program may read", err)}
	}
	key, err := os.ReadFile(c.TLSKey)
	if err != nil {
		return nil, usageError{fmt.Errorf("--tls-key: %w: name a file that this program may read", err)}
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, usageError{fmt.Errorf("--tls-cert %s, --tls-key %s: %w: name a certificate chain, the server's own first, and the key it was made for, without a passphrase, both in PEM form", c.TLSCert, c.TLSKey, err)}
	}
	return []tls.Certificate{pair}, nil
}

func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil
}

// shop is what answers the calls.
type shop struct {
	command *serveCommand
	client  *novasonic.Client
	log     *slog.Logger
	who     string
	local   bool // nobody but this machine may call
	twilio  telephony.TwilioConfig
	telnyx  telephony.TelnyxConfig
	plivo   telephony.PlivoConfig
	gauges  gauges
	servers []callServer
	webrtc  *webrtc.Server // one of them, whose calls outlive their requests
	calls   atomic.Int64   // of the others
}

// callServer is a server of one of the transports.
type callServer interface {
	http.Handler
	Calls() int
	Draining() bool
	Shutdown(context.Context) error
}

// routes returns what is served where.
func (s *shop) routes() (*http.ServeMux, error) {
	mux := http.NewServeMux()
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	front, err := s.front(files)
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /{$}", secured(front))
	mux.Handle("GET /", secured(http.FileServerFS(files)))
	mux.HandleFunc("GET /healthz", s.health)
	mux.Handle("GET /metrics", s.tellMetrics())
	genesys := s.authenticate
	if c := s.command; c.GenesysAPIKey != "" {
		genesys = telephony.VerifyGenesys(map[string]string{c.GenesysAPIKey: c.GenesysClientSecret})
	}
	for _, e := range []struct {
		path         string
		serializer   func() websocket.Serializer
		authenticate func(*http.Request) error
		tell         bool // the peer understands what is told of the call
	}{
		{"/call", websocket.PCM, s.authenticate, true},
		{"/pipecat", websocket.Pipecat, s.authenticate, false},
		{"/twilio", telephony.Twilio(s.twilio), s.authenticate, false},
		{"/telnyx", telephony.Telnyx(s.telnyx), s.authenticate, false},
		{"/plivo", telephony.Plivo(s.plivo), s.authenticate, false},
		{"/exotel", telephony.Exotel, s.authenticate, false},
		{"/vonage", telephony.Vonage(telephony.VonageConfig{}), s.authenticate, false},
		{"/genesys", telephony.Genesys, genesys, false},
	} {
		transport := strings.TrimPrefix(e.path, "/")
		server, err := websocket.NewServer(websocket.Config{
			Serializer: e.serializer, Authenticate: e.authenticate, Origins: s.command.Origins, MaxCalls: s.command.Calls,
			Logger: s.log.With("path", e.path),
		}, func(call *websocket.Call) (*pipeline.Pipeline, error) {
			return s.agent(call.ID, transport, call.Input(), call.Output(), e.tell), nil
		})
		if err != nil {
			return nil, err
		}
		s.servers = append(s.servers, server)
		s.gauges.connections(transport, server)
		mux.Handle("GET "+e.path, s.admit(server))
		mux.Handle("GET "+e.path+"/{token}", s.admit(server))
	}
	return mux, s.offers(mux)
}

// front is the page, which says that the emulator answers before anybody has talked to
// it. Who else answers only those are told who may call.
func (s *shop) front(files fs.FS) (http.Handler, error) {
	page, err := template.ParseFS(files, "index.html")
	if err != nil {
		return nil, err
	}
	who := ""
	if s.command.Service == "emulator" {
		who = s.who
	}
	var html bytes.Buffer
	if err := page.Execute(&html, who); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "index.html", time.Time{}, bytes.NewReader(html.Bytes()))
	}), nil
}

// secured adds what browsers should be told of the page.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // the token may be in the address
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// errTooMany is for a caller who finds --calls calls of all transports together.
var errTooMany = errors.New("too many calls: try again later")

// admit keeps out those who are too many, unless they come back to a call of theirs.
func (s *shop) admit(next *websocket.Server) http.Handler {
	return s.fromHere(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.calls.Add(-1)
		if n := s.calls.Add(1) + int64(s.webrtc.Calls()); n > int64(s.command.Calls) && !next.Resumes(r) {
			w.Header().Set("Retry-After", "5")
			http.Error(w, errTooMany.Error(), http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	}))
}

// fromHere keeps out, where nobody but this machine may call, the pages of others that
// have made a name of theirs lead here.
func (s *shop) fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.local && !isLocal(r.Host) {
			http.Error(w, "this server is for this machine only: call localhost, or set --token", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLocal reports whether a Host header names this machine.
func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// authenticate lets those in who know the token.
func (s *shop) authenticate(r *http.Request) error {
	want := s.command.Token
	if want == "" {
		return nil
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, got := range []string{r.PathValue("token"), r.URL.Query().Get("token"), bearer} {
		if subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 {
			return nil
		}
	}
	return errors.New("the token is missing or wrong")
}

// health tells whether calls are accepted, and how many there are.
func (s *shop) health(w http.ResponseWriter, _ *http.Request) {
	status := struct {
		Status string `json:"status"`
		Calls  int    `json:"calls"`
	}{Status: "ok"}
	code := http.StatusOK
	for _, server := range s.servers {
		status.Calls += server.Calls()
		if server.Draining() {
			status.Status, code = "draining", http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(status) // whoever asked may have gone
}

// agent makes the pipeline of a call.
func (s *shop) agent(id, transport string, in, out pipeline.Processor, tell bool) *pipeline.Pipeline {
	config := s.command.config()
	config.Client = s.client
	log := slog.New(slog.DiscardHandler)
	if s.command.Verbose {
		log = s.log.With("call", id)
	}
	sonic := novasonic.New(config)
	cfg := pipeline.Config{Logger: log, EndTimeout: time.Minute, Observers: []pipeline.Observer{s.gauges.Call(transport)}}
	if !tell {
		return pipeline.New(cfg, in, sonic, out)
	}
	teller := newTeller(s.who)
	talk := conversation.New(conversation.Config{OnEntry: teller.entry})
	return pipeline.New(cfg, in, sonic, talk, teller, out)
}

// close lets the agents finish.
func (s *shop) close(ctx context.Context) error {
	errs := make([]error, len(s.servers))
	done := make(chan struct{})
	for i, server := range s.servers {
		go func() {
			errs[i] = server.Shutdown(ctx)
			done <- struct{}{}
		}()
	}
	for range s.servers {
		<-done
	}
	return errors.Join(errs...)
}

// browsable is an address that a browser understands.
func browsable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(tcp.Port))
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
