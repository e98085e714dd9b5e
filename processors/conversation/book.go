package conversation

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// book is what is known of the conversation. The processor's lock protects all
// of it.
type book struct {
	cfg   Config
	tell  func(*note) // an entry has changed; never nil
	began time.Time

	entries []*note // in the order in which they were begun to be known
	first   int     // of those that no turn was told of
	lastID  int
	bytes   int // of all texts
	dropped int
	issues  []Issue

	clock     callClock
	callers   []*callerTrack
	responses []*response // lately; oldest first
	voices    []*voice
	reports   bool    // an output tells what is heard
	held      bool    // the output was asked to hold what is heard
	calls     []*note // not over

	interruption uint64 // the last that was dealt with
	seen         seen
}

// note is an entry with what is known beyond it.
type note struct {
	Entry
	at    time.Duration // when it was begun to be known, in the call
	size  int
	gone  bool // no longer an entry: withdrawn, or …
	told  bool // in a turn
	asked bool // OnToolCall was called

	dropped bool // … dropped from the memory, with its texts …
	letters int  // … of which the announced one was that long

	queued bool // to be told to the hooks

	// Of the agent's.
	of        *response
	run       *run
	announced string // as it came
	spoken    int    // words of it that were told to have been spoken
	worded    bool   // its text is that of the record
	sure      bool   // so is whether it was heard
	lost      bool   // all of it was dropped on the way to the caller

	cancelled bool // of a tool: it was asked to stop
}

// Bounds of what is remembered beside the entries, in numbers of things.
const (
	maxTracks    = 64
	maxResponses = 256
	maxNotes     = 512 // of one answer that can still be corrected
	maxRuns      = 1024
	maxCalls     = 1024
	maxName      = 256 // bytes of an identifier
)

func newBook(cfg Config, tell func(*note)) *book {
	return &book{cfg: cfg, tell: tell, clock: callClock{gap: cfg.MaxGap}}
}

// issue notes a contradiction.
func (b *book) issue(kind IssueKind, first string) {
	for i := range b.issues {
		if b.issues[i].Kind == kind {
			b.issues[i].Count++
			return
		}
	}
	b.issues = append(b.issues, Issue{Kind: kind, Count: 1, First: b.name(first)})
}

// name bounds an identifier from elsewhere.
func (b *book) name(s string) string {
	if len(s) > maxName {
		s = strings.Clone(s[:maxName])
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// ---- entries

// add begins an entry.
func (b *book) add(who Speaker, state State) *note {
	b.lastID++
	n := &note{Entry: Entry{ID: b.lastID, Who: who, State: state}, at: b.now()}
	b.entries = append(b.entries, n)
	for len(b.entries) > b.cfg.MaxEntries {
		b.drop()
	}
	return n
}

// drop forgets the oldest entry. Where it is still known, by its audio or to be
// told, nothing is left of it but how long it was.
func (b *book) drop() {
	old := b.entries[0]
	b.entries[0] = nil
	b.entries = b.entries[1:]
	b.first = max(0, b.first-1)
	b.bytes -= old.size
	b.dropped++
	if old.queued {
		b.issue(TooMuch, "entries that wait to be told")
	}
	if old.Call != nil {
		b.calls = slices.DeleteFunc(b.calls, func(n *note) bool { return n == old })
	}
	old.gone, old.dropped = true, true
	old.letters = len(old.announced)
	old.Entry, old.announced = Entry{ID: old.ID, Who: old.Who, State: old.State}, ""
	if old.of != nil {
		old.of.forgetGone()
	}
}

// length is how long the text is that was announced, in bytes, even if the text is
// forgotten.
func (n *note) length() int {
	if n.dropped {
		return n.letters
	}
	return len(n.announced)
}

// remove takes an entry back.
func (b *book) remove(n *note) {
	if i := slices.Index(b.entries, n); i >= 0 {
		b.entries = slices.Delete(b.entries, i, i+1)
		if i < b.first {
			b.first--
		}
		b.bytes -= n.size
	}
	n.gone = true
}

// changed is called when an entry has changed.
func (b *book) changed(n *note) {
	if n.gone {
		return
	}
	size := len(n.Text) + len(n.Unheard) + len(n.announced)
	if c := n.Call; c != nil {
		size += len(c.Arguments) + len(c.Result)
	}
	b.bytes += size - n.size
	n.size = size
	b.tell(n)
	for b.bytes > b.cfg.MaxBytes && len(b.entries) > 1 {
		b.drop()
	}
}

// text bounds a text from elsewhere.
func (b *book) text(n *note, s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= b.cfg.MaxText {
		return s
	}
	kept := strings.Clone(strings.ToValidUTF8(s[:b.cfg.MaxText], "")) // and not the rest with it
	n.Clipped += len(s) - len(kept)
	return kept
}

// raw bounds JSON from elsewhere. What is none, or too long, becomes a string.
func (b *book) raw(n *note, what string, m json.RawMessage) json.RawMessage {
	if m == nil {
		return nil
	}
	valid := []byte(strings.ToValidUTF8(string(m), "\uFFFD"))
	var kept bytes.Buffer
	if len(valid) <= b.cfg.MaxText && json.Compact(&kept, valid) == nil {
		return kept.Bytes()
	}
	if !json.Valid(valid) {
		b.issue(BadJSON, what+" of a call of "+n.Call.Name)
	}
	quoted, err := encode(b.text(n, string(valid)), "")
	if err != nil {
		return json.RawMessage(`""`) // never: it is a string
	}
	return quoted
}

// ordered are some of the entries in the order in which they were said.
func ordered(notes []*note) []*note {
	type keyed struct {
		at time.Duration
		n  *note
	}
	all := make([]keyed, 0, len(notes))
	last := map[*response]time.Duration{}
	for _, n := range notes {
		at := n.at
		if !n.Place.IsZero() {
			at = n.Place.From()
		}
		if n.of != nil { // an answer is in the order in which it was announced
			at = max(at, last[n.of])
			last[n.of] = at
		}
		all = append(all, keyed{at, n})
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return cmp.Compare(a.at, b.at) })
	sorted := make([]*note, len(all))
	for i, k := range all {
		sorted[i] = k.n
	}
	return sorted
}

// transcript copies what is known.
func (b *book) transcript() Transcript {
	t := Transcript{Began: b.began, Dropped: b.dropped, Issues: slices.Clone(b.issues)}
	for _, n := range ordered(b.entries) {
		t.Entries = append(t.Entries, n.clone())
	}
	return t
}

// ---- turns

// nextTurn returns the oldest turn that nobody was told of and that is over: the
// other side has begun, and nothing of it is open, or the other side has had its
// turn, too. At the end every turn is over. What the caller only seems to be
// saying may come to nothing: before that is known, it ends nobody's turn.
func (b *book) nextTurn(end bool) (Turn, bool) {
	for b.first < len(b.entries) && b.entries[b.first].told {
		b.first++
	}
	untold := slices.Clone(b.entries[b.first:])
	untold = slices.DeleteFunc(untold, func(n *note) bool { return n.told })
	untold = ordered(untold)
	if i := slices.IndexFunc(untold, func(n *note) bool { return n.State == Interim }); i >= 0 && !end {
		untold = untold[:i]
	}
	groups, size := 0, 0
	for i, n := range untold {
		if i == 0 || !sameTurn(&untold[i-1].Entry, &n.Entry) {
			groups++
		}
		if groups == 1 {
			size++
		}
	}
	if groups == 0 || !end && (groups == 1 || groups == 2 && slices.ContainsFunc(untold[:size], b.open)) {
		return Turn{}, false
	}
	turn := Turn{Who: side(untold[0].Who)}
	for _, n := range untold[:size] {
		n.told = true
		turn.Entries = append(turn.Entries, n.clone())
	}
	return turn, true
}

// open reports whether something of an entry is still to come.
func (b *book) open(n *note) bool {
	if n.State.Over() {
		return false
	}
	return b.reports || n.of == nil || !n.of.ended
}

// ---- the call's clock

// callClock is how far the call has come, as far as positions tell.
type callClock struct {
	gap   time.Duration
	at    time.Duration
	known bool
}

// tick hears of an instant of the call. It reports whether that can be.
func (b *book) tick(rate audio.SampleRate, p audio.Position) bool {
	if !b.possible(rate, p) {
		return false
	}
	b.clock.at, b.clock.known = max(b.clock.at, rate.Duration(int64(p))), true
	return true
}

// possible reports whether a position can be one of the call.
func (b *book) possible(rate audio.SampleRate, p audio.Position) bool {
	if audio.Mono(rate).Validate() != nil || p < 0 || p > maxPosition {
		return false
	}
	return rate.Duration(int64(p)) <= max(b.clock.at, b.elapsed())+b.clock.gap
}

func (b *book) elapsed() time.Duration {
	if b.began.IsZero() {
		return 0
	}
	return max(0, time.Since(b.began))
}

// now is the present instant of the call: that of the last news, or, if there is
// no audio, the time since it began.
func (b *book) now() time.Duration {
	if b.clock.known {
		return b.clock.at
	}
	return b.elapsed()
}

// roughRate is that of places that are not known to the sample: in milliseconds.
const roughRate audio.SampleRate = 1000

func (b *book) rough(track string) Span {
	now := audio.Position(roughRate.Samples(b.now()))
	return Span{Track: track, Rate: roughRate, Start: now, End: now}
}

// ---- what was seen

// seen remembers frames that were noted, since a tap may show them before.
type seen struct {
	ids  []uint64 // the last maxSeen
	next int      // the place of the oldest, when there are as many
}

// maxSeen is more than wait between a tap and the output.
const maxSeen = 1024

// first reports whether a frame is seen for the first time. One that was never
// sent has no identity.
func (s *seen) first(f frames.Frame) bool {
	id := f.ID()
	if id == 0 {
		return true
	}
	if slices.Contains(s.ids, id) {
		return false
	}
	if len(s.ids) < maxSeen {
		s.ids = append(s.ids, id)
		return true
	}
	s.ids[s.next] = id
	s.next = (s.next + 1) % maxSeen
	return true
}

// finish is called at the end of the call. Where no output reports, what was told
// to have been spoken was heard, as far as anybody can know.
func (b *book) finish() {
	b.interruptAll("end", true)
	if b.reports {
		return
	}
	for _, n := range b.entries {
		if n.worded && n.State == Announced {
			b.wasHeard(n)
		}
	}
}
