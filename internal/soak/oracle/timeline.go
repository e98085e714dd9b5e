package oracle

import (
	"fmt"
	"slices"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// around is how much of what happened before and after a violation is told.
const around = 25 * time.Second

// timeline tells what happened around the violations.
func (t *trial) timeline() []string {
	type event struct {
		at   time.Time
		text string
	}
	var all []event
	note := func(at time.Time, format string, args ...any) {
		all = append(all, event{at, fmt.Sprintf(format, args...)})
	}
	for _, r := range t.requests {
		if r.spoken != nil {
			note(r.from, "caller   asks for %d (kind %d) until %s", r.ID, r.Kind, clock(r.to.Sub(t.Began)))
		} else {
			note(r.from, "caller   types %d (kind %d)", r.ID, r.Kind)
		}
	}
	for i := 1; i < len(t.Chunks); i++ {
		if pause := t.Chunks[i].At.Sub(t.Chunks[i-1].At); pause > 2*t.frame() {
			note(t.Chunks[i-1].At, "caller   is muted until %s", clock(t.Chunks[i].At.Sub(t.Began)))
		}
	}
	for _, s := range t.streams {
		note(s.Opened, "%v is opened (%d messages of history, voice %s)", s, len(s.History), s.Voice)
		if s.took != nil {
			note(s.took.at, "%v listens from sample %d on: %v replayed, %v of it heard before", s, s.runs[0].from, t.duration(s.took.replayed), t.duration(s.took.overlap))
		}
		if s.struck != nil {
			note(s.struck.at, "%v suffers: %s", s, s.struck.fault.Name)
		}
		for _, h := range s.Heard {
			note(s.at(h.At), "%v has heard %q", s, h.Text)
		}
		if s.End.Kind != sonictest.Open {
			note(s.ended, "%v is %v %s", s, s.End.Kind, s.End.Exception)
		}
	}
	for _, a := range t.answers {
		if a.heard == 0 {
			note(a.s.at(a.At), "%v is not heard (interrupted: %v)", a, a.Interrupted)
			continue
		}
		note(a.first, "ear      hears %v until %s (interrupted: %v)", a, clock(a.last.Sub(t.Began)), a.Interrupted)
	}
	for _, x := range t.Runs {
		note(x.Began, "tool     runs for call %d of request %d until %s", x.Call.Call, x.Request, clock(x.Returned.Sub(t.Began)))
	}
	for _, d := range t.Asked {
		note(d.At, "app      asks for %s %s (error: %v)", d.What, d.Voice, d.Err)
	}
	for _, f := range t.Frames {
		switch f.Frame.(type) {
		case *novasonic.Swap, *frames.Error, *frames.Interruption:
			note(f.At, "service  says %v", f.Frame)
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return a.at.Compare(b.at) })
	var lines []string
	skipped := false
	for _, e := range all {
		at := e.at.Sub(t.Began)
		if !slices.ContainsFunc(t.result.Violations[:min(len(t.result.Violations), 20)], func(v Violation) bool { return (v.At - at).Abs() <= around }) {
			skipped = true
			continue
		}
		if skipped {
			lines = append(lines, "…")
			skipped = false
		}
		lines = append(lines, clock(at)+" "+e.text)
	}
	return lines
}
