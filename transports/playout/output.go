package playout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/mistakes"
	"github.com/parley-go/parley/pipeline"
)

// Config says how an [Output] plays. The zero value is good for a local sink.
type Config struct {
	// Name is the processor's name; "output" by default.
	Name string

	// Format is what the sink gets; 24 kHz mono by default, which is what speech
	// services produce. Audio of other rates and channels is converted.
	Format audio.Format

	// Chunk is the length of a chunk, from 1 ms to 1 s; 20 ms by default. Old audio
	// goes on for no longer after an interruption, but for its Fade.
	Chunk time.Duration

	// Lead is how much earlier than they are heard chunks are handed to the
	// sink, up to 10 s. Default: 100 ms if the sink is a [Flusher], none if not,
	// since this is also how much the sink still holds when it is interrupted. A
	// sink at the end of a network wants 40 to 200 ms. Negative: none.
	Lead time.Duration

	// Fade is the time in which speech that is cut fades out, and in which what
	// was held comes in again, so that nothing clicks: at most a chunk; 5 ms by
	// default. Negative: none. It applies to what the output has not handed over;
	// a [Flusher] that takes back what it was given fades that itself.
	Fade time.Duration

	// EndSilence is how long silence is played behind the last speech before an
	// end or a stop goes on, up to 10 s: for peers that hang up before they have
	// played what they have. None by default.
	EndSilence time.Duration

	// MaxQueued is how much audio may wait to be played; 10 minutes by default.
	// When there is more, whoever sends it waits. An end waits until it is
	// played; pipeline.Config.EndTimeout is then for a sink that is stuck.
	MaxQueued time.Duration

	// StopDelay is how long the agent must have been silent to have stopped
	// speaking, unless TTSStop has said so before; 500 ms by default.
	StopDelay time.Duration

	// MaxLate is by how much chunks may be late before the clock is put back,
	// so that a machine that was asleep does not pour out hours of silence; 1 s
	// by default. A negative value means never: what is late is caught up.
	MaxLate time.Duration

	// Clock is shared with the transport's input; a new one by default.
	Clock *Clock
}

const (
	defaultChunk     = 20 * time.Millisecond
	defaultLead      = 100 * time.Millisecond // of a sink that can be flushed
	defaultFade      = 5 * time.Millisecond
	defaultMaxQueued = 10 * time.Minute
	defaultStopDelay = 500 * time.Millisecond
	defaultMaxLate   = time.Second
	minChunk         = time.Millisecond
	maxChunk         = time.Second
	maxLead          = 10 * time.Second
	maxEndSilence    = 10 * time.Second
	maxMarks         = 4096 // ordered frames that wait among the audio
)

func (c Config) withDefaults(sink Sink) Config {
	if c.Name == "" {
		c.Name = "output"
	}
	if c.Format == (audio.Format{}) {
		c.Format = audio.Mono(audio.Rate24k)
	}
	if c.Chunk == 0 {
		c.Chunk = defaultChunk
	}
	if _, flushes := sink.(Flusher); c.Lead == 0 && flushes {
		c.Lead = defaultLead
	}
	c.Lead = max(0, c.Lead)
	if c.Fade == 0 {
		c.Fade = defaultFade
		if c.Chunk >= minChunk {
			c.Fade = min(defaultFade, c.Chunk)
		}
	}
	c.Fade = max(0, c.Fade)
	if c.MaxQueued == 0 {
		c.MaxQueued = defaultMaxQueued
	}
	if c.StopDelay == 0 {
		c.StopDelay = defaultStopDelay
	}
	if c.MaxLate == 0 {
		c.MaxLate = defaultMaxLate
	}
	if c.Clock == nil {
		c.Clock = &Clock{}
	}
	return c
}

func (c Config) validate() error {
	var wrong mistakes.List
	formatted := c.Format.Validate()
	wrong.Join(formatted)
	wrong.Duration("Chunk", c.Chunk, minChunk, maxChunk)
	chunked := c.Chunk >= minChunk && c.Chunk <= maxChunk
	if formatted == nil && chunked && c.Format.Rate.Samples(c.Chunk) < 1 {
		wrong.Add("a chunk of %v at %v holds no sample: raise Format.Rate or Chunk", c.Chunk, c.Format.Rate)
	}
	if c.Lead > 0 { // negative is none
		wrong.Duration("Lead", c.Lead, time.Millisecond, maxLead)
	}
	switch {
	case c.Fade <= 0:
	case chunked && c.Fade > c.Chunk:
		wrong.Add("Fade is %v, and longer than a chunk, %v: 0 is the default, 5ms", c.Fade, c.Chunk)
	default:
		wrong.Duration("Fade", c.Fade, 100*time.Microsecond, 0)
	}
	wrong.Duration("EndSilence", c.EndSilence, time.Millisecond, maxEndSilence)
	wrong.Duration("MaxQueued", c.MaxQueued, time.Millisecond, 0)
	wrong.Duration("StopDelay", c.StopDelay, time.Millisecond, 0)
	if c.MaxLate > 0 { // negative is never
		wrong.Duration("MaxLate", c.MaxLate, time.Millisecond, 0)
	}
	return wrong.Err()
}

// Output is the processor that plays the agent's audio. Make one with [New]. It
// plays one run of a pipeline.
type Output struct {
	config Config
	sink   Sink

	mu       sync.Mutex // guards all below, and the order of what is reported
	player   player
	mixer    mixer
	far      farEnd
	released []mark // heard, to be sent on
	passing  bool   // one is being sent on
	slipped  time.Duration
	playing  bool           // Run is at work
	flushes  int            // of the sink
	handing  bool           // the sink is being given a chunk …
	handed   audio.Position // … which begins there
	reached  audio.Position // how far the clock has been, before flushes put it back; the Lead at first

	// What Stats returns, apart: frames are sent with mu held, so that they are
	// in order with interruptions, and whoever gets them may ask.
	statsMu sync.Mutex
	told    Stats

	left atomic.Bool // nobody listens any more

	changed chan struct{} // wakes Process, which waits for room or for the end
	sendOn  chan struct{} // wakes the goroutine that sends on what was released
	chunk   []int16       // owned by Run
}

// New makes an output which plays to sink. A configuration that makes no sense
// is reported when the pipeline starts.
func New(cfg Config, sink Sink) *Output {
	cfg = cfg.withDefaults(sink)
	chunk := cfg.Format.Rate.Samples(cfg.Chunk)
	return &Output{
		config: cfg,
		sink:   sink,
		player: player{
			format:    cfg.Format,
			chunk:     chunk,
			stopDelay: cfg.Format.Rate.Samples(cfg.StopDelay),
			fade:      cfg.Format.Rate.Samples(cfg.Fade),
		},
		mixer:   mixer{format: cfg.Format, keep: kept(cfg, sink)},
		reached: audio.Position(cfg.Format.Rate.Samples(cfg.Lead)),
		told:    Stats{Format: cfg.Format},
		changed: make(chan struct{}, 1),
		sendOn:  make(chan struct{}, 1),
	}
}

// kept is how many chunks of the background may be taken back by a flush.
func kept(cfg Config, sink Sink) int {
	if _, ok := sink.(Flusher); !ok {
		return 0
	}
	return int((cfg.Lead + unconfirmed) / max(cfg.Chunk, minChunk))
}

// Name returns the name from the configuration.
func (o *Output) Name() string { return o.config.Name }

// Exclusive says that a second output behind this one would have nothing to play.
func (o *Output) Exclusive() string { return "output of what is to be heard" }

// Format returns what the sink gets.
func (o *Output) Format() audio.Format { return o.config.Format }

// Start checks the configuration and opens the sink.
func (o *Output) Start(ctx context.Context, _ *pipeline.Port) error {
	if mistakes.IsNil(o.sink) {
		return errors.New("configure playout: there is no sink: give New something to play to")
	}
	if err := o.config.validate(); err != nil {
		return fmt.Errorf("configure playout: %w", err)
	}
	o.chunk = make([]int16, int(o.player.chunk)*o.config.Format.Channels)
	if s, ok := o.sink.(Opener); ok {
		return s.Open(ctx)
	}
	return nil
}

// Close closes the sink.
func (o *Output) Close(ctx context.Context) error {
	if s, ok := o.sink.(Closer); ok {
		return s.Close(ctx)
	}
	return nil
}

// Process takes audio into the buffer, and lets other ordered frames take their
// place behind it. It waits while the buffer is full, and for End and Stop until
// everything has been heard.
func (o *Output) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if dir == frames.Upstream {
		return out.Send(ctx, f, dir)
	}
	switch f := f.(type) {
	case *frames.AudioOutput:
		return o.enqueue(ctx, f)
	case *frames.Heartbeat:
		return out.Send(ctx, f, dir)
	case *frames.End, *frames.Stop:
		after := o.config.EndSilence
		if end, ok := f.(*frames.End); ok && end.Gone {
			o.interrupt(ctx, out)
			after = 0
		}
		if err := o.drain(ctx, after, out); err != nil {
			return err
		}
		return out.Send(ctx, f, dir)
	}
	room := func() bool { return o.player.marks+len(o.released) < maxMarks }
	return o.wait(ctx, room, func() {
		m := mark{ctx, f}
		if o.quiet() {
			// Not sent from here: a full lane behind would be waited for
			// with the lock held.
			o.letGo(m)
			return
		}
		o.player.addMark(m)
	})
}

// ProcessSystem empties the buffer when it is interrupted.
func (o *Output) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Interruption:
		o.interrupt(ctx, out)
		return nil
	case *frames.PlayBackground:
		if err := o.background(f); err != nil {
			return fmt.Errorf("play background %q: %w", f.Track, err)
		}
	case *frames.StopBackground:
		if err := o.stopBackground(f); err != nil {
			return fmt.Errorf("stop background %q: %w", f.Track, err)
		}
	case *frames.PausePlayout:
		o.hold()
	case *frames.ResumePlayout:
		o.release()
	case *frames.TransportMessageUrgent:
		if s, ok := o.sink.(Messenger); ok && dir == frames.Downstream {
			if err := s.Message(ctx, f.Message); err != nil {
				return fmt.Errorf("send urgent message: %w", err)
			}
			return nil
		}
	}
	return out.Send(ctx, f, dir)
}

// Leave says that the listener has hung up: speech that comes from now on is
// discarded, and not taken to be heard. What is queued already an interruption
// discards, which whoever calls this asks for next. The end takes a moment to come
// here, for a service may have something left to write down first.
func (o *Output) Leave() { o.left.Store(true) }

func (o *Output) enqueue(ctx context.Context, f *frames.AudioOutput) error {
	if o.left.Load() {
		return nil
	}
	if err := f.Format.Validate(); err != nil {
		return fmt.Errorf("play audio of track %q: %w", f.Track, err)
	}
	if f.Len() == 0 {
		return nil
	}
	room := func() bool { return o.player.queued < o.config.MaxQueued }
	return o.wait(ctx, room, func() { o.player.addAudio(f) })
}

// drain waits until everything has been heard and sent on, and some silence after it.
func (o *Output) drain(ctx context.Context, after time.Duration, out *pipeline.Port) error {
	o.setDraining(true)
	defer o.setDraining(false)
	abandoned := false
	if err := o.wait(ctx, func() bool {
		abandoned = !o.quiet() && o.abandoned()
		return abandoned || o.quiet()
	}, func() {}); err != nil {
		return err
	}
	if abandoned {
		o.interrupt(ctx, out) // what nobody will tell of is not taken to be heard
		if err := o.wait(ctx, o.quiet, func() {}); err != nil {
			return err
		}
	}
	// The last reports have just set off upstream. End goes the other way and
	// ends the run, so it gives them the time of a chunk to arrive.
	grace := time.NewTimer(max(o.config.Chunk, after))
	defer grace.Stop()
	select {
	case <-grace.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *Output) setDraining(on bool) {
	o.mu.Lock()
	o.player.draining = on
	if on {
		o.player.release() // or it would wait for ever
	}
	o.unlock()
}

// hold keeps the speech until it is released.
func (o *Output) hold() {
	o.mu.Lock()
	o.player.hold()
	o.unlock()
}

func (o *Output) background(f *frames.PlayBackground) error {
	o.mu.Lock()
	defer o.unlock()
	return o.mixer.play(f)
}

func (o *Output) stopBackground(f *frames.StopBackground) error {
	o.mu.Lock()
	defer o.unlock()
	return o.mixer.stop(f.Track, f.Fade)
}

func (o *Output) release() {
	o.mu.Lock()
	o.player.release()
	o.unlock()
}

// quiet reports whether there is nothing left to be heard or sent on.
func (o *Output) quiet() bool {
	return o.player.idle() && len(o.released) == 0 && !o.passing
}

// abandoned reports whether the far end has stopped telling of what it plays. o.mu is
// held.
func (o *Output) abandoned() bool {
	e, rate := o.player.events, o.config.Format.Rate
	now := time.Since(o.config.Clock.Start()) - o.slipped
	// While the sink holds a chunk, as for a peer that may come back, the far end owes
	// nothing: it has not got it.
	got := o.player.position
	if o.player.backlog {
		got = min(got, o.player.unsent)
	}
	now = min(now, rate.Duration(int64(got))-o.config.Lead)
	return len(e) > 0 && o.far.gone(e[0].due, rate, now)
}

// wait calls do, with the lock held, as soon as ready says so. Only Process
// waits, so that one signal wakes one waiter.
//
// That ctx is looked at with the lock held is what keeps old audio out after an
// interruption: the old generation's context is cancelled before the
// Interruption arrives, so what got in before is flushed, and what comes later
// sees the cancelled context.
func (o *Output) wait(ctx context.Context, ready func() bool, do func()) error {
	for {
		if done, err := o.attempt(ctx, ready, do); done || err != nil {
			return err
		}
		select {
		case <-o.changed:
		case <-ctx.Done():
		}
	}
}

// attempt calls do if ready says so, and reports whether it did. A panic of either
// leaves the lock free: the run, which it ends, needs it to end.
func (o *Output) attempt(ctx context.Context, ready func() bool, do func()) (bool, error) {
	o.mu.Lock()
	defer o.unlock()
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	if !ready() {
		return false, nil
	}
	do()
	return true, nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// letGo has a mark sent on by the goroutine that does that. o.mu is held.
func (o *Output) letGo(m mark) {
	o.released = append(o.released, m)
	signal(o.sendOn)
}
