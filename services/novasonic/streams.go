package novasonic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic/internal/bedrock"
	"github.com/parley-go/parley/services/novasonic/internal/continuity"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
)

// This file carries out what package continuity decides. It has no opinion on
// when to move: only on how.

const (
	// onsetLookBack is how far back a stream that takes over hears a sound that
	// is still going on: the beginning of speech is reported only after some of
	// it was heard, so what sounds like one may be.
	onsetLookBack = 1500 * time.Millisecond

	// deafLookBack is how far back a stream that takes over from a dead one
	// hears every sound that nobody answered: a peer that stalls may have heard
	// nothing for so long before that was noticed.
	deafLookBack = 15 * time.Second

	// stalledBehind is how far behind the user a stream is that has stopped
	// taking audio.
	stalledBehind = 500 * time.Millisecond

	// preRoll is how much from before a sound or an utterance is heard with it:
	// its beginning is soft, and detectors find it a little late.
	preRoll = 300 * time.Millisecond
)

// step tells the machine what has happened, nil for nothing in particular, and
// does what it decides.
func (v *conversation) step(ctx context.Context, e continuity.Event) {
	for _, d := range append([]continuity.Decision(nil), v.machine.Step(time.Now(), e, v.situation)...) {
		v.carryOut(ctx, d)
	}
	v.wake.set(v.machine.Wake())
}

// situation is what the moment is like.
func (v *conversation) situation() continuity.Situation {
	return continuity.Situation{
		UserSpeaking:  v.userSpeaking() && !v.speech.doubting,
		Unanswered:    v.unanswered() && !v.speech.doubting,
		AgentSpeaking: v.answering() || v.playing(),
		ToolPending:   v.awaitsTool() && !v.speech.doubting,
		Deaf:          v.listening.deaf(v.ring.end),
		Finishing:     v.speaks(v.draining),
	}
}

func (v *conversation) carryOut(ctx context.Context, d continuity.Decision) {
	switch d.Do {
	case continuity.Open:
		v.open(ctx, d)
	case continuity.Discard:
		v.discard(d)
	case continuity.Hurry:
		v.attempt.hurry(d.By)
	case continuity.Tell:
		v.tellReady(d)
	case continuity.Cut:
		v.cut(d)
	case continuity.Retire:
		v.retire(d)
	case continuity.Gone:
		v.leave(v.streams[d.Stream], d.Err)
	case continuity.Orphaned:
		v.orphaned(d)
	case continuity.Retried:
		v.log.Warn("open stream failed, trying again", "move", d.Move.Number, "reason", d.Move.Reason.String(), "attempt", d.Move.Attempts, "error", d.Err)
		if d.Move.Number > 0 {
			v.tellSwap(d.Move, SwapRetried, func(s *SwapStatus) { s.Err = d.Err })
		}
	case continuity.Revert:
		v.log.Error("settings refused, keeping the old ones", "error", d.Err)
		v.cfg = v.versions[d.Version]
		v.report(pipeline.Classify(judge(d.Err).Class, fmt.Errorf("change settings: the service refuses them, and the old ones are kept: %w", d.Err)))
	case continuity.Abandon:
		v.log.Warn("move abandoned", "move", d.Move.Number, "reason", d.Move.Reason.String(), "error", d.Err)
		v.tellSwap(d.Move, SwapAbandoned, func(s *SwapStatus) { s.Err = d.Err })
		delete(v.swaps, d.Move.Number)
		v.speech.doubting = false // there is no other stream to hear it
	case continuity.Fail:
		v.giveUp(d.Err)
	}
}

// ---- opening

// attempt is a stream that is being opened.
type attempt struct {
	id     int
	cancel context.CancelFunc
	hurry  func(by time.Time) // nobody listens any more: to be called once
}

// open opens a stream in the background.
func (v *conversation) open(ctx context.Context, d continuity.Decision) {
	by := d.By
	if d.Need == continuity.First {
		by = v.startBy
	}
	openCtx, cancelCause := context.WithCancelCause(ctx)
	cancel := func() { cancelCause(nil) }
	if !by.IsZero() {
		openCtx, cancel = context.WithDeadlineCause(ctx, by, ErrNotAccepted)
	}
	hurry := make(chan struct{})
	v.attempt = attempt{d.Stream, cancel, func(by time.Time) {
		close(hurry)
		timer := time.AfterFunc(time.Until(by), func() { cancelCause(ErrNotAccepted) })
		context.AfterFunc(openCtx, func() { timer.Stop() })
	}}

	cfg, o := v.versions[d.Version], dialOptions{lane: v.lane + d.Stream - 1, need: firstStream, hurry: hurry}
	note := ""
	switch d.Need {
	case continuity.First:
		o.since = v.began
	case continuity.Successor:
		o.need = standbyStream
		o.lane = v.listening.lane + 1 // not the connection of the stream that it is to follow
	case continuity.Orphan:
		o.need = orphanStream
	}
	if d.Need != continuity.First {
		note = v.cfg.Continuation.Note
		if v.swaps[d.Move.Number] == nil {
			v.log.Info("opening next stream", "move", d.Move.Number, "reason", d.Move.Reason.String(), "age", v.age())
			v.tellSwap(d.Move, SwapBegun, nil)
			v.summarize(ctx)
		}
	}
	v.tasks.Go(func() {
		defer cancel()
		if d.Need == continuity.Successor {
			v.closings.wait(openCtx) // so that no more than two are open
		}
		c, err := dial(openCtx, v.client, o, cfg, note, func(c *connection, e wire.Output) {
			_ = v.post(ctx, fromStream{c, e})
		})
		if c != nil {
			c.lane = o.lane
		}
		e := streamOpened{id: d.Stream, c: c, err: err, late: err != nil && openCtx.Err() != nil}
		if v.post(ctx, e) != nil && c != nil {
			c.close(hurriedFarewell, nil)
		}
	})
}

func (v *conversation) streamOpened(ctx context.Context, e streamOpened) {
	if e.err != nil {
		verdict := v.verdictOf(e.err)
		if e.late {
			verdict = continuity.GiveUp // there is no more time
		}
		v.step(ctx, continuity.Refused{Stream: e.id, Verdict: verdict, Err: e.err})
		return
	}
	c := e.c
	c.id = e.id
	if v.part == nil {
		v.part = v.client.join()
	}
	v.accepted++
	c.number = v.accepted
	v.streams[c.id] = c
	v.shared.update(func(s *Stats) { s.Streams++ })
	v.log.Info("stream opened", "stream", c.number, "took", time.Since(c.opened).Round(time.Millisecond))
	v.tasks.Go(func() {
		select {
		case <-c.ended:
			_ = v.post(ctx, streamEnded{c})
		case <-ctx.Done():
		}
	})
	v.step(ctx, continuity.Opened{Stream: c.id, At: c.opened, Expires: c.stream.CredentialsExpire()})
}

// discard closes a stream that has never listened, or stops opening it.
func (v *conversation) discard(d continuity.Decision) {
	if v.attempt.id == d.Stream {
		v.attempt.cancel()
	}
	if c := v.streams[d.Stream]; c != nil {
		v.log.Info("standby discarded", "move", d.Move.Number, "stream", c.number, "age", time.Since(c.opened).Round(time.Second))
		if c.role == standby && d.Move.Number > 0 {
			v.tellSwap(d.Move, SwapDiscarded, nil)
		}
		v.close(c)
	}
}

// close closes a stream in order, in the background.
func (v *conversation) close(c *connection) {
	c.role = closing
	v.closings.begin()
	v.tasks.Go(func() {
		defer v.closings.end()
		c.close(farewellTime, v.leaving)
	})
}

// ---- taking over

// cut makes a stream listen. All that the user says from here on is heard by it
// and by no other; before that it is told what was said, and hears again what
// nobody has answered.
func (v *conversation) cut(d continuity.Decision) {
	began := time.Now()
	next, old := v.streams[d.Stream], v.streams[d.From]

	if old != nil && (v.stuck(old) || v.doubtful(old) && !v.playing() && time.Since(old.lastEvent) >= deafAfter) {
		v.breakOff(old)
	}
	from, lost := v.replayFrom(old)
	v.speech.doubting = false
	v.hearAgain()
	replay, from := v.ring.since(from)
	if old != nil && (len(replay) > 0 || len(v.asked) > 0) {
		v.heardFragment(old)
	}
	told := v.history()
	history := shapeHistory(told[len(told)-len(told)>>min(v.halved, 16):])
	bytes := next.remember(history)
	next.listen(from)
	next.hear(replay, from)
	next.again = v.ring.firstSound(from) < v.ring.end
	v.listening = next
	if old != nil {
		v.draining, old.role = old, draining
	}
	if d.Move.Number == 0 {
		v.accounted = time.Now()
		if v.cfg.SpeakFirst != "" {
			// It is no part of what was said.
			v.asked = append(v.asked, &entry{role: User, text: v.cfg.SpeakFirst, askedAt: began})
		}
	}
	v.askAgain(len(replay) > 0)
	v.endAttempt(d.Stream)
	select {
	case v.first <- nil:
	default:
	}
	if d.Move.Number == 0 {
		return
	}
	v.accounted = time.Now()
	deaf := time.Duration(0)
	if old == nil {
		deaf = began.Sub(v.orphanedAt)
	}
	replayed := v.cfg.InputRate.Duration(int64(len(replay)))
	v.log.Info("stream took over", "move", d.Move.Number, "reason", d.Move.Reason.String(), "stream", next.number, "forced", d.Forced,
		"replayed", replayed, "history", bytes, "deaf", deaf.Round(time.Millisecond))
	v.tellSwap(d.Move, SwapCut, func(s *SwapStatus) {
		s.To, s.Forced = next.number, d.Forced
		s.Prepare, s.Wait = d.Move.Ready.Sub(d.Move.Begun), began.Sub(d.Move.Ready)
		s.Cut, s.Deaf = time.Since(began), deaf
		s.CutAt, s.Rate = v.callerAt(v.ring.end), v.cfg.InputRate
		s.Replayed, s.Lost, s.History = replayed, lost, bytes
		s.Overlapped = v.overlap(old, from)
	})
	if old == nil {
		v.tellSwap(d.Move, SwapGone, nil)
		delete(v.swaps, d.Move.Number)
		return
	}
	old.swap = v.swaps[d.Move.Number]
	old.cutAt = began
	delete(v.swaps, d.Move.Number)
}

// doubtful reports whether the stream that listens is left because it may be
// about to fail.
func (v *conversation) doubtful(c *connection) bool { return v.speech.doubting || c.deaf(v.ring.end) }

// overlap is how much of what is heard again from a position on the old stream
// had been sent.
func (v *conversation) overlap(old *connection, from audio.Position) time.Duration {
	began, end := v.deadFrom, v.deafFrom
	if old != nil {
		began, end = old.from, v.ring.end
	}
	return v.cfg.InputRate.Duration(int64(max(0, end-max(from, began))))
}

func (v *conversation) endAttempt(id int) {
	if v.attempt.id == id {
		v.attempt.cancel()
	}
}

// replayFrom is where on the ring a stream that takes over begins to hear, and
// how much of what it should have heard is no longer there. old is the stream
// that listened, nil if it has died.
func (v *conversation) replayFrom(old *connection) (from audio.Position, lost time.Duration) {
	s, rate := &v.speech, v.cfg.InputRate
	from = v.ring.end
	sound := func(p audio.Position) {
		if p < v.ring.end {
			from = min(from, p-audio.Position(rate.Samples(preRoll)))
		}
	}
	back := func(d time.Duration) audio.Position { return v.ring.end - audio.Position(rate.Samples(d)) }

	sound(v.ring.lastSound(max(s.answeredTo, back(onsetLookBack))))
	if s.told {
		// What was short may be over before the service has told of it.
		sound(v.ring.firstSound(max(s.answeredTo, v.ring.gap, back(onsetLookBack))))
	}
	switch { // whether or not a detector has told of it, which may miss what is soft
	case !s.told:
		sound(v.soundFrom(v.ring.end, 0))
	case old != nil && from < v.ring.end:
		// It ought to have told of this by now, or to be about to. If it does not
		// tell of anything, this is the end of something longer.
		sound(v.soundFrom(v.ring.end, back(min(time.Since(old.lastEvent), v.cfg.Keep)+onsetLookBack)))
	}
	if at, some := v.firstUnanswered(); some {
		sound(at)
	}
	given, heard, floor := v.deafFrom, v.heardTo, s.answeredTo
	if old != nil {
		given, heard = old.reached()
	}
	if old == nil || s.doubting || given < back(stalledBehind) {
		first := v.ring.firstSound(max(s.answeredTo, given-audio.Position(rate.Samples(deafLookBack))))
		sound(v.soundFrom(first, 0))
		// What it has not been given nobody has heard, and what it was given last
		// may have been lost on the way.
		floor = min(floor, max(s.silentFrom, heard))
		from = min(from, max(floor, heard), given)
	}
	from = max(from, min(floor, given))
	if missing := v.ring.start() - from; missing > 0 {
		lost = v.cfg.InputRate.Duration(int64(missing))
	}
	return from, lost
}

// askAgain asks what was typed and has no answer: behind what is heard again,
// which was said before it, whether or not anybody has told of that.
func (v *conversation) askAgain(replayed bool) {
	asked := v.asked
	v.asked = nil
	for _, e := range asked {
		if replayed {
			v.note(note{entry: e})
		} else {
			v.ask(e)
		}
	}
}

// ---- leaving

// serveDrain tells the machine when the old stream owes nothing any more.
func (v *conversation) serveDrain(ctx context.Context) {
	c := v.draining
	if c != nil && v.stuck(c) {
		v.breakOff(c)
	}
	if c == nil || v.owes(c) {
		return
	}
	v.step(ctx, continuity.Drained{Stream: c.id})
}

// owes reports whether a draining stream still has something to say that the
// user is to hear, or to tell.
func (v *conversation) owes(c *connection) bool {
	if c.dismissed {
		return false
	}
	if v.owesSpeech(c) || v.playing() && v.speaker == c {
		c.quietSince = time.Time{}
		return true
	}
	if c.quietSince.IsZero() {
		c.quietSince = time.Now()
	}
	return v.untoldOf(c) && time.Since(c.quietSince) < recordPatience
}

// recordPatience is how long the texts of record of what a draining stream said
// are waited for: they were measured to come up to 9 s after the audio.
const recordPatience = 10 * time.Second

// owesSpeech reports whether a stream will say something more.
func (v *conversation) owesSpeech(c *connection) bool {
	if v.speaks(c) {
		return true
	}
	if c.owesOutcome() {
		return true
	}
	for _, k := range v.calls {
		if k.c == c {
			return true
		}
	}
	return false
}

// endDrain ends what the old stream still had to say, because the user has
// taken the turn: what follows is between the user and the stream that listens.
func (v *conversation) endDrain() {
	c := v.draining
	if c == nil || c.dismissed {
		return
	}
	c.dismissed = true
	v.breakOff(c)
	v.forsakeCalls(c) // whoever listens is told
}

// heardFragment is called when a stream that listens no longer has heard a part
// of what the user said, or read what was typed, all of which the next one is
// given. It may finish what it is saying; what it would begin to say may be about
// that, though it is announced.
func (v *conversation) heardFragment(c *connection) {
	c.misled = true
	if r := c.reply; r != nil && !r.voiced {
		v.breakOff(c)
	}
	v.forsakeCalls(c)
}

// retire closes the stream that has drained.
func (v *conversation) retire(d continuity.Decision) {
	c := v.streams[d.Stream]
	v.endDrain()
	v.draining = nil
	v.log.Info("stream drained", "stream", c.number, "took", time.Since(c.cutAt).Round(time.Millisecond), "in time", !d.Forced)
	v.tellSwapOf(c.swap, SwapDrained, func(s *SwapStatus) { s.Drain = time.Since(c.cutAt) })
	v.close(c)
}

// leave takes leave of a stream that has ended.
func (v *conversation) leave(c *connection, err error) {
	if c == v.draining {
		v.endDrain()
		v.draining = nil
	}
	if c.role != closing {
		v.log.Warn("stream ended while it drained", "stream", c.number, "error", err)
		v.close(c)
		v.tellSwapOf(c.swap, SwapGone, func(s *SwapStatus) { s.Drain, s.Err = time.Since(c.cutAt), err })
	} else {
		v.tellSwapOf(c.swap, SwapClosed, nil)
	}
	c.swap = nil
	v.orphan(c)
	delete(v.streams, c.id)
}

// streamEnded handles the end of a stream, asked for or not.
func (v *conversation) streamEnded(ctx context.Context, c *connection) {
	if c.role == closing {
		v.leave(c, nil)
		return
	}
	err := c.endErr
	if err == nil {
		err = errors.New("the service ended the stream without a reason")
	}
	if c.role == standby {
		v.log.Warn("standby ended", "stream", c.number, "age", time.Since(c.opened).Round(time.Millisecond), "error", err)
		v.close(c)
		delete(v.streams, c.id)
	}
	v.step(ctx, continuity.Died{Stream: c.id, Verdict: v.verdictOf(err), Err: err})
}

// orphaned takes leave of the stream that listened and died.
func (v *conversation) orphaned(d continuity.Decision) {
	c := v.streams[d.Stream]
	age := time.Since(c.opened).Round(time.Millisecond)
	verdict := judge(d.Err)
	v.log.Warn("stream ended", "stream", c.number, "age", age, "reason", verdict.Reason.String(), "error", d.Err)
	v.listening, v.death = nil, d.Err
	v.orphanedAt = time.Now()
	v.deadFrom = c.from
	v.deafFrom, v.heardTo = c.reached()
	v.forsakeCalls(c)
	v.close(c)
	v.orphan(c)
	delete(v.streams, c.id)
	minds := false
	switch verdict.Reason {
	case bedrock.ReasonHistory, bedrock.ReasonContent, bedrock.ReasonProtocol, bedrock.ReasonToolResult:
		minds = true
	}
	if suspects, givenUp := v.suspect(minds, d.Err); minds && (!suspects || givenUp) {
		// The service minds something that it was told, and does not say what.
		v.halved++
		v.log.Warn("the next stream is told less of the history", "reason", verdict.Reason.String(), "error", d.Err)
	}
	v.shared.update(func(s *Stats) { s.Reconnects++ })
	v.report(pipeline.Classify(verdict.Class, fmt.Errorf("%v ended after %v, %w: %w", c, age, ErrContinuing, d.Err)))
	v.tellSwap(d.Move, SwapBegun, func(s *SwapStatus) { s.From, s.Err = c.number, d.Err })
}

// The weight of a stream that ends while something has no answer: more if the
// service has said that it minds something. What has weighed enough is given up:
// after two streams, or six.
const (
	endWeighs   = 1
	mindsWeighs = 3
	enough      = 6
)

// suspect is called when a stream has died. What the user has said or typed and
// nobody has answered is asked again, and may be what the service cannot bear:
// if it ends one stream after another, it is given up, so that the conversation
// is not. minds tells that the service has said that it minds something. suspect
// reports whether there was anything to suspect, and was given up.
func (v *conversation) suspect(minds bool, err error) (some, givenUp bool) {
	weigh := func(ends *int) (tooMany bool) {
		if minds {
			*ends += mindsWeighs
		} else {
			*ends += endWeighs
		}
		return *ends >= enough
	}
	some = len(v.asked) > 0
	kept := v.asked[:0]
	for _, e := range v.asked {
		if !weigh(&e.ends) {
			kept = append(kept, e)
			continue
		}
		givenUp = true
		e.text, e.pending = "", false // nor will it be told as history
		v.report(pipeline.Classify(frames.ErrorInvalidRequest, fmt.Errorf("a text of the user's is given up, since the service ended one stream after another that was given it: %w", err)))
	}
	v.asked = kept
	if _, said := v.firstUnanswered(); said {
		some = true
		if weigh(&v.speech.ends) {
			givenUp = true
			for _, e := range v.speech.texts {
				e.text = ""
			}
			v.letGo(v.ring.end)
			// Nor is the rest of it heard because the stream was not given all.
			end := min(v.ring.soundEnd(v.deafFrom), v.speech.answeredTo)
			v.deafFrom, v.heardTo = max(v.deafFrom, end), max(v.heardTo, end)
			v.report(pipeline.Classify(frames.ErrorInvalidRequest, fmt.Errorf("what the user said last is given up, since the service ended one stream after another that heard it: %w", err)))
		}
	}
	return some, givenUp
}

func (v *conversation) giveUp(err error) {
	if errors.Is(err, ErrNotAccepted) && v.death != nil {
		err = v.death // the time was over; that is why
	}
	if v.accepted > 0 {
		err = fmt.Errorf("%w: %w", ErrGaveUp, err)
	}
	v.fail(pipeline.Classify(judge(err).Class, err))
}

func (v *conversation) age() time.Duration {
	if v.listening == nil {
		return 0
	}
	return time.Since(v.listening.opened).Round(time.Second)
}

// judge says what a stream's failure means. What we ended ourselves because the
// service did not keep up is the service's failure.
func judge(err error) bedrock.Verdict {
	if errors.Is(err, ErrStalled) || errors.Is(err, ErrNotAccepted) || errors.Is(err, errConfused) {
		return bedrock.Verdict{Class: frames.ErrorConnectivity, Reason: bedrock.ReasonConnection, Action: bedrock.Retry}
	}
	return bedrock.Classify(err)
}

// verdictOf puts a verdict as the machine needs it. What nobody has seen before is
// tried again. So is what a conversation under way may hope to pass, since it
// has nothing to do with what the stream was told: a quota, credentials.
func (v *conversation) verdictOf(err error) continuity.Verdict {
	j := judge(err)
	passing := j.Action == bedrock.FixAndRetry && j.Class != frames.ErrorInvalidRequest || j.Reason == bedrock.ReasonNoCredentials
	switch {
	case j.Action == bedrock.Retry || j.Reason == bedrock.ReasonUnknown || passing && v.accepted > 0:
		return continuity.Retry
	case j.Action == bedrock.FixAndRetry:
		return continuity.Mend
	}
	return continuity.GiveUp
}

// ---- the application's wishes

// change takes new settings, which count from the next stream on.
func (v *conversation) change(ctx context.Context, s Settings) {
	next := s.apply(*v.cfg)
	if err := next.Validate(); err != nil {
		v.report(pipeline.Classify(frames.ErrorInvalidRequest, fmt.Errorf("change settings: %w", oneLine{err})))
		return
	}
	next = next.withDefaults()
	v.version++
	v.cfg = &next
	v.versions[v.version] = v.cfg
	for n := range v.versions {
		if n < v.machine.Oldest() {
			delete(v.versions, n)
		}
	}
	v.log.Info("settings changed", "version", v.version)
	v.step(ctx, continuity.Ask{Reason: continuity.Change, Version: v.version})
}

func (v *conversation) rotate(ctx context.Context, reason continuity.Reason, why string) {
	v.log.Info("move asked for", "reason", reason.String(), "why", why)
	v.step(ctx, continuity.Ask{Reason: reason})
}
