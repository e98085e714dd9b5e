package oracle

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"slices"
	"sort"
	"time"

	"github.com/parley-go/parley/internal/soak/talk"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// trial is the examination of one conversation. Each of its parts adds what it
// finds out to what the later ones know.
type trial struct {
	*Evidence
	result Result

	streams   []*stream // in the order of their requests
	heirs     []*stream // those that were told to listen, in that order
	listeners []*stream // those that heard something of the caller, in the order in which they began to
	requests  []*request
	answers   []*answer
	cuts      []Seen          // the Swap frames that tell of a cut
	wrong     map[string]bool // what was found to be wrong with a history
}

// Judge examines the evidence of a conversation. If it panics, which evidence
// that makes no sense may lead it to, that is a violation as well.
func Judge(e *Evidence) (r Result) {
	own := *e // of which parts are put another way
	t := &trial{Evidence: &own, wrong: map[string]bool{}}
	t.result.Figures.Swaps = map[novasonic.SwapReason]int{}
	t.result.Figures.Faults = map[string]int{}
	defer func() {
		if p := recover(); p != nil {
			t.violate(Crash, e.Began, "the oracle is lost for words: %v\n%s", p, debug.Stack())
		}
		slices.SortStableFunc(t.result.Violations, func(a, b Violation) int { return cmp.Compare(a.At, b.At) })
		if len(t.result.Violations) > 0 {
			t.result.Timeline = t.timeline()
		}
		r = t.result
	}()
	t.Streams = fromTheClient(t.Streams, t.Service.Distance)
	t.findStreams()
	t.hearing()
	t.findSwaps()
	t.listening()
	t.findRequests()
	t.ear()
	t.answered()
	t.bargeIns()
	t.latency()
	t.histories()
	t.tools()
	t.lives()
	t.changes()
	return t.result
}

// stream is what is known of one stream.
type stream struct {
	*sonictest.StreamLog
	swap          *novasonic.Swap // what the service said when it became the listener; nil if nothing
	ended         time.Time       // by the service's log
	struck        *strike         // the first that mattered
	runs          []run           // what it heard of the caller, in order
	heard, silent time.Time       // when the first and the last of it arrived
	previous      *stream         // who listened before
	took          *takeover       // how it became the listener; nil for the first
}

func (s *stream) String() string { return fmt.Sprintf("stream #%d", s.Number) }

// at is a time of the stream's log.
func (s *stream) at(d time.Duration) time.Time { return s.Opened.Add(d) }

// began is when the stream was told to listen.
func (s *stream) began() time.Time { return s.at(s.Audio[0].Opened) }

// failed tells whether the stream was of no use any more at that time.
func (s *stream) failed(at time.Time) bool {
	return s.struck != nil && !s.struck.at.After(at) && s.struck.fault.Kind != Harmless && s.struck.fault.Kind != Delays
}

// strike is a fault that took effect.
type strike struct {
	fault Fault
	at    time.Time
}

// findStreams puts the logs in order, and finds out which faults struck when.
func (t *trial) findStreams() {
	for i := range t.Streams {
		s := &stream{StreamLog: &t.Streams[i]}
		s.ended = s.at(s.End.At)
		if s.End.Kind == sonictest.Open {
			s.ended = t.Ended
		}
		if s.PromptName != "" {
			t.result.Figures.Streams++
		}
		t.streams = append(t.streams, s)
	}
	for _, f := range t.Faults {
		if f.Stream >= len(t.streams) {
			continue
		}
		s := t.streams[f.Stream]
		at, ok := s.strikes(f, t.roundTrip())
		if !ok {
			continue
		}
		t.result.Figures.Faults[f.Name]++
		s.suffer(strike{f, at})
		if f.Name != "kill" {
			continue
		}
		for _, other := range t.streams { // on the same connection
			if other == s || other.Connection != s.Connection || !other.Opened.Before(at) {
				continue
			}
			if other.End.Kind == sonictest.Dropped && other.ended.Before(at) && at.Sub(other.ended) <= t.roundTrip() {
				other.ended = at // the client did not drop it, nor could it know sooner
			}
			if !other.ended.Before(at) {
				other.suffer(strike{f, at})
			}
		}
	}
}

func (s *stream) suffer(k strike) {
	if k.fault.Kind == Harmless {
		return
	}
	if s.struck == nil || s.struck.fault.Kind == Delays || k.at.Before(s.struck.at) {
		s.struck = &k
	}
}

// strikes tells when the client could know that a fault had struck the stream, if it
// did.
func (s *stream) strikes(f Fault, roundTrip time.Duration) (time.Time, bool) {
	c := f.Cause
	switch {
	case f.Kind == Refuses:
		return s.at(roundTrip), s.End.Kind == sonictest.Refused
	case f.Kind == Delays:
		return s.Opened, true
	case c.Output != "":
		n := 0
		for _, o := range s.Output {
			if c.Output == "*" || o.Name == c.Output {
				if n++; n == max(c.Nth, 1) {
					return s.at(o.At), true // which is when the client is told
				}
			}
		}
		return time.Time{}, false
	case c.Input != "":
		var all []time.Duration
		for _, e := range s.Events {
			if c.Input == "*" || e.Name == c.Input {
				all = append(all, e.At)
			}
		}
		if c.Input == "*" || c.Input == "audioInput" {
			for _, b := range s.Audio {
				for _, a := range b.Arrivals {
					all = append(all, a.At)
				}
			}
		}
		slices.Sort(all)
		if n := max(c.Nth, 1); len(all) >= n {
			return s.at(all[n-1] + roundTrip), true
		}
		return time.Time{}, false
	default:
		return s.at(c.After + roundTrip), s.End.Kind != sonictest.Refused && s.End.At >= c.After
	}
}

// sentBy tells how many of the caller's samples had been sent by a time.
func (t *trial) sentBy(at time.Time) int64 {
	i := sort.Search(len(t.Chunks), func(i int) bool { return t.Chunks[i].At.After(at) })
	if i == 0 {
		return 0
	}
	return t.Chunks[i-1].To
}

// sentAt tells when a sample was sent.
func (t *trial) sentAt(sample int64) time.Time {
	i := sort.Search(len(t.Chunks), func(i int) bool { return t.Chunks[i].To > sample })
	if i == len(t.Chunks) {
		return t.Ended
	}
	return t.Chunks[i].At
}

// spokenAt tells when a sample was spoken, which is before it was sent.
func (t *trial) spokenAt(sample int64) time.Time {
	i := sort.Search(len(t.Chunks), func(i int) bool { return t.Chunks[i].To > sample })
	if i == len(t.Chunks) {
		return t.Ended
	}
	c := t.Chunks[i]
	return c.At.Add(-t.Track.Rate().Duration(c.To - sample))
}

// duration is that of so many of the caller's samples.
func (t *trial) duration(samples int64) time.Duration { return t.Track.Rate().Duration(samples) }

// all is how many samples the caller sent.
func (t *trial) all() int64 {
	if len(t.Chunks) == 0 {
		return 0
	}
	return t.Chunks[len(t.Chunks)-1].To
}

// speechIn returns the first utterance of which something is in [from, to).
func (t *trial) speechIn(from, to int64) (talk.Utterance, bool) {
	said := t.Track.Said()
	i := sort.Search(len(said), func(i int) bool { return said[i].To > from })
	if i < len(said) && said[i].From < to {
		return said[i], true
	}
	return talk.Utterance{}, false
}
