package turn

import "time"

// idle is a stopwatch of the time in which neither says anything.
type idle struct {
	runs  bool
	since time.Duration // it runs since
	spent time.Duration // what it shows, but for that
	level int           // how many reminders there were

	busy  bool // a handler is at work
	stops bool // the pipeline stands still until the caller does something
}

// reset puts it back: the caller is there.
func (i *idle) reset(m *machine) {
	i.runs, i.stops, i.spent, i.level = false, false, 0, 0
	if i.busy {
		m.do(effect{kind: doCalm})
	}
}

// reminded notes that a handler has returned.
func (i *idle) reminded() { i.busy = false }

// run lets it run or stand, and reminds when it is time.
func (i *idle) run(m *machine) {
	f := &m.facts
	runs := i.level < len(m.cfg.Idle) && m.state == quiet && !m.over && !f.Muted &&
		!f.Voice && !m.busy() && !f.Awaited && !i.busy && !i.stops
	switch {
	case !runs && i.runs:
		i.spent += f.Now - i.since
	case runs && !i.runs:
		i.since = f.Now
	}
	i.runs = runs
	if !runs {
		return
	}
	p := m.cfg.Idle[i.level]
	if !m.at(i.since + p.After - i.spent) {
		return
	}
	i.spent, i.runs, i.busy = p.After, false, true
	i.level++
	m.do(effect{kind: doRemind, handler: p.Do})
}
