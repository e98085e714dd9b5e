package timeline_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/internal/timeline"
)

var update = flag.Bool("update", false, "draw testdata anew; look at it before you commit")

func at(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func phase(s timeline.State, from, to float64) timeline.Phase {
	return timeline.Phase{State: s, From: at(from), To: at(to)}
}

// eventful is a call in which everything happens that there is a sign for.
func eventful() timeline.Call {
	return timeline.Call{
		Title:  "eventful.wav: 40s, 4 streams",
		Length: at(40),
		Caller: []timeline.Speech{
			{From: at(1), To: at(4), Text: "Hello. I would like to bring my bicycle in for a repair."},
			{From: at(11), To: at(14.5), Text: "Sorry, let me stop you there. How much does it cost?"},
			{From: at(24), To: at(28), Text: "And when are you open on Saturday?"},
		},
		Agent: []timeline.Speech{
			{From: at(5), To: at(9), Text: "With pleasure. First we clean the whole bicycle, and check the frame for cracks.", Stream: 1},
			{From: at(9), To: at(11.4), Text: "Then we adjust the gears and the brakes, and", Interrupted: true, Stream: 1},
			{From: at(15.5), To: at(18), Text: "A full service is ninety pounds.", Stream: 2},
			{From: at(30), To: at(33), Text: "From ten to four.", Stream: 4},
		},
		Streams: []timeline.Stream{
			{Number: 1, Phases: []timeline.Phase{phase(timeline.Listening, 0, 7), phase(timeline.Draining, 7, 11.4), phase(timeline.Closing, 11.4, 12)}},
			{Number: 2, Phases: []timeline.Phase{phase(timeline.Opening, 5, 6), phase(timeline.Standby, 6, 7), phase(timeline.Listening, 7, 26)}, Died: true},
			{Number: 3, Phases: []timeline.Phase{phase(timeline.Opening, 20, 20.5), phase(timeline.Standby, 20.5, 22)}, Died: true},
			{Number: 4, Phases: []timeline.Phase{phase(timeline.Opening, 26, 26.8), phase(timeline.Listening, 26.8, 40)}},
		},
		Cuts: []timeline.Cut{
			{At: at(7), Move: 1, Why: "age", From: 1, To: 2},
			{At: at(26.8), Move: 2, Why: "failure", From: 2, To: 4, Replayed: at(3)},
		},
		BargeIns: []time.Duration{at(11.4)},
		Notes:    []string{"move  cut at", "   1   0:07", "   2   0:26"},
	}
}

// half is a call of half an hour with a turn every ten seconds and a move every
// five minutes.
func half() timeline.Call {
	c := timeline.Call{Title: "half an hour", Length: 30 * time.Minute}
	for s := 0.0; s < 1800; s += 10 {
		c.Caller = append(c.Caller, timeline.Speech{From: at(s + 1), To: at(s + 4), Text: "A question."})
		c.Agent = append(c.Agent, timeline.Speech{From: at(s + 5), To: at(s + 9), Text: "An answer.", Stream: 1 + int(s/300)})
	}
	for i := range 6 {
		from, to := float64(i)*300, float64(i+1)*300
		s := timeline.Stream{Number: i + 1, Phases: []timeline.Phase{phase(timeline.Listening, from, to)}}
		if i > 0 {
			s.Phases = append([]timeline.Phase{phase(timeline.Standby, from-10, from)}, s.Phases...)
			c.Cuts = append(c.Cuts, timeline.Cut{At: at(from), Move: i, Why: "age", From: i, To: i + 1})
		}
		c.Streams = append(c.Streams, s)
	}
	return c
}

func TestTheDrawingIsAsItWasLookedAt(t *testing.T) {
	path := filepath.Join("testdata", "eventful.svg")
	got := timeline.SVG(eventful())
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))) {
		t.Errorf("%s is drawn differently. If that is meant: go test ./internal/timeline -update, and look at it", path)
	}
}

// element is one of an SVG's.
type element struct {
	name  string
	attr  map[string]string
	text  string // its own
	title string
}

func (e element) number(t *testing.T, name string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(e.attr[name], 64)
	if err != nil {
		t.Fatalf("%s of <%s %v>: %v", name, e.name, e.attr, err)
	}
	return v
}

// parse reads an SVG, which must be well-formed.
func parse(t *testing.T, svg []byte) (all []element) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	var open []int
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("it is not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attr: map[string]string{}}
			for _, a := range token.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			open = append(open, len(all))
			all = append(all, e)
		case xml.EndElement:
			i := open[len(open)-1]
			open = open[:len(open)-1]
			if all[i].name == "title" && len(open) > 0 {
				all[open[len(open)-1]].title = all[i].text
			}
		case xml.CharData:
			if len(open) > 0 {
				all[open[len(open)-1]].text += string(token)
			}
		}
	}
}

func class(all []element, class string) []element {
	return slices.DeleteFunc(slices.Clone(all), func(e element) bool { return e.attr["class"] != class || e.title == "" })
}

func TestEverythingThatHappenedHasItsSign(t *testing.T) {
	all := parse(t, timeline.SVG(eventful()))
	for sign, want := range map[string]int{
		"caller": 3, "agent": 4, "barge": 1, "died": 2, "badge": 2, "replay": 1, "arrow": 1,
		"opening": 3, "standby": 2, "listening": 3, "draining": 1, "closing": 1,
	} {
		// The legend's signs have no names, nor have lines of the axis; its cross
		// and its triangle have an empty one.
		if got := len(class(all, sign)); got != want {
			t.Errorf("%d signs of %s, want %d", got, sign, want)
		}
	}
	var names []string
	for _, e := range all {
		names = append(names, e.title)
	}
	for _, want := range []string{
		"stream 1, draining from 0:07.0 to 0:11.4", "move 2 for failure at 0:26.8: stream 2 → 4",
		"stream 4 hears again 3s, from 0:23.8", "stream 2 died at 0:26.0",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("nothing is called %q", want)
		}
	}
}

func TestASignIsWhereItsTimeIs(t *testing.T) {
	all := parse(t, timeline.SVG(eventful()))
	caller := class(all, "caller")
	second := (caller[1].number(t, "x") - caller[0].number(t, "x")) / 10 // they begin 10 s apart
	if w := caller[0].number(t, "width"); w < 3*second-0.2 || w > 3*second+0.2 {
		t.Errorf("3 s are %g px wide, and 1 s %g px", w, second)
	}
	listening := class(all, "listening")
	if x := listening[0].number(t, "x"); caller[0].number(t, "x") != x+second {
		t.Errorf("the first second is from %g to %g px, and a second is %g px", x, caller[0].number(t, "x"), second)
	}
}

func TestAWordOfTheCallersIsNoMarkup(t *testing.T) {
	c := eventful()
	c.Title = `<script>alert("1")</script> & ]]>`
	c.Caller[0].Text = "</svg><image href='x'/> &amp; \x00\x1b \xff"
	c.Notes[0] = "<b>"
	all := parse(t, timeline.SVG(c))
	for _, e := range all {
		if e.name == "script" || e.name == "image" || e.name == "b" {
			t.Errorf("there is a <%s> in it", e.name)
		}
	}
	if title := all[0].title; title != c.Title {
		t.Errorf("the title is %q", title)
	}
}

func TestHalfAnHourIsDrawnInRowsThatCanBeRead(t *testing.T) {
	all := parse(t, timeline.SVG(half()))
	rows := map[string]int{}
	narrowest := 1e9
	for _, e := range class(all, "caller") {
		rows[e.attr["y"]]++
		narrowest = min(narrowest, e.number(t, "width"))
	}
	if len(rows) != 15 || narrowest < 10 {
		t.Errorf("%d rows, and three seconds of speech are at least %g px wide", len(rows), narrowest)
	}
	if w := all[0].number(t, "width"); w > 1300 {
		t.Errorf("it is %g px wide", w)
	}
}

func TestStreamsThatLiveAtTheSameTimeDoNotLieOnEachOther(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		c := timeline.Call{Length: 10 * time.Minute}
		for i := range 1 + rng.IntN(20) {
			from := rng.Float64() * 500
			to := from + rng.Float64()*100
			c.Streams = append(c.Streams, timeline.Stream{Number: i + 1, Phases: []timeline.Phase{phase(timeline.Listening, from, to)}})
		}
		type box struct{ x, y, to float64 }
		var boxes []box
		for _, e := range class(parse(t, timeline.SVG(c)), "listening") {
			x := e.number(t, "x")
			b := box{x, e.number(t, "y"), x + e.number(t, "width")}
			for _, o := range boxes {
				if o.y == b.y && b.x < o.to-0.2 && o.x < b.to-0.2 {
					t.Fatalf("seed %d: %+v lies on %+v", seed, b, o)
				}
			}
			boxes = append(boxes, b)
		}
	}
}

func TestAnythingCanBeDrawn(t *testing.T) {
	for name, c := range map[string]timeline.Call{
		"nothing":             {},
		"a negative length":   {Length: -time.Second},
		"ten hours":           {Length: 10 * time.Hour, Streams: []timeline.Stream{{Number: 1, Phases: []timeline.Phase{phase(timeline.Listening, 0, 36000)}}}},
		"a stream of no time": {Length: at(3), Streams: []timeline.Stream{{Number: 1, Phases: []timeline.Phase{phase(timeline.Standby, 1, 1)}}, {Number: 2}}},
		"what is outside":     {Length: at(3), Caller: []timeline.Speech{{From: at(5), To: at(4)}, {From: at(-9), To: at(99)}}, Cuts: []timeline.Cut{{At: at(99)}}},
	} {
		svg := timeline.SVG(c)
		parse(t, svg)
		if s := string(svg); strings.Contains(s, "NaN") || strings.Contains(s, "Inf") || strings.Contains(s, `width="-`) {
			t.Errorf("%s is drawn with numbers that are none: %s", name, fmt.Sprint(len(s)))
		}
	}
}
