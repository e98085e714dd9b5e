package soak

import (
	"context"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/soak/oracle"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/transports/playout"
)

// ear is a loudspeaker that remembers every sound that it made.
type ear struct {
	mu     sync.Mutex
	pieces []oracle.Piece
	voiced time.Time // until when there was sound, as far as it is known
	begun  time.Time // when the sound began that is the last
}

// silenceEnds is the pause after which a sound is another one.
const silenceEnds = 400 * time.Millisecond

// Play hears a chunk.
func (e *ear) Play(_ context.Context, c playout.Chunk) error {
	if c.Silent() {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for _, s := range c.Spans {
		samples := c.Samples[s.Begin-c.Position : s.End-c.Position]
		if n := len(e.pieces) - 1; n >= 0 && e.pieces[n].At+audio.Position(len(e.pieces[n].Samples)) == s.Begin {
			e.pieces[n].Samples = append(e.pieces[n].Samples, samples...)
			continue
		}
		e.pieces = append(e.pieces, oracle.Piece{At: s.Begin, Samples: append([]int16(nil), samples...)})
	}
	if now.Sub(e.voiced) > silenceEnds {
		e.begun = now
	}
	e.voiced = now.Add(c.Format.Rate.Duration(int64(len(c.Samples))))
	return nil
}

// silentSince tells whether no sound has begun since t.
func (e *ear) silentSince(t time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.begun.Before(t)
}

// quietFor tells whether it has been silent for so long.
func (e *ear) quietFor(d time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return time.Since(e.voiced) >= d
}

// witness is the application: it sees what comes out of the service.
type witness struct {
	mu   sync.Mutex
	seen []oracle.Seen
}

// Name returns "witness".
func (w *witness) Name() string { return "witness" }

// Process remembers frames that mean something, and passes all on.
func (w *witness) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if dir == frames.Downstream {
		switch f.(type) {
		case *frames.Transcription, *frames.SpokenText, *frames.LLMResponseStart, *frames.LLMResponseEnd,
			*frames.FunctionCall, *frames.FunctionCallResult, *frames.Interruption, *novasonic.Swap:
			w.note(f)
		}
	}
	return out.Send(ctx, f, dir)
}

// note remembers a frame.
func (w *witness) note(f frames.Frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, oracle.Seen{At: time.Now(), Frame: f})
}
