package websocket

import (
	"sync"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
)

// ear plays what a peer says to those who called it: a peer sends audio ahead, and
// none while it is silent, and a pipeline wants it as a microphone gives it,
// at the pace of the clock and with the silence. It also knows what has been
// played, which peers ask for, and what has not, which they take back.
//
// The reader puts into it, the input takes out of it.
type ear struct {
	delay    time.Duration // how long the first audio after silence waits for more
	maxAhead time.Duration

	mu      sync.Mutex
	items   []sound
	queued  time.Duration // of the audio in items
	waiting int           // bytes of the answers in items
	playing bool          // there was audio up to now
	since   time.Time     // the first of items came
	late    time.Duration // of what is queued was there before the input
	format  audio.Format  // of what was played last
}

// sound is audio, or an answer that is due when all audio before it has been
// played.
type sound struct {
	audio *frames.AudioInput
	taken int // of audio.Samples
	reply Message
}

// hear takes audio. It is an error if there is too much of it.
func (e *ear) hear(f *frames.AudioInput) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.queued >= e.maxAhead {
		return refuse(ws.StatusPolicyViolation, "audio came more than %v earlier than it can be heard", e.maxAhead)
	}
	if len(e.items) == 0 {
		e.since = time.Now()
	}
	e.items = append(e.items, sound{audio: f})
	e.queued += f.Duration()
	return nil
}

// reply takes an answer that waits for the audio before it. It reports false if
// there is none, or nobody plays. It is an error if too much waits; how many answers
// may, [Config.MaxMessageRate] and the length of the audio limit.
func (e *ear) reply(m Message) (waits bool, err error) {
	if e == nil {
		return false, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.items) == 0 {
		return false, nil
	}
	if e.waiting += len(m.Data); e.waiting > maxQueuedBytes {
		return false, refuse(ws.StatusPolicyViolation, "the answers that wait for audio have more than %d bytes", maxQueuedBytes)
	}
	e.items = append(e.items, sound{reply: m})
	return true, nil
}

// discard throws away what has not been played, and the answers behind it.
func (e *ear) discard() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.items, e.queued, e.waiting, e.playing, e.late = nil, 0, 0, false, 0
}

// begin says that from now on there is somebody who listens.
func (e *ear) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.late = e.queued
}

// empty reports whether everything has been played.
func (e *ear) empty() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.items) == 0
}

// piece returns what is heard between two times on the call's clock, silence
// included, and the answers that are due at its end. all says that nothing more
// will come.
func (e *ear) piece(from, to time.Duration, all bool) (frames.Audio, []Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.catchUp()
	if !e.playing && (all || e.queued >= e.delay || len(e.items) > 0 && time.Since(e.since) >= e.delay) {
		e.playing = len(e.items) > 0
	}
	if e.playing && len(e.items) > 0 && e.items[0].audio != nil {
		e.format = e.items[0].audio.Format
	}
	f := e.format
	position := audio.Position(f.Rate.Samples(from))
	samples := make([]int16, (f.Rate.Samples(to)-int64(position))*int64(f.Channels))
	a := frames.Audio{Format: f, Samples: samples, Position: position}
	var due []Message
	for e.playing && len(e.items) > 0 {
		first := &e.items[0]
		if first.audio == nil {
			due = append(due, first.reply)
			e.waiting -= len(first.reply.Data)
		} else {
			if first.audio.Format != f { // the rest of the piece is silent
				return a, due
			}
			n := copy(samples, first.audio.Samples[first.taken:])
			// By difference, so that the roundings of the parts add up.
			e.queued -= f.Duration(first.taken+n) - f.Duration(first.taken)
			samples, first.taken = samples[n:], first.taken+n
			if first.taken < len(first.audio.Samples) {
				return a, due
			}
		}
		e.items[0] = sound{}
		e.items = e.items[1:]
	}
	if len(e.items) == 0 {
		e.items, e.queued = nil, 0
		e.playing = e.playing && len(samples) == 0 // what comes in time follows without a gap
	}
	return a, due
}

// catchUp leaves out silence as long as there is audio that came before anybody
// listened: otherwise all would be heard late.
func (e *ear) catchUp() {
	for e.late > 0 && len(e.items) > 0 {
		first := e.items[0]
		if first.audio == nil || first.taken > 0 || !audio.IsSilent(first.audio.Samples) {
			return
		}
		e.late -= first.audio.Duration()
		e.queued -= first.audio.Duration()
		e.items = e.items[1:]
	}
}
