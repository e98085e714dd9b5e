package timeline

import (
	"slices"
	"time"
)

// The measures of the drawing, in pixels.
const (
	width     = 1240
	left      = 76 // of the plot: the names of the lanes are beside it
	plot      = width - left - 24
	head      = 84 // title and legend
	axis      = 24
	streamBar = 30
	gap       = 7  // between lanes
	rowGap    = 22 // between rows
	noteLine  = 15
)

// layout is where things go.
type layout struct {
	row   time.Duration // how long a row is
	rows  int
	slots map[int]int // of streams by number
	lanes int         // of streams

	speechBar float64 // how high a lane of speech is …
	lines     int     // … and how many lines of text are in it
}

func (c *Call) layout() layout {
	l := layout{slots: make(map[int]int)}
	l.row, l.rows = rowsOf(c.Length)
	l.lanes = c.slots(l.slots)
	l.speechBar, l.lines = 40, 3
	if l.row > time.Minute { // there is not the width for words
		l.speechBar, l.lines = 20, 0
	}
	return l
}

// rowsOf returns how long a row is, and how many there are: one for a short
// call, fifteen for one of half an hour.
func rowsOf(length time.Duration) (row time.Duration, rows int) {
	const few = 20
	whole := func(unit time.Duration) int { return int(max(1, (length+unit-1)/unit)) }
	if length <= time.Minute {
		return max(10*time.Second, time.Duration(whole(5*time.Second))*5*time.Second), 1
	}
	row = time.Minute
	for _, longer := range []time.Duration{2, 5, 10, 30, 60} {
		if whole(row) <= few {
			break
		}
		row = longer * time.Minute
	}
	return row, whole(row)
}

// slots gives each stream a lane that is free for all of its life, and returns
// how many lanes there are.
func (c *Call) slots(of map[int]int) int {
	streams := slices.Clone(c.Streams)
	begin := func(s Stream) time.Duration {
		at := s.from()
		for _, cut := range c.Cuts {
			if cut.To == s.Number { // the replay is drawn in its lane
				at = min(at, cut.At-cut.Replayed)
			}
		}
		return at
	}
	streams = slices.DeleteFunc(streams, func(s Stream) bool { return len(s.Phases) == 0 })
	slices.SortStableFunc(streams, func(a, b Stream) int { return int(begin(a) - begin(b)) })
	var free []time.Duration // from when on each lane is
	for _, s := range streams {
		lane := slices.IndexFunc(free, func(t time.Duration) bool { return t <= begin(s) })
		if lane < 0 {
			lane = len(free)
			free = append(free, 0)
		}
		free[lane] = s.to()
		of[s.Number] = lane
	}
	return len(free)
}

func (l *layout) rowHeight() float64 {
	return axis + 2*(l.speechBar+gap) + float64(l.lanes)*(streamBar+gap) + rowGap
}

// tick returns the distance of the marks on the axis.
func (l *layout) tick() time.Duration {
	for _, step := range []time.Duration{1, 2, 5, 10, 15, 30, 60, 120, 300} {
		if step *= time.Second; l.row/step <= 12 {
			return step
		}
	}
	return 10 * time.Minute
}
