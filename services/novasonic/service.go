package novasonic

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// Service is a processor that lets a caller talk with Amazon Nova Sonic. Make
// one with [New] for each conversation.
type Service struct {
	cfg    Config
	shared shared

	// Set by Start, which comes before everything else.
	talk      *conversation
	client    *Client
	ownClient bool
	stop      context.CancelFunc
	done      chan struct{} // closed when the conversation has ended
	running   atomic.Pointer[conversation]
	drained   atomic.Bool // the end was orderly
}

// New makes a processor of c. If c cannot work, the pipeline says so when it
// starts, before anything is opened; see [Config.Validate].
func New(c Config) *Service {
	return &Service{cfg: c.withDefaults()}
}

// Name returns "novasonic".
func (s *Service) Name() string { return "novasonic" }

// Start opens the first stream and waits until the service has accepted it, so
// that wrong credentials, an unknown model or a service that cannot be reached
// end the pipeline before the caller hears anything.
func (s *Service) Start(ctx context.Context, out *pipeline.Port) error {
	if err := s.cfg.Validate(); err != nil {
		return pipeline.Classify(frames.ErrorInvalidRequest, oneLine{err})
	}
	client, own, err := s.cfg.client(ctx)
	if err != nil {
		return pipeline.Classify(judge(err).Class, err)
	}
	s.client, s.ownClient = client, own
	log := s.cfg.Logger
	if log == nil {
		log = out.Logger()
	}
	var open opener = client
	if s.cfg.saboteur != nil {
		open = s.cfg.saboteur(open)
	}
	s.talk = newConversation(&s.cfg, open, out, log, &s.shared)
	s.done = make(chan struct{})
	// The conversation outlives Start, and ends with Close.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	// A little before the pipeline's own deadline, so that the reason is told.
	deadline, bounded := ctx.Deadline()
	if bounded {
		deadline = deadline.Add(-min(time.Second, time.Until(deadline)/10))
	}
	go func() {
		defer close(s.done)
		s.talk.run(life, deadline, s.farewell)
	}()

	select {
	case err = <-s.talk.first:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		s.end(context.Background())
		return err
	}
	s.running.Store(s.talk)
	return nil
}

// farewell is how long a stream may take to say goodbye.
func (s *Service) farewell() time.Duration {
	if s.drained.Load() {
		return farewellTime
	}
	return hurriedFarewell
}

// Run passes on what the agent says.
func (s *Service) Run(ctx context.Context, out *pipeline.Port) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		s.talk.box.run(ctx, out)
	}()
	var err error
	select {
	case err = <-s.talk.failed:
		cancel(err)
	case <-ctx.Done():
	}
	<-delivered
	return err
}

// Process takes what is ordered: text, results, settings and the end. The rest
// passes.
func (s *Service) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Text:
		if dir == frames.Downstream {
			return s.talk.post(ctx, f)
		}
	case *frames.UpdateSettings:
		if change, ok := frames.SettingsOf[Settings](f); ok {
			return s.talk.post(ctx, change)
		}
	case *frames.End:
		if dir == frames.Downstream && s.drain(ctx, f.Gone) {
			s.drained.Store(true)
		}
	case *frames.Stop:
		if dir == frames.Downstream {
			s.drain(ctx, false)
		}
	}
	return out.Send(ctx, f, dir)
}

// ProcessSystem takes what overtakes: the user's audio, keys, playout and
// interruptions. All of it passes on, too, but for interruptions, of which the
// engine tells everybody.
func (s *Service) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	var err error
	switch f := f.(type) {
	case *frames.AudioInput, *frames.DTMFInput, *frames.VADStarted, *frames.VADStopped:
		if dir == frames.Downstream {
			err = s.talk.post(ctx, f)
		}
	case *frames.Playout:
		if dir == frames.Upstream {
			err = s.talk.post(ctx, f)
		}
	case *frames.FunctionCallCancel:
		err = s.talk.post(ctx, f)
	case *frames.Interruption:
		if f.Source != out.Name() {
			return s.talk.post(ctx, f)
		}
		return nil
	}
	if err != nil {
		return err
	}
	return out.Send(ctx, f, dir)
}

// drain waits until what was asked is answered, unless the caller is gone, and what
// was said has been passed on. It reports false if ctx has ended first.
func (s *Service) drain(ctx context.Context, gone bool) bool {
	d := &drain{done: make(chan struct{}), gone: gone}
	if s.talk.post(ctx, d) != nil {
		return false
	}
	select {
	case <-d.done:
		_ = s.talk.box.flush(ctx)
		return true
	case <-ctx.Done():
		return false
	}
}

// Close says goodbye to the service: in two seconds at most after an orderly
// end, in a fifth of a second otherwise.
func (s *Service) Close(ctx context.Context) error {
	return s.end(ctx)
}

func (s *Service) end(ctx context.Context) error {
	s.stop()
	select {
	case <-s.done:
	case <-ctx.Done():
		return fmt.Errorf("close streams: %w", context.Cause(ctx))
	}
	if s.ownClient {
		s.client.Close()
	}
	return nil
}

// Rotate moves the conversation to a new stream, at the next good moment within
// half a minute, for instance because this host is to be drained or the region
// changed. why is for the log. What becomes of it is told by [Swap] frames. It
// may be called at any time by anybody; it returns an error if the conversation
// has not begun or has ended, or ctx ends.
func (s *Service) Rotate(ctx context.Context, why string) error {
	talk := s.running.Load()
	if talk == nil {
		return ErrNotRunning
	}
	select {
	case <-s.done:
		return ErrNotRunning
	default:
	}
	return talk.post(ctx, rotate{why})
}

// Stats returns what happened so far. It may be called at any time by anybody.
func (s *Service) Stats() Stats { return s.shared.read() }
