package novasonic

import (
	"context"

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
		return pipeline.Classify(frames.ErrorInvalidRequest, err)
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
	s.talk = newConversation(&s.cfg, client.dialer, out, log, &s.shared)
	s.done = make(chan struct{})
	// The conversation outlives Start, and ends with Close.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go func() {
		defer close(s.done)
		s.talk.run(life)
	}()

	select {
	case err = <-s.talk.first:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		s.end()
	}
	return err
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
	case *frames.End:
		if dir == frames.Downstream {
			s.drain(ctx)
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
	case *frames.AudioInput, *frames.DTMFInput:
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

// drain waits until no answer is in progress and everything that was said has
// been passed on.
func (s *Service) drain(ctx context.Context) {
	done := make(chan struct{})
	if s.talk.post(ctx, drain{done}) != nil {
		return
	}
	select {
	case <-done:
		_ = s.talk.box.flush(ctx)
	case <-ctx.Done():
	}
}

// Close says goodbye to the service.
func (s *Service) Close(ctx context.Context) error {
	s.end()
	return nil
}

func (s *Service) end() {
	s.stop()
	<-s.done
	if s.ownClient {
		s.client.Close()
	}
}

// Stats returns what happened so far. It may be called at any time by anybody.
func (s *Service) Stats() Stats { return s.shared.read() }
