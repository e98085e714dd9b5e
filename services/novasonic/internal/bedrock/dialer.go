package bedrock

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/smithy-go/auth"
)

// Options tunes an [SDKDialer]. The zero value is good for a service.
type Options struct {
	// Transport is what connections are made with, nil for that of the
	// configuration's HTTP client, which carries AWS_CA_BUNDLE. It is copied,
	// and its protocols, timeouts and HTTP/2 settings are set as streams need
	// them.
	Transport *http.Transport

	// CredentialsTimeout bounds how long credentials are waited for: 10 s if
	// zero. Without credentials the default chain ends with a question to the
	// instance's metadata service, which on other machines takes seconds to
	// fail.
	CredentialsTimeout time.Duration

	// PingInterval is how long a connection may be silent before the peer is
	// asked for a sign of life: 5 s if zero. PingTimeout is how long it has
	// for that: 3 s if zero. Together they bound how long a dead connection
	// goes unnoticed.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// ConnectTimeout bounds how long a TCP connection may take, and as long
	// again the TLS handshake: 5 s if zero. All streams that need the
	// connection wait for the same attempt; the next one may fare better.
	ConnectTimeout time.Duration

	// Lanes is into how many shares the connections are divided: 1 if zero.
	// See [SDKDialer.Lane].
	Lanes int

	// MaxEventBytes bounds one incoming event: 1 MiB if zero, which is half a
	// minute of speech. A larger one ends the stream.
	MaxEventBytes int

	// without turns guards off, so that tests can show what they are for.
	without guards
}

// receiveBuffer bounds what the transport holds of one stream that is not
// being read. 1 MiB is about 12 s of 24 kHz speech, twice encoded in base64;
// net/http's own 4 MiB would be 48 s of it.
const receiveBuffer = 1 << 20

// SDKDialer opens streams with the AWS SDK. All streams of a lane share its
// connections. It may be used by several goroutines at once.
type SDKDialer struct {
	client   *bedrockruntime.Client
	lanes    []*lane
	warmth   warmth
	options  Options
	region   string
	endpoint string

	last atomic.Pointer[aws.Credentials] // that could be had
}

// NewDialer returns a dialer for the region, credentials and endpoint of cfg,
// usually that of config.LoadDefaultConfig. It fails if they cannot be right.
// No connection is made yet.
//
// Bearer tokens (AWS_BEARER_TOKEN_BEDROCK) are not used even if set: the
// service refuses them on this operation.
func NewDialer(cfg aws.Config, o Options) (*SDKDialer, error) {
	o.CredentialsTimeout = orDefault(o.CredentialsTimeout, 10*time.Second)
	o.PingInterval = orDefault(o.PingInterval, 5*time.Second)
	o.PingTimeout = orDefault(o.PingTimeout, 3*time.Second)
	o.ConnectTimeout = orDefault(o.ConnectTimeout, 5*time.Second)
	o.Lanes = orDefault(o.Lanes, 1)
	o.MaxEventBytes = orDefault(o.MaxEventBytes, 1<<20)

	d := &SDKDialer{options: o, region: cfg.Region}
	if cfg.Region == "" {
		return nil, d.fail("configure the client", "", ErrNoRegion)
	}
	probe := bedrockruntime.NewFromConfig(cfg)
	endpoint, err := resolveEndpoint(probe.Options())
	if err != nil {
		return nil, d.fail("configure the client", "", err)
	}
	d.endpoint = endpoint.String()
	for range o.Lanes {
		tr, err := newTransport(cfg.HTTPClient, endpoint, o)
		if err != nil {
			return nil, d.fail("configure the client", "", err)
		}
		d.lanes = append(d.lanes, newLane(tr))
	}
	d.client = bedrockruntime.NewFromConfig(cfg, func(s *bedrockruntime.Options) {
		s.HTTPClient = d.lanes[0].client // each stream sets that of its lane
		s.AuthSchemePreference = []string{auth.SchemeIDSigV4}
	})
	return d, nil
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Endpoint returns the URL that streams are opened at.
func (d *SDKDialer) Endpoint() string { return d.endpoint }

// Region returns the region that requests are signed for.
func (d *SDKDialer) Region() string { return d.region }

// CloseIdleConnections closes the connections that no stream uses, and keeps
// none warm until another stream is opened. They close by themselves when there
// was no stream for the transport's idle timeout, 90 s by default.
func (d *SDKDialer) CloseIdleConnections() {
	d.warmth.cool()
	for _, l := range d.lanes {
		l.transport.CloseIdleConnections()
	}
}

// Dial implements [Dialer]. It uses the first lane.
func (d *SDKDialer) Dial(ctx context.Context, model string) (Stream, error) {
	return d.Lane(0).Dial(ctx, model)
}

func (d *SDKDialer) dial(ctx context.Context, l *lane, model string) (*sdkStream, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if model == "" {
		return nil, errNoModel
	}
	creds, err := d.retrieve(ctx)
	if err != nil {
		return nil, err
	}
	s := newStream(d, l, model, creds.Expires)
	if !creds.CanExpire {
		s.expires = time.Time{}
	}
	// The stream's own context: it ends when the stream does.
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	s.events, err = openGuarded(ctx, s, creds)
	if err != nil {
		s.cancel(err)
		return nil, err
	}
	return s, nil
}

// renewWithin is the life that credentials must have left to open a stream with
// which is to last eight minutes.
const renewWithin = 10 * time.Minute

// freshest returns the provider's credentials, newer ones than those that it has
// cached if they would end before the stream: a cache gives out what it has to
// the last second. It returns the last ones, if they still hold, where the
// provider fails.
func (d *SDKDialer) freshest(ctx context.Context, provider aws.CredentialsProvider) (aws.Credentials, error) {
	creds, err := provider.Retrieve(ctx)
	if err != nil {
		if last := d.last.Load(); last != nil && !last.Expired() {
			return *last, nil
		}
		return creds, err
	}
	if cache, ok := provider.(*aws.CredentialsCache); ok && creds.CanExpire && time.Until(creds.Expires) < renewWithin {
		cache.Invalidate()
		if newer, err := provider.Retrieve(ctx); err == nil && newer.Expires.After(creds.Expires) {
			creds = newer
		}
	}
	d.last.Store(&creds)
	return creds, nil
}

var errNoModel = errors.New("no model id")

// retrieve gets credentials before the SDK asks for them: a failure inside the
// SDK's call makes it hang (guardEarlyFailure). They are then frozen for the stream, as
// its signatures are chained to the first one.
func (d *SDKDialer) retrieve(ctx context.Context) (aws.Credentials, error) {
	provider := d.client.Options().Credentials
	if provider == nil || aws.IsCredentialsProvider(provider, (*aws.AnonymousCredentials)(nil)) {
		return aws.Credentials{}, ErrNoCredentials
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.options.CredentialsTimeout,
		fmt.Errorf("%w: no provider answered within %v", ErrNoCredentials, d.options.CredentialsTimeout))
	defer cancel()

	type result struct {
		creds aws.Credentials
		err   error
	}
	// A provider is the user's code, and may not observe ctx.
	done := make(chan result, 1)
	go func() {
		creds, err := d.freshest(ctx, provider)
		done <- result{creds, err}
	}()
	select {
	case <-ctx.Done():
		return aws.Credentials{}, context.Cause(ctx)
	case r := <-done:
		switch {
		case ctx.Err() != nil && r.err != nil:
			return aws.Credentials{}, context.Cause(ctx)
		case r.err != nil:
			return aws.Credentials{}, fmt.Errorf("%w: %w", ErrNoCredentials, r.err)
		case !r.creds.HasKeys():
			return aws.Credentials{}, ErrNoCredentials
		case r.creds.Expired():
			return aws.Credentials{}, fmt.Errorf("%w at %s", ErrCredentialsExpired, r.creds.Expires.UTC().Format(time.RFC3339))
		}
		return r.creds, nil
	}
}
