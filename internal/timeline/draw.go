package timeline

import (
	"fmt"
	"time"
)

// SVG draws a call.
func SVG(call Call) []byte {
	call.Length = max(call.Length, 0)
	d := &drawing{call: &call, layout: call.layout()}
	height := head + float64(d.rows)*d.rowHeight()
	if len(call.Notes) > 0 {
		height += float64(len(call.Notes))*noteLine + 18
	}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%s" viewBox="0 0 %d %s" role="img">`+"\n", width, px(height), width, px(height))
	fmt.Fprintf(d, "<title>%s</title>\n<style>%s</style>\n<defs>%s</defs>\n", escaped(call.Title), style, hatch)
	d.rect("page", 0, 0, width, height, 0, "")
	d.text("title", 16, 28, call.Title)
	d.legend(16, 42)
	for row := range d.rows {
		d.drawRow(row)
	}
	for i, note := range call.Notes {
		fmt.Fprintf(d, `<text class="note" xml:space="preserve" x="16" y="%s">%s</text>`+"\n",
			px(head+float64(d.rows)*d.rowHeight()+float64(i)*noteLine+6), escaped(note))
	}
	d.WriteString("</svg>\n")
	return d.Bytes()
}

type drawing struct {
	canvas
	call *Call
	layout

	// The row that is being drawn.
	window span
	top    float64
}

// legend explains the signs, in the order of the lanes.
func (d *drawing) legend(x, y float64) {
	swatch := func(class, name string) {
		d.rect(class, x, y, 16, 11, 2, "")
		if class == "opening" || class == "replay" {
			d.rect("outline", x, y, 16, 11, 2, "")
		}
		d.text("key", x+21, y+10, name)
		x += 21 + letter*float64(len(name)) + 20
	}
	swatch("caller", "caller speaks, a stream hears it")
	swatch("agent", "agent is heard, a stream says it")
	d.barge(x+8, y+1, "")
	d.text("key", x+18, y+10, "barge-in")
	x, y = 16, y+19
	d.text("key", x, y+10, "streams:")
	x += 54
	for s := range states {
		swatch(s.String(), s.String())
	}
	swatch("replay", "heard again")
	d.line("cut", x+8, y-1, x+8, y+12)
	d.text("key", x+18, y+10, "cut")
	x += 50
	d.cross(x+8, y+5.5, "")
	d.text("key", x+18, y+10, "died")
}

// x is where an instant is in the row.
func (d *drawing) x(at time.Duration) float64 {
	return left + plot*float64(at-d.window.from)/float64(d.row)
}

func (d *drawing) callerTop() float64 { return d.top + axis }
func (d *drawing) agentTop() float64  { return d.callerTop() + d.speechBar + gap }
func (d *drawing) laneTop(lane int) float64 {
	return d.agentTop() + d.speechBar + gap + float64(lane)*(streamBar+gap)
}

// bottom is that of the lanes, without the gap behind the last.
func (d *drawing) bottom() float64 { return d.laneTop(d.lanes) - gap }

func (d *drawing) drawRow(row int) {
	d.window = span{time.Duration(row) * d.row, time.Duration(row+1) * d.row}
	d.top = head + float64(row)*d.rowHeight()
	d.drawAxis()
	d.text("lane", left-8, d.callerTop()+d.speechBar/2+4, "caller")
	d.text("lane", left-8, d.agentTop()+d.speechBar/2+4, "agent")
	if d.lanes > 0 {
		d.text("lane", left-8, d.laneTop(0)+19, "streams")
	}
	for _, c := range d.call.Cuts {
		if d.shows(c.At) {
			d.line("cut", d.x(c.At), d.callerTop()-4, d.x(c.At), d.bottom())
		}
	}
	for _, s := range d.call.Caller {
		d.speech("caller", d.callerTop(), s)
	}
	for _, s := range d.call.Agent {
		d.speech("agent", d.agentTop(), s)
	}
	for i := range d.call.Streams {
		d.stream(&d.call.Streams[i])
	}
	for _, c := range d.call.Cuts {
		d.cut(c)
	}
	for _, at := range d.call.BargeIns {
		if d.shows(at) {
			d.line("bargeline", d.x(at), d.agentTop()-gap, d.x(at), d.agentTop()+d.speechBar)
			d.barge(d.x(at), d.agentTop()-gap-1, fmt.Sprintf("barge-in at %s", clock(at, true)))
		}
	}
}

// shows reports whether an instant is in the row.
func (d *drawing) shows(at time.Duration) bool { return at >= d.window.from && at < d.window.to }

func (d *drawing) drawAxis() {
	end := d.x(min(d.window.to, d.call.Length))
	for _, y := range []float64{d.callerTop(), d.agentTop()} {
		d.rect("rest", left, y, end-left, d.speechBar, 0, "")
	}
	for lane := range d.lanes {
		d.rect("rest", left, d.laneTop(lane), end-left, streamBar, 0, "")
	}
	if end < left+plot {
		d.rect("beyond", end, d.callerTop(), left+plot-end, d.bottom()-d.callerTop(), 0, "the call is over")
	}
	for at := d.window.from; at <= d.window.to; at += d.tick() {
		d.line("grid", d.x(at), d.top+axis-6, d.x(at), d.bottom())
		if at < d.window.to || d.rows == 1 {
			d.text("axis", d.x(at), d.top+axis-10, clock(at, false))
		}
	}
}

// clock writes an instant as minutes and seconds, and tenths if wanted.
func clock(at time.Duration, tenths bool) string {
	if !tenths {
		s := int(at.Round(time.Second) / time.Second)
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	t := int(at.Round(100*time.Millisecond) / (100 * time.Millisecond))
	return fmt.Sprintf("%d:%02d.%d", t/600, t/10%60, t%10)
}

func (d *drawing) speech(class string, y float64, s Speech) {
	part, some := span{s.From, s.To}.within(d.window)
	if !some {
		return
	}
	x, w := d.x(part.from), max(1.5, d.x(part.to)-d.x(part.from))
	name := fmt.Sprintf("%s, %s to %s: %s", class, clock(s.From, true), clock(s.To, true), s.Text)
	if s.Interrupted {
		name += " (interrupted)"
	}
	d.rect(class, x, y+1, w, d.speechBar-2, 3, name)
	if s.Interrupted && part.to == s.To {
		d.rect("cutoff", x+w-4, y+1, 4, d.speechBar-2, 0, "")
	}
	if part.from != s.From {
		return // its words are in the row before
	}
	for i, line := range fitting(s.Text, w, d.lines) {
		d.text("said", x+5, y+13+11*float64(i), line)
	}
}

// stream draws what is in the row of a stream's life.
func (d *drawing) stream(s *Stream) {
	if len(s.Phases) == 0 {
		return
	}
	y := d.laneTop(d.slots[s.Number])
	life, some := span{s.from(), s.to()}.within(d.window)
	if some {
		for _, p := range s.Phases {
			if part, some := (span{p.From, p.To}).within(d.window); some {
				d.rect(p.State.String(), d.x(part.from), y, d.x(part.to)-d.x(part.from), streamBar, 0,
					fmt.Sprintf("stream %d, %s from %s to %s", s.Number, p.State, clock(p.From, true), clock(p.To, true)))
			}
		}
	}
	d.replay(s, y)
	d.hearsAndSays(s, y)
	if !some {
		return
	}
	x, w := d.x(life.from), max(1, d.x(life.to)-d.x(life.from))
	d.rect("outline", x, y, w, streamBar, 2, "")
	d.label(s, y)
	if s.Died && s.to() <= d.window.to {
		d.cross(d.x(s.to()), y+streamBar/2, fmt.Sprintf("stream %d died at %s", s.Number, clock(s.to(), true)))
	}
}

// label writes a stream's name where there is most room.
func (d *drawing) label(s *Stream, y float64) {
	var at, room float64
	for _, p := range s.Phases {
		part, some := span{p.From, p.To}.within(d.window)
		if w := d.x(part.to) - d.x(part.from); some && w > room {
			at, room = d.x(part.from), w
		}
	}
	for _, name := range []string{fmt.Sprintf("stream %d", s.Number), fmt.Sprint(s.Number)} {
		if room > letter*float64(len(name))+10 {
			d.text("", at+6, y+19, name)
			return
		}
	}
}

// replay hatches what a stream heard again, and points from the cut to where
// that begins.
func (d *drawing) replay(s *Stream, y float64) {
	for _, c := range d.call.Cuts {
		if c.To != s.Number || c.Replayed <= 0 {
			continue
		}
		part, some := span{c.At - c.Replayed, c.At}.within(d.window)
		if !some {
			continue
		}
		x, end := d.x(part.from), d.x(part.to)
		d.rect("replay", x, y+7, max(2, end-x), streamBar-14, 0,
			fmt.Sprintf("stream %d hears again %v, from %s", s.Number, c.Replayed.Round(time.Millisecond), clock(c.At-c.Replayed, true)))
		if end-x >= 10 && part.from == c.At-c.Replayed {
			m := y + streamBar/2
			d.path("arrow", fmt.Sprintf("M%s %sH%sm5 -4l-5 4l5 4", px(end), px(m), px(x+1)), "heard again")
		}
	}
}

// hearsAndSays marks what a stream heard of the caller, and what it said that
// was heard.
func (d *drawing) hearsAndSays(s *Stream, y float64) {
	var ears []span
	for _, p := range s.Phases {
		if p.State == Listening {
			ears = append(ears, span{p.From, p.To})
		}
	}
	for _, c := range d.call.Cuts {
		if c.To == s.Number && c.Replayed > 0 {
			ears = append(ears, span{c.At - c.Replayed, c.At})
		}
	}
	strip := func(class string, y float64, part span) {
		d.rect(class, d.x(part.from), y, max(1, d.x(part.to)-d.x(part.from)), 5, 0, "")
	}
	for _, spoken := range d.call.Caller {
		for _, ear := range ears {
			if part, some := (span{spoken.From, spoken.To}).within(ear); some {
				if part, some = part.within(d.window); some {
					strip("heard", y+1, part)
				}
			}
		}
	}
	for _, spoken := range d.call.Agent {
		if spoken.Stream == s.Number {
			if part, some := (span{spoken.From, spoken.To}).within(d.window); some {
				strip("spoke", y+streamBar-6, part)
			}
		}
	}
}

// cut marks the move of the microphone from one stream to another, with the
// move's number on the axis. The line through the speech lies behind the words.
func (d *drawing) cut(c Cut) {
	if !d.shows(c.At) {
		return
	}
	x := d.x(c.At)
	d.line("cut", x, d.laneTop(0)-gap, x, d.bottom())
	number := fmt.Sprint(c.Move)
	w := 10 + 6*float64(len(number))
	d.rect("badge", x-w/2, d.callerTop()-8, w, 13, 6, fmt.Sprintf("move %d for %s at %s: stream %d → %d", c.Move, c.Why, clock(c.At, true), c.From, c.To))
	d.text("number", x, d.callerTop()+2, number)
}

func (d *drawing) barge(x, y float64, name string) {
	d.path("barge", fmt.Sprintf("M%s %sh10l-5 9z", px(x-5), px(y)), name)
}

func (d *drawing) cross(x, y float64, name string) {
	d.path("died", fmt.Sprintf("M%s %sl10 10m0 -10l-10 10", px(x-5), px(y-5)), name)
}
