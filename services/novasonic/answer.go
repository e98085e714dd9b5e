package novasonic

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/spoken"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
)

// serviceEvent handles what a stream sent. All state of a block is kept by its
// contentId: the late FINAL texts of one answer overlap the next turn, and two
// tool calls may be open at once.
func (v *conversation) serviceEvent(ctx context.Context, c *connection, event wire.Output) {
	c.lastEvent = time.Now()
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
	case nil:
		v.shared.update(func(s *Stats) { s.Unreadable++ })
	}
	// completionStart and completionEnd bracket the prompt, not the turn, from
	// Nova 2 on, and tell nothing that the blocks do not tell better.
}

// maxBlockText bounds the text of one block: a sentence, or what the user has
// said in one breath. The service's own limit on a message is 50 KB.
const maxBlockText = 64 << 10

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
		b.reply.lastAt = c.lastEvent
		if !b.reply.unwanted {
			b.of = v.sentenceFor(c, b.reply)
		}
	}
}

func (v *conversation) textOutput(c *connection, e *wire.TextOutput) {
	b := c.blocks[e.ContentID]
	if b == nil {
		return
	}
	switch {
	case e.Interrupted:
		b.marker = true
		v.marked(c)
	case b.role == wire.RoleAssistant && b.stage == wire.StageSpeculative:
		v.announced(c, b, e.Text)
	default:
		b.text += e.Text
	}
	if len(b.text) > maxBlockText || b.of != nil && len(b.of.announced) > maxBlockText {
		c.fail(fmt.Errorf("%w: a block of text has more than %d bytes", errConfused, maxBlockText))
	}
}

func (v *conversation) contentEnd(c *connection, e *wire.ContentEnd) {
	b := c.blocks[e.ContentID]
	if b == nil {
		return
	}
	delete(c.blocks, e.ContentID)
	if b.of != nil && b.kind == wire.TypeAudio {
		// On a barge-in the block ends in mid-sentence, before its marker comes or
		// after.
		b.of.complete = !b.reply.cut && (c.speech.end > 0 || c.speech.number <= b.reply.after)
		b.of.endedAt = c.lastEvent
	}
	switch {
	case b.marker:
		// The canonical signal was handled with its text.
	case e.StopReason == wire.StopInterrupted:
		v.marked(c)
	case b.kind == wire.TypeAudio && e.StopReason == wire.StopEndTurn:
		v.closeReply(b.reply)
		c.expects = c.lastEvent // what its tools returned comes after what the user said
	case b.kind == wire.TypeText && b.role == wire.RoleUser:
		v.userSaid(c, b.text)
	case b.kind == wire.TypeText && b.role == wire.RoleAssistant && b.stage != wire.StageSpeculative:
		v.wasSpoken(c, b.text)
	}
}

// ---- answers

// replyOf returns the answer that new speech of a stream belongs to: the one
// in progress, or a new one.
func (v *conversation) replyOf(c *connection) *reply {
	if c.reply != nil && !c.reply.closed {
		return c.reply
	}
	wanted := v.mayGoOn(c)
	v.replies++
	c.reply = &reply{
		id: fmt.Sprintf("response-%d", v.replies), gen: v.out.Generation(),
		after: c.speech.number, since: time.Now(), about: v.outcomes(c),
		unwanted: !wanted, cut: !wanted, done: !wanted,
	}
	return c.reply
}

// mayGoOn reports whether a stream may begin to say something, or to do
// something. The one that listens may. So may the one that drains, which still
// owes what it makes of tools that it has called, unless it has heard a part of
// something: then what it begins may be about that, which the one that listens
// hears whole.
func (v *conversation) mayGoOn(c *connection) bool {
	return c == v.listening || c == v.draining && !c.misled
}

// announced begins or continues an answer with a sentence that is about to be
// spoken.
func (v *conversation) announced(c *connection, b *block, text string) {
	if b.reply != nil { // the block goes on: the sentence has more words
		if b.of != nil {
			b.of.announced += text
		}
	} else {
		v.overtake(c)
		b.reply = v.replyOf(c)
		b.reply.lastAt = c.lastEvent
		if !b.reply.unwanted {
			b.of = v.newSentence(c, b.reply, text)
		}
	}
	if b.reply.cut {
		return
	}
	v.begin(b.reply)
	v.emitFor(b.reply, &frames.LLMText{Response: b.reply.id, Text: text})
}

// overtake ends the answer in progress if it will not go on, though nobody says so:
// a text was told that could have led to what comes now, and nothing has come of the
// answer since the stream has had the time to read it. The results that it was about
// are in the history, and are not told again, as behind a barge-in.
func (v *conversation) overtake(c *connection) {
	r := c.reply
	if r == nil || r.closed || time.Since(c.toldAt) < soonestAnswer || r.lastAt.After(c.toldAt.Add(soonestAnswer)) {
		return
	}
	c.saysOf(r.about)
	v.breakOff(c)
}

// newSentence gives a sentence its place in the answer and in the transcript.
func (v *conversation) newSentence(c *connection, r *reply, text string) *sentence {
	s := &sentence{reply: r, c: c, announced: text, announcedAt: time.Now(), from: v.spoken, to: v.spoken, said: v.past.reserve(Assistant)}
	if len(v.owed) >= maxOwed {
		v.tell(v.owed[0])
	}
	v.owed = append(v.owed, s)
	return s
}

// maxOwed bounds the sentences of which the text of record is still to come.
const maxOwed = 256

// sentenceFor returns the announced sentence that a block of audio speaks: the
// first that has had none. Audio without an announcement has a sentence
// without words.
func (v *conversation) sentenceFor(c *connection, r *reply) *sentence {
	for _, s := range v.owed {
		if s.reply == r && !s.voiced {
			return s
		}
	}
	return v.newSentence(c, r, "")
}

func (v *conversation) begin(r *reply) {
	if r.begun {
		return
	}
	r.begun = true
	v.shared.update(func(s *Stats) { s.Answers++ })
	v.emitFor(r, &frames.LLMResponseStart{Response: r.id})
	v.emitFor(r, &frames.TTSStart{Response: r.id})
}

// emitFor sends a frame of an answer, which an interruption since the answer
// began makes unwanted.
func (v *conversation) emitFor(r *reply, f frames.Frame) bool {
	return v.send(parcel{frame: f, gen: r.gen})
}

// closeReply notes that the service has said all of an answer.
func (v *conversation) closeReply(r *reply) {
	r.closed = true
	v.endReply(r, false)
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

func (v *conversation) audioOutput(c *connection, e *wire.AudioOutput) {
	b := c.blocks[e.ContentID]
	if b == nil || b.of == nil {
		return
	}
	b.reply.lastAt = c.lastEvent
	if b.reply.cut || len(e.Samples) == 0 {
		return
	}
	s := b.of
	if !s.voiced {
		s.voiced, s.from = true, v.spoken
		c.saysOf(s.reply.about)
		if !s.reply.voiced || v.awaitsAnswer() {
			v.answered(c, s.reply.about, s.announcedAt)
		} // else it goes on, and what the user has begun to say is another matter
		s.reply.voiced = true
		if c == v.listening {
			v.endDrain() // one speaks at a time
		}
	}
	v.begin(b.reply)
	v.noDryness(c)
	f := &frames.AudioOutput{
		Audio: frames.Audio{
			Format:   audio.Mono(v.cfg.OutputRate),
			Samples:  e.Samples,
			Track:    v.cfg.Track,
			Position: v.spoken,
		},
		Response: b.reply.id,
	}
	if !v.emitFor(b.reply, f) {
		// Nobody takes the audio. What was said so far will be played; the rest
		// of the answer is lost, and said to be.
		b.reply.cutAt(v.spoken)
		v.report(fmt.Errorf("more than %v of the agent's audio wait to be played: the rest of %s is dropped", maxAhead, b.reply.id))
		return
	}
	v.spoken += audio.Position(len(e.Samples))
	s.to = v.spoken
	v.speaker = c
}

// answering reports whether an answer is in progress.
func (v *conversation) answering() bool {
	return v.speaks(v.listening) || v.speaks(v.draining)
}

// speaks reports whether a stream is in the middle of an answer.
func (v *conversation) speaks(c *connection) bool {
	return c != nil && c.reply != nil && !c.reply.closed && !c.reply.cut && !v.stuck(c)
}

// stuck reports whether a stream has sent nothing for so long that the answer it
// has begun is not going to go on. The service speaks faster than real time;
// pauses of 0.4 s were measured.
func (v *conversation) stuck(c *connection) bool {
	silent := stuckAfter
	if c.deaf(v.ring.end) {
		silent = lostAfter
	}
	return time.Since(c.lastEvent) > silent && !v.playing()
}

const (
	stuckAfter = 10 * time.Second
	lostAfter  = 3 * time.Second // where it does not take anything, either
)

// breakOff ends an answer that a stream has begun and is not going to finish.
// What was sent of it plays on.
func (v *conversation) breakOff(c *connection) {
	if r := c.reply; r != nil && !r.closed {
		r.cutAt(v.spoken)
		r.closed = true
		v.endReply(r, true)
	}
}

// dryness notes that an answer which goes on has nothing more to be heard for
// the time being, and noDryness that it has again. A stream that drains owes
// its audio without a gap.
func (v *conversation) dryness() {
	c := v.draining
	if c == nil || c.reply == nil || c.reply.closed || c.reply.cut || v.playing() || v.speaker != c {
		v.dryAt = time.Time{}
		return
	}
	if v.dryAt.IsZero() {
		v.dryAt = time.Now()
	}
}

func (v *conversation) noDryness(c *connection) {
	if c == v.draining && !v.dryAt.IsZero() && c.swap != nil {
		c.swap.OutputGap += time.Since(v.dryAt)
	}
	v.dryAt = time.Time{}
}

// ---- what was heard of them

func (v *conversation) playout(p *frames.Playout) {
	if p.Track != v.cfg.Track {
		return
	}
	v.reports = true
	heard := p.Heard.At(p.Rate, v.cfg.OutputRate)
	v.heard = max(v.heard, heard)
	switch {
	case p.Dropped:
		v.missed(heard, p.Queued.At(p.Rate, v.cfg.OutputRate))
	case p.Flushed:
		for _, r := range v.flush {
			r.heard = max(r.heard, heard)
		}
		v.flush, v.flushAt = nil, time.Time{}
	}
	v.tellSettled()
	v.dryness()
}

// missed notes that a part of the track does not reach the caller, who is too slow for it
// or not there. Of a sentence whose end it is, only the beginning was heard; a hole in
// one is not written down.
func (v *conversation) missed(from, to audio.Position) {
	if from > v.lost.to {
		v.lost.from = from
	}
	v.lost.to = to
	v.heard = max(v.heard, to) // nobody waits for it
	for _, s := range v.owed {
		if s.voiced && s.from < to && s.to > v.lost.from {
			s.lost = stretch{max(s.from, v.lost.from), to}
		}
	}
}

// flushPatience is how long an output may take to report what was heard of
// what an interruption has thrown away. It does so at once; one that had
// nothing of it yet never does.
const flushPatience = 500 * time.Millisecond

// playing reports whether audio of the agent waits to be heard.
func (v *conversation) playing() bool { return v.reports && max(v.heard, v.flushed) < v.spoken }

// history is what was said, as far as it is known: of the agent's words those
// that were heard, and those that will have been when what is queued has been
// played.
func (v *conversation) history() []Message {
	for _, s := range v.owed {
		v.writeDown(s)
	}
	return v.past.messages()
}

// writeDown puts what is known of a sentence into the transcript.
func (v *conversation) writeDown(s *sentence) {
	text, cut := v.wordsOf(s)
	s.said.text = spoken.WithMark(strings.TrimSpace(text), cut)
}

// wordsOf puts together what the service says was spoken of a sentence, if it
// has, and what is known of its playout; and tells whether the sentence was cut
// short. The service knows the words better, but reckons by a clock of its own,
// which is not the loudspeaker's: about how many of them were heard, it is
// believed within a second.
func (v *conversation) wordsOf(s *sentence) (text string, cut bool) {
	final := strings.TrimSpace(s.final)
	switch {
	case !s.voiced && (final == "" || s.reply.cut && v.reports):
		return "", s.reply.cut
	case final != "" && (!s.voiced || !v.reports):
		return s.final, s.cutIn(final)
	}
	heard, short := s.announced, false // the rest of it is on its way
	switch {
	case s.reply.cut && v.reports:
		heard, short = s.heardPart(s.heardUpTo(s.reply.heard, v.cfg.OutputRate), v.cfg.OutputRate)
	case s.reply.cut || s.reply.closed || v.brokenOff(s):
		heard, short = s.heardPart(s.heardUpTo(s.to, v.cfg.OutputRate), v.cfg.OutputRate)
	}
	truncated := s.beginsWith(final) && !s.says(final)
	off := max(len(heard)-len(final), len(final)-len(heard)) > charactersASecond
	if final == "" || truncated && !short && s.complete || off && (truncated || short) {
		return heard, short
	}
	return s.final, s.cutIn(final)
}

// brokenOff reports whether a sentence does not seem to go on, though nobody says
// so: all of it that has come was heard some time ago.
func (v *conversation) brokenOff(s *sentence) bool {
	return !s.complete && time.Since(s.c.lastEvent) > breakOffAfter && !v.playing()
}

// breakOffAfter is how long a stream that has more to say says nothing. Pauses of
// 0.4 s were measured.
const breakOffAfter = 2 * time.Second

// settled reports whether nothing more will be known of a sentence: its FINAL
// text has come or is not going to, and it has been heard to its end, or to
// where it was cut.
func (v *conversation) settled(s *sentence) bool {
	switch {
	case s.awaitsFinal():
		return false
	case !s.voiced || !v.reports:
		return true
	case s.reply.cut && s.to > s.reply.heard:
		return v.flushAt.IsZero()
	}
	return v.heard+audio.Position(v.cfg.OutputRate.Samples(nearEnd)) >= s.to
}

// nearEnd is how much of a sentence may go unheard: a resampler between here and
// the loudspeaker keeps the last of it until more comes.
const nearEnd = 20 * time.Millisecond

// tellSettled tells what is certain.
func (v *conversation) tellSettled() {
	if time.Since(v.flushAt) >= flushPatience {
		v.flush, v.flushAt = nil, time.Time{}
	}
	for i := 0; i < len(v.owed); {
		if s := v.owed[i]; v.settled(s) {
			v.tell(s)
			continue
		}
		i++
	}
}

// tell sends the text of record of a sentence, once. If its FINAL text has not
// come and does come later, that corrects the transcript.
func (v *conversation) tell(s *sentence) {
	v.owed = slices.DeleteFunc(v.owed, func(o *sentence) bool { return o == s })
	s.told = true
	v.writeDown(s)
	if text, cut := v.wordsOf(s); s.said.text != "" {
		v.emit(&frames.SpokenText{Response: s.reply.id, Text: text, Interrupted: cut})
	}
	if s.final != "" || s.c.over {
		return
	}
	v.guessed = append(v.guessed, s)
	if len(v.guessed) > maxGuessed {
		v.guessed = v.guessed[1:]
	}
}

const maxGuessed = 32

// wasSpoken handles the FINAL text of a sentence. It comes seconds after the
// audio, now and then out of order or not at all.
func (v *conversation) wasSpoken(c *connection, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	s := v.confirmed(c, text)
	switch {
	case s == nil && c != v.listening:
		return // it is of an answer that nobody was to hear
	case s == nil:
		s = v.newSentence(c, &reply{}, text)
	}
	s.final = text
	if s.told { // with what was known then
		v.writeDown(s)
		return
	}
	// Texts of earlier answers are not going to come any more.
	for _, o := range v.owed {
		if o.c == c && o.reply != s.reply && o.reply.closed && o.from < s.from {
			o.unconfirmed = true
		}
	}
	v.tellSettled()
}

// confirmed finds the sentence that a FINAL text is about, among those that have
// had none: one with these words, or else the last that begins with them, since
// it was cut after them. Services may put words differently: else, it is the
// first that was voiced, if the stream is not one that says what nobody hears.
func (v *conversation) confirmed(c *connection, text string) *sentence {
	var begins, first *sentence
	for _, s := range slices.Concat(v.guessed, v.owed) {
		switch {
		case s.c != c || s.final != "":
		case s.says(text):
			return s
		case s.beginsWith(text) && (s.reply.cut || s.voiced && !s.told):
			begins = s
		case s.voiced && !s.told && first == nil && c == v.listening:
			first = s
		}
	}
	if begins != nil {
		return begins
	}
	return first
}

// orphan takes leave of a stream that died. What it still owes is in the
// pipeline, and will be heard; no FINAL text will come.
func (v *conversation) orphan(c *connection) {
	if r := c.reply; r != nil && !r.closed {
		r.closed = true
		v.endReply(r, true)
	}
	c.over = true
	for _, s := range v.owed {
		if s.c == c {
			s.unconfirmed = true
		}
	}
	v.guessed = slices.DeleteFunc(v.guessed, func(s *sentence) bool { return s.c == c })
	v.tellSettled()
}

// untold reports whether something was heard of which the FINAL text is still to
// come, and untoldOf whether a stream has said such a thing.
func (v *conversation) untold() bool {
	return slices.ContainsFunc(v.owed, func(s *sentence) bool { return s.voiced && s.awaitsFinal() })
}

func (v *conversation) untoldOf(c *connection) bool {
	return slices.ContainsFunc(v.owed, func(s *sentence) bool { return s.voiced && s.awaitsFinal() && s.c == c })
}

// settleAll tells what was heard without waiting any longer.
func (v *conversation) settleAll() {
	for len(v.owed) > 0 {
		v.tell(v.owed[0])
	}
}

// ---- barge-in

// justNow is how long before the marker of a barge-in the service ends the block
// of audio that it cuts.
const justNow = 500 * time.Millisecond

// marked handles the service's own word that the user has barged in.
func (v *conversation) marked(c *connection) {
	if c.role != listening && (c != v.draining || c.dismissed || c.reply == nil || c.reply.unwanted) {
		return
	}
	for _, s := range v.owed {
		if s.reply == c.reply && c.lastEvent.Sub(s.endedAt) < justNow {
			s.complete = false
		}
	}
	v.bargeIn(c)
}

// bargeIn silences the agent because the user has begun to speak: the service
// has stopped, but is far ahead of what was heard.
func (v *conversation) bargeIn(c *connection) {
	var r *reply
	if c != nil {
		r = c.reply
	}
	if r != nil && r.closed && r.cut && !v.playing() {
		return // another sign of the same barge-in
	}
	v.silence(c)
	v.out.Interrupt("barge-in")
	if r != nil {
		if !r.closed {
			c.saysOf(r.about) // it began to, and the user would not hear it
		}
		r.closed = true
		v.endReply(r, true)
	}
	if d := v.draining; d != nil && d != c {
		v.breakOff(d)
	}
	for _, k := range v.calls {
		if k.drop {
			k.cancel(errBargeIn)
		}
	}
	v.shared.update(func(s *Stats) { s.BargeIns++ })
}

// interrupted handles an interruption that somebody else raised. The service
// does not know of it and goes on; what it still says of this answer is
// dropped.
func (v *conversation) interrupted() {
	for _, c := range []*connection{v.listening, v.draining} {
		v.silence(c)
		if c != nil && c.reply != nil {
			v.endReply(c.reply, true)
		}
	}
}

// silence drops what waits to be heard.
func (v *conversation) silence(c *connection) {
	v.box.interrupt()
	playing := v.playing()
	if playing { // the output is about to tell where it stopped
		v.flush, v.flushAt = nil, time.Now()
	}
	cut := func(r *reply) {
		r.cutAt(v.heard)
		if playing {
			v.flush = append(v.flush, r)
		}
	}
	for _, s := range v.owed {
		// Everything that was not heard to its end is cut, whichever stream
		// said it.
		if s.voiced && v.reports && s.to > max(v.heard, v.flushed) {
			cut(s.reply)
		}
	}
	if c != nil && c.reply != nil && (!c.reply.closed || playing) {
		cut(c.reply)
	}
	v.flushed = v.spoken // whatever was sent was heard or is thrown away now
	v.tellSettled()
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
	v.send(parcel{
		frame: &frames.Metrics{Processor: v.out.Name(), Values: d.metrics()},
		gen:   v.out.Generation(), dir: frames.Upstream,
	})
}
