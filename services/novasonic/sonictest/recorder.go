package sonictest

import (
	"slices"
	"sync"
)

// recorder guards the log of a stream, which the stream writes and anybody may
// read.
type recorder struct {
	mu  sync.Mutex
	log StreamLog

	changed func() // tells those who wait; called without mu
}

// note changes the log.
func (r *recorder) note(change func(*StreamLog)) {
	r.mu.Lock()
	change(&r.log)
	r.mu.Unlock()
	r.changed()
}

// snapshot returns a copy of the log. What is only ever appended to is shared:
// nobody writes to what is there.
func (r *recorder) snapshot() StreamLog {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.log
	l.Tools = slices.Clip(l.Tools)
	l.History = slices.Clip(l.History)
	l.Events = slices.Clip(l.Events)
	l.Output = slices.Clip(l.Output)
	l.Violations = slices.Clip(l.Violations)
	l.Audio = slices.Clone(l.Audio)
	for i := range l.Audio {
		l.Audio[i].PCM = slices.Clip(l.Audio[i].PCM)
		l.Audio[i].Arrivals = slices.Clip(l.Audio[i].Arrivals)
	}
	l.Heard = slices.Clone(l.Heard)
	l.Texts = slices.Clone(l.Texts)
	l.Answers = slices.Clone(l.Answers)
	for i := range l.Answers {
		l.Answers[i].Sentences = slices.Clone(l.Answers[i].Sentences)
	}
	l.Calls = slices.Clone(l.Calls)
	return l
}
