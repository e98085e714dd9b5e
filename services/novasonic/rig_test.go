package novasonic_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// rig is a call in virtual time: a caller with a microphone, the processor on
// the real SDK, the emulator, and a loudspeaker that plays in real time and
// reports what was heard.
type rig struct {
	t      *testing.T
	srv    *sonictest.Server
	sonic  *novasonic.Service
	caller *caller
	ear    *ear
	pipe   *pipeline.Pipeline
	runErr error
	done   chan struct{}
	began  time.Time
	struck sync.Map // numbers of the streams that were made to fail
}

// call sets a conversation up, lets during hold it, ends it in order, and
// checks that the emulator saw no rule broken.
func call(t *testing.T, sc sonictest.Config, nc novasonic.Config, during func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, sc, nc)
		during(r)
		r.pipe.End("the test is over")
		<-r.done
		if r.runErr != nil {
			t.Errorf("the run ended with: %v", r.runErr)
		}
		r.srv.Close()
		for _, s := range r.srv.Streams() {
			for _, v := range s.Violations {
				if _, struck := r.struck.Load(s.Number); struck && !v.Fatal && v.Event == "" {
					continue // there was nobody to say goodbye to
				}
				t.Errorf("stream %d broke a rule at %v with %s: %s", s.Number, v.At, v.Event, v.Text)
			}
		}
	})
}

func start(t *testing.T, sc sonictest.Config, nc novasonic.Config) *rig {
	t.Helper()
	r := prepare(t, sc, nc)
	r.run()
	return r
}

func prepare(t *testing.T, sc sonictest.Config, nc novasonic.Config) *rig {
	t.Helper()
	sc.KeepAudio = true
	r := &rig{t: t, done: make(chan struct{}), began: time.Now()}
	r.srv = sonictest.NewServer(sc)
	if err := r.srv.StartPipe(); err != nil {
		t.Fatal(err)
	}
	if nc.AWS == nil {
		cfg := r.srv.AWSConfig()
		nc.AWS = &cfg
	}
	r.sonic = novasonic.New(nc)
	r.caller = &caller{rate: audio.Rate16k, channels: 1}
	r.ear = newEar()
	r.pipe = pipeline.New(pipeline.Config{OnError: r.ear.failed}, r.caller, r.sonic, r.ear)
	return r
}

func (r *rig) run() {
	go func() {
		defer close(r.done)
		r.runErr = r.pipe.Run(context.Background())
	}()
}

// strike makes a stream fail.
func (r *rig) strike(stream int, a sonictest.Action) {
	r.struck.Store(stream, true)
	r.srv.Strike(stream, a)
}

// says makes the caller press keys, which the emulator hears as spoken words,
// and waits until they are said.
func (r *rig) says(keys string) {
	select {
	case <-r.caller.say(hearing.Speak(r.caller.rate, keys)):
	case <-r.done:
		r.t.Fatalf("the run has ended: %v", r.runErr)
	}
}

// waits lets time pass.
func (r *rig) waits(d time.Duration) { time.Sleep(d) }

// waitsFor waits until the pipeline has seen a frame that fits.
func (r *rig) waitsFor(what string, fits func(frames.Frame) bool) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !slices.ContainsFunc(r.ear.all(), fits) {
		if time.Now().After(deadline) {
			r.t.Fatalf("no %s within a minute; seen:\n%s", what, r.ear.transcript())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// streams returns the emulator's logs.
func (r *rig) streams() []sonictest.StreamLog { return r.srv.Streams() }

// caller is a microphone: it sends 20 ms of audio every 20 ms, silence unless
// there is something to say.
type caller struct {
	rate     audio.SampleRate
	channels int

	mu    sync.Mutex
	queue []int16
	muted bool
	said  chan struct{}

	metrics []frames.Metric // that came upstream
}

func (c *caller) Name() string { return "caller" }

func (c *caller) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.Interruption:
		return nil
	case *frames.Metrics:
		if dir == frames.Upstream {
			c.mu.Lock()
			c.metrics = append(c.metrics, f.Values...)
			c.mu.Unlock()
		}
	}
	return out.Send(ctx, f, dir)
}

// measured returns the values of a metric, in order.
func (c *caller) measured(name string) (values []float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.metrics {
		if m.Name == name {
			values = append(values, m.Value)
		}
	}
	return values
}

func (c *caller) Run(ctx context.Context, out *pipeline.Port) error {
	var position audio.Position
	n := int(c.rate.Samples(20 * time.Millisecond))
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
		c.mu.Lock()
		piece := make([]int16, n)
		c.queue = c.queue[copy(piece, c.queue):]
		if len(c.queue) == 0 && c.said != nil {
			close(c.said)
			c.said = nil
		}
		muted := c.muted
		c.mu.Unlock()
		if !muted {
			f := &frames.AudioInput{Audio: frames.Audio{
				Format: audio.Format{Rate: c.rate, Channels: c.channels}, Track: "caller", Position: position,
				Samples: audio.Remix(nil, piece, 1, c.channels),
			}}
			if err := out.Send(ctx, f, frames.Downstream); err != nil {
				return nil
			}
		}
		position += audio.Position(n)
	}
}

// say queues samples, and returns a channel that is closed when they were sent.
func (c *caller) say(samples []int16) <-chan struct{} {
	said := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue, c.said = append(c.queue, samples...), said
	return said
}

func (c *caller) mute(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.muted = on
}

// ear is a loudspeaker, and keeps everything that comes by.
type ear struct {
	mu     sync.Mutex
	seen   []frames.Frame
	errs   []*frames.Error
	queue  []*frames.AudioOutput
	played []int16 // what was heard, without the silence between
	output audio.Position
	deaf   bool // reports no playout
	wake   chan struct{}
}

func newEar() *ear { return &ear{wake: make(chan struct{}, 1)} }

func (e *ear) Name() string { return "ear" }

func (e *ear) failed(f *frames.Error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.errs = append(e.errs, f)
}

func (e *ear) errors() []*frames.Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.errs)
}

func (e *ear) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	e.mu.Lock()
	e.seen = append(e.seen, f)
	switch f := f.(type) {
	case *frames.AudioOutput:
		e.queue = append(e.queue, f)
		select {
		case e.wake <- struct{}{}:
		default:
		}
	case *frames.Interruption:
		e.queue = nil
		e.mu.Unlock()
		return nil
	}
	e.mu.Unlock()
	return out.Send(ctx, f, dir)
}

// Run plays what is queued, 20 ms at a time.
func (e *ear) Run(ctx context.Context, out *pipeline.Port) error {
	for {
		e.mu.Lock()
		var f *frames.AudioOutput
		if len(e.queue) > 0 {
			f = e.queue[0]
			e.queue = e.queue[1:]
		}
		e.mu.Unlock()
		if f == nil {
			select {
			case <-e.wake:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		rest := f.Samples
		heard := f.Position
		for len(rest) > 0 {
			n := min(len(rest), int(f.Format.Rate.Samples(20*time.Millisecond)))
			select {
			case <-time.After(f.Format.Rate.Duration(int64(n))):
			case <-ctx.Done():
				return nil
			}
			e.mu.Lock()
			e.played = append(e.played, rest[:n]...)
			cut := len(e.queue) == 0 && len(e.seen) > 0 && e.interruptedSince(f)
			e.mu.Unlock()
			rest, heard = rest[n:], heard+audio.Position(n)
			e.output += audio.Position(n)
			if !e.deaf {
				if err := out.Send(ctx, &frames.Playout{Track: f.Track, Rate: f.Format.Rate, Heard: heard, Response: f.Response}, frames.Upstream); err != nil {
					return nil
				}
			}
			if cut {
				break
			}
		}
	}
}

// interruptedSince reports whether an interruption came after f.
func (e *ear) interruptedSince(f frames.Frame) bool {
	for _, s := range slices.Backward(e.seen) {
		if _, ok := s.(*frames.Interruption); ok {
			return true
		}
		if s == f {
			return false
		}
	}
	return false
}

func (e *ear) all() []frames.Frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.seen)
}

func (e *ear) heard() []int16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.played)
}

// transcript is the frames that matter, one a line.
func (e *ear) transcript() string {
	var b strings.Builder
	for _, f := range e.all() {
		switch f.(type) {
		case *frames.AudioInput, *frames.AudioOutput:
		default:
			fmt.Fprintln(&b, f)
		}
	}
	return b.String()
}

// of returns the frames of one type.
func of[T frames.Frame](r *rig) []T {
	var found []T
	for _, f := range r.ear.all() {
		if f, ok := f.(T); ok {
			found = append(found, f)
		}
	}
	return found
}

// texts returns what a function makes of each frame of a type.
func texts[T frames.Frame](r *rig, text func(T) string) []string {
	var s []string
	for _, f := range of[T](r) {
		s = append(s, text(f))
	}
	return s
}

func isA[T frames.Frame](f frames.Frame) bool { _, ok := f.(T); return ok }
