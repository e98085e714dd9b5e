package bedrock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/aws/smithy-go/tracing"
)

// guardTest is a test that fails without guards, if they are needed.
type guardTest struct {
	without guards // left out together: where there are several, each of them does
	test    string
	fails   string // what the test then says, as a regular expression
}

// guardTests lists for each guard the tests that fail without it.
var guardTests = []guardTest{
	// Shared buffers may also make the encoder itself panic.
	{guardOwnCodec, "TestStreamsOfOneDialerDoNotMix", `want its own event \d+|(?s:panic: runtime error: .*smithy-go/eventstream\.\(\*Encoder\))`},
	{guardEarlyFailure, "TestDialFailsAtOnceWhenTheCallFailsBeforeSending", `context deadline exceeded, want the failure`},
	{guardReaderEnds, "TestStreamsLeaveNoGoroutineBehind", `goroutines are left(?s:.*)newAsyncEventStreamReader`},
	{guardInterruptible, "TestLostConnectionIsNoticedWhileIdle", `the stream did not end`},
	{guardInterruptible, "TestSendAfterALostConnectionLeavesNothingBehind", `goroutines are left(?s:.*)io\.\(\*pipe\)\.write(?s:.*)\(\*EventStreamWriter\)\.writeStream`},
	{guardInterruptible | guardResponseClosed | guardStreamClosed, "TestAbortOfAnIdleStreamReachesTheService", `the service still holds the stream`},
	{guardTruncation, "TestCutShortIsNotAnOrderlyEnd", `taken for an orderly end`},
	{guardNoRetry, "TestRefusalIsNotRetriedBehindTheCallersBack", `the stream did not end`},
	{guardReadToEnd, "TestExceptionIsReadToItsEndWhileSending", `the exception came out as: .*closed pipe`},
	{guardContentType, "TestRequestHasItsContentType", `Content-Type ""`},
	{guardSuccess, "TestTraceOfASuccessfulCallIsASuccess", `the trace says 2`}, // tracing.SpanStatusError
	{guardResponseClosed, "TestAbortReachesAServiceThatDoesNotRead", `the service still holds the stream`},
	{guardStreamClosed, "TestDialObservesItsContextInsideTheCall", `goroutines are left(?s:.*)\(\*EventStreamWriter\)\.writeStream`},
}

// shows tells whether the output of the process says that the test failed for
// the reason that the guard is there for. A broken fixture fails it, too, and so
// does a machine that is too slow.
func (g guardTest) shows(output string) bool {
	failed := strings.Contains(output, "--- FAIL: "+g.test+" ") || strings.Contains(output, "panic: runtime error: ")
	return failed && regexp.MustCompile(g.fails).MatchString(output)
}

// TestEveryGuardIsNeeded runs the tests of each guard in processes of their own,
// as some of the defects leave goroutines or races behind. Where a test
// passes without its guard, the SDK has been mended and the guard can go.
func TestEveryGuardIsNeeded(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each guard")
	}
	if guardsLeftOut() != 0 {
		t.Skip("this is such a process")
	}
	for _, g := range guardTests {
		t.Run(g.test, func(t *testing.T) {
			t.Parallel() // most of them only wait
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+g.test+"$", "-test.timeout=30s", "-test.count=1")
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", withoutGuards, g.without), "AWS_EC2_METADATA_DISABLED=true")
			out, err := cmd.CombinedOutput()
			if ctx.Err() != nil {
				t.Fatalf("the process did not end:\n%s", out)
			}
			if !g.shows(string(out)) {
				t.Errorf("%s passes without its guard, or did not run, or fails in another way than with %q (%v): if the SDK has been mended, the guard can go\n%s", g.test, g.fails, err, out)
			}
		})
	}
}

func TestOnlyTheFailureThatAGuardPreventsShowsThatItIsNeeded(t *testing.T) {
	g := guardTest{test: "TestX", fails: `the stream did not end|(?s:panic: runtime error: .*\(\*Encoder\))`}
	for output, want := range map[string]bool{
		"--- FAIL: TestX (5.03s)\n    guards_test.go:217: the stream did not end\nFAIL\n":         true,
		"panic: runtime error: slice bounds out of range\n\neventstream.(*Encoder).Encode(0x1)\n": true,
		"PASS\n": false,
		"testing: warning: no tests to run\nPASS\n":                                                                  false,
		"--- FAIL: TestX (0.00s)\n    peer_test.go:345: dial: no certificate\nFAIL\n":                                false,
		"--- FAIL: TestXY (5.03s)\n    guards_test.go:217: the stream did not end\nFAIL\n":                           false,
		"panic: runtime error: invalid memory address\n\nbedrock.(*peer).start(0x0)\n":                               false,
		"panic: test timed out after 30s\n\trunning tests:\n\t\tTestX (30s)\n\neventstream.(*Encoder).Encode(0x1)\n": false,
	} {
		if got := g.shows(output); got != want {
			t.Errorf("the guard is taken for needed (%v, want %v) after:\n%s", got, want, output)
		}
	}
}

func TestEveryGuardHasATest(t *testing.T) {
	var alone guards
	for _, g := range guardTests {
		if bits.OnesCount(uint(g.without)) == 1 {
			alone |= g.without
		}
	}
	if alone != everyGuard {
		t.Errorf("guards with tests that need them alone: %b, want %b", alone, everyGuard)
	}
}

// Under -race it also finds the race that is behind the mixing.
func TestStreamsOfOneDialerDoNotMix(t *testing.T) {
	const streams, events = 8, 300
	p := &peer{script: echo}
	d := dialerFor(t, p.start(t))
	var wg sync.WaitGroup
	for n := range streams {
		s := dial(t, d)
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		t.Cleanup(cancel)
		wg.Go(func() {
			// Of a length that shows when buffers are shared.
			pad := strings.Repeat(strconv.Itoa(n), 100+500*n)
			for i := range events {
				event := fmt.Sprintf(`{"stream":%d,"event":%d,"pad":%q}`, n, i, pad)
				if err := s.Send(ctx, []byte(event)); err != nil {
					t.Errorf("stream %d: %v", n, err)
					return
				}
				got, err := s.Recv(ctx)
				if err != nil || string(got) != event {
					t.Errorf("stream %d got %.40q…, %v; want its own event %d", n, got, err, i)
					return
				}
			}
			if err := s.Close(ctx); err != nil {
				t.Errorf("stream %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	if err := p.faults(); err != nil {
		t.Errorf("the service found: %v", err)
	}
}

// The SDK's call does not return from this.
func TestDialFailsAtOnceWhenTheCallFailsBeforeSending(t *testing.T) {
	errStack := errors.New("a middleware of the user's fails")
	fails := func(o *aws.Config) {
		o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
			return s.Finalize.Add(middleware.FinalizeMiddlewareFunc("fail", func(context.Context, middleware.FinalizeInput, middleware.FinalizeHandler) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
				return out, md, errStack
			}), middleware.Before)
		})
	}
	p := &peer{script: echo}
	d := dialerFor(t, p.start(t), func(c *aws.Config, _ *Options) { fails(c) })
	before := runtime.NumGoroutine()
	began := time.Now()
	for range 20 {
		_, err := d.Dial(deadline(t), testModel)
		if !errors.Is(err, errStack) {
			t.Fatalf("after %v: %v, want the failure", time.Since(began), err)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("20 failures took %v", took)
	}
	waitForGoroutines(t, before)
}

// 500 streams come and go, half of them in order.
func TestStreamsLeaveNoGoroutineBehind(t *testing.T) {
	p := &peer{script: echo}
	d := dialerFor(t, p.start(t))
	warm := dial(t, d) // the connection has goroutines of its own
	exchange(t, warm, "warm")
	before := runtime.NumGoroutine()
	for i := range 500 {
		s, err := d.Dial(deadline(t), testModel)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			exchange(t, s, "x")
			if err := s.Close(deadline(t)); err != nil {
				t.Fatal(err)
			}
		} else {
			s.Abort(nil)
		}
	}
	waitForGoroutines(t, before)
}

func TestRefusedStreamsLeaveNoGoroutineBehind(t *testing.T) {
	p := &peer{script: echo}
	d := dialerFor(t, p.start(t))
	exchange(t, dial(t, d), "warm")
	p.answer = func(w http.ResponseWriter, r *http.Request) bool {
		refuse(w, http.StatusTooManyRequests, "ThrottlingException", "slow down")
		return true
	}
	before := runtime.NumGoroutine()
	for range 50 {
		ending(t, dial(t, d))
	}
	waitForGoroutines(t, before)
}

// waitForGoroutines fails unless the number of goroutines comes back to want:
// those of a stream that was closed end a moment later.
func waitForGoroutines(t *testing.T, want int) {
	t.Helper()
	for range 200 {
		if runtime.NumGoroutine() <= want {
			return
		}
		time.Sleep(10 * time.Millisecond) // other goroutines cannot be waited for
	}
	buf := make([]byte, 64<<10)
	t.Errorf("%d goroutines are left, want %d:\n%s", runtime.NumGoroutine(), want, buf[:runtime.Stack(buf, true)])
}

func TestAbortOfAnIdleStreamReachesTheService(t *testing.T) {
	gone := make(chan struct{})
	_, s := open(t, after(1, func(s *session) {
		<-s.r.Context().Done()
		close(gone)
	}))
	exchange(t, s, "hello")
	s.Abort(errors.New("enough"))
	select {
	case <-gone:
	case <-time.After(2 * time.Second):
		t.Error("the service still holds the stream")
	}
	if err := ending(t, s); !errors.Is(err, ErrAborted) {
		t.Errorf("after the abort: %v", err)
	}
}

func TestLostConnectionIsNoticedWhileIdle(t *testing.T) {
	p, s := open(t, after(1, (*session).hangUp))
	exchange(t, s, "hello")
	p.cut <- struct{}{}
	err := ending(t, s)
	if v := Classify(err); v.Reason != ReasonConnection || v.Action != Retry {
		t.Errorf("after the connection was lost: %v (%v, %v)", err, v.Reason, v.Action)
	}
}

func TestSendAfterALostConnectionLeavesNothingBehind(t *testing.T) {
	p := &peer{script: after(1, (*session).hangUp)}
	d := dialerFor(t, p.start(t))
	before := runtime.NumGoroutine()
	s := dial(t, d)
	exchange(t, s, "hello")
	p.cut <- struct{}{}
	for s.Send(deadline(t), []byte("more")) == nil {
	}
	ending(t, s)
	waitForGoroutines(t, before)
}

func TestCutShortIsNotAnOrderlyEnd(t *testing.T) {
	whole := chunkFrame([]byte(`{"event":{}}`))
	for _, c := range []struct {
		name string
		end  func(*session)
		want error
	}{
		{"in the frame's length", func(s *session) { s.raw(whole[:2]) }, ErrTruncated},
		{"in the prelude", func(s *session) { s.raw(whole[:10]) }, ErrTruncated},
		{"in the payload", func(s *session) { s.raw(whole[:len(whole)-9]) }, ErrTruncated},
		{"before the last byte", func(s *session) { s.raw(whole[:len(whole)-1]) }, ErrTruncated},
		{"by the loss of the connection", (*session).hangUp, ErrConnectionLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, s := open(t, after(1, c.end))
			exchange(t, s, "hello")
			s.CloseSend() // from here on an orderly end is EOF
			p.cut <- struct{}{}
			err := ending(t, s)
			if errors.Is(err, io.EOF) {
				t.Fatal("taken for an orderly end")
			}
			if c.want == ErrTruncated && !errors.Is(err, ErrTruncated) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if v := Classify(err); v.Reason != ReasonConnection {
				t.Errorf("%v is classified as %v", err, v.Reason)
			}
		})
	}
}

func TestRefusalIsNotRetriedBehindTheCallersBack(t *testing.T) {
	p := &peer{script: echo}
	p.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if p.requests.Load() > 1 {
			return false
		}
		refuse(w, http.StatusTooManyRequests, "ThrottlingException", "Too many requests")
		return true
	}
	s := dial(t, dialerFor(t, p.start(t)))
	err := ending(t, s)
	var throttled *types.ThrottlingException
	if !errors.As(err, &throttled) {
		t.Errorf("the refusal came out as: %v", err)
	}
	if n := p.requests.Load(); n != 1 {
		t.Errorf("%d requests were made for one stream", n)
	}
}

// A Send that meets the end must not hide what the service said.
func TestExceptionIsReadToItsEndWhileSending(t *testing.T) {
	for range 50 {
		_, s := open(t, after(1, func(s *session) {
			s.recv()
			// Many events before the exception, so that it is still unread
			// when the transport is done with the request.
			for range 40 {
				s.raw(chunkFrame([]byte(strings.Repeat("x", 1000))))
			}
			s.raw(exceptionFrame("modelTimeoutException", "Model has timed out"))
		}))
		exchange(t, s, "hello")
		ctx := deadline(t)
		for ctx.Err() == nil && !s.link.request.isSet() && s.Send(ctx, []byte("still talking")) == nil {
		}
		s.Send(ctx, []byte("and on"))
		err := ending(t, s)
		var timeout *types.ModelTimeoutException
		if !errors.As(err, &timeout) {
			t.Fatalf("the exception came out as: %v", err)
		}
	}
}

func TestRequestHasItsContentType(t *testing.T) {
	p, s := open(t, echo)
	exchange(t, s, "hello")
	if got := p.lastType.Load(); got != "application/vnd.amazon.eventstream" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestTraceOfASuccessfulCallIsASuccess(t *testing.T) {
	p := &peer{script: echo}
	tracer := &recordingTracer{ended: make(chan tracing.SpanStatus, 1)}
	d := dialerFor(t, p.start(t), func(c *aws.Config, _ *Options) {
		c.ServiceOptions = append(c.ServiceOptions, func(_ string, o any) {
			o.(*bedrockruntime.Options).TracerProvider = tracer
		})
	})
	s := dial(t, d)
	exchange(t, s, "hello")
	if err := s.Close(deadline(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case status := <-tracer.ended:
		if status != tracing.SpanStatusOK {
			t.Errorf("the trace says %v", status)
		}
	case <-deadline(t).Done():
		t.Error("the trace has no status")
	}
}

// Found by TestAnythingMayHappen.
func TestAbortReachesAServiceThatDoesNotRead(t *testing.T) {
	p, s := open(t, after(1, untilGone))
	exchange(t, s, "hello")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for s.Send(ctx, make([]byte, 8<<10)) == nil { // until the peer's window is full
	}
	s.Abort(nil)
	waitUntil(t, "the service still holds the stream", func() bool { return p.open.Load() == 0 })
}

// recordingTracer records the status of the operation's span.
type recordingTracer struct{ ended chan tracing.SpanStatus }

func (r *recordingTracer) Tracer(string, ...tracing.TracerOption) tracing.Tracer { return r }

func (r *recordingTracer) StartSpan(ctx context.Context, name string, _ ...tracing.SpanOption) (context.Context, tracing.Span) {
	return ctx, &recordingSpan{recordingTracer: r, name: name}
}

type recordingSpan struct {
	*recordingTracer
	name string
}

func (s *recordingSpan) Name() string                            { return s.name }
func (s *recordingSpan) Context() tracing.SpanContext            { return tracing.SpanContext{} }
func (s *recordingSpan) AddEvent(string, ...tracing.EventOption) {}
func (s *recordingSpan) SetProperty(any, any)                    {}
func (s *recordingSpan) End()                                    {}
func (s *recordingSpan) SetStatus(status tracing.SpanStatus) {
	if strings.HasSuffix(s.name, ".InvokeModelWithBidirectionalStream") {
		s.ended <- status
	}
}

// Here the SDK's call returns, and its stream has the failure.
func TestFailureBetweenTheStepsIsToldByTheStream(t *testing.T) {
	errStack := errors.New("a middleware of the user's fails")
	fails := func(s *middleware.Stack) error {
		return s.Deserialize.Add(middleware.DeserializeMiddlewareFunc("fail", func(context.Context, middleware.DeserializeInput, middleware.DeserializeHandler) (out middleware.DeserializeOutput, md middleware.Metadata, err error) {
			return out, md, errStack
		}), middleware.After)
	}
	p := &peer{script: echo}
	d := dialerFor(t, p.start(t), func(c *aws.Config, _ *Options) { c.APIOptions = append(c.APIOptions, fails) })
	before := runtime.NumGoroutine()
	if err := ending(t, dial(t, d)); !errors.Is(err, errStack) {
		t.Errorf("%v, want the failure", err)
	}
	waitForGoroutines(t, before)
}

// A call that hangs in the user's own code ends with Dial's context, and
// leaves nothing behind.
func TestDialObservesItsContextInsideTheCall(t *testing.T) {
	waits := func(s *middleware.Stack) error {
		return s.Finalize.Add(middleware.FinalizeMiddlewareFunc("wait", func(ctx context.Context, _ middleware.FinalizeInput, _ middleware.FinalizeHandler) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
			<-ctx.Done()
			return out, md, ctx.Err()
		}), middleware.Before)
	}
	p := &peer{script: echo}
	d := dialerFor(t, p.start(t), func(c *aws.Config, _ *Options) { c.APIOptions = append(c.APIOptions, waits) })
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.Dial(ctx, testModel); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
	waitForGoroutines(t, before)
}

func TestManyGoroutinesMaySendOnOneStream(t *testing.T) {
	const senders, each = 8, 50
	p, s := open(t, echo)
	var wg sync.WaitGroup
	for n := range senders {
		wg.Go(func() {
			for i := range each {
				if err := s.Send(deadline(t), fmt.Appendf(nil, "%d/%d", n, i)); err != nil {
					t.Errorf("sender %d: %v", n, err)
					return
				}
			}
		})
	}
	next := make([]int, senders)
	for range senders * each {
		got, err := s.Recv(deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		var n, i int
		if _, err := fmt.Sscanf(string(got), "%d/%d", &n, &i); err != nil || next[n] != i {
			t.Fatalf("received %q out of its sender's order: %v", got, err)
		}
		next[n]++
	}
	wg.Wait()
	if err := p.faults(); err != nil {
		t.Error(err)
	}
}
