package sonictest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
)

// session is the emulated model on one stream. It has no goroutine and no
// clock: it is given each input event with the stream's age when it arrived
// (input, eof), is told when time has passed (advance) and says when it wants
// to be told next (next). What it wants to send is fetched with take.
//
//	input ─▶ protocol.Parse ─▶ protocol.Rules ─▶ ears (listener, text) ─▶ turns
//	                                                                       │
//	take  ◀── frames ◀── mouth (timers: texts, audio, tool calls) ◀── Brain
//
// All methods are called by one goroutine.
type session struct {
	cfg       Config // with defaults
	behaviour Behaviour
	model     protocol.Model
	rng       *rand.Rand // of ids, and of what belongs to no turn; see dice.go
	rules     *protocol.Rules
	rec       *recorder
	faults    []*armed

	now    time.Duration // the stream's age
	timers timers
	frames []frame
	ended  bool // nothing more is to be said or heard
	told   bool // the log has the end; false though it has ended if a fault keeps that from the client
	mute   bool // a fault stopped the output: only faults have an effect on it
	over   bool // sessionEnd was seen; what is left is to end the response
	deaf   bool // the stream will be closed without a word, whatever comes

	requestID string

	events int // input events so far
	text   int // bytes of text so far

	// The response headers, and when they are sent.
	headersDelay, headersAt time.Duration

	out            protocol.Output
	prompted       bool // promptStart was seen
	completionOpen bool
	talk           *Conversation
	maxTokens      int
	sensitivity    string
	usage, counted protocol.Tokens

	ears  ears
	mouth mouth
}

// frame is something to send, or to do to the connection, in order.
type frame struct {
	event     []byte // a JSON event
	exception string // an exception's type, or an error's code
	message   string
	isError   bool // :message-type error

	headers bool       // the response headers may be sent now
	action  actionKind // a fault of the connection's
	end     bool       // the response ends here

	fault bool // sent even though a fault stopped the output
}

// newSession begins a stream. Its log has been begun by the caller.
func newSession(cfg Config, b Behaviour, m protocol.Model, number int, rec *recorder, faults []*armed) *session {
	// Two seeds that differ in one bit give unrelated generators.
	rng := rand.New(rand.NewPCG(cfg.Seed, uint64(number)+0x9e3779b97f4a7c15))
	s := &session{
		cfg: cfg, behaviour: b, model: m, rng: rng, rec: rec, faults: faults,
		rules: protocol.NewRules(m, protocol.Options{
			HistoryText:           cfg.Limits.HistoryText,
			HistoryTotal:          cfg.Limits.HistoryTotal,
			SystemText:            cfg.Limits.SystemText,
			AudioInTextBlock:      b.AudioInTextBlock,
			AudioInToolBlock:      b.AudioInToolBlock,
			RefuseAudioDuringTool: b.RefuseAudioDuringTool,
			RefuseLateResults:     b.LateResults == Off,
			RefuseSecondResult:    b.RefuseSecondResult.or(m.OneResult),
			RequireSystem:         b.RequireSystem,
			AnyRoles:              b.AnyRoles,
			RefuseTrailingUser:    b.RefuseTrailingUser,
			SecondPromptRefused:   !b.SilentSecondPrompt.or(m.ID != protocol.V1),
			SecondAudio:           b.SecondAudioException,
			SchemaObjects:         b.SchemaObjects,
			RefuseSchemaExtras:    b.RefuseSchemaExtras,
			RefuseToolChoice:      b.RefuseToolChoice,
			RefuseEmptyText:       b.RefuseEmptyText,
			AudioSettle:           b.AudioSettle,
			Blocked:               b.Blocked,
		}),
		talk: &Conversation{stream: number, model: m.ID},
	}
	s.out.SessionID = s.newID()
	s.ears.block = -1
	s.mouth.calls = map[string]*call{}
	if b.HeadersAt == AtOnce {
		s.frames = append(s.frames, frame{headers: true})
	}
	rec.note(func(l *StreamLog) {
		l.SessionID = s.out.SessionID
		s.requestID = l.RequestID
	})
	return s
}

// newID returns a UUID of version 4 from the stream's own generator.
func (s *session) newID() string {
	hi, lo := s.rng.Uint64(), s.rng.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
}

// latency spreads one of the latencies.
func (s *session) latency(dice *rand.Rand, d time.Duration) time.Duration {
	return spread(dice, d, s.cfg.Latency.Jitter)
}

// after has f called when d has passed.
func (s *session) after(d time.Duration, f func()) { s.timers.add(s.now+max(d, 0), f) }

// take returns what is to be sent since the last call.
func (s *session) take() []frame {
	f := s.frames
	s.frames = nil
	return f
}

// input takes one event that arrived at the age now.
func (s *session) input(now time.Duration, b []byte) {
	s.advance(now)
	if s.ended || s.deaf {
		return
	}
	name, ev, refusal := protocol.Parse(b)
	if refusal != nil && refusal.Unknown && s.behaviour.IgnoreUnknownEvents {
		s.recordEvent(name, nil)
		s.violation(name, "an event of an unknown name", false)
		if refusal = s.excessive(nil); refusal == nil {
			return
		}
	}
	var block *protocol.Block
	if refusal == nil {
		refusal = s.excessive(ev)
	}
	if refusal == nil {
		refusal = s.hasty(ev)
	}
	if refusal == nil {
		block, refusal = s.rules.Accept(s.now, ev)
	}
	s.recordEvent(name, ev)
	for _, text := range s.rules.Notes() {
		s.violation(name, text, false)
	}
	if refusal != nil {
		s.violation(name, refusal.Text, true)
		s.refuse(refusal)
		return
	}
	if s.model.ID == protocol.V1 {
		s.ears.active = s.now // v1 waits for input events of any kind
	}
	if !s.over {
		s.accepted(ev, block)
	}
	if s.behaviour.HeadersAt == AfterFirstEvent {
		s.frames = append(s.frames, frame{headers: true})
	}
	s.strike(func(f *Fault) string { return f.Input }, name)
}

// excessive refuses what would take too much memory. The service must have such
// bounds as well, but they are not known.
func (s *session) excessive(ev protocol.Event) *protocol.Refusal {
	limits := s.cfg.Limits
	text := ""
	s.events++
	switch ev := ev.(type) {
	case protocol.AudioInput:
		heard := s.ears.clock()
		if s.ears.block >= 0 {
			heard += s.ears.rate.Duration(int64(len(ev.PCM)))
		}
		if limits.Ahead > 0 && heard > s.now+limits.Ahead {
			return &protocol.Refusal{Exception: protocol.ExceptionThrottling, Text: protocol.TextThrottling}
		}
	case protocol.TextInput:
		text = ev.Text
	case protocol.ToolResult:
		text = ev.Text
	}
	s.text += len(text)
	switch {
	case limits.Text > 0 && s.text > limits.Text:
		return &protocol.Refusal{Exception: protocol.ExceptionValidation, Text: protocol.TextHistoryLimit}
	case limits.Events > 0 && s.events > limits.Events:
		return &protocol.Refusal{Exception: protocol.ExceptionThrottling, Text: protocol.TextThrottling}
	}
	return nil
}

// hasty refuses audio that begins before the client can know that the stream
// was accepted.
func (s *session) hasty(ev protocol.Event) *protocol.Refusal {
	start, ok := ev.(protocol.ContentStart)
	if ok && start.Type == protocol.TypeAudio && s.behaviour.AudioNeedsHeaders && s.now < s.headersAt {
		return &protocol.Refusal{Exception: protocol.ExceptionValidation, Text: protocol.TextHistoryFirst}
	}
	return nil
}

// accepted does what an event asks for.
func (s *session) accepted(ev protocol.Event, block *protocol.Block) {
	switch ev := ev.(type) {
	case protocol.SessionStart:
		s.maxTokens, s.sensitivity = ev.MaxTokens, ev.Sensitivity
		s.rec.note(func(l *StreamLog) { l.MaxTokens, l.Sensitivity = ev.MaxTokens, ev.Sensitivity })
	case protocol.PromptStart:
		s.promptStart(ev)
	case protocol.ContentStart:
		if block != nil && ev.Type == protocol.TypeAudio {
			s.audioStart(block)
		}
	case protocol.AudioInput:
		s.hear(ev.PCM)
	case protocol.ContentEnd:
		s.contentEnd(block)
	case protocol.PromptEnd:
		s.promptEnd()
	case protocol.SessionEnd:
		s.sessionEnd()
	}
}

func (s *session) promptStart(ev protocol.PromptStart) {
	s.prompted = true
	s.out.PromptName, s.out.CompletionID = ev.PromptName, s.newID()
	s.talk.voice, s.talk.rate = ev.Voice, ev.Rate
	for _, t := range ev.Tools {
		s.talk.tools = append(s.talk.tools, Tool(t))
	}
	s.rec.note(func(l *StreamLog) {
		l.PromptName, l.Voice, l.OutputRate = ev.PromptName, ev.Voice, ev.Rate
		l.Tools, l.ToolChoice = s.talk.tools, ev.ToolChoice
	})
	s.headersAt = s.now + s.headersDelay
	s.frames = append(s.frames, frame{headers: true})
}

func (s *session) contentEnd(b *protocol.Block) {
	switch b.Type {
	case protocol.TypeAudio:
		s.audioEnd()
	case protocol.TypeText:
		s.textEnd(b)
	case protocol.TypeTool:
		s.toolResult(b.ToolUseID, b.Text)
	}
}

// promptEnd drops what has not been said.
func (s *session) promptEnd() {
	s.releaseFinals(true)
	s.stopTalking()
	if s.completionOpen {
		s.after(s.latency(s.rng, s.cfg.Latency.Completion), s.completionEnd)
	}
}

func (s *session) sessionEnd() {
	s.stopTalking()
	s.completionEnd()
	s.over = true
	s.after(max(s.cfg.Limits.Close, 0), func() { s.finish(End{Kind: ServerClosed, Message: "no half-close after sessionEnd"}) })
}

func (s *session) violation(event, text string, fatal bool) {
	s.rec.note(func(l *StreamLog) {
		l.Violations = append(l.Violations, Violation{At: s.now, Event: event, Text: text, Fatal: fatal})
	})
}

func (s *session) recordEvent(name string, ev protocol.Event) {
	if _, ok := ev.(protocol.AudioInput); ok {
		return // hear records it
	}
	e := EventLog{At: s.now, Name: name, Clock: s.ears.clock(), Block: s.ears.block, Pos: s.ears.pos}
	if ev != nil {
		e.Content = ev.Content()
	}
	if start, ok := ev.(protocol.ContentStart); ok {
		e.Type, e.Role = string(start.Type), start.Role
	}
	s.rec.note(func(l *StreamLog) { l.Events = append(l.Events, e) })
}

// send sends an output event, and remembers what it was.
func (s *session) send(b []byte, l OutputLog) {
	if s.ended || s.over || s.mute {
		return
	}
	l.At = s.now
	s.rec.note(func(log *StreamLog) { log.Output = append(log.Output, l) })
	s.frames = append(s.frames, frame{event: b})
	s.strike(func(f *Fault) string { return f.Output }, l.Name)
}

func (s *session) completionStart() {
	if s.completionOpen || !s.prompted {
		return
	}
	s.completionOpen = true
	s.send(s.out.CompletionStart(), OutputLog{Name: "completionStart", Answer: -1})
}

func (s *session) completionEnd() {
	if !s.completionOpen {
		return
	}
	s.tellUsage()
	s.send(s.out.CompletionEnd(), OutputLog{Name: "completionEnd", StopReason: protocol.StopEnd, Answer: -1})
	s.completionOpen = false
	if s.behaviour.CompletionPerTurn {
		s.out.CompletionID = s.newID()
	}
}
