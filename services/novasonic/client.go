package novasonic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
)

// Client holds connections to the service, and the count of the streams that
// are open on them. Conversations that share one share both: one TCP connection
// carries about a hundred streams.
//
// The connections are in two lanes, and a conversation's streams take turns
// between them. So a lost connection takes at most one of the two streams that
// a conversation has while it moves, and when its only stream is lost the next
// one opens on a connection that stands, in one round trip. While a stream is
// open the lane without one keeps an idle connection for that.
//
// It may be used by several goroutines at once.
type Client struct {
	dialer *bedrock.SDKDialer
	budget *budget
	begun  atomic.Uint64 // conversations so far
}

// ClientOptions tunes a [Client]. The zero value is good for an account with
// the usual quota and one process.
type ClientOptions struct {
	// MaxStreams is how many streams the process may have open at the same
	// time: the account's quota in the region, less what other processes use.
	// Beyond it the service refuses streams, those of conversations under way
	// like those of new ones; within it Parley makes new ones wait. At least 2,
	// since a conversation opens its next stream before it leaves the old one.
	// Default: 20, which is what an account has.
	MaxStreams int

	// Reserve is how many of them only conversations under way may use, to move
	// from one stream to the next. Without it a process that is full could
	// continue none of its conversations, and would lose each after eight
	// minutes. Two streams are open for some 15 of the 400 seconds between two
	// moves: a tenth is twice what that takes. More is needed where agents speak
	// for long at a time, or connections are poor. Less than MaxStreams.
	// Default: a tenth of MaxStreams, rounded up.
	Reserve int
}

const (
	defaultMaxStreams = 20
	lanes             = 2 // see dialOptions.lane
)

func (o ClientOptions) withDefaults() ClientOptions {
	if o.MaxStreams == 0 {
		o.MaxStreams = defaultMaxStreams
	}
	if o.Reserve == 0 {
		o.Reserve = (o.MaxStreams + 9) / 10
	}
	return o
}

func (o ClientOptions) validate() error {
	bad := func(field, format string, args ...any) error {
		return &ConfigError{Field: "ClientOptions." + field, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case o.MaxStreams < 0:
		return bad("MaxStreams", "%d is negative", o.MaxStreams)
	case o.MaxStreams == 1:
		return bad("MaxStreams", "1 is not enough: a conversation opens its next stream before it leaves the old one; ask for a quota of 2 or more")
	case o.Reserve < 0:
		return bad("Reserve", "%d is negative", o.Reserve)
	case o.Reserve >= o.MaxStreams:
		return bad("Reserve", "%d of %d streams leave none to begin a conversation on; keep fewer than MaxStreams", o.Reserve, o.MaxStreams)
	}
	return nil
}

// ClientStats tells how many streams are open, and who waits for one.
type ClientStats struct {
	MaxStreams    int `json:"max_streams"`
	Reserve       int `json:"reserve"`
	Open          int `json:"open"`          // streams, those that are being closed included
	Conversations int `json:"conversations"` // under way
	Waiting       int `json:"waiting"`       // for a stream, in all
	WaitingFirst  int `json:"waiting_first"` // of them, to begin a conversation
	WaitingNext   int `json:"waiting_next"`  // to have the next stream ready
	WaitingDeaf   int `json:"waiting_deaf"`  // because theirs died
}

// NewClient returns a client for the credentials, region, endpoint and HTTP
// transport of cfg, which usually is what config.LoadDefaultConfig returned. It
// fails if they, or o, cannot be right; no connection is made yet.
func NewClient(cfg aws.Config, o ClientOptions) (*Client, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	d, err := bedrock.NewDialer(cfg, bedrock.Options{Lanes: lanes})
	if err != nil {
		return nil, err
	}
	return &Client{dialer: d, budget: newBudget(o.MaxStreams, o.Reserve)}, nil
}

// Close closes the connections that no stream uses.
func (c *Client) Close() { c.dialer.CloseIdleConnections() }

// Streams tells how many streams are open just now, and who waits for one.
func (c *Client) Streams() ClientStats { return c.budget.stats() }

// dialOptions says who asks for a stream.
type dialOptions struct {
	// lane is startLane for a conversation's first attempt, and one more for
	// each that follows, whatever became of the last: so a successor is never
	// on the connection of its predecessor, and an attempt that failed is not
	// repeated on the connection that may be to blame.
	lane int

	need  need            // which line to wait in
	hurry <-chan struct{} // closed when nobody listens any more; may be nil
	since time.Time       // when the first attempt began; zero: this is the first
}

// startLane returns the lane of a conversation's first stream. It alternates,
// so that both lanes are in use.
func (c *Client) startLane() int { return int((c.begun.Add(1) - 1) % lanes) }

// join counts a conversation as under way until leave is called, once or more.
// It is called when the first stream has been dialled: from then on new
// conversations leave room for this one, even while it is between two streams.
func (c *Client) join() (leave func()) { return c.budget.join() }

// place is a stream's place in the budget.
type place struct {
	// release gives it back. It is to be called when the stream is closed and
	// done with; any further call does nothing.
	release func()

	// late returns the error if the time of dial's ctx was over before the
	// service had accepted the stream: nil if the wait for the place was not
	// what took so long. It may be nil itself.
	late func() error

	endpoint, region string // where the stream is; may be empty
}

// dial waits for a stream within ctx and opens it. The service accepts it when
// it has been told what it is for. p is nil if, and only if, err is not.
//
// If ctx's deadline passes while it waits, or so soon after that there was no
// time to open the stream, the error is a [QuotaError], with class quota and the
// advice to try again.
func (c *Client) dial(ctx context.Context, model string, o dialOptions) (s bedrock.Stream, p *place, err error) {
	asked := time.Now()
	release, err := c.budget.acquire(ctx, o.need, o.hurry)
	if err != nil {
		return nil, nil, c.notOpened(model, err)
	}
	granted := time.Now()
	late := func() error {
		if err := c.budget.late(ctx, o.need, asked, granted); err != nil {
			return c.notOpened(model, err)
		}
		return nil
	}
	s, err = c.dialer.Lane(o.lane).Dial(ctx, model)
	if err != nil {
		release()
		return nil, nil, cmp.Or(late(), err)
	}
	return s, &place{release: release, late: late, endpoint: c.dialer.Endpoint(), region: c.dialer.Region()}, nil
}

func (c *Client) notOpened(model string, err error) error {
	e := &bedrock.Error{Op: "open stream", Model: model, Region: c.dialer.Region(), Err: err, Verdict: bedrock.Classify(err)}
	var full *QuotaError
	if errors.As(err, &full) {
		e.Verdict = bedrock.Verdict{
			Class: frames.ErrorQuota, Reason: bedrock.ReasonQuota, Action: bedrock.Retry,
			Hint: "wait for conversations to end, or, if the account may have more streams, raise ClientOptions.MaxStreams",
		}
	}
	return e
}

// client returns the client of a configuration, and whether it is this
// conversation's own, to be closed with it.
func (c *Config) client(ctx context.Context) (client *Client, own bool, err error) {
	if c.Client != nil {
		return c.Client, false, nil
	}
	if c.AWS != nil {
		client, err = NewClient(*c.AWS, ClientOptions{})
		return client, true, err
	}
	// What the SDK has to say on the way is in the error, or of no interest.
	loaded, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, false, fmt.Errorf("load AWS configuration: %w", err)
	}
	client, err = NewClient(loaded, ClientOptions{})
	return client, true, err
}
