package conversation

import (
	"encoding/json"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-go/parley/audio"
)

// Transcript is what is known of a conversation at one moment. It is a copy: it
// is the caller's, and does not change any more.
type Transcript struct {
	// Began is when the pipeline started; zero before.
	Began time.Time

	// Entries are in the order in which they were said, as far as it is known,
	// and otherwise in that in which they were told.
	Entries []Entry

	// Dropped is how many entries, the oldest, are missing because the memory
	// is bounded.
	Dropped int

	// Issues are doubts about what is written here: contradictions in what the
	// processor was told. Empty where all is well.
	Issues []Issue
}

// Speaker is who an entry is of.
type Speaker string

// Who an entry can be of.
const (
	Caller      Speaker = "caller"
	Agent       Speaker = "agent"
	Tool        Speaker = "tool"        // a function that the agent called
	Application Speaker = "application" // it told the model what to do (frames.Text, Instruction); the caller heard nothing of it
)

// State is what has become of an entry. It may change as long as the call goes
// on, and a little longer: what was really spoken is told seconds later.
type State string

// States of what a caller said, and, Final alone, of what the application told
// the model.
const (
	Interim   State = "interim"   // what the caller seems to be saying; the words may still change
	Final     State = "final"     // recognised, or typed, or told
	Withdrawn State = "withdrawn" // it came to nothing: the recogniser has taken it back, or has not come back to it. Told to OnEntry, and in no transcript
)

// States of what the agent says.
const (
	Announced State = "announced" // nothing of it was heard yet; at the end of a call whose output reports nothing: nobody told whether it was heard
	Speaking  State = "speaking"  // it is being heard
	Heard     State = "heard"     // to its end
	Cut       State = "cut"       // in part: Text was heard, Unheard was not
	Unheard   State = "unheard"   // nothing of it was heard, nor will be
)

// States of a call of a tool.
const (
	Called    State = "called"    // by the model; nobody told yet that it was started
	Running   State = "running"   //
	Returned  State = "returned"  //
	Failed    State = "failed"    // Result says why
	Cancelled State = "cancelled" // it failed after somebody had asked for it to be stopped
)

// Entry is one thing that was said, or a call of a tool: a piece of what a
// recogniser understood, a sentence of the agent's, what the application told the
// model to do.
type Entry struct {
	ID    int // counts from 1, in the order in which entries were begun to be known
	Who   Speaker
	State State

	// Text is what was said. Of an agent that was cut short it is what was heard
	// and Unheard is the rest, as far as it is known; what was announced and not
	// heard at all stands in Unheard only. Both are empty where the agent was
	// heard and nobody told the words.
	Text    string
	Unheard string

	// Reason says why the agent was cut short: the reason of the interruption
	// ("barge-in", "application"), "broken off" by the model or the service,
	// "dropped" on the way to a caller who was too slow or not there, or "end" of
	// the call.
	Reason string

	// Estimated says that nobody told which words were heard: they are reckoned
	// from how much of the audio was.
	Estimated bool

	Typed    bool   // not spoken; see Processor.TapCaller
	Language string // BCP 47; empty if unknown
	Response string // the answer that it is a part of, as in frames.LLMResponseStart

	// Place is when it was said, on the call's clock: that of the caller's
	// track, named by Track, or that of the output, where Track is empty. Both
	// begin with the call, so that places can be compared. Its Rate is 0 as long
	// as there is none: nothing was heard yet.
	Place Span

	// Rough says that it is not known to the sample where Place begins. It is when
	// it was told, where the recogniser does not tell positions, or told impossible
	// ones, and always for tools; or it is reckoned from the letters, for a sentence
	// of the agent's that begins within audio which came for several.
	Rough bool

	// Audio is the part of the agent's track that was heard of it.
	Audio Span

	Call *Call // of tools only

	Clipped int // bytes that were cut from texts, arguments or result; see Config.MaxText
}

// Span is a piece of a track.
type Span struct {
	Track      string
	Rate       audio.SampleRate
	Start, End audio.Position
}

// IsZero reports whether the span is nowhere.
func (s Span) IsZero() bool { return s.Rate <= 0 }

// From is Start as a time since the beginning of the track.
func (s Span) From() time.Duration { return s.Rate.Duration(int64(s.Start)) }

// To is End as a time since the beginning of the track.
func (s Span) To() time.Duration { return s.Rate.Duration(int64(s.End)) }

// Call is a call of a tool.
type Call struct {
	ID        string
	Name      string
	Arguments json.RawMessage // nil where only the result is known
	Result    json.RawMessage // nil until it is there
	Elapsed   time.Duration   // to the microsecond
}

// Over reports whether the state is a last one. What follows can only be a
// correction.
func (s State) Over() bool {
	switch s {
	case Final, Withdrawn, Heard, Cut, Unheard, Returned, Failed, Cancelled:
		return true
	}
	return false
}

// Issue is a kind of contradiction.
type Issue struct {
	Kind  IssueKind
	Count int
	First string // what it was about the first time, without anything that was said
}

// IssueKind says what does not fit together.
type IssueKind string

// Kinds of issues.
const (
	// BadPosition is a position that cannot be: before the beginning, far ahead
	// of the call, behind the one before, an end before its start, or a rate
	// that is none. It was not used.
	BadPosition IssueKind = "position"

	// BadTrack is playout of a track of which no audio came by: what was heard
	// of the agent is not all in the transcript. The processor should sit right
	// before the output.
	BadTrack IssueKind = "track"

	// BadOrder is a frame without the one that belongs before it: the result of
	// a call that was never made, a text behind the end of its answer.
	BadOrder IssueKind = "order"

	// BadWords is a record of what was spoken that is about nothing that was
	// announced, or about more than that. It stands in the transcript.
	BadWords IssueKind = "words"

	// BadJSON is a tool's arguments or result that are no JSON. They are kept as
	// a JSON string.
	BadJSON IssueKind = "json"

	// TooMuch is something that was not kept, or not told to a hook, because a
	// bound was reached that Dropped and Clipped do not count.
	TooMuch IssueKind = "too much"
)

// Turn is what one side said, or did, before the other one did.
type Turn struct {
	Who     Speaker // Caller or Agent, to whose turns tools belong, and what the application told it to do
	Entries []Entry
}

// Text is what was heard of the turn.
func (t Turn) Text() string {
	var parts []string
	for _, e := range t.Entries {
		if (e.Who == Caller || e.Who == Agent) && e.Text != "" {
			parts = append(parts, e.Text)
		}
	}
	return join(parts...)
}

// Interrupted reports whether something of the turn was to be heard, and was not.
func (t Turn) Interrupted() bool {
	for _, e := range t.Entries {
		if e.State == Cut || e.State == Unheard {
			return true
		}
	}
	return false
}

// Place is where the turn begins and ends in the call. ok is
// false if no place is known.
func (t Turn) Place() (from, to time.Duration, ok bool) {
	for _, e := range t.Entries {
		if e.Place.IsZero() {
			continue
		}
		if !ok || e.Place.From() < from {
			from = e.Place.From()
		}
		to, ok = max(to, e.Place.To()), true
	}
	return from, to, ok
}

// Turns groups the entries.
func (t Transcript) Turns() []Turn {
	var turns []Turn
	for _, e := range t.Entries {
		if n := len(turns); n > 0 && sameTurn(&turns[n-1].Entries[0], &e) {
			turns[n-1].Entries = append(turns[n-1].Entries, e)
			continue
		}
		turns = append(turns, Turn{Who: side(e.Who), Entries: []Entry{e}})
	}
	return turns
}

func side(s Speaker) Speaker {
	if s == Caller {
		return Caller
	}
	return Agent
}

// sameTurn reports whether two entries that follow each other are of one turn.
func sameTurn(a, b *Entry) bool {
	return side(a.Who) == side(b.Who) && (side(a.Who) == Agent || a.Place.Track == b.Place.Track || a.Typed || b.Typed)
}

// join puts texts together, with a space in between in scripts that have one.
func join(texts ...string) string {
	var b strings.Builder
	for _, t := range texts {
		if t = strings.TrimSpace(t); t == "" {
			continue
		}
		if end, _ := utf8.DecodeLastRuneInString(b.String()); b.Len() > 0 && !strings.ContainsRune("。！？、，", end) {
			b.WriteByte(' ')
		}
		b.WriteString(t)
	}
	return b.String()
}

func (e Entry) clone() Entry {
	if e.Call != nil {
		c := *e.Call // what the raw messages hold is never changed
		e.Call = &c
	}
	return e
}

// LogValue tells a log what kind of entry it is, and not what was said.
func (e Entry) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("id", e.ID), slog.String("who", string(e.Who)), slog.String("state", string(e.State)))
}

// LogValue tells a log how long the turn is, and not what was said.
func (t Turn) LogValue() slog.Value {
	return slog.GroupValue(slog.String("who", string(t.Who)), slog.Int("entries", len(t.Entries)))
}

// LogValue tells a log how long the transcript is, and not what was said.
func (t Transcript) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("entries", len(t.Entries)), slog.Int("dropped", t.Dropped))
}
