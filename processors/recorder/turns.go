package recorder

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/audiofile"
)

// Turn is what one of the two said before the other did, mono.
type Turn struct {
	Number      int // 1 is the first that ended
	Voice       Voice
	Response    string         // of the agent, if the service names it
	Start, End  audio.Position // on the conversation's clock at Rate
	Rate        audio.SampleRate
	Samples     []int16 // as heard; the receiver may keep them
	Interrupted bool    // the agent was, by the caller
}

// Duration returns how long the turn is.
func (t Turn) Duration() time.Duration { return t.Rate.Duration(int64(t.End - t.Start)) }

// save writes the turn to a file in folder.
func (t Turn) save(folder string) error {
	path := filepath.Join(folder, fmt.Sprintf("%04d-%v.wav", t.Number, t.Voice))
	w, err := audiofile.Create(path, audio.Mono(t.Rate))
	if err != nil {
		return fmt.Errorf("record turn: %w", err)
	}
	if err := errors.Join(w.Write(t.Samples), w.Close()); err != nil {
		return fmt.Errorf("record turn: %w", err)
	}
	return nil
}

// turns keeps book of who is speaking, and of what has ended and is not yet
// complete.
type turns struct {
	speaking [voices]bool
	open     [voices]Turn
	ended    []Turn
	count    int
}

func (t *turns) begin(v Voice, at audio.Position, response string) {
	if t.speaking[v] {
		return // the same news by another way
	}
	t.speaking[v], t.open[v] = true, Turn{Voice: v, Start: at, Response: response}
}

func (t *turns) end(v Voice, at audio.Position, interrupted bool) {
	if !t.speaking[v] {
		return
	}
	t.speaking[v] = false
	turn := t.open[v]
	turn.End, turn.Interrupted = max(at, turn.Start), interrupted
	t.ended = append(t.ended, turn)
}

func (t *turns) endAll(at audio.Position) {
	for v := range voices {
		t.end(v, at, false)
	}
}

// next takes the first turn that is complete.
func (t *turns) next(complete func(Voice, audio.Position) bool) (Turn, bool) {
	if len(t.ended) == 0 || !complete(t.ended[0].Voice, t.ended[0].End) {
		return Turn{}, false
	}
	turn := t.ended[0]
	t.ended = t.ended[1:]
	t.count++
	turn.Number = t.count
	return turn, true
}
