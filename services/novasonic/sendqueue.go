package novasonic

import (
	"sync"

	"github.com/parley-go/parley/audio"
)

// sendQueue is what a stream still has to be sent, in order: audio, and blocks
// of events between which no audio may come. One goroutine writes a stream, and
// takes from here; the conversation puts, and never waits.
//
// It is bounded by the audio and by the blocks in it. Where the service takes
// less than it is given for that long, it is not going to catch up.
type sendQueue struct {
	limit int // samples

	mu      sync.Mutex // protects the following
	items   []sendItem
	samples int
	closed  bool

	wake chan struct{} // capacity 1
}

// sendItem is either audio or encoded events, which are sent without anything
// in between.
type sendItem struct {
	samples []int16
	events  [][]byte
	last    bool // half-close the stream after this
}

func newSendQueue(rate audio.SampleRate, seconds int) *sendQueue {
	return &sendQueue{limit: int(rate) * seconds, wake: make(chan struct{}, 1)}
}

// audio queues samples, which must not change afterwards. It reports false if
// the queue is full.
func (q *sendQueue) audio(samples []int16) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.samples+len(samples) > q.limit || len(q.items) >= maxItems {
		return false
	}
	q.samples += len(samples)
	q.put(sendItem{samples: samples})
	return true
}

// maxItems bounds what is queued: more than as many pieces of audio as the
// limit holds.
const maxItems = 1 << 14

// block queues events that belong together. It reports false if the queue is
// full.
func (q *sendQueue) block(events ...[]byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) >= maxItems {
		return false
	}
	q.put(sendItem{events: events})
	return true
}

// finish queues the last events of the stream; what comes after is ignored.
func (q *sendQueue) finish(events ...[]byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(sendItem{events: events, last: true})
	q.closed = true
}

func (q *sendQueue) put(i sendItem) {
	if q.closed {
		return
	}
	q.items = append(q.items, i)
	signal(q.wake)
}

// take returns everything that is queued, in the buffer that it is given, or
// nothing.
func (q *sendQueue) take(buf []sendItem) []sendItem {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.items
	clear(buf)
	q.items, q.samples = buf[:0], 0
	return taken
}
