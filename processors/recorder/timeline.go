package recorder

import (
	"errors"
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

const (
	// defaultMaxGap is longer than any silence that two people would wait
	// through, and shorter than what a clock jumps by that has wrapped or begun
	// at random: 24 hours for an RTP timestamp at 48 kHz.
	defaultMaxGap = time.Hour

	// atOnce is how much Take yields. A long silence is not held in memory.
	atOnce = 10 * time.Second
)

// ErrJump says that a position is further ahead of the recording than a silence
// may be: the voice's clock is broken, or whoever sends it lies. The audio is
// kept: it is placed within two seconds behind the recording's end, and what
// follows on that clock follows it.
var ErrJump = errors.New("the position is too far ahead of the recording")

// Timeline puts the two voices of a conversation side by side, to the sample.
// Both clocks begin at the same instant; audio is placed where its position
// says, whenever it arrives, within the two seconds for which a place is kept
// open. It is safe for concurrent use.
//
// Positions come from outside, so none of them may cost memory: silence takes
// none, however long, until [Timeline.Take] yields it, in pieces. No position
// may add more than an hour of silence at once ([Config.MaxGap] for a
// [Recorder]); see [ErrJump]. Silence up to that long is in the recording, and
// takes its place in a file.
type Timeline struct {
	format audio.Format
	layout Layout

	mu      sync.Mutex
	lanes   [voices]lane
	written audio.Position
	keep    audio.Position // how many samples to keep behind written
	maxGap  time.Duration
	parts   [voices][]int16
}

// NewTimeline makes a timeline at the given rate.
func NewTimeline(rate audio.SampleRate, layout Layout) (*Timeline, error) {
	t := &Timeline{format: audio.Format{Rate: rate, Channels: layout.Channels()}, layout: layout, maxGap: defaultMaxGap}
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
//
// An [ErrJump] says that the audio was placed elsewhere than its position says.
// Audio before the start is dropped and counted as late.
func (t *Timeline) Add(v Voice, f audio.Format, samples []int16, position audio.Position) error {
	return t.add(v, f, samples, position, 0)
}

func (t *Timeline) add(v Voice, f audio.Format, samples []int16, position, slack audio.Position) error {
	if err := f.Validate(); err != nil {
		return fmt.Errorf("record %v: %w", v, err)
	}
	if f.Channels != 1 {
		samples = audio.Remix(nil, samples, f.Channels, 1)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.lanes[v]
	if position <= -audio.Position(len(samples)) { // far from where sums overflow
		l.late += int64(len(samples))
		return nil
	}
	var jump error
	place, ok := l.place(position, f.Rate, t.lastSecond())
	if !ok {
		place = l.reanchor(position, f.Rate, second(t.frontier(), t.format.Rate))
		jump = fmt.Errorf("record %v: position %d at %v: %w by more than %v", v, position, f.Rate, ErrJump, t.maxGap)
	}
	if err := l.add(samples, place, f.Rate, slack); err != nil {
		return fmt.Errorf("record %v: %w", v, err)
	}
	return jump
}

// frontier returns how far the recording goes. t.mu is held.
func (t *Timeline) frontier() audio.Position {
	return max(t.written, t.lanes[Caller].end(), t.lanes[Agent].end())
}

// lastSecond returns the last second in which audio may begin. t.mu is held.
func (t *Timeline) lastSecond() int64 {
	return second(t.frontier(), t.format.Rate) + int64(t.maxGap/time.Second)
}

// place returns where a voice's position is in the recording, at its rate. One
// that cannot be is taken for where the voice ends.
func (t *Timeline) place(v Voice, p audio.Position, rate audio.SampleRate) audio.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.lanes[v]
	if rate <= 0 {
		return l.end()
	}
	p, ok := l.place(max(0, p), rate, t.lastSecond())
	if !ok {
		return l.end()
	}
	return p.At(rate, t.format.Rate)
}

// Finish says that a voice pauses: what is held of it is put in place.
func (t *Timeline) Finish(v Voice) {
	t.mu.Lock()
	t.lanes[v].finish()
	t.mu.Unlock()
}

// Take appends to dst what is complete: the samples for which both voices are
// known, or one is two seconds ahead of the other. It yields ten seconds at
// most; there may be more until it yields nothing.
func (t *Timeline) Take(dst []int16) []int16 {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, b := t.lanes[Caller].end(), t.lanes[Agent].end()
	return t.take(dst, max(min(a, b), max(a, b)-audio.Position(t.format.Rate.Samples(patience))))
}

// Rest appends to dst all that there is, however much. It ends the recording:
// audio that is added for what was taken is dropped.
func (t *Timeline) Rest(dst []int16) []int16 {
	for {
		n := len(dst)
		if dst = t.takeRest(dst); len(dst) == n {
			return dst
		}
	}
}

// takeRest is Take at the end of the recording.
func (t *Timeline) takeRest(dst []int16) []int16 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for v := range t.lanes {
		t.lanes[v].finish()
	}
	return t.take(dst, t.frontier())
}

// end returns where a voice ends, as far as it is known.
func (t *Timeline) end(v Voice) audio.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lanes[v].end()
}

// slice returns a copy of what one voice said between two places: of its end, as
// much as is kept.
func (t *Timeline) slice(v Voice, from, to audio.Position) ([]int16, audio.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.lanes[v]
	from = max(from, l.start, to-t.keep)
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

// Jumps returns how many positions were too far ahead; see [ErrJump].
func (t *Timeline) Jumps() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lanes[Caller].jumps + t.lanes[Agent].jumps
}

func (t *Timeline) take(dst []int16, until audio.Position) []int16 {
	until = min(until, t.written+audio.Position(t.format.Rate.Samples(atOnce)))
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
