package bedrock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/parley-go/parley/frames"
)

func TestNoEntryOfTheCatalogueHidesAnother(t *testing.T) {
	for _, e := range catalogue {
		code := e.code
		if code == "" {
			code = "ValidationException"
		}
		err := &smithy.GenericAPIError{Code: code, Message: "RequestId=abc : Error(s):\nError 1 : " + strings.ToUpper(e.text)}
		if got := Classify(fmt.Errorf("operation error: %w", err)); got != e.verdict {
			t.Errorf("%s %q: %v, want %v", e.code, e.text, got, e.verdict)
		}
		small := strings.ToLower(code[:1]) + code[1:]
		if got := Classify(&smithy.GenericAPIError{Code: small, Message: e.text}); got != e.verdict {
			t.Errorf("%s %q: %v, want %v", small, e.text, got, e.verdict)
		}
	}
}

// The texts as they were recorded, word for word.
func TestTextsOfTheServiceAreKnown(t *testing.T) {
	for text, want := range map[string]Reason{
		"RequestId=1 : InternalErrorCode=532::Timed out waiting for audio bytes or interactive content. Please ensure gaps between audio bytes and interactive content are less than 295 seconds.": ReasonIdle,
		"Timed out waiting for input events":                                                                        ReasonIdle,
		"InternalErrorCode=531::RST_STREAM closed stream. HTTP/2 error code: NO_ERROR":                              ReasonServerReset,
		"System instability detected. Please retry your request.":                                                   ReasonServerReset,
		"The system encountered an unexpected error during processing. Try your request again.":                     ReasonServer,
		"Invalid input request, please fix your input and try again.":                                               ReasonProtocol,
		"Unable to parse input chunk. Please check input format contains correct format.":                           ReasonProtocol,
		"Tool Response parsing error":                                                                               ReasonToolResult,
		"Tool result media type must be one of: [text/plain]":                                                       ReasonToolResult,
		"Duplicate SYSTEM content. SYSTEM content can only be provided once per prompt.":                            ReasonProtocol,
		"Duplicate prompt name: 1":                                                                                  ReasonProtocol,
		"No open content found for content name: 1":                                                                 ReasonProtocol,
		"Cannot end content [1] as no content data was received":                                                    ReasonProtocol,
		"All contents must be closed before ending prompt":                                                          ReasonProtocol,
		"Prompt [1] must have at least one audio content":                                                           ReasonProtocol,
		"No prompts were received in the sequence":                                                                  ReasonProtocol,
		"Received invalid id: 'Carlos'":                                                                             ReasonVoice,
		"Chat history is over max limit. Trim chat history and try again.":                                          ReasonHistory,
		"Chat history should be sent completely before streaming audio.":                                            ReasonHistory,
		"Malformed input request: #/toolConfig/tools/0/toolSpec/name: string [clock.now] does not match pattern ^[": ReasonTools,
		"This request has been blocked by our content filters.":                                                     ReasonContent,
		"The provided model identifier is invalid.":                                                                 ReasonModel,
		"something that nobody has recorded yet":                                                                    ReasonProtocol,
	} {
		if got := Classify(&smithy.GenericAPIError{Code: "ValidationException", Message: text}).Reason; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestVerdictsAgreeWithThemselves(t *testing.T) {
	var all []Verdict
	for _, e := range catalogue {
		all = append(all, e.verdict)
	}
	for _, e := range statuses {
		all = append(all, e.verdict)
	}
	for _, v := range all {
		if v.Class == frames.ErrorUnknown || v.Reason == ReasonUnknown {
			t.Errorf("%+v is in a table and says nothing", v)
		}
		if v.Class.Temporary() && v.Action == GiveUp && v.Reason != ReasonEndpoint {
			t.Errorf("%+v: what may pass is not given up on", v)
		}
		if v.Action == FixAndRetry && v.Hint == "" {
			t.Errorf("%+v: to be fixed, but how?", v)
		}
		if v.Class == frames.ErrorAuthentication && v.Action == Retry {
			t.Errorf("%+v: the same credentials will be refused again", v)
		}
	}
}

func TestEverythingHasAName(t *testing.T) {
	for r := ReasonUnknown; r <= ReasonAborted; r++ {
		if name := r.String(); name == "" || strings.HasPrefix(name, "reason(") {
			t.Errorf("reason %d is called %q", r, name)
		}
	}
	for a := GiveUp; a <= FixAndRetry; a++ {
		if name := a.String(); strings.HasPrefix(name, "action(") {
			t.Errorf("action %d is called %q", a, name)
		}
	}
	if got := (ReasonAborted + 1).String(); !strings.HasPrefix(got, "reason(") {
		t.Errorf("a reason that does not exist is called %q", got)
	}
}

func TestClassifyOfOtherErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		class  frames.ErrorClass
		action Action
	}{
		{errors.New("a mystery"), frames.ErrorUnknown, GiveUp},
		{nil, frames.ErrorUnknown, GiveUp},
		{context.Canceled, frames.ErrorUnknown, GiveUp},
		{context.DeadlineExceeded, frames.ErrorConnectivity, Retry},
		{fmt.Errorf("%w: %w", ErrAborted, ErrConnectionLost), frames.ErrorUnknown, GiveUp},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), frames.ErrorConnectivity, Retry},
		{&Error{Verdict: Verdict{Class: frames.ErrorQuota, Action: FixAndRetry}, Err: io.EOF}, frames.ErrorQuota, FixAndRetry},
	} {
		if got := Classify(c.err); got.Class != c.class || got.Action != c.action {
			t.Errorf("%v: %v, %v; want %v, %v", c.err, got.Class, got.Action, c.class, c.action)
		}
	}
}

func TestWhatIsWrongWithTheConfigurationNamesItsVariable(t *testing.T) {
	for _, c := range []struct {
		err    error
		action Action
		hint   string
	}{
		{errors.New("resolve endpoint: Failed to parse uri: https://bedrock-runtime.us east 1.amazonaws.com"), GiveUp, "AWS_REGION: a region is written like us-east-1"},
		{errors.New(`resolve endpoint: "garbage" is not an http or https URL`), GiveUp, "AWS_ENDPOINT_URL"},
		{errors.New("resolve endpoint: Failed to parse uri: http://a b"), GiveUp, "AWS_ENDPOINT_URL"},
		{&smithy.GenericAPIError{Code: "InvalidSignatureException", Message: "Credential should be scoped to a valid region. "}, GiveUp, "AWS_REGION"},
		{fmt.Errorf("%w: http://proxy:1 answered 407 Proxy Authentication Required", ErrProxyRefused), GiveUp, "USER:PASSWORD@"},
		{fmt.Errorf("%w: http://proxy:1 answered 403 Forbidden", ErrProxyRefused), GiveUp, "allow CONNECT"},
		{io.ErrUnexpectedEOF, Retry, "a proxy or a firewall has cut the connection"},
	} {
		if got := Classify(c.err); got.Action != c.action || !strings.Contains(got.Hint, c.hint) {
			t.Errorf("%v: %v, %q; want %v and %q", c.err, got.Action, got.Hint, c.action, c.hint)
		}
	}
}

func TestWhatTheNetworkLacksIsSaid(t *testing.T) {
	nobody := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	unknown := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
	mute := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}
	for _, c := range []struct {
		err    error
		action Action
		hint   string
	}{
		{nobody, Retry, "something listens at the endpoint"},
		{unknown, GiveUp, "network and name server"},
		{mute, Retry, "network and name server"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: nobody}, Retry, "HTTPS_PROXY"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: unknown}, GiveUp, "HTTPS_PROXY"},
	} {
		if got := Classify(fmt.Errorf("send: %w", c.err)); got.Action != c.action || !strings.Contains(got.Hint, c.hint) {
			t.Errorf("%v: %v, %q; want %v and %q", c.err, got.Action, got.Hint, c.action, c.hint)
		}
	}
}
