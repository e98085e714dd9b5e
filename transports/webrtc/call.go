package webrtc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	pion "github.com/pion/webrtc/v4"
	"golang.org/x/time/rate"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/playout"
)

// Call is one peer's call, whatever connections it has one after the other. Its two
// ends go into a pipeline, which is run once.
type Call struct {
	// ID names the call in logs, and to the peer: it is its pc_id.
	ID string

	// Request is the HTTP request that began it. Its context and its body are
	// not of use.
	Request *http.Request

	// Data is what the peer's application has put into the offer: its requestData.
	// It is not checked.
	Data json.RawMessage

	config   Config
	clock    *playout.Clock
	input    *Input
	output   *playout.Output
	sender   *sender
	receiver *receiver     // nil until the pipeline runs
	said     chan any      // by the peer: frames, and []byte to be answered
	moved    chan struct{} // the connection is another, or in another state
	rates    *rate.Limiter

	negotiating sync.Mutex // of offers
	offers      *rate.Limiter
	closing     sync.WaitGroup // connections that have been replaced

	mu         sync.Mutex // of all below
	peer       *peer
	candidates []pion.ICECandidateInit // that have followed since the last offer
	outbox     []message               // until there is a channel
	dropped    uint64                  // messages, since a peer did not read
	report     remote
	cancel     func() // ends the run before it hears; nil afterwards
	left       string // why the peer is gone
	gone       chan struct{}
	once       sync.Once // for connected
	connected  chan struct{}
}

// Stats is how a call's connection is.
type Stats struct {
	Receiver ReceiverStats

	SentPackets, SentBytes uint64 // of the agent's voice, Opus only

	// What the peer reports of it (RFC 3550, section 6.4.1): the share of packets
	// lost, from 0 to 1, of the last few hundred; the jitter; and how long a packet
	// takes there and back. All are 0 before the first report.
	Loss      float64
	Jitter    time.Duration
	RoundTrip time.Duration

	// MessagesDropped are those that a peer was not sent which did not read what was
	// sent before.
	MessagesDropped uint64
}

// remote is what a peer has told of what it gets.
type remote struct {
	loss              float64
	jitter, roundTrip time.Duration
}

const (
	hungUp = "the peer has hung up"

	maxSaid   = 64  // messages that wait for the pipeline; the peer waits behind them
	maxOutbox = 256 // messages that wait for a channel; the oldest are discarded
)

// message is a message, in the language of the peer's channel.
type message func(language) ([]byte, error)

func newCall(id string, r *http.Request, data json.RawMessage, cfg Config) (*Call, error) {
	c := &Call{
		ID: id, Request: r, Data: data, config: cfg, clock: &playout.Clock{},
		said: make(chan any, maxSaid), moved: make(chan struct{}, 1), rates: rate.NewLimiter(rate.Limit(cfg.MaxMessageRate), 5*cfg.MaxMessageRate),
		offers: rate.NewLimiter(1, maxOffers),
		gone:   make(chan struct{}), connected: make(chan struct{}),
	}
	var err error
	if c.sender, err = newSender(cfg.Bitrate, id); err != nil {
		return nil, err
	}
	c.input = &Input{call: c}
	p := cfg.Playout
	p.Name, p.Format, p.Chunk, p.Clock = "webrtc output", audio.Mono(audio.Rate48k), outputChunk, c.clock
	c.output = playout.New(p, sink{c})
	return c, nil
}

// Input returns the caller: the first processor of the pipeline.
func (c *Call) Input() *Input { return c.input }

// Output returns the agent's voice: the last processor of the pipeline.
func (c *Call) Output() *playout.Output { return c.output }

// Stats returns how the connection is. It is safe for concurrent use.
func (c *Call) Stats() Stats {
	c.mu.Lock()
	r, report, dropped := c.receiver, c.report, c.dropped
	c.mu.Unlock()
	s := Stats{MessagesDropped: dropped, Loss: report.loss, Jitter: report.jitter, RoundTrip: report.roundTrip}
	if r != nil {
		s.Receiver = r.Stats()
	}
	c.sender.mu.Lock()
	defer c.sender.mu.Unlock()
	s.SentPackets, s.SentBytes = c.sender.packets, c.sender.bytes
	return s
}

// leave says that the peer is gone. The first reason counts.
func (c *Call) leave(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left != "" {
		return
	}
	c.left = reason
	close(c.gone)
	if c.cancel != nil {
		c.cancel()
	}
}

func (c *Call) why() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

// listen begins to hear. From then on the pipeline ends in order.
func (c *Call) listen() (*receiver, error) {
	r, err := newReceiver(audio.Mono(c.config.InputRate), c.config.MaxWait, c.clock.Start())
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.receiver, c.cancel = r, nil
	return r, nil
}

// listener returns the receiver for one of the tracks; nil if nobody listens, or if
// there is a newer one.
func (c *Call) listener(p *peer, track *pion.TrackRemote) *receiver {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peer != p || p.track != track {
		return nil
	}
	return c.receiver
}

// current returns the peer that the call has now.
func (c *Call) current() *peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer
}

// use makes a peer, whose offer has been answered, the one that the call has, and
// returns the one that it had. It is told of the candidates that have come since the
// offer before its own: they may have overtaken it on their way, or come while it was
// answered. pion leaves out those of another offer, which most name (ufrag), and what
// it knows already.
func (c *Call) use(p *peer) (old *peer) {
	c.mu.Lock()
	candidates := c.candidates
	old, c.peer, c.candidates = c.peer, p, nil
	c.mu.Unlock()
	for _, i := range candidates {
		_ = p.pc.AddICECandidate(i) // who sent it was told what is wrong with it
	}
	return old
}

// follow keeps candidates for the next offer, and returns the peer that they are for
// otherwise, unless there are too many.
func (c *Call) follow(candidates []pion.ICECandidateInit) (p *peer, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.candidates)+len(candidates) > maxCandidates {
		return nil, false
	}
	c.candidates = append(c.candidates, candidates...)
	return c.peer, true
}

// tell takes what a peer says on its channel. It waits until there is room.
func (c *Call) tell(p *peer, what any) {
	if c.current() != p {
		return
	}
	select {
	case c.said <- what:
	case <-c.gone:
	case <-p.closed:
	}
}

// write sends a message, when there is a channel.
func (c *Call) write(m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.peer; p != nil && p.channel != nil {
		return p.send(m)
	}
	c.outbox = append(c.outbox, m)
	if len(c.outbox) > maxOutbox {
		c.outbox = c.outbox[1:] // it may never have one
	}
	return nil
}

// moves has the input look at the connection.
func (c *Call) moves() {
	select {
	case c.moved <- struct{}{}:
	default:
	}
}

// Input is the processor that hears the peer. See [Server].
type Input struct {
	call *Call
	away bool // the peer is, and the agent is held; Run's own
}

// Name returns "webrtc input".
func (in *Input) Name() string { return "webrtc input" }

// Exclusive says that a pipeline hears one caller on a track.
func (in *Input) Exclusive() string {
	return fmt.Sprintf("input of the track %q", in.call.config.Track)
}

// Process passes everything on.
func (in *Input) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Interruption); ok {
		return nil // the engine tells everybody
	}
	return out.Send(ctx, f, dir)
}

// Run sends what the peer says, until it hangs up.
func (in *Input) Run(ctx context.Context, out *pipeline.Port) error {
	r, err := in.call.listen()
	if err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wake, err := in.hear(ctx, r, out)
		if err != nil {
			return err
		}
		var due <-chan time.Time
		if !wake.IsZero() {
			timer.Reset(time.Until(wake))
			due = timer.C
		}
		select {
		case <-due:
		case <-r.arrived:
		case <-in.call.moved:
			if err := in.attend(ctx, out); err != nil {
				return err
			}
		case what := <-in.call.said:
			over, err := in.take(ctx, what, out)
			if over || err != nil {
				return err
			}
		case <-in.call.gone:
			for { // what was said before it left is heard
				select {
				case what := <-in.call.said:
					if over, err := in.take(ctx, what, out); over || err != nil {
						return err
					}
					continue
				default:
				}
				return in.hangUp(ctx, in.call.why(), out)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// attend holds the agent while there is no connection: who comes back wants to hear it.
func (in *Input) attend(ctx context.Context, out *pipeline.Port) error {
	away := in.call.current().pc.ConnectionState() != pion.PeerConnectionStateConnected
	if away == in.away {
		return nil
	}
	in.away = away
	if away {
		return out.Send(ctx, &frames.PausePlayout{}, frames.Downstream)
	}
	return out.Send(ctx, &frames.ResumePlayout{}, frames.Downstream)
}

// hear sends all audio that there is, and returns when there is more.
func (in *Input) hear(ctx context.Context, r *receiver, out *pipeline.Port) (wake time.Time, err error) {
	for {
		samples, at, wake := r.pull(time.Now())
		if len(samples) == 0 {
			return wake, nil
		}
		f := &frames.AudioInput{Audio: frames.Audio{Format: r.format, Samples: samples, Track: in.call.config.Track, Position: at}}
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return time.Time{}, err
		}
	}
}

// take does what a message says, and reports whether it was the last one.
func (in *Input) take(ctx context.Context, what any, out *pipeline.Port) (over bool, err error) {
	switch f := what.(type) {
	case []byte:
		if err := in.call.write(func(language) ([]byte, error) { return f, nil }); err != nil {
			out.Report(err)
		}
	case *frames.Interruption:
		out.Interrupt(f.Reason)
	case *frames.End:
		in.call.leave(f.Reason)
		return true, in.hangUp(ctx, f.Reason, out)
	case frames.Frame:
		return false, out.Send(ctx, f, frames.Downstream)
	}
	return false, nil
}

// hangUp ends the call. There is nobody who could hear the rest of what the agent
// has to say.
func (in *Input) hangUp(ctx context.Context, reason string, out *pipeline.Port) error {
	out.Interrupt(reason)
	return out.Send(ctx, &frames.End{Reason: reason, Gone: true}, frames.Downstream)
}

// sink lets the peer hear the agent.
type sink struct{ call *Call }

func (s sink) Play(_ context.Context, c playout.Chunk) error {
	return s.call.sender.play(c, s.call.config.SendSilence)
}

func (s sink) Message(_ context.Context, message any) error {
	if err := s.call.write(func(l language) ([]byte, error) { return l.message(message) }); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

func (s sink) Press(_ context.Context, digit byte) error {
	if err := s.call.write(func(l language) ([]byte, error) { return l.press(digit) }); err != nil {
		return fmt.Errorf("press %c: %w", digit, err)
	}
	return nil
}
