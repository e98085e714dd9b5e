package turn

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// Processor takes turns. Make one with [New], for each conversation. Its methods
// may be called by any goroutine.
type Processor struct {
	name   string      // from the configuration
	tapped atomic.Bool // there is a Tap
	placed atomic.Bool // … in the pipeline
	live   atomic.Bool // frames can be sent

	mu       sync.Mutex // guards all below
	config   Config     // as given
	sent     sync.Cond  // what was to be done has been
	port     *pipeline.Port
	machine  *machine
	clock    clock
	armed    time.Duration // for when the timer is set; 0: it is not
	outbox   []effect      // what is to be done, in order
	sending  bool          // somebody is at it
	told     bool          // the last VADStarted that went on has had no VADStopped
	callers  string        // the caller's track, once it is known …
	others   bool          // … and it was reported that there are others
	track    string        // of the caller's audio: callers, or none
	recent   recording
	kept     []frames.Frame               // transcripts that are kept back …
	released []frames.Frame               // … and those that are to be sent on
	shown    *frames.InterimTranscription // the last of what went on, if no final one did since …
	recalled bool                         // … and it is to be withdrawn
	seen     seen
	silence  []int16 // zeros, for muted frames to share
	work     []job   // for Run to start
	calm     context.CancelFunc
	asking   []question
	stats    Stats

	passing chan struct{} // holds something while a transcript is sent
	pass    chan struct{} // wakes the goroutine that sends what was released
	wake    chan struct{} // wakes Run
}

// job is something for a goroutine of its own.
type job func(ctx context.Context, out *pipeline.Port)

// Stats is what a Processor has done so far.
type Stats struct {
	Turns         int  // that have ended
	Interruptions int  // that it raised while the agent spoke or a function ran
	Doubts        int  // how often the agent's voice was held
	Resumed       int  // … and went on
	Ignored       int  // final transcripts that went no further
	Watchdogs     int  // things that lasted too long and were ended
	Reminders     int  // handlers that were called because it was quiet
	Muted         bool // now
	Speaking      bool // the caller has the turn now
}

// New makes a Processor. A configuration that makes no sense is reported when the
// pipeline starts.
func New(cfg Config) *Processor {
	if cfg.Name == "" {
		cfg.Name = "turn"
	}
	p := &Processor{
		name:    cfg.Name,
		callers: cfg.Track,
		config:  cfg,
		machine: newMachine(Config{}),
		passing: make(chan struct{}, 1),
		pass:    make(chan struct{}, 1),
		wake:    make(chan struct{}, 1),
	}
	p.sent.L = &p.mu
	return p
}

// Name returns the name from the configuration.
func (p *Processor) Name() string { return p.name }

// Press tells that the button of push to talk is held, or is not any more. Before
// the pipeline has started it counts from its beginning.
func (p *Processor) Press(on bool) {
	p.on(func(m *machine) { m.press(on) })
}

// Mute mutes the caller, or leaves it to Config.Mute again. Before the pipeline
// has started it counts from its beginning.
//
// Unlike filter.Mute of package processors/filter, which replaces audio and knows
// nothing of the conversation, it ends the turn that is in progress, and keeps back
// what detectors and recognisers before the turn make of what they go on hearing.
// Where there are turns, mute here.
func (p *Processor) Mute(on bool) {
	p.on(func(m *machine) { m.requestMute(on) })
}

// Stats returns what it has done so far.
func (p *Processor) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Turns, s.Muted, s.Speaking = p.machine.facts.Turns, p.machine.facts.Muted, p.machine.state == talking
	return s
}

// Start checks the configuration.
func (p *Processor) Start(_ context.Context, out *pipeline.Port) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.config.validate(p.tapped.Load()); err != nil {
		return fmt.Errorf("configure turn: %w", err)
	}
	asked := p.machine
	p.machine, p.port = newMachine(p.config), out
	p.machine.requested, p.machine.facts.Pressed = asked.requested, asked.facts.Pressed
	p.clock.now(time.Now())
	return nil
}

// begin begins, once frames can be sent: the caller may be muted from the
// beginning.
func (p *Processor) begin() {
	if !p.live.Load() && p.live.CompareAndSwap(false, true) {
		p.on(nil)
	}
}

// on has the machine take in an event of the present.
func (p *Processor) on(event func(m *machine)) {
	p.mu.Lock()
	p.take(event, true)
	p.deliver()
}

// take has the machine take in an event. p.mu is held.
func (p *Processor) take(event func(m *machine), ends bool) {
	if !p.live.Load() {
		if event != nil {
			event(p.machine) // what follows from it is decided when frames can be sent
		}
		p.machine.take()
		return
	}
	p.machine.on(p.clock.here(time.Now()), ends, event)
	p.outbox = append(p.outbox, p.machine.take()...)
	p.asking = stillAsked(p.asking)
	if p.machine.next != p.armed {
		signal(p.wake)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// ProcessSystem takes in what happens to the caller's voice and the agent's.
func (p *Processor) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, first := f.(*frames.Start); !first {
		p.begin()
	}
	switch f := f.(type) {
	case *frames.Interruption:
		p.on((*machine).interrupted)
		return nil
	case *frames.AudioInput:
		if dir == frames.Downstream && p.isCallers(f.Track) {
			return out.Send(ctx, p.hear(f), dir)
		}
	case *frames.VADStarted:
		if p.isCallers(f.Track) {
			p.voice(f, dir, spot{f.Track, f.Position, f.Rate}, (*machine).voiceOn)
			return nil
		}
	case *frames.VADStopped:
		if p.isCallers(f.Track) {
			p.voice(f, dir, spot{f.Track, f.Position, f.Rate}, (*machine).voiceOff)
			return nil
		}
	case *frames.UserStartedSpeaking:
		return p.service(ctx, f, dir, out, func(m *machine) { m.serviceStarted(p.clock.mark(time.Now(), f.Position, f.Rate)) })
	case *frames.UserStoppedSpeaking:
		return p.service(ctx, f, dir, out, (*machine).serviceStopped)
	case *frames.DTMFInput:
		p.on((*machine).active)
	default:
		p.watchAgent(f)
	}
	return out.Send(ctx, f, dir)
}

// watchAgent takes in what system frames tell of the agent, and what the
// application asks for.
func (p *Processor) watchAgent(f frames.Frame) {
	switch f := f.(type) {
	case *frames.BotStartedSpeaking:
		p.on((*machine).botStarted)
	case *frames.BotStoppedSpeaking:
		p.on((*machine).botStopped)
	case *frames.FunctionCallCancel:
		p.on(func(m *machine) { m.toolEnded(f.CallID) })
	case *Button:
		p.Press(f.Pressed)
	case *SetMute:
		p.Mute(f.On)
	}
}

// Process takes in what the caller has said, and what functions do.
func (p *Processor) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	p.begin()
	switch f := f.(type) {
	case *frames.Transcription:
		if p.isCallers(f.Track) {
			return p.words(ctx, f, dir, out, p.final(f))
		}
	case *frames.InterimTranscription:
		if p.isCallers(f.Track) {
			return p.words(ctx, f, dir, out, transcript{text: f.Text})
		}
	case *frames.UpdateSettings:
		if s, ok := frames.SettingsOf[Settings](f); ok {
			return p.update(s)
		}
	case *frames.Text:
		if dir == frames.Downstream && !f.Instruction {
			p.on((*machine).active)
		}
	case *frames.End:
		if dir == frames.Downstream {
			p.on((*machine).ends)
			return p.passLast(ctx, f, dir, out)
		}
	case *frames.Stop:
		if dir == frames.Downstream {
			p.on((*machine).stops)
			return p.passLast(ctx, f, dir, out)
		}
	default:
		p.watchService(f)
	}
	return out.Send(ctx, f, dir)
}

// watchService takes in what ordered frames tell of the service.
func (p *Processor) watchService(f frames.Frame) {
	switch f := f.(type) {
	case *frames.FunctionCallInProgress:
		p.on(func(m *machine) { m.toolStarted(f.CallID) })
	case *frames.FunctionCallResult:
		p.on(func(m *machine) { m.toolEnded(f.CallID) })
	case *frames.SpokenText:
		p.on((*machine).sentenceHeard)
	}
}

// isCallers reports whether a track is the caller's: that of the configuration, or
// else the first that anything comes of. What is of no track is the caller's, too.
func (p *Processor) isCallers(track string) bool {
	if track == "" {
		return true
	}
	p.mu.Lock()
	if p.callers == "" {
		p.callers = track
	}
	callers, out := p.callers, p.port
	unexpected := track != callers && p.config.Track == "" && !p.others
	p.others = p.others || unexpected
	p.mu.Unlock()
	if unexpected {
		out.Report(pipeline.Classify(frames.ErrorInvalidRequest, fmt.Errorf(
			"%w: %q came first, and nothing that comes of %q counts; name the caller's in Config.Track, or give each caller a Processor of their own", ErrTracks, callers, track)))
	}
	return track == callers
}

// hear takes in the caller's audio, and returns what goes on.
func (p *Processor) hear(f *frames.AudioInput) *frames.AudioInput {
	if f.Format.Validate() != nil {
		return f
	}
	p.mu.Lock()
	p.track = f.Track
	p.clock.audio(time.Now(), f.End(), f.Len(), f.Format.Rate)
	p.take(func(m *machine) { m.audioTo(m.here) }, true)
	muted := p.machine.facts.Muted
	switch {
	case muted:
		f = p.silenced(f)
		p.recent.forget()
	case len(p.machine.semantics) > 0:
		p.recent.add(f, p.machine.longest())
	}
	p.deliver()
	return f
}

// silenced returns a frame of silence in the place of one.
func (p *Processor) silenced(f *frames.AudioInput) *frames.AudioInput {
	if len(p.silence) < len(f.Samples) {
		p.silence = make([]int16, len(f.Samples)) // shared by frames, which nobody writes to
	}
	return &frames.AudioInput{Audio: frames.Audio{
		Format: f.Format, Samples: p.silence[:len(f.Samples):len(f.Samples)], Track: f.Track, Position: f.Position,
	}}
}

// spot is a place on a track.
type spot struct {
	track string
	pos   audio.Position
	rate  audio.SampleRate
}

// voice takes in what a detector tells, and passes it on unless the caller is
// muted.
func (p *Processor) voice(f frames.Frame, dir frames.Direction, at spot, event func(*machine, mark)) {
	p.mu.Lock()
	if p.track == "" {
		p.track = at.track
	}
	if !p.machine.facts.Muted { // what is known by now, which may still be on its way, goes before it
		p.outbox = append(p.outbox, effect{kind: doVoice, frame: f, dir: dir})
	}
	p.take(func(m *machine) { event(m, p.clock.mark(time.Now(), at.pos, at.rate)) }, true)
	p.deliver()
	p.delivered()
}

// service passes the service's word about turns on if it is the one that
// decides.
func (p *Processor) service(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port, event func(*machine)) error {
	p.mu.Lock()
	external := p.machine.external
	p.take(event, true)
	p.deliver()
	if !external {
		return nil // who has the turn is told by one only
	}
	return out.Send(ctx, f, dir)
}

func (p *Processor) final(f *frames.Transcription) transcript {
	t := transcript{text: f.Text, final: true}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); f.Rate > 0 && p.clock.heard {
		t.start, t.end, t.located = p.clock.mark(now, f.Start, f.Rate), p.clock.mark(now, f.End, f.Rate), true
	}
	return t
}

// update changes the settings, if they can work.
func (p *Processor) update(s Settings) error {
	p.mu.Lock()
	cfg := s.apply(p.config)
	if err := cfg.validate(p.placed.Load()); err != nil {
		p.mu.Unlock()
		return pipeline.Classify(frames.ErrorInvalidRequest, fmt.Errorf("change settings of turn: %w", err))
	}
	p.config = cfg
	p.take(func(m *machine) { m.configure(cfg, s) }, true)
	p.deliver()
	return nil
}

// Run waits for what happens by the passing of time, and runs what may take a
// while.
func (p *Processor) Run(ctx context.Context, out *pipeline.Port) error {
	if err := p.complete(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var crew sync.WaitGroup
	defer crew.Wait()
	defer cancel()
	crew.Go(func() { p.passReleased(ctx, out) })
	p.begin()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			p.on(nil)
		case <-p.wake:
		case <-ctx.Done():
			return nil
		}
		p.mu.Lock()
		work, next := p.work, p.machine.next
		left := p.clock.until(next, time.Now())
		p.work, p.armed = nil, next
		p.mu.Unlock()
		for _, do := range work {
			crew.Go(func() { do(ctx, out) })
		}
		if next == 0 {
			timer.Stop()
		} else {
			timer.Reset(max(0, left))
		}
	}
}

// complete checks what could not be known before all processors had started: that
// a Tap that is needed is in the pipeline.
func (p *Processor) complete() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.config.validate(p.placed.Load()); err != nil {
		return fmt.Errorf("configure turn: %w", err)
	}
	return nil
}

// start has Run do something. p.mu is held.
func (p *Processor) start(j job) {
	p.work = append(p.work, j)
	signal(p.wake)
}

// guarded calls what is somebody else's. A panic there is an error of that call's,
// and not the end of the program.
func guarded(call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it panicked: %v", v)
		}
	}()
	return call()
}

// remind calls a handler. p.mu is held.
func (p *Processor) remind(do Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	p.calm = cancel
	p.start(func(run context.Context, out *pipeline.Port) {
		defer cancel()
		handler, end := context.WithCancel(run)
		defer end()
		defer context.AfterFunc(ctx, end)()
		if err := guarded(func() error { return do(handler, out) }); err != nil && handler.Err() == nil {
			out.Report(fmt.Errorf("remind a caller who says nothing: %w", err))
		}
		p.on(func(m *machine) { m.idle.reminded() })
	})
}
