package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/parley-go/parley/internal/timeline"
	"github.com/parley-go/parley/services/novasonic"
)

// heard is a time in which the agent was heard without a pause.
type heard struct {
	from, to time.Duration
	response string
}

// response is when an answer began, and when its first audio came.
type response struct{ begun, voiced time.Time }

// timeline is the call as it can be drawn. The summary is complete.
func (l *listener) timeline(s *Summary, bargeIns []time.Duration) timeline.Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	streams := "1 stream"
	if s.Streams != 1 {
		streams = fmt.Sprintf("%d streams", s.Streams)
	}
	call := timeline.Call{
		Title:    fmt.Sprintf("%s: %v with %s (%s), %s", filepath.Base(s.Caller), s.Duration.Duration().Round(100*time.Millisecond), s.Model, s.Service, streams),
		Length:   s.Duration.Duration(),
		BargeIns: bargeIns,
		Notes:    swapTable(s.Swaps),
	}
	l.drawSpeech(&call, s.Lines)
	l.moves.draw(&call)
	return call
}

// drawSpeech gives the lines of the transcript their place, and what was said
// without words.
func (l *listener) drawSpeech(call *timeline.Call, lines []Line) {
	overlaps := func(all []timeline.Speech, from, to time.Duration) bool {
		return slices.ContainsFunc(all, func(s timeline.Speech) bool { return s.From < to && from < s.To })
	}
	for _, line := range lines {
		s := timeline.Speech{From: line.Start.Duration(), To: line.End.Duration(), Text: line.Text, Interrupted: line.Interrupted}
		if line.Who == "caller" {
			call.Caller = append(call.Caller, s)
			continue
		}
		s.Stream = l.moves.speaker(l.responses[line.response])
		call.Agent = append(call.Agent, s)
	}
	for _, spoken := range l.turnsHeard {
		if spoken.to == 0 {
			spoken.to = call.Length // it goes on when the call ends
		}
		if !overlaps(call.Caller, spoken.from, spoken.to) {
			call.Caller = append(call.Caller, timeline.Speech{From: spoken.from, To: spoken.to, Text: "not understood"})
		}
	}
	for _, spoken := range l.agentHeard {
		if !overlaps(call.Agent, spoken.from, spoken.to) {
			call.Agent = append(call.Agent, timeline.Speech{From: spoken.from, To: spoken.to, Stream: l.moves.speaker(l.responses[spoken.response])})
		}
	}
}

// speaker is the stream that gave an answer. One that begins while an old stream
// drains is the old one's, unless it ends the drain: only one speaks at a time.
func (m *moves) speaker(r response) int {
	const atOnce = 100 * time.Millisecond
	stream := 1
	for _, o := range m.list {
		cut := o.when(novasonic.SwapCut)
		if cut.IsZero() || cut.After(r.begun) {
			continue
		}
		stream = o.To
		drained := o.when(novasonic.SwapDrained)
		if gone := o.when(novasonic.SwapGone); drained.IsZero() {
			drained = gone
		}
		if drained.IsZero() || drained.After(r.voiced.Add(atOnce)) {
			stream = o.From
		}
	}
	return stream
}

// draw adds the streams and the cuts.
func (m *moves) draw(call *timeline.Call) {
	streams := lives{call: call}
	streams.enter(1, timeline.Listening, 0)
	for _, o := range m.list {
		cut, _ := o.cutAt()
		standby, begun := 0, m.at(o.reached[0].at)
		for _, r := range o.reached {
			at := m.at(r.at)
			switch r.step {
			case novasonic.SwapBegun:
				if r.reason == novasonic.SwapFailure {
					streams.end(o.From, at, true)
				}
			case novasonic.SwapReady:
				standby = r.to
				streams.enter(standby, timeline.Opening, begun)
				streams.enter(standby, timeline.Standby, at)
			case novasonic.SwapDiscarded:
				streams.end(standby, at, false)
				standby, begun = 0, at
			case novasonic.SwapRetried:
				if standby != 0 {
					streams.end(standby, at, true)
					standby = 0
				}
			case novasonic.SwapCut:
				if standby == 0 {
					streams.enter(r.to, timeline.Opening, begun)
				}
				streams.enter(r.to, timeline.Listening, cut)
				if r.reason != novasonic.SwapFailure {
					streams.enter(o.From, timeline.Draining, cut)
				}
				call.Cuts = append(call.Cuts, timeline.Cut{At: cut, Move: o.Number, Why: string(o.Reason), From: o.From, To: r.to, Replayed: o.Replayed})
			case novasonic.SwapDrained:
				streams.enter(o.From, timeline.Closing, at)
			case novasonic.SwapClosed:
				streams.end(o.From, at, false)
			case novasonic.SwapGone:
				if r.reason != novasonic.SwapFailure {
					streams.end(o.From, at, true)
				}
			case novasonic.SwapAbandoned:
				streams.end(standby, at, false)
			}
		}
	}
	streams.complete()
}

// lives puts the streams' phases together.
type lives struct {
	call  *timeline.Call
	ended map[int]bool
}

func (l *lives) find(number int) *timeline.Stream {
	i := slices.IndexFunc(l.call.Streams, func(s timeline.Stream) bool { return s.Number == number })
	if i < 0 {
		return nil
	}
	return &l.call.Streams[i]
}

// enter begins a phase, and ends the one before it.
func (l *lives) enter(number int, state timeline.State, at time.Duration) {
	s := l.find(number)
	if s == nil {
		l.call.Streams = append(l.call.Streams, timeline.Stream{Number: number})
		s = &l.call.Streams[len(l.call.Streams)-1]
	}
	if n := len(s.Phases); n > 0 {
		s.Phases[n-1].To = max(at, s.Phases[n-1].From)
		at = s.Phases[n-1].To
	}
	s.Phases = append(s.Phases, timeline.Phase{State: state, From: at, To: at})
}

// end ends a stream.
func (l *lives) end(number int, at time.Duration, died bool) {
	s := l.find(number)
	if s == nil || l.ended[number] {
		return
	}
	if l.ended == nil {
		l.ended = make(map[int]bool)
	}
	l.ended[number] = true
	last := &s.Phases[len(s.Phases)-1]
	last.To = max(at, last.From)
	s.Died = died
}

// complete ends with the call what has not ended.
func (l *lives) complete() {
	for i := range l.call.Streams {
		if s := &l.call.Streams[i]; !l.ended[s.Number] {
			last := &s.Phases[len(s.Phases)-1]
			last.To = max(l.call.Length, last.From)
		}
	}
}
