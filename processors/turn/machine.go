package turn

import (
	"fmt"
	"time"
)

// state is who has the floor, as far as has been decided.
type state uint8

const (
	quiet    state = iota // the caller has not got the turn
	doubtful              // the caller may be about to take it: it will be known in a moment
	talking               // the caller has it
)

func (s state) String() string { return [...]string{"quiet", "doubtful", "talking"}[s] }

// machine decides. It knows no goroutines, no clock and no frames: it is told
// what happens and when, and leaves what is to be done in effects.
//
// "Busy" means that the agent speaks or a function runs; "working", that it is busy
// or an answer is awaited. While it is not busy, INTERRUPT is taken to hold. What
// the conditions of the configuration say is in capitals.
//
//	state      when                                            → state      effects
//	─────────  ──────────────────────────────────────────────  ───────────  ─────────────────────────────
//	quiet      START, not working                              → talking    interrupt, started, release
//	           START, working, INTERRUPT, certain (a)          → talking    interrupt, started, release
//	           … not certain, Recovery                         → doubtful   pause, if the agent speaks
//	           … not certain, no Recovery                      → talking    started, release
//	           START, busy, not INTERRUPT, Keep                → talking    started, release
//	           START, busy, not INTERRUPT, Ignore              → doubtful
//	           nothing said for a while                        → quiet      drop
//	doubtful   not working any more, and still speaking        → talking    interrupt, started, release
//	           working, INTERRUPT, certain                     → talking    interrupt, started, release
//	           the agent begins to speak, INTERRUPT            → doubtful   pause
//	           busy, not INTERRUPT, Keep                       → talking    resume, started, release
//	           held for Recovery.Wait                          → doubtful   resume
//	           nothing said for a while, words, Keep           → talking    resume, started, release
//	           nothing said for a while, or for MaxTurn        → quiet      resume, drop
//	           MUTE                                            → quiet      resume, drop, mute
//	talking    it did not interrupt: busy, INTERRUPT, certain  → talking    interrupt
//	           … and an answer is awaited, certain             → talking    interrupt
//	           END                                             → quiet      stopped
//	           MaxTurn is over                                 → quiet      stopped, report
//	           MUTE, the run ends                              → quiet      stopped
//
//	(a) There are the words or the length of speech that Recovery asks for, or the
//	    button is pressed; or Recovery is off and the agent speaks, while there is a
//	    voice. So a cough does not put an end to what cannot be heard yet, and which
//	    nobody would ask for again.
//
// started and stopped alternate, and only where talking begins and ends. Every
// wait in doubtful and talking has an end in time: Recovery.Wait and settleAfter,
// or MaxTurn; and MaxQuiet, MaxTool and resumeGrace put an end to the facts that
// could hold them up.
//
// With External the state follows the service, and started, stopped, interrupt,
// pause, resume, release and drop do not occur, but for the stopped of a turn that
// goes on when a change of settings takes the decision from the service.
type machine struct {
	cfg       Config // with conditions of its own
	external  bool
	confirm   Condition
	semantics []*semantic

	here    mark // the present
	facts   Facts
	effects []effect
	next    time.Duration // when something is to be done though nothing happens; 0 is never

	state  state
	polite bool // talking, without having interrupted what goes on
	spared bool // … because what goes on cannot be heard yet, and it may be a cough
	armed  bool // Start has ceased to hold since the last turn, or doubt
	over   bool // the run ends: nothing begins any more

	taken  time.Duration // when the turn was given
	begun  mark          // where it, or what may become one, begins
	ended  mark          // where its voice ended last
	voiced bool          // there was a voice in this utterance; begun is its beginning

	// Doubt.
	doubted time.Duration // since when there is
	barred  bool          // it is speech that may not interrupt
	since   time.Duration // since when the agent's voice is held, or there is doubt
	paused  bool          // it is held
	tired   bool          // it was held long enough

	voice     voice
	words     words
	button    mark // where the button was pressed
	bot       bot
	askedAt   time.Duration // when the turn ended whose answer is awaited
	requested bool          // muting was asked for
	tools     map[string]time.Duration
	idle      idle
}

const (
	// settleAfter is how long nothing is said until what was said without a turn
	// is forgotten, and how long final transcripts may take to come.
	settleAfter = 2 * time.Second

	// behind is how long a turn does not end after a transcript has gone on: its
	// end is a system frame, and would overtake the transcript on its way.
	behind = 20 * time.Millisecond

	// lateAfter is how long after a turn, or what was ignored or muted, a
	// transcript may still come of it that does not tell where it belongs.
	lateAfter = 2 * time.Second

	// answerWait is how long an answer is awaited; after that its absence counts
	// as silence.
	answerWait = 10 * time.Second

	// resumeGrace is how long an output may take to go on speaking.
	resumeGrace = time.Second
)

// voice is what a detector says, muted or not.
type voice struct {
	on      bool
	signOf  time.Duration // when there was last a sign of life: audio or news
	audible bool          // audio comes by, so that it can be missed …
	audio   mark          // … and has come up to here

	from   mark          // where the stretch of voice that goes on began
	before time.Duration // how long the voice was heard in this utterance before it
}

// bot is what is known of the agent's voice beside the facts.
type bot struct {
	held  bool          // it stopped because it is held
	until time.Duration // it was told to go on, and is to do so until then; or 0
}

func newMachine(cfg Config) *machine {
	m := &machine{armed: true, tools: map[string]time.Duration{}}
	m.facts.Final, m.words.passedAt = true, -behind
	m.configure(cfg, Settings{Start: Always(), End: Always(), Interrupt: Always(), Mute: Always()})
	return m
}

// configure takes a configuration that was checked. Of conditions that are not
// in changed, it keeps what they remember.
func (m *machine) configure(cfg Config, changed Settings) {
	cfg = cfg.withDefaults()
	for _, c := range []struct{ now, before, changed *Condition }{
		{&cfg.Start, &m.cfg.Start, &changed.Start},
		{&cfg.End, &m.cfg.End, &changed.End},
		{&cfg.Interrupt, &m.cfg.Interrupt, &changed.Interrupt},
		{&cfg.Mute, &m.cfg.Mute, &changed.Mute},
	} {
		if *c.changed == nil {
			*c.now = *c.before
		} else {
			*c.now = fresh(*c.now)
		}
	}
	if external := isExternal(cfg.Start); external != m.external {
		if m.external && m.state == talking { // the service's word of its end will not pass
			m.do(effect{kind: doStopped, mark: m.here})
		}
		m.close()
		m.external = external
	}
	m.cfg, m.confirm = cfg, cfg.Recovery.confirm()
	m.semantics = nil
	walk(cfg.End, func(c Condition) {
		if s, ok := c.(*semantic); ok {
			m.semantics = append(m.semantics, s)
		}
	})
	m.idle.level = min(m.idle.level, len(cfg.Idle))
}

// close ends what is going on between the two.
func (m *machine) close() {
	if m.state == doubtful && m.cfg.Barred == Keep && m.facts.Words > 0 {
		m.begin(false)
	}
	switch {
	case m.external:
		m.state, m.facts.Turn = quiet, false // it is the service's
	case m.state == talking:
		m.finish()
	default:
		m.dismiss()
	}
}

// ---- deciding

// answers is what the conditions say now.
type answers struct {
	start, end bool
	allowed    bool // it may interrupt
	certain    bool // it is to interrupt at once
	sure       bool // … for it is no cough
}

// ask puts all questions, always, so that conditions with a memory see all.
func (m *machine) ask() answers {
	f := &m.facts
	f.Turn = m.state == talking
	f.Held = f.Turn && (f.Held || f.Pressed)
	put := func(c Condition) bool {
		holds, again := c.Holds(f)
		if again > f.Now {
			m.next = sooner(m.next, again)
		}
		return holds
	}
	a := answers{start: put(m.cfg.Start), end: put(m.cfg.End), allowed: put(m.cfg.Interrupt) || !m.busy()}
	a.sure = put(m.confirm) || f.Pressed // nobody presses by mistake
	a.certain = a.sure || !m.working() || f.BotSpeaking && !m.cfg.Recovery.On
	for _, s := range m.semantics {
		if s.wanted {
			s.wanted = false
			m.do(effect{kind: doAsk, semantic: s, ticket: s.ticket, text: f.Text, from: m.begun})
		}
		if s.late {
			s.late = false
			m.do(effect{kind: doReport, err: fmt.Errorf("%w within %v", ErrEndOfTurn, s.cfg.Deadline)})
		}
	}
	return a
}

// settle decides what follows from the facts. A turn that is to begin may begin,
// but none ends if ends is false.
func (m *machine) settle(ends bool) {
	for range 8 { // one thing leads to another, but not for ever
		m.next = 0 // asked for by what follows
		m.count()
		m.watch()
		m.mute()
		if !m.step(m.ask(), ends) {
			break
		}
	}
	m.idle.run(m)
}

// at arranges to look again at a time, and reports whether it has come.
func (m *machine) at(t time.Duration) bool {
	if t <= m.facts.Now {
		return true
	}
	m.next = sooner(m.next, t)
	return false
}

// step makes one move, and reports whether it has.
func (m *machine) step(a answers, ends bool) bool {
	f := &m.facts
	switch {
	case m.external:
		if m.state == talking && m.at(m.taken+m.cfg.MaxTurn) {
			m.endless()
			m.state, f.Turn = quiet, false
			f.Turns++
			return true
		}
		return false
	case f.Muted || m.over:
		return false
	case m.state == talking:
		return m.stepTalking(a, ends)
	}
	if !a.start {
		m.armed = true
	}
	if a.start && m.armed || m.state == doubtful {
		if m.consider(a) {
			return true
		}
	}
	return m.state == doubtful && m.doubt() || m.state == quiet && m.forget()
}

func (m *machine) stepTalking(a answers, ends bool) bool {
	f := &m.facts
	switch {
	case m.polite && (m.busy() || m.spared) && a.allowed && a.certain && (a.sure || f.Voice || !m.spared):
		m.polite, m.spared = false, false
		m.interrupt()
		return true
	case a.end && ends && m.at(m.words.passedAt+behind):
		m.finish()
		return true
	case m.at(m.taken + m.cfg.MaxTurn):
		m.endless()
		m.finish()
		return true
	}
	return false
}

// endless reports a turn that is too long. If there is a voice it counts no more:
// the next one begins with the detector's next word.
func (m *machine) endless() {
	m.spend()
	m.do(effect{kind: doReport, err: fmt.Errorf("%w within %v", ErrEndless, m.cfg.MaxTurn)})
}

func (m *machine) spend() {
	if m.voice.on {
		m.voiceOff(m.here)
	}
}

// busy reports whether the agent speaks or does something.
func (m *machine) busy() bool { return m.facts.BotSpeaking || m.facts.Tools > 0 }

// working reports whether there is something that an interruption would put an
// end to, if only an answer that is being thought of.
func (m *machine) working() bool { return m.busy() || m.facts.Awaited }

// consider decides about a turn that is to start.
func (m *machine) consider(a answers) bool {
	switch {
	case !m.busy() && m.state == doubtful && !m.present() && (m.barred || !a.sure):
		return false // it was said while it was not welcome
	case !a.allowed && m.cfg.Barred == Keep:
		m.begin(false)
	case a.allowed && a.certain:
		m.begin(true)
	case a.allowed && !m.cfg.Recovery.On:
		m.begin(false)
		m.spared = true
	default:
		return m.hesitate(a.allowed)
	}
	return true
}

// present reports whether the caller is saying something now.
func (m *machine) present() bool {
	f := &m.facts
	return f.Voice || f.Pressed || !f.Detector && f.TextAt == f.Now
}

// hesitate begins or goes on with doubt, and reports whether that is new.
func (m *machine) hesitate(allowed bool) bool {
	f := &m.facts
	isNew := m.state != doubtful
	if isNew {
		m.state, m.doubted, m.since, m.tired = doubtful, f.Now, f.Now, false
	}
	m.barred = !allowed
	hold := allowed && m.cfg.Recovery.On && f.BotSpeaking && !m.tired
	if hold && !m.paused && m.heldUntil(f.Now) <= f.Now {
		m.tired = true // the agent begins to speak long after what may have been a cough
	} else if hold && !m.paused {
		m.paused, m.since, m.bot.until = true, f.Now, 0
		m.do(effect{kind: doPause})
	} else if !hold {
		m.resume()
	}
	return isNew
}

// heldUntil returns until when the agent's voice is held, if it is held since a
// time: as long as words may still come, but not for longer than Recovery.Wait.
func (m *machine) heldUntil(since time.Duration) time.Duration {
	f := &m.facts
	until := since + m.cfg.Recovery.Wait
	switch {
	case f.Voice:
		return until
	case !f.Transcripts:
		return f.Now // nobody transcribes: there is nothing to wait for after the voice
	}
	return min(until, max(m.doubted, f.VoiceTo, f.TextAt)+m.cfg.Recovery.Wait)
}

// doubt ends what has lasted long enough.
func (m *machine) doubt() bool {
	f := &m.facts
	if m.paused {
		if !m.at(m.heldUntil(m.since)) {
			return false
		}
		m.tired = true
		m.resume()
		return true
	}
	if f.Voice || f.Pressed {
		if m.at(m.since + m.cfg.MaxTurn) {
			m.spend()
			m.dismiss()
			return true
		}
		return false
	}
	if m.tired && !f.Transcripts {
		m.dismiss()
		return true
	}
	if !m.at(max(m.since, f.VoiceTo, f.TextAt) + settleAfter) {
		return false
	}
	if m.cfg.Barred == Keep && f.Words > 0 {
		m.begin(false)
		return true
	}
	m.dismiss()
	return true
}

// forget lets go of words that started nothing.
func (m *machine) forget() bool {
	f := &m.facts
	if f.Voice || !m.voiced && f.Text == "" && !m.words.kept {
		return false
	}
	if m.at(max(f.VoiceTo, f.TextAt, m.words.keptAt) + settleAfter) {
		m.dismiss()
		return true
	}
	return false
}

// begin gives the caller the turn.
func (m *machine) begin(interrupt bool) {
	f := &m.facts
	if !m.voiced {
		m.begun = m.words.first
		if f.Text == "" {
			m.begun = m.here
		}
		if f.Pressed {
			m.begun = m.button
		}
	}
	m.state, m.polite, f.Turn = talking, !interrupt, true
	f.TurnFrom, m.taken = min(m.begun.at, f.Now), f.Now
	if interrupt {
		m.interrupt()
	} else {
		m.resume()
	}
	m.do(effect{kind: doStarted, mark: m.begun})
	if m.words.kept {
		m.words.kept, m.words.passedAt = false, f.Now
		m.do(effect{kind: doRelease})
	}
	m.idle.reset(m)
}

// Reasons for an interruption.
const (
	bargeIn = "barge-in"  // something was going on
	newTurn = "user turn" // at most an answer was being thought of
)

// interrupt silences the agent.
func (m *machine) interrupt() {
	reason := newTurn
	if m.busy() {
		reason = bargeIn
	}
	m.do(effect{kind: doInterrupt, reason: reason})
	m.silenced()
}

// silenced notes that an interruption, whoever raised it, has silenced the agent.
func (m *machine) silenced() {
	m.paused, m.bot, m.facts.Awaited = false, bot{}, false
	if m.facts.BotSpeaking {
		m.facts.BotSpeaking = false
		m.facts.Answers++
	}
}

// resume lets the agent's voice go on, if it is held.
func (m *machine) resume() {
	if !m.paused {
		return
	}
	m.paused = false
	m.do(effect{kind: doResume})
	m.bot.until = m.facts.Now + resumeGrace
}

// finish ends the turn: where the voice ended, or here if it has not.
func (m *machine) finish() {
	f := &m.facts
	end := m.here
	switch {
	case f.Voice:
	case m.voiced && m.ended.at >= m.begun.at:
		end = m.ended
	case !m.voiced && f.Text != "":
		end = m.words.last
	}
	if end.rate == m.begun.rate {
		end.pos = max(end.pos, m.begun.pos)
	}
	m.do(effect{kind: doStopped, mark: end})
	m.words.isOver(ofTurn, f.Now)
	m.state, f.Turn, m.armed = quiet, false, false
	f.Turns++
	if f.Text != "" || !f.Transcripts { // a cough asks for nothing, and leaves what was asked before
		m.asked()
	}
	m.newUtterance()
}

// asked notes that the agent has something to answer.
func (m *machine) asked() { m.facts.Awaited, m.askedAt = true, m.facts.Now }

// dismiss forgets what was said without a turn.
func (m *machine) dismiss() {
	m.resume()
	if m.words.kept {
		m.do(effect{kind: doDrop})
	}
	if m.facts.Text != "" { // a cough has no words that could still come
		m.words.isOver(ofNobody, m.facts.Now)
		m.words.due = !m.facts.Final
	}
	if m.state == doubtful {
		m.armed = false // what began this does not begin it again
	}
	m.state = quiet
	m.newUtterance()
}

func (m *machine) newUtterance() {
	f := &m.facts
	m.words.clear()
	m.voiced, m.polite, m.spared, m.tired, m.barred = false, false, false, false, false
	f.Voiced, f.Text, f.Words, f.Final, f.Held = 0, "", 0, true, false
	m.voice.before = 0
	if f.Voice {
		f.VoiceFrom, m.voice.from, m.voiced, m.begun = f.Now, m.here, true, m.here
	}
}
