package playout

import (
	"context"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
)

// Sink is where a transport's audio leaves.
//
// Play hands over one chunk. It is called from one goroutine, chunk after
// chunk without a hole in their positions (see [Flusher] for the exception),
// each when it is due. It may wait a
// little, as a socket does; while it waits nothing else is played. It must not
// keep or change c.Samples or c.Spans after it returns. An error ends the run.
type Sink interface {
	Play(ctx context.Context, c Chunk) error
}

// SinkFunc makes a Sink of a function.
type SinkFunc func(ctx context.Context, c Chunk) error

// Play calls fn.
func (fn SinkFunc) Play(ctx context.Context, c Chunk) error { return fn(ctx, c) }

// Chunk is a piece of what the caller hears.
type Chunk struct {
	Format   audio.Format
	Samples  []int16        // interleaved; always the same number
	Position audio.Position // of the first sample, on the output's clock
	Spans    []Span         // the parts with speech, in order

	// Background says that there is another sound in it: see
	// frames.PlayBackground.
	Background bool
}

// Silent reports whether there is nothing to be heard in the chunk.
func (c Chunk) Silent() bool { return len(c.Spans) == 0 && !c.Background }

// Span says which piece of a track a part of a chunk is.
type Span struct {
	Track    string
	Response string
	Rate     audio.SampleRate // of the track

	// From and To delimit the piece on the track's clock.
	From, To audio.Position

	// Begin and End delimit the part on the output's clock.
	Begin, End audio.Position
}

// Opener is a Sink with something to open before the first chunk. ctx ends with
// the deadline for starting.
type Opener interface {
	Open(ctx context.Context) error
}

// Closer is a Sink with something to close after the last chunk. ctx ends with
// the deadline for closing.
type Closer interface {
	Close(ctx context.Context) error
}

// Flusher is a Sink which holds chunks that it was given and have not been
// heard, because of [Config.Lead] or because it is at the far end of a network.
// Flush discards them, and the output's clock goes back: the next chunk has the
// position of the first one that was not begun to be heard. Flush is called by
// an interruption, perhaps while Play is running, and then once more when that
// has returned; it must not wait for long. It is not called for silence.
type Flusher interface {
	Flush(ctx context.Context) error
}

// Backlogger is a Sink behind which chunks may wait, for a peer that takes them slowly
// or is not there, and may be dropped. What waits has not been heard, and what was
// dropped never will be: see [frames.Playout.Dropped].
//
// Backlog reports whether any waits, and where the first of them begins, and the
// positions of the chunks that were dropped since it was asked last; what
// [Flusher.Flush] discards is not dropped. It is called often, perhaps while Play is
// running, and must not wait, nor call the output.
type Backlogger interface {
	Backlog() (first audio.Position, waits bool, dropped []audio.Position)
}

// Messenger is a Sink that can send an application's messages to the peer.
// Message may be called while Play is running.
type Messenger interface {
	Message(ctx context.Context, message any) error
}

// Keypad is a Sink that can press a key, '0'–'9', '*', '#' or 'A'–'D'. Press
// may be called while Play is running.
type Keypad interface {
	Press(ctx context.Context, digit byte) error
}

// Clock is the instant at which a transport's clocks begin, shared by its input
// and its output. The zero value is ready. It is safe for concurrent use.
type Clock struct {
	mu    sync.Mutex
	start time.Time
}

// Start returns the instant, which is that of the first call.
func (c *Clock) Start() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.start.IsZero() {
		c.start = time.Now()
	}
	return c.start
}
