package turn

import "time"

// answerWait is how long an answer is awaited before its absence counts as
// silence.
const answerWait = 10 * time.Second

// idle is a stopwatch of the time in which neither says anything.
type idle struct {
	runs  bool
	since time.Duration // it runs since
	spent time.Duration // what it shows, but for that
	level int           // how many prompts there were

	busy  bool // a handler is at work
	owed  bool // the agent is to answer …
	after time.Duration
}

// reset puts it back: the caller is there.
func (i *idle) reset(m *machine) {
	i.runs, i.spent, i.level, i.owed = false, 0, 0, false
	if i.busy {
		m.do(effect{kind: doCalm})
	}
}

// asked notes that the agent has something to answer, and answered that it does.
func (i *idle) asked(m *machine) { i.owed, i.after = true, m.facts.Now }
func (i *idle) answered()        { i.owed = false }

// prompted notes that a handler has returned.
func (i *idle) prompted() { i.busy = false }

// run lets it run or stand, and prompts when it is time.
func (i *idle) run(m *machine) {
	f := &m.facts
	if i.owed && m.at(i.after+answerWait) {
		i.owed = false
	}
	runs := i.level < len(m.cfg.Idle) && m.state == quiet && !m.over && !f.Muted &&
		!f.Voice && !m.busy() && !i.busy && !i.owed
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
	m.do(effect{kind: doPrompt, prompt: p.Do})
}
