package continuity

import (
	"fmt"
	"time"
)

// State is what is known of the listening stream and its successor; see the
// package comment.
type State uint8

// The states.
const (
	Idle      State = iota // not started
	Opening                // nobody listens, a stream is being opened
	Waiting                // nobody listens, a pause before the next try
	Steady                 // one listens, and there is no reason to move
	Preparing              // one listens, its successor is being opened
	Pausing                // one listens, a pause before the next try to open its successor
	Ready                  // one listens, its successor waits for a moment
	Over                   // the conversation has ended
)

// String returns the state's name in lower case.
func (s State) String() string {
	names := [...]string{"idle", "opening", "waiting", "steady", "preparing", "pausing", "ready", "over"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Reason is why a conversation moves.
type Reason uint8

// The reasons, the weightiest last: a move that has several is named after
// that.
const (
	None Reason = iota
	Age
	Request
	Change
	Doubt
	Credentials
	Failure
)

// String returns the reason's name in lower case.
func (r Reason) String() string {
	names := [...]string{"none", "age", "request", "change", "doubt", "credentials", "failure"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Policy is when to do what. All durations are positive, but Prepare, which is
// negative if age is no reason to move.
type Policy struct {
	Prepare, Prefer, Force time.Duration // ages of the listening stream
	Jitter                 time.Duration // a stream's Prepare comes up to so much earlier
	Limit                  time.Duration // age at which the service ends a stream

	SoonPrefer, SoonForce time.Duration // the same windows for requests and changes, from when they were asked for

	StandbyLife time.Duration // how long a standby may wait
	Drain       time.Duration // how long a stream may drain, but for the answer that it is in the middle of

	FirstAttempts int           // to open the first stream
	GiveUpAfter   time.Duration // without a stream that stays
	Healthy       time.Duration // the age from which on a stream has proved itself
	FirstPause    time.Duration // after a failure; doubles with each up to …
	MaxPause      time.Duration

	// Random returns a number from 0 up to 1, for jitter and pauses.
	Random func() float64
}

// The windows before credentials expire. They are fixed: a provider renews
// credentials minutes before their end, and a stream needs seconds.
const (
	expiryPrepare = 150 * time.Second
	expiryPrefer  = 75 * time.Second
	expiryForce   = 30 * time.Second
)

// grace is how long a forced move still waits for the answer to what the user
// has just said, which is due at any moment: on the next stream it would come
// later. No more than half of the time that Force leaves is waited.
const grace = 2 * time.Second

// goodbye is how long before the service ends it a stream that drains is closed,
// so that it is closed in order.
const goodbye = time.Second

// lastWords is how long before that it may still begin to say something. The service
// speaks faster than real time, and answers are seldom longer. What a tool returns
// later is told to the stream that listens.
const lastWords = 10 * time.Second

// Situation is what the moment is like.
type Situation struct {
	UserSpeaking  bool
	Unanswered    bool // the user said something that has no answer yet
	AgentSpeaking bool // it is heard, or about to be
	ToolPending   bool
	Deaf          bool // the listening stream does not take what the user says
	Finishing     bool // the draining stream is in the middle of an answer
}

// stream is one with a role.
type stream struct {
	id      int
	opened  time.Time
	expires time.Time // of the credentials that opened it; zero if never
	version int       // of the settings that it was opened with
	prepare time.Time // when its successor is due on account of age; zero: never
}

// Machine is the state machine. One goroutine owns it.
type Machine struct {
	p     Policy
	state State

	listening *stream
	standby   *stream
	draining  *stream

	// Opening.
	attempt   int       // id of the stream being opened, or opened last
	opening   int       // version of the settings that it is opened with
	failures  int       // opens that failed in a row
	resume    time.Time // the end of the pause before the next try
	everHeard bool      // a stream has listened

	// Draining.
	drained   bool
	retireBy  time.Time // when it is retired, unless it is in the middle of an answer …
	finishing bool      // … and was when that time came
	goodbyeBy time.Time // when it is, whatever it does, since it is about to end
	drainMove Move      // the move in which the draining stream was replaced

	// Reasons to move.
	version  int       // of the settings
	trusted  int       // the last version with which a stream has proved itself
	asked    Reason    // Request, Change or Doubt, the weightiest; None
	wished   Reason    // the same without Change, which the service may refuse
	askedAt  time.Time // the first of them
	expiryAt time.Time // when to look at the credentials again, after an open that brought no newer ones

	// Failures.
	deaths   int       // of listening streams that died young, in a row
	lastDied time.Time // when the last of listening streams did
	trouble  time.Time // since when no stream has stayed; zero: one does

	// The move in progress, or the last one.
	moves  int
	move   Move
	moving bool
	looked time.Time // when it was last asked whether the moment has come

	out []Decision
}

// New returns a machine that has not started.
func New(p Policy) *Machine { return &Machine{p: p} }

// State returns the state.
func (m *Machine) State() State { return m.state }

// Listening, Standby and Draining return the ids of the streams with these
// roles, 0 if there is none.
func (m *Machine) Listening() int { return id(m.listening) }
func (m *Machine) Standby() int   { return id(m.standby) }
func (m *Machine) Draining() int  { return id(m.draining) }

func id(s *stream) int {
	if s == nil {
		return 0
	}
	return s.id
}

// Step takes what has happened (nil: time has passed, or the situation has
// changed) and returns what to do, in order. The slice is valid until the next
// call. now must not go backwards. look tells what the moment is like; it is
// called if a decision depends on it.
func (m *Machine) Step(now time.Time, e Event, look func() Situation) []Decision {
	m.out = m.out[:0]
	switch e := e.(type) {
	case nil:
	case Start:
		if m.state == Idle {
			m.open(now)
		}
	case Opened:
		m.opened(now, e)
	case Refused:
		m.refused(now, e)
	case Died:
		m.died(now, e)
	case Drained:
		if id(m.draining) == e.Stream {
			m.drained = true
		}
	case Ask:
		m.ask(now, e)
	case Stop:
		m.state = Over
	}
	for m.settle(now, look) {
	}
	return m.out
}

func (m *Machine) do(d Decision) { m.doOf(m.move, d) }

func (m *Machine) doOf(move Move, d Decision) {
	d.Move = move
	m.out = append(m.out, d)
}

// settle does one thing that time or the situation has made due, and reports
// whether it did.
func (m *Machine) settle(now time.Time, look func() Situation) bool {
	if m.state == Over || m.state == Idle {
		return false
	}
	if m.draining != nil && (m.drained || !now.Before(m.goodbyeBy) || !now.Before(m.retireBy) && !m.finishes(look)) {
		m.doOf(m.drainMove, Decision{Do: Retire, Stream: m.draining.id, Forced: !m.drained})
		m.draining = nil
		return true
	}
	switch m.state {
	case Waiting, Pausing:
		if !now.Before(m.resume) {
			m.open(now)
			return true
		}
	case Steady:
		if m.draining == nil && m.due(now) != None {
			m.begin(now)
			m.open(now)
			return true
		}
	case Ready:
		if m.standby.version != m.version {
			m.reopen(now)
			return true
		}
		switch s := look(); {
		case m.isMoment(now, s):
			m.cut(now, s.UserSpeaking || s.Unanswered || s.ToolPending)
			return true
		case now.Sub(m.standby.opened) >= m.p.StandbyLife:
			m.reopen(now)
			return true
		}
	}
	return false
}

// finishes reports whether the draining stream, whose time is over, is given more,
// since what it is saying would be heard to break off.
func (m *Machine) finishes(look func() Situation) bool {
	m.finishing = look().Finishing
	return m.finishing
}

// Wake returns when Step has something to do even if nothing happens, or zero.
func (m *Machine) Wake() time.Time {
	var wake time.Time
	at := func(t time.Time) {
		if !t.IsZero() && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	switch {
	case m.draining == nil:
	case m.finishing: // that it has finished is an event
		at(m.goodbyeBy)
	default:
		at(m.retireBy)
		at(m.goodbyeBy)
	}
	switch m.state {
	case Waiting, Pausing:
		at(m.resume)
	case Steady:
		if m.draining == nil {
			at(m.listening.prepare)
			at(m.expiryDue())
		}
	case Ready:
		prefer, force := m.deadlines()
		if m.standby.opened.Add(m.p.StandbyLife).Before(force) {
			at(m.standby.opened.Add(m.p.StandbyLife))
		}
		if prefer.After(m.looked) { // else it is over, and there was no moment
			at(prefer)
		}
		if force.After(m.looked) {
			at(force)
		} else { // there was no moment then: an answer is waited for
			at(force.Add(m.grace()))
		}
	}
	return wake
}

// due returns the weightiest reason to move that is due.
func (m *Machine) due(now time.Time) Reason {
	if at := m.expiryDue(); !at.IsZero() && !now.Before(at) {
		return Credentials
	}
	return m.dueAnyway(now)
}

// dueAnyway is due without regard to credentials.
func (m *Machine) dueAnyway(now time.Time) Reason {
	if m.asked == None && m.listening != nil {
		if at := m.listening.prepare; !at.IsZero() && !now.Before(at) {
			return Age
		}
	}
	return m.asked
}

func (m *Machine) expiryDue() time.Time {
	if m.listening == nil || m.listening.expires.IsZero() {
		return time.Time{}
	}
	at := m.listening.expires.Add(-expiryPrepare)
	if m.expiryAt.After(at) {
		return m.expiryAt
	}
	return at
}

// deadlines are until when only silence will do, and from when on anything
// will: the earliest of all reasons.
func (m *Machine) deadlines() (prefer, force time.Time) {
	earliest := func(p, f time.Time) {
		if force.IsZero() || f.Before(force) {
			force = f
		}
		if prefer.IsZero() || p.Before(prefer) {
			prefer = p
		}
	}
	if m.asked != None {
		earliest(m.askedAt.Add(m.p.SoonPrefer), m.askedAt.Add(m.p.SoonForce))
	}
	if l := m.listening; l != nil {
		if m.p.Prepare >= 0 {
			earliest(l.opened.Add(m.p.Prefer), l.opened.Add(m.p.Force))
		}
		if !l.expires.IsZero() {
			earliest(l.expires.Add(-expiryPrefer), l.expires.Add(-expiryForce))
		}
	}
	return prefer, force
}

func (m *Machine) grace() time.Duration { return min(grace, (m.p.Limit-m.p.Force)/2) }

func (m *Machine) isMoment(now time.Time, s Situation) bool {
	prefer, force := m.deadlines()
	m.looked = now
	switch {
	case s.Deaf:
		return true
	case !now.Before(force):
		return !s.Unanswered || s.UserSpeaking || !now.Before(force.Add(m.grace()))
	case s.UserSpeaking || s.Unanswered || s.ToolPending:
		return false
	case s.AgentSpeaking:
		return !now.Before(prefer)
	}
	return true
}

// ---- moves

// begin counts a move.
func (m *Machine) begin(now time.Time) {
	m.moves++
	m.moving = true
	m.failures = 0
	reason := m.due(now)
	if m.listening == nil {
		reason = Failure
	}
	m.move = Move{Number: m.moves, Reason: reason, From: id(m.listening), Begun: now}
}

// open asks for another stream.
func (m *Machine) open(now time.Time) {
	m.attempt++
	m.opening = m.version
	need := Successor
	switch {
	case m.listening != nil:
		m.state = Preparing
	case !m.everHeard:
		m.state, need = Opening, First
	default:
		m.state, need = Opening, Orphan
	}
	m.move.Attempts++
	d := Decision{Do: Open, Stream: m.attempt, Need: need, Version: m.version}
	if m.listening == nil && !m.trouble.IsZero() {
		d.By = m.trouble.Add(m.p.GiveUpAfter)
	}
	m.do(d)
}

// reopen replaces the standby, or the attempt to open one.
func (m *Machine) reopen(now time.Time) {
	if m.standby != nil {
		m.do(Decision{Do: Discard, Stream: m.standby.id})
		m.standby = nil
	} else {
		m.do(Decision{Do: Discard, Stream: m.attempt})
	}
	m.move.Ready = time.Time{}
	m.open(now)
}

func (m *Machine) opened(now time.Time, e Opened) {
	if e.Stream != m.attempt || m.state != Opening && m.state != Preparing {
		m.do(Decision{Do: Discard, Stream: e.Stream})
		return
	}
	s := &stream{id: e.Stream, opened: e.At, expires: e.Expires, version: m.opening}
	if m.p.Prepare >= 0 {
		s.prepare = e.At.Add(m.p.Prepare - time.Duration(m.p.Random()*float64(m.p.Jitter)))
	}
	m.failures = 0
	if l := m.listening; l != nil && m.due(now) == Credentials && m.dueAnyway(now) == None && !e.Expires.IsZero() && !e.Expires.After(l.expires) {
		// The provider has no newer credentials yet: this stream would live no
		// longer. Nearer to the end it will.
		m.do(Decision{Do: Discard, Stream: e.Stream})
		m.expiryAt = now.Add(max(2*time.Second, l.expires.Sub(now)/4))
		m.abandon(errNoNewer)
		return
	}
	m.move.Ready = now
	m.standby = s
	if m.state == Preparing {
		m.state = Ready
		m.do(Decision{Do: Tell, Stream: s.id})
		return
	}
	m.cut(now, m.everHeard)
}

// cut makes the standby listen.
func (m *Machine) cut(now time.Time, forced bool) {
	from := m.listening
	m.listening, m.standby = m.standby, nil
	m.state = Steady
	if m.listening.version == m.version {
		m.asked = None
	}
	m.wished = None
	m.expiryAt = time.Time{}
	m.everHeard, m.moving = true, false
	d := Decision{Do: Cut, Stream: m.listening.id, From: id(from), Forced: forced}
	if from != nil {
		if now.Sub(m.lastDied) >= m.p.Healthy {
			// It did not have to be left: whatever failed before is over.
			m.deaths, m.trouble = 0, time.Time{}
		}
		if now.Sub(from.opened) >= m.p.Healthy {
			m.trusted = from.version
		}
		m.draining, m.drained, m.finishing, m.drainMove = from, false, false, m.move
		m.goodbyeBy = from.opened.Add(m.p.Limit - goodbye)
		if by := from.expires.Add(-goodbye); !from.expires.IsZero() && by.Before(m.goodbyeBy) {
			m.goodbyeBy = by
		}
		m.retireBy = now.Add(m.p.Drain)
		if by := m.goodbyeBy.Add(-lastWords); by.Before(m.retireBy) {
			m.retireBy = by
		}
	}
	m.do(d)
}

// abandon gives a move up; the listening stream goes on.
func (m *Machine) abandon(err error) {
	m.do(Decision{Do: Abandon, Err: err})
	m.moving = false
	m.state = Steady
}

// refused handles an open that failed, or a standby that died.
func (m *Machine) refused(now time.Time, e Refused) {
	if e.Stream != m.attempt || m.state != Opening && m.state != Preparing {
		return
	}
	m.failures++
	if m.state == Preparing {
		m.refusedSuccessor(now, e)
		return
	}
	if m.everHeard && e.Verdict != Retry && m.opening != m.trusted {
		// The settings are what is new: the service does not want them.
		if m.opening == m.version {
			m.revert(m.trusted, e.Err)
		}
		m.pause(now, Waiting, e.Err)
		return
	}
	giveUp := e.Verdict == GiveUp
	if m.everHeard {
		giveUp = giveUp || !m.trouble.IsZero() && now.Sub(m.trouble) >= m.p.GiveUpAfter
	} else {
		giveUp = e.Verdict != Retry || m.failures >= m.p.FirstAttempts // nothing can be mended yet
	}
	if giveUp {
		m.fail(e.Err)
		return
	}
	m.pause(now, Waiting, e.Err)
}

func (m *Machine) refusedSuccessor(now time.Time, e Refused) {
	if e.Verdict != Retry && m.opening != m.listening.version {
		// The settings are what is new: the service does not want them.
		m.revert(m.listening.version, e.Err)
		if m.due(now) == None {
			m.abandon(e.Err)
			return
		}
	}
	if why := m.due(now); e.Verdict == GiveUp && (why == Request || why == Doubt) {
		m.asked, m.wished = None, None
		m.abandon(e.Err)
		return
	}
	m.pause(now, Pausing, e.Err)
}

// revert goes back to settings that the service has taken before.
func (m *Machine) revert(version int, err error) {
	m.version = version
	m.asked = m.wished
	m.do(Decision{Do: Revert, Version: version, Err: err})
}

// pause waits before the next try: longer each time, and for a random time, so
// that conversations which failed together try again apart.
func (m *Machine) pause(now time.Time, s State, err error) {
	m.state = s
	m.resume = now.Add(m.pauseAfter(m.failures))
	m.do(Decision{Do: Retried, Err: err})
}

func (m *Machine) pauseAfter(failures int) time.Duration {
	wait := min(m.p.FirstPause<<min(failures, 10), m.p.MaxPause)
	return wait/2 + time.Duration(m.p.Random()*float64(wait/2))
}

func (m *Machine) fail(err error) {
	m.state = Over
	m.do(Decision{Do: Fail, Err: err})
}

func (m *Machine) died(now time.Time, e Died) {
	switch {
	case m.state == Over || e.Stream == 0:
	case e.Stream == id(m.draining):
		m.draining = nil
		m.doOf(m.drainMove, Decision{Do: Gone, Stream: e.Stream, Err: e.Err})
	case e.Stream == id(m.standby):
		m.standby = nil
		m.move.Ready = time.Time{}
		m.state = Preparing
		m.refused(now, Refused{Stream: m.attempt, Verdict: e.Verdict, Err: e.Err})
	case e.Stream == id(m.listening):
		m.orphaned(now, e)
	}
}

// orphaned handles the death of the listening stream.
func (m *Machine) orphaned(now time.Time, e Died) {
	dead := m.listening
	m.listening = nil
	if now.Sub(dead.opened) >= m.p.Healthy {
		m.deaths, m.trouble, m.trusted = 0, time.Time{}, dead.version
	}
	verdict := e.Verdict
	if m.trouble.IsZero() {
		m.trouble = now
	}
	m.deaths++
	m.lastDied = now
	if m.state == Steady {
		m.begin(now)
	}
	m.move.Reason, m.move.From = Failure, dead.id
	m.do(Decision{Do: Orphaned, Stream: dead.id, Err: e.Err})
	if verdict != Retry && dead.version != m.trusted && dead.version == m.version {
		// It died of the settings that it was the first to have.
		m.revert(m.trusted, e.Err)
		verdict = Retry
	}
	switch {
	case m.state == Ready:
		m.cut(now, true)
	case now.Sub(m.trouble) >= m.p.GiveUpAfter || m.state != Preparing && verdict == GiveUp:
		m.fail(e.Err)
	case m.state == Preparing:
		m.state = Opening // the successor is on its way
		m.do(Decision{Do: Hurry, Stream: m.attempt, By: m.trouble.Add(m.p.GiveUpAfter)})
	case m.deaths > 1:
		// The first to die is replaced at once; those that die as soon as they
		// are opened are given time.
		m.state = Waiting
		m.resume = now.Add(m.pauseAfter(m.deaths - 1))
	default:
		m.open(now)
	}
}

func (m *Machine) ask(now time.Time, e Ask) {
	if m.state == Over || m.state == Idle {
		return
	}
	if m.asked == None {
		m.askedAt = now
	}
	m.asked = max(m.asked, e.Reason)
	if e.Reason == Change {
		m.version = e.Version
	} else {
		m.wished = max(m.wished, e.Reason)
	}
	if m.moving && m.listening != nil {
		m.move.Reason = max(m.move.Reason, e.Reason)
		if e.Reason == Change && m.state == Preparing {
			m.reopen(now) // it would be out of date
		}
	}
}

// Oldest returns the oldest version of the settings that may still be asked
// for.
func (m *Machine) Oldest() int {
	oldest := min(m.trusted, m.version)
	for _, s := range []*stream{m.listening, m.standby} {
		if s != nil {
			oldest = min(oldest, s.version)
		}
	}
	return oldest
}
