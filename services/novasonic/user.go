package novasonic

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
)

// ---- what comes from the pipeline

func (v *conversation) userAudio(f *frames.AudioInput) {
	samples, err := v.input.convert(f)
	if err != nil {
		v.report(pipeline.Classify(frames.ErrorInvalidRequest, err))
		return
	}
	if len(samples) == 0 {
		return
	}
	v.track = f.Track
	v.follow(f.Position.At(f.Format.Rate, v.cfg.InputRate), len(samples))
	from := v.ring.end
	v.ring.write(samples)
	v.accounted = time.Now()
	if c := v.listening; c != nil {
		c.hear(samples, from)
	}
}

// follow notes where on the caller's track the next n samples of the ring are.
// The two clocks run in step, but for audio that never came: a muted
// microphone, frames that were dropped. Rounding between sample rates is no
// such gap.
func (v *conversation) follow(at audio.Position, n int) {
	slack := audio.Position(v.cfg.InputRate.Samples(10 * time.Millisecond))
	if expected := v.caller.user(v.caller.sent); v.caller.sent > 0 && at-expected < slack && expected-at < slack {
		at = expected
	}
	v.caller.audio(at, n)
}

// callerAt returns the position on the caller's track of a position of the ring.
func (v *conversation) callerAt(p audio.Position) audio.Position { return v.caller.user(p) }

// keepAlive fills in for a microphone that sends nothing, and returns when to
// look again.
func (v *conversation) keepAlive() time.Duration {
	if v.cfg.KeepAlive < 0 {
		return time.Hour
	}
	missing := time.Since(v.accounted)
	if missing < v.cfg.KeepAlive {
		return v.cfg.KeepAlive - missing
	}
	if c := v.listening; c != nil {
		c.silence(v.cfg.InputRate.Samples(missing), v.ring.end)
	}
	v.accounted = time.Now()
	return min(v.cfg.KeepAlive, 100*time.Millisecond)
}

// say passes on what the user has typed. It is answered, or interrupts the
// answer in progress.
func (v *conversation) say(text string) {
	if v.cfg.Model == ModelV1 {
		v.report(pipeline.Classify(frames.ErrorInvalidRequest, fmt.Errorf("%w: %s", ErrTextUnsupported, v.cfg.Model)))
		return
	}
	e := v.past.reserve(User)
	e.text, e.pending = text, true
	v.asked = append(v.asked, e)
	if c := v.listening; c != nil {
		c.say(text, v.ring.end)
	}
}

// note says something for the user as soon as that interrupts nobody.
func (v *conversation) note(text string) {
	if len(v.notes) == 0 {
		v.notesSince = time.Now()
		v.quietSince = v.notesSince
	}
	v.notes = append(v.notes, text)
}

func (v *conversation) sayNotes() {
	c := v.listening
	if len(v.notes) == 0 || c == nil {
		return
	}
	now := time.Now()
	if v.answering() || v.playing() || v.unanswered {
		v.quietSince = now
	}
	// The service's idea of when an answer has been heard lags a little.
	if now.Sub(v.quietSince) < noteQuiet && now.Sub(v.notesSince) < notePatience {
		return
	}
	for _, text := range v.notes {
		c.say(text, v.ring.end)
	}
	v.notes = nil
}

// maxDigits bounds a sequence of keys; card numbers have 19.
const maxDigits = 64

func (v *conversation) key(ctx context.Context, digit byte) {
	if v.cfg.DTMF.Ignore {
		return
	}
	v.digits = append(v.digits, digit)
	v.dtmfSeq++
	if v.dtmf != nil {
		v.dtmf.Stop()
	}
	if digit == '#' || len(v.digits) == maxDigits {
		v.keysDone()
		return
	}
	v.dtmf = v.after(ctx, v.cfg.DTMF.Timeout, keysPressed{v.dtmfSeq})
}

func (v *conversation) keysDone() {
	if len(v.digits) == 0 {
		return
	}
	text := v.cfg.DTMF.Format(string(v.digits))
	v.digits = v.digits[:0]
	v.say(text)
}

// ---- what the service makes of it

func (v *conversation) userSpeechStart(c *connection, e *wire.UserSpeechStart) {
	at := c.clock.user(audio.Position(v.cfg.InputRate.Samples(e.Offset)))
	c.speech = utterance{number: c.speech.number + 1, start: at}
	v.speechTold = true
	if c == v.listening && !v.unanswered {
		v.turnEnd, v.unanswered = at, true
	}
	if at > v.startTold || v.startTold == 0 {
		v.startTold = at
		v.tellBoth(&frames.UserStartedSpeaking{Track: v.track, Position: v.callerAt(at), Rate: v.cfg.InputRate})
	}
	if v.playing() && v.speaker != c {
		// The stream that is being heard is gone: nobody else would notice.
		v.bargeIn(c)
	}
}

func (v *conversation) userSpeechEnd(c *connection, e *wire.UserSpeechEnd) {
	at := c.clock.user(audio.Position(v.cfg.InputRate.Samples(e.Offset)))
	c.speech.end = at
	if at > v.stopTold {
		v.stopTold = at
		v.tellBoth(&frames.UserStoppedSpeaking{Track: v.track, Position: v.callerAt(at), Rate: v.cfg.InputRate})
	}
}

// tellBoth sends a speaking event to those before and after the service.
func (v *conversation) tellBoth(f frames.Frame) {
	v.emit(f)
	v.send(parcel{frame: f, gen: v.out.Generation(), dir: frames.Upstream})
}

// userSaid handles a transcript of the user's. An utterance may have several.
func (v *conversation) userSaid(c *connection, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return // seen after turns that were typed
	}
	if r := c.reply; r != nil && v.isNewTurn(c, r) {
		// The user has spoken over what is still heard. That is a barge-in,
		// marker or not: some builds send none.
		if v.playing() && !r.cut {
			v.bargeIn(c)
		}
		v.closeReply(r)
	}
	e := v.past.reserve(User)
	e.text, e.pending = text, true
	v.heardOf = append(v.heardOf, e)
	if !v.unanswered {
		v.unanswered = true // turnEnd is where the last answer began
	}

	f := &frames.Transcription{Text: text, Track: v.track}
	if v.speechTold && c.speech.number > 0 {
		end := c.speech.end
		if end == 0 {
			end = c.clock.user(c.clock.sent)
		}
		if c.speech.start < v.transcribed {
			return // a replay: the pipeline knows it
		}
		f.Start, f.End, f.Rate = v.callerAt(c.speech.start), v.callerAt(end), v.cfg.InputRate
		defer func() { v.transcribed = max(v.transcribed, c.speech.start+1) }()
	}
	v.emit(f)
}

// isNewTurn reports whether a transcript that comes now is of another utterance
// than the one that r answers.
func (v *conversation) isNewTurn(c *connection, r *reply) bool {
	if v.speechTold {
		return c.speech.number > r.after
	}
	return time.Since(r.since) > time.Second
}

// answered notes that everything the user has said or typed so far is being
// answered, and need not be asked again on another stream.
func (v *conversation) answered(c *connection) {
	if c != v.listening {
		return
	}
	for _, e := range v.asked {
		e.pending = false
	}
	for _, e := range v.heardOf {
		e.pending = false
	}
	v.asked, v.heardOf = nil, nil
	v.unanswered = false
	v.turnEnd = v.ring.end
	if v.speechTold && c.speech.end > 0 {
		v.turnEnd = c.speech.end
	}
}
