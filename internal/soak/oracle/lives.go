package oracle

import (
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// maxOpen is how many streams a conversation may have open, those that failed
// not counted.
const maxOpen = 2

// lives checks G7, and that the service's rules were kept.
func (t *trial) lives() {
	for _, s := range t.streams {
		t.rules(s)
		t.ending(s)
	}
	t.atOnce()
}

func (t *trial) rules(s *stream) {
	for _, v := range s.Violations {
		at := s.at(v.At)
		if !v.Fatal && v.Event == "" && s.failed(at) {
			continue // there was nobody to say goodbye to
		}
		if !v.Fatal && v.Event == "sessionEnd" && len(s.Audio) == 0 {
			continue // a stream that never listened cannot end its prompt: promptEnd needs an AUDIO block
		}
		t.violate(Broke, at, "%v: %s: %s", s, v.Event, v.Text)
	}
	if s.Panic != "" {
		t.violate(Crash, s.ended, "%v: the emulator's brain panicked: %s", s, s.Panic)
	}
}

func (t *trial) ending(s *stream) {
	failed := s.failed(s.ended) || s.struck != nil && s.struck.fault.Kind == Delays && s.Accepted == 0
	e := s.End
	switch e.Kind {
	case sonictest.ClosedBoth:
		return
	case sonictest.Refused, sonictest.Faulted, sonictest.HalfClosed:
		if failed {
			return
		}
	case sonictest.Failed:
		if failed {
			return
		}
		if text := strings.ToLower(e.Exception + e.Message); strings.Contains(text, "timeout") || strings.Contains(text, "timed out") || strings.Contains(text, "expired") {
			t.violate(Expired, s.ended, "%v was ended by the service after %v: %s", s, e.At, e.Exception)
			return
		}
	case sonictest.Dropped:
		// One that was still being opened when it was not needed any more.
		opening := s.Accepted == 0 || s.Accepted > e.At
		if failed || opening && (t.roundTrip() > 0 || !t.HungUp.IsZero() && s.ended.After(t.HungUp)) || t.Err != nil && s.ended.After(t.Ended.Add(-time.Second)) {
			return
		}
	}
	t.violate(NotClosed, s.ended, "%v was %v after %v (%s %s)", s, e.Kind, e.At, e.Exception, e.Message)
}

// atOnce checks how many streams were open at the same time.
func (t *trial) atOnce() {
	type change struct {
		at time.Time
		by int
		s  *stream
	}
	var all []change
	for _, s := range t.streams {
		if s.End.Kind == sonictest.Refused {
			continue
		}
		ended := s.ended
		if s.struck != nil && s.struck.fault.Kind != Delays && s.struck.at.Before(ended) {
			ended = s.struck.at
		}
		if len(s.Audio) == 0 { // it may have been let go as it failed, on its way there
			ended = ended.Add(-t.roundTrip())
		}
		all = append(all, change{s.Opened, 1, s}, change{ended, -1, s})
	}
	slices.SortStableFunc(all, func(a, b change) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.by - b.by
	})
	open := 0
	for _, c := range all {
		if open += c.by; open > maxOpen && c.by > 0 {
			t.violate(TooMany, c.at, "%d streams were open when %v was opened, and none of them had failed", open, c.s)
		}
	}
}
