package bedrock

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/parley-go/parley/frames"
)

func TestHowAStreamEndsIsTold(t *testing.T) {
	damaged := chunkFrame([]byte(`{"event":{}}`))
	damaged[len(damaged)-1] ^= 1
	tooLong := binary.BigEndian.AppendUint32(nil, 2<<20)
	tooShort := binary.BigEndian.AppendUint32(nil, 3)

	for _, c := range []struct {
		name   string
		end    func(*session)
		class  frames.ErrorClass
		reason Reason
		action Action
		says   string
	}{
		{"the service stops without a word", func(s *session) {}, frames.ErrorConnectivity, ReasonUnexpectedEnd, Retry, "without being asked"},
		{"eight minutes are over", throws("modelTimeoutException", "Model has timed out in processing the request. Try your request again."), frames.ErrorServer, ReasonLifetime, Retry, "Model has timed out"},
		{"idle", throws("validationException", "RequestId=abc : InternalErrorCode=532::Timed out waiting for audio bytes or interactive content. Please ensure gaps between audio bytes and interactive content are less than 55 seconds."), frames.ErrorConnectivity, ReasonIdle, Retry, "feed the stream"},
		{"reset inside the service", throws("validationException", "InternalErrorCode=531::RST_STREAM closed stream. HTTP/2 error code: NO_ERROR"), frames.ErrorServer, ReasonServerReset, Retry, "531"},
		{"unstable", throws("validationException", "System instability detected. Please retry your request."), frames.ErrorServer, ReasonServerReset, Retry, "instability"},
		{"model stream error", throws("modelStreamErrorException", "The system encountered an unexpected error during processing. Try your request again."), frames.ErrorServer, ReasonServer, Retry, "unexpected error"},
		{"an exception nobody knows", throws("teapotException", "short and stout"), frames.ErrorUnknown, ReasonUnknown, GiveUp, "teapotException: short and stout"},
		{"an exception that the SDK does not know", throws("accessDeniedException", "You don't have access to the model"), frames.ErrorAuthentication, ReasonAccess, GiveUp, "bedrock:InvokeModel"},
		{"an error message", func(s *session) {
			s.raw(message("", ":message-type", "error", ":error-code", "InternalFailure", ":error-message", "oh"))
		}, frames.ErrorServer, ReasonServer, Retry, "InternalFailure: oh"},
		{"a message of a new kind", func(s *session) {
			s.raw(message("", ":message-type", "novelty"))
		}, frames.ErrorServer, ReasonCorrupt, Retry, "novelty"},
		{"reset stream", (*session).reset, frames.ErrorConnectivity, ReasonConnection, Retry, "INTERNAL_ERROR"},
		{"wrong checksum", func(s *session) { s.raw(damaged) }, frames.ErrorServer, ReasonCorrupt, Retry, "checksum"},
		{"frame beyond the limit", func(s *session) { s.raw(tooLong); untilGone(s) }, frames.ErrorServer, ReasonCorrupt, Retry, "2097152 bytes, the limit is 1048576"},
		{"frame shorter than its frame", func(s *session) { s.raw(append(tooShort, make([]byte, 20)...)); untilGone(s) }, frames.ErrorServer, ReasonCorrupt, Retry, ""},
		{"lost connection", (*session).hangUp, frames.ErrorConnectivity, ReasonConnection, Retry, ""},
		{"exception, and the stream is left open", func(s *session) {
			s.raw(exceptionFrame("throttlingException", "Too many requests"))
			untilGone(s)
		}, frames.ErrorRateLimit, ReasonThrottled, Retry, "fewer streams"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, s := open(t, after(1, c.end))
			exchange(t, s, "hello")
			p.cut <- struct{}{}
			err := ending(t, s)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%T %v is not an *Error", err, err)
			}
			if e.Verdict.Class != c.class || e.Verdict.Reason != c.reason || e.Verdict.Action != c.action {
				t.Errorf("%v\nclassified as %v, %v, %v; want %v, %v, %v", err, e.Verdict.Class, e.Verdict.Reason, e.Verdict.Action, c.class, c.reason, c.action)
			}
			text := err.Error()
			if !strings.Contains(text, c.says) || !strings.Contains(text, testModel) || !strings.Contains(text, "https://127.0.0.1") || strings.Contains(text, "\n") {
				t.Errorf("%q should be one line that says %q, where, and about which model", text, c.says)
			}
			// The reason stays, and the service is let go.
			if again := ending(t, s); again != err {
				t.Errorf("then it ended with %v", again)
			}
			if sent := s.Send(deadline(t), []byte("more")); !errors.Is(sent, ErrEnded) {
				t.Errorf("Send after the end: %v, want ErrEnded", sent)
			}
			if closed := s.Close(deadline(t)); closed == nil {
				t.Error("Close called the end orderly")
			}
			waitUntil(t, "the service still holds the stream", func() bool { return p.open.Load() == 0 })
		})
	}
}

func throws(name, text string) func(*session) {
	return func(s *session) { s.raw(exceptionFrame(name, text)) }
}

// waitUntil polls: what the far side of a socket does cannot be waited for.
func waitUntil(t *testing.T, otherwise string, done func() bool) {
	t.Helper()
	for range 200 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error(otherwise)
}

func TestARefusalIsToldThoughEventsAreOnTheirWay(t *testing.T) {
	p := &peer{answer: func(w http.ResponseWriter, r *http.Request) bool {
		refuse(w, 403, "AccessDeniedException", "You don't have access to the model with the specified model ID.")
		return true
	}}
	d := dialerFor(t, p.start(t))
	for range 200 {
		s := dial(t, d)
		sending := make(chan struct{})
		go func() {
			defer close(sending)
			for s.Send(context.Background(), []byte("hello")) == nil {
			}
		}()
		if err := ending(t, s); Classify(err).Reason != ReasonAccess {
			t.Fatal(err)
		}
		<-sending
	}
}

func TestRefusedStreamSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name          string
		status        int
		code, message string
		class         frames.ErrorClass
		reason        Reason
		action        Action
		says          string
	}{
		{"no access", 403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", frames.ErrorAuthentication, ReasonAccess, GiveUp, "bedrock:InvokeModel"},
		{"expired token", 403, "ExpiredTokenException", "The security token included in the request is expired", frames.ErrorAuthentication, ReasonCredentialsExpired, FixAndRetry, "renew"},
		{"unknown key", 403, "UnrecognizedClientException", "The security token included in the request is invalid.", frames.ErrorAuthentication, ReasonCredentials, GiveUp, "AWS_ACCESS_KEY_ID"},
		{"wrong secret", 403, "InvalidSignatureException", "The request signature we calculated does not match", frames.ErrorAuthentication, ReasonCredentials, GiveUp, "AWS_SECRET_ACCESS_KEY"},
		{"wrong clock", 403, "InvalidSignatureException", "Signature expired: 20261120T000000Z is now earlier than 20261120T001000Z", frames.ErrorAuthentication, ReasonClock, FixAndRetry, "clock"},
		{"model unknown here", 404, "ResourceNotFoundException", "Could not resolve the foundation model", frames.ErrorInvalidRequest, ReasonModel, GiveUp, "us-west-2"},
		{"model unknown", 400, "ValidationException", "The provided model identifier is invalid.", frames.ErrorInvalidRequest, ReasonModel, GiveUp, "model id"},
		{"not Bedrock", 404, "UnknownOperationException", "no such operation", frames.ErrorInvalidRequest, ReasonEndpoint, GiveUp, "bedrock-runtime"},
		{"throttled", 429, "ThrottlingException", "Too many requests, please wait before trying again.", frames.ErrorRateLimit, ReasonThrottled, Retry, "Too many"},
		{"tokens of the day", 429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", frames.ErrorQuota, ReasonQuota, GiveUp, "tomorrow"},
		{"quota", 400, "ServiceQuotaExceededException", "Too many concurrent streams", frames.ErrorQuota, ReasonQuota, FixAndRetry, "close other streams"},
		{"model not ready", 429, "ModelNotReadyException", "The model is not ready", frames.ErrorServer, ReasonNotReady, Retry, "not ready"},
		{"unavailable", 503, "ServiceUnavailableException", "try later", frames.ErrorServer, ReasonServer, Retry, "try later"},
		{"a gateway, wordless", 502, "", "", frames.ErrorServer, ReasonServer, Retry, ""},
		{"forbidden, wordless", 403, "", "", frames.ErrorAuthentication, ReasonAccess, GiveUp, "proxy"},
		{"HTTP version", 505, "", "", frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "NO_PROXY"},
		{"a long story", 503, "ServiceUnavailableException", strings.Repeat("sorry ", 100_000), frames.ErrorServer, ReasonServer, Retry, ""},
		{"redirect", 301, "", "", frames.ErrorInvalidRequest, ReasonEndpoint, GiveUp, "URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &peer{answer: func(w http.ResponseWriter, r *http.Request) bool {
				refuse(w, c.status, c.code, c.message)
				return true
			}}
			s := dial(t, dialerFor(t, p.start(t)))
			for range 3 { // a client that talks on before it has listened
				s.Send(deadline(t), []byte("hello"))
			}
			err := ending(t, s)
			v := Classify(err)
			if v.Class != c.class || v.Reason != c.reason || v.Action != c.action {
				t.Errorf("%v\nclassified as %v, %v, %v; want %v, %v, %v", err, v.Class, v.Reason, v.Action, c.class, c.reason, c.action)
			}
			if text := err.Error(); !strings.Contains(text, c.says) || strings.Contains(text, "\n") || len(text) > 700 {
				t.Errorf("%q should be one line that says %q", text, c.says)
			}
			select {
			case <-s.Accepted():
				t.Error("a refused stream counts as accepted")
			default:
			}
		})
	}
}

func TestCloseWaitsForTheServiceToFinish(t *testing.T) {
	var ended error
	done := make(chan struct{})
	_, s := open(t, func(s *session) {
		defer close(done)
		for {
			event, err := s.recv()
			if err != nil {
				ended = err
				break
			}
			s.send(event)
		}
		s.send([]byte("completionEnd")) // what comes after the half-close
	})
	exchange(t, s, "hello")
	if err := s.Send(deadline(t), []byte("sessionEnd")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(deadline(t)); err != nil {
		t.Errorf("close: %v", err)
	}
	<-done
	if ended != io.EOF {
		t.Errorf("the service saw %v, want an orderly end", ended)
	}
}

func TestEventsAfterTheHalfCloseAreReceived(t *testing.T) {
	_, s := open(t, func(s *session) {
		untilHalfClose(s)
		s.send([]byte("usageEvent"))
		s.send([]byte("completionEnd"))
	})
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"usageEvent", "completionEnd"} {
		if got, err := s.Recv(deadline(t)); err != nil || string(got) != want {
			t.Fatalf("received %q, %v; want %q", got, err, want)
		}
	}
	if _, err := s.Recv(deadline(t)); err != io.EOF {
		t.Errorf("then %v, want io.EOF", err)
	}
	if err := s.Close(deadline(t)); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestCloseGivesUpOnAServiceThatDoesNotFinish(t *testing.T) {
	p, s := open(t, untilGone)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v, want the deadline", err)
	}
	waitUntil(t, "the service still holds the stream", func() bool { return p.open.Load() == 0 })
}

func TestAbortWinsOverEverything(t *testing.T) {
	errWhy := errors.New("the caller hung up")
	_, s := open(t, untilGone)
	received := make(chan error, 1)
	go func() {
		_, err := s.Recv(context.Background())
		received <- err
	}()
	s.Abort(errWhy)
	s.Abort(errors.New("later"))
	if err := <-received; !errors.Is(err, ErrAborted) || !errors.Is(err, errWhy) {
		t.Errorf("Recv: %v", err)
	}
	if err := s.Send(deadline(t), []byte("x")); !errors.Is(err, errWhy) {
		t.Errorf("Send: %v", err)
	}
	if err := s.CloseSend(); !errors.Is(err, ErrEnded) {
		t.Errorf("CloseSend: %v", err)
	}
	if err := s.Close(deadline(t)); !errors.Is(err, errWhy) {
		t.Errorf("Close: %v", err)
	}
}

func TestSendObservesItsContextWhenThePeerStopsReading(t *testing.T) {
	_, s := open(t, untilGone)
	event := []byte(strings.Repeat("a", 8<<10))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var err error
	for range 1000 {
		if err = s.Send(ctx, event); err != nil {
			break
		}
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Send into a full window: %v, want the deadline", err)
	}
	blocked := make(chan error, 1)
	go func() { blocked <- s.Send(context.Background(), event) }()
	s.Abort(nil)
	if err := <-blocked; !errors.Is(err, ErrAborted) {
		t.Errorf("Send that waited at the abort: %v", err)
	}
}

func TestRecvObservesItsContextAndTheStreamGoesOn(t *testing.T) {
	_, s := open(t, echo)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Recv(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv: %v", err)
	}
	exchange(t, s, "hello")
}

func TestStreamOutlivesTheContextThatOpenedIt(t *testing.T) {
	p := &peer{script: echo}
	d := dialerFor(t, p.start(t))
	ctx, cancel := context.WithCancel(t.Context())
	s, err := d.Dial(ctx, testModel)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abort(nil)
	cancel()
	exchange(t, s, "hello")
}

// Logging bodies makes the SDK read them to their end before it goes on.
func TestLoggingOfBodiesDoesNotHoldUpTheStream(t *testing.T) {
	p := &peer{script: echo}
	s := dial(t, dialerFor(t, p.start(t), func(c *aws.Config, _ *Options) {
		c.ClientLogMode = aws.LogRequestWithBody | aws.LogResponseWithBody | aws.LogSigning
		c.Logger = logging.Nop{}
	}))
	exchange(t, s, "hello")
	if err := s.Close(deadline(t)); err != nil {
		t.Error(err)
	}
}

// A middleware that wraps the response keeps it from being decoded here.
func TestWrappedResponseGoesThroughTheSDK(t *testing.T) {
	wraps := func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("wrap", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, md, err := next.HandleDeserialize(ctx, in)
			if resp, ok := out.RawResponse.(*smithyhttp.Response); ok {
				resp.Body = struct{ io.ReadCloser }{resp.Body}
			}
			return out, md, err
		}), middleware.After)
	}
	for name, c := range map[string]struct {
		script func(*session)
		ends   func(error) bool
	}{
		"to an orderly end":    {echo, func(err error) bool { return err == io.EOF }},
		"to an exception":      {after(1, throws("modelTimeoutException", "over")), func(err error) bool { return Classify(err).Reason == ReasonLifetime }},
		"to a lost connection": {after(1, (*session).hangUp), func(err error) bool { return Classify(err).Reason == ReasonConnection }},
	} {
		t.Run(name, func(t *testing.T) {
			p := &peer{script: c.script}
			s := dial(t, dialerFor(t, p.start(t), func(c *aws.Config, _ *Options) { c.APIOptions = append(c.APIOptions, wraps) }))
			exchange(t, s, "hello")
			s.CloseSend()
			p.cut <- struct{}{}
			if err := ending(t, s); !c.ends(err) {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestEventMayBeReusedAfterSend(t *testing.T) {
	_, s := open(t, echo)
	buf := []byte("first")
	if err := s.Send(deadline(t), buf); err != nil {
		t.Fatal(err)
	}
	copy(buf, "XXXXX")
	if got, err := s.Recv(deadline(t)); err != nil || string(got) != "first" {
		t.Errorf("received %q, %v", got, err)
	}
}

func TestExceptionIsTyped(t *testing.T) {
	_, s := open(t, after(1, throws("modelTimeoutException", "over")))
	exchange(t, s, "hello")
	var timeout *types.ModelTimeoutException
	if err := ending(t, s); !errors.As(err, &timeout) {
		t.Errorf("%v", err)
	}
}

func TestNewStreamGetsANewConnectionAfterALoss(t *testing.T) {
	p := &peer{script: after(1, (*session).hangUp)}
	d := dialerFor(t, p.start(t))
	for range 3 {
		s := dial(t, d)
		exchange(t, s, "hello")
		p.cut <- struct{}{}
		ending(t, s)
	}
	if n := p.conns.Load(); n != 3 {
		t.Errorf("%d connections for three streams that each lost theirs", n)
	}
}

// A connection that takes no new streams must not keep one from being opened
// elsewhere, while those that it has go on: a conversation moves just then.
func TestStreamOpensBesideAConnectionThatIsGoingAway(t *testing.T) {
	p := &peer{}
	p.script = func(s *session) {
		if p.requests.Load() == 1 {
			s.w.Header().Set("Connection", "close") // net/http's way to send GOAWAY
		}
		echo(s)
	}
	d := dialerFor(t, p.start(t))
	old := dial(t, d)
	exchange(t, old, "hello")
	exchange(t, old, "the GOAWAY came before this")
	successor := dial(t, d)
	exchange(t, successor, "hello")
	exchange(t, old, "still here")
	if n := p.conns.Load(); n != 2 {
		t.Errorf("%d connections, want the old and a new one", n)
	}
	for _, s := range []Stream{old, successor} {
		if err := s.Close(deadline(t)); err != nil {
			t.Error(err)
		}
	}
}

func TestManyStreamsShareFewConnections(t *testing.T) {
	p := &peer{script: echo}
	d := dialerFor(t, p.start(t))
	const n = 150 // the peer allows 100 on a connection
	streams := make([]*sdkStream, n)
	for i := range streams {
		streams[i] = dial(t, d)
	}
	for _, s := range streams {
		exchange(t, s, "hello")
	}
	if got := p.conns.Load(); got > 4 {
		t.Errorf("%d streams made %d connections", n, got)
	}
}
