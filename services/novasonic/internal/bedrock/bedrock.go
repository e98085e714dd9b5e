package bedrock

import (
	"context"
	"errors"
	"time"
)

// Dialer opens streams. It may be used by several goroutines at once.
type Dialer interface {
	// Dial opens one stream to model, for instance amazon.nova-2-sonic-v1:0.
	// ctx bounds the call only: the stream lives until Close or Abort. Its
	// values, such as a trace, stay with the stream.
	//
	// Dial never hangs. It fails, with an [*Error], if there are no
	// credentials, the settings are wrong or ctx ends; whether the service can
	// be reached and accepts the stream is told by the stream.
	Dial(ctx context.Context, model string) (Stream, error)
}

// Stream carries events both ways. Send, Recv and the other methods may be
// called at the same time; several calls of Send go out one after the other.
type Stream interface {
	// Send sends one event. It returns when the event was handed to the
	// transport, which waits when the peer does not read; that says nothing of
	// its arrival. event may be reused when Send returns, whatever it returns.
	//
	// If ctx ends while the event is already under way, it may still be sent
	// later, so it must not be sent again. Abort makes a waiting Send return.
	// After the peer ended the stream, Send returns [ErrEnded]: the reason
	// comes out of Recv.
	Send(ctx context.Context, event []byte) error

	// Recv returns the next event, which belongs to the caller. It waits for
	// one until ctx ends, which does the stream no harm.
	//
	// At the end of the stream it returns io.EOF if both sides ended in order,
	// our side first; [ErrUnexpectedEnd] if the service just stopped; an
	// [*Error] with the service's exception or the fault of the network; or,
	// after Abort, an error that wraps [ErrAborted] and its cause. From then on
	// it returns the same error.
	Recv(ctx context.Context) ([]byte, error)

	// CloseSend ends our side (half-close). Nothing can be sent afterwards;
	// the service goes on until it has nothing to say.
	CloseSend() error

	// Close ends the stream in order: CloseSend, then it discards what still
	// comes, until the service has ended its side or ctx ends, and then frees
	// everything. Whoever wants the last events calls CloseSend and Recv
	// before. It returns nil if the end was orderly, and what went wrong
	// otherwise; the stream is closed in both cases.
	Close(ctx context.Context) error

	// Abort ends the stream at once and frees everything. The first cause
	// counts; nil stands for no particular one. It may be called at any time
	// and any number of times, and after Close.
	Abort(cause error)

	// Accepted is closed when the service has agreed to serve the stream. The
	// service does so once it has seen the first events, so nothing may wait
	// for it before sending sessionStart and promptStart. It stays open if the
	// stream is refused.
	Accepted() <-chan struct{}

	// CredentialsExpire returns when the credentials that the stream was
	// opened with end, and with them, sooner or later, the stream; the zero
	// time if they do not.
	CredentialsExpire() time.Time
}

// Errors that Recv, Send and Dial return, most of them inside an [*Error].
var (
	// ErrUnexpectedEnd is the end of a stream in good order that nobody asked
	// for: the service ended its side before ours was.
	ErrUnexpectedEnd = errors.New("the service ended the stream without being asked")

	// ErrTruncated is the end of a stream in the middle of an event.
	ErrTruncated = errors.New("the stream ended in the middle of an event")

	// ErrConnectionLost is the end of the connection under a stream.
	ErrConnectionLost = errors.New("the connection was lost")

	// ErrEventTooLarge is an incoming event beyond [Options.MaxEventBytes].
	ErrEventTooLarge = errors.New("the event is too large")

	// ErrAborted is returned by the methods of a stream that was aborted.
	ErrAborted = errors.New("stream aborted")

	// ErrEnded is returned by Send when the stream is over, or CloseSend was
	// called. Recv returns the reason.
	ErrEnded = errors.New("stream has ended")

	// ErrNoCredentials says that no credentials could be had.
	ErrNoCredentials = errors.New("no AWS credentials")

	// ErrCredentialsExpired says that the credentials had already ended.
	ErrCredentialsExpired = errors.New("the AWS credentials have expired")

	// ErrNoRegion says that no region was configured.
	ErrNoRegion = errors.New("no AWS region")

	// ErrNotHTTP2 says that the endpoint, or a proxy in the way to it, does
	// not speak HTTP/2.
	ErrNotHTTP2 = errors.New("the endpoint, or a proxy before it, does not speak HTTP/2")

	// ErrProxyRefused says that a proxy did not open a tunnel.
	ErrProxyRefused = errors.New("the proxy refused to open a tunnel")
)
