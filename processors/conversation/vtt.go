package conversation

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/internal/printing"
)

// WriteVTT writes what was heard as WebVTT: captions for a recording of the call.
// Each entry that has words and a place is a cue, in the voice of "caller" or
// "agent"; cues are ordered by their start, and overlap where both spoke at once.
// What was not heard or is not certain, what was typed or has no place, tools and
// what the application told the model are comments.
func (t Transcript) WriteVTT(w io.Writer) error {
	var cues, rest []Entry
	for _, e := range t.Entries {
		if e.captioned() {
			cues = append(cues, e)
		} else {
			rest = append(rest, e)
		}
	}
	slices.SortStableFunc(cues, func(a, b Entry) int { return cmp.Compare(cueStart(a), cueStart(b)) })

	var b bytes.Buffer
	b.WriteString("WEBVTT\n")
	if t.Dropped > 0 {
		comment(&b, fmt.Sprintf("%d earlier entries are missing", t.Dropped))
	}
	for _, e := range rest {
		at := ""
		if !e.Place.IsZero() {
			at = printing.Clock(e.Place.From()) + " "
		}
		comment(&b, fmt.Sprintf("%s%s: %s", at, e.speaker(), e.line()))
	}
	for _, i := range t.Issues {
		comment(&b, fmt.Sprintf("in doubt: %s, %d times", i.Kind, i.Count))
	}
	for _, e := range cues {
		start := cueStart(e)
		// A cue ends after it starts.
		end := max(e.Place.To().Truncate(time.Millisecond), start+time.Millisecond)
		text := escape(e.Text)
		if e.State == Cut {
			text += " [interrupted]"
		}
		fmt.Fprintf(&b, "\n%d\n%s --> %s\n<v %s>%s\n", e.ID, stamp(start), stamp(end), e.Who, text)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write transcript: %w", err)
	}
	return nil
}

// captioned reports whether an entry is a cue: it was spoken, and it is known what
// and when.
func (e Entry) captioned() bool {
	if e.Who != Caller && e.Who != Agent {
		return false
	}
	switch e.State {
	case Final, Speaking, Heard, Cut:
		return e.Text != "" && !e.Place.IsZero() && !e.Typed
	}
	return false
}

func cueStart(e Entry) time.Duration { return e.Place.From().Truncate(time.Millisecond) }

// comment writes a block that players leave out. An arrow would end it.
func comment(b *bytes.Buffer, text string) {
	fmt.Fprintf(b, "\nNOTE %s\n", strings.ReplaceAll(printing.OneLine(text), "-->", "→"))
}

// escape makes a text fit to be in a cue.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(strings.Join(strings.Fields(printing.OneLine(text)), " "))
}

// stamp is a time as WebVTT writes it.
func stamp(d time.Duration) string {
	ms := d.Milliseconds()
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}
