package turn

import (
	"strings"
	"time"

	"github.com/parley-go/parley/internal/spoken"
)

// on takes in what happens at a mark, and decides what follows; but no turn ends
// if ends is false.
func (m *machine) on(here mark, ends bool, event func(m *machine)) {
	m.here, m.facts.Now = here, max(m.facts.Now, here.at)
	if event != nil {
		event(m)
	}
	m.settle(ends)
}

// ---- the caller

// audioTo notes that the caller's audio has come up to the present.
func (m *machine) audioTo(here mark) {
	m.voice.audible, m.voice.signOf, m.voice.audio = true, m.facts.Now, here
}

// press notes that the button of push to talk is held, or is not any more.
func (m *machine) press(on bool) {
	f := &m.facts
	if f.Pressed == on {
		return
	}
	f.Pressed = on
	if on {
		if m.state == quiet && !m.external {
			m.dismiss() // what was said without the button is not part of it
		}
		m.button, m.armed = m.here, true
	} else {
		f.PressedTo = f.Now
	}
	m.idle.reset(m)
}

// active notes that the caller has done something that is not speech.
func (m *machine) active() { m.idle.reset(m) }

// ---- the caller's words

// verdict is what becomes of a transcript.
type verdict uint8

const (
	pass verdict = iota // it goes on, after what is to be done
	hold                // it is kept back until doRelease or doDrop
	drop
)

// owner says whose words a transcript has that comes late.
type owner uint8

const (
	ofNone   owner = iota // there was nothing before
	ofTurn                // a turn's, which has ended: they belong to it
	ofNobody              // of what was ignored
	ofMuted               // of what was muted, if only in part
)

// words is what was transcribed of an utterance, and what was before it.
type words struct {
	finals  []string
	interim string
	first   mark          // where they begin
	last    mark          // where they end
	kept    bool          // some transcripts are kept back …
	keptAt  time.Duration // … since then

	passedAt time.Duration // when a transcript went on last

	before owner         // whose the words of the last utterance are
	overAt time.Duration // when it was over
	news   bool          // there has been a voice since, or the agent has begun to answer a turn
	due    bool          // what was ignored still has words to come: only interim ones did

	mutedFrom, mutedTo time.Duration // when the caller was muted last
}

func (w *words) clear() {
	w.finals, w.interim, w.kept = nil, "", false
}

// isOver notes that an utterance is over, and whose its words are.
func (w *words) isOver(whose owner, at time.Duration) {
	w.before, w.overAt, w.news, w.due = whose, at, false, false
}

// transcript is what a recogniser has understood.
type transcript struct {
	text       string
	final      bool
	start, end mark
	located    bool // start and end are known
}

// hearWords takes in a transcript, and returns what becomes of it. A turn may
// begin with it, but does not end before it has been sent on.
func (m *machine) hearWords(t transcript) verdict {
	f := &m.facts
	f.Transcripts = true
	if m.external {
		if f.Muted {
			return drop
		}
		m.idle.reset(m)
		return pass
	}
	if v, late := m.isLate(t); late {
		return v
	}
	if f.Muted || m.over || m.wasMuted(t) {
		return drop
	}
	if strings.TrimSpace(t.text) != "" {
		m.understand(t)
	} else {
		m.withdraw()
	}
	m.settle(false)
	switch {
	case f.Muted:
		return drop
	case m.state == talking:
		m.words.passedAt = f.Now
		return pass
	case !m.words.kept:
		m.words.kept, m.words.keptAt = true, f.Now
	}
	return hold
}

// maxFinals is how many final transcripts of an utterance are remembered: a
// television may speak for hours before a phrase wakes the agent.
const maxFinals = 64

func (m *machine) understand(t transcript) {
	w := &m.words
	if !t.located {
		t.start, t.end = m.here, m.here
	}
	if m.facts.Text == "" {
		w.first = t.start
	}
	w.last, w.interim = t.end, t.text
	if t.final {
		w.finals, w.interim = append(w.finals, strings.TrimSpace(t.text)), ""
		if len(w.finals) > maxFinals {
			w.finals = w.finals[1:]
		}
	}
	m.read(t.final)
	m.idle.reset(m)
}

// withdraw forgets what the caller seemed to be saying: the recogniser has taken
// it back.
func (m *machine) withdraw() {
	if m.words.interim != "" {
		m.words.interim = ""
		m.read(true)
	}
}

// read puts into the facts what was understood.
func (m *machine) read(final bool) {
	f, w := &m.facts, &m.words
	f.Text = strings.TrimSpace(strings.Join(w.finals, " ") + " " + w.interim)
	f.Words, f.Final, f.TextAt = spoken.Count(f.Text), final, f.Now
}

// isLate reports whether a transcript is of the last utterance, which is over,
// and what becomes of it then. Where the recogniser does not tell, it is taken to
// be if it comes soon, and nothing has happened since that it could belong to: a
// "yes" that the detector missed must not be taken for an echo of the last turn.
func (m *machine) isLate(t transcript) (verdict, bool) {
	f, w := &m.facts, &m.words
	late := f.Detector && !w.news && m.state != talking && f.Now-w.overAt <= lateAfter
	if t.located {
		late = t.end.at <= w.overAt
	}
	switch {
	case w.before == ofNone || !late:
		return pass, false
	case w.before == ofNobody && !t.located && !w.due:
		return pass, false // all of that has come already
	case w.before == ofTurn && t.final:
		return pass, true
	}
	w.due = w.due && !t.final
	return drop, true
}

// wasMuted reports whether what a transcript tells of was said while the caller
// was muted, if only in part.
func (m *machine) wasMuted(t transcript) bool {
	w := &m.words
	return t.located && w.mutedTo > w.mutedFrom && t.start.at < w.mutedTo && t.end.at > w.mutedFrom
}

// ---- the service

// serviceStarted and serviceStopped take in that the service has begun and ended
// a turn of the caller's.
func (m *machine) serviceStarted(at mark) {
	f := &m.facts
	if !m.external || m.state == talking {
		return
	}
	m.state, f.Turn, f.TurnFrom, m.taken, m.begun = talking, true, min(at.at, f.Now), f.Now, at
	m.idle.reset(m)
}

func (m *machine) serviceStopped() {
	f := &m.facts
	if !m.external || m.state != talking {
		return
	}
	m.state, f.Turn = quiet, false
	f.Turns++
	m.asked()
}

// interrupted notes that somebody has raised an interruption.
func (m *machine) interrupted() {
	m.silenced()
	m.polite, m.spared = false, false // there is nothing left to interrupt
}

// ---- the agent

func (m *machine) botStarted() {
	f := &m.facts
	m.bot = bot{}
	f.Awaited = false
	if m.words.before == ofTurn {
		m.words.news = true
	}
	if !f.BotSpeaking {
		f.BotSpeaking, f.BotFrom = true, f.Now
	}
}

func (m *machine) botStopped() {
	f := &m.facts
	if !f.BotSpeaking {
		return
	}
	if m.paused || m.bot.until > 0 {
		m.bot.held = true // it goes on, or is interrupted
		return
	}
	f.BotSpeaking, m.polite = false, false
	f.Answers++
}

func (m *machine) sentenceHeard() { m.facts.Sentences++ }

func (m *machine) toolStarted(id string) {
	if _, runs := m.tools[id]; !runs {
		m.tools[id] = m.facts.Now
		m.facts.Tools = len(m.tools)
	}
}

// toolEnded notes that a function has ended; all, if id is empty.
func (m *machine) toolEnded(id string) {
	delete(m.tools, id)
	if id == "" {
		clear(m.tools)
	}
	m.facts.Tools = len(m.tools)
}

// ---- the application

func (m *machine) requestMute(on bool) { m.requested = on }

// stops notes that the pipeline stands still until something comes.
func (m *machine) stops() {
	m.close()
	m.facts.Awaited, m.idle.stops = false, true
}

// ends notes that the run ends.
func (m *machine) ends() {
	m.close()
	m.over = true
}
