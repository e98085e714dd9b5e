package turn

import (
	"fmt"
	"maps"
	"slices"
)

// watch puts an end to facts that have lasted too long.
func (m *machine) watch() {
	f := &m.facts
	if v := &m.voice; v.on {
		quiet, end := m.cfg.MaxTurn, m.here // where no audio comes by, none can be missed
		if v.audible {
			quiet, end = m.cfg.MaxQuiet, v.audio
		}
		if m.at(v.signOf + quiet) {
			m.do(effect{kind: doReport, err: fmt.Errorf("%w: no audio for %v", ErrStuckVoice, quiet)})
			m.voiceOff(end)
		}
	}
	if len(m.tools) > 0 {
		m.watchTools()
	}
	if f.Awaited && m.at(m.askedAt+answerWait) {
		f.Awaited = false
	}
	if m.bot.until > 0 && m.at(m.bot.until) {
		if m.bot.held && f.BotSpeaking { // there was nothing left to say
			f.BotSpeaking = false
			f.Answers++
		}
		m.bot = bot{}
	}
}

func (m *machine) watchTools() {
	for _, id := range slices.Sorted(maps.Keys(m.tools)) {
		if m.at(m.tools[id] + m.cfg.MaxTool) {
			m.toolEnded(id)
			m.do(effect{kind: doReport, err: fmt.Errorf("%w within %v: call %s", ErrStuckTool, m.cfg.MaxTool, id)})
		}
	}
}
