package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/observers/metrics"
	"github.com/parley-go/parley/pipeline"
)

func measuring(t *testing.T, cfg metrics.Config) (*metrics.Metrics, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	cfg.Registerer = reg
	m, err := metrics.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m, reg
}

// pass passes on.
func pass() pipeline.Processor {
	return pipeline.Func(func(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
		return out.Send(ctx, f, dir)
	})
}

// series counts all there are.
func series(t *testing.T, reg prometheus.Gatherer) int {
	t.Helper()
	n, err := testutil.GatherAndCount(reg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// hop makes an event of a frame that is sent for the first time.
func hop(ids *atomic.Uint64, f frames.Frame) pipeline.Event {
	frames.Stamp(f, ids)
	return pipeline.Event{Kind: pipeline.Hop, Frame: f, First: true}
}

func TestNamesFromOutsideMakeNoSeriesWithoutEnd(t *testing.T) {
	hostile := func(i int) string {
		switch i % 4 {
		case 0:
			return fmt.Sprint("\xff\xfe", i)
		case 1:
			return fmt.Sprint(strings.Repeat("long", 100), i)
		case 2:
			return fmt.Sprint("\"} 1\nfake_total{a=\"", i)
		}
		return fmt.Sprint("made.up.", i)
	}
	m, reg := measuring(t, metrics.Config{})
	call := func(from, to int) {
		var ids atomic.Uint64
		for i := from; i < to; i++ {
			name := hostile(i)
			c := m.Call(name)
			told := &frames.Interruption{Reason: name}
			frames.Stamp(told, &ids)
			c.Observe([]pipeline.Event{
				{Kind: pipeline.Began},
				hop(&ids, &frames.FunctionCallResult{Name: name, Failed: i%2 == 0}),
				hop(&ids, &frames.Error{Processor: name, Kind: frames.ErrorClass(i), Err: errors.New(name)}),
				hop(&ids, &frames.Metrics{Processor: name, Values: []frames.Metric{
					{Name: name, Value: 1, Unit: "s"},
					{Name: name, Value: 1, Unit: name},
					{Name: "fixed", Value: 1, Unit: "{x}", Attributes: []frames.Attribute{{Key: name, Value: name}, {Key: "a", Value: name}, {Key: "a", Value: name}}},
					{Name: "parley.novasonic.swap.step." + name, Value: 1, Unit: "{step}", Attributes: []frames.Attribute{{Key: "reason", Value: name}}},
				}}),
				{Kind: pipeline.Told, Frame: told},
				{Kind: pipeline.Shed, To: name},
				{Kind: pipeline.Ended, Frame: &frames.Cancel{}},
			})
		}
	}
	call(0, 2000)
	before := series(t, reg)
	call(2000, 4000)
	if after := series(t, reg); after != before {
		t.Errorf("%d series became %d", before, after)
	}
	if _, err := reg.Gather(); err != nil {
		t.Error(err)
	}
	if n := gather(t, reg, "parley_function_call_duration_seconds_count"); n != 4000 {
		t.Errorf("%v calls were counted, want 4000", n)
	}
	if n := gather(t, reg, "parley_function_call_duration_seconds_count", "function", "other"); n < 4000-32 {
		t.Errorf("%v calls of other functions were counted: too many have a series", n)
	}
	if n := gather(t, reg, "fixed_total"); n != 4000 {
		t.Errorf("%v measurements were counted, want 4000", n)
	}
	if n := gather(t, reg, "parley_errors_total"); n != 4000 {
		t.Errorf("%v errors were counted, want 4000", n)
	}
	if n := gather(t, reg, "parley_calls_running"); n != 0 {
		t.Errorf("%v calls are running", n)
	}
}

// talker is a processor that sends what a short call sends.
type talker struct {
	call   *pipeline.Pipeline
	rounds int
}

func (k *talker) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (k *talker) Run(ctx context.Context, out *pipeline.Port) error {
	at := audio.Position(0)
	for range k.rounds {
		for _, f := range []func() frames.Frame{
			func() frames.Frame { return &frames.UserStartedSpeaking{Position: at, Rate: 8000} },
			func() frames.Frame { return &frames.UserStoppedSpeaking{Position: at + 8000, Rate: 8000} },
			func() frames.Frame { return &frames.BotStartedSpeaking{Output: 3*at + 30000, OutputRate: 24000} },
			func() frames.Frame { return &frames.BotStoppedSpeaking{Output: 3*at + 42000, OutputRate: 24000} },
			func() frames.Frame { return &frames.FunctionCallResult{Name: "f", Elapsed: time.Second} },
			func() frames.Frame {
				return &frames.Metrics{Processor: out.Name(), Values: []frames.Metric{{Name: "work", Value: 2, Unit: "{piece}"}, {Name: "parley.playout.gap", Value: .25, Unit: "s"}}}
			},
		} {
			if err := out.SendBoth(ctx, f); err != nil {
				return err
			}
		}
		out.Report(pipeline.Classify(frames.ErrorRateLimit, errors.New("too fast")))
		at += 16000
	}
	k.call.End("said")
	return nil
}

func TestCallsAtOnceAreCountedOnceEach(t *testing.T) {
	m, reg := measuring(t, metrics.Config{})
	const calls, rounds = 40, 25
	run := func() {
		var running sync.WaitGroup
		for range calls {
			running.Go(func() {
				k := &talker{rounds: rounds}
				k.call = pipeline.New(pipeline.Config{Observers: []pipeline.Observer{m.Call("test")}, OnError: func(*frames.Error) {}},
					pass(), pass(), pipeline.Parallel(pipeline.Chain(pass(), pass()), pass()), k, pass(), pipeline.Parallel(pass(), pass()), pass())
				if err := k.call.Run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
	}
	run()
	before := series(t, reg)
	run()
	if after := series(t, reg); after != before {
		t.Errorf("%d series became %d", before, after)
	}
	const n = 2 * calls * rounds
	for name, want := range map[string]float64{
		"parley_calls_begun_total": 2 * calls, "parley_calls_ended_total": 2 * calls, "parley_call_duration_seconds_count": 2 * calls, "parley_calls_running": 0,
		"parley_turns_total": n, "parley_answer_latency_seconds_count": n, "parley_answer_latency_seconds_sum": n * .25,
		"parley_speech_seconds_total": n * 1.5, "parley_errors_total": n,
		// These are sent in both directions, and are two.
		"parley_function_call_duration_seconds_count": 2 * n, "parley_playout_gap_seconds_count": 2 * n, "parley_playout_gap_seconds_sum": 2 * n * .25, "work_total": 4 * n,
		"parley_events_lost_total": 0, "parley_measurements_dropped_total": 0,
	} {
		if got := gather(t, reg, name); math.Abs(got-want) > 1e-6*want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := gather(t, reg, "parley_errors_total", "class", "rate_limit", "fatal", "false", "processor", "metrics_test.talker"); got != n {
		t.Errorf("%v errors of its class, want %v", got, n)
	}
	lint(t, reg)
}

// broken fails to start.
type broken struct{ pipeline.Processor }

func (broken) Start(context.Context, *pipeline.Port) error {
	return pipeline.Classify(frames.ErrorQuota, errors.New("no stream came free"))
}

func TestCallsAreCountedByTheirOutcome(t *testing.T) {
	gone := func(p *pipeline.Pipeline) {
		if err := p.Send(t.Context(), &frames.End{Gone: true}); err != nil {
			t.Error(err)
		}
	}
	for name, c := range map[string]struct {
		processor pipeline.Processor
		end       func(*pipeline.Pipeline)
		outcome   string
		errs      []string // labels of the error that ended it
	}{
		"an orderly end":  {pass(), func(p *pipeline.Pipeline) { p.End("") }, "completed", nil},
		"a hang-up":       {pass(), gone, "hung_up", nil},
		"a cancellation":  {pass(), func(p *pipeline.Pipeline) { p.Cancel("", nil) }, "cancelled", nil},
		"a context's end": {pass(), func(p *pipeline.Pipeline) { p.Cancel("", context.Canceled) }, "cancelled", nil},
		"an error":        {pass(), func(p *pipeline.Pipeline) { p.Cancel("", errors.New("no")) }, "failed", []string{"class", "unknown", "processor", ""}},
		"a fatal error": {pipeline.On(func(context.Context, *frames.Text, frames.Direction, *pipeline.Port) error {
			return pipeline.Fatal(pipeline.Classify(frames.ErrorAuthentication, errors.New("no")))
		}), func(p *pipeline.Pipeline) { p.Send(context.Background(), &frames.Text{}) }, "failed", []string{"class", "authentication", "fatal", "true"}},
		"a failed start": {broken{pass()}, func(*pipeline.Pipeline) {}, "failed", []string{"class", "quota", "processor", "metrics_test.broken", "fatal", "true"}},
		"an end that is held up": {pipeline.On(func(ctx context.Context, f *frames.Text, _ frames.Direction, _ *pipeline.Port) error {
			<-ctx.Done()
			return nil
		}), func(p *pipeline.Pipeline) { p.Send(context.Background(), &frames.Text{}); p.End("") }, "failed", []string{"class", "stuck", "fatal", "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, reg := measuring(t, metrics.Config{})
				p := pipeline.New(pipeline.Config{Observers: []pipeline.Observer{m.Call("test")}, OnError: func(*frames.Error) {}}, c.processor)
				done := make(chan error, 1)
				began := time.Now()
				go func() { done <- p.Run(context.Background()) }()
				synctest.Wait()
				if name != "a failed start" {
					time.Sleep(90 * time.Second)
					if n := gather(t, reg, "parley_calls_running", "transport", "test"); n != 1 {
						t.Errorf("%v calls are running", n)
					}
				}
				c.end(p)
				err := <-done
				if got := gather(t, reg, "parley_calls_ended_total", "outcome", c.outcome); got != 1 || gather(t, reg, "parley_calls_ended_total") != 1 {
					t.Errorf("a call that ended with %v was not counted as %s", err, c.outcome)
				}
				if got := gather(t, reg, "parley_call_duration_seconds_sum"); got != time.Since(began).Seconds() {
					t.Errorf("it took %v s, want %v", got, time.Since(began))
				}
				if n := gather(t, reg, "parley_calls_running"); n != 0 {
					t.Errorf("%v calls are running", n)
				}
				if c.errs != nil {
					if n := gather(t, reg, "parley_errors_total", c.errs...); n != 1 {
						t.Errorf("%v errors %q of %v", n, c.errs, err)
					}
				} else if n, err := testutil.GatherAndCount(reg, "parley_errors_total"); n != 0 {
					t.Errorf("%v errors, %v", n, err)
				}
			})
		})
	}
}

func TestFramesThatAreDroppedAreCountedWhereTheyWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, reg := measuring(t, metrics.Config{})
		goOn := make(chan struct{})
		busy := pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
			<-goOn
			return out.Send(ctx, f, dir)
		})
		p := pipeline.New(pipeline.Config{SystemQueueSize: 4, Observers: []pipeline.Observer{m.Call("test")}}, pass(), busy)
		done := make(chan error, 1)
		go func() { done <- p.Run(context.Background()) }()
		for range 20 {
			if err := p.Send(t.Context(), &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(8000)}}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		shed := uint64(0)
		name := ""
		for _, s := range p.Stats() {
			if s.System.Shed > 0 {
				shed, name = s.System.Shed, s.Processor
			}
		}
		close(goOn)
		p.End("")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := gather(t, reg, "parley_frames_shed_total", "processor", name); shed == 0 || got != float64(shed) {
			t.Errorf("%v dropped frames were counted in front of %s, want %d", got, name, shed)
		}
	})
}

func TestWhatProcessorsMeasureIsShownByItsUnit(t *testing.T) {
	m, reg := measuring(t, metrics.Config{})
	taken := prometheus.NewCounter(prometheus.CounterOpts{Name: "taken_total", Help: "Of somebody else."})
	reg.MustRegister(taken)
	c := m.Call("test")
	var ids atomic.Uint64
	report := func(v ...frames.Metric) {
		c.Observe([]pipeline.Event{hop(&ids, &frames.Metrics{Processor: "mood", Values: v})})
	}
	lang := []frames.Attribute{{Key: "lang.tag", Value: "de"}}
	report(
		frames.Metric{Name: "mood.think", Value: 250, Unit: "ms", Attributes: lang},
		frames.Metric{Name: "mood.think", Value: .75, Unit: "s"},
		frames.Metric{Name: "mood.prompt", Value: 4096, Unit: "By"},
		frames.Metric{Name: "Mood.Words", Value: 3, Unit: "{word}", Attributes: lang},
		frames.Metric{Name: "mood.words", Value: 4, Unit: "{word}", Attributes: []frames.Attribute{{Key: "other", Value: "x"}}},
		frames.Metric{Name: "mood.score", Value: -.5, Unit: "1"},
		frames.Metric{Name: "mood.level", Value: -30, Unit: "dB"},
		frames.Metric{Name: "1st", Value: 1, Unit: "{x}", Attributes: []frames.Attribute{{Key: "transport", Value: "x"}, {Key: "le", Value: "x"}, {Key: "__x", Value: "x"}, {Key: "", Value: "x"}}},
	)
	if n := gather(t, reg, "parley_measurements_dropped_total"); n != 0 {
		t.Errorf("%v measurements were dropped", n)
	}
	for _, bad := range []frames.Metric{
		{Name: "mood.think", Value: math.NaN(), Unit: "s"},
		{Name: "mood.think", Value: math.Inf(1), Unit: "s"},
		{Name: "mood.words", Value: -1, Unit: "{word}"},
		{Name: "parley.playout.gap", Value: math.NaN(), Unit: "s"},
		{Name: "taken", Value: 1, Unit: "{x}"},
		{Name: "parley.turns", Value: 1, Unit: "{x}"},
		{Name: strings.Repeat("x", 101), Value: 1, Unit: "1"},
		{Name: "\xff", Value: 1, Unit: "1"},
		{Name: "", Value: 1, Unit: "{x}"},
	} {
		before := gather(t, reg, "parley_measurements_dropped_total")
		report(bad)
		if n := gather(t, reg, "parley_measurements_dropped_total") - before; n != 1 {
			t.Errorf("%+v was not dropped", bad)
		}
	}
	for name, want := range map[string]float64{
		"mood_think_seconds_sum": 1, "mood_think_seconds_count": 2, "mood_prompt_bytes_sum": 4096, "mood_words_total": 7,
		"mood_score_ratio_sum": -.5, "mood_score_ratio_count": 1, "mood_level_db_sum": -30, "_1st_total": 1, "taken_total": 0, "parley_turns_total": 0,
	} {
		if got := gather(t, reg, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := gather(t, reg, "mood_words_total", "lang_tag", "de", "processor", "mood", "transport", "test"); got != 3 {
		t.Errorf("%v words with their language, want 3", got)
	}
}

func TestAnAnswerNeedsAQuestion(t *testing.T) {
	m, reg := measuring(t, metrics.Config{AnswerBuckets: []float64{1, 2}})
	c := m.Call("test")
	var ids atomic.Uint64
	see := func(dir frames.Direction, f frames.Frame) {
		e := hop(&ids, f)
		e.Direction = dir
		next := e
		next.First = false
		c.Observe([]pipeline.Event{e, next})
	}
	bot := func(at audio.Position) {
		see(frames.Upstream, &frames.BotStartedSpeaking{Output: at, OutputRate: 24000})
		see(frames.Downstream, &frames.BotStartedSpeaking{Output: at, OutputRate: 24000})
	}
	user := func(at audio.Position, rate audio.SampleRate) {
		see(frames.Upstream, &frames.UserStoppedSpeaking{Position: at, Rate: rate})
		see(frames.Downstream, &frames.UserStoppedSpeaking{Position: at, Rate: rate})
	}
	bot(24000)          // greets
	user(0, 0)          // nobody knows where
	bot(48000)          // answers that
	user(3*8000, 8000)  // says something, and
	user(4*8000, 8000)  // goes on
	bot(5.5 * 24000)    // answers
	bot(9 * 24000)      // goes on behind a pause
	user(20*8000, 8000) // asks, and
	bot(19 * 24000)     // cannot have been answered before
	c.Observe([]pipeline.Event{{Kind: pipeline.Lost, Count: 7}, {Kind: pipeline.Lost, Count: 3}})
	want := `
# HELP parley_answer_latency_seconds How soon callers heard an answer in seconds: from the end of their speech to the first sound of the agent, by the positions of both.
# TYPE parley_answer_latency_seconds histogram
parley_answer_latency_seconds_bucket{transport="test",le="1"} 0
parley_answer_latency_seconds_bucket{transport="test",le="2"} 1
parley_answer_latency_seconds_bucket{transport="test",le="+Inf"} 1
parley_answer_latency_seconds_sum{transport="test"} 1.5
parley_answer_latency_seconds_count{transport="test"} 1
# HELP parley_events_lost_total Events that the metrics were not told of because too much happened at once: figures are too low by what these were.
# TYPE parley_events_lost_total counter
parley_events_lost_total{transport="test"} 10
# HELP parley_measurements_dropped_total Measurements that were dropped: of too many names, with values that make no sense, or of a name that is taken.
# TYPE parley_measurements_dropped_total counter
parley_measurements_dropped_total{transport="test"} 1
# HELP parley_turns_total Turns of callers that are over.
# TYPE parley_turns_total counter
parley_turns_total{transport="test"} 4
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "parley_answer_latency_seconds", "parley_events_lost_total",
		"parley_measurements_dropped_total", "parley_turns_total"); err != nil {
		t.Error(err)
	}
}

func TestMetricsAreRegisteredOnce(t *testing.T) {
	_, reg := measuring(t, metrics.Config{})
	if _, err := metrics.New(metrics.Config{Registerer: reg}); err == nil || !strings.Contains(err.Error(), "one Metrics for all calls") {
		t.Errorf("registered twice: %v", err)
	}

	reg = prometheus.NewRegistry()
	taken := prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_turns_total", Help: "Of somebody else."})
	reg.MustRegister(taken)
	if _, err := metrics.New(metrics.Config{Registerer: reg}); err == nil {
		t.Error("a name was taken from somebody else")
	}
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "parley_calls_begun_total", Help: "Calls whose pipeline was run."}, []string{"transport"})
	if err := reg.Register(calls); err != nil {
		t.Errorf("what failed has left something behind: %v", err)
	}

	if _, err := metrics.New(metrics.Config{Registerer: prometheus.NewRegistry(), AnswerBuckets: []float64{1, 1}}); err == nil || !strings.Contains(err.Error(), "AnswerBuckets") {
		t.Errorf("buckets that do not rise: %v", err)
	}
}

// audioEvents are what observers see most.
func audioEvents(n int) []pipeline.Event {
	var ids atomic.Uint64
	var events []pipeline.Event
	for range n {
		events = append(events,
			hop(&ids, &frames.AudioInput{Audio: frames.Audio{Format: audio.Mono(16000), Samples: make([]int16, 320)}}),
			hop(&ids, &frames.AudioOutput{Audio: frames.Audio{Format: audio.Mono(24000), Samples: make([]int16, 480)}}),
			hop(&ids, &frames.Playout{Heard: 480}))
	}
	return events
}

func TestAudioCostsNoAllocation(t *testing.T) {
	m, _ := measuring(t, metrics.Config{})
	c := m.Call("test")
	events := audioEvents(100)
	if n := testing.AllocsPerRun(100, func() { c.Observe(events) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkObserve measures what an event costs the observer's goroutine.
func BenchmarkObserve(b *testing.B) {
	m, err := metrics.New(metrics.Config{Registerer: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	c := m.Call("test")
	b.Run("audio", func(b *testing.B) {
		events := audioEvents(1)
		b.ReportAllocs()
		for range b.N / len(events) {
			c.Observe(events)
		}
	})
	b.Run("measurement", func(b *testing.B) {
		var ids atomic.Uint64
		events := []pipeline.Event{{Kind: pipeline.Hop, First: true}}
		values := []frames.Metric{{Name: "parley.novasonic.swap.deaf", Value: 1, Unit: "s", Attributes: []frames.Attribute{{Key: "reason", Value: "age"}}}}
		b.ReportAllocs()
		for range b.N {
			f := &frames.Metrics{Processor: "novasonic", Values: values}
			frames.Stamp(f, &ids)
			events[0].Frame = f
			c.Observe(events)
		}
	})
}
