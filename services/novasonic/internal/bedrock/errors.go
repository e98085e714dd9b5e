package bedrock

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Error is a failure of a stream: what failed, where, and how to mend it, in
// one line.
type Error struct {
	Op       string // what was being done: "open stream", "receive from stream"
	Model    string // the model asked for; may be empty
	Region   string // that requests are signed for; may be empty
	Endpoint string // the URL; may be empty
	Verdict  Verdict
	Err      error // never nil
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Model != "" {
		b.WriteString(" to ")
		b.WriteString(e.Model)
	}
	if e.Endpoint != "" {
		b.WriteString(" at ")
		b.WriteString(e.Endpoint)
	}
	if e.Region != "" {
		b.WriteString(" (")
		b.WriteString(e.Region)
		b.WriteString(")")
	}
	b.WriteString(": ")
	b.WriteString(oneLine(e.Err))
	if e.Verdict.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Verdict.Hint)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// oneLine says what err is about. The SDK's errors repeat the operation, the
// URL and the request id in their layers; what matters is what the service or
// the network said.
func oneLine(err error) string {
	text := err.Error()
	var api smithy.APIError
	var send *smithyhttp.RequestSendError
	var net *url.Error
	switch {
	case errors.Is(err, ErrNoCredentials):
		// Where they were looked for is in the layers. What failed there is not
		// what the stream was to be opened at.
	case errors.As(err, &net):
		text = net.Err.Error()
	case errors.As(err, &send):
		text = send.Err.Error()
	case errors.As(err, &api):
		text = api.ErrorCode() + ": " + api.ErrorMessage()
		var resp *awshttp.ResponseError
		if errors.As(err, &resp) && resp.ServiceRequestID() != "" {
			text += " (request " + resp.ServiceRequestID() + ")"
		}
	}
	const most = 500
	text = strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ".")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// fail wraps err with what is known of where it happened.
func (d *SDKDialer) fail(op, model string, err error) error {
	verdict := Classify(err)
	if errors.Is(err, io.EOF) {
		// A connection that was closed before it was one, say in TLS's handshake. EOF is
		// the end of a stream in good order to those who receive from it.
		err = fmt.Errorf("%w: it was closed before anything came", ErrConnectionLost)
	}
	return &Error{Op: op, Model: model, Region: d.region, Endpoint: d.endpoint, Verdict: verdict, Err: err}
}
