package oracle

import (
	"time"

	"github.com/parley-go/parley/audio"
)

// thinking is the time from when a stream knows that the caller has spoken to
// the first sample of its answer. The soak test's streams take no more and no
// less.
func (t *trial) thinking() time.Duration {
	sum := t.userText()
	for _, d := range []struct{ set, def time.Duration }{
		{t.Service.Latency.Think, 150 * time.Millisecond}, {t.Service.Latency.Speak, 100 * time.Millisecond},
	} {
		if d.set == 0 {
			d.set = d.def
		}
		sum += max(0, d.set)
	}
	return sum + t.roundTrip()
}

// endpointing is the pause that ends an utterance.
func (t *trial) endpointing() time.Duration {
	switch {
	case t.Service.Latency.Endpointing > 0:
		return t.Service.Latency.Endpointing
	case t.Client.Endpointing == "HIGH":
		return 400 * time.Millisecond
	case t.Client.Endpointing == "LOW":
		return 700 * time.Millisecond
	}
	return 480 * time.Millisecond
}

// Bounds of G4, beyond the length of a piece of the caller's audio and a chunk
// of the agent's, to which both are rounded.
const (
	boundPlanned = 10 * time.Millisecond
	boundFailure = 1500 * time.Millisecond

	// boundStall is for a stream that stops reading, or writing. The client knows
	// when its windows are full, which takes longer the less it has to send, and
	// nothing was taken for five seconds; or when there should have been a sign
	// that the stream had heard something.
	boundStall = 20 * time.Second
)

// latency checks G4: that answers come as soon as they would have without a
// change of streams. It is known when that is.
func (t *trial) latency() {
	first := map[*stream]bool{}
	for _, r := range t.requests {
		a := t.soleAnswer(r)
		if a == nil {
			continue
		}
		due, ok := t.due(a)
		if !ok {
			continue
		}
		added := a.first.Sub(due)
		bound := t.frame() + t.OutputChunk + boundPlanned
		f := &t.result.Figures
		k := a.s.took
		if k != nil && !first[a.s] {
			bound += t.catchingUp(a.s)
		}
		if o := t.firstFailed(); k == nil && o != nil {
			k = &takeover{at: a.s.heard, failure: true, down: o.struck.at, evident: o.struck.fault.Kind == Ends}
		}
		switch {
		case k != nil && k.failure && k.at.After(r.from):
			f.AddedFailed = append(f.AddedFailed, added)
			switch {
			case !t.simple(r, k):
				continue // it took as long as it took until there was another stream
			case !k.evident:
				bound += boundStall
			default:
				bound += boundFailure
			}
		case k != nil && !k.failure && !first[a.s]:
			f.Added = append(f.Added, added)
		default:
			f.Undisturbed = append(f.Undisturbed, added)
		}
		first[a.s] = true
		if added > bound {
			t.violate(Slow, a.first, "the answer to request %d, by %v, came %v later than it had to (at most %v is allowed)", r.ID, a.s, added, bound)
		}
	}
}

// soleAnswer is the answer to a spoken request that nothing else stood in the
// way of; nil if there is none.
func (t *trial) soleAnswer(r *request) *answer {
	if r.spoken == nil {
		return nil
	}
	var found *answer
	for _, a := range r.replies {
		if a.heard > 0 {
			found = a
		}
	}
	if found == nil || len(found.sentences) == 0 || found.sentences[0].number != 0 || found.Turn.Utterance == nil {
		return nil
	}
	if r.next != nil && r.next.from.Before(found.first) {
		return nil
	}
	for _, b := range t.answers {
		switch {
		case b == found:
		case b.s == found.s && b.At <= found.At && !b.Interrupted && (b.Done == 0 || b.s.at(b.Done).After(r.to)):
			return nil // the stream had something else to say first
		case b.heard > 0 && b.first.Before(found.first) && b.last.After(r.to):
			return nil // the ear had something else to hear
		}
	}
	for _, x := range t.Runs { // and would have had, if it had not been thrown away
		if x.Returned.Before(found.first) && x.Returned.After(r.from.Add(-2*time.Second)) {
			return nil
		}
	}
	return found
}

// due is when the first sample of an answer would have been heard, if the
// stream that gave it had listened all the time. It is not known where the
// caller was muted.
func (t *trial) due(a *answer) (time.Time, bool) {
	u := a.Turn.Utterance
	end := int64(u.End) + a.s.inputRate().Samples(t.endpointing()) // on the stream's clock
	block := -1
	for _, h := range a.s.Heard {
		if h.Utterance != nil && h.Start == u.Start && h.End == u.End {
			block = h.Block
		}
	}
	var sample int64 = -1
	for _, r := range a.s.runs {
		if r.block == block && r.at < end && end <= r.at+r.to-r.from {
			sample = r.from + end - r.at - 1
		}
	}
	if sample < 0 {
		return time.Time{}, false
	}
	if t.sentAt(sample).Sub(a.about.to) > t.endpointing()+2*t.frame()+50*time.Millisecond {
		return time.Time{}, false // muted meanwhile
	}
	known := t.sentAt(sample).Add(t.thinking())
	chunk := int64(t.OutputRate.Samples(t.OutputChunk))
	position := t.OutputRate.Samples(known.Sub(t.OutputBegan))
	position = (position + chunk - 1) / chunk * chunk
	return t.heardAt(audio.Position(position)), true
}

// inputRate is the rate of what the stream hears.
func (s *stream) inputRate() audio.SampleRate { return s.Audio[0].Rate }

// healthy is the age from which on the failure of a stream is not one of a row, behind
// which there is a pause that grows.
const healthy = 5 * time.Second

// simple tells whether nothing but one failure stood between a request and the
// stream that answered it.
func (t *trial) simple(r *request, k *takeover) bool {
	failed := 0
	for _, s := range t.streams {
		switch {
		case s.struck == nil || s.struck.at.After(k.at) || s.ended.Before(earlier(r.from, k.down)):
		case s.struck.fault.Kind == Refuses || s.struck.fault.Kind == Delays:
			return false
		case s.took != nil && s.took.failure && s.struck.at.Sub(s.Opened) < healthy:
			return false // one of a row
		default:
			failed++
		}
	}
	return failed <= 1
}
