package bedrock

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/parley-go/parley/frames"
)

// check wants an error of one line, with a verdict, that says something.
func check(t *testing.T, err error, class frames.ErrorClass, reason Reason, action Action, says string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%T %v is not an *Error", err, err)
	}
	if v := e.Verdict; v.Class != class || v.Reason != reason || v.Action != action {
		t.Errorf("%v\nclassified as %v, %v, %v; want %v, %v, %v", err, v.Class, v.Reason, v.Action, class, reason, action)
	}
	if text := err.Error(); !strings.Contains(text, says) || strings.Contains(text, "\n") {
		t.Errorf("%q should be one line that says %q", text, says)
	}
}

func credentialsFrom(f func(context.Context) (aws.Credentials, error)) func(*aws.Config) {
	return func(c *aws.Config) { c.Credentials = aws.CredentialsProviderFunc(f) }
}

func TestDialNeedsCredentials(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(*aws.Config)
		reason Reason
		action Action
		says   string
	}{
		{"none configured", func(c *aws.Config) { c.Credentials = nil }, ReasonNoCredentials, GiveUp, "AWS_PROFILE"},
		{"anonymous", func(c *aws.Config) { c.Credentials = aws.AnonymousCredentials{} }, ReasonNoCredentials, GiveUp, "AWS_PROFILE"},
		{"empty", credentialsFrom(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil }), ReasonNoCredentials, GiveUp, "AWS_PROFILE"},
		{"the provider fails", credentialsFrom(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("failed to refresh cached credentials")
		}), ReasonNoCredentials, GiveUp, "failed to refresh"},
		{"there is no metadata service", credentialsFrom(func(context.Context) (aws.Credentials, error) {
			refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			return aws.Credentials{}, fmt.Errorf("failed to refresh cached credentials, no EC2 IMDS role found, %w",
				&url.Error{Op: "Get", URL: "http://169.254.169.254/latest/meta-data/", Err: refused})
		}), ReasonNoCredentials, GiveUp, "no AWS credentials: failed to refresh cached credentials, no EC2 IMDS role found"},
		{"expired", credentialsFrom(func(context.Context) (aws.Credentials, error) {
			c := testCredentials
			c.CanExpire, c.Expires = true, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			return c, nil
		}), ReasonCredentialsExpired, FixAndRetry, "expired at 2026-01-02T03:04:05Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := configFor("https://127.0.0.1:1")
			c.set(&cfg)
			d, err := NewDialer(cfg, Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.Dial(deadline(t), testModel)
			check(t, err, frames.ErrorAuthentication, c.reason, c.action, c.says)
		})
	}
}

func TestDialDoesNotWaitForACredentialProviderThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		cfg := configFor("https://127.0.0.1:1")
		credentialsFrom(func(context.Context) (aws.Credentials, error) {
			<-release // deaf to its context
			return aws.Credentials{}, nil
		})(&cfg)
		d, err := NewDialer(cfg, Options{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = d.Dial(t.Context(), testModel)
		check(t, err, frames.ErrorAuthentication, ReasonNoCredentials, GiveUp, "no provider answered within 10s")
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("gave up after %v, want 10s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = d.Dial(ctx, testModel)
		check(t, err, frames.ErrorConnectivity, ReasonConnection, Retry, "deadline")
	})
}

func TestStreamTellsWhenItsCredentialsExpire(t *testing.T) {
	expires := time.Now().Add(time.Hour).UTC()
	p := &peer{script: echo}
	srv := p.start(t)
	d := dialerFor(t, srv, func(c *aws.Config, _ *Options) {
		credentialsFrom(func(context.Context) (aws.Credentials, error) {
			c := testCredentials
			c.CanExpire, c.Expires = true, expires
			return c, nil
		})(c)
	})
	if got := dial(t, d).CredentialsExpire(); !got.Equal(expires) {
		t.Errorf("expire at %v, want %v", got, expires)
	}
	if got := dial(t, dialerFor(t, srv)).CredentialsExpire(); !got.IsZero() {
		t.Errorf("credentials without end expire at %v", got)
	}
}

// The credentials that Dial looked at are those that the stream is signed with.
func TestCredentialsAreAskedForOncePerStream(t *testing.T) {
	asked := 0
	p := &peer{script: echo}
	d := dialerFor(t, p.start(t), func(c *aws.Config, _ *Options) {
		credentialsFrom(func(context.Context) (aws.Credentials, error) {
			asked++
			if asked%2 == 0 {
				return aws.Credentials{AccessKeyID: "AKIDOTHER", SecretAccessKey: "of nobody"}, nil
			}
			return testCredentials, nil
		})(c)
	})
	exchange(t, dial(t, d), "hello")
	if asked != 1 {
		t.Errorf("the provider was asked %d times", asked)
	}
}

// issuer gives out credentials that live for an hour, the n-th of them named so.
type issuer struct {
	issued int
	broken bool
}

func (i *issuer) Retrieve(context.Context) (aws.Credentials, error) {
	if i.broken {
		return aws.Credentials{}, errors.New("the token service is down")
	}
	i.issued++
	return aws.Credentials{
		AccessKeyID: strings.Repeat("A", i.issued), SecretAccessKey: "secret",
		CanExpire: true, Expires: time.Now().Add(time.Hour),
	}, nil
}

func TestCredentialsThatWouldEndBeforeTheStreamAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := &issuer{}
		d, err := NewDialer(aws.Config{Region: "us-east-1", Credentials: aws.NewCredentialsCache(tokens)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			after  time.Duration
			broken bool
			issued int
			left   time.Duration
		}{
			{0, false, 1, time.Hour},
			{49 * time.Minute, false, 1, 11 * time.Minute}, // long enough
			{2 * time.Minute, true, 1, 9 * time.Minute},    // the old ones still hold
			{time.Minute, false, 2, time.Hour},             // renewed, though the cache had them
			{59 * time.Minute, true, 2, time.Minute},       // better than nothing
		} {
			time.Sleep(step.after)
			tokens.broken = step.broken
			creds, err := d.retrieve(t.Context())
			if err != nil {
				t.Fatalf("after %v: %v", step.after, err)
			}
			if left := time.Until(creds.Expires); left != step.left || tokens.issued != step.issued {
				t.Errorf("after %v more: %v left, %d issued; want %v, %d", step.after, left, tokens.issued, step.left, step.issued)
			}
		}
		time.Sleep(2 * time.Minute)
		if _, err := d.retrieve(t.Context()); !errors.Is(err, ErrNoCredentials) {
			t.Errorf("with a broken provider and expired credentials: %v", err)
		}
	})
}

func TestBearerTokenInTheEnvironmentIsNotUsed(t *testing.T) {
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", "a-bedrock-api-key")
	p, s := open(t, echo) // which checks the signatures
	exchange(t, s, "hello")
	if err := p.faults(); err != nil {
		t.Error(err)
	}
}

func TestDialerRefusesSettingsThatCannotBeRight(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*aws.Config)
		says string
	}{
		{"no region", func(c *aws.Config) { c.Region = "" }, "set AWS_REGION"},
		{"region that is no name", func(c *aws.Config) { c.Region, c.BaseEndpoint = "us east 1", nil }, "us east 1"},
		{"endpoint without scheme", func(c *aws.Config) { c.BaseEndpoint = aws.String("localhost:8080") }, "localhost:8080"},
		{"endpoint of another kind", func(c *aws.Config) { c.BaseEndpoint = aws.String("ftp://localhost") }, "ftp://localhost"},
		{"HTTP client of one's own", func(c *aws.Config) { c.HTTPClient = awsClientFunc(nil) }, "*http.Client"},
		{"round tripper of one's own", func(c *aws.Config) { c.HTTPClient = &http.Client{Transport: roundTripper{}} }, "*http.Transport"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := configFor("https://127.0.0.1:1")
			c.set(&cfg)
			_, err := NewDialer(cfg, Options{})
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v should be one line that says %q", err, c.says)
			}
			if v := Classify(err); v.Action != GiveUp {
				t.Errorf("%v: %v", err, v.Action)
			}
		})
	}
}

type awsClientFunc func(*http.Request) (*http.Response, error)

func (f awsClientFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

type roundTripper struct{}

func (roundTripper) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.EOF }

func TestDialerTakesTheTransportOfEitherKindOfClient(t *testing.T) {
	p := &peer{script: echo}
	srv := p.start(t)
	tr := trusting(srv)
	for name, client := range map[string]aws.HTTPClient{
		"net/http":  &http.Client{Transport: tr},
		"buildable": awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.TLSClientConfig = tr.TLSClientConfig }),
	} {
		t.Run(name, func(t *testing.T) {
			s := dial(t, dialerFor(t, srv, func(c *aws.Config, o *Options) { c.HTTPClient, o.Transport = client, nil }))
			exchange(t, s, "hello")
		})
	}
}

func TestDialNeedsAModelAndALivingContext(t *testing.T) {
	d, err := NewDialer(configFor("https://127.0.0.1:1"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Dial(t.Context(), "")
	check(t, err, frames.ErrorInvalidRequest, ReasonModel, GiveUp, "amazon.nova-2-sonic-v1:0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.Dial(ctx, testModel)
	check(t, err, frames.ErrorUnknown, ReasonAborted, GiveUp, "canceled")
}

func TestEndpointOfARegion(t *testing.T) {
	d, err := NewDialer(aws.Config{Region: "eu-north-1"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.Endpoint(), "https://bedrock-runtime.eu-north-1.amazonaws.com"; got != want || d.Region() != "eu-north-1" {
		t.Errorf("endpoint %q in %q, want %q", got, d.Region(), want)
	}
}

// unreachable opens a stream to something that cannot carry it, talks, and
// returns why it ended; it has to end at once.
func unreachable(t *testing.T, cfg aws.Config, o Options) error {
	t.Helper()
	d, err := NewDialer(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.CloseIdleConnections)
	began := time.Now()
	s := dial(t, d)
	go s.Send(context.Background(), []byte("hello"))
	err = ending(t, s)
	if strings.Contains(err.Error(), "does not speak HTTP/2") && !errors.Is(err, ErrNotHTTP2) {
		t.Errorf("%v is not ErrNotHTTP2", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v to say: %v", took, err)
	}
	return err
}

// http1 is a server that knows nothing of HTTP/2. Its TLS offers what protos
// says; it has none without certificate.
func http1(t *testing.T, secure bool, protos ...string) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	srv.Config.ErrorLog = discardLog
	if secure {
		srv.TLS = &tls.Config{NextProtos: protos}
		srv.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv
}

func TestEndpointWithoutHTTP2IsSaidAtOnce(t *testing.T) {
	t.Run("it offers HTTP/1.1 only", func(t *testing.T) {
		srv := http1(t, true, "http/1.1")
		err := unreachable(t, configFor(srv.URL), Options{Transport: trusting(srv)})
		check(t, err, frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "does not speak HTTP/2: remote error")
	})
	t.Run("it does not negotiate at all", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cert := http1(t, true)
		tl := tls.NewListener(l, &tls.Config{Certificates: cert.TLS.Certificates})
		srv := &http.Server{ErrorLog: discardLog}
		go srv.Serve(tl)
		defer srv.Close()
		got := unreachable(t, configFor("https://"+l.Addr().String()), Options{Transport: trusting(cert)})
		check(t, got, frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "does not speak HTTP/2")
	})
	t.Run("in clear text", func(t *testing.T) {
		srv := http1(t, false)
		err := unreachable(t, configFor(srv.URL), Options{})
		check(t, err, frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "does not speak HTTP/2: ")
	})
	for name, answer := range map[string][]string{
		"in HTTP/0.9":                    {"<html><body>hello</body></html>"},
		"in something that is not HTTP":  {"SSH-2.0-OpenSSH_9.6\r\n"},
		"bit by bit":                     {"\x00\x00", "\x12\x05", "\x00"}, // like HTTP/2, up to the type of the frame
		"with another frame of HTTP/2":   {"\x00\x00\x08\x06\x00\x00\x00\x00\x00 a PING."},
		"with a frame of another stream": {"\x00\x00\x00\x04\x00\x00\x00\x00\x01"},
	} {
		t.Run("in clear text "+name, func(t *testing.T) {
			err := unreachable(t, configFor("http://"+sayingOnly(t, answer...)), Options{})
			check(t, err, frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "does not speak HTTP/2: ")
		})
	}
}

// sayingOnly is the address of something that says the same to everybody, in
// pieces, and then waits to be left.
func sayingOnly(t *testing.T, pieces ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { l.Close() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				for _, piece := range pieces {
					io.WriteString(c, piece)
					time.Sleep(5 * time.Millisecond) // apart, on a real socket
				}
				io.Copy(io.Discard, c)
			})
		}
	})
	return l.Addr().String()
}

func TestAnswerThatComesBitByBitIsHTTP2AllTheSame(t *testing.T) {
	for _, c := range []struct {
		text string
		may  bool
	}{
		{"\x00\x00\x12\x04\x00\x00\x00\x00\x00", true}, // net/http's
		{"\x00\x00\x00\x04\x00\x00\x00\x00\x00", true}, // no settings at all
		{"\x00\x40\x00\x04\x00\x00\x00\x00\x00", true}, // the most that is allowed
		{"\x00\x00\x00\x04\x01\x00\x00\x00\x00", false},
		{"\x01\x00\x00\x04\x00\x00\x00\x00\x00", false},
		{"HTTP/1.1 400 Bad Request", false},
	} {
		if may := mayBeSettings([]byte(c.text[:min(len(c.text), frameHeader)])); may != c.may {
			t.Errorf("%q may be HTTP/2: %v, want %v", c.text, may, c.may)
		}
		near, far := net.Pipe()
		go func() {
			for _, b := range []byte(c.text) {
				far.Write([]byte{b})
			}
			far.Close()
		}()
		got, err := io.ReadAll(&clearTextConn{Conn: near})
		near.Close()
		if refused := errors.Is(err, ErrNotHTTP2); refused == c.may || c.may && string(got) != c.text {
			t.Errorf("%q was read as %q, %v", c.text, got, err)
		}
	}
}

// A server that answers in HTTP/1.1 and hangs up may be gone before its answer
// is read: then a write fails first, and has to say the same.
func TestAnAnswerBehindAFailedWriteIsStillRead(t *testing.T) {
	for name, c := range map[string]struct {
		answer    string
		read      bool // somebody reads, as well
		answersIn bool // HTTP/2
	}{
		"nobody reads":                    {answer: "HTTP/1.1 400 Bad Request\r\n\r\n"},
		"somebody reads":                  {answer: "HTTP/1.1 400 Bad Request\r\n\r\n", read: true},
		"it says nothing":                 {answersIn: true},
		"it says nothing, somebody reads": {answersIn: true, read: true},
		"it says something of HTTP/2":     {answer: "\x00\x00\x00\x04\x00\x00\x00\x00\x00", answersIn: true},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			near, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			far, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			conn := &clearTextConn{Conn: near}
			reading := make(chan error, 1)
			if c.read {
				go func() {
					_, err := io.Copy(io.Discard, conn)
					reading <- err
				}()
			}
			io.WriteString(far, c.answer)
			far.Close()
			for err = nil; err == nil; time.Sleep(time.Millisecond) {
				_, err = conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
			}
			if refused := errors.Is(err, ErrNotHTTP2); refused == c.answersIn {
				t.Errorf("the write failed with %v", err)
			}
			if c.read {
				if err := <-reading; errors.Is(err, ErrNotHTTP2) == c.answersIn {
					t.Errorf("the read failed with %v", err)
				}
			}
		})
	}
}

func TestEndpointWithoutTLSIsSaidAtOnce(t *testing.T) {
	srv := http1(t, false)
	err := unreachable(t, configFor(strings.Replace(srv.URL, "http:", "https:", 1)), Options{})
	check(t, err, frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "http://")
}

func TestUnknownAuthorityIsSaidAtOnce(t *testing.T) {
	srv := (&peer{script: echo}).start(t)
	err := unreachable(t, configFor(srv.URL), Options{})
	check(t, err, frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "AWS_CA_BUNDLE")
}

func TestUnknownHostIsSaidAtOnce(t *testing.T) {
	cfg := configFor("https://bedrock-runtime.nowhere-1.amazonaws.com")
	err := unreachable(t, cfg, Options{Transport: &http.Transport{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}}
	}}})
	check(t, err, frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "check the region")
}

func TestRefusedConnectionIsSaidAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	check(t, unreachable(t, configFor("https://"+l.Addr().String()), Options{}), frames.ErrorConnectivity, ReasonConnection, Retry, "connection refused")
}

// through returns a transport that goes through the proxy.
func through(t *testing.T, proxy string, base *http.Transport) *http.Transport {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	base.Proxy = http.ProxyURL(u)
	return base
}

func TestProxyInTheWay(t *testing.T) {
	p := &peer{script: echo}
	srv := p.start(t)

	t.Run("that does not know CONNECT", func(t *testing.T) {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "GET only", http.StatusMethodNotAllowed)
		}))
		defer proxy.Close()
		err := unreachable(t, configFor(srv.URL), Options{Transport: through(t, proxy.URL, trusting(srv))})
		check(t, err, frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "405 Method Not Allowed")
	})
	t.Run("that wants a password", func(t *testing.T) {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusProxyAuthRequired)
		}))
		defer proxy.Close()
		withUser := strings.Replace(proxy.URL, "://", "://me:hunter2@", 1)
		err := unreachable(t, configFor(srv.URL), Options{Transport: through(t, withUser, trusting(srv))})
		check(t, err, frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "407")
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in %q", err)
		}
	})
	t.Run("that inspects TLS and speaks HTTP/1.1", func(t *testing.T) {
		inspector := http1(t, true, "http/1.1")
		proxy := tunnelTo(t, inspector.Listener.Addr().String())
		err := unreachable(t, configFor(srv.URL), Options{Transport: through(t, proxy, trusting(inspector))})
		check(t, err, frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "does not speak HTTP/2: ")
	})
	t.Run("that does its work", func(t *testing.T) {
		proxy := tunnelTo(t, srv.Listener.Addr().String())
		s := dial(t, dialerFor(t, srv, func(_ *aws.Config, o *Options) { through(t, proxy, o.Transport) }))
		exchange(t, s, "hello")
	})
}

// tunnelTo is a proxy that connects to one place, whatever it is asked for.
func tunnelTo(t *testing.T, addr string) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		far, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		w.WriteHeader(http.StatusOK)
		near, rest, err := http.NewResponseController(w).Hijack()
		if err != nil {
			far.Close()
			return
		}
		defer near.Close()
		defer far.Close()
		go func() {
			io.Copy(far, rest)
			far.Close()
		}()
		io.Copy(near, far)
	}))
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	return proxy.URL
}
