package metrics

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
)

// Call measures one call: it is an observer of one run of one pipeline. Make it
// with [Metrics.Call], and another one for each run.
type Call struct {
	metrics   *Metrics
	transport string

	// Those that need nothing but the transport.
	running              prometheus.Gauge
	turns, lost, dropped prometheus.Counter
	caller, agent        prometheus.Counter
	duration             prometheus.Observer
	latency, gap         prometheus.Observer

	// What is known of the run; only its observer's goroutine is here.
	begun      bool
	began      time.Time
	told       recent        // interruptions that were counted
	waiting    bool          // the caller's turn has had no answer yet …
	asked      time.Duration // … and ended here
	turnBegan  moment        // of the caller's turn, if there is one
	voiceBegan moment        // of the agent's speech, likewise
}

// moment is a place on a clock, if it is known.
type moment struct {
	at    time.Duration
	known bool
}

// Call returns an observer for the next call's pipeline. transport says how the
// caller comes: "webrtc", "twilio". There should be few.
func (m *Metrics) Call(transport string) *Call {
	transport = m.transports.value(transport)
	for _, outcome := range []string{"completed", "hung_up", "cancelled", "failed"} {
		m.ended.WithLabelValues(transport, outcome) // a ratio needs the zeros, too
	}
	return &Call{
		metrics: m, transport: transport,
		running: m.running.WithLabelValues(transport),
		turns:   m.turns.WithLabelValues(transport),
		lost:    m.lost.WithLabelValues(transport),
		dropped: m.dropped.WithLabelValues(transport),
		caller:  m.speech.WithLabelValues(transport, "caller"),
		agent:   m.speech.WithLabelValues(transport, "agent"),

		duration: m.duration.WithLabelValues(transport),
		latency:  m.latency.WithLabelValues(transport),
		gap:      m.gaps.WithLabelValues(transport),
	}
}

// Observe counts what has happened.
func (c *Call) Observe(events []pipeline.Event) {
	for i := range events {
		e := &events[i]
		if !c.begun && e.Kind != pipeline.Lost {
			c.begin(e.Time)
		}
		switch e.Kind {
		case pipeline.Hop:
			if e.First {
				c.sent(e.Frame, e.Direction)
			}
		case pipeline.Told:
			if f, ok := e.Frame.(*frames.Interruption); ok && c.told.add(f.ID()) {
				c.metrics.interruptions.WithLabelValues(c.transport, c.metrics.reasons.value(f.Reason)).Inc()
			}
		case pipeline.Shed:
			c.metrics.shed.WithLabelValues(c.transport, c.metrics.processors.value(e.To)).Inc()
		case pipeline.Lost:
			c.lost.Add(float64(e.Count))
		case pipeline.Ended:
			c.end(e)
		}
	}
}

func (c *Call) begin(at time.Time) {
	c.begun, c.began = true, at
	c.running.Inc()
	c.metrics.begun.WithLabelValues(c.transport).Inc()
}

func (c *Call) end(e *pipeline.Event) {
	c.running.Dec()
	c.duration.Observe(e.Time.Sub(c.began).Seconds())
	c.metrics.ended.WithLabelValues(c.transport, c.outcome(e.Frame)).Inc()
	c.begun = false
}

// outcome says how a call ended, and counts the error that ended it.
func (c *Call) outcome(by frames.Frame) string {
	switch f := by.(type) {
	case *frames.End:
		if f.Gone {
			return "hung_up"
		}
		return "completed"
	case *frames.Cancel:
		if f.Err != nil && !errors.Is(f.Err, context.Canceled) {
			processor, class := blame(f.Err)
			c.error(processor, class, true)
			return "failed"
		}
	}
	return "cancelled"
}

// blame says which processor an error that ended a run is of, and of what class
// it is.
func blame(err error) (processor, class string) {
	var stuck *pipeline.StuckError
	var own *pipeline.Error
	switch {
	case errors.As(err, &own):
		return own.Processor, className(own.Class)
	case errors.As(err, &stuck):
		if len(stuck.Processors) > 0 {
			processor = stuck.Processors[0].Processor
		}
		return processor, "stuck"
	}
	return "", className(frames.ErrorUnknown)
}

// className is a class as the value of a label.
func className(c frames.ErrorClass) string {
	names := [...]string{
		frames.ErrorUnknown: "unknown", frames.ErrorAuthentication: "authentication", frames.ErrorInvalidRequest: "invalid_request",
		frames.ErrorRateLimit: "rate_limit", frames.ErrorQuota: "quota", frames.ErrorConnectivity: "connectivity",
		frames.ErrorServer: "server", frames.ErrorApplication: "application",
	}
	if int(c) < len(names) {
		return names[c]
	}
	return names[frames.ErrorUnknown]
}

func (c *Call) error(processor, class string, fatal bool) {
	text := "false"
	if fatal {
		text = "true"
	}
	c.metrics.errors.WithLabelValues(c.transport, c.metrics.processors.value(processor), class, text).Inc()
}

// sent counts a frame. Audio, which most of them are, must cost nothing here.
func (c *Call) sent(f frames.Frame, dir frames.Direction) {
	switch f := f.(type) {
	case *frames.AudioInput, *frames.AudioOutput, *frames.Playout:
	case *frames.UserStartedSpeaking:
		if dir == frames.Downstream { // it is told upstream, too
			c.turnBegan = moment{f.Rate.Duration(int64(f.Position)), f.Rate > 0}
		}
	case *frames.UserStoppedSpeaking:
		if dir == frames.Downstream {
			c.turnEnded(f)
		}
	case *frames.BotStartedSpeaking: // in both directions, too, but the second changes nothing
		c.answered(f)
	case *frames.BotStoppedSpeaking:
		c.spoke(c.agent, &c.voiceBegan, f.OutputRate.Duration(int64(f.Output)), f.OutputRate > 0)
	case *frames.Metrics:
		c.measured(f)
	case *frames.Error:
		c.error(f.Processor, className(f.Kind), f.Fatal)
	case *frames.FunctionCallResult:
		outcome := "ok"
		if f.Failed {
			outcome = "failed"
		}
		name := c.metrics.functionNames.value(f.Name)
		c.metrics.functions.WithLabelValues(c.transport, name, outcome).Observe(max(0, f.Elapsed.Seconds()))
	}
}

func (c *Call) turnEnded(f *frames.UserStoppedSpeaking) {
	c.turns.Inc()
	at := f.Rate.Duration(int64(f.Position))
	c.waiting, c.asked = f.Rate > 0, at
	c.spoke(c.caller, &c.turnBegan, at, f.Rate > 0)
}

func (c *Call) answered(f *frames.BotStartedSpeaking) {
	at := f.OutputRate.Duration(int64(f.Output))
	c.voiceBegan = moment{at, f.OutputRate > 0}
	if !c.waiting || f.OutputRate <= 0 {
		return
	}
	c.waiting = false
	if at < c.asked {
		c.dropped.Inc()
		return
	}
	c.latency.Observe((at - c.asked).Seconds())
}

// spoke counts in speech that has ended.
func (c *Call) spoke(total prometheus.Counter, began *moment, at time.Duration, known bool) {
	if began.known && known {
		total.Add(max(0, at-began.at).Seconds())
	}
	*began = moment{}
}

func (c *Call) measured(f *frames.Metrics) {
	processor := c.metrics.processors.value(f.Processor)
	for _, v := range f.Values {
		switch {
		case v.Name == "parley.playout.gap" && v.Unit == "s" && v.Value >= 0: // and so no NaN
			c.gap.Observe(v.Value)
		case !c.metrics.report(c.transport, processor, v):
			c.dropped.Inc()
		}
	}
}

// recent remembers the interruptions that came last: every processor is told of
// each.
type recent struct {
	ids  [16]uint64
	next int
}

// add reports whether a frame was not seen before.
func (r *recent) add(id uint64) bool {
	if slices.Contains(r.ids[:], id) {
		return false
	}
	r.ids[r.next] = id
	r.next = (r.next + 1) % len(r.ids)
	return true
}
