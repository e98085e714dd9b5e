package local

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// machine is a machine whose devices are the tests' own, in virtual time.
type machine struct {
	mu      sync.Mutex
	plugged []*fake
	broken  error // what asking for devices comes to
	opened  int   // systems that are
}

// fake is one of its devices.
type fake struct {
	name   string
	kind   Kind
	rate   audio.SampleRate
	ppm    float64                   // by how much its clock is fast
	sizes  []int                     // of its callbacks, in turn; its period by default
	late   func(k int) time.Duration // how late callback k is
	signal func(i int) int16         // what a microphone hears, at i samples of its clock
	sleeps bool                      // nothing is called, and nobody is told

	mu     sync.Mutex
	played []int16   // all that a loudspeaker was given, since it was opened
	when   []instant // when it was
	began  time.Time // when it was opened
	stream *fakeStream
}

// instant is when so many samples had been given.
type instant struct {
	n  int
	at time.Time
}

func (m *machine) system() (system, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened++
	return &fakeSystem{m}, nil
}

func (m *machine) plug(f *fake) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plugged = append(m.plugged, f)
}

// unplug takes a device away; whoever uses it is told.
func (m *machine) unplug(f *fake) {
	m.mu.Lock()
	m.plugged = slices.DeleteFunc(m.plugged, func(x *fake) bool { return x == f })
	m.mu.Unlock()
	f.mu.Lock()
	s := f.stream
	f.mu.Unlock()
	if s != nil {
		s.cancel()
		s.stopped()
	}
}

type fakeSystem struct{ m *machine }

func (s *fakeSystem) close() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.opened--
}

func (s *fakeSystem) devices() (all []Device, err error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	first := map[Kind]bool{}
	for _, f := range s.m.plugged {
		all = append(all, Device{Name: f.name, Kind: f.kind, Default: !first[f.kind], id: f})
		first[f.kind] = true
	}
	return all, s.m.broken
}

func (s *fakeSystem) open(kind Kind, id any, period time.Duration) (stream, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for _, f := range s.m.plugged {
		if f.kind == kind && (id == nil || id == any(f)) {
			return &fakeStream{fake: f, period: period}, nil
		}
	}
	return nil, errors.New("it was unplugged meanwhile")
}

// fakeStream paces a device by its own clock.
type fakeStream struct {
	fake    *fake
	period  time.Duration
	cancel  context.CancelFunc
	stopped func()
	work    sync.WaitGroup
}

func (s *fakeStream) rate() audio.SampleRate { return s.fake.rate }

func (s *fakeStream) start(data func([]int16), stopped func()) error {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.stopped = cancel, stopped
	f := s.fake
	f.mu.Lock()
	f.stream, f.played, f.when, f.began = s, nil, nil, time.Now()
	f.mu.Unlock()
	s.work.Go(func() { s.run(ctx, data) })
	return nil
}

func (s *fakeStream) run(ctx context.Context, data func([]int16)) {
	f := s.fake
	timer := time.NewTimer(0)
	defer timer.Stop()
	buffer := make([]int16, f.rate) // a device has one, too
	for n, k := 0, 0; ; k++ {
		size := int(f.rate.Samples(s.period))
		if len(f.sizes) > 0 {
			size = f.sizes[k%len(f.sizes)]
		}
		// A fast clock has counted the same samples sooner.
		due := f.began.Add(time.Duration(float64(n+size) / (float64(f.rate) * (1 + f.ppm/1e6)) * float64(time.Second)))
		if f.late != nil {
			due = due.Add(f.late(k))
		}
		timer.Reset(time.Until(due))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		f.mu.Lock()
		asleep := f.sleeps
		f.mu.Unlock()
		if asleep {
			n += size
			continue
		}
		p := buffer[:size]
		if f.kind == Microphone {
			for i := range p {
				p[i] = f.signal(n + i)
			}
		}
		data(p)
		f.mu.Lock()
		n += size
		if f.kind == Loudspeaker {
			f.played = append(f.played, p...)
			f.when = append(f.when, instant{n, time.Now()})
		}
		f.mu.Unlock()
	}
}

func (s *fakeStream) close() {
	s.cancel()
	s.work.Wait()
}

// heardBy returns what the loudspeaker has played so far.
func (f *fake) heardBy() []int16 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.played)
}

// take returns what it has played since it was last asked.
func (f *fake) take() []int16 {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.played
	f.played = nil
	return p
}

// lastCall returns when it was last given something, by its own clock.
func (f *fake) lastCall() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.when[len(f.when)-1].n
	f.when = f.when[len(f.when)-1:]
	return f.began.Add(time.Duration(float64(n) / (float64(f.rate) * (1 + f.ppm/1e6)) * float64(time.Second)))
}

// tape is a processor that keeps what the microphone heard.
type tape struct {
	mu     sync.Mutex
	heard  []*frames.AudioInput
	count  int // of them
	told   []string
	do     func(f *frames.AudioInput, out *pipeline.Port)
	frames []frames.Frame // that go upstream
}

func (*tape) Name() string { return "tape" }

func (t *tape) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	t.mu.Lock()
	switch f := f.(type) {
	case *frames.AudioInput:
		t.heard = append(t.heard, f)
		t.count++
	case *Change:
		t.told = append(t.told, f.String())
	}
	if dir == frames.Upstream {
		t.frames = append(t.frames, f)
	}
	t.mu.Unlock()
	if a, ok := f.(*frames.AudioInput); ok && t.do != nil {
		t.do(a, out)
	}
	if _, ok := f.(*frames.Interruption); ok {
		return nil
	}
	return out.Send(ctx, f, dir)
}

// take returns what was heard since it was last asked.
func (t *tape) take() []*frames.AudioInput {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.heard
	t.heard = nil
	t.frames = t.frames[max(0, len(t.frames)-10):]
	return h
}

// all returns everything that was heard as one piece, and tests that it is.
func (t *tape) all(tt *testing.T) []int16 {
	tt.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []int16
	for i, f := range t.heard {
		if f.Position != audio.Position(len(all)) || f.Format.Channels != 1 || f.Track != "caller" {
			tt.Fatalf("piece %d is %v, want it at %d", i, f, len(all))
		}
		all = append(all, f.Samples...)
	}
	return all
}

// call is a pipeline on a machine.
type call struct {
	t         *testing.T
	transport *Transport
	tape      *tape
	pipeline  *pipeline.Pipeline
	done      chan error

	mu     sync.Mutex
	errors []string
}

func begin(t *testing.T, cfg Config, m *machine) *call {
	t.Helper()
	cfg.system = m.system
	transport, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, transport)
}

// run begins a call.
func run(t *testing.T, transport *Transport) *call {
	c := &call{t: t, transport: transport, tape: &tape{}, done: make(chan error, 1)}
	c.pipeline = pipeline.New(pipeline.Config{OnError: func(f *frames.Error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.errors = append(c.errors, f.Err.Error())
	}}, transport.Input(), c.tape, transport.Output())
	go func() { c.done <- c.pipeline.Run(context.Background()) }()
	return c
}

// end hangs up.
func (c *call) end() {
	c.t.Helper()
	c.pipeline.End("the test is over")
	if err := <-c.done; err != nil {
		c.t.Errorf("the call failed: %v", err)
	}
}

// say has the agent say something.
func (c *call) say(samples []int16) { c.sayAt(audio.Rate24k, samples) }

func (c *call) sayAt(rate audio.SampleRate, samples []int16) {
	c.t.Helper()
	for at := 0; at < len(samples); at += 480 {
		part := samples[at:min(at+480, len(samples))]
		f := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(rate), Samples: part, Track: "agent", Position: audio.Position(at)}, Response: "r"}
		if err := c.pipeline.Send(context.Background(), f); err != nil {
			c.t.Fatal(err)
		}
	}
}

// sayFrom has the agent say something at a place on its track.
func (c *call) sayFrom(at int, samples []int16) {
	c.t.Helper()
	f := &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(audio.Rate24k), Samples: slices.Clone(samples), Track: "agent", Position: audio.Position(at)}, Response: "r"}
	if err := c.pipeline.Send(context.Background(), f); err != nil {
		c.t.Fatal(err)
	}
}

// find returns where part begins in all; -1 if it does not occur.
func find(all, part []int16) int {
	for i := 0; i+len(part) <= len(all); i++ {
		if all[i] == part[0] && slices.Equal(all[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}
