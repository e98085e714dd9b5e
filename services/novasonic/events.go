package novasonic

import (
	"context"
	"fmt"
	"strings"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
)

// serviceEvent handles what a stream sent. All state of a block is kept by its
// contentId: the late FINAL texts of one answer overlap the next turn, and two
// tool calls may be open at once.
func (v *conversation) serviceEvent(ctx context.Context, c *connection, event wire.Output) {
	switch e := event.(type) {
	case *wire.ContentStart:
		v.contentStart(c, e)
	case *wire.TextOutput:
		v.textOutput(c, e)
	case *wire.AudioOutput:
		v.audioOutput(c, e)
	case *wire.ContentEnd:
		v.contentEnd(c, e)
	case *wire.ToolUse:
		v.toolUse(ctx, c, e)
	case *wire.UserSpeechStart:
		v.userSpeechStart(c, e)
	case *wire.UserSpeechEnd:
		v.userSpeechEnd(c, e)
	case *wire.UsageEvent:
		v.usageEvent(e)
	}
	// completionStart and completionEnd bracket the prompt, not the turn, from
	// Nova 2 on, and tell nothing that the blocks do not tell better.
}

// maxBlocks bounds the blocks that a stream may have open.
const maxBlocks = 256

func (v *conversation) contentStart(c *connection, e *wire.ContentStart) {
	if len(c.blocks) >= maxBlocks {
		c.fail(fmt.Errorf("%w: more than %d content blocks are open", errConfused, maxBlocks))
		return
	}
	b := &block{kind: e.Type, role: e.Role, stage: e.Stage}
	c.blocks[e.ContentID] = b
	if e.Type == wire.TypeAudio {
		b.reply = v.replyOf(c)
		b.of = v.sentenceFor(c, b.reply)
	}
}

// replyOf returns the answer that new speech of a stream belongs to: the one
// in progress, or a new one.
func (v *conversation) replyOf(c *connection) *reply {
	if c.reply == nil || c.reply.closed {
		v.replies++
		c.reply = &reply{id: fmt.Sprintf("response-%d", v.replies)}
	}
	return c.reply
}

// sentenceFor returns the announced sentence that a block of audio speaks: the
// first that has had none. Audio without an announcement has a sentence
// without words.
func (v *conversation) sentenceFor(c *connection, r *reply) *sentence {
	for _, s := range c.spoken {
		if s.reply == r && !s.voiced {
			return s
		}
	}
	return v.newSentence(c, r, "")
}

// newSentence gives a sentence its place in the answer and in the transcript.
func (v *conversation) newSentence(c *connection, r *reply, text string) *sentence {
	s := &sentence{reply: r, announced: text, from: v.track, to: v.track, said: v.past.reserve(Assistant)}
	c.spoken = append(c.spoken, s)
	return s
}

func (v *conversation) textOutput(c *connection, e *wire.TextOutput) {
	b := c.blocks[e.ContentID]
	if b == nil {
		return
	}
	switch {
	case e.Interrupted:
		b.text = "" // the marker, no words
		v.bargeIn(c)
	case b.role == wire.RoleAssistant && b.stage == wire.StageSpeculative:
		v.announced(c, b, e.Text)
	default:
		b.text += e.Text
	}
}

// announced begins or continues an answer with a sentence that is about to be
// spoken.
func (v *conversation) announced(c *connection, b *block, text string) {
	if b.reply != nil { // the block goes on: the sentence has more words
		b.of.announced += text
	} else {
		b.reply = v.replyOf(c)
		b.of = v.newSentence(c, b.reply, text)
	}
	if b.reply.cut {
		return
	}
	v.begin(b.reply)
	v.emit(&frames.LLMText{Response: b.reply.id, Text: text})
}

func (v *conversation) begin(r *reply) {
	if r.begun {
		return
	}
	r.begun = true
	v.emit(&frames.LLMResponseStart{Response: r.id})
	v.emit(&frames.TTSStart{Response: r.id})
}

func (v *conversation) audioOutput(c *connection, e *wire.AudioOutput) {
	b := c.blocks[e.ContentID]
	if b == nil || b.of == nil || b.reply.cut || len(e.Samples) == 0 {
		return
	}
	if !b.of.voiced {
		b.of.voiced, b.of.from = true, v.track
		v.answered(c)
	}
	v.begin(b.reply)
	f := &frames.AudioOutput{
		Audio: frames.Audio{
			Format:   audio.Mono(v.cfg.OutputRate),
			Samples:  e.Samples,
			Track:    v.cfg.Track,
			Position: v.track,
		},
		Response: b.reply.id,
	}
	if !v.emitTo(f, frames.Downstream) {
		// Nobody takes the audio. What was said so far will be played; the rest
		// of the answer is lost, and said to be.
		b.reply.cut = true
		v.report(fmt.Errorf("more than %v of the agent's audio wait to be played: the rest of %s is dropped", maxAhead, b.reply.id))
		return
	}
	v.track += audio.Position(len(e.Samples))
	b.of.to = v.track
}

func (v *conversation) contentEnd(c *connection, e *wire.ContentEnd) {
	b := c.blocks[e.ContentID]
	if b == nil {
		return
	}
	delete(c.blocks, e.ContentID)
	if e.StopReason == wire.StopInterrupted {
		// The canonical signal, on the marker's block of text; on audio in some
		// builds. It counts even where the answer is complete, since much of
		// it may still wait to be played.
		v.bargeIn(c)
		return
	}
	switch {
	case b.kind == wire.TypeAudio && e.StopReason == wire.StopEndTurn:
		b.reply.closed = true
		v.endReply(b.reply, false)
	case b.kind == wire.TypeText && b.role == wire.RoleUser:
		v.userSaid(c, b.text)
	case b.kind == wire.TypeText && b.role == wire.RoleAssistant && b.stage != wire.StageSpeculative:
		v.wasSpoken(c, b.text)
	}
}

func (v *conversation) endReply(r *reply, interrupted bool) {
	if r.done {
		return
	}
	r.done = true
	if r.begun {
		v.emit(&frames.TTSStop{Response: r.id})
		v.emit(&frames.LLMResponseEnd{Response: r.id, Interrupted: interrupted})
	}
}

// ---- the user's speech

func (v *conversation) userSpeechStart(c *connection, e *wire.UserSpeechStart) {
	at := c.clock.user(audio.Position(v.cfg.InputRate.Samples(e.Offset)))
	c.speech = utterance{start: at, known: true}
	if c == v.listening && !v.unheard {
		v.replayed, v.unheard = at, true
	}
	v.tellBoth(&frames.UserStartedSpeaking{Position: at, Rate: v.cfg.InputRate})
}

func (v *conversation) userSpeechEnd(c *connection, e *wire.UserSpeechEnd) {
	at := c.clock.user(audio.Position(v.cfg.InputRate.Samples(e.Offset)))
	c.speech.end, c.speech.over = at, true
	v.tellBoth(&frames.UserStoppedSpeaking{Position: at, Rate: v.cfg.InputRate})
}

// tellBoth sends a speaking event to those before and after the service.
func (v *conversation) tellBoth(f frames.Frame) {
	v.emit(f)
	v.emitTo(f, frames.Upstream)
}

// userSaid handles the transcript of an utterance.
func (v *conversation) userSaid(c *connection, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return // seen after turns that were typed
	}
	f := &frames.Transcription{Text: text}
	if c.speech.known {
		f.Start, f.End, f.Rate = c.speech.start, c.speech.end, v.cfg.InputRate
		if !c.speech.over {
			f.End = c.clock.user(c.clock.sent)
		}
	}
	// A new turn while the agent is still heard is a barge-in, marker or not:
	// some builds send none.
	if v.playing() && (c.reply == nil || !c.reply.cut) {
		v.bargeIn(c)
	} else if r := c.reply; r != nil && !r.closed {
		r.closed = true
		v.endReply(r, false)
	}
	v.past.add(User, text)
	v.emit(f)
}

// answered notes that the user's last utterance has an answer, which need not
// be asked for again on another stream.
func (v *conversation) answered(c *connection) {
	if c != v.listening {
		return
	}
	v.asked = nil
	if v.unheard {
		v.unheard = false
		if c.speech.over {
			v.replayed = c.speech.end
		} else {
			v.replayed = v.ring.end
		}
	}
}

// ---- what was spoken

// wasSpoken handles the FINAL text of a sentence.
func (v *conversation) wasSpoken(c *connection, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	for i, s := range c.spoken {
		if s.confirms(text) {
			// Sentences before it had none: they were not spoken, or their
			// texts are lost.
			for _, skipped := range c.spoken[:i] {
				v.settleSentence(skipped)
			}
			v.spoken(s.reply, s, text, len(strings.TrimSpace(text)) < len(strings.TrimSpace(s.announced)))
			c.spoken = c.spoken[i+1:]
			return
		}
	}
	r := c.reply
	if r == nil {
		r = &reply{}
	}
	v.spoken(r, nil, text, false)
}

func (v *conversation) spoken(r *reply, s *sentence, text string, interrupted bool) {
	v.emit(&frames.SpokenText{Response: r.id, Text: text, Interrupted: interrupted})
	if s == nil {
		v.past.add(Assistant, text)
		return
	}
	s.said.text = marked(text, interrupted)
}

// settleSentence records a sentence whose FINAL text will not come: the part
// of it that was heard.
func (v *conversation) settleSentence(s *sentence) {
	text, cut := s.announced, s.reply.cut
	switch {
	case !s.voiced:
		text = ""
	case v.seen:
		heard := v.heard
		if s.reply.cut {
			heard = s.reply.heard
		}
		text, cut = s.heardPart(heard)
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	v.emit(&frames.SpokenText{Response: s.reply.id, Text: text, Interrupted: cut})
	s.said.text = marked(text, cut)
}

// marked tells a model that reads the history that it was cut short there.
func marked(text string, interrupted bool) string {
	if interrupted {
		return text + " [interrupted]"
	}
	return text
}

// settle records what a stream announced and can no longer confirm.
func (v *conversation) settle(c *connection) {
	for _, s := range c.spoken {
		v.settleSentence(s)
	}
	c.spoken = nil
}

func (v *conversation) settleAll() {
	if c := v.listening; c != nil {
		v.settle(c)
	}
}

// ---- barge-in

// bargeIn silences the agent because the user has begun to speak: the service
// has stopped, but is far ahead of what was heard.
func (v *conversation) bargeIn(c *connection) {
	r := c.reply
	if r != nil && r.closed && r.cut && !v.playing() {
		return // another sign of the same barge-in
	}
	if r != nil {
		r.closed = true
		v.cut(r)
	}
	v.box.interrupt()
	v.out.Interrupt("barge-in")
	if r != nil {
		v.endReply(r, true)
	}
	for _, call := range v.calls {
		if call.drop {
			call.cancel(errBargeIn)
		}
	}
	// Everything that was sent was played or is flushed now.
	v.heardUntil = v.track
	v.shared.update(func(s *Stats) { s.BargeIns++ })
}

// cut notes that no more of an answer will be heard.
func (v *conversation) cut(r *reply) {
	if !r.cut {
		r.cut, r.heard = true, v.heard
		v.lastCut = r
	}
}

// interrupted handles an interruption that somebody else raised. The service
// does not know of it and goes on; what it still says of this answer is
// dropped.
func (v *conversation) interrupted() {
	v.box.interrupt()
	v.heardUntil = v.track
	if c := v.listening; c != nil && c.reply != nil {
		v.cut(c.reply)
		v.endReply(c.reply, true)
	}
}

// ---- usage

func (v *conversation) usageEvent(e *wire.UsageEvent) {
	d := Usage{
		InputSpeech: int64(e.Delta.Input.Speech), InputText: int64(e.Delta.Input.Text),
		OutputSpeech: int64(e.Delta.Output.Speech), OutputText: int64(e.Delta.Output.Text),
	}
	if d == (Usage{}) {
		return
	}
	v.shared.update(func(s *Stats) { s.Usage.add(d) })
	v.emitTo(&frames.Metrics{Processor: v.out.Name(), Values: d.metrics()}, frames.Upstream)
}
