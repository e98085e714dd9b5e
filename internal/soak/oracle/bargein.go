package oracle

import (
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// slack is how much later than it is due something may happen that takes no
// time: goroutines of one instant run in any order.
const slack = 5 * time.Millisecond

// userText is how long after the end of an utterance its transcript comes.
func (t *trial) userText() time.Duration {
	if d := t.Service.Latency.UserText; d != 0 {
		return max(0, d)
	}
	return 120 * time.Millisecond
}

// bargeIns checks that an answer ends when the caller speaks: at most one chunk
// after the service could know.
func (t *trial) bargeIns() {
	for _, a := range t.answers {
		if a.heard == 0 {
			continue
		}
		known, who := t.interrupted(a)
		if who == "" {
			continue
		}
		if over := a.last.Sub(known.Add(t.OutputChunk)); over > slack {
			t.violate(TalkedOver, known, "%v went on for %v after %s", a, over+t.OutputChunk, who)
		}
	}
}

// interrupted tells when it was known that the caller had interrupted an answer,
// and by what.
func (t *trial) interrupted(a *answer) (known time.Time, by string) {
	earliest := func(at time.Time, what string) {
		if by == "" || at.Before(known) {
			known, by = at, what
		}
	}
	marked := !t.Service.Behaviour.Interruption.NoMarker
	if a.Interrupted && marked && !a.s.failed(a.s.at(a.Cut)) {
		earliest(a.s.at(a.Cut), "the service had marked it as interrupted")
	}
	for _, r := range t.requests {
		if r.spoken == nil || r.from.Before(a.first) || !r.from.Before(a.last) {
			continue
		}
		for _, s := range t.listeners {
			arrived, ok := s.arrived(r.spoken.From)
			if !ok {
				continue
			}
			if s != a.s && t.Service.Behaviour.UserSpeech != sonictest.Off {
				// A stream that has not said what is being heard marks nothing.
				for _, o := range s.Output {
					if at := s.at(o.At); o.Name == "userSpeechStart" && !at.Before(arrived) && !s.failed(at) {
						earliest(at, s.String()+" had heard the caller begin to speak")
						break
					}
				}
			}
			for _, h := range s.Heard {
				if at := s.at(h.At).Add(t.userText()); h.Text == r.Spoken() && !s.failed(at) {
					earliest(at, s.String()+" had told what the caller said")
				}
			}
		}
	}
	return known, by
}
