package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
)

// listener is a processor between the service and the output. It passes
// everything on, and knows from it what was said and heard, and when.
//
// Times are on the output's clock, which is also that of the caller's
// recording: both begin with the call.
type listener struct {
	say  func(Line)    // called with each line when it begins to be heard, or was understood, and again if it was interrupted
	over chan struct{} // closed by hangUp

	mu        sync.Mutex // protects the following
	lines     []*heardLine
	announced []*heardLine // sentences of the agent that are not heard yet
	cut       *heardLine   // the sentence that was interrupted last
	stops     int          // of the caller
	turns     int          // that were understood
	bargeIns  int
	answers   int
	waiting   bool          // the caller's turn has had no answer yet
	asked     time.Duration // when that turn ended
	latencies []time.Duration
	errors    []string
	ended     string
	moves     moves

	// For the timeline.
	turnsHeard    []heard // of the caller; to is 0 while one goes on
	agentHeard    []heard
	heardUpTo     audio.Position // on the agent's track
	responses     map[string]response
	interruptions []time.Duration // barge-ins
}

func newListener(say func(Line)) *listener {
	return &listener{say: say, over: make(chan struct{}), responses: make(map[string]response)}
}

// hangUp tells those who wait that the call is over.
func (l *listener) hangUp() { close(l.over) }

// failed keeps an error that the call survived.
func (l *listener) failed(f *frames.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors = append(l.errors, f.Err.Error())
}

// unheard is an error if there is something of the caller that the service never
// heard.
func (l *listener) unheard() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moves.unheard()
}

// heardLine is a line with the place of its audio on the agent's track.
type heardLine struct {
	Line
	response string
	from, to audio.Position
	heard    audio.Position // up to where
	voiced   bool
	begun    bool
	settled  bool // the text is that of the record
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
			l.playout(f)
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
	case *frames.Transcription:
		l.turns++
		line := &heardLine{Line: Line{
			Who: "caller", Text: f.Text,
			Start: millis(f.Rate.Duration(int64(f.Start))), End: millis(f.Rate.Duration(int64(f.End))),
		}, settled: true}
		l.lines = append(l.lines, line)
		l.say(line.Line)
	case *frames.LLMResponseStart:
		l.responses[f.Response] = response{begun: time.Now()}
	case *frames.LLMText:
		l.announced = append(l.announced, &heardLine{Line: Line{Who: "agent", Text: strings.TrimSpace(f.Text)}, response: f.Response})
	case *frames.AudioOutput:
		l.audio(f)
	case *frames.SpokenText:
		l.spoken(f)
	case *frames.Interruption:
		l.interrupted()
	case *frames.End:
		l.ended = f.Reason
	}
}

// audio finds the place of the announced sentences on the agent's track: a
// sentence's audio follows its text. One that is followed by another text has
// its place, and no length, where that one begins.
func (l *listener) audio(f *frames.AudioOutput) {
	if r := l.responses[f.Response]; r.voiced.IsZero() {
		r.voiced = time.Now()
		l.responses[f.Response] = r
	}
	if len(l.announced) == 0 {
		return
	}
	for _, s := range l.announced {
		if !s.voiced {
			s.voiced, s.from, s.to = true, f.Position, f.Position
		}
	}
	l.announced[len(l.announced)-1].to = f.End()
}

// playout follows what is heard. Between two reports the audio ran without a
// pause up to the place that the second one names.
func (l *listener) playout(p *frames.Playout) {
	now := p.OutputRate.Duration(int64(p.Output))
	l.keep(p, now)
	ago := func(at audio.Position) Millis { return millis(now - p.Rate.Duration(int64(p.Heard-at))) }
	if c := l.cut; c != nil && p.Flushed {
		// The output's last word on it may come after the interruption.
		if p.Heard > c.heard && p.Heard <= c.to {
			c.heard, c.End = p.Heard, ago(p.Heard)
		}
		l.cut = nil
	}
	for len(l.announced) > 0 {
		s := l.announced[0]
		if !s.voiced || p.Heard <= s.from {
			break
		}
		if !s.begun {
			s.begun = true
			s.Start = ago(s.from)
			l.lines = append(l.lines, s)
			l.say(s.Line)
		}
		if s.heard < s.to {
			s.heard = min(p.Heard, s.to)
			s.End = ago(s.heard)
		}
		if p.Heard < s.to || len(l.announced) == 1 {
			break // the last one may have more audio to come
		}
		l.announced = l.announced[1:]
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

func (l *listener) spoken(f *frames.SpokenText) {
	text := strings.TrimSpace(f.Text)
	for _, s := range slices.Backward(l.lines) {
		if s.Who == "agent" && !s.settled && (s.response == f.Response || f.Response == "") && (s.Text == text || f.Interrupted) {
			s.settled, s.Text, s.Interrupted = true, text, f.Interrupted
			if f.Interrupted {
				l.say(s.Line) // what was announced was not heard to its end
			}
			return
		}
	}
}

func (l *listener) interrupted() {
	for _, s := range l.announced {
		if s.begun && s.heard < s.to {
			s.Interrupted = true
			l.cut = s
			l.bargeIns++
			l.interruptions = append(l.interruptions, l.moves.at(time.Now()))
			break
		}
	}
	l.announced = nil
}

// fill completes the summary.
func (l *listener) fill(s *Summary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Turns, s.Answers, s.BargeIns = max(l.turns, l.stops), l.answers, l.bargeIns
	s.Latency = latencyOf(l.latencies)
	s.Errors = l.errors
	s.Ended = l.ended
	s.Swaps = l.moves.swaps()
	s.Lines = []Line{}
	lines := slices.Clone(l.lines)
	slices.SortStableFunc(lines, func(a, b *heardLine) int { return int(a.Start - b.Start) })
	for _, line := range lines {
		s.Lines = append(s.Lines, line.Line)
	}
}
