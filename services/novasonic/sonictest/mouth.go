package sonictest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/internal/convert"
	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

// mouth is what a session speaks with.
type mouth struct {
	current *answer // being thought of or sent
	waiting []asked // turns for which it was not the time yet
	calls   map[string]*call
	spoken  uint64 // sentences rendered, which seeds the voice

	// When all audio that was sent will have been played out: on the clock of
	// the input audio, and on the wall's, as the age of the stream. The service
	// knows neither for sure, since it sends faster than real time.
	playClock, playWall time.Duration
	finals              []*final
	completion          string // the id of the last answer's
}

// asked is a turn, and whom to tell which answer it got.
type asked struct {
	turn     Turn
	dice     *rand.Rand
	answered func(*StreamLog, int)
}

// answer is an answer on its way.
type answer struct {
	asked
	index      int    // in the log
	completion string // the id of the completion that it belongs to
	sentences  []Said
	calls      []ToolCall
	group      *callGroup
	next       int // the sentence to be spoken next
	called     int // calls made
	announced  bool
	block      string // contentId of the open AUDIO block, or ""
	finals     int    // FINAL texts sent
	dead       bool
}

// call is a tool call that was made.
type call struct {
	index  int // in the log
	answer int // index of the answer that made it
	group  *callGroup
	result ToolResult
	done   bool
}

// callGroup are the calls of one answer.
type callGroup struct {
	asked Turn
	calls []*call

	filled bool // filler speech has been thought of
}

// ask has a turn answered: at once, or when what is being said has been said
// and the user is silent.
func (s *session) ask(t Turn, dice *rand.Rand, answered func(*StreamLog, int)) {
	m := &s.mouth
	i := len(m.waiting)
	if t.Kind == Spoken { // before all that was not spoken
		if first := slices.IndexFunc(m.waiting, func(w asked) bool { return w.turn.Kind != Spoken }); first >= 0 {
			i = first
		}
	}
	m.waiting = slices.Insert(m.waiting, i, asked{t, dice, answered})
	s.serve()
}

// serve takes up what waits, if it is the time.
func (s *session) serve() {
	m := &s.mouth
	if len(m.waiting) == 0 || m.current != nil || s.ears.speaking || s.ears.unanswered > 0 || !s.rules.Prompting() {
		return
	}
	a := m.waiting[0]
	m.waiting = slices.Delete(m.waiting, 0, 1)
	s.begin(a)
}

// begin asks the brain.
func (s *session) begin(q asked) {
	given, ok := s.think(q.turn)
	if !ok {
		return
	}
	if q.turn.Kind != ToolResults {
		s.talk.said = append(s.talk.said, Message{Role: protocol.RoleUser, Text: q.turn.Text})
		s.talk.turns++
	}
	s.give(q, given)
}

// give begins an answer.
func (s *session) give(q asked, given Answer) {
	a := &answer{asked: q, sentences: s.render(given.Sentences), group: &callGroup{asked: q.turn}}
	a.calls = s.callsOf(given, len(a.sentences))
	s.rec.note(func(l *StreamLog) {
		a.index = len(l.Answers)
		l.Answers = append(l.Answers, AnswerLog{At: s.now, Turn: q.turn, Sentences: slices.Clone(a.sentences)})
		q.answered(l, a.index)
	})
	for _, said := range a.sentences {
		s.rec.hold(len(said.PCM))
	}
	a.completion = s.out.CompletionID
	s.mouth.current, s.mouth.completion = a, a.completion
	s.proceed(a, s.cfg.Latency.Think)
}

// think asks the brain. A brain that panics ends its stream, and no other.
func (s *session) think(t Turn) (given Answer, ok bool) {
	defer func() {
		if ok {
			return
		}
		if p := recover(); p != nil {
			s.rec.note(func(l *StreamLog) { l.Panic = fmt.Sprintf("%v\n\n%s", p, debug.Stack()) })
			s.fail(&protocol.Refusal{Exception: protocol.ExceptionInternal, Text: fmt.Sprintf("the emulator's brain panicked: %v", p)})
		}
	}()
	return s.cfg.Brain.Answer(s.talk, t), true
}

// callsOf returns the calls in the order of the sentences that they follow, of
// which so many are said.
func (s *session) callsOf(given Answer, sentences int) []ToolCall {
	if s.behaviour.ToolsNever {
		return nil
	}
	calls := slices.Clone(given.Calls)
	for i := range calls {
		calls[i].After = min(max(calls[i].After, 0), sentences)
	}
	slices.SortStableFunc(calls, func(a, b ToolCall) int { return a.After - b.After })
	return calls
}

// render makes the sentences' audio, within the budget of maxTokens: what is
// beyond it is never said. What a sentence costs is known before its audio is
// made, which takes more memory than the text by a factor of some thousands.
func (s *session) render(sentences []Sentence) []Said {
	var said []Said
	spent := 0
	for _, sentence := range sentences {
		sentence, length := s.shortened(sentence)
		spent += textTokens(sentence.Text) + speechTokens(length)
		if s.maxTokens > 0 && spent > s.maxTokens {
			break
		}
		said = append(said, Said{Text: sentence.Text, Rate: s.talk.rate, PCM: s.pcm(sentence)})
	}
	return said
}

// shortened returns what is said of a sentence, and how long that takes.
func (s *session) shortened(sentence Sentence) (Sentence, time.Duration) {
	limit := s.cfg.Limits.Sentence
	if sentence.Audio == nil {
		if limit > 0 {
			sentence.Text = voice.Within(sentence.Text, limit)
		}
		return sentence, voice.Duration(sentence.Text)
	}
	if sentence.Rate == 0 {
		sentence.Rate = audio.Rate24k
	}
	if limit > 0 {
		sentence.Audio = sentence.Audio[:min(len(sentence.Audio), int(sentence.Rate.Samples(limit)))]
	}
	return sentence, sentence.Rate.Duration(int64(len(sentence.Audio)))
}

func (s *session) pcm(sentence Sentence) []int16 {
	s.mouth.spoken++
	if sentence.Audio == nil {
		// Every sentence of every stream has a signature of its own.
		seed := s.cfg.Seed + uint64(s.talk.stream)<<32 + s.mouth.spoken
		return voice.Synthesize(sentence.Text, voice.Options{Rate: s.talk.rate, Seed: seed})
	}
	if sentence.Rate == s.talk.rate {
		return sentence.Audio
	}
	c, err := convert.New(audio.Mono(sentence.Rate), audio.Mono(s.talk.rate))
	if err != nil {
		s.violation("", "the brain's audio cannot be converted: "+err.Error(), false)
		return nil
	}
	return c.Finish(c.Convert(nil, sentence.Audio))
}

// proceed does what comes next in an answer: calls, then a sentence after the
// given pause, or its end.
func (s *session) proceed(a *answer, pause time.Duration) {
	if a.called < len(a.calls) && a.calls[a.called].After == a.next {
		s.afterFor(a, s.cfg.Latency.ToolUse, func() {
			s.callTools(a)
			s.proceed(a, pause)
		})
		return
	}
	if a.next < len(a.sentences) {
		s.afterFor(a, pause, func() { s.announce(a) })
		return
	}
	s.done(a)
}

// afterFor has f called after one of the latencies, unless the answer is cut.
func (s *session) afterFor(a *answer, d time.Duration, f func()) {
	s.after(s.latency(a.dice, d), func() {
		if !a.dead {
			f()
		}
	})
}

// callTools makes the calls that come now.
func (s *session) callTools(a *answer) {
	s.completionStart() // a turn's may have ended before its tools' results came
	ends := []func(){}
	for ; a.called < len(a.calls) && a.calls[a.called].After == a.next; a.called++ {
		t := a.calls[a.called]
		if t.Arguments == "" {
			t.Arguments = "{}"
		}
		content, id := s.newID(), s.newID()
		c := &call{answer: a.index, group: a.group, result: ToolResult{ID: id, Name: t.Name, Arguments: t.Arguments}}
		a.group.calls = append(a.group.calls, c)
		s.mouth.calls[id] = c
		s.rules.Issued(id)
		s.rec.note(func(l *StreamLog) {
			c.index = len(l.Calls)
			l.Calls = append(l.Calls, CallLog{At: s.now, Answer: a.index, ID: id, Name: t.Name, Arguments: t.Arguments})
		})
		arguments := t.Arguments
		if s.behaviour.DoubleEncodedArguments {
			quoted, err := json.Marshal(arguments)
			if err == nil { // a string marshals
				arguments = string(quoted)
			}
		}
		s.spend(protocol.Tokens{OutputText: textTokens(arguments)})
		s.send(s.out.ContentStartTool(content), OutputLog{Name: "contentStart", ContentID: content, Type: "TOOL", Role: "TOOL", Answer: a.index})
		s.send(s.out.ToolUse(content, id, t.Name, arguments), OutputLog{Name: "toolUse", ContentID: content, Text: arguments, Answer: a.index})
		end := func() {
			s.send(s.out.ContentEnd(content, protocol.TypeTool, protocol.StopToolUse), OutputLog{Name: "contentEnd", ContentID: content, Type: "TOOL", StopReason: protocol.StopToolUse, Answer: a.index})
		}
		if s.behaviour.ToolBlocksNested {
			ends = append(ends, end)
		} else {
			end()
		}
	}
	for _, end := range ends {
		end()
	}
	a.announced = true
	s.tellUsage()
	if s.behaviour.Filler != "" && !a.group.filled {
		a.group.filled = true
		patience := s.behaviour.FillerAfter
		orDefault(&patience, 2*time.Second)
		s.after(patience, func() { s.fill(a.group) })
	}
}

// fill bridges the wait for a slow tool with speech.
func (s *session) fill(g *callGroup) {
	waits := slices.ContainsFunc(g.calls, func(c *call) bool { return !c.done })
	m := &s.mouth
	if !waits || !s.rules.Prompting() || m.current != nil || len(m.waiting) > 0 || s.ears.speaking || s.ears.unanswered > 0 || s.playing() {
		return
	}
	s.give(asked{g.asked, s.dice(g.asked.Kind, "filler for "+g.asked.Text), func(*StreamLog, int) {}}, Say(s.behaviour.Filler))
}

// announce sends the text of the next sentence.
func (s *session) announce(a *answer) {
	said := &a.sentences[a.next]
	a.announced = true
	s.completionStart() // a turn's may have ended before its tools' results came
	s.logSaid(a, a.next, func(l *Said) { l.Announced = s.now })
	s.sendText(protocol.RoleAssistant, protocol.StageSpeculative, s.shown(a.next, said.Text), protocol.StopPartial, a.index)
	s.talk.said = append(s.talk.said, Message{Role: protocol.RoleAssistant, Text: said.Text})
	s.spend(protocol.Tokens{OutputText: textTokens(said.Text)})
	s.tellUsage()
	s.afterFor(a, s.cfg.Latency.Speak, func() { s.speak(a) })
}

// shown is the text of a sentence as the service shows it: the second and
// later ones begin with the space that parts them.
func (s *session) shown(i int, text string) string {
	if i > 0 && s.behaviour.LeadingSpace.or(true) {
		return " " + text
	}
	return text
}

// speak begins the audio of the sentence that was announced.
func (s *session) speak(a *answer) {
	m := &s.mouth
	said := &a.sentences[a.next]
	a.block = s.newID()
	d := said.Rate.Duration(int64(len(said.PCM)))
	m.playClock = max(m.playClock, s.ears.clock()) + d
	m.playWall = max(m.playWall, s.now) + d
	s.registerFinal(a, a.next)
	s.logSaid(a, a.next, func(l *Said) { l.Started = s.now })
	s.send(s.out.ContentStartAudio(a.block, said.Rate), OutputLog{Name: "contentStart", ContentID: a.block, Type: "AUDIO", Role: protocol.RoleAssistant, Answer: a.index})
	s.piece(a)
}

// piece sends the next piece of the sentence, or ends its block.
func (s *session) piece(a *answer) {
	said := &a.sentences[a.next]
	left := len(said.PCM) - said.Sent
	if left == 0 {
		s.endAudio(a)
		return
	}
	n := s.pieceSize(a.dice, said.Rate, left)
	s.sendAudio(a, a.next, a.block, n)
	s.after(s.pause(a.dice, said.Rate, n), func() {
		if !a.dead {
			s.piece(a)
		}
	})
}

// pause is the time after a piece of n samples.
func (s *session) pause(dice *rand.Rand, rate audio.SampleRate, n int) time.Duration {
	d := s.cfg.Delivery
	pause := spread(dice, time.Duration(float64(rate.Duration(int64(n)))/d.Speed), d.Jitter)
	if d.Gaps > 0 && dice.Float64() < d.Gaps {
		pause += d.Gap
	}
	return pause
}

// pieceSize is the number of samples in the next piece. No piece is less than
// half as long as the others, unless the sentence is.
func (s *session) pieceSize(dice *rand.Rand, rate audio.SampleRate, left int) int {
	n := max(int(rate.Samples(spread(dice, s.cfg.Delivery.Piece, s.cfg.Delivery.Jitter))), 1)
	if left < n+n/2 {
		return left
	}
	return n
}

func (s *session) sendAudio(a *answer, i int, block string, n int) {
	said := &a.sentences[i]
	pcm := said.PCM[said.Sent : said.Sent+n]
	said.Sent += n
	s.logSaid(a, i, func(l *Said) { l.Sent = said.Sent })
	s.send(s.in(a.completion).AudioOutput(block, pcm), OutputLog{Name: "audioOutput", ContentID: block, Answer: a.index, Samples: n})
}

// endAudio ends the sentence's block, and goes on.
func (s *session) endAudio(a *answer) {
	said := &a.sentences[a.next]
	stop := protocol.StopPartial
	if a.next == len(a.sentences)-1 && a.called == len(a.calls) {
		stop = protocol.StopEnd
	}
	s.closeAudio(a, stop)
	s.spend(protocol.Tokens{OutputSpeech: speechTokens(said.Rate.Duration(int64(said.Sent)))})
	s.tellUsage()
	a.next++
	s.proceed(a, s.cfg.Latency.Sentence)
}

func (s *session) closeAudio(a *answer, stop string) {
	s.logSaid(a, a.next, func(l *Said) { l.Ended = s.now })
	s.send(s.in(a.completion).ContentEnd(a.block, protocol.TypeAudio, stop), OutputLog{Name: "contentEnd", ContentID: a.block, Type: "AUDIO", StopReason: stop, Answer: a.index})
	a.block = ""
}

// done is when all of an answer has been sent.
func (s *session) done(a *answer) {
	s.rec.note(func(l *StreamLog) { l.Answers[a.index].Done = s.now })
	s.mouth.current = nil
	a.dead = true
	s.tellUsage()
	if len(s.mouth.waiting) == 0 {
		s.turnOver()
	}
	s.serve()
}

// stopTalking drops all that has not been said.
func (s *session) stopTalking() {
	m := &s.mouth
	if m.current != nil {
		m.current.dead = true
	}
	m.current, m.waiting, m.finals = nil, nil, nil
}

func (s *session) logSaid(a *answer, i int, change func(*Said)) {
	s.rec.note(func(l *StreamLog) { change(&l.Answers[a.index].Sentences[i]) })
}

// in writes output events of an earlier turn's completion, which may have ended.
func (s *session) in(completion string) protocol.Output {
	out := s.out
	out.CompletionID = completion
	return out
}

// sendText sends a whole TEXT block.
func (s *session) sendText(role, stage, text, stop string, answer int) {
	s.sendTextIn(s.out.CompletionID, role, stage, text, stop, answer)
}

func (s *session) sendTextIn(completion, role, stage, text, stop string, answer int) {
	id, out := s.newID(), s.in(completion)
	s.send(out.ContentStartText(id, role, stage), OutputLog{Name: "contentStart", ContentID: id, Type: "TEXT", Role: role, Stage: stage, Answer: answer})
	for _, part := range s.parts(text) {
		s.send(out.TextOutput(id, role, part), OutputLog{Name: "textOutput", ContentID: id, Text: part, Answer: answer})
	}
	s.send(out.ContentEnd(id, protocol.TypeText, stop), OutputLog{Name: "contentEnd", ContentID: id, Type: "TEXT", StopReason: stop, Answer: answer})
}

// parts is the textOutput events in which a block's text is sent. The marker of a
// barge-in is no text.
func (s *session) parts(text string) []string {
	words := strings.SplitAfter(text, " ")
	if !s.behaviour.TextInParts || len(words) < 2 || text == protocol.Interrupted {
		return []string{text}
	}
	half := len(words) / 2
	return []string{strings.Join(words[:half], ""), strings.Join(words[half:], "")}
}
