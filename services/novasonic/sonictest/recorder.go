package sonictest

import (
	"slices"
	"sync"
)

// recorder guards the log of a stream, which the stream writes and anybody may
// read.
type recorder struct {
	number  int    // of the stream
	limit   int    // bytes of samples that it holds at most; 0 or less is no limit
	changed func() // tells those who wait; called without mu

	mu     sync.Mutex
	log    StreamLog
	held   int        // bytes of samples in the log, KeepAudio's excepted
	sealed bool       // the stream is over, and the log changes no more
	cached *StreamLog // a snapshot of the sealed log

	// The answers and utterances before these have lost their samples.
	answers, heard int
}

// note changes the log.
func (r *recorder) note(change func(*StreamLog)) {
	r.mu.Lock()
	change(&r.log)
	r.mu.Unlock()
	r.changed()
}

// hold counts n samples that have come into the log, and drops the oldest ones
// if it holds too many.
func (r *recorder) hold(n int) {
	r.mu.Lock()
	r.held += 2 * n
	r.mu.Unlock()
	if r.limit > 0 {
		r.drop(r.limit)
	}
}

// samples is how many bytes of samples the log holds.
func (r *recorder) samples() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

// drop takes samples out of the log, the oldest turns' first, until it holds
// at most limit bytes of them. Snapshots that were taken keep theirs.
func (r *recorder) drop(limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &r.log
	for (r.held > limit || limit == 0) && (r.answers < len(l.Answers) || r.heard < len(l.Heard)) {
		r.cached = nil
		if r.heard < len(l.Heard) && (r.answers == len(l.Answers) || l.Heard[r.heard].At <= l.Answers[r.answers].At) {
			heard := &l.Heard[r.heard]
			r.held -= 2 * len(heard.Audio)
			u := *heard.Utterance // the brain may still have it
			u.Audio = nil
			heard.Utterance = &u
			r.heard++
			continue
		}
		a := &l.Answers[r.answers]
		for i := range a.Sentences {
			r.held -= 2 * len(a.Sentences[i].PCM)
			a.Sentences[i].PCM = nil
		}
		if a.Turn.Utterance != nil {
			u := *a.Turn.Utterance
			u.Audio = nil
			a.Turn.Utterance = &u
		}
		if asked := a.Turn.Asked; asked != nil && asked.Utterance != nil {
			turn, u := *asked, *asked.Utterance
			u.Audio = nil
			turn.Utterance = &u
			a.Turn.Asked = &turn
		}
		r.answers++
	}
}

// open tells whether the stream has not ended.
func (r *recorder) open() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.End.Kind == Open
}

// violations is how many rules the client has broken.
func (r *recorder) violations() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.log.Violations)
}

// seal says that the log changes no more, and returns how it ended.
func (r *recorder) seal() EndKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealed = true
	return r.log.End.Kind
}

// snapshot returns a copy of the log. What is only ever appended to is shared:
// nobody writes to what is there. A sealed log is copied once.
func (r *recorder) snapshot() StreamLog {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cached != nil {
		return *r.cached
	}
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
	if r.sealed {
		r.cached = &l
	}
	return l
}
