package turn

// mute mutes the caller, or no longer, if that is what is wanted now. A turn in
// progress ends; a voice that goes on behind the mute begins there.
func (m *machine) mute() {
	f := &m.facts
	holds, again := m.cfg.Mute.Holds(f)
	if again > f.Now {
		m.next = sooner(m.next, again)
	}
	want := m.requested || holds
	if want == f.Muted {
		return
	}
	f.Muted = want
	if !want {
		m.words.mutedTo = f.Now
		m.do(effect{kind: doUnmute, mark: m.here})
		if m.voice.on {
			m.hearVoice(m.here)
		}
		return
	}
	m.close()
	if f.Voice {
		f.Voice, f.VoiceTo = false, f.Now
		m.words.isOver(ofMuted, f.Now) // what is still to come of it is muted in part
	}
	m.do(effect{kind: doMute, mark: m.here})
	m.newUtterance()
	m.words.mutedFrom = f.Now
}

// voiceOn and voiceOff take in what a detector tells.
func (m *machine) voiceOn(at mark) {
	m.voice.signOf = m.facts.Now
	if m.voice.on {
		return
	}
	m.voice.on, m.facts.Detector = true, true
	if m.facts.Muted {
		m.words.isOver(ofMuted, m.facts.Now)
		return
	}
	m.hearVoice(at)
}

// hearVoice takes in a voice that is not muted.
func (m *machine) hearVoice(at mark) {
	f := &m.facts
	m.armed, m.words.news = true, true
	if !m.voiced {
		m.voiced = true
		if m.state != talking {
			m.begun = at
		}
	}
	f.Voice, f.VoiceFrom, m.voice.from = true, at.at, at
	m.idle.reset(m)
}

// count counts the voice that goes on, up to where it was heard: up to the audio's
// end or, where none comes by, the present.
func (m *machine) count() {
	if !m.facts.Voice {
		return
	}
	to := m.here
	if m.voice.audible {
		to = m.voice.audio
	}
	m.countTo(to)
}

func (m *machine) countTo(to mark) {
	f := &m.facts
	f.VoiceTo = max(f.VoiceFrom, to.at)
	f.Voiced = m.voice.before + max(0, to.by-m.voice.from.by)
}

func (m *machine) voiceOff(at mark) {
	f := &m.facts
	m.voice.signOf = f.Now
	m.facts.Detector = true
	if !m.voice.on {
		return
	}
	m.voice.on = false
	if f.Muted {
		m.words.isOver(ofMuted, f.Now)
	}
	if !f.Voice {
		return
	}
	m.countTo(at)
	f.Voice, m.voice.before, m.ended = false, f.Voiced, at
	if m.state == quiet && !m.armed {
		m.dismiss() // the rest of the last turn is not part of another utterance
	}
}
