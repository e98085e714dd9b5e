package sonictest

import (
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
)

// advance passes the time up to the age now.
func (s *session) advance(now time.Duration) {
	for !s.told {
		at, why := s.due()
		if at > now || why == nil {
			break
		}
		s.now = max(s.now, at)
		why()
	}
	s.now = max(s.now, now)
}

// next is when advance has something to do; false if never.
func (s *session) next() (time.Duration, bool) {
	if s.told {
		return 0, false
	}
	at, why := s.due()
	return at, why != nil
}

// due returns what is to be done next, and when.
func (s *session) due() (at time.Duration, do func()) {
	consider := func(t time.Duration, f func()) {
		if do == nil || t < at {
			at, do = t, f
		}
	}
	if t, ok := s.nextFault(); ok {
		consider(t, s.strikeDue)
	}
	if s.mute { // neither speaks nor ends; a further fault may end it
		return at, do
	}
	if t, ok := s.timers.next(); ok && (do == nil || t <= at) {
		at, do = t, func() { s.timers.pop().do() }
	}
	if s.over {
		return at, do
	}
	if limit := s.cfg.Limits.Life; limit > 0 {
		consider(limit, func() { s.fail(&protocol.Refusal{Exception: protocol.ExceptionTimeout, Text: protocol.TextLife}) })
	}
	if limit := s.cfg.Limits.idle(s.model.ID); limit > 0 {
		consider(s.ears.active+limit, func() { s.fail(s.idled(limit)) })
	}
	if limit := s.cfg.Limits.UserSilence; limit > 0 && s.ears.block >= 0 && !s.ears.speaking {
		consider(s.ears.lastSpeech+limit, func() {
			s.fail(&protocol.Refusal{Exception: protocol.ExceptionValidation, Text: protocol.Text531})
		})
	}
	return at, do
}

func (s *session) idled(limit time.Duration) *protocol.Refusal {
	text := protocol.TextIdle(limit)
	if s.model.ID == protocol.V1 {
		text = protocol.TextIdleV1
	}
	return &protocol.Refusal{Exception: protocol.ExceptionValidation, Text: text}
}
