package websocket

import (
	"strconv"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/transports/playout"
)

const (
	// markSpeech and markSilence are how often a peer that tells what it has
	// played is asked to. [playout.Output.Confirm] wants to hear every second at
	// least.
	markSpeech  = 200 * time.Millisecond
	markSilence = 500 * time.Millisecond

	// maxMarks is how many may be on their way; the oldest is forgotten then.
	maxMarks = 256
)

// marks are those which the peer has not yet sent back.
type marks struct {
	mu      sync.Mutex
	sent    uint64
	latest  audio.Position // which was marked last
	speech  bool           // there was some behind it
	pending []mark
}

type mark struct {
	name string
	at   audio.Position
}

// after returns the name of the mark that follows a chunk, or "" if none is due.
func (m *marks) after(c playout.Chunk) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := c.Position
	if !c.Silent() { // otherwise there is nothing of the chunk to be played
		end += audio.Position(c.Format.Frames(len(c.Samples)))
	}
	since := c.Format.Rate.Duration(int64(end - m.latest))
	// What is sent behind the last word tells that it has been heard.
	ends := m.speech && c.Silent()
	m.speech = !c.Silent()
	if !ends && since < markSilence && (c.Silent() || since < markSpeech) {
		return ""
	}
	m.latest = end
	m.sent++
	name := strconv.FormatUint(m.sent, 10)
	if len(m.pending) == maxMarks {
		m.pending = append(m.pending[:0], m.pending[1:]...)
	}
	m.pending = append(m.pending, mark{name, end})
	return name
}

// played returns the position of a mark that has come back.
func (m *marks) played(name string) (audio.Position, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, p := range m.pending {
		if p.name == name {
			m.pending = append(m.pending[:0], m.pending[i+1:]...)
			return p.at, true
		}
	}
	return 0, false
}

// forget forgets those whose audio was discarded. The clock goes on from at.
func (m *marks) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = nil
	m.speech = false
	m.latest = 0 // the clock has gone back: the next chunk is marked
}
