package metrics

import (
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Config configures [New]. The zero value is a good one.
type Config struct {
	// Registerer gets the metrics; [prometheus.DefaultRegisterer] by default.
	Registerer prometheus.Registerer

	// Functions names the functions that have series of their own: give it the
	// names of your tools. nil means the first 32 that are called, so that a caller
	// who makes the model call others first can hide yours.
	Functions []string

	// AnswerBuckets are the upper bounds of parley_answer_latency_seconds, in
	// seconds, rising. Default: 100 ms to 5 s, close together where people begin to
	// notice.
	AnswerBuckets []float64
}

// How many values a label has at most; what comes later is "other".
const (
	maxTransports = 16
	maxProcessors = 64
	maxFunctions  = 32
	maxReasons    = 32
	maxFamilies   = 128 // names of metrics that processors report
	maxVariants   = 64  // combinations of processor and attributes that one of them has
	maxAttributes = 4
)

var (
	answerBuckets = []float64{.1, .2, .3, .4, .5, .6, .7, .8, .9, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5}
	callBuckets   = []float64{1, 5, 15, 30, 60, 120, 240, 480, 960, 1800, 3600}
	gapBuckets    = []float64{.01, .02, .05, .1, .2, .5, 1, 2, 5}
	spanBuckets   = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	byteBuckets   = prometheus.ExponentialBuckets(256, 4, 8) // to 4 MiB
)

// Metrics are those of a process. Make it with [New]. It is safe for concurrent use.
type Metrics struct {
	registerer prometheus.Registerer

	running       *prometheus.GaugeVec
	begun         *prometheus.CounterVec
	ended         *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	turns         *prometheus.CounterVec
	latency       *prometheus.HistogramVec
	speech        *prometheus.CounterVec
	interruptions *prometheus.CounterVec
	gaps          *prometheus.HistogramVec
	shed          *prometheus.CounterVec
	errors        *prometheus.CounterVec
	functions     *prometheus.HistogramVec
	lost          *prometheus.CounterVec
	dropped       *prometheus.CounterVec

	transports, processors, functionNames, reasons *names

	mu       sync.Mutex
	families map[reported]*family // what processors measure; nil for what cannot be shown
	series   map[string]*series   // of them, by their names here; nil for names that are taken
}

// New makes the metrics of a process and registers them. It fails if they are
// registered already, or something else of their names is: one is enough for all
// calls.
func New(cfg Config) (*Metrics, error) {
	if cfg.Registerer == nil {
		cfg.Registerer = prometheus.DefaultRegisterer
	}
	if cfg.AnswerBuckets == nil {
		cfg.AnswerBuckets = answerBuckets
	}
	for i := range cfg.AnswerBuckets[:max(0, len(cfg.AnswerBuckets)-1)] {
		if !(cfg.AnswerBuckets[i] < cfg.AnswerBuckets[i+1]) {
			return nil, fmt.Errorf("metrics: Config.AnswerBuckets: %v is followed by %v; they must rise", cfg.AnswerBuckets[i], cfg.AnswerBuckets[i+1])
		}
	}
	m := &Metrics{
		registerer: cfg.Registerer,
		transports: newNames(maxTransports), processors: newNames(maxProcessors),
		functionNames: newNames(maxFunctions), reasons: newNames(maxReasons),
		families: map[reported]*family{}, series: map[string]*series{},
	}
	if cfg.Functions != nil {
		m.functionNames = only(cfg.Functions)
	}

	var all []prometheus.Collector
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"transport"}, labels...))
		all = append(all, c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, append([]string{"transport"}, labels...))
		all = append(all, h)
		return h
	}
	m.running = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "parley_calls_running", Help: "Calls whose pipeline runs now."}, []string{"transport"})
	all = append(all, m.running)
	m.begun = counter("parley_calls_begun_total", "Calls whose pipeline was run.")
	m.ended = counter("parley_calls_ended_total", "Calls that are over, by outcome: completed (an orderly end), hung_up (the caller left), cancelled, failed.", "outcome")
	m.duration = histogram("parley_call_duration_seconds", "How long calls took in seconds, from the start of their pipeline to its end.", callBuckets)
	m.turns = counter("parley_turns_total", "Turns of callers that are over.")
	m.latency = histogram("parley_answer_latency_seconds", "How soon callers heard an answer in seconds: from the end of their speech to the first sound of the agent, by the positions of both.", cfg.AnswerBuckets)
	m.speech = counter("parley_speech_seconds_total", "How long the caller and the agent spoke in seconds, pauses included, by who.", "who")
	m.interruptions = counter("parley_interruptions_total", "How often the agent was interrupted, or its answer dropped before it was heard, by reason.", "reason")
	m.gaps = histogram("parley_playout_gap_seconds", "Holes that callers heard in the middle of the agent's speech, because audio came too late: their length in seconds.", gapBuckets)
	m.shed = counter("parley_frames_shed_total", "Frames, most of them live audio, that were dropped because the queue in front of a processor was full.", "processor")
	m.errors = counter("parley_errors_total", "Errors that processors reported, by class; a fatal one has ended its call.", "processor", "class", "fatal")
	m.functions = histogram("parley_function_call_duration_seconds", "How long functions ran in seconds that the model called, by outcome: ok, failed.", spanBuckets, "function", "outcome")
	m.lost = counter("parley_events_lost_total", "Events that the metrics were not told of because too much happened at once: figures are too low by what these were.")
	m.dropped = counter("parley_measurements_dropped_total", "Measurements that were dropped: of too many names, with values that make no sense, or of a name that is taken.")

	for i, c := range all {
		if err := cfg.Registerer.Register(c); err != nil {
			for _, done := range all[:i] {
				cfg.Registerer.Unregister(done)
			}
			return nil, fmt.Errorf("metrics: register: %w: make one Metrics for all calls of a process, or give each a Registerer of its own", err)
		}
	}
	return m, nil
}
