package turn

import (
	"context"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/mistakes"
)

// EndOfTurn is an end-of-turn model, which others call a turn detector: it tells
// a pause in which the caller thinks from one in which they wait for an answer.
//
// Its method returns how likely it is, from 0 to 1, that the turn is complete. A
// model that knows only yes and no returns 1 and 0. It is called on a goroutine of
// its own, never on that of the pipeline's frames; ctx ends with the deadline,
// when the caller goes on speaking, and with the run, and it must return soon
// after. It may be called again while an earlier call has not returned yet. It
// must not change u.Samples.
type EndOfTurn interface {
	EndOfTurn(ctx context.Context, u Utterance) (probability float64, err error)
}

// EndOfTurnFunc makes an EndOfTurn of a function.
type EndOfTurnFunc func(ctx context.Context, u Utterance) (probability float64, err error)

// EndOfTurn calls fn.
func (fn EndOfTurnFunc) EndOfTurn(ctx context.Context, u Utterance) (float64, error) {
	return fn(ctx, u)
}

// Utterance is what the caller has said so far in a turn.
type Utterance struct {
	// Text is what has been transcribed: what is not yet final included.
	Text string

	// Format and Samples are the last of the turn's audio, up to
	// SemanticConfig.Audio, from half a second before the turn on. There is
	// none if no AudioInput has come by.
	Format  audio.Format
	Samples []int16
}

// SemanticConfig says when a model is asked whether a turn has ended, and what if
// it does not say.
type SemanticConfig struct {
	// Model is asked. It is needed.
	Model EndOfTurn

	// Pause is how long the caller must have been silent before the model is
	// asked. It is asked again after each pause, and when the transcript has
	// changed. It is not asked before the detector has told the end of the voice,
	// which takes 800 ms by default: give vad.Params a Stop of 200 ms.
	// Default: 200 ms.
	Pause time.Duration

	// Threshold is how likely it must be that the turn is complete, from 0 to 1.
	// Default: 0.5.
	Threshold float64

	// Deadline is how long the model may take. Default: 500 ms.
	Deadline time.Duration

	// Fallback takes the model's place when it fails or is slow. Default:
	// Silence(1 s).
	Fallback Condition

	// Patience is how long a silence ends the turn whatever the model says.
	// Default: 3 s.
	Patience time.Duration

	// Audio is how much of the turn's audio the model gets at most. Default: 8 s.
	Audio time.Duration
}

func (c SemanticConfig) withDefaults() SemanticConfig {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&c.Pause, 200 * time.Millisecond},
		{&c.Deadline, 500 * time.Millisecond},
		{&c.Patience, 3 * time.Second},
		{&c.Audio, 8 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if c.Threshold == 0 {
		c.Threshold = 0.5
	}
	if c.Fallback == nil {
		c.Fallback = Silence(time.Second)
	}
	return c
}

// Semantic holds when the caller is silent and a model takes what they have said
// for a complete turn. It is for the end of a turn. The model cannot be quicker
// than the detector: see [SemanticConfig.Pause].
func Semantic(cfg SemanticConfig) Condition { return &semantic{cfg: cfg.withDefaults()} }

// opinion is what is known of what the model thinks of a pause.
type opinion uint8

const (
	unasked opinion = iota
	asked
	complete
	incomplete
	failed
)

// semantic asks for the model by its field wanted; the machine has it asked and
// brings the answer.
type semantic struct {
	cfg SemanticConfig

	opinion opinion
	ticket  int           // of the question
	wanted  bool          // the question is still to be put
	since   time.Duration // when the question came up
	pause   time.Duration // what it was about: the pause that began then …
	text    string        // … after this
	late    bool          // the model was too late, which is still to be reported
}

func (s *semantic) String() string       { return "Semantic" }
func (s *semantic) members() []Condition { return []Condition{s.cfg.Fallback} }

func (s *semantic) fresh() Condition {
	cfg := s.cfg
	cfg.Fallback = fresh(cfg.Fallback)
	return &semantic{cfg: cfg}
}

func (s *semantic) check() (wrong mistakes.List) {
	c := s.cfg
	if mistakes.IsNil(c.Model) {
		wrong.Add("Semantic: there is no model; set SemanticConfig.Model")
	}
	if !(c.Threshold >= 0 && c.Threshold <= 1) {
		wrong.Add("Semantic: a threshold of %v is no probability; it is between 0 and 1", c.Threshold)
	}
	timed := len(wrong)
	wrong.Duration("Semantic: Pause", c.Pause, leastTime, 0)
	wrong.Duration("Semantic: Deadline", c.Deadline, leastTime, 0)
	wrong.Duration("Semantic: Patience", c.Patience, leastTime, 0)
	wrong.Duration("Semantic: Audio", c.Audio, leastTime, 0)
	if len(wrong) == timed && c.Patience < c.Pause {
		wrong.Add("Semantic: the turn ends after %v, before the model is asked after %v; make Patience longer than Pause", c.Patience, c.Pause)
	}
	return wrong
}

func (s *semantic) Holds(f *Facts) (bool, time.Duration) {
	if !f.Turn || f.Voice {
		s.opinion, s.wanted = unasked, false
		return false, 0
	}
	pause := f.quietFrom()
	if f.Now < pause+s.cfg.Pause {
		return false, pause + s.cfg.Pause
	}
	if s.opinion == unasked || pause != s.pause || f.Text != s.text {
		s.opinion, s.wanted = asked, true
		s.ticket++
		s.since, s.pause, s.text = f.Now, pause, f.Text
	}
	if s.opinion == asked && f.Now >= s.since+s.cfg.Deadline {
		s.opinion, s.wanted, s.late = failed, false, true
	}
	end, again := f.Since(pause, s.cfg.Patience)
	fallback, sooner1 := s.cfg.Fallback.Holds(f)
	switch {
	case end || s.opinion == complete:
		return true, 0
	case s.opinion == asked:
		return false, sooner(again, s.since+s.cfg.Deadline)
	case s.opinion == failed:
		return fallback, sooner(again, sooner1)
	}
	return false, again
}

// answer takes what the model says.
func (s *semantic) answer(ticket int, probability float64, err error) {
	switch {
	case ticket != s.ticket || s.opinion != asked:
	case err != nil:
		s.opinion = failed
	case probability >= s.cfg.Threshold:
		s.opinion = complete
	default:
		s.opinion = incomplete
	}
}
