package bedrock

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
)

// resolveEndpoint returns the URL that the client will send to.
func resolveEndpoint(o bedrockruntime.Options) (*url.URL, error) {
	e, err := o.EndpointResolverV2.ResolveEndpoint(context.Background(), bedrockruntime.EndpointParameters{
		Region:       aws.String(o.Region),
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
		Endpoint:     o.BaseEndpoint,
	})
	if err != nil {
		return nil, fmt.Errorf("resolve endpoint: %w", err)
	}
	if e.URI.Host == "" || e.URI.Scheme != "https" && e.URI.Scheme != "http" {
		return nil, fmt.Errorf("resolve endpoint: %q is not an http or https URL", e.URI.String())
	}
	return &e.URI, nil
}

// newTransport returns a copy of the configured transport, made fit for
// streams that last minutes.
func newTransport(configured aws.HTTPClient, endpoint *url.URL, o Options) (*http.Transport, error) {
	tr := o.Transport
	if tr == nil {
		switch c := configured.(type) {
		case nil:
			tr = awshttp.NewBuildableClient().GetTransport()
		case *awshttp.BuildableClient:
			tr = c.GetTransport()
		case *http.Client:
			t, ok := c.Transport.(*http.Transport)
			if !ok {
				if c.Transport != nil {
					return nil, fmt.Errorf("the HTTP client's transport is a %T; streams need an *http.Transport", c.Transport)
				}
				t = http.DefaultTransport.(*http.Transport)
			}
			tr = t
		default:
			return nil, fmt.Errorf("the HTTP client is a %T; streams need an *http.Client or a *http.BuildableClient", c)
		}
	}
	tr = tr.Clone()

	// Only HTTP/2, so that nothing can fall back to HTTP/1.1, where the stream
	// would hang: on TLS by ALPN, in clear text (the emulator's debug option)
	// with prior knowledge.
	tr.ForceAttemptHTTP2 = true
	tr.TLSNextProto = nil
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP2(true)
	tr.Protocols.SetUnencryptedHTTP2(true)
	requireHTTP2(tr, endpoint.Hostname())
	if endpoint.Scheme == "http" {
		watchClearText(tr)
	}
	boundConnecting(tr, o.ConnectTimeout)
	tr.OnProxyConnectResponse = refuseProxy(tr.OnProxyConnectResponse)

	// The service answers when it has seen the first events, and the stream
	// may be silent for minutes: a dead peer is found by pings instead.
	tr.ResponseHeaderTimeout = 0
	h2 := http.HTTP2Config{}
	if tr.HTTP2 != nil {
		h2 = *tr.HTTP2
	}
	h2.SendPingTimeout = o.PingInterval
	h2.PingTimeout = o.PingTimeout
	h2.MaxReceiveBufferPerStream = receiveBuffer
	h2.StrictMaxConcurrentRequests = false // it would make a new stream wait for another to end
	tr.HTTP2 = &h2

	// HTTP/2 streams are not counted against this limit: a new connection is
	// still made when one has as many streams as the server allows. It only
	// keeps many streams that are opened at once from dialling one connection
	// each (300 streams made 240 connections without it, and 3 with it).
	tr.MaxConnsPerHost = 1
	return tr, nil
}

// boundConnecting ends attempts to connect that take too long. With one
// connection for many, they are what everybody waits for.
func boundConnecting(tr *http.Transport, most time.Duration) {
	type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)
	bounded := func(dial dialFunc) dialFunc {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, most)
			defer cancel()
			return dial(ctx, network, addr)
		}
	}
	dial := tr.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	tr.DialContext = bounded(dial)
	if tr.DialTLSContext != nil {
		tr.DialTLSContext = bounded(tr.DialTLSContext)
	}
	if tr.TLSHandshakeTimeout == 0 || tr.TLSHandshakeTimeout > most {
		tr.TLSHandshakeTimeout = most
	}
}

// requireHTTP2 fails the TLS handshake with a clear error if the peer did not
// agree to HTTP/2. net/http would go on with HTTP/1.1 when a peer knows
// nothing of ALPN.
func requireHTTP2(tr *http.Transport, host string) {
	if tr.TLSClientConfig == nil {
		tr.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	verify := tr.TLSClientConfig.VerifyConnection
	tr.TLSClientConfig.VerifyConnection = func(s tls.ConnectionState) error {
		// The connection to a proxy that is itself reached with TLS is not the
		// one that carries the stream.
		toProxy := s.ServerName != "" && s.ServerName != host
		if s.NegotiatedProtocol != "h2" && !toProxy {
			return ErrNotHTTP2
		}
		if verify != nil {
			return verify(s)
		}
		return nil
	}
}

type proxyResponse = func(context.Context, *url.URL, *http.Request, *http.Response) error

// refuseProxy names the proxy that did not open a tunnel; net/http only
// repeats its status text.
func refuseProxy(next proxyResponse) proxyResponse {
	return func(ctx context.Context, proxy *url.URL, req *http.Request, resp *http.Response) error {
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%w: %s answered %s", ErrProxyRefused, proxy.Redacted(), resp.Status)
		}
		if next != nil {
			return next(ctx, proxy, req, resp)
		}
		return nil
	}
}

// inHTTP1 returns what is behind err if it is how net/http fails when the peer
// only speaks HTTP/1.1, and nil otherwise. There are no errors to compare
// with; the texts are those of net/http and crypto/tls in Go 1.26.
func inHTTP1(scheme string, err error) error {
	cause := err
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		cause = wrapped.Err
	}
	text := cause.Error()
	switch {
	case errors.Is(err, ErrNotHTTP2):
		return nil // said already
	case strings.Contains(text, "no application protocol"), // on TLS, it refused to negotiate
		scheme == "http" && strings.Contains(text, "client conn could not be established"): // it hung up
		return cause
	}
	return nil
}

// watchClearText makes the connections of tr fail with [ErrNotHTTP2] when the
// peer answers HTTP/2 with anything else. net/http has several errors for that,
// depending on which side is faster. One that answers nothing and hangs up may be
// anything: a server that is being restarted does so, too.
func watchClearText(tr *http.Transport) {
	dial := tr.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &clearTextConn{Conn: c}, nil
	}
}

// clearTextConn is a connection on which HTTP/2 is expected.
type clearTextConn struct {
	net.Conn
	reading  sync.Mutex // held while one reads; it guards what follows
	begin    []byte     // of the answer
	answered bool       // in HTTP/2
	refused  error      // [ErrNotHTTP2], once the answer was anything else
}

func (c *clearTextConn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	return c.read(p)
}

func (c *clearTextConn) read(p []byte) (int, error) {
	if c.refused != nil {
		return 0, c.refused
	}
	n, err := c.Conn.Read(p)
	if n > 0 && !c.answered {
		c.begin = append(c.begin, p[:min(n, frameHeader-len(c.begin))]...)
		if !mayBeSettings(c.begin) {
			c.refused = fmt.Errorf("%w: it answered %.20q", ErrNotHTTP2, p[:n])
			return 0, c.refused
		}
		c.answered = len(c.begin) == frameHeader
	}
	return n, err
}

// Write fails as the answer does, if there is one: a server of HTTP/1.1 says
// so and hangs up, and who writes may notice the second before anybody has
// read the first.
func (c *clearTextConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		if refused := c.lastWords(); refused != nil {
			return n, refused
		}
	}
	return n, err
}

// lastWords reads what the peer of a connection that cannot be written to has
// said before, and returns an error if it was not HTTP/2.
func (c *clearTextConn) lastWords() error {
	// Nobody can use the connection any more, so that nobody misses what is
	// read here, and a reader that waits may be woken.
	c.Conn.SetReadDeadline(time.Now().Add(lastWordsTimeout))
	c.reading.Lock()
	defer c.reading.Unlock()
	var p [64]byte
	for !c.answered && c.refused == nil {
		if _, err := c.read(p[:]); err != nil {
			break
		}
	}
	return c.refused
}

// lastWordsTimeout bounds the reading of what must have arrived already.
const lastWordsTimeout = 50 * time.Millisecond

// frameHeader is the length of an HTTP/2 frame's header (RFC 9113, section 4.1).
const frameHeader = 9

// mayBeSettings reports whether a server's answer that begins so may be HTTP/2,
// where it begins with a SETTINGS frame (RFC 9113, section 3.4): type 4, not an
// acknowledgement, on stream 0, and not longer than 16 KiB.
func mayBeSettings(begin []byte) bool {
	for i, b := range begin {
		switch {
		case i == 0 && b != 0, i == 1 && b > 0x40, i == 3 && b != 4, i == 4 && b&1 != 0, i > 4 && b != 0:
			return false
		}
	}
	return true
}
