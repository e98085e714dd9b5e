package turn

import "github.com/parley-go/parley/frames"

// effectKind is what a machine can have done.
type effectKind uint8

const (
	doInterrupt effectKind = iota
	doStarted
	doStopped
	doPause
	doResume
	doRelease // the transcripts that are kept back go on
	doDrop    // … or no further
	doMute
	doUnmute
	doRemind
	doCalm // the handler of a reminder is no longer needed
	doAsk
	doReport

	// These come from frames, and are in their place among what the machine wants.
	doVoice // what a detector tells goes on
	doKeep  // a transcript is kept back
)

var effectNames = [...]string{"interrupt", "started", "stopped", "pause", "resume", "release", "drop", "mute", "unmute", "remind", "calm", "ask", "report", "voice", "keep"}

func (k effectKind) String() string { return effectNames[k] }

type effect struct {
	kind     effectKind
	mark     mark      // doStarted, doStopped, doMute, doUnmute
	from     mark      // doAsk: where the turn began
	reason   string    // doInterrupt
	handler  Handler   // doRemind
	semantic *semantic // doAsk, with the ticket …
	ticket   int
	text     string // … and what was said
	err      error  // doReport

	frame frames.Frame     // doVoice, doKeep …
	dir   frames.Direction // … and where it goes
}

func (m *machine) do(e effect) { m.effects = append(m.effects, e) }

// take returns what is to be done, and forgets it.
func (m *machine) take() []effect {
	e := m.effects
	m.effects = nil
	return e
}
