package novasonic

import (
	"github.com/parley-go/parley/audio"
)

// clockMap tells which sample of the user's clock a stream heard at a position
// on its own input clock. The two run in step except where the stream was
// given something that the user did not say (keep-alive silence), was given
// something again (a replay), or missed something.
//
// The service counts its offsets (userSpeechStart, userSpeechEnd) on the
// stream's input clock: bytes received, not time passed.
type clockMap struct {
	sent  audio.Position // samples given to the stream so far
	steps []clockStep    // ascending in stream, never empty once audio was sent
}

// clockStep says that from stream position stream on, the user's clock ran
// from user, in step with the stream's (or stood still, in silence).
type clockStep struct {
	stream audio.Position
	user   audio.Position
	still  bool // keep-alive silence: the user's clock stands at user
}

// maxClockSteps bounds the memory of a stream's life; older steps only matter
// for utterances that were over long ago.
const maxClockSteps = 1024

// audio notes that n samples starting at user were sent.
func (m *clockMap) audio(user audio.Position, n int) {
	if last := m.last(); last == nil || last.still || last.user+(m.sent-last.stream) != user {
		m.step(clockStep{stream: m.sent, user: user})
	}
	m.sent += audio.Position(n)
}

// silence notes that n samples of silence were sent while the user's clock
// stood at user.
func (m *clockMap) silence(user audio.Position, n int) {
	if last := m.last(); last == nil || !last.still || last.user != user {
		m.step(clockStep{stream: m.sent, user: user, still: true})
	}
	m.sent += audio.Position(n)
}

func (m *clockMap) step(s clockStep) {
	if len(m.steps) == maxClockSteps {
		m.steps = append(m.steps[:0], m.steps[maxClockSteps/2:]...)
	}
	m.steps = append(m.steps, s)
}

func (m *clockMap) last() *clockStep {
	if len(m.steps) == 0 {
		return nil
	}
	return &m.steps[len(m.steps)-1]
}

// stream returns where on the stream's clock the user's position was heard, or
// would have been: the end of what was sent if it is still to come.
func (m *clockMap) stream(user audio.Position) audio.Position {
	for i := len(m.steps) - 1; i >= 0; i-- {
		s, end := m.steps[i], m.sent
		if i+1 < len(m.steps) {
			end = m.steps[i+1].stream
		}
		if !s.still && s.user <= user {
			return min(end, s.stream+(user-s.user))
		}
	}
	return 0
}

// user returns the position on the user's clock that was heard at stream.
func (m *clockMap) user(stream audio.Position) audio.Position {
	for i := len(m.steps) - 1; i >= 0; i-- {
		switch s := m.steps[i]; {
		case s.stream > stream && i > 0:
			continue
		case s.still:
			return s.user
		default:
			return s.user + max(0, stream-s.stream)
		}
	}
	return 0
}
