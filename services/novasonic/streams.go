package novasonic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
)

const (
	// replayMargin is how much audio from before a stream's death its successor
	// hears where nobody was known to speak: a beginning of speech is not
	// reported until some of it was heard.
	replayMargin = 1500 * time.Millisecond

	// healthyAge is the age from which on a stream has proved itself.
	healthyAge = 20 * time.Second

	firstPause = 250 * time.Millisecond
	maxPause   = 4 * time.Second
)

// open opens a stream in the background, trying again until deadline (zero: none)
// as long as the failures may pass. It will hear the user from position from of
// the ring on.
func (v *conversation) open(ctx context.Context, deadline time.Time, from audio.Position) {
	v.opening = true
	history := shapeHistory(v.past.messages())
	number, attempts := v.opened+1, v.cfg.OpenAttempts
	if v.opened > 0 {
		attempts = 0 // the time is what bounds them
	}
	v.tasks.Go(func() {
		openCtx, cancel := ctx, context.CancelFunc(func() {})
		if !deadline.IsZero() {
			openCtx, cancel = context.WithDeadlineCause(ctx, deadline, ErrNotAccepted)
		}
		defer cancel()
		c, err := v.dialWithRetries(ctx, openCtx, number, history, attempts)
		if v.post(ctx, streamOpened{c: c, from: from, err: err}) != nil && c != nil {
			c.close(time.Second)
		}
	})
}

// dialWithRetries dials until it has a stream, the failure cannot pass, the
// attempts are used up (0: no bound) or openCtx ends. Events of the stream are
// delivered until ctx ends.
func (v *conversation) dialWithRetries(ctx, openCtx context.Context, number int, history []Message, attempts int) (*connection, error) {
	for attempt := 1; ; attempt++ {
		c, err := dial(openCtx, v.dialer, v.cfg, number, history, func(c *connection, e wire.Output) {
			_ = v.post(ctx, fromStream{c, e})
		})
		if err == nil {
			return c, nil
		}
		if attempt == attempts || openCtx.Err() != nil || judge(err).Action != bedrock.Retry {
			return nil, err
		}
		pause := pauseBefore(attempt)
		v.log.Warn("open stream failed, trying again", "stream", number, "attempt", attempt, "in", pause, "error", err)
		select {
		case <-time.After(pause):
		case <-openCtx.Done():
			return nil, err
		}
	}
}

// pauseBefore is how long to wait after the nth failure in a row: it grows, and
// is drawn at random, so that conversations which failed together try again
// apart.
func pauseBefore(n int) time.Duration {
	wait := min(firstPause<<min(n, 10), maxPause)
	return wait/2 + rand.N(wait/2)
}

// judge says what a stream's failure means. What we ended ourselves because the
// service did not keep up is the service's failure.
func judge(err error) bedrock.Verdict {
	if errors.Is(err, ErrStalled) || errors.Is(err, ErrNotAccepted) || errors.Is(err, errConfused) {
		return bedrock.Verdict{Class: frames.ErrorConnectivity, Reason: bedrock.ReasonConnection, Action: bedrock.Retry}
	}
	return bedrock.Classify(err)
}

func (v *conversation) streamOpened(ctx context.Context, e streamOpened) {
	v.opening = false
	if e.err != nil {
		if errors.Is(e.err, ErrNotAccepted) && v.death != nil {
			e.err = v.death // the time was over; that is why
		}
		if v.opened > 0 {
			e.err = fmt.Errorf("%w: %w", ErrGaveUp, e.err)
		}
		v.fail(pipeline.Classify(judge(e.err).Class, e.err))
		return
	}
	c := e.c
	v.opened++
	v.listening = c
	v.shared.update(func(s *Stats) { s.Streams++ })
	v.log.Info("stream opened", "stream", c.number, "took", time.Since(c.opened).Round(time.Millisecond))

	c.listen()
	replay, from := v.ring.since(e.from)
	c.hear(replay, from)
	v.accounted = time.Now()
	if v.opened == 1 && v.cfg.SpeakFirst != "" {
		c.say(v.cfg.SpeakFirst, v.ring.end)
	}
	for _, e := range v.asked {
		if v.unanswered {
			v.note(e.text) // what is replayed is answered first
			continue
		}
		c.say(e.text, v.ring.end)
	}
	v.tasks.Go(func() {
		select {
		case <-c.ended:
			_ = v.post(ctx, streamEnded{c})
		case <-ctx.Done():
		}
	})
	select {
	case v.first <- nil:
	default:
	}
}

// retire closes a stream in the background.
func (v *conversation) retire(c *connection, within time.Duration) {
	c.retired = true
	v.tasks.Go(func() { c.close(within) })
}

// streamEnded follows a stream that died with another one.
func (v *conversation) streamEnded(ctx context.Context, c *connection) {
	if c.retired {
		return
	}
	v.listening = nil
	v.retire(c, farewellTime)
	age := time.Since(c.opened)
	err := c.endErr
	if err == nil {
		err = errors.New("the service ended the stream without a reason")
	}
	v.death = err
	verdict := judge(err)
	v.log.Warn("stream ended", "stream", c.number, "age", age.Round(time.Millisecond), "reason", verdict.Reason.String(), "error", err)
	v.orphan(c)

	if age >= healthyAge {
		v.deaths, v.trouble = 0, time.Time{}
	}
	if v.trouble.IsZero() {
		v.trouble = time.Now()
	}
	if verdict.Action == bedrock.GiveUp && verdict.Reason != bedrock.ReasonUnknown || time.Since(v.trouble) >= v.cfg.GiveUpAfter {
		v.fail(pipeline.Classify(verdict.Class, fmt.Errorf("%w: %w", ErrGaveUp, err)))
		return
	}
	if verdict.Action == bedrock.FixAndRetry {
		// The service minds something that it was told, and does not say what.
		v.past.forgetHalf()
	}
	v.shared.update(func(s *Stats) { s.Reconnects++ })
	v.report(pipeline.Classify(verdict.Class, fmt.Errorf("%v ended after %v, continuing on another: %w", c, age.Round(time.Millisecond), err)))
	// The first to die is replaced at once; those that die as soon as they are
	// opened are given time.
	v.deaths++
	v.opening = true
	if v.deaths == 1 {
		v.reopen(ctx)
		return
	}
	v.after(ctx, pauseBefore(v.deaths-1), reopen{})
}

// reopen opens the successor of a stream that died.
func (v *conversation) reopen(ctx context.Context) {
	from := v.turnEnd
	if !v.unanswered && v.speechTold {
		from = max(from, v.ring.end-audio.Position(v.cfg.InputRate.Samples(replayMargin)))
	}
	// What will be heard again is transcribed again.
	for _, e := range v.heardOf {
		e.text = ""
	}
	v.heardOf = nil
	v.open(ctx, v.trouble.Add(v.cfg.GiveUpAfter), from)
}
