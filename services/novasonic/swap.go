package novasonic

import (
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic/internal/continuity"
)

// tellSwap tells the pipeline of a step of a move, after change has filled in
// what is new.
func (v *conversation) tellSwap(m continuity.Move, step SwapStep, change func(*SwapStatus)) {
	s := v.swaps[m.Number]
	if s == nil {
		s = &SwapStatus{Number: m.Number}
		v.swaps[m.Number] = s
	}
	s.Reason, s.Attempts = SwapReason(m.Reason.String()), m.Attempts
	if from := v.streams[m.From]; from != nil {
		s.From = from.number
	}
	v.tellSwapOf(s, step, change)
}

func (v *conversation) tellSwapOf(s *SwapStatus, step SwapStep, change func(*SwapStatus)) {
	if s == nil {
		return
	}
	if change != nil {
		change(s)
	}
	s.Step = step
	v.emit(&Swap{SwapStatus: *s})
	v.send(parcel{frame: &frames.Metrics{Processor: v.out.Name(), Values: s.metrics()}, gen: v.out.Generation(), dir: frames.Upstream})
	if step == SwapClosed || step == SwapGone {
		v.shared.update(func(st *Stats) { st.Swaps++ })
	}
	s.Err = nil
}

func (v *conversation) tellReady(d continuity.Decision) {
	c := v.streams[d.Stream]
	v.log.Info("next stream is ready", "move", d.Move.Number, "stream", c.number, "took", d.Move.Ready.Sub(d.Move.Begun).Round(time.Millisecond))
	v.tellSwap(d.Move, SwapReady, func(s *SwapStatus) { s.To, s.Prepare = c.number, d.Move.Ready.Sub(d.Move.Begun) })
}

// metrics count the step, and are the figures that are known since. All have the
// reason to move as an attribute.
func (f *SwapStatus) metrics() []frames.Metric {
	const prefix = "parley.novasonic.swap."
	reason := []frames.Attribute{{Key: "reason", Value: string(f.Reason)}}
	m := []frames.Metric{{Name: prefix + "step." + string(f.Step), Value: 1, Unit: "{step}", Attributes: reason}}
	seconds := func(name string, d time.Duration) {
		m = append(m, frames.Metric{Name: prefix + name, Value: d.Seconds(), Unit: "s", Attributes: reason})
	}
	switch f.Step {
	case SwapReady:
		seconds("prepare", f.Prepare)
	case SwapCut:
		seconds("wait", f.Wait)
		seconds("cut", f.Cut)
		seconds("deaf", f.Deaf)
		seconds("replayed", f.Replayed)
		seconds("overlapped", f.Overlapped)
		seconds("lost", f.Lost)
		m = append(m, frames.Metric{Name: prefix + "history", Value: float64(f.History), Unit: "By", Attributes: reason})
	case SwapDrained:
		seconds("drain", f.Drain)
	case SwapClosed, SwapGone:
		seconds("output_gap", f.OutputGap)
		m = append(m, frames.Metric{Name: prefix + string(f.Reason), Value: 1, Unit: "{swap}", Attributes: reason})
	}
	return m
}
