package oracle

import (
	"slices"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// fromTheClient returns the logs as the client would have written them, whose
// distance from the service is d: what it sent, it sent d before it arrived, and what
// the service did, it learned d later. Times in a log are since Opened, so those of
// what was sent stay what they are.
func fromTheClient(logs []sonictest.StreamLog, d time.Duration) []sonictest.StreamLog {
	if d == 0 {
		return logs
	}
	logs = slices.Clone(logs)
	for i := range logs {
		s := &logs[i]
		s.Opened = s.Opened.Add(-d)
		later := func(at *time.Duration) {
			if *at != 0 { // it happened
				*at += 2 * d
			}
		}
		later(&s.Accepted)
		s.Output = slices.Clone(s.Output)
		for i := range s.Output {
			s.Output[i].At += 2 * d
		}
		s.Heard = slices.Clone(s.Heard)
		for i := range s.Heard {
			s.Heard[i].At += 2 * d
		}
		s.Answers = slices.Clone(s.Answers)
		for i := range s.Answers {
			a := &s.Answers[i]
			a.At += 2 * d
			later(&a.Cut)
			later(&a.Done)
			a.Sentences = slices.Clone(a.Sentences)
			for i := range a.Sentences {
				x := &a.Sentences[i]
				later(&x.Announced)
				later(&x.Started)
				later(&x.Ended)
				later(&x.Final)
			}
		}
		s.Calls = slices.Clone(s.Calls)
		for i := range s.Calls {
			s.Calls[i].At += 2 * d
		}
		switch s.End.Kind {
		case sonictest.Open, sonictest.ClosedBoth, sonictest.HalfClosed, sonictest.Dropped: // the client's doing
		default:
			s.End.At += 2 * d
		}
	}
	return logs
}

// window is how much a stream takes before there is word from it, and a little less:
// at a distance, what is more than fits in a window of HTTP/2 waits for a round trip.
const window = 56 << 10

// priming is how long it takes a stream to be told what it has to know.
func (t *trial) priming(s *stream) time.Duration {
	return time.Duration(s.told()/window) * t.roundTrip()
}

// told is how many bytes that takes.
func (s *stream) told() int {
	const wrapping = 1800 // of a message: three events, each in Base64 and signed
	size := 0
	for _, m := range s.History {
		size += len(m.Text)*3/2 + wrapping
	}
	return size
}

// catchingUp is how long it takes a stream that has taken over to be told that, and to
// hear again what nobody has answered.
func (t *trial) catchingUp(s *stream) time.Duration {
	const wrapping = 3 // bytes of a sample, in Base64 and signed
	waits := (s.told() + wrapping*int(s.took.replayed)) / window
	if waits > 0 {
		waits++ // for the last of it, with what has come meanwhile
	}
	return time.Duration(waits) * t.roundTrip()
}

// roundTrip is how long it takes to the service and back.
func (t *trial) roundTrip() time.Duration { return 2 * t.Service.Distance }
