package sonictest

import (
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
)

// eof says that the client has half-closed in order.
func (s *session) eof(now time.Duration) {
	s.advance(now)
	switch {
	case s.ended || s.deaf:
	case s.over:
		s.finish(End{Kind: ClosedBoth})
	case s.behaviour.HalfCloseRefused:
		s.violation("", "the input ended without sessionEnd", true)
		s.refuse(&protocol.Refusal{Exception: protocol.ExceptionValidation, Text: protocol.TextInvalid})
	default:
		s.violation("", "the input ended without sessionEnd", false)
		s.finish(End{Kind: HalfClosed})
	}
}

// refuse ends the stream because of what the client did.
func (s *session) refuse(r *protocol.Refusal) {
	if !r.Silent {
		s.fail(r)
		return
	}
	s.stopTalking()
	s.over, s.deaf = true, true
	s.after(200*time.Millisecond, func() { s.finish(End{Kind: ServerClosed, Message: r.Text}) })
}

// fail ends the stream with an exception.
func (s *session) fail(r *protocol.Refusal) { s.raise(Failed, r.Exception, s.prefixed(r.Text), false) }

func (s *session) raise(kind EndKind, name, message string, isError bool) {
	if s.ended {
		return
	}
	s.frames = append(s.frames, frame{exception: name, message: message, isError: isError})
	s.finish(End{Kind: kind, Exception: name, Message: message})
}

// prefixed introduces an error text as the service does.
func (s *session) prefixed(text string) string {
	id := s.newID()
	switch s.behaviour.Prefix {
	case PrefixErrors:
		return "RequestId=" + id + " : Error(s):\nError 1 : " + text
	case PrefixNone:
		return text
	default:
		return "RequestId=" + id + " : " + text
	}
}

// finish ends the response after what has been said.
func (s *session) finish(e End) {
	if s.ended {
		return
	}
	s.ended = true
	e.At = s.now
	s.frames = append(s.frames, frame{end: true})
	s.rec.note(func(l *StreamLog) { l.End = e })
}
