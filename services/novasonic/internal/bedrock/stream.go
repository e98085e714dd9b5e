package bedrock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

// sdkStream is a [Stream] of the SDK. It starts no goroutine of its own.
type sdkStream struct {
	dialer  *SDKDialer
	lane    *lane
	model   string
	expires time.Time
	link    link

	// ctx is the life of the request. Cancelling it frees everything: it
	// resets the HTTP/2 stream, if the service has not ended its side, and
	// closes the SDK's. This is the one context that is kept, as the stream
	// outlives the call that opened it.
	ctx    context.Context
	cancel context.CancelCauseFunc
	events *eventStream

	// chunks are the events that are decoded here, until it is closed; what
	// follows comes from the SDK. See framing.go.
	chunks chan []byte

	halfClosed atomic.Bool

	// sending is held by the one who sends. buffer is the event on its way.
	sending chan struct{}
	buffer  []byte

	ended  sync.Once
	reason error // why the stream ended; set once by end
}

func newStream(d *SDKDialer, l *lane, model string, expires time.Time) *sdkStream {
	return &sdkStream{
		dialer:  d,
		lane:    l,
		model:   model,
		expires: expires,
		link:    link{answered: newSignal(), accepted: newSignal(), read: newSignal(), request: newSignal(), framed: newSignal(), lastFrame: newSignal()},
		chunks:  make(chan []byte),
		sending: make(chan struct{}, 1),
	}
}

// accept notes that the service serves the stream.
func (s *sdkStream) accept() {
	s.dialer.began(s.lane)
	context.AfterFunc(s.ctx, func() { s.dialer.ended(s.lane) })
	s.link.accepted.set()
}

func (s *sdkStream) Accepted() <-chan struct{}    { return s.link.accepted.c }
func (s *sdkStream) CredentialsExpire() time.Time { return s.expires }

func (s *sdkStream) Send(ctx context.Context, event []byte) error {
	select {
	case s.sending <- struct{}{}:
		defer func() { <-s.sending }()
	case <-ctx.Done():
		return fmt.Errorf("send event: %w", context.Cause(ctx))
	case <-s.ctx.Done():
		return s.sendFailed()
	}
	if s.halfClosed.Load() || s.ctx.Err() != nil || s.link.request.isSet() {
		return s.sendFailed()
	}
	// The SDK's writer may still read the event after its Send gave up.
	s.buffer = append(s.buffer[:0], event...)
	err := s.events.Send(ctx, &types.InvokeModelWithBidirectionalStreamInputMemberChunk{
		Value: types.BidirectionalInputPayloadPart{Bytes: s.buffer},
	})
	if err != nil {
		s.buffer = nil
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && s.ctx.Err() == nil:
		return fmt.Errorf("send event: %w", context.Cause(ctx))
	}
	return s.sendFailed()
}

// sendFailed never tells why the stream ended, but for an abort: only the
// reading side can know, and it may not have come to it yet.
func (s *sdkStream) sendFailed() error {
	if cause := context.Cause(s.ctx); cause != nil && errors.Is(cause, ErrAborted) {
		return fmt.Errorf("send event: %w", cause)
	}
	return fmt.Errorf("send event: %w", ErrEnded)
}

func (s *sdkStream) Recv(ctx context.Context) ([]byte, error) {
	select {
	case <-s.ctx.Done():
		return nil, s.end()
	default:
	}
	chunks := s.chunks
	for {
		// While chunks is open the SDK has no events, but it may end: when the
		// stream is refused.
		select {
		case event, open := <-chunks:
			if open {
				return event, nil
			}
			chunks = nil
		case event, open := <-s.events.Events():
			if !open {
				return nil, s.end()
			}
			if chunk, ok := event.(*types.InvokeModelWithBidirectionalStreamOutputMemberChunk); ok {
				return chunk.Value.Bytes, nil
			}
			// A member of the union that the SDK does not know: nothing of ours.
		case <-s.ctx.Done():
			return nil, s.end()
		case <-ctx.Done():
			return nil, fmt.Errorf("receive event: %w", context.Cause(ctx))
		}
	}
}

// end finds out why the stream ended, once, and frees what it held.
func (s *sdkStream) end() error {
	s.ended.Do(func() {
		s.reason = s.whyEnded()
		s.cancel(s.reason)
	})
	return s.reason
}

func (s *sdkStream) whyEnded() error {
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	err := s.events.Err()
	if errors.Is(err, io.ErrClosedPipe) {
		// A Send met the pipe that was closed when the transport failed or the
		// service refused, and came first: that is what happened.
		if failure := s.link.failed(); failure != nil {
			err = failure
		}
	}
	switch {
	case err != nil:
	case !s.link.lastFrame.isSet():
		err = ErrConnectionLost
	case s.halfClosed.Load():
		return io.EOF
	default:
		err = ErrUnexpectedEnd
	}
	return s.dialer.fail("receive from stream", s.model, err)
}

func (s *sdkStream) CloseSend() error {
	if s.halfClosed.Swap(true) {
		return nil
	}
	if s.ctx.Err() != nil || s.link.request.isSet() {
		return fmt.Errorf("close sending side: %w", ErrEnded)
	}
	if err := s.events.Writer.Close(); err != nil {
		return fmt.Errorf("close sending side: %w", err)
	}
	return nil
}

func (s *sdkStream) Close(ctx context.Context) error {
	s.CloseSend() // a failure shows in Recv
	for {
		_, err := s.Recv(ctx)
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
			return nil
		case s.ctx.Err() == nil: // only ctx has ended
			s.Abort(err)
		}
		return fmt.Errorf("close stream: %w", err)
	}
}

func (s *sdkStream) Abort(cause error) {
	if cause == nil {
		cause = ErrAborted
	} else {
		cause = fmt.Errorf("%w: %w", ErrAborted, cause)
	}
	s.cancel(cause)
}
