package oracle

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// changePatience is how long a move that was asked for may take: half a minute,
// and the time to open a stream.
const changePatience = 45 * time.Second

// findSwaps finds, for each stream that was made the listener, the frame that
// tells of it: it was sent when the stream's audio began.
func (t *trial) findSwaps() {
	for _, f := range t.Frames {
		if w, ok := f.Frame.(*novasonic.Swap); ok && w.Step == novasonic.SwapCut {
			t.cuts = append(t.cuts, f)
		}
	}
	for _, s := range t.streams {
		if len(s.Audio) > 0 && !t.unneeded(s) {
			t.heirs = append(t.heirs, s)
		}
	}
	slices.SortStableFunc(t.heirs, func(a, b *stream) int { return a.began().Compare(b.began()) })
	// Of a stream that died as it was told to listen there may be a frame and no
	// audio, but not the other way round; and the frame comes first. Of two in one
	// instant the first is the stream's, if it is not that of the one before.
	told := slices.Clone(t.cuts)
	for i := len(t.heirs) - 1; i > 0; i-- {
		s := t.heirs[i]
		for n := len(told) - 1; n >= 0; n-- {
			if t.tells(told[n], s) {
				for n > 0 && told[n-1].At.Equal(told[n].At) && !t.tells(told[n-1], t.heirs[i-1]) {
					n--
				}
				s.swap = told[n].Frame.(*novasonic.Swap)
				told = told[:n]
				break
			}
		}
	}
}

// unneeded tells whether a stream was never to listen: one that is let go has its audio
// opened and closed in one instant, and if it failed then, no frame tells of a cut.
func (t *trial) unneeded(s *stream) bool {
	if len(s.runs) > 0 || s.ended.Sub(s.began()) >= cutSlack {
		return false
	}
	return s.End.Kind == sonictest.ClosedBoth || !slices.ContainsFunc(t.cuts, func(f Seen) bool { return t.tells(f, s) })
}

// tells reports whether the frame of a cut may be about a stream.
func (t *trial) tells(cut Seen, s *stream) bool {
	after := s.began().Sub(cut.At)
	return after >= 0 && after <= cutSlack+t.priming(s)
}

// cutSlack is how long what a stream is told at a cut may take to arrive.
const cutSlack = 100 * time.Millisecond

// changes checks G8: what the service says of its moves is what happened, and
// it is silent about none.
func (t *trial) changes() {
	for _, s := range t.listeners {
		if s.took == nil {
			continue
		}
		w := s.swap
		if w == nil {
			t.violate(NoSwap, s.took.at, "%v followed %v as the listener, and no Swap frame tells of it", s, s.previous)
			continue
		}
		t.result.Figures.Swaps[w.Reason]++
		t.compare(s, w)
	}
	for i, f := range t.cuts[min(1, len(t.cuts)):] {
		w, last := f.Frame.(*novasonic.Swap), t.cuts[i].Frame.(*novasonic.Swap)
		if w.From != last.To {
			t.violate(BadSwap, f.At, "%v: the move before was to stream %d", w, last.To)
		}
	}
	t.steps()
	t.demands()
	if t.Err != nil || t.HungUp.IsZero() {
		t.violate(EndEarly, t.Ended, "the conversation ended by itself: %v", t.Err)
	}
}

// compare checks the figures of a move.
func (t *trial) compare(s *stream, w *novasonic.Swap) {
	k, old := s.took, s.previous
	wrong := func(what string, said, is any) {
		t.violate(BadSwap, k.at, "the Swap frame of the move from %v to %v says that %s is %v, and it is %v", old, s, what, said, is)
	}
	failing := w.Reason == novasonic.SwapFailure || w.Reason == novasonic.SwapDoubt && k.failure
	begun := t.begun(w.Number)
	if failing && !k.failure && !k.stillborn {
		wrong("the reason", w.Reason, "none of that kind: the old stream was well")
	}
	if k.failure && k.evident && !failing && begun.After(k.down.Add(slack)) {
		wrong("the reason", w.Reason, "a failure")
	}
	tolerance := t.frame() + t.priming(s) + 10*time.Millisecond
	// A stream that failed as it took over did not hear all that it was given.
	whole := !s.failed(s.heard.Add(t.frame() + t.roundTrip() + t.catchingUp(s)))
	far := func(a, b time.Duration) bool { return whole && (a-b).Abs() > tolerance }
	if replayed := t.duration(k.replayed); far(w.Replayed, replayed) {
		wrong("what was replayed", w.Replayed, replayed)
	}
	if overlap := t.duration(k.overlap); !k.failure && !k.stillborn && far(w.Overlapped, overlap) {
		wrong("what overlaps", w.Overlapped, overlap)
	}
	bytes := 0
	for _, m := range s.History {
		bytes += len(m.Text)
	}
	if w.History != bytes {
		wrong("the history's size", w.History, bytes)
	}
	// Nor did the old one, if it failed then, hear all that it had been sent.
	if t.Track.Rate() == w.Rate && k.cut > 0 && !k.failure && !k.stillborn && !old.failed(s.heard.Add(t.roundTrip())) {
		// Anywhere in a pause in which the caller was muted.
		if least, most := t.position(k.cut-1)+1, t.position(k.cut); w.CutAt < least || w.CutAt > most {
			wrong("the cut", w.CutAt, fmt.Sprintf("%d to %d", least, most))
		}
	}
	if w.Attempts < 1 {
		wrong("the number of attempts", w.Attempts, "at least 1")
	}
}

// begun is when a move was said to begin.
func (t *trial) begun(number int) time.Time {
	for _, f := range t.Frames {
		if w, ok := f.Frame.(*novasonic.Swap); ok && w.Number == number {
			return f.At
		}
	}
	return t.Ended
}

// position is the place on the caller's track of a sample, or the track's end.
func (t *trial) position(sample int64) audio.Position {
	for _, c := range t.Chunks {
		if c.From <= sample && sample < c.To {
			return c.Position + audio.Position(sample-c.From)
		}
	}
	return math.MaxInt64
}

// steps checks that every move that was begun came to an end.
func (t *trial) steps() {
	open := map[int]Seen{}
	for _, f := range t.Frames {
		w, ok := f.Frame.(*novasonic.Swap)
		if !ok {
			continue
		}
		switch w.Step {
		case novasonic.SwapClosed, novasonic.SwapGone, novasonic.SwapAbandoned:
			delete(open, w.Number)
		default:
			open[w.Number] = f
		}
	}
	for n, f := range open {
		if f.At.Before(t.Ended.Add(-3 * time.Minute)) {
			t.violate(BadSwap, f.At, "nothing more was told of move %d after %v", n, f.Frame)
		}
	}
}

// demands checks that what the application asked for happened.
func (t *trial) demands() {
	for i, d := range t.Asked {
		end := d.At.Add(changePatience)
		if now := t.listenerAt(d.At); now != nil {
			for _, s := range t.heirs { // while one drains, no third one is opened
				if s != now && s.began().Before(now.began()) && s.ended.After(d.At) {
					end = later(end, s.ended.Add(changePatience))
				}
			}
		}
		if d.Err != nil || t.refused(d, end) || end.After(t.Ended) || !t.HungUp.IsZero() && end.After(t.HungUp) {
			continue
		}
		replaced := false
		for _, later := range t.Asked[i+1:] {
			replaced = replaced || later.At.Before(end)
		}
		if replaced || t.outage(d.At, end) > 0 {
			continue
		}
		last, moved := t.listenerAt(end), false
		for _, s := range t.heirs {
			moved = moved || !s.began().Before(d.At.Add(-slack)) && !s.began().After(end)
		}
		switch {
		case d.What == novasonic.SwapRequest && !moved:
			t.violate(NoChange, d.At, "the application asked to move to another stream, and nothing happened for %v", end.Sub(d.At))
		case d.Instructions != "":
			if last != nil && !strings.Contains(last.Instructions, d.Instructions) {
				t.violate(NoChange, d.At, "the application changed the instructions to %q, and %v later %v has %q", d.Instructions, end.Sub(d.At), last, last.Instructions)
			}
		case d.What == novasonic.SwapChange && last != nil && last.Voice != d.Voice:
			t.violate(NoChange, d.At, "the application changed the voice to %s, and %v later %v has %s", d.Voice, end.Sub(d.At), last, last.Voice)
		}
	}
}

// refused tells whether the service has said that it gave up what was asked for.
func (t *trial) refused(d Asked, until time.Time) bool {
	return slices.ContainsFunc(t.Frames, func(f Seen) bool {
		w, ok := f.Frame.(*novasonic.Swap)
		return ok && w.Step == novasonic.SwapAbandoned && w.Err != nil && w.Reason == d.What && !f.At.Before(d.At) && f.At.Before(until)
	})
}

// listenerAt is the stream that was to hear the caller at a time.
func (t *trial) listenerAt(at time.Time) *stream {
	var last *stream
	for _, s := range t.heirs {
		if !s.began().After(at) {
			last = s
		}
	}
	return last
}
