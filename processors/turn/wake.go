package turn

import (
	"slices"
	"time"

	"github.com/parley-go/parley/internal/mistakes"
	"github.com/parley-go/parley/internal/spoken"
)

// WakeConfig says what wakes the agent.
type WakeConfig struct {
	// Phrases are what can be said: "hey parley", "ok computer". At least one.
	// Case, punctuation and apostrophes do not matter; whole words do.
	Phrases []string

	// Timeout is how long the agent stays awake after the last that either of the
	// two has said. Default: 10 s.
	Timeout time.Duration

	// Once makes it fall asleep with the end of each turn.
	Once bool
}

const defaultWake = 10 * time.Second

// Wake holds while the agent is awake and something is said. It wakes when one
// of the phrases is in an interim or final transcript; the utterance with the
// phrase in it is the first one that counts. What was said before is forgotten,
// so put the recogniser before the turn: what comes behind it can't be kept from
// the model.
func Wake(cfg WakeConfig) Condition {
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultWake
	}
	w := &wake{cfg: cfg}
	for _, p := range cfg.Phrases {
		w.phrases = append(w.phrases, spoken.Words(p))
	}
	return w
}

type wake struct {
	cfg     WakeConfig
	phrases [][]string

	text  string        // the last that was looked at
	said  bool          // the phrase is in this utterance
	until time.Duration // awake until then
	busy  bool          // awake, and somebody was speaking, or a function ran, when it was asked last
}

func (w *wake) String() string { return "Wake" }

func (w *wake) fresh() Condition {
	return &wake{cfg: w.cfg, phrases: w.phrases}
}

func (w *wake) check() (wrong mistakes.List) {
	if len(w.phrases) == 0 {
		wrong.Add("Wake: there is no phrase; give WakeConfig.Phrases at least one")
	}
	for i, p := range w.phrases {
		if len(p) == 0 {
			wrong.Add("Wake: phrase %d, %q, has no word in it; give it one or leave it out", i+1, w.cfg.Phrases[i])
		}
	}
	wrong.Duration("Wake: Timeout", w.cfg.Timeout, leastTime, 0)
	return wrong
}

func (w *wake) Holds(f *Facts) (bool, time.Duration) {
	if f.Text != w.text {
		w.text = f.Text
		w.said = w.heard(f.Text)
		if w.said {
			w.until = max(w.until, f.Now+w.cfg.Timeout)
		}
	}
	if w.cfg.Once {
		return w.said, 0
	}
	if w.busy { // which lasted up to now
		w.until = f.Now + w.cfg.Timeout
	}
	awake := f.Now < w.until
	w.busy = awake && (f.Turn || f.Voice || f.BotSpeaking || f.Tools > 0)
	if !awake {
		return false, 0
	}
	return f.Voice || f.Words > 0, w.until
}

// heard reports whether one of the phrases is in a text.
func (w *wake) heard(text string) bool {
	words := spoken.Words(text)
	for _, p := range w.phrases {
		for i := range words {
			if len(words)-i >= len(p) && slices.Equal(words[i:i+len(p)], p) {
				return true
			}
		}
	}
	return false
}
