package playout

import (
	"time"

	"github.com/parley-go/parley/audio"
)

// Stats tells what an [Output] has done so far.
type Stats struct {
	Format audio.Format

	// Output is the output's clock: how many samples on each channel were
	// handed to the sink. Speech is how many of them were not filled-in silence.
	Output audio.Position
	Speech int64

	// Speaking says that the agent's voice is being heard, or pauses for less
	// than StopDelay. SpeechEnd is the end, on the output's clock, of the last
	// speech that was handed to the sink; 0 if there was none.
	Speaking  bool
	SpeechEnd audio.Position

	// Queued is how much audio waits, and Waiting how many other frames.
	Queued  time.Duration
	Waiting int

	// Gaps counts the holes in the middle of a response, where audio came too
	// late; GapSamples is their length in all, on the output's clock.
	Gaps       int
	GapSamples int64

	// Flushed is how much audio interruptions have thrown away.
	Flushed time.Duration

	// Dropped is how much speech the sink has dropped: see Backlogger.
	Dropped time.Duration

	// Slipped is by how much the clock was put back, in all, because chunks
	// could not be handed over in time; see Config.MaxLate.
	Slipped time.Duration
}

// Stats returns what the output has done so far. It may be called at any time
// from any goroutine, a neighbour's that is being told something included.
func (o *Output) Stats() Stats {
	o.statsMu.Lock()
	defer o.statsMu.Unlock()
	return o.told
}

// unlock ends a piece of work on the player, and lets its outcome be seen.
func (o *Output) unlock() {
	s := o.player.stats
	s.Format = o.player.format
	s.Speaking = o.player.speaking
	if s.Speech > 0 {
		s.SpeechEnd = o.player.speechEnd
	}
	s.Queued, s.Waiting = o.player.queued, o.player.marks
	o.statsMu.Lock()
	o.told = s
	o.statsMu.Unlock()
	o.mu.Unlock()
}
