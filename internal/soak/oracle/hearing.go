package oracle

import (
	"slices"
	"sort"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// run is a stretch of what a stream received that is of the caller's track, in
// one piece: its samples [from, to).
type run struct {
	block    int
	at       int64 // its place in the block
	from, to int64
	silence  int64 // samples of silence that were put in before it
}

// telling is how many samples in a row tell where they are from, beyond doubt.
const telling = 24

// hearing finds every sample that a stream received on the caller's track.
func (t *trial) hearing() {
	for _, s := range t.streams {
		next := int64(-1) // the sample that is expected
		for b := range s.Audio {
			next = t.hearBlock(s, b, next)
		}
		if len(s.runs) == 0 {
			continue
		}
		first, last := s.runs[0], s.runs[len(s.runs)-1]
		s.heard = s.arrival(first.block, first.at)
		s.silent = s.arrival(last.block, last.at+last.to-last.from-1)
		t.listeners = append(t.listeners, s)
	}
	slices.SortStableFunc(t.listeners, func(a, b *stream) int { return a.heard.Compare(b.heard) })
	t.result.Figures.Listened = len(t.listeners)
	for i, s := range t.listeners[min(1, len(t.listeners)):] {
		s.previous = t.listeners[i]
	}
}

func (t *trial) hearBlock(s *stream, b int, next int64) int64 {
	pcm := s.Audio[b].PCM
	var silence int64
	for at := int64(0); at < int64(len(pcm)); {
		if pcm[at] == 0 {
			at++
			silence++
			continue
		}
		from := next
		if from < 0 || t.follow(pcm[at:], from) < min(telling, soundOf(pcm[at:])) {
			var ok bool
			if from, ok = t.locate(s, b, at, next); !ok {
				n := soundOf(pcm[at:])
				t.violate(Foreign, s.arrival(b, at), "%v received %d samples at %d that are none of the caller's", s, n, at)
				at += n
				silence = 0
				continue
			}
		}
		n := t.follow(pcm[at:], from)
		s.runs = append(s.runs, run{block: b, at: at, from: from, to: from + n, silence: silence})
		at += n
		silence = 0
		next = from + n
	}
	return next
}

// soundOf tells how many samples come before the next silence, as far as it
// matters.
func soundOf(pcm []int16) int64 {
	for i, v := range pcm {
		if v == 0 || i == telling {
			return int64(i)
		}
	}
	return int64(len(pcm))
}

// follow tells how many samples agree with the caller's from a place on.
func (t *trial) follow(pcm []int16, from int64) int64 {
	var buf [512]int16
	var n int64
	for n < int64(len(pcm)) {
		want := buf[:min(len(buf), len(pcm)-int(n))]
		t.Track.Fill(want, from+n)
		for i, v := range want {
			if pcm[n+int64(i)] != v {
				return n + int64(i)
			}
		}
		n += int64(len(want))
	}
	return n
}

// locate finds the place on the caller's track of what a stream received.
func (t *trial) locate(s *stream, block int, at, next int64) (int64, bool) {
	pcm := s.Audio[block].PCM[at:]
	needle := pcm[:soundOf(pcm)]
	if len(needle) < telling && next >= 0 {
		return 0, false // too short to be found, and not what comes next
	}
	sent := t.sentBy(s.arrival(block, at))
	reach := t.Track.Rate().Samples(time.Minute)
	if from, ok := t.search(needle, max(0, sent-reach), sent); ok {
		return from, true
	}
	return t.search(needle, 0, t.all())
}

func (t *trial) search(needle []int16, lo, hi int64) (int64, bool) {
	const step = 1 << 16
	n := int64(len(needle))
	for from := lo; from < hi; from += step {
		hay := t.Track.Samples(from, min(from+step+n, hi+n))
		for i := 0; i+len(needle) <= len(hay); i++ {
			if hay[i] == needle[0] && slices.Equal(hay[i:i+len(needle)], needle) {
				return from + int64(i), true
			}
		}
	}
	return 0, false
}

// arrival tells when a sample of a block arrived.
func (s *stream) arrival(block int, at int64) time.Time {
	arrivals := s.Audio[block].Arrivals
	i := sort.Search(len(arrivals), func(i int) bool { return arrivals[i].End > audio.Position(at) })
	if i == len(arrivals) {
		return s.ended
	}
	return s.at(arrivals[i].At)
}

// arrived tells when the stream received a sample of the caller's.
func (s *stream) arrived(sample int64) (time.Time, bool) {
	for _, r := range s.runs {
		if r.from <= sample && sample < r.to {
			return s.arrival(r.block, r.at+sample-r.from), true
		}
	}
	return time.Time{}, false
}

// received tells how many of the samples [from, to) the stream received.
func (s *stream) received(from, to int64) int64 {
	var n int64
	for _, r := range s.runs {
		n += max(0, min(r.to, to)-max(r.from, from))
	}
	return n
}

// takeover is how one stream followed another as the listener.
type takeover struct {
	at       time.Time // when the new one received its first sample
	cut      int64     // the first sample that only the new one received
	replayed int64     // samples before those that were new then
	overlap  int64     // of the samples that the new one received, those that the old one did as well
	failure  bool      // nobody listened for a while, since a stream had failed
	down     time.Time // from then on
	evident  bool      // the service could know that at once

	// stillborn tells that another stream was to take over first, and failed
	// before it had heard anything.
	stillborn bool
}

// listening checks G1: who heard which sample.
func (t *trial) listening() {
	for _, s := range t.listeners {
		t.inOrder(s)
		if s.previous != nil {
			t.tookOver(s)
		}
	}
	t.nothingUnheard()
}

// inOrder checks that one stream received the caller's samples in order and
// without a hole.
func (t *trial) inOrder(s *stream) {
	for i, r := range s.runs[min(1, len(s.runs)):] {
		last := s.runs[i]
		at := s.arrival(r.block, r.at)
		switch {
		case r.from < last.to:
			t.violate(HeardAgin, at, "%v received samples %d to %d again, or after later ones, at %d", s, r.from, min(r.to, last.to), r.at)
		case r.from > last.to:
			t.violate(Skipped, at, "%v did not receive samples %d to %d (%v), but those before and after", s, last.to, r.from, t.duration(r.from-last.to))
		case r.silence > 0 && t.pause(r.from) < t.keepAlive()-time.Millisecond:
			t.violate(Inserted, at, "%v was given %d samples of silence before sample %d, where the caller made no pause", s, r.silence, r.from)
		}
	}
}

// pause tells for how long the caller sent nothing before this sample.
func (t *trial) pause(sample int64) time.Duration {
	i := sort.Search(len(t.Chunks), func(i int) bool { return t.Chunks[i].To > sample })
	if i == 0 || i == len(t.Chunks) || t.Chunks[i].From != sample {
		return 0
	}
	return t.Chunks[i].At.Sub(t.Chunks[i-1].At)
}

func (t *trial) keepAlive() time.Duration {
	if t.Client.KeepAlive != 0 {
		return t.Client.KeepAlive
	}
	return 250 * time.Millisecond
}

// tookOver measures how a stream followed its predecessor.
func (t *trial) tookOver(s *stream) {
	old := s.previous
	k := &takeover{at: s.heard}
	s.took = k
	last := old.runs[len(old.runs)-1]
	k.cut = last.to
	for _, r := range old.runs {
		k.cut = max(k.cut, r.to)
		k.overlap += s.received(r.from, r.to)
	}
	first := s.runs[0].from
	k.replayed = max(0, t.sentBy(s.heard.Add(-time.Nanosecond))-first)
	switch p := t.before(s); {
	case p != old:
		// A stream that was told to listen, and heard nothing: it failed, or the
		// caller was muted.
		k.stillborn = p.failed(s.heard) || t.stillborn(old, s)
		if old.failed(p.began()) {
			k.failure, k.down = true, old.struck.at
		}
	case old.failed(s.heard):
		k.failure, k.down = true, old.struck.at
		k.evident = old.struck.fault.Kind == Ends
	case !old.ended.After(s.heard) && old.End.Kind != sonictest.ClosedBoth:
		k.failure, k.down, k.evident = true, old.ended, true
	default:
		k.stillborn = t.stillborn(old, s)
	}
	if k.stillborn && !k.failure && s.heard.Sub(old.silent) > t.frame() {
		k.failure, k.down = true, old.silent
	}
	if slices.ContainsFunc(t.streams, func(o *stream) bool { return o != s && t.between(old, o, s) && o.struck.fault.Kind != Ends }) {
		// Another was to listen, and nobody could know what it received.
		k.evident, k.down = false, earlier(k.down, old.silent)
	}
	f := &t.result.Figures
	f.Replayed = append(f.Replayed, t.duration(k.replayed))
	f.Overlap = append(f.Overlap, t.duration(k.overlap))

	// Live audio goes to one stream. What the old one received later than the
	// new one its first was on its way then, or it has failed.
	rest := s.heard.Add(t.frame() + t.roundTrip())
	if old.took != nil { // it may have been hearing things again itself
		rest = later(rest, old.took.at.Add(t.catchingUp(old)))
	}
	if !k.failure && old.silent.After(rest) {
		t.violate(Shared, old.silent, "%v still received the caller's audio, up to sample %d, %v after %v had begun to", old, last.to, old.silent.Sub(s.heard), s)
	}
	// And all of it, without waiting.
	if live := t.sentBy(s.heard); !k.failure && live > k.cut+t.Track.Rate().Samples(t.frame()) && s.heard.Sub(t.sentAt(k.cut)) > t.frame()+t.priming(s) {
		t.violate(Deaf, s.heard, "sample %d reached %v %v after it was sent, though %v had not failed", k.cut, s, s.heard.Sub(t.sentAt(k.cut)), old)
	}
}

// before is the stream that was told to listen before another one was.
func (t *trial) before(s *stream) *stream {
	if i := slices.Index(t.heirs, s); i > 0 {
		return t.heirs[i-1]
	}
	return s.previous
}

// stillborn tells whether a stream failed before it heard anything, while one
// stream followed another.
func (t *trial) stillborn(old, s *stream) bool {
	return slices.ContainsFunc(t.streams, func(o *stream) bool { return o != s && t.between(old, o, s) })
}

// between tells whether a stream failed before it heard anything, while another
// followed the old one.
func (t *trial) between(old, o, s *stream) bool {
	return len(o.runs) == 0 && o.End.Kind != sonictest.Refused && o.failed(s.heard) && !o.ended.Before(old.silent) && !o.Opened.After(s.heard)
}

// frame is the length of one of the caller's pieces of audio.
func (t *trial) frame() time.Duration {
	if len(t.Chunks) == 0 {
		return 0
	}
	return t.duration(t.Chunks[0].To - t.Chunks[0].From)
}

// nothingUnheard checks that every sample was received by some stream.
func (t *trial) nothingUnheard() {
	type stretch struct{ from, to int64 }
	var covered []stretch
	for _, s := range t.listeners {
		for _, r := range s.runs {
			covered = append(covered, stretch{r.from, r.to})
		}
	}
	slices.SortFunc(covered, func(a, b stretch) int { return int(a.from - b.from) })
	at := int64(0)
	for _, c := range covered {
		if c.from > at {
			t.hole(at, c.from)
		}
		at = max(at, c.to)
	}
	if at < t.all() {
		t.hole(at, t.all())
	}
}

// hole judges samples that no stream received.
func (t *trial) hole(from, to int64) {
	u, speech := t.speechIn(from, to)
	length := t.duration(to - from)
	last := len(t.listeners) - 1
	switch {
	case to == t.all() && !speech && (last < 0 || !t.listeners[last].ended.After(t.sentAt(from).Add(t.frame()+t.roundTrip()))):
		return // the conversation was being ended
	case t.lost(from, to):
		t.result.Figures.LostSpeech += length
	case to == t.all() && !speech && last >= 0 && (t.listeners[last].failed(t.sentAt(to-1)) || t.deafHeir(t.listeners[last], t.sentAt(to-1))):
		t.result.Figures.LostSilence += length
	case !speech && t.inFlight(from, to):
		t.result.Figures.LostSilence += length
	case !speech && t.failing(t.sentAt(from), t.sentAt(to-1)):
		t.result.Figures.LostSilence += length
	case speech:
		t.violate(Unheard, t.sentAt(from), "no stream received samples %d to %d (%v), which are of request %d", from, to, length, u.ID)
	default:
		t.violate(Unheard, t.sentAt(from), "no stream received samples %d to %d (%v), and no failure is to blame", from, to, length)
	}
}

// deafHeir tells whether a stream was to follow the last listener, had failed by then
// and had not heard anything.
func (t *trial) deafHeir(last *stream, at time.Time) bool {
	return slices.ContainsFunc(t.streams, func(s *stream) bool {
		return len(s.runs) == 0 && s.End.Kind != sonictest.Refused && s.failed(at) && !s.ended.Before(last.silent)
	})
}

// inFlight tells whether the samples, with which what somebody received ends, were on
// their way to a stream that was left in order, and failed before they arrived; or to
// one that failed as it was given them again, or behind what it was given again, and
// nobody could know.
func (t *trial) inFlight(from, to int64) bool {
	return slices.ContainsFunc(t.listeners, func(s *stream) bool {
		k := s.took
		if k == nil || k.cut > from || to > s.runs[0].from || !s.previous.failed(later(s.heard, t.sentAt(to-1).Add(t.roundTrip()))) {
			return false
		}
		caughtUp := s.previous.heard.Add(-time.Nanosecond)
		if s.previous.took != nil {
			caughtUp = caughtUp.Add(t.catchingUp(s.previous))
		}
		if k.failure && !k.evident && to <= t.sentBy(k.down) && to <= t.sentBy(caughtUp) {
			return true
		}
		heir := t.heirs[slices.Index(t.heirs, s.previous)+1]
		return !heir.began().Add(-t.priming(heir)).After(s.previous.struck.at) // it had been left before
	})
}

// failing tells whether there was, in that time, a listener that had failed,
// though nobody could know what it still received, and that nobody had replaced
// yet.
func (t *trial) failing(from, to time.Time) bool {
	if len(t.listeners) > 0 && to.Before(t.listeners[0].heard) && t.firstFailed() != nil {
		return true
	}
	for _, s := range t.listeners {
		if k := s.took; k != nil && k.failure && !k.evident && !k.down.After(to.Add(t.frame()+t.roundTrip())) && !k.at.Before(from) {
			return true
		}
	}
	return false
}

// firstFailed is the stream on which the conversation had begun, if that failed
// before it heard anything.
func (t *trial) firstFailed() *stream {
	first := t.listeners[0]
	for _, o := range t.streams {
		if o != first && o.End.Kind != sonictest.Refused && !o.Opened.After(first.Opened) && o.failed(first.heard) {
			return o
		}
	}
	return nil
}

// lost tells whether the samples were said to be lost: more than is kept.
func (t *trial) lost(from, to int64) bool {
	for _, s := range t.listeners {
		if s.took == nil {
			continue
		}
		// Lost audio comes right before what the new stream was given.
		if to == s.runs[0].from {
			if w := s.swap; w != nil && w.Lost > 0 && t.duration(to-from) <= w.Lost+t.frame() {
				return true
			}
		}
	}
	return false
}
