package recorder

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
)

// Voice is one of the two in a conversation.
type Voice uint8

const (
	Caller Voice = iota // left
	Agent               // right
	voices
)

// String returns "caller" or "agent".
func (v Voice) String() string {
	if v == Agent {
		return "agent"
	}
	return "caller"
}

// Layout says how the two voices become channels.
type Layout uint8

const (
	Stereo     Layout = iota // the caller left, the agent right
	Mono                     // both mixed
	CallerOnly               // mono
	AgentOnly                // mono
)

// Channels returns 2 for Stereo and 1 for the others.
func (l Layout) Channels() int {
	if l == Stereo {
		return 2
	}
	return 1
}

// patience is how far one voice may be behind the other before silence is
// written for it: a voice that says nothing sends nothing.
const patience = 2 * time.Second

// Timeline puts the two voices of a conversation side by side, to the sample.
// Both clocks begin at the same instant; audio is placed where its position
// says, whenever it arrives, within the two seconds for which a place is kept
// open. It is safe for concurrent use.
type Timeline struct {
	format audio.Format
	layout Layout

	mu      sync.Mutex
	lanes   [voices]lane
	written audio.Position
	keep    audio.Position // how many samples to keep behind written
	parts   [voices][]int16
}

// NewTimeline makes a timeline at the given rate.
func NewTimeline(rate audio.SampleRate, layout Layout) (*Timeline, error) {
	t := &Timeline{format: audio.Format{Rate: rate, Channels: layout.Channels()}, layout: layout}
	if layout > AgentOnly {
		return nil, fmt.Errorf("record: there is no layout %d", layout)
	}
	if err := t.format.Validate(); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	for v := range t.lanes {
		t.lanes[v].rate = rate
	}
	return t, nil
}

// Format returns what [Timeline.Take] yields.
func (t *Timeline) Format() audio.Format { return t.format }

// Add places audio of one voice: interleaved samples of format f, the first at
// position on the common clock at f.Rate. Several channels are mixed to one.
// What was added before is not added again. It does not keep samples.
func (t *Timeline) Add(v Voice, f audio.Format, samples []int16, position audio.Position) error {
	return t.add(v, f, samples, position, 0)
}

func (t *Timeline) add(v Voice, f audio.Format, samples []int16, position, slack audio.Position) error {
	if f.Channels != 1 {
		samples = audio.Remix(nil, samples, f.Channels, 1)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.lanes[v].add(samples, position, f.Rate, slack); err != nil {
		return fmt.Errorf("record %v: %w", v, err)
	}
	return nil
}

// Finish says that a voice pauses: what is held of it is put in place.
func (t *Timeline) Finish(v Voice) {
	t.mu.Lock()
	t.lanes[v].finish()
	t.mu.Unlock()
}

// Take appends to dst what is complete: the samples for which both voices are
// known, or one is two seconds ahead of the other.
func (t *Timeline) Take(dst []int16) []int16 {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, b := t.lanes[Caller].end(), t.lanes[Agent].end()
	return t.take(dst, max(min(a, b), max(a, b)-audio.Position(t.format.Rate.Samples(patience))))
}

// Rest appends to dst all that there is. It ends the recording: audio that is
// added for what was taken is dropped.
func (t *Timeline) Rest(dst []int16) []int16 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for v := range t.lanes {
		t.lanes[v].finish()
	}
	return t.take(dst, max(t.lanes[Caller].end(), t.lanes[Agent].end()))
}

// end returns where a voice ends, as far as it is known.
func (t *Timeline) end(v Voice) audio.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lanes[v].end()
}

// slice returns a copy of what one voice said between two places, as far as it
// is still kept.
func (t *Timeline) slice(v Voice, from, to audio.Position) ([]int16, audio.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.lanes[v]
	from = max(from, l.start)
	if to <= from {
		return nil, from
	}
	s := make([]int16, to-from)
	l.copyTo(s, from)
	return s, from
}

// Late returns how many samples came too late to be recorded.
func (t *Timeline) Late() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lanes[Caller].late + t.lanes[Agent].late
}

func (t *Timeline) take(dst []int16, until audio.Position) []int16 {
	n := int(until - t.written)
	if n <= 0 {
		return dst
	}
	parts := &t.parts // scratch
	for v := range parts {
		parts[v] = slices.Grow(parts[v][:0], n)[:n]
		t.lanes[v].copyTo(parts[v], t.written)
	}
	switch t.layout {
	case Stereo:
		dst = audio.Interleave(dst, parts[Caller], parts[Agent])
	case Mono:
		audio.Add(parts[Caller], parts[Agent])
		dst = append(dst, parts[Caller]...)
	case CallerOnly:
		dst = append(dst, parts[Caller]...)
	case AgentOnly:
		dst = append(dst, parts[Agent]...)
	}
	t.written = until
	for v := range t.lanes {
		t.lanes[v].forget(until - t.keep)
	}
	return dst
}
