package sonictest

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/services/novasonic/sonictest/internal/protocol"
)

// ears are what a session hears with.
type ears struct {
	block    int           // index of the open AUDIO block in the log, -1 if none is open
	blocks   int           // so far
	begun    time.Duration // the input clock at the open block's first sample
	rate     audio.SampleRate
	pos      audio.Position // samples of the open block
	total    time.Duration  // the input clock where no block is open
	listener *hearing.Listener

	speaking   bool          // the user is
	unanswered int           // utterances that have ended and not become turns yet
	active     time.Duration // age at the last audio or interactive text, for the idle limit
	lastSpeech time.Duration // age at the last speech
	openingAsk *protocol.Block
}

// clock is the input audio clock: how much audio has been heard, whatever time
// that took.
func (e *ears) clock() time.Duration {
	if e.block < 0 {
		return e.total
	}
	return e.begun + e.rate.Duration(int64(e.pos))
}

// audioStart opens an AUDIO block. It has an ear of its own, since its rate may
// differ from the last one's, but the input clock runs on.
func (s *session) audioStart(b *protocol.Block) {
	e := &s.ears
	e.block, e.begun, e.rate, e.pos = e.blocks, e.total, b.Rate, 0
	e.blocks++
	e.lastSpeech = s.now
	e.listener = hearing.New(hearing.Options{
		Rate:        b.Rate,
		Endpointing: s.cfg.Latency.endpointing(s.sensitivity),
		Library:     s.cfg.Library,
	})
	s.rec.note(func(l *StreamLog) {
		l.Audio = append(l.Audio, AudioBlock{Content: b.ContentName, Rate: b.Rate, Clock: e.begun, Opened: s.now})
	})
	if e.blocks == 1 {
		s.takeHistory()
	}
}

// takeHistory ends the part of the prompt that the client tells before the
// first audio. A last message of the user's that is interactive is answered.
func (s *session) takeHistory() {
	history := s.rules.History()
	if n := len(history); n > 0 && history[n-1].Interactive && history[n-1].Role == protocol.RoleUser && s.model.InteractiveText {
		s.ears.openingAsk = history[n-1]
		history = history[:n-1]
	}
	for _, b := range history {
		s.talk.history = append(s.talk.history, Message{Role: b.Role, Text: b.Text})
	}
	s.tellUsage()
}

// hear takes the next samples of the open AUDIO block.
func (s *session) hear(pcm []int16) {
	e := &s.ears
	if s.behaviour.SilenceCounts.or(true) || voiced(pcm) {
		e.active = s.now
	}
	e.pos += audio.Position(len(pcm))
	s.rec.note(func(l *StreamLog) {
		block := &l.Audio[e.block]
		block.Samples = e.pos
		block.Arrivals = append(block.Arrivals, Arrival{At: s.now, End: e.pos})
		if s.cfg.KeepAudio {
			block.PCM = append(block.PCM, pcm...)
		}
	})
	for _, ev := range e.listener.Write(pcm) {
		s.heard(ev)
	}
	s.releaseFinals(false)
	if ask := e.openingAsk; ask != nil && e.clock() >= s.cfg.Limits.TextAudio {
		e.openingAsk = nil
		s.written(ask.Text, -1)
	}
}

// voiced tells whether there is anything but silence, which is what
// telephones make of it: some noise.
func voiced(pcm []int16) bool {
	const threshold = 300 // -40 dBFS
	for _, v := range pcm {
		if v > threshold || v < -threshold {
			return true
		}
	}
	return false
}

// audioEnd closes the AUDIO block, which ends an utterance in progress.
func (s *session) audioEnd() {
	e := &s.ears
	for _, ev := range e.listener.Close() {
		s.heard(ev)
	}
	e.total = e.clock()
	s.rec.note(func(l *StreamLog) { l.Audio[e.block].Closed = s.now })
	e.block, e.listener = -1, nil
	s.releaseFinals(false)
}

// heard deals with the beginning or the end of an utterance.
func (s *session) heard(ev hearing.Event) {
	if !s.rules.Prompting() || s.ended {
		return
	}
	e := &s.ears
	clock := func(p audio.Position) time.Duration { return e.begun + e.rate.Duration(int64(p)) }
	tell := s.behaviour.UserSpeech.or(s.model.UserSpeech)
	e.lastSpeech = s.now
	switch ev.Kind {
	case hearing.SpeechStarted:
		e.speaking = true
		if tell {
			s.send(s.out.UserSpeechStart(clock(ev.At)), OutputLog{Name: "userSpeechStart", Answer: -1})
		}
		s.releaseFinals(true)
		s.bargeIn()
		s.completionStart()
	case hearing.SpeechEnded:
		e.speaking = false
		ignored := e.rate.Duration(int64(ev.At-ev.Utterance.Start)) < s.behaviour.IgnoreShort
		if s.behaviour.TranscriptFirst && !ignored {
			s.tellTranscript(ev.Utterance.Text)
		}
		if tell {
			s.send(s.out.UserSpeechEnd(clock(ev.At), clock(ev.Detected)), OutputLog{Name: "userSpeechEnd", Answer: -1})
		}
		s.spend(protocol.Tokens{InputSpeech: speechTokens(clock(ev.At) - clock(ev.Utterance.Start))})
		index := 0
		s.rec.note(func(l *StreamLog) {
			index = len(l.Heard)
			l.Heard = append(l.Heard, Heard{At: s.now, Block: e.block, Utterance: ev.Utterance, Answer: -1})
		})
		s.rec.hold(len(ev.Utterance.Audio))
		if ignored {
			s.serve() // what waited for the user to be silent
			return
		}
		e.unanswered++
		dice := s.dice(Spoken, ev.Utterance.Text)
		s.after(s.latency(dice, s.cfg.Latency.UserText), func() { s.spoken(ev.Utterance, index, dice) })
	}
}

// spoken tells what the user said, and has it answered unless the user has
// gone on to say more.
func (s *session) spoken(u *hearing.Utterance, index int, dice *rand.Rand) {
	e := &s.ears
	e.unanswered--
	if !s.rules.Prompting() {
		return
	}
	if !s.behaviour.TranscriptFirst {
		s.tellTranscript(u.Text)
	}
	s.spend(protocol.Tokens{InputText: textTokens(u.Text)})
	s.tellUsage()
	if e.speaking || e.unanswered > 0 {
		s.talk.said = append(s.talk.said, Message{Role: protocol.RoleUser, Text: u.Text})
		s.talk.turns++
		return
	}
	s.ask(Turn{Kind: Spoken, Text: u.Text, Utterance: u}, dice, func(l *StreamLog, answer int) { l.Heard[index].Answer = answer })
}

// tellTranscript sends what the user said.
func (s *session) tellTranscript(text string) {
	s.completionStart()
	for _, part := range s.transcript(text) {
		s.sendText(protocol.RoleUser, protocol.StageFinal, part, protocol.StopPartial, -1)
	}
}

// transcript is the blocks in which the user's words are told: none if they
// were not understood.
func (s *session) transcript(text string) []string {
	words := strings.Fields(text)
	switch {
	case len(words) == 0:
		return nil
	case len(words) > 1 && s.behaviour.SplitTranscript:
		half := len(words) / 2
		return []string{strings.Join(words[:half], " "), strings.Join(words[half:], " ")}
	}
	return []string{text}
}

// textEnd takes a TEXT block of the client's.
func (s *session) textEnd(b *protocol.Block) {
	s.spend(protocol.Tokens{InputText: textTokens(b.Text)})
	switch b.Role {
	case protocol.RoleSystem:
		s.talk.instructions = b.Text
		s.rec.note(func(l *StreamLog) { l.Instructions = b.Text })
		return
	case protocol.RoleSystemSpeech:
		s.rec.note(func(l *StreamLog) { l.SpeechStyle = b.Text })
		return
	}
	if b.Interactive {
		s.ears.active = s.now
	}
	if b.History {
		s.rec.note(func(l *StreamLog) { l.History = append(l.History, Message{Role: b.Role, Text: b.Text}) })
		return
	}
	noticed := b.Interactive && b.Role == protocol.RoleUser && s.notices()
	index := 0
	s.rec.note(func(l *StreamLog) {
		index = len(l.Texts)
		l.Texts = append(l.Texts, TextLog{At: s.now, Role: b.Role, Text: b.Text, Interactive: b.Interactive, Noticed: noticed, Answer: -1})
	})
	if noticed {
		s.written(b.Text, index)
	}
}

// notices tells whether interactive text becomes a turn. The service bills what
// it does not notice.
func (s *session) notices() bool {
	switch {
	case !s.model.InteractiveText:
		s.violation("contentEnd", "this model does not notice interactive text", false)
	case s.ears.block < 0:
		s.violation("contentEnd", "interactive text while no AUDIO block is open is not noticed", false)
	case s.ears.clock() < s.cfg.Limits.TextAudio:
		s.violation("contentEnd", "interactive text before "+s.cfg.Limits.TextAudio.String()+" of audio is not noticed", false)
	default:
		return true
	}
	return false
}

// written has interactive text answered. Its index is that in the log's Texts,
// or -1.
func (s *session) written(text string, index int) {
	s.releaseFinals(true)
	s.bargeIn()
	s.completionStart()
	turn, dice := Turn{Kind: Written, Text: text}, s.dice(Written, text)
	s.after(s.latency(dice, s.cfg.Latency.AfterText-s.cfg.Latency.Think), func() {
		if !s.rules.Prompting() {
			return
		}
		if s.behaviour.EmptyTranscript {
			s.sendText(protocol.RoleUser, protocol.StageFinal, "", protocol.StopPartial, -1)
		}
		s.ask(turn, dice, func(l *StreamLog, answer int) {
			if index >= 0 {
				l.Texts[index].Answer = answer
			}
		})
	})
}

// toolResult takes what a tool returned. An empty content is a second result.
func (s *session) toolResult(id, content string) {
	c := s.mouth.calls[id]
	if c == nil || c.done || content == "" {
		return
	}
	c.done, c.result.Content = true, content
	s.spend(protocol.Tokens{InputText: textTokens(content)})
	s.rec.note(func(l *StreamLog) {
		l.Calls[c.index].Result, l.Calls[c.index].ResultAt = content, s.now
	})
	turn := Turn{Kind: ToolResults, Asked: &c.group.asked, Latest: c.result}
	for _, other := range c.group.calls {
		if other.done {
			turn.Results = append(turn.Results, other.result)
		} else {
			turn.Pending++
		}
	}
	dice := s.dice(ToolResults, c.group.asked.Text+" "+c.result.Name)
	s.after(s.latency(dice, s.cfg.Latency.AfterTool-s.cfg.Latency.Think), func() {
		if s.rules.Prompting() {
			s.ask(turn, dice, func(*StreamLog, int) {})
		}
	})
}
