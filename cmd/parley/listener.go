package main

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/services/novasonic"
)

// listener is a processor between the service and the output. It passes
// everything on, and measures the call by it. What was said is written down by
// another, package conversation.
//
// Times are on the output's clock, which is also that of the caller's
// recording: both begin with the call.
type listener struct {
	over chan struct{} // closed by hangUp

	mu        sync.Mutex // protects the following
	stops     int        // of the caller
	answers   int
	waiting   bool          // the caller's turn has had no answer yet
	asked     time.Duration // when that turn ended
	latencies []time.Duration
	errors    []error
	ended     string
	moves     moves

	// For the timeline.
	turnsHeard []heard // of the caller; to is 0 while one goes on
	agentHeard []heard
	heardUpTo  audio.Position // on the agent's track
	responses  map[string]response
}

func newListener() *listener {
	return &listener{over: make(chan struct{}), responses: make(map[string]response)}
}

// hangUp tells those who wait that the call is over.
func (l *listener) hangUp() { close(l.over) }

// failed keeps an error that the call survived.
func (l *listener) failed(f *frames.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors = append(l.errors, f.Err)
}

// unheard is an error if there is something of the caller that the service never
// heard.
func (l *listener) unheard() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moves.unheard()
}

// Name returns "listener".
func (*listener) Name() string { return "listener" }

// Process and ProcessSystem look and pass on.
func (l *listener) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	l.see(f, dir)
	return out.Send(ctx, f, dir)
}

func (l *listener) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	l.see(f, dir)
	if _, ok := f.(*frames.Interruption); ok {
		return nil
	}
	return out.Send(ctx, f, dir)
}

func (l *listener) see(f frames.Frame, dir frames.Direction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if dir == frames.Upstream {
		switch f := f.(type) {
		case *frames.Playout:
			l.keep(f, f.OutputRate.Duration(int64(f.Output)))
		case *frames.BotStartedSpeaking:
			l.botStarted(f)
		}
		return
	}
	switch f := f.(type) {
	case *frames.AudioInput:
		l.moves.callerHeard(f.Format.Rate.Duration(int64(f.End())))
	case *novasonic.Swap:
		l.moves.see(f.SwapStatus)
	case *frames.UserStartedSpeaking:
		turn := heard{from: l.moves.at(time.Now())}
		if f.Rate > 0 {
			turn.from = f.Rate.Duration(int64(f.Position))
		}
		l.turnsHeard = append(l.turnsHeard, turn)
	case *frames.UserStoppedSpeaking:
		l.stops++
		l.waiting, l.asked = true, f.Rate.Duration(int64(f.Position))
		if n := len(l.turnsHeard); n > 0 {
			l.turnsHeard[n-1].to = l.asked
		}
	case *frames.LLMResponseStart:
		l.responses[f.Response] = response{begun: time.Now()}
	case *frames.AudioOutput:
		if r := l.responses[f.Response]; r.voiced.IsZero() {
			r.voiced = time.Now()
			l.responses[f.Response] = r
		}
	case *frames.End:
		l.ended = f.Reason
	}
}

// keep notes that the agent was heard.
func (l *listener) keep(p *frames.Playout, now time.Duration) {
	from := now - p.Rate.Duration(int64(p.Heard-l.heardUpTo))
	if n := len(l.agentHeard); n > 0 && from <= l.agentHeard[n-1].to && l.agentHeard[n-1].response == p.Response {
		l.agentHeard[n-1].to = now
	} else if from < now {
		l.agentHeard = append(l.agentHeard, heard{max(0, from), now, p.Response})
	}
	l.heardUpTo = p.Heard
	if p.Flushed {
		l.heardUpTo = p.Queued // nothing of what is between was or will be heard
	}
}

func (l *listener) botStarted(f *frames.BotStartedSpeaking) {
	l.answers++
	if l.waiting {
		l.waiting = false
		l.latencies = append(l.latencies, f.OutputRate.Duration(int64(f.Output))-l.asked)
	}
}

// fill completes the summary by what was measured and by what was said.
func (l *listener) fill(s *Summary, said conversation.Transcript) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Turns = max(turnsOf(said), l.stops)
	s.Answers = l.answers
	s.BargeIns = len(bargeIns(said, l.ended))
	s.Latency = latencyOf(l.latencies)
	s.Errors = l.moves.survived(l.errors)
	s.Ended = l.ended
	s.Swaps = l.moves.swaps()
	s.Lines = []Line{}
	for _, e := range said.Entries {
		if line, ok := lineOf(e); ok {
			s.Lines = append(s.Lines, line)
		}
	}
	slices.SortStableFunc(s.Lines, func(a, b Line) int { return cmp.Compare(a.Start, b.Start) })
}
