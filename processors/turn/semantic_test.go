package turn_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/processors/turn"
)

// model is an end-of-turn model that notes down what it is asked, takes its time and says what
// the test tells it to.
type model struct {
	asked     []turn.Utterance
	says      float64
	err       error
	takes     time.Duration
	cancelled int
}

func (m *model) EndOfTurn(ctx context.Context, u turn.Utterance) (float64, error) {
	m.asked = append(m.asked, u)
	says, err := m.says, m.err
	select {
	case <-time.After(m.takes):
		return says, err
	case <-ctx.Done():
		m.cancelled++
		return 0, ctx.Err()
	}
}

func judging(m *model) turn.Config {
	return turn.Config{End: turn.Semantic(turn.SemanticConfig{Model: m, Pause: 300 * ms, Patience: 4 * time.Second})}
}

func TestAModelThatSaysCompleteEndsTheTurnAtOnce(t *testing.T) {
	m := &model{says: 0.8, takes: 100 * ms}
	holding(t, judging(m), func(c *call) {
		c.speaks(time.Second)
		c.text("what time is it")
		c.wait(80 * ms)
		c.then("before it is asked, 300 ms after the voice", "interrupt", "started", "what time is it")
		c.wait(100 * ms)
		c.then("while it thinks")
		c.wait(20 * ms)
		c.then("when it has said so", "stopped")
		if len(m.asked) != 1 || m.asked[0].Text != "what time is it" {
			t.Fatalf("it was asked %d times, first about %+v", len(m.asked), m.asked)
		}
	})
}

func TestAModelHearsTheTurnAndALittleBefore(t *testing.T) {
	m := &model{says: 1}
	holding(t, judging(m), func(c *call) {
		c.wait(5 * time.Second)
		c.speaks(time.Second)
		c.wait(400 * ms)
		u := m.asked[0]
		// 0.5 s before, 1 s of voice, and the pause until it is asked.
		if got := u.Format.Duration(len(u.Samples)); u.Format != audio.Mono(rate) || !near(got, 1800*ms, 40*ms) {
			t.Errorf("it got %v of %v", got, u.Format)
		}
		voiced := 0
		for _, s := range u.Samples {
			if s != 0 {
				voiced++
			}
		}
		if int64(voiced) != rate.Samples(time.Second) {
			t.Errorf("it got %d samples of the voice, want all %d", voiced, rate.Samples(time.Second))
		}
	})
	m = &model{says: 1}
	holding(t, judging(m), func(c *call) {
		c.speaks(20 * time.Second)
		c.wait(400 * ms)
		if u := m.asked[0]; u.Format.Duration(len(u.Samples)) != 8*time.Second {
			t.Errorf("of a long turn it got %v, want the last 8 s", u.Format.Duration(len(u.Samples)))
		}
	})
}

func TestAModelHearsNoMoreThanItWants(t *testing.T) {
	m := &model{says: 1}
	cfg := turn.Config{End: turn.Semantic(turn.SemanticConfig{Model: m, Audio: 50 * ms})} // which is no whole number of frames
	holding(t, cfg, func(c *call) {
		c.speaks(time.Second)
		c.wait(400 * ms)
		if u := m.asked[0]; u.Format.Duration(len(u.Samples)) != 50*ms {
			t.Errorf("it got %v", u.Format.Duration(len(u.Samples)))
		}
	})
}

func TestAModelIsAskedAboutWordsWithoutAudio(t *testing.T) {
	m := &model{says: 1}
	holding(t, judging(m), func(c *call) {
		c.mute = true
		c.text("hello")
		c.wait(time.Second)
		c.then("as it says", "interrupt", "started", "hello", "stopped")
		if len(m.asked) != 1 || m.asked[0].Samples != nil || m.asked[0].Text != "hello" {
			t.Errorf("it was asked %+v", m.asked)
		}
	})
}

func TestAModelHearsAudioOfOneFormat(t *testing.T) {
	m := &model{says: 1}
	holding(t, judging(m), func(c *call) {
		c.mute = true
		c.starts()
		slow := audio.Mono(audio.Rate8k)
		c.Send(&frames.AudioInput{Audio: frames.Audio{Format: slow, Samples: make([]int16, 160), Track: "caller"}})
		c.mute, c.at = false, 320
		c.wait(time.Second)
		c.stops()
		c.wait(400 * ms)
		if u := m.asked[0]; u.Format != audio.Mono(rate) || !near(u.Format.Duration(len(u.Samples)), 1300*ms, 40*ms) {
			t.Errorf("it got %v of %v", u.Format.Duration(len(u.Samples)), u.Format)
		}
	})
}

func TestAModelThatSaysIncompleteLetsTheCallerThink(t *testing.T) {
	m := &model{says: 0.3}
	holding(t, judging(m), func(c *call) {
		c.speaks(time.Second)
		c.text("I would like")
		c.wait(3 * time.Second)
		c.then("3.2 s after the voice", "interrupt", "started", "I would like")
		m.says = 0.9
		c.speaks(time.Second)
		c.text("a pizza")
		c.wait(200 * ms)
		c.then("after the next pause", "a pizza", "stopped")
		if last := m.asked[len(m.asked)-1]; last.Text != "I would like a pizza" {
			t.Errorf("it was asked about %q last", last.Text)
		}
	})
}

func TestPatienceEndsWhatAModelTakesForIncomplete(t *testing.T) {
	holding(t, judging(&model{says: 0}), func(c *call) {
		c.speaks(time.Second)
		c.wait(3780 * ms)
		c.then("before 4 s", "interrupt", "started")
		c.wait(40 * ms)
		c.then("after them", "stopped")
	})
}

func TestAModelThatFailsOrIsSlowIsReplacedByTheFallbackAndReported(t *testing.T) {
	for name, m := range map[string]*model{
		"fails":   {err: errors.New("out of memory")},
		"is slow": {takes: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			holding(t, judging(m), func(c *call) {
				c.speaks(time.Second)
				c.wait(780 * ms)
				c.then("before 1 s of silence", "interrupt", "started")
				c.wait(40 * ms)
				c.then("after it", "stopped")
				if c.reported(turn.ErrEndOfTurn) != 1 {
					t.Errorf("the errors are %v", c.Errors())
				}
			})
		})
	}
}

func TestAModelThatPanicsIsReplacedByTheFallbackAndReported(t *testing.T) {
	cfg := turn.Config{End: turn.Semantic(turn.SemanticConfig{Model: turn.EndOfTurnFunc(func(context.Context, turn.Utterance) (float64, error) { panic("no, thanks") })})}
	holding(t, cfg, func(c *call) {
		c.speaks(time.Second)
		c.wait(5 * time.Second)
		c.then("without the model", "interrupt", "started", "stopped")
		if c.reported(turn.ErrEndOfTurn) == 0 {
			t.Errorf("the errors are %v", c.Errors())
		}
	})
}

func TestAModelIsCalledOffWhenTheCallerGoesOn(t *testing.T) {
	m := &model{says: 1, takes: 400 * ms}
	holding(t, judging(m), func(c *call) {
		c.speaks(time.Second)
		c.wait(200 * ms)
		c.starts()
		if len(m.asked) != 1 || m.cancelled != 1 {
			t.Errorf("it was asked %d times, of which %d were called off", len(m.asked), m.cancelled)
		}
		c.wait(time.Second)
		c.then("the turn goes on", "interrupt", "started")
		if len(c.Errors()) != 0 {
			t.Errorf("that is reported: %v", c.Errors())
		}
	})
}

func TestAnAnswerAboutWhatHasChangedSinceDoesNotCount(t *testing.T) {
	m := &model{says: 1, takes: 400 * ms}
	holding(t, judging(m), func(c *call) {
		c.speaks(time.Second)
		c.wait(300 * ms) // asked 200 ms ago
		m.says = 0
		c.text("because") // asked again
		c.wait(time.Second)
		c.then("it said complete of what was before", "interrupt", "started", "because")
		if len(m.asked) != 2 {
			t.Errorf("it was asked %d times, want 2", len(m.asked))
		}
	})
}

func TestAModelThatThinksHoldsUpNobody(t *testing.T) {
	m := &model{takes: 450 * ms}
	holding(t, judging(m), func(c *call) {
		c.speaks(time.Second)
		c.wait(100 * ms)
		c.All()
		c.wait(20 * ms) // Send waits in virtual time for what does not pass
		if got := len(c.All()); got != 1 {
			t.Errorf("%d frames passed while the model thought, want the caller's audio", got)
		}
	})
}

func TestAModelHearsNothingFromBeforeThePositionsBeganAnew(t *testing.T) {
	m := &model{says: 1}
	holding(t, judging(m), func(c *call) {
		c.wait(2 * time.Second)
		c.at = 0
		c.wait(time.Second)
		c.speaks(time.Second)
		c.wait(400 * ms)
		// 0.5 s before, 1 s of voice, and the pause until it is asked.
		if got := m.asked[0].Format.Duration(len(m.asked[0].Samples)); !near(got, 1800*ms, 40*ms) {
			t.Errorf("it got %v", got)
		}
	})
}

// Without a detector, a pause begins with the last transcript, and each is asked
// about, though the words are the same.
func TestAModelIsAskedAgainAfterEachPause(t *testing.T) {
	m := &model{says: 0}
	holding(t, judging(m), func(c *call) {
		c.interim("so")
		c.wait(time.Second)
		c.then("it says incomplete", "interrupt", "started")
		m.says = 1
		c.text("so")
		c.wait(280 * ms)
		c.then("when the transcript is final", "so")
		c.wait(20 * ms)
		c.then("300 ms later", "stopped")
		if len(m.asked) != 2 {
			t.Errorf("it was asked %d times, want 2", len(m.asked))
		}
	})
}
