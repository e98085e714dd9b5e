package conversation

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/parley-go/parley/internal/printing"
)

// WriteText writes the transcript for people: a line for each entry, with when it
// began in the call.
//
//	 00:01.1  caller  Hello, what does a service cost?
//	~00:03.4  tool    get_price {"item":"service"} → {"result":90} (120ms)
//	 00:04.2  agent   A full service is [interrupted; not heard: ninety pounds.]
//	    --    agent   [not heard: Parts are extra.]
//
// Times that are not known to the sample have a "~" before them; see [Entry.Rough].
func (t Transcript) WriteText(w io.Writer) error {
	var b bytes.Buffer
	if t.Dropped > 0 {
		fmt.Fprintf(&b, "[%d earlier entries are missing]\n", t.Dropped)
	}
	for _, e := range t.Entries {
		at := "   --  "
		if !e.Place.IsZero() {
			at = printing.Clock(e.Place.From())
			if e.Rough {
				at = "~" + at
			}
		}
		fmt.Fprintf(&b, "%8s  %-6s  %s\n", at, e.speaker(), e.line())
	}
	for _, i := range t.Issues {
		fmt.Fprintf(&b, "[in doubt: %s, %d times; first: %s]\n", i.Kind, i.Count, printing.OneLine(i.First))
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write transcript: %w", err)
	}
	return nil
}

func (e Entry) speaker() string {
	switch {
	case e.Who == Caller && e.Typed:
		return "typed"
	case e.Who == Application:
		return "app"
	}
	return string(e.Who)
}

// line is the entry in words, with what must not be taken for said in brackets.
func (e Entry) line() string {
	if e.Who == Tool {
		return e.Call.line(e.State)
	}
	var note string
	switch e.State {
	case Interim:
		note = "not certain"
	case Announced:
		note = "nobody told whether it was heard"
	case Cut:
		note = "interrupted"
		if e.Unheard != "" {
			note += "; not heard: " + e.Unheard
		}
	case Unheard:
		note = "not heard: " + e.Unheard
	default:
		if e.Text == "" {
			note = "nobody told the words"
		}
	}
	if note != "" {
		note = "[" + note + "]"
	}
	return printing.OneLine(strings.TrimSpace(e.Text + " " + note))
}

func (c *Call) line(s State) string {
	text := c.Name
	if c.Arguments != nil {
		text += " " + string(c.Arguments)
	}
	if c.Result == nil {
		return printing.OneLine(fmt.Sprintf("%s [%s]", text, s))
	}
	if s != Returned {
		text += " [" + string(s) + "]"
	}
	return printing.OneLine(fmt.Sprintf("%s → %s (%v)", text, c.Result, c.Elapsed))
}
