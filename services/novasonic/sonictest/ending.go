package sonictest

import (
	"regexp"
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

// prefixed introduces an error text as the service does, with the request's id,
// which says that it is none of AWS's.
func (s *session) prefixed(text string) string {
	id := s.requestID
	switch s.behaviour.Prefix {
	case PrefixErrors:
		return "RequestId=" + id + " : Error(s):\nError 1 : " + text
	case PrefixNone:
		return text
	case PrefixBare:
		return internalCode.ReplaceAllString(text, "")
	default:
		return "RequestId=" + id + " : " + text
	}
}

var internalCode = regexp.MustCompile(`^InternalErrorCode=\d+::`)

// finish ends the response after what has been said. If a fault has stopped the
// output, the client does not learn of it, and for the client the stream goes
// on.
func (s *session) finish(e End) {
	if s.ended {
		return
	}
	s.ended = true
	if s.mute && e.Kind != Faulted {
		return
	}
	s.frames = append(s.frames, frame{end: true})
	s.tell(e)
}

// gone ends the stream because the response cannot be ended any more.
func (s *session) gone(e End) {
	s.ended = true
	s.tell(e)
}

func (s *session) tell(e End) {
	s.told = true
	e.At = s.now
	s.rec.note(func(l *StreamLog) { l.End = e })
}
