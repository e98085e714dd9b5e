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
	if step == SwapClosed || step == SwapGone {
		v.shared.update(func(st *Stats) { st.Swaps++ })
		v.send(parcel{frame: &frames.Metrics{Processor: v.out.Name(), Values: s.metrics()}, gen: v.out.Generation(), dir: frames.Upstream})
	}
	s.Err = nil
}

func (v *conversation) tellReady(d continuity.Decision) {
	c := v.streams[d.Stream]
	v.log.Info("next stream is ready", "move", d.Move.Number, "stream", c.number, "took", d.Move.Ready.Sub(d.Move.Begun).Round(time.Millisecond))
	v.tellSwap(d.Move, SwapReady, func(s *SwapStatus) { s.To, s.Prepare = c.number, d.Move.Ready.Sub(d.Move.Begun) })
}

// metrics are the figures of a move that is over.
func (f *SwapStatus) metrics() []frames.Metric {
	seconds := func(name string, d time.Duration) frames.Metric {
		return frames.Metric{Name: "parley.novasonic.swap." + name, Value: d.Seconds(), Unit: "s"}
	}
	return []frames.Metric{
		{Name: "parley.novasonic.swap." + string(f.Reason), Value: 1, Unit: "{swap}"},
		seconds("prepare", f.Prepare), seconds("wait", f.Wait), seconds("cut", f.Cut),
		seconds("deaf", f.Deaf), seconds("drain", f.Drain),
		seconds("replayed", f.Replayed), seconds("overlapped", f.Overlapped), seconds("lost", f.Lost),
		seconds("output_gap", f.OutputGap),
		{Name: "parley.novasonic.swap.history", Value: float64(f.History), Unit: "By"},
	}
}
