package sonictest

import (
	"time"
)

// armed is a fault that waits for its moment on one stream.
type armed struct {
	Fault
	seen  int // events that it counts
	spent bool
}

// nextFault is when a fault that waits for an age alone is due.
func (s *session) nextFault() (at time.Duration, ok bool) {
	for _, f := range s.faults {
		if !f.spent && f.Input == "" && f.Output == "" && (!ok || f.After < at) {
			at, ok = f.After, true
		}
	}
	return at, ok
}

// strikeDue lets the faults strike whose age has come.
func (s *session) strikeDue() {
	for _, f := range s.faults {
		if !f.spent && f.Input == "" && f.Output == "" && f.After <= s.now {
			s.act(f)
		}
	}
}

// strike counts an event, and lets faults strike that waited for it.
func (s *session) strike(of func(*Fault) string, name string) {
	for _, f := range s.faults {
		want := of(&f.Fault)
		if s.told || f.spent || want == "" || want != "*" && want != name || s.now < f.After {
			continue
		}
		f.seen++
		if f.seen >= f.Nth {
			s.act(f)
		}
	}
}

// act does what a fault does. An earlier one that stopped the output does not
// stop this one, unless that has ended the stream.
func (s *session) act(f *armed) {
	f.spent = true
	if s.told {
		return
	}
	before := len(s.frames)
	ended := s.ended
	s.ended = false
	s.do(f)
	s.ended = s.ended || ended
	for i := range s.frames[before:] {
		s.frames[before+i].fault = true
	}
}

func (s *session) do(f *armed) {
	switch f.Do.kind {
	case actException:
		s.raise(Faulted, f.Do.name, s.prefixed(f.Do.message), false)
	case actErrorMessage:
		s.raise(Faulted, f.Do.name, f.Do.message, true)
	case actEnd:
		s.finish(End{Kind: Faulted, Message: "END_STREAM"})
	case actReset:
		s.end(f.Do.kind, "RST_STREAM")
	case actTruncate:
		s.end(f.Do.kind, "truncated message")
	case actKill:
		s.end(f.Do.kind, "connection closed")
	case actStall, actStallWrites:
		s.mute = true
		fallthrough
	default:
		s.frames = append(s.frames, frame{action: f.Do.kind})
	}
}

func (s *session) end(kind actionKind, message string) {
	s.frames = append(s.frames, frame{action: kind})
	if kind == actTruncate {
		s.finish(End{Kind: Faulted, Message: message})
		return
	}
	s.gone(End{Kind: Faulted, Message: message}) // the writer needs no telling
}
