package bedrock

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/parley-go/parley/frames"
)

// Classify says what err, from any method of a stream or dialer, means. An
// error that it does not know is given up on, as class unknown; so is nil.
func Classify(err error) Verdict {
	if err == nil {
		return Verdict{}
	}
	var known *Error
	if errors.As(err, &known) {
		return known.Verdict
	}
	for _, classify := range []func(error) (Verdict, bool){ours, endpointError, serviceError, statusError, transportError} {
		if v, ok := classify(err); ok {
			return v
		}
	}
	return Verdict{}
}

// ours classifies the errors of this package, and those of contexts.
func ours(err error) (Verdict, bool) {
	for _, k := range []struct {
		err     error
		verdict Verdict
	}{
		{ErrAborted, Verdict{frames.ErrorUnknown, ReasonAborted, GiveUp, ""}},
		{ErrCredentialsExpired, Verdict{frames.ErrorAuthentication, ReasonCredentialsExpired, FixAndRetry, "renew them, for instance with aws sso login"}},
		{ErrNoCredentials, Verdict{frames.ErrorAuthentication, ReasonNoCredentials, GiveUp, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or run aws sso login (a Bedrock API key does not do: this operation refuses bearer tokens)"}},
		{ErrNoRegion, Verdict{frames.ErrorInvalidRequest, ReasonEndpoint, GiveUp, "set AWS_REGION to one that has the model, such as us-east-1"}},
		{errNoModel, Verdict{frames.ErrorInvalidRequest, ReasonModel, GiveUp, "name one, such as amazon.nova-2-sonic-v1:0"}},
		{ErrNotHTTP2, notHTTP2},
		{ErrProxyRefused, Verdict{frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "allow CONNECT to the endpoint on the proxy, or name the endpoint's host in NO_PROXY"}},
		{ErrUnexpectedEnd, Verdict{frames.ErrorConnectivity, ReasonUnexpectedEnd, Retry, ""}},
		{ErrTruncated, Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, ""}},
		{ErrConnectionLost, Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, ""}},
		{ErrEventTooLarge, Verdict{frames.ErrorServer, ReasonCorrupt, Retry, ""}},
		{ErrEnded, Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, ""}},
		{context.Canceled, Verdict{frames.ErrorUnknown, ReasonAborted, GiveUp, ""}},
		{context.DeadlineExceeded, Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, ""}},
	} {
		if errors.Is(err, k.err) {
			if k.err == ErrProxyRefused && strings.Contains(err.Error(), " answered 407 ") {
				return proxyUser, true
			}
			return k.verdict, true
		}
	}
	return Verdict{}, false
}

// endpointError classifies what the SDK says of an endpoint whose URL cannot be made.
// Its errors are texts: one has the URL in it, which is made of the region if nobody
// has named another.
func endpointError(err error) (Verdict, bool) {
	text := err.Error()
	if !strings.HasPrefix(text, "resolve endpoint: ") {
		return Verdict{}, false
	}
	hint := "check AWS_ENDPOINT_URL_BEDROCK_RUNTIME and AWS_ENDPOINT_URL: an endpoint is written like https://HOST:PORT; without them it is that of AWS_REGION"
	if strings.Contains(text, "//bedrock-runtime") {
		hint = "check AWS_REGION: a region is written like us-east-1"
	}
	return Verdict{frames.ErrorInvalidRequest, ReasonEndpoint, GiveUp, hint}, true
}

var notHTTP2 = Verdict{frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "check the endpoint's URL, and let the host bypass proxies that inspect TLS (NO_PROXY)"}

// serviceError classifies what the service said, in an exception on the
// stream or before it.
func serviceError(err error) (Verdict, bool) {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return Verdict{}, false
	}
	code, text := api.ErrorCode(), strings.ToLower(api.ErrorMessage())
	for _, e := range catalogue {
		// Codes on the stream begin with a small letter where the SDK does
		// not know them.
		if (e.code == "" || strings.EqualFold(e.code, code)) && strings.Contains(text, e.text) {
			return e.verdict, true
		}
	}
	if v, ok := statusError(err); ok {
		return v, true
	}
	return Verdict{}, false
}

// statusError classifies an answer that only has a status: that of a proxy or
// load balancer more often than not.
func statusError(err error) (Verdict, bool) {
	var status int
	var resp *awshttp.ResponseError
	var plain *smithyhttp.ResponseError
	switch {
	case errors.As(err, &resp):
		status = resp.HTTPStatusCode()
	case errors.As(err, &plain):
		status = plain.HTTPStatusCode()
	}
	for _, e := range statuses {
		if e.status == status {
			return e.verdict, true
		}
	}
	switch {
	case status >= 500:
		return Verdict{frames.ErrorServer, ReasonServer, Retry, ""}, true
	case status >= 400:
		return Verdict{frames.ErrorInvalidRequest, ReasonProtocol, GiveUp, ""}, true
	case status >= 300:
		return Verdict{frames.ErrorInvalidRequest, ReasonEndpoint, GiveUp, "check the endpoint's URL"}, true
	}
	return Verdict{}, false
}

// transportError classifies what came from the network, TLS or HTTP/2.
func transportError(err error) (Verdict, bool) {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknownCA x509.UnknownAuthorityError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	var netErr net.Error
	var op *net.OpError
	text := err.Error()
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect": // net/http's name for it
		v := Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, "that is the proxy that HTTPS_PROXY names: check its address, or name the endpoint's host in NO_PROXY"}
		if errors.As(err, &dns) && dns.IsNotFound {
			v.Reason, v.Action = ReasonEndpoint, GiveUp
		}
		return v, true
	case errors.As(err, &dns) && dns.IsNotFound:
		return Verdict{frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "check the region and the endpoint's URL, and that this machine's network and name server work: Nova Sonic is in us-east-1, us-west-2, eu-north-1 and ap-northeast-1"}, true
	case errors.As(err, &dns):
		return Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, "check that this machine's network and name server work"}, true
	case strings.Contains(text, "operation requires minimum HTTP protocol of HTTP/2"): // the SDK says so, once it has an answer
		return notHTTP2, true
	case errors.As(err, &cert), errors.As(err, &unknownCA), errors.As(err, &host):
		return Verdict{frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "if a proxy or the emulator signs with its own authority, name its certificate file in AWS_CA_BUNDLE"}, true
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return Verdict{frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "the endpoint does not speak TLS: check whether its URL should begin with http://"}, true
	case errors.Is(err, syscall.ECONNREFUSED):
		return Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, "check that something listens at the endpoint, and the endpoint's URL"}, true
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, cutHint}, true
	case errors.As(err, &netErr), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		strings.Contains(text, "http2: "), strings.Contains(text, "stream error: "), strings.Contains(text, "connection error: "):
		return Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, ""}, true
	// After the network: what the network did to a response is inside the
	// decoder's error.
	case strings.Contains(text, "checksum mismatch"), strings.Contains(text, "decode event"), strings.Contains(text, "deserialize event"), strings.Contains(text, "unknown event stream message type"):
		return Verdict{frames.ErrorServer, ReasonCorrupt, Retry, ""}, true
	}
	return Verdict{}, false
}
