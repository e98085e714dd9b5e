package conversation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/parley-go/parley/audio"
)

// Version is that of the JSON form of a transcript. Fields may be added to it; a
// change of meaning makes another version. See the package comment.
const Version = 1

type transcriptJSON struct {
	Version int         `json:"version"`
	Began   *time.Time  `json:"began,omitempty"`
	Entries []entryJSON `json:"entries"`
	Dropped int         `json:"dropped_entries"`
	Issues  []issueJSON `json:"issues,omitempty"`
}

type entryJSON struct {
	ID        int       `json:"id"`
	Who       Speaker   `json:"who"`
	State     State     `json:"state"`
	Text      string    `json:"text"`
	Unheard   string    `json:"unheard,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Estimated bool      `json:"estimated,omitempty"`
	Typed     bool      `json:"typed,omitempty"`
	Language  string    `json:"language,omitempty"`
	Response  string    `json:"response,omitempty"`
	Start     *int64    `json:"start_ms,omitempty"` // for who has no use for samples; not read
	End       *int64    `json:"end_ms,omitempty"`
	Place     *spanJSON `json:"place,omitempty"`
	Rough     bool      `json:"rough,omitempty"`
	Audio     *spanJSON `json:"audio,omitempty"`
	Call      *callJSON `json:"call,omitempty"`
	Clipped   int       `json:"clipped_bytes,omitempty"`
}

type spanJSON struct {
	Track string           `json:"track,omitempty"`
	Rate  audio.SampleRate `json:"rate"`
	Start audio.Position   `json:"start"`
	End   audio.Position   `json:"end"`
}

type callJSON struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Elapsed   float64         `json:"elapsed_ms"`
}

type issueJSON struct {
	Kind  IssueKind `json:"kind"`
	Count int       `json:"count"`
	First string    `json:"first,omitempty"`
}

// MarshalJSON writes the transcript in the form that the package comment
// describes.
func (t Transcript) MarshalJSON() ([]byte, error) {
	doc := transcriptJSON{Version: Version, Entries: make([]entryJSON, 0, len(t.Entries)), Dropped: t.Dropped}
	if !t.Began.IsZero() {
		began := t.Began.UTC().Round(0)
		doc.Began = &began
	}
	for _, e := range t.Entries {
		doc.Entries = append(doc.Entries, toJSON(e))
	}
	for _, i := range t.Issues {
		doc.Issues = append(doc.Issues, issueJSON(i))
	}
	return encode(doc, "")
}

func toJSON(e Entry) entryJSON {
	j := entryJSON{
		ID: e.ID, Who: e.Who, State: e.State, Text: e.Text, Unheard: e.Unheard, Reason: e.Reason,
		Estimated: e.Estimated, Typed: e.Typed, Language: e.Language, Response: e.Response,
		Rough: e.Rough, Clipped: e.Clipped,
	}
	if !e.Place.IsZero() {
		p := spanJSON(e.Place)
		start, end := e.Place.From().Milliseconds(), e.Place.To().Milliseconds()
		j.Place, j.Start, j.End = &p, &start, &end
	}
	if !e.Audio.IsZero() {
		a := spanJSON(e.Audio)
		j.Audio = &a
	}
	if c := e.Call; c != nil {
		j.Call = &callJSON{c.ID, c.Name, c.Arguments, c.Result, float64(c.Elapsed.Microseconds()) / 1000}
	}
	return j
}

// encode writes JSON that leaves <, > and & readable.
func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// WriteJSON writes the transcript for people and programs: as MarshalJSON does,
// and indented.
func (t Transcript) WriteJSON(w io.Writer) error {
	compact, err := t.MarshalJSON()
	if err != nil {
		return fmt.Errorf("write transcript: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, compact, "", "  "); err != nil {
		return fmt.Errorf("write transcript: %w", err)
	}
	b.WriteByte('\n')
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write transcript: %w", err)
	}
	return nil
}

// UnmarshalJSON reads what MarshalJSON and WriteJSON have written. What makes no
// sense is refused: another version, a span of a negative length, an unknown
// state. Unknown fields are left out.
func (t *Transcript) UnmarshalJSON(data []byte) error {
	var doc transcriptJSON
	if err := json.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("read transcript: %w", err)
	}
	if doc.Version != Version {
		return fmt.Errorf("read transcript: it is of version %d, and this reads version %d", doc.Version, Version)
	}
	read := Transcript{Dropped: doc.Dropped}
	if doc.Dropped < 0 {
		return fmt.Errorf("read transcript: %d entries cannot have been dropped", doc.Dropped)
	}
	if doc.Began != nil {
		read.Began = doc.Began.UTC()
	}
	for i, j := range doc.Entries {
		e, err := j.entry()
		if err != nil {
			return fmt.Errorf("read transcript: entry %d: %w", i+1, err)
		}
		read.Entries = append(read.Entries, e)
	}
	for _, i := range doc.Issues {
		read.Issues = append(read.Issues, Issue(i))
	}
	*t = read
	return nil
}

func (j entryJSON) entry() (Entry, error) {
	e := Entry{
		ID: j.ID, Who: j.Who, State: j.State, Text: j.Text, Unheard: j.Unheard, Reason: j.Reason,
		Estimated: j.Estimated, Typed: j.Typed, Language: j.Language, Response: j.Response,
		Rough: j.Rough, Clipped: j.Clipped,
	}
	if !e.State.of(e.Who) {
		return e, fmt.Errorf("%q is no state of %q", e.State, e.Who)
	}
	var err error
	if e.Place, err = j.Place.span(); err != nil {
		return e, fmt.Errorf("place: %w", err)
	}
	if e.Audio, err = j.Audio.span(); err != nil {
		return e, fmt.Errorf("audio: %w", err)
	}
	if (e.Who == Tool) != (j.Call != nil) {
		return e, fmt.Errorf("a call belongs to a tool and to nobody else")
	}
	if c := j.Call; c != nil {
		// A duration of more than a hundred years is none.
		us := math.Round(c.Elapsed * 1000)
		if math.IsNaN(us) || us < 0 || us > 4e15 {
			return e, fmt.Errorf("elapsed_ms: %v is no duration", c.Elapsed)
		}
		e.Call = &Call{ID: c.ID, Name: c.Name, Elapsed: time.Duration(us) * time.Microsecond}
		if e.Call.Arguments, err = compact(c.Arguments); err != nil {
			return e, fmt.Errorf("arguments: %w", err)
		}
		if e.Call.Result, err = compact(c.Result); err != nil {
			return e, fmt.Errorf("result: %w", err)
		}
	}
	return e, nil
}

// of reports whether an entry of who can be in the state.
func (s State) of(who Speaker) bool {
	switch s {
	case Final:
		return who == Caller || who == Application
	case Interim, Withdrawn:
		return who == Caller
	case Announced, Speaking, Heard, Cut, Unheard:
		return who == Agent
	case Called, Running, Returned, Failed, Cancelled:
		return who == Tool
	}
	return false
}

// span reads a span; none if j is nil.
func (j *spanJSON) span() (Span, error) {
	if j == nil {
		return Span{}, nil
	}
	if err := audio.Mono(j.Rate).Validate(); err != nil {
		return Span{}, err
	}
	if j.Start < 0 || j.End < j.Start || j.End > maxPosition {
		return Span{}, fmt.Errorf("from %d to %d is no piece of a track", j.Start, j.End)
	}
	return Span(*j), nil
}

// maxPosition bounds positions that are read: a duration of them is representable.
const maxPosition = 1 << 46

func compact(raw json.RawMessage) (json.RawMessage, error) {
	if raw == nil {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
