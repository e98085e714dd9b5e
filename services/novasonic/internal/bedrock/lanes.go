package bedrock

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// A lane is a share of the connections. Each has a transport of its own, so
// that two streams on different lanes never share a TCP connection: one that is
// lost takes its own lane's streams with it, and no others. A lane needs one
// connection as a rule, and one more for each hundred streams.
//
// A conversation puts each stream on the lane that its last one is not on. It
// then finds a connection there that is in use by others, or is kept warm (see
// [warmth]), and opens its stream in one round trip. The alternatives were
// considered:
//
//   - One lane opens in one round trip, too, but a lost connection takes the
//     stream that speaks and the one that is to take over.
//   - A connection for each stream costs three round trips to open (TCP, TLS,
//     request), a handshake's CPU time, and a hundred times the connections.
//   - More than two lanes make a loss touch fewer conversations, but none of
//     them less: a stream and its successor are two.
type lane struct {
	transport *http.Transport
	client    *http.Client

	accepted int // streams that the service serves; protected by warmth.mu
}

func newLane(tr *http.Transport) *lane {
	return &lane{transport: tr, client: &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// laneDialer opens the streams of one lane.
type laneDialer struct {
	dialer *SDKDialer
	lane   *lane
}

// Lane returns a dialer whose streams share no connection with those of the
// other lanes, of which there are [Options.Lanes]. Any n will do: it is taken
// modulo their number.
func (d *SDKDialer) Lane(n int) Dialer {
	return laneDialer{d, d.lanes[uint(n)%uint(len(d.lanes))]}
}

// Dial implements [Dialer].
func (l laneDialer) Dial(ctx context.Context, model string) (Stream, error) {
	s, err := l.dialer.dial(ctx, l.lane, model)
	if err != nil {
		return nil, l.dialer.fail("open stream", model, err)
	}
	return s, nil
}

// warmEvery is how often lanes without a stream are looked after. A connection
// that the service closed because it was idle, which it may do after a minute
// or so, is missing for half as long on average.
const warmEvery = 5 * time.Second

// warmth keeps a connection ready on every lane while there is a stream on any:
// if that one dies, nobody listens until the next is open, and a handshake more
// or less is heard. Where many conversations run, all lanes are in use, and it
// does nothing. With one conversation it costs one idle connection: a handshake
// when it is made, and the pings of every connection.
type warmth struct {
	mu      sync.Mutex
	streams int // that the service serves, on all lanes
	stop    context.CancelFunc
	stopped chan struct{} // closed when the goroutine of the last start has ended
}

// began counts a stream that the service serves. The first one shows that the
// endpoint is right, and that there is somebody to keep warm for.
func (d *SDKDialer) began(l *lane) {
	w := &d.warmth
	w.mu.Lock()
	defer w.mu.Unlock()
	l.accepted++
	w.streams++
	if w.stop != nil || len(d.lanes) == 1 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	last, stopped := w.stopped, make(chan struct{})
	w.stop, w.stopped = cancel, stopped
	go func() {
		defer close(stopped)
		if last != nil {
			<-last
		}
		d.keepWarm(ctx)
	}()
}

func (d *SDKDialer) ended(l *lane) {
	w := &d.warmth
	w.mu.Lock()
	defer w.mu.Unlock()
	l.accepted--
	w.streams--
	if w.streams == 0 {
		w.rest()
	}
}

// rest stops keeping lanes warm. The lock is held.
func (w *warmth) rest() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// cool stops keeping lanes warm, and returns when that is so. It begins again
// with the next stream.
func (w *warmth) cool() {
	w.mu.Lock()
	w.rest()
	stopped := w.stopped
	w.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
}

func (d *SDKDialer) keepWarm(ctx context.Context) {
	tick := time.NewTicker(warmEvery)
	defer tick.Stop()
	for {
		for _, l := range d.idleLanes() {
			if ctx.Err() != nil {
				return
			}
			d.warm(ctx, l)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// idleLanes returns the lanes without a stream. The others have a connection,
// and are left alone.
func (d *SDKDialer) idleLanes() (idle []*lane) {
	d.warmth.mu.Lock()
	defer d.warmth.mu.Unlock()
	for _, l := range d.lanes {
		if l.accepted == 0 {
			idle = append(idle, l)
		}
	}
	return idle
}

// warm makes sure that the lane has a connection, by means of a request that
// never leaves this machine: HTTP/2 forbids the header field Connection (RFC
// 9113, 8.2.2), and net/http finds that out when it has the connection and
// before it writes. So the service sees a connection, its preface and its
// pings, and nothing that it could refuse or charge for. As after any request,
// the time after which the transport closes an idle connection begins anew.
//
// Transport.NewClientConn would be the plain way, but its connections are not
// those that the transport's requests go on; and what a GET of the endpoint
// would be answered is not documented.
func (d *SDKDialer) warm(ctx context.Context, l *lane) {
	// What a connection may take is bounded in newTransport, except in a
	// proxy's tunnel.
	ctx, cancel := context.WithTimeout(ctx, 3*d.options.ConnectTimeout)
	defer cancel()
	connecting := &connecting{Context: ctx}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(connecting, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connecting.over.Store(true) },
	}), http.MethodGet, d.endpoint, nil)
	if err != nil {
		return // the endpoint was parsed when the dialer was made
	}
	req.Header.Set("Connection", "warm")
	// It always fails. If it did because there is no connection to be had,
	// nothing is lost, and the next stream that needs one says why.
	if resp, err := l.transport.RoundTrip(req); err == nil {
		resp.Body.Close()
	}
}

// connecting is a context that ends while there is no connection, and not any
// more when there is one. What follows takes microseconds, and has to come to
// its end before RoundTrip returns: until then the connection does not count as
// idle, so that CloseIdleConnections would leave it open. net/http asks for Done
// wherever it waits, and does not keep it.
type connecting struct {
	context.Context
	over atomic.Bool
}

// Done implements [context.Context], except that it may change to nil.
func (c *connecting) Done() <-chan struct{} {
	if c.over.Load() {
		return nil
	}
	return c.Context.Done()
}

// Err implements [context.Context].
func (c *connecting) Err() error {
	if c.over.Load() {
		return nil
	}
	return c.Context.Err()
}
