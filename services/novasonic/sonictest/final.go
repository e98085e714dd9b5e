package sonictest

import (
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
)

// final is the FINAL text of a sentence, which comes when the sentence has
// been played out, as far as the service can tell.
type final struct {
	answer *answer
	index  int // of the sentence
	text   string

	// When it has been played out, on the input clock and on the wall's, and
	// how long it plays.
	clock, wall time.Duration
	length      time.Duration
}

// registerFinal has the sentence's FINAL text sent in time.
func (s *session) registerFinal(a *answer, i int) {
	if s.behaviour.FinalText == FinalMissing {
		return
	}
	m := &s.mouth
	said := &a.sentences[i]
	f := &final{
		answer: a, index: i, text: s.shown(i, said.Text),
		clock: m.playClock, wall: m.playWall, length: said.Rate.Duration(int64(len(said.PCM))),
	}
	m.finals = append(m.finals, f)
	if n := len(m.finals); s.behaviour.FinalText == FinalOutOfOrder && i%2 == 1 && n >= 2 && m.finals[n-2].answer == a {
		first := m.finals[n-2]
		first.clock, first.wall = f.clock, f.wall
		m.finals[n-2], m.finals[n-1] = f, first
	}
	s.timers.add(f.wall+s.behaviour.FinalLate, func() { s.releaseFinals(false) })
}

// releaseFinals sends the FINAL texts whose time has come. The user having said
// or written something new tells the service that the time has come for those
// that waited for it.
func (s *session) releaseFinals(news bool) {
	if s.mute {
		return
	}
	m := &s.mouth
	for len(m.finals) > 0 && s.finalDue(m.finals[0], news) {
		f := m.finals[0]
		m.finals = m.finals[1:]
		s.sendFinal(f, f.text)
	}
}

func (s *session) finalDue(f *final, news bool) bool {
	late := s.behaviour.FinalLate
	byWall := s.now >= f.wall+late
	byClock := s.ears.clock() >= f.clock+late
	switch s.behaviour.FinalText {
	case FinalAtNextInput:
		return news && (byWall || byClock)
	case FinalOnWallClock:
		return byWall
	}
	if s.ears.block < 0 {
		return byWall // no input clock runs
	}
	return byClock
}

// sendFinal sends a FINAL text. The stop reasons are those that were recorded:
// END_TURN on the first of an answer, and they mean nothing.
func (s *session) sendFinal(f *final, text string) {
	stop := protocol.StopPartial
	if f.answer.finals == 0 {
		stop = protocol.StopEnd
	}
	f.answer.finals++
	s.logSaid(f.answer, f.index, func(l *Said) { l.Final = s.now })
	s.sendTextIn(f.answer.completion, protocol.RoleAssistant, protocol.StageFinal, text, stop, f.answer.index)
}

// playing tells whether audio that was sent is still being played.
func (s *session) playing() bool {
	return s.mouth.playClock > s.ears.clock() && s.mouth.playWall > s.now
}

// bargeIn interrupts what is being said, if anything is: the user has begun to
// speak, or has written something.
func (s *session) bargeIn() {
	form := s.behaviour.Interruption
	a := s.mouth.current
	playing := s.playing()
	if s.mute || form.Never || a == nil && !playing {
		return
	}
	if form.CallsStand && a != nil && len(a.sentences) == 0 {
		if !playing {
			return
		}
		a = nil
	}
	if a != nil {
		a.dead = true
		s.mouth.current = nil
		if !a.announced {
			s.unthink(a)
			if !playing {
				s.turnOver()
				return
			}
		}
	}
	s.markInterrupted(a)

	trailing := a != nil && a.block != "" && form.Trailing > 0
	if a != nil && a.block != "" && !trailing {
		s.closeAudio(a, form.stop())
	}
	if form.FinalBefore {
		s.cutFinals()
	}
	if !form.NoMarker {
		index := -1
		if a != nil {
			index = a.index
		}
		s.sendTextIn(s.mouth.completion, protocol.RoleAssistant, protocol.StageFinal, protocol.Interrupted, protocol.StopInterrupted, index)
	}
	s.cutFinals()
	if trailing {
		s.trail(a, int(a.sentences[a.next].Rate.Samples(form.Trailing)))
	}
	s.mouth.playClock, s.mouth.playWall = s.ears.clock(), s.now
	s.tellUsage()
	if a != nil {
		s.turnOver()
	}
}

// turnOver ends the completion, if it is that of a turn.
func (s *session) turnOver() {
	if s.behaviour.CompletionPerTurn {
		s.completionEnd()
	}
}

func (i Interruption) stop() string {
	switch {
	case i.AudioInterrupted:
		return protocol.StopInterrupted
	case i.AudioPartial:
		return protocol.StopPartial
	}
	return protocol.StopEnd
}

// unthink takes back an answer of which nothing has been sent yet. What a tool
// returned is not forgotten over it.
func (s *session) unthink(a *answer) {
	if a.turn.Kind == ToolResults {
		s.mouth.waiting = slices.Insert(s.mouth.waiting, 0, a.asked)
	}
	s.rec.note(func(l *StreamLog) {
		l.Answers[a.index].Interrupted, l.Answers[a.index].Cut = true, s.now
	})
}

// markInterrupted logs the barge-in with the answers that it cut: the current
// one, and those whose audio is not played out.
func (s *session) markInterrupted(a *answer) {
	cut := map[int]bool{}
	if a != nil {
		cut[a.index] = true
	}
	for _, f := range s.mouth.finals {
		if !s.heardOut(f) {
			cut[f.answer.index] = true
		}
	}
	for id, c := range s.mouth.calls {
		if cut[c.answer] && !c.done {
			s.rules.Late(id)
		}
	}
	s.rec.note(func(l *StreamLog) {
		for i := range cut {
			l.Answers[i].Interrupted, l.Answers[i].Cut = true, s.now
		}
	})
}

func (s *session) heardOut(f *final) bool {
	return s.ears.clock() >= f.clock || s.now >= f.wall
}

// cutFinals sends the FINAL texts of what was heard before the barge-in, and
// drops the others.
func (s *session) cutFinals() {
	finals := s.mouth.finals
	s.mouth.finals = nil
	for _, f := range finals {
		switch {
		case s.heardOut(f):
			s.sendFinal(f, f.text)
		case s.behaviour.Interruption.FinalTruncated:
			if text := s.heardText(f); text != "" {
				s.sendFinal(f, text)
			}
		}
	}
}

// heardText is the words of a sentence that was cut which were heard.
func (s *session) heardText(f *final) string {
	left := min(f.clock-s.ears.clock(), f.wall-s.now)
	if f.length <= 0 || left >= f.length {
		return ""
	}
	heard := float64(f.length-left) / float64(f.length)
	words := strings.Fields(f.text)
	return strings.Join(words[:int(heard*float64(len(words)))], " ")
}

// trail goes on sending the cut answer's audio for n samples, in its open
// block.
func (s *session) trail(a *answer, n int) {
	said := &a.sentences[a.next]
	n = min(n, len(said.PCM)-said.Sent)
	if n <= 0 || s.ended {
		s.closeAudio(a, s.behaviour.Interruption.stop())
		return
	}
	size := min(s.pieceSize(a.dice, said.Rate, n), n)
	s.sendAudio(a, a.next, a.block, size)
	s.after(s.pause(a.dice, said.Rate, size), func() { s.trail(a, n-size) })
}
