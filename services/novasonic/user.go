package novasonic

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/services/novasonic/internal/continuity"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
)

// ---- what comes from the pipeline

func (v *conversation) userAudio(f *frames.AudioInput) {
	samples, at, err := v.input.convert(f)
	if err != nil {
		v.report(pipeline.Classify(frames.ErrorInvalidRequest, err))
	}
	if len(samples) == 0 {
		return
	}
	v.track = f.Track
	v.follow(at, len(samples))
	from := v.ring.end
	v.ring.write(samples)
	v.accounted = time.Now()
	v.speech.audioAt = v.accounted
	if c := v.listening; c != nil {
		c.hear(samples, from)
	}
	v.quietOld(int64(len(samples)))
}

// quietOld lets the stream that drains hear silence in place of the user: its
// clock is its input, and what it owes comes by that. An event costs the same
// whatever its length, so they are not as short as the user's.
func (v *conversation) quietOld(n int64) {
	c := v.draining
	if c == nil {
		return
	}
	if c.quiet += n; c.quiet >= v.cfg.InputRate.Samples(quietPiece) {
		c.silence(c.quiet, v.ring.end)
		c.quiet = 0
	}
}

const quietPiece = 100 * time.Millisecond

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
func (v *conversation) callerAt(p audio.Position) audio.Position { return max(0, v.caller.user(p)) }

// keepAlive fills in for a microphone that sends nothing, and returns when to
// look again. It does not make up for a process that was stopped for longer.
func (v *conversation) keepAlive() time.Duration {
	if v.cfg.KeepAlive < 0 {
		return time.Hour
	}
	missing := time.Since(v.accounted)
	if missing < v.cfg.KeepAlive {
		return v.cfg.KeepAlive - missing
	}
	n := v.cfg.InputRate.Samples(min(missing, max(v.cfg.KeepAlive, mostSilence)))
	v.ring.gap = v.ring.end
	if c := v.listening; c != nil {
		c.silence(n, v.ring.end)
	}
	v.quietOld(n)
	v.accounted = time.Now()
	return min(v.cfg.KeepAlive, 100*time.Millisecond)
}

// mostSilence is the most silence that is filled in at once, unless the interval
// is longer.
const mostSilence = time.Second

// say passes on what the user has typed, or what the application instructs the
// model to do. It is answered, or interrupts the answer in progress. It returns
// what it has written down; nil if nothing.
func (v *conversation) say(text string) *entry {
	if v.cfg.Model == ModelV1 {
		v.report(pipeline.Classify(frames.ErrorInvalidRequest, fmt.Errorf("%w: %s", ErrTextUnsupported, v.cfg.Model)))
		return nil
	}
	if strings.TrimSpace(text) == "" {
		return nil // which the service would take for a mistake
	}
	v.takeTurn(v.listening)
	e := v.past.add(User, text)
	v.ask(e)
	return e
}

// ask puts a text to the stream that listens, or to the next one if none does.
func (v *conversation) ask(e *entry) {
	e.pending = true
	v.turn++
	e.askedAt = time.Now()
	v.asked = append(v.asked, e)
	if c := v.listening; c != nil {
		c.say(e.text, v.ring.end)
	}
}

// lastAsked is when the last of what was typed and has no answer was asked: there is some.
func (v *conversation) lastAsked() time.Time { return v.asked[len(v.asked)-1].askedAt }

// note is a text for a stream: what the user has typed, or results of tools.
type note struct {
	*entry
	results []*call
}

// note puts a text to the stream that listens as soon as that interrupts
// nobody, however long that takes. What could last for ever is bounded where it
// is judged: an answer that does not go on is stuck, what nobody answers is
// forgiven, and a stream that tells of no end of the user's speech is given up.
func (v *conversation) note(n note) {
	if len(v.notes) == 0 {
		v.quiet = time.Now()
	}
	n.pending = true
	v.notes = append(v.notes, n)
}

func (v *conversation) sayNotes() {
	c := v.listening
	if len(v.notes) == 0 || c == nil {
		return
	}
	now := time.Now()
	if v.answering() || v.playing() || v.unanswered() || v.userSpeaking() || c.owesOutcome() || c.catchingUp() {
		v.quiet = now
	}
	if now.Sub(v.quiet) < noteQuiet {
		return
	}
	// One at a time: the next would interrupt what is said of it.
	n := v.notes[0]
	v.notes = v.notes[1:]
	v.past.moveToEnd(n.entry)
	if len(n.results) == 0 {
		v.ask(n.entry)
		return
	}
	v.turn++
	c.say(n.text, v.ring.end)
	for _, k := range n.results {
		k.toldAt = now
	}
	c.results, c.expects = append(c.results, n.results...), now
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

// ---- what is known of the user's speech

// speech is what is known of what the user said and nobody has answered. All
// positions are on the ring.
type speech struct {
	answeredTo audio.Position // what was said before has been answered, or was nothing
	silentFrom audio.Position // … and between here and there it was silent

	told    bool        // the service tells where speech begins and ends
	pending []utterance // what it told of, oldest first

	detected bool        // a detector in the pipeline tells, too
	segments []utterance // what it told of, unless the service has told of it, too

	texts  []*entry       // transcripts of it …
	textAt audio.Position // … and the end of the ring when the last came
	again  bool           // it was given to the next stream, which has not told of it yet …
	from   audio.Position // … from here on
	since  time.Time      // when there was last news of it

	audioAt time.Time // when the user's audio last came

	ends int // of streams that were given it, weighed: see conversation.suspect

	deafSince   time.Time     // when it was last told that the stream takes no audio
	examined    time.Time     // when it was last looked for a reason to doubt
	doubted     time.Time     // when it was last doubted that the stream listens at all …
	doubting    bool          // … whether another one is on its way for that reason …
	doubtsPause time.Duration // … and how long there is no other doubt

	startTold audio.Position // the last UserStartedSpeaking …
	stopTold  audio.Position // … and UserStoppedSpeaking: a replay brings them again
	textTold  audio.Position // where the last utterance began that was told as text …
	textEnd   audio.Position // … and where it ended: behind a mute the next is near …
	textOf    *connection    // … and by whom
}

// sameStart is how far apart two streams may find the beginning or the end of
// the same utterance.
const sameStart = 300 * time.Millisecond

// transcribed reports whether the service has understood something that has no
// answer.
func (s *speech) transcribed() bool { return len(s.texts) > 0 }

// settle notes that what was said before a position has been answered, or was
// nothing, and that from silent on there was nothing at all.
func (s *speech) settle(silent, to audio.Position) {
	if to > s.answeredTo {
		s.silentFrom, s.answeredTo = min(max(silent, s.answeredTo), to), to
	}
}

// forgetSegments lets go of what a detector told of, but for what is in progress.
func (s *speech) forgetSegments() {
	if n := len(s.segments); inProgress(s.segments) {
		s.segments = s.segments[n-1:]
	} else {
		s.segments = nil
	}
}

// inProgress reports whether the last of some utterances has not ended.
func inProgress(u []utterance) bool { return len(u) > 0 && u[len(u)-1].end == 0 }

// userSpeaking reports whether the user speaks now, as far as can be known. If
// nobody tells, a sound is taken for speech, and so is the pause in which the
// service may still make up its mind.
func (v *conversation) userSpeaking() bool {
	s := &v.speech
	switch {
	case inProgress(s.pending), inProgress(s.segments) && time.Since(s.audioAt) <= unsureFor:
		return true
	case s.told || s.detected:
		return false
	}
	quiet := time.Since(s.audioAt) // a microphone that is muted
	if quiet > unsureFor {
		return false
	}
	from := max(s.answeredTo, v.ring.end-audio.Position(v.cfg.InputRate.Samples(unsureFor-quiet)))
	if s.transcribed() {
		from = max(from, s.textAt) // what was said before that has ended
	}
	return v.ring.firstSound(from) < v.ring.end
}

// unsureFor is how long after a sound the service may take to tell what it was:
// its endpointing takes up to two seconds.
const unsureFor = 2500 * time.Millisecond

// soundFrom returns where the utterance begins that may be going on at a position
// if nobody tells of speech: all sounds since another one that were not answered
// and are no further apart than that. It is the position itself if it had been
// quiet for so long.
func (v *conversation) soundFrom(at, since audio.Position) audio.Position {
	since = max(since, v.speech.answeredTo)
	apart := audio.Position(v.cfg.InputRate.Samples(unsureFor))
	for {
		from := v.ring.firstSound(max(since, at-apart))
		if from >= at {
			return at
		}
		at = from
	}
}

// unanswered reports whether the user has said or typed something that is still
// to be answered.
func (v *conversation) unanswered() bool {
	_, some := v.firstUnanswered()
	return some || v.awaitsTyped(forgiveAfter)
}

// awaitsTyped reports whether something that was typed no longer ago than that
// has no answer.
func (v *conversation) awaitsTyped(patience time.Duration) bool {
	return len(v.asked) > 0 && time.Since(v.lastAsked()) < patience
}

// firstUnanswered returns where the first utterance begins that has no answer.
func (v *conversation) firstUnanswered() (at audio.Position, some bool) {
	s := &v.speech
	at = v.ring.end
	earliest := func(p audio.Position) { at, some = min(at, p), true }
	if s.again {
		earliest(s.from)
	}
	if len(s.pending) > 0 {
		earliest(s.pending[0].start)
	}
	if len(s.segments) > 0 {
		earliest(s.segments[0].start)
	}
	if !some && len(s.texts) > 0 {
		earliest(s.answeredTo) // nobody has told where
	}
	return at, some
}

// awaitsAnswer reports whether the user waits for an answer to what was said or
// typed.
func (v *conversation) awaitsAnswer() bool { return v.awaitsSpoken() || v.awaitsTyped(forgiveAfter) }

// awaitsSpoken reports whether what the stream that listens begins to say now is
// an answer to what the user has said. What the user has only begun to
// say, or a detector has found and the service has not, it cannot be about.
func (v *conversation) awaitsSpoken() bool {
	s := &v.speech
	known := s.pending
	if !s.told {
		known = s.segments
	}
	return s.transcribed() || s.again || len(known) > 0 && known[0].end > 0
}

// hearAgain is called when the next stream is about to hear again what has no
// answer: what the old one made of it no longer counts.
func (v *conversation) hearAgain() {
	s := &v.speech
	s.from, s.again = v.firstUnanswered()
	s.since = time.Now()
	for _, e := range s.texts {
		if s.textAt > v.ring.start() {
			e.text = ""
		} else {
			e.pending = false // it is no longer kept, and nobody will hear it
		}
	}
	s.texts, s.pending = nil, nil
}

// answered notes that everything the user has said or typed so far is being
// answered, and need not be asked again on another stream: by an answer, or a call of
// a tool, that came at some time and is about some results or none. What the user is
// saying now is another matter, if it is not what the answer is to, and so is what was
// typed behind a result that the answer is about, or just now.
func (v *conversation) answered(c *connection, about []*call, at time.Time) {
	if c != v.listening {
		return
	}
	typed := true
	if len(about) == 0 {
		n := len(v.asked)
		v.asked = slices.DeleteFunc(v.asked, func(e *entry) bool {
			e.pending = at.Sub(e.askedAt) < soonestAnswer
			return !e.pending
		})
		typed = len(v.asked) < n
	}
	s := &v.speech
	for _, e := range s.texts {
		e.pending = false
	}
	s.texts, s.again = nil, false
	s.ends, s.doubtsPause, v.halved = 0, 0, 0
	from := v.ring.end - audio.Position(v.cfg.InputRate.Samples(onsetLookBack))
	known := &s.pending
	switch {
	case s.told:
		s.forgetSegments()
	case len(s.segments) > 0:
		known = &s.segments
	default:
		v.settleSounds(from)
		return
	}
	all := *known
	if inProgress(all) && (len(all) > 1 || typed) {
		*known = all[len(all)-1:]
		begun := all[len(all)-1].start
		s.settle(begun, begun)
		return
	}
	*known = nil
	if n := len(all); n > 0 && all[n-1].end > 0 {
		s.settle(all[n-1].end+v.slack(), all[n-1].over)
		if !s.told && v.ring.firstSound(s.answeredTo) < v.ring.end {
			v.settleSounds(from) // the detector may have missed some of it
		}
	} else if n > 0 {
		to := v.ring.lastSound(from)
		s.settle(to, to)
	}
}

// settleSounds notes that the sounds are answered of which nobody has told, but for one
// that began since a position and is still going on.
func (v *conversation) settleSounds(since audio.Position) {
	s := &v.speech
	to := v.ring.lastSound(max(s.answeredTo, since))
	silent := to
	if to == v.ring.end {
		silent -= audio.Position(v.cfg.InputRate.Samples(soundGap))
	}
	s.settle(silent, to)
}

// forgiveAfter is how long an answer is waited for. The service answers within
// a second or two, or not at all: to a cough, to somebody in the background.
const forgiveAfter = 10 * time.Second

// forgive lets go of what nobody is going to answer.
func (v *conversation) forgive() {
	s := &v.speech
	if c := v.listening; c != nil && len(v.asked) > 0 && c.lastEvent.After(v.lastAsked()) && !v.speaks(c) {
		// It is alive, and has nothing to say; or has said something since, which
		// was taken for what it makes of a result that the text has superseded.
		said := c.reply != nil && c.reply.closed && c.reply.since.After(v.lastAsked())
		if time.Since(v.lastAsked()) >= forgiveAfter || said && time.Since(c.lastEvent) >= saysMoreWithin {
			for _, e := range v.asked {
				e.pending = false
			}
			v.asked = nil
		}
	}
	if time.Since(s.since) < forgiveAfter || v.listening == nil {
		return
	}
	if _, some := v.firstUnanswered(); !some || v.userSpeaking() {
		return
	}
	to := v.ring.end
	switch n := len(s.pending); { // what came behind that, the service has not told of yet
	case n > 0:
		to = max(s.textAt, s.pending[n-1].over)
	case s.transcribed():
		to = s.textAt
	}
	v.letGo(to)
}

// saysMoreWithin is when a stream that has finished one answer begins the next, if
// it has more to say.
const saysMoreWithin = 2 * time.Second

// letGo gives up what the user has said before a position and nobody has answered.
func (v *conversation) letGo(to audio.Position) {
	s := &v.speech
	for _, e := range s.texts {
		e.pending = false
	}
	if to == v.ring.end && v.ring.lastSound(to-v.slack()) < to {
		to = v.soundFrom(to, 0) // it may be the beginning of something else
	}
	s.settle(to, to)
	s.ends = 0
	s.texts, s.pending, s.again = nil, nil, false
	s.segments = slices.DeleteFunc(s.segments, func(u utterance) bool { return u.start <= to })
}

// doubt looks for a stream behind which nobody is at work. Where one does not
// take audio, or the user seems to have said something of which the service has
// not said a word, or has not told the end, nobody can be sure: a move, which is
// not heard, lets another stream hear it. What it has understood it may choose not
// to answer.
func (v *conversation) doubt(ctx context.Context) {
	c, s := v.listening, &v.speech
	if c.deaf(v.ring.end) && time.Since(s.deafSince) >= doubtEvery {
		s.deafSince = time.Now()
		if !v.speaks(v.draining) {
			v.endDrain() // one moves at a time
		}
		v.rotate(ctx, continuity.Doubt, "the service has stopped taking audio")
	}
	if c == nil || v.speaks(v.draining) || time.Since(c.lastEvent) < speechlessFor ||
		time.Since(c.heardSince) < speechlessFor || time.Since(s.doubted) < s.doubtsPause || time.Since(s.examined) < doubtLooks {
		return
	}
	s.examined = time.Now()
	quietFrom := v.ring.end - audio.Position(v.cfg.InputRate.Samples(speechlessFor))
	quiet := v.ring.firstSound(quietFrom) == v.ring.end
	var spoke bool
	switch {
	case inProgress(s.pending):
		spoke = quiet
	case s.transcribed(): // for as long as that is not forgiven
	case len(s.pending) > 0:
		spoke = time.Since(s.since) >= speechlessFor
	case len(v.asked) > 0:
		spoke = time.Since(v.lastAsked()) >= speechlessFor
	default:
		silence := v.cfg.InputRate.Samples(time.Since(c.lastEvent))
		since := max(s.answeredTo, v.ring.end-audio.Position(min(silence, v.cfg.InputRate.Samples(deafLookBack))))
		spoke = quiet && v.ring.firstSound(since) < quietFrom
	}
	if spoke {
		s.doubted, s.doubting = time.Now(), true
		s.doubtsPause = min(max(doubtEvery, 2*s.doubtsPause), doubtSeldom)
		v.endDrain() // one moves at a time
		v.rotate(ctx, continuity.Doubt, "the service says nothing of what was said")
	}
}

const (
	// speechlessFor is how long the service may say nothing about what it hears:
	// its endpointing takes up to two seconds, its first word a second or two.
	speechlessFor = 6 * time.Second

	// doubtLooks is how often a reason is looked for, which is a search through the
	// ring.
	doubtLooks = 200 * time.Millisecond

	// doubtEvery is the least time between two moves for doubt. It doubles, up to
	// doubtSeldom, until something is answered: a tone or a noise that the
	// service makes nothing of must not move the conversation each time.
	doubtEvery  = 10 * time.Second
	doubtSeldom = time.Minute
)

// takeTurn is called when the user takes the turn: by speech that c told of, or
// in another way. What an old stream still had to say ends here.
func (v *conversation) takeTurn(c *connection) {
	if v.playing() && v.speaker != c || v.draining != nil && v.owesSpeech(v.draining) {
		// The stream that is being heard is gone, or about to go, and does not
		// hear the user: nobody else would notice.
		v.bargeIn(c)
	}
	v.endDrain()
}

// ---- what the service makes of it

func (v *conversation) userSpeechStart(c *connection, e *wire.UserSpeechStart) {
	at := c.clock.user(audio.Position(v.cfg.InputRate.Samples(e.Offset)))
	c.speech = utterance{number: c.speech.number + 1, start: at}
	if c != v.listening {
		v.heardFragment(c)
		return
	}
	s := &v.speech
	s.told = true
	s.forgetSegments()
	s.again, s.since = false, time.Now()
	s.pending = append(s.pending, c.speech)
	if len(s.pending) > maxUtterances {
		s.pending = append(s.pending[:1:1], s.pending[2:]...)
	}
	if at > s.startTold+v.slack() || s.startTold == 0 || s.stopTold > s.startTold && at >= s.stopTold {
		s.startTold = at
		v.tellBoth(func() frames.Frame {
			return &frames.UserStartedSpeaking{Track: v.track, Position: v.callerAt(at), Rate: v.cfg.InputRate}
		})
	}
	v.takeTurn(c)
}

// maxUtterances bounds what is known of speech that nobody answers.
const maxUtterances = 64

func (v *conversation) slack() audio.Position {
	return audio.Position(v.cfg.InputRate.Samples(sameStart))
}

func (v *conversation) userSpeechEnd(c *connection, e *wire.UserSpeechEnd) {
	at := max(1, c.clock.user(audio.Position(v.cfg.InputRate.Samples(e.Offset))))
	c.speech.end = at
	c.speech.over = max(at, c.clock.user(audio.Position(v.cfg.InputRate.Samples(e.Detection))))
	if c != v.listening {
		return
	}
	s := &v.speech
	s.since = time.Now()
	if inProgress(s.pending) {
		last := &s.pending[len(s.pending)-1]
		last.end, last.over = at, c.speech.over
	}
	if inProgress(s.segments) && s.segments[len(s.segments)-1].start < at {
		s.segments = nil // a detector may never tell: behind a mute it hears nothing
	}
	if at > s.stopTold+v.slack() || s.stopTold == 0 || s.startTold >= s.stopTold {
		s.stopTold = at
		v.tellBoth(func() frames.Frame {
			return &frames.UserStoppedSpeaking{Track: v.track, Position: v.callerAt(at), Rate: v.cfg.InputRate}
		})
	}
}

// tellBoth sends a speaking event to those after and before the service. They
// are two frames, since a frame has one identity.
func (v *conversation) tellBoth(event func() frames.Frame) {
	v.emit(event())
	v.send(parcel{frame: event(), gen: v.out.Generation(), dir: frames.Upstream})
}

// vadStarted and vadStopped take what a detector in the pipeline has found.
func (v *conversation) vadStarted(f *frames.VADStarted) {
	s := &v.speech
	s.detected, s.since = true, time.Now()
	if inProgress(s.segments) {
		return
	}
	if len(s.segments) == maxUtterances {
		s.segments = append(s.segments[:1:1], s.segments[2:]...)
	}
	s.segments = append(s.segments, utterance{start: v.ringAt(f.Position, f.Rate)})
	if !s.told {
		v.takeTurn(v.listening)
	}
}

func (v *conversation) vadStopped(f *frames.VADStopped) {
	s := &v.speech
	if !inProgress(s.segments) {
		return
	}
	s.since = time.Now()
	last := &s.segments[len(s.segments)-1]
	if c := v.listening; s.told && c != nil && c.speech.number > 0 && (c.speech.end == 0 || c.speech.end+v.slack() >= last.start) {
		s.segments = nil // the service knows better
		return
	}
	last.end = max(1, v.ringAt(f.Position, f.Rate))
	last.over = v.ring.end // a detector tells when it has been quiet for a while
}

// ringAt returns the position on the ring of one on the caller's track.
func (v *conversation) ringAt(p audio.Position, rate audio.SampleRate) audio.Position {
	if rate == 0 {
		return v.ring.end
	}
	return min(v.ring.end, v.caller.stream(p.At(rate, v.cfg.InputRate)))
}

// userSaid handles a transcript of the user's. An utterance may have several.
func (v *conversation) userSaid(c *connection, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return // seen after turns that were typed
	}
	s := &v.speech
	if c == v.listening {
		v.turn++
		v.takeTurn(c)
	}
	if r := c.reply; r != nil && v.isNewTurn(c, r) {
		// The user has spoken over what is still heard. That is a barge-in,
		// marker or not: some builds send none. What an old stream says from here
		// on is another answer, too.
		if c == v.listening && v.playing() && !r.cut {
			v.bargeIn(c)
		}
		v.closeReply(r)
	}
	if c != v.listening && (c.speech.end == 0 || c.speech.end > s.answeredTo) {
		return // the stream that listens hears it again
	}
	e := v.past.add(User, text)
	if c == v.listening {
		e.pending = true
		s.texts, s.textAt, s.since = append(s.texts, e), v.ring.end, time.Now()
	}

	f := &frames.Transcription{Text: text, Track: v.track}
	if c.speech.number > 0 {
		end := c.speech.end
		if end == 0 {
			end = c.clock.user(c.clock.sent)
		}
		if s.textOf != nil && s.textOf != c && c.speech.start < min(s.textTold+v.slack(), s.textEnd) {
			return // a replay: the pipeline knows it
		}
		f.Start, f.End, f.Rate = v.callerAt(c.speech.start), v.callerAt(end), v.cfg.InputRate
		s.textTold, s.textEnd, s.textOf = max(s.textTold, c.speech.start), max(s.textEnd, c.speech.end), c
	}
	v.emit(f)
}

// isNewTurn reports whether a transcript that comes now is of another utterance
// than the one that r answers.
func (v *conversation) isNewTurn(c *connection, r *reply) bool {
	if c.speech.number > 0 {
		return c.speech.number > r.after
	}
	return time.Since(r.since) > time.Second
}
