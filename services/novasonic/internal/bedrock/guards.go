package bedrock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync"
	"time"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/aws/smithy-go/transport/http/protocol/restjson1"
)

// guards is a set of corrections to the SDK's bidirectional streams, as they
// are in bedrockruntime v1.63.9 and smithy-go v1.28.7. Each one has tests of
// its own, and TestEveryGuardIsNeeded runs each of those without its guard, to
// say so when the SDK has been mended and the guard can go.
type guards uint16

const (
	// The SDK keeps one encoder and decoder of events for a whole client,
	// without a lock: streams that run at the same time corrupt each other,
	// and one conversation's events reach another (aws/smithy-go#714).
	// Each stream gets a protocol of its own.
	guardOwnCodec guards = 1 << iota

	// A call that fails before the request is sent never returns: it waits for
	// a result that only the last step of the middleware stack reports. The
	// stack's failure is caught, and its last step taken with the failure.
	guardEarlyFailure

	// The goroutine that copies the response waits for another response for
	// ever: it ranges over a channel that nobody closes. It is closed here,
	// through reflection as the field is private; should the field go, so
	// does the guard, quietly.
	guardReaderEnds

	// The request's body is a pipe wrapped in io.NopCloser, so that net/http
	// cannot interrupt an idle one: neither a cancelled context nor a lost
	// connection is noticed until the next Send, which then leaves the
	// writing goroutine behind. The body gets a Close that works, and
	// cancelling the stream closes the pipe.
	guardInterruptible

	// A connection lost, or a frame cut short, is taken for the stream's
	// orderly end. Frames are cut here, where it can be told which it was,
	// and their size is limited.
	guardTruncation

	// A retry makes a new pipe while the caller goes on writing to the old
	// one: the stream looks alive and carries nothing. Streams are retried by
	// opening another.
	guardNoRetry

	// When the service refuses a stream or ends it with an exception, an event
	// or a half-close that comes at that moment fails on the closed pipe; the
	// SDK then stops reading and reports that, not the exception. Once the
	// transport is done with the request, writing succeeds into nothing, so
	// that what the service said is read to its end.
	guardReadToEnd

	// Requests lack the Content-Type that the protocol prescribes.
	guardContentType

	// A successful call ends inside with "unexpected type of result": every
	// trace would show it as failed.
	guardSuccess

	// The SDK never closes the response, and a cancelled context does not wake
	// net/http where it waits for the peer to take more of the request: the
	// stream, ours and the service's, would stay until the peer does. Closing
	// the response wakes it.
	guardResponseClosed

	// A cancelled context leaves the SDK's own goroutines, and what is to be
	// written, waiting: only closing its stream ends them. It is closed with the
	// context, also where nobody waits for the call any more.
	guardStreamClosed

	everyGuard = guardStreamClosed<<1 - 1
)

// link is what the guards tell a stream.
type link struct {
	answered  signal // the transport has an answer, or failed
	failure   error  // why it failed; valid once answered
	accepted  signal // the service has answered 200
	read      signal // the SDK has read an answer other than that
	refusal   error  // what it says; valid once read
	request   signal // the transport is done with the request
	framed    signal // the response is cut into frames here, not by the SDK
	lastFrame signal // the response ended, and between two frames
}

// failed returns why the transport failed to get an answer, or what the service
// says that refuses the stream; nil if it serves it. It waits for that to be known,
// which is about to happen where the request was closed.
func (l *link) failed() error {
	soon := time.After(time.Second)
	select {
	case <-l.answered.c:
	case <-soon:
		return nil
	}
	if l.failure != nil || l.accepted.isSet() {
		return l.failure
	}
	select {
	case <-l.read.c:
		return l.refusal
	case <-soon:
		return nil
	}
}

// signal is something that happens once.
type signal struct {
	once sync.Once
	c    chan struct{} // closed when it has happened
}

func newSignal() signal { return signal{c: make(chan struct{})} }

func (s *signal) set() { s.once.Do(func() { close(s.c) }) }

func (s *signal) isSet() bool {
	select {
	case <-s.c:
		return true
	default:
		return false
	}
}

type eventStream = bedrockruntime.InvokeModelWithBidirectionalStreamEventStream

// openGuarded makes the SDK's call with every guard on. ctx bounds the call;
// the request lives as long as s.ctx.
func openGuarded(ctx context.Context, s *sdkStream, creds aws.Credentials) (*eventStream, error) {
	g := &guardedCall{stream: s, on: ^s.dialer.options.without, failed: make(chan error, 1)}
	type result struct {
		stream *eventStream
		err    error
	}
	returned := make(chan result, 1)
	go func() {
		out, err := s.dialer.client.InvokeModelWithBidirectionalStream(s.ctx,
			&bedrockruntime.InvokeModelWithBidirectionalStreamInput{ModelId: &s.model},
			func(o *bedrockruntime.Options) { g.configure(o, creds) })
		if err != nil {
			returned <- result{err: err}
			return
		}
		stream := out.GetStream()
		if g.has(guardStreamClosed) {
			context.AfterFunc(s.ctx, func() { stream.Close() })
		}
		returned <- result{stream: stream}
	}()
	select {
	case r := <-returned:
		select {
		case err := <-g.failed:
			return nil, err
		default:
		}
		return r.stream, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx) // the caller ends s.ctx, and with it the call
	}
}

// guardedCall is one call of the operation.
type guardedCall struct {
	stream *sdkStream
	on     guards
	failed chan error // the failure of a call that never came to sending

	reached bool  // the step that makes the SDK's call return
	sent    bool  // the request was handed to the transport
	err     error // what the transport and the service made of it
}

func (g *guardedCall) has(one guards) bool { return g.on&one != 0 }

func (g *guardedCall) configure(o *bedrockruntime.Options, creds aws.Credentials) {
	if g.has(guardOwnCodec) {
		o.Protocol = restjson1.New(nil)
	}
	o.Protocol = &streamProtocol{ClientProtocol: o.Protocol, call: g}
	if g.has(guardNoRetry) {
		o.Retryer = aws.NopRetryer{}
	}
	// Logging a body reads it to its end first, which is the conversation's.
	o.ClientLogMode &^= aws.LogRequestWithBody | aws.LogResponseWithBody
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
	o.HTTPClient = &guardedClient{HTTPClient: g.stream.lane.client, call: g}
	// APIOptions is shared with the client: append to a copy.
	o.APIOptions = append(o.APIOptions[:len(o.APIOptions):len(o.APIOptions)], g.addMiddleware)
}

func (g *guardedCall) addMiddleware(stack *middleware.Stack) error {
	return errors.Join(
		stack.Initialize.Add(middleware.InitializeMiddlewareFunc("parley:outcome", g.outcome(stack)), middleware.Before),
		// Inside the SDK's own first build step, which spoils the error.
		stack.Build.Insert(middleware.BuildMiddlewareFunc("parley:build", g.build), "EventStreamBuildMiddleware", middleware.After),
		stack.Deserialize.Insert(middleware.DeserializeMiddlewareFunc("parley:endReader", g.endReader(stack)), "OperationEventStreamDeserializer", middleware.Before),
		stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("parley:request", g.request), middleware.After),
	)
}

type (
	initializeFunc  = func(context.Context, middleware.InitializeInput, middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error)
	deserializeFunc = func(context.Context, middleware.DeserializeInput, middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error)
)

// outcome is the outermost step: it sees how the whole call ended.
func (g *guardedCall) outcome(stack *middleware.Stack) initializeFunc {
	return func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, md, err := next.HandleInitialize(ctx, in)
		switch {
		case err != nil && !g.reached && g.has(guardEarlyFailure):
			g.failed <- err
			finishCall(ctx, stack, err)
		case g.sent && g.err == nil && g.has(guardSuccess):
			err = nil
		}
		return out, md, err
	}
}

// finishCall takes the step that makes the SDK's call return, with a failure
// in place of the request.
func finishCall(ctx context.Context, stack *middleware.Stack, failure error) {
	last, ok := stack.Deserialize.Get("OperationEventStreamDeserializer")
	if !ok {
		return
	}
	fail := middleware.DeserializeHandlerFunc(func(context.Context, middleware.DeserializeInput) (middleware.DeserializeOutput, middleware.Metadata, error) {
		return middleware.DeserializeOutput{}, middleware.Metadata{}, failure
	})
	step := middleware.FinalizeHandlerFunc(func(ctx context.Context, in middleware.FinalizeInput) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
		_, md, err = last.HandleDeserialize(ctx, middleware.DeserializeInput(in), fail)
		closeResults(last)
		return out, md, err
	})
	// It wants a pipe in the context, which this step of the SDK makes.
	new(smithyhttp.InitializeStreamWriter).HandleFinalize(ctx, middleware.FinalizeInput{Request: smithyhttp.NewStackRequest()}, step)
}

func (g *guardedCall) build(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
	if req, ok := in.Request.(*smithyhttp.Request); ok && g.has(guardContentType) && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/vnd.amazon.eventstream")
	}
	out, md, err := next.HandleBuild(ctx, in)
	g.err = err
	if l := &g.stream.link; !l.accepted.isSet() {
		l.refusal = err
		l.read.set()
	}
	return out, md, err
}

// endReader runs around the step that starts the goroutine which reads the
// response, and makes the SDK's call return. By its end the response, or its
// failure, is in the channel; only a retry would put another there.
func (g *guardedCall) endReader(stack *middleware.Stack) deserializeFunc {
	return func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		g.reached = true
		out, md, err := next.HandleDeserialize(ctx, in)
		if step, ok := stack.Deserialize.Get("OperationEventStreamDeserializer"); ok && g.has(guardReaderEnds) && g.has(guardNoRetry) {
			closeResults(step)
		}
		return out, md, err
	}
}

// closeResults closes the private field asyncResult of the SDK's step.
func closeResults(step any) {
	v := reflect.ValueOf(step)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return
	}
	f := v.Elem().FieldByName("asyncResult")
	if !f.IsValid() || f.Kind() != reflect.Chan || f.IsNil() {
		return
	}
	reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Close()
}

type bodyKey struct{}

// request is the innermost step: the request is complete, and goes out next.
func (g *guardedCall) request(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	g.sent = true
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleDeserialize(ctx, in)
	}
	if pipe, ok := req.GetStream().(*io.PipeReader); ok && g.has(guardInterruptible) {
		body := &requestBody{pipe: pipe, done: &g.stream.link.request}
		if g.has(guardReadToEnd) {
			body.far = smithyhttp.GetInputStreamWriter(ctx)
		}
		context.AfterFunc(ctx, func() { pipe.Close() })
		ctx = context.WithValue(ctx, bodyKey{}, body)
	}
	return next.HandleDeserialize(ctx, in)
}

// guardedClient gives the request a body that can be closed, and hears of the
// response.
type guardedClient struct {
	bedrockruntime.HTTPClient
	call *guardedCall
}

func (c *guardedClient) Do(req *http.Request) (*http.Response, error) {
	if body, ok := req.Context().Value(bodyKey{}).(*requestBody); ok {
		// On a copy: the SDK closes the body of its own request as soon as Do
		// returns, which is when the conversation begins.
		req = req.WithContext(req.Context())
		req.Body = body
	}
	resp, err := c.HTTPClient.Do(req)
	if err != nil {
		if cause := inHTTP1(req.URL.Scheme, err); cause != nil {
			err = fmt.Errorf("%w: %w", ErrNotHTTP2, cause)
		}
		c.call.stream.link.failure = err
		c.call.stream.link.answered.set()
		return resp, err
	}
	c.call.stream.link.answered.set()
	if resp.StatusCode != http.StatusOK {
		// The SDK reads a refusal whole, however long it is.
		resp.Body = limitedBody{io.LimitReader(resp.Body, maxRefusal), resp.Body}
		return resp, nil
	}
	c.call.stream.accept()
	if c.call.has(guardResponseClosed) {
		body := resp.Body
		context.AfterFunc(req.Context(), func() { body.Close() })
	}
	if c.call.has(guardTruncation) {
		resp.Body = &responseBody{ReadCloser: resp.Body, stream: c.call.stream}
	}
	return resp, nil
}

// maxRefusal is how much of an answer other than 200 is read.
const maxRefusal = 64 << 10

type limitedBody struct {
	io.Reader
	io.Closer
}

// requestBody is the reading end of the pipe that the SDK writes events to.
type requestBody struct {
	pipe *io.PipeReader
	far  io.Writer // the pipe's other end; nil to let writers fail
	done *signal

	mu      sync.Mutex
	closed  bool
	reading bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	if !b.enter() {
		return 0, io.ErrClosedPipe
	}
	n, err := b.pipe.Read(p)
	if !b.leave() {
		return 0, io.ErrClosedPipe
	}
	return n, err
}

func (b *requestBody) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = !b.closed
	return b.reading
}

func (b *requestBody) leave() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	if b.closed {
		go b.drain()
	}
	return !b.closed
}

// Close is called by the transport when it is done with the request: the peer
// ended or reset it, the connection broke, or the stream was cancelled. It
// makes a Read that is waiting return.
func (b *requestBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	b.done.set()
	switch {
	case b.far == nil:
		return b.pipe.Close()
	case b.reading:
		go b.far.Write(nil) // wakes Read without closing the pipe
	default:
		go b.drain()
	}
	return nil
}

// drain takes what the SDK still writes. It ends with the stream, which
// closes the pipe.
func (b *requestBody) drain() { io.Copy(io.Discard, b.pipe) }
