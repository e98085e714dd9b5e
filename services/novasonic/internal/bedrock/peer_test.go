package bedrock

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	testModel  = "amazon.nova-2-sonic-v1:0"
	testRegion = "us-east-1"
)

var testCredentials = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"}

// peer is the other end of a stream: it checks every signature and checksum,
// and otherwise does what its script says, right or wrong.
type peer struct {
	script func(*session)
	answer func(http.ResponseWriter, *http.Request) bool // may refuse before the stream opens
	cut    chan struct{}                                 // releases hangUp
	idle   time.Duration                                 // after which a connection is closed, on some

	open     atomic.Int64 // handlers running
	requests atomic.Int64
	conns    atomic.Int64
	lastType atomic.Value // Content-Type of the last request

	mu   sync.Mutex
	errs []error
}

// session is one stream on the peer's side.
type session struct {
	peer    *peer
	w       http.ResponseWriter
	r       *http.Request
	rc      *http.ResponseController
	decoder *eventstream.Decoder
	signer  *v4.StreamSigner
	headers bool
}

type connKey struct{}

func (p *peer) fault(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errs = append(p.errs, err)
}

func (p *peer) faults() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.errs...)
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests.Add(1)
	p.lastType.Store(r.Header.Get("Content-Type"))
	p.open.Add(1)
	defer p.open.Add(-1)
	if p.answer != nil && p.answer(w, r) {
		return
	}
	seed, err := verifyRequest(r)
	if err != nil {
		p.fault(err)
		refuse(w, http.StatusForbidden, "InvalidSignatureException", err.Error())
		return
	}
	s := &session{
		peer: p, w: w, r: r, rc: http.NewResponseController(w), decoder: eventstream.NewDecoder(),
		signer: v4.NewStreamSigner(testCredentials, "bedrock", testRegion, seed),
	}
	p.script(s)
}

// verifyRequest signs the request again and returns the signature that the
// chain of events begins with.
func verifyRequest(r *http.Request) ([]byte, error) {
	auth := r.Header.Get("Authorization")
	part := func(key string) string {
		_, rest, _ := strings.Cut(auth, key+"=")
		v, _, _ := strings.Cut(rest, ",")
		return v
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return nil, fmt.Errorf("date of the request: %w", err)
	}
	again := &http.Request{
		Method: r.Method, Host: r.Host, Header: http.Header{}, ContentLength: -1,
		URL: &url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath},
	}
	for _, h := range strings.Split(part("SignedHeaders"), ";") {
		if k := http.CanonicalHeaderKey(h); h != "host" {
			again.Header[k] = r.Header[k]
		}
	}
	if err := v4.NewSigner().SignHTTP(r.Context(), testCredentials, again, r.Header.Get("X-Amz-Content-Sha256"), "bedrock", testRegion, at); err != nil {
		return nil, err
	}
	if got := again.Header.Get("Authorization"); got != auth {
		return nil, fmt.Errorf("signature of the request: got %q, want %q", auth, got)
	}
	return hex.DecodeString(part("Signature"))
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	if code != "" {
		w.Header().Set("X-Amzn-ErrorType", code)
	}
	w.Header().Set("X-Amzn-RequestId", "00000000-1111-2222-3333-444444444444")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// recv returns the next event of the client; io.EOF after its half-close.
func (s *session) recv() ([]byte, error) {
	outer, err := s.decoder.Decode(s.r.Body, nil)
	if err != nil {
		var sum eventstream.ChecksumError
		if errors.As(err, &sum) {
			s.peer.fault(err)
		}
		return nil, err
	}
	date, _ := outer.Headers.Get(":date").(eventstream.TimestampValue)
	var signed bytes.Buffer
	if err := eventstream.EncodeHeaders(&signed, eventstream.Headers{{Name: ":date", Value: date}}); err != nil {
		return nil, err
	}
	want, err := s.signer.GetSignature(s.r.Context(), signed.Bytes(), outer.Payload, time.Time(date))
	if err != nil {
		return nil, err
	}
	if got, _ := outer.Headers.Get(":chunk-signature").(eventstream.BytesValue); !bytes.Equal(got, want) {
		err := errors.New("wrong signature of an event")
		s.peer.fault(err)
		return nil, err
	}
	if len(outer.Payload) == 0 {
		return nil, io.EOF
	}
	inner, err := s.decoder.Decode(bytes.NewReader(outer.Payload), nil)
	if err != nil {
		s.peer.fault(fmt.Errorf("inside an event: %w", err))
		return nil, err
	}
	var chunk struct{ Bytes []byte }
	if err := json.Unmarshal(inner.Payload, &chunk); err != nil {
		s.peer.fault(err)
		return nil, err
	}
	return chunk.Bytes, nil
}

// accept answers 200.
func (s *session) accept() {
	if s.headers {
		return
	}
	s.headers = true
	s.w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	s.w.WriteHeader(http.StatusOK)
	s.rc.Flush()
}

func message(payload string, headers ...string) []byte {
	m := eventstream.Message{Payload: []byte(payload)}
	for i := 0; i < len(headers); i += 2 {
		m.Headers.Set(headers[i], eventstream.StringValue(headers[i+1]))
	}
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func chunkFrame(event []byte) []byte {
	return message(`{"bytes":"`+base64.StdEncoding.EncodeToString(event)+`"}`,
		":event-type", "chunk", ":content-type", "application/json", ":message-type", "event")
}

func exceptionFrame(name, text string) []byte {
	b, _ := json.Marshal(map[string]string{"message": text})
	return message(string(b), ":exception-type", name, ":content-type", "application/json", ":message-type", "exception")
}

func (s *session) raw(b []byte) error {
	s.accept()
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.rc.Flush()
}

func (s *session) send(event []byte) error { return s.raw(chunkFrame(event)) }

// hangUp closes the TCP connection when the test says so: at once, it could
// take with it what the client has not read yet.
func (s *session) hangUp() {
	select {
	case <-s.peer.cut:
		s.cutNow()
	case <-s.r.Context().Done():
	}
}

func (s *session) cutNow() {
	s.r.Context().Value(connKey{}).(net.Conn).Close()
	<-s.r.Context().Done()
}

// reset ends the HTTP/2 stream with RST_STREAM.
func (s *session) reset() { panic(http.ErrAbortHandler) }

// echo sends back every event until the client's half-close.
func echo(s *session) {
	for {
		event, err := s.recv()
		if err != nil {
			return
		}
		if s.send(event) != nil {
			return
		}
	}
}

// after lets n events pass, echoing them, and then does what f says.
func after(n int, f func(*session)) func(*session) {
	return func(s *session) {
		for range n {
			event, err := s.recv()
			if err != nil || s.send(event) != nil {
				return
			}
		}
		f(s)
	}
}

// untilGone keeps the stream open until the client drops it.
func untilGone(s *session) {
	s.accept()
	<-s.r.Context().Done()
}

// untilHalfClose reads all that comes.
func untilHalfClose(s *session) {
	for {
		if _, err := s.recv(); err != nil {
			return
		}
	}
}

// start serves p over TLS on a loopback socket: what is tested with it is the
// transport itself, whose faults an in-memory pipe does not have.
func (p *peer) start(t testing.TB) *httptest.Server {
	t.Helper()
	p.cut = make(chan struct{}, 1)
	srv := httptest.NewUnstartedServer(p)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = discardLog
	srv.Config.HTTP2 = &http.HTTP2Config{MaxReadFrameSize: 16384, MaxConcurrentStreams: 100, MaxReceiveBufferPerStream: 64 << 10}
	srv.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		p.conns.Add(1)
		return context.WithValue(ctx, connKey{}, c)
	}
	srv.StartTLS()
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv
}

// configFor returns the configuration of a client of the given URL.
func configFor(baseURL string) aws.Config {
	return aws.Config{
		Region:       testRegion,
		BaseEndpoint: aws.String(baseURL),
		Credentials:  aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return testCredentials, nil }),
	}
}

func trusting(srv *httptest.Server) *http.Transport {
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
}

// dialerFor returns a dialer for srv, and closes its connections in the end.
func dialerFor(t testing.TB, srv *httptest.Server, mend ...func(*aws.Config, *Options)) *SDKDialer {
	t.Helper()
	cfg, o := configFor(srv.URL), Options{Transport: trusting(srv), without: guardsLeftOut()}
	for _, m := range mend {
		m(&cfg, &o)
	}
	d, err := NewDialer(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.CloseIdleConnections)
	return d
}

// open starts a peer with the script and opens a stream to it.
func open(t testing.TB, script func(*session)) (*peer, *sdkStream) {
	t.Helper()
	p := &peer{script: script}
	return p, dial(t, dialerFor(t, p.start(t)))
}

func dial(t testing.TB, d *SDKDialer) *sdkStream {
	t.Helper()
	s, err := d.Dial(deadline(t), testModel)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { s.Abort(errors.New("the test is over")) })
	return s.(*sdkStream)
}

// deadline is longer than anything here may take, and shorter than a
// developer's patience.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// exchange sends an event and wants it back.
func exchange(t testing.TB, s Stream, event string) {
	t.Helper()
	if err := s.Send(deadline(t), []byte(event)); err != nil {
		t.Fatalf("send: %v", err)
	}
	got, err := s.Recv(deadline(t))
	if err != nil || string(got) != event {
		t.Fatalf("received %q, %v; want %q", got, err, event)
	}
}

// ending reads the stream to its end and returns the reason.
func ending(t testing.TB, s Stream) error {
	t.Helper()
	ctx := deadline(t)
	for {
		_, err := s.Recv(ctx)
		if ctx.Err() != nil {
			t.Fatal("the stream did not end")
		}
		if err != nil {
			return err
		}
	}
}
