package playout

import (
	"context"
	"slices"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// player is the buffer and the clock, without time and without goroutines: it
// is asked for one chunk after the other. Output guards it with a lock.
type player struct {
	format    audio.Format
	chunk     int64 // frames
	stopDelay int64 // frames
	fade      int64 // frames; 0 cuts hard

	items  []item
	queued time.Duration // of audio in items
	marks  int           // ordered frames in items and events

	segment  *segment
	position audio.Position // of the next chunk
	spans    []Span
	events   []event // of what was built, by due
	fresh    int     // of spans, those from here on have no events yet
	tail     []int16 // fades out what was cut; the next chunk begins with it …
	tailSpan []Span  // … and this is what it is
	held     bool    // speech waits until it is released
	rising   bool    // the next speech fades in
	paused   bool    // speech that had begun is held

	backlog bool           // of the sink: chunks have not left it
	unsent  audio.Position // the first of them
	passed  audio.Position // up to here everything was told
	delayed bool           // a voice's beginning was dropped, and it is not told yet

	// The speech that was told last: as far as the caller has heard it.
	told  bool // BotStarted was told, BotStopped was not
	voice Span // its last part; empty, at its beginning, if nothing of it was heard

	// The speech that was built last.
	speaking  bool           // since it began it has not ended
	last      Span           // the last speech
	speechEnd audio.Position // its end on the output's clock
	finished  bool           // TTSStop came behind it
	draining  bool           // nothing more will come

	stats Stats
	err   error // audio that could not be converted and was dropped
}

// item is what waits in the buffer: audio, or a frame in order with it.
type item struct {
	audio *frames.AudioOutput
	taken int // of audio.Samples
	mark  mark
}

// mark is an ordered frame that keeps its place in the audio. Its context is a
// part of it because it tells the frame's generation: an interruption between
// its arrival and its departure must drop it.
type mark struct {
	ctx   context.Context
	frame frames.Frame
}

// event is something to be told when the output's clock has reached due. Of
// those with the same due, the smaller kind goes first.
type event struct {
	due  audio.Position
	kind eventKind
	span Span // playout: what was heard; started, stopped: the response, and where
	fade frames.Fade
	held bool // stopped: it may go on
	gap  int64
	mark mark

	// Of what an interruption ends, or the sink has dropped.
	cut     bool           // playout: something was thrown away; stopped: in mid-speech
	queued  audio.Position // playout: the end on the track of what was thrown away
	dropped bool           // by the sink; started: its beginning was
}

type eventKind uint8

// What ends at an instant goes before what begins there: built ahead, the end of
// one answer may be queued together with the beginning of the next.
const (
	eventPlayout eventKind = iota
	eventStopped
	eventGap
	eventStarted
	eventMark
)

func (p *player) addAudio(f *frames.AudioOutput) {
	p.items = append(p.items, item{audio: f})
	p.queued += f.Duration()
}

func (p *player) addMark(m mark) {
	p.items = append(p.items, item{mark: m})
	p.marks++
}

// idle reports whether nothing waits and nothing remains to be told.
func (p *player) idle() bool {
	return len(p.items) == 0 && len(p.events) == 0 && !p.speaking && (p.segment == nil || p.segment.available() == 0 && p.segment.flushed)
}

// build fills dst, which has the length of one chunk, and queues the events.
// The chunk's spans are valid until the next call. The error tells of audio that
// was dropped; the chunk is good nevertheless.
func (p *player) build(dst []int16) (Chunk, error) {
	p.err = nil
	faded := copy(dst, p.tail)
	p.spans = append(p.spans[:0], p.tailSpan...)
	p.tail, p.tailSpan = p.tail[:0], p.tailSpan[:0]
	n := int64(p.format.Frames(faded))
	n += p.fill(dst[faded:], n)
	clear(dst[int(n)*p.format.Channels:])
	c := Chunk{Format: p.format, Samples: dst, Position: p.position, Spans: p.spans}
	p.position += audio.Position(p.chunk)
	p.stats.Output = p.position
	p.checkStopped(n < p.chunk)
	return c, p.err
}

// fill writes speech to dst, which begins so many frames into the next chunk,
// queues its events, and returns how many frames there were.
func (p *player) fill(dst []int16, from int64) int64 {
	if p.held {
		p.prepare(0) // what comes before the speech that waits need not
		return 0
	}
	var n int64
	if channels := p.format.Channels; p.rising && len(dst) > 0 {
		n = p.stretch(dst[:min(len(dst), int(p.fade)*channels)], from, frames.FadeIn)
		audio.FadeIn(dst[:int(n)*channels], channels, 0, n)
		p.rising = n == 0
	}
	return n + p.stretch(dst[int(n)*p.format.Channels:], from+n, frames.NoFade)
}

// stretch is fill for a stretch that fades as a whole, or does not. One that fades
// is of one piece, so that one report tells of it.
func (p *player) stretch(dst []int16, from int64, fade frames.Fade) int64 {
	p.fresh = len(p.spans)
	want := int64(p.format.Frames(len(dst)))
	var n int64
	for p.prepare(want-n) && n < want {
		if fade != frames.NoFade && n > 0 && !p.segment.follows(p.spans[len(p.spans)-1]) {
			break
		}
		got, span := p.segment.play(dst[int(n)*p.format.Channels:], p.position+audio.Position(from+n))
		p.note(span)
		n += got
	}
	for _, s := range p.spans[p.fresh:] {
		p.event(event{due: s.End, kind: eventPlayout, span: s, fade: fade})
	}
	p.stats.Speech += n
	return n
}

// fall takes what would have come next, as much as it takes to fade out, if there
// was speech to the very end of what was built.
func (p *player) fall() {
	if p.fade == 0 || !p.speaking || p.speechEnd != p.position || len(p.tail) > 0 {
		return
	}
	tail := make([]int16, int(p.fade)*p.format.Channels)
	p.spans = nil // the sink may still be playing the chunk whose spans they were
	n := p.stretch(tail, 0, frames.FadeOut)
	p.tail, p.tailSpan = tail[:int(n)*p.format.Channels], append(p.tailSpan[:0], p.spans...)
	audio.FadeOut(p.tail, p.format.Channels, 0, n)
}

// hold fades the speech out and keeps what follows until release.
func (p *player) hold() {
	if p.held || p.draining {
		return
	}
	p.fall()
	p.held = true
	if p.speaking {
		p.paused = p.waits()
		p.event(event{due: p.speechEnd, kind: eventStopped, span: p.last, held: p.paused})
		p.speaking, p.finished = false, true // a pause of ours is no gap
		p.rising = p.fade > 0 && p.paused
	}
}

// waits reports whether there is speech that was not built.
func (p *player) waits() bool {
	if s := p.segment; s != nil && len(s.pieces) > 0 {
		if s.turnPage(); s.end() > s.trackPosition() {
			return true
		}
	}
	return slices.ContainsFunc(p.items, func(it item) bool { return it.audio != nil })
}

// release lets the speech go on.
func (p *player) release() { p.held, p.paused = false, false }

// inFlight reports whether there is speech that was built and has not been heard.
func (p *player) inFlight(heard audio.Position) bool {
	return slices.ContainsFunc(p.events, func(e event) bool { return e.kind == eventPlayout && !e.dropped && e.span.End > heard })
}

// prepare sees to it that some frames are ready, if there is any audio, and
// takes the marks before it. want is how many would be welcome; with 0, it takes
// only the marks.
func (p *player) prepare(want int64) bool {
	for {
		if p.segment != nil && p.segment.available() > 0 {
			return true
		}
		if len(p.items) == 0 {
			if want == 0 || p.segment == nil || p.segment.flushed {
				return false
			}
			p.segment.flush()
			continue
		}
		first := &p.items[0]
		if first.audio == nil {
			p.takeMark(first.mark)
			p.pop()
			continue
		}
		if want == 0 {
			return false
		}
		p.feed(first, want)
	}
}

// feed takes from an item about as much as yields want frames.
func (p *player) feed(it *item, want int64) {
	f := it.audio
	if !p.segment.takes(f.Track, f.Format) {
		if p.segment != nil && !p.segment.flushed {
			p.segment.flush()
			return
		}
		s, err := newSegment(f.Track, f.Format, p.format, p.segment)
		if err != nil {
			p.queued -= f.Format.Duration(len(f.Samples) - it.taken)
			p.err = err
			p.pop()
			return
		}
		p.segment = s
	}
	n := int(want)
	if f.Format.Rate != p.format.Rate {
		n = int(audio.Position(want).At(p.format.Rate, f.Format.Rate)) + 1
	}
	n = min(n*f.Format.Channels, len(f.Samples)-it.taken)
	p.segment.feed(f.Samples[it.taken:it.taken+n], f.Position+audio.Position(f.Format.Frames(it.taken)), f.Response)
	// By difference, so that the roundings of a frame's parts add up to it.
	p.queued -= f.Format.Duration(it.taken+n) - f.Format.Duration(it.taken)
	it.taken += n
	if it.taken == len(f.Samples) {
		p.pop()
	}
}

func (p *player) pop() {
	p.items[0] = item{}
	p.items = p.items[1:]
	if len(p.items) == 0 {
		p.items = nil // so that a long answer's list is not kept for ever
	}
}

// takeMark queues a mark for when the audio before it will have been heard.
func (p *player) takeMark(m mark) {
	due := p.position
	if len(p.spans) > 0 {
		due = p.spans[len(p.spans)-1].End
	}
	if p.segment != nil && !p.segment.flushed {
		due += audio.Position(p.segment.delay())
	}
	if stop, ok := m.frame.(*frames.TTSStop); ok && stop.Response == p.last.Response {
		p.finished = true
	}
	p.event(event{due: due, kind: eventMark, mark: m})
}

// note adds a span to the chunk and finds out what it means.
func (p *player) note(s Span) {
	same := p.last.Track == s.Track && p.last.Response == s.Response && !p.finished
	if gap := int64(s.Begin - p.speechEnd); gap > 0 && same && p.stats.Speech+int64(len(p.spans)) > 0 && (s.Response != "" || p.speaking) {
		p.stats.Gaps++
		p.stats.GapSamples += gap
		p.event(event{due: s.Begin, kind: eventGap, span: s, gap: gap})
	}
	if !p.speaking {
		p.speaking = true
		p.event(event{due: s.Begin, kind: eventStarted, span: s})
	}
	p.finished = false
	p.last, p.speechEnd = s, s.End
	if n := len(p.spans); n > p.fresh {
		if t := &p.spans[n-1]; t.Track == s.Track && t.Response == s.Response && t.To == s.From && t.End == s.Begin {
			t.To, t.End = s.To, s.End
			return
		}
	}
	p.spans = append(p.spans, s)
}

// checkStopped announces the end of speech where it has come.
func (p *player) checkStopped(dry bool) {
	if !p.speaking || !dry || len(p.items) > 0 {
		return
	}
	stopped := event{due: p.speechEnd, kind: eventStopped, span: p.last}
	if !p.finished && !p.draining {
		if int64(p.position-p.speechEnd) < p.stopDelay {
			return
		}
		stopped.due = p.position
	}
	p.speaking = false
	p.event(stopped)
}

// event inserts e in its place, behind its equals.
func (p *player) event(e event) {
	after := func(o event) bool { return o.due > e.due || o.due == e.due && o.kind > e.kind }
	i := len(p.events)
	for i > 0 && after(p.events[i-1]) {
		i--
	}
	p.events = append(p.events, event{})
	copy(p.events[i+1:], p.events[i:])
	p.events[i] = e
}

// awaits reports whether an event is not to be told before the sink lets go of a chunk:
// one that ends there may be, and one that begins there may not.
func (p *player) awaits(e event) bool {
	return p.backlog && (e.due > p.unsent || e.due == p.unsent && (e.kind == eventStarted || e.kind == eventGap))
}

// next takes the first event that is due at position now, if there is one.
func (p *player) next(now audio.Position) (event, bool) {
	for len(p.events) > 0 && p.events[0].due <= now && !p.awaits(p.events[0]) {
		e := p.events[0]
		p.passed = max(p.passed, e.due)
		if began, late := p.late(e); late {
			return began, true // e follows
		}
		p.events[0] = event{}
		p.events = p.events[1:]
		if e.kind == eventMark {
			p.marks--
		}
		if p.happens(e) {
			p.follow(e)
			return e, true
		}
	}
	return event{}, false
}

// drop notes that the sink has dropped a chunk: its speech is not heard.
func (p *player) drop(from, to audio.Position) {
	for i := range p.events {
		e := &p.events[i]
		switch {
		case e.span.Begin < from || e.span.Begin >= to:
		case e.kind == eventStarted:
			e.dropped = true
		case e.kind == eventPlayout && !e.dropped:
			p.stats.Speech -= int64(e.span.End - e.span.Begin)
			p.stats.Dropped += e.span.Rate.Duration(int64(e.span.To - e.span.From))
			e.cut, e.dropped, e.queued, e.fade = true, true, e.span.To, frames.NoFade
			e.span.To, e.span.End = e.span.From, e.span.Begin
		}
	}
}

// late returns the beginning of a voice whose first part was dropped, where e is the
// first that is heard of it.
func (p *player) late(e event) (began event, ok bool) {
	if !p.delayed || e.kind != eventPlayout || e.dropped {
		return event{}, false
	}
	p.delayed = false
	began = event{due: e.span.Begin, kind: eventStarted, span: e.span}
	p.follow(began)
	return began, true
}

// happens reports whether an event is told: not the beginning of a voice that was
// dropped, nor the end of one of which nothing was heard.
func (p *player) happens(e event) bool {
	switch e.kind {
	case eventStarted:
		p.delayed = e.dropped
		return !e.dropped
	case eventStopped:
		heard := !p.delayed
		p.delayed = false
		return heard
	}
	return true
}

// follow keeps book of the speech that is told.
func (p *player) follow(e event) {
	switch e.kind {
	case eventStarted:
		p.told, p.voice = true, e.span
		p.voice.To, p.voice.End = e.span.From, e.span.Begin
	case eventPlayout:
		if !e.dropped {
			p.voice = e.span
		}
	case eventStopped:
		p.told = false
	}
}

// flush empties the buffer. What was built counts as heard up to the position
// heard on the output's clock, where the next chunk then begins, or the chunk
// boundary after it.
//
// It returns what there is to tell at once: all that happens up to heard, even
// where that is still to come, because nothing can change it any more; then what
// was thrown away, with the last report on each track; and the end of the speech
// that was cut. And it returns the marks that survive, in order.
//
// If what was built is taken back, the clock goes back with it. If not, what would
// have come next fades out: that is heard, too, and told.
func (p *player) flush(heard audio.Position, takenBack bool) (settled []event, survivors []mark) {
	next := p.position
	if takenBack {
		p.tail, p.tailSpan = p.tail[:0], p.tailSpan[:0]
		next = (heard + audio.Position(p.chunk) - 1) / audio.Position(p.chunk) * audio.Position(p.chunk)
	} else {
		p.fall()
		heard += audio.Position(p.format.Frames(len(p.tail)))
	}
	settled, survivors = p.settle(heard)
	find := func(track string, otherwise Span) *event {
		for i := len(settled) - 1; i >= 0; i-- {
			if e := &settled[i]; e.kind == eventPlayout && e.span.Track == track {
				return e
			}
		}
		settled = append(settled, event{kind: eventPlayout, span: otherwise})
		return &settled[len(settled)-1]
	}
	cut := false
	lose := func(e *event, to audio.Position, length time.Duration) {
		e.queued, e.cut, e.dropped, cut = to, true, false, true
		p.stats.Flushed += length
	}
	for _, e := range p.events {
		if e.kind != eventPlayout {
			continue
		}
		if e.dropped {
			if e.span.Begin >= heard {
				lose(find(e.span.Track, e.span), e.queued, 0)
			}
			continue
		}
		if part := heardPart(e.span, heard); part.To != e.span.To {
			p.stats.Speech -= int64(e.span.End - part.End)
			part.End = min(part.End, heard)
			lose(find(e.span.Track, part), e.span.To, e.span.Rate.Duration(int64(e.span.To-part.To)))
		}
	}
	if s := p.segment; s != nil && len(s.pieces) > 0 {
		s.turnPage()
		if end, at := s.end(), s.trackPosition(); end > at {
			e := find(s.track, Span{Track: s.track, Rate: s.in.Rate, Response: p.voice.Response, To: at, End: p.voice.End})
			lose(e, end, s.in.Rate.Duration(int64(end-at)))
		}
		s.ready, s.pieces, s.flushed = s.ready[:0], s.pieces[:0], true
	}
	for _, it := range p.items {
		if f := it.audio; f != nil {
			at := f.Position + audio.Position(f.Format.Frames(it.taken))
			e := find(f.Track, Span{Track: f.Track, Rate: f.Format.Rate, To: at, End: heard})
			lose(e, f.End(), f.Format.Duration(len(f.Samples)-it.taken))
		} else if !frames.Interruptible(it.mark.frame) {
			survivors = append(survivors, it.mark)
		}
	}
	if p.told || p.paused && cut {
		settled = append(settled, event{kind: eventStopped, span: p.voice, cut: cut})
	}
	p.items, p.events, p.queued, p.marks = nil, nil, 0, 0
	p.speaking, p.told, p.finished, p.delayed = false, false, true, false
	p.passed = max(p.passed, heard)
	p.held, p.rising, p.paused = false, false, false
	p.speechEnd = p.voice.End
	p.position = next
	p.stats.Output = p.position
	return settled, survivors
}

// settle goes through the events as far as they happen up to heard, and returns
// those, with one report for what is heard of a track without a pause. Marks
// among them do not happen: of all marks, it returns those that an interruption
// leaves in the queue.
func (p *player) settle(heard audio.Position) (settled []event, survivors []mark) {
	for _, e := range p.events {
		switch e.kind {
		case eventMark:
			if !frames.Interruptible(e.mark.frame) {
				survivors = append(survivors, e.mark)
			}
			continue
		case eventGap:
			if e.due >= heard { // nobody hears that the speech goes on
				p.stats.Gaps--
				p.stats.GapSamples -= e.gap
				continue
			}
		case eventStarted:
			if e.due >= heard {
				continue
			}
		case eventStopped:
			if e.due > heard {
				continue
			}
		case eventPlayout:
			if e.span.Begin >= heard {
				continue
			}
			e.span = heardPart(e.span, heard)
		}
		if began, late := p.late(e); late {
			settled = append(settled, began)
		}
		if !p.happens(e) {
			continue
		}
		p.follow(e)
		if n := len(settled); n > 0 && e.continues(settled[n-1]) {
			settled[n-1].span.To, settled[n-1].span.End = e.span.To, e.span.End
			continue
		}
		settled = append(settled, e)
	}
	return settled, survivors
}

// continues reports whether both are reports of playout, and one is enough.
func (e event) continues(before event) bool {
	a, b := before.span, e.span
	return e.kind == eventPlayout && before.kind == eventPlayout &&
		before.fade == frames.NoFade && e.fade == frames.NoFade && !before.dropped && !e.dropped &&
		a.Track == b.Track && a.Response == b.Response && a.To == b.From && a.End == b.Begin
}

// heardPart returns the part of s that was heard by the position heard.
func heardPart(s Span, heard audio.Position) Span {
	if heard >= s.End {
		return s
	}
	length := s.End - s.Begin
	part := max(0, heard-s.Begin)
	if length > 0 {
		s.To = s.From + (s.To-s.From)*part/length
	}
	s.End = s.Begin + part
	return s
}
