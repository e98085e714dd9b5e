package script

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

const (
	defaultEcho   = "You said:"
	defaultFailed = "I am sorry, I cannot do that."
	longestEcho   = 30 * time.Second

	// unknownWords is the transcript of words that were not recognised and are
	// played back.
	unknownWords = "(what you said)"
)

// Name returns the script's name; it may be empty.
func (s *Script) Name() string { return s.name }

// Library returns the recordings that the script knows, for
// [sonictest.Config]. It must not be added to.
func (s *Script) Library() *hearing.Library { return s.library }

// Tools returns the names of the tools that the script calls, sorted.
func (s *Script) Tools() []string { return append([]string(nil), s.tools...) }

// Files returns the audio files that the script names, as it names them: relative
// to its folder, with slashes.
func (s *Script) Files() []string { return append([]string(nil), s.files...) }

// Brain returns a brain that answers as the script says. It keeps no state: the
// same conversation gets the same answers, on whichever stream it goes on.
func (s *Script) Brain() sonictest.Brain { return brain{Script: s} }

// LoggedBrain is Brain, which tells log of each template that fails in a
// conversation.
func (s *Script) LoggedBrain(log *slog.Logger) sonictest.Brain { return brain{s, log} }

type brain struct {
	*Script
	log *slog.Logger // nil if nobody wants to know
}

// Answer implements [sonictest.Brain].
func (b brain) Answer(c *sonictest.Conversation, t sonictest.Turn) sonictest.Answer {
	return b.answerIn(c, t)
}

// conversation is what the brain needs to know of a [sonictest.Conversation].
type conversation interface {
	UserTurns() int
	History() []sonictest.Message
	Said() []sonictest.Message
	Tools() []sonictest.Tool
}

func (b brain) answerIn(c conversation, t sonictest.Turn) sonictest.Answer {
	if t.Kind == sonictest.ToolResults {
		return b.afterTools(c, t)
	}
	m := momentOf(c, t)
	if r, groups, ok := b.find(m); ok {
		return b.answer(c, r, valuesOf(m, groups))
	}
	if t.Kind == sonictest.Written && m.turn == 1 && len(b.greeting) > 0 {
		if sentences, err := b.say(b.greeting, valuesOf(m, nil)); err == nil {
			return sonictest.Answer{Sentences: sentences}
		}
	}
	return b.fallBack(t, valuesOf(m, nil))
}

// find returns the first reply that fits.
func (b brain) find(m moment) (*reply, map[string]string, bool) {
	for i := range b.replies {
		if groups, ok := b.replies[i].when.holds(m); ok {
			return &b.replies[i], groups, true
		}
	}
	return nil, nil, false
}

func valuesOf(m moment, groups map[string]string) values {
	return values{"text": m.text, "turn": m.turn, "match": groups}
}

// answer gives a reply, up to its calls.
func (b brain) answer(c conversation, r *reply, v values) sonictest.Answer {
	var a sonictest.Answer
	for _, call := range r.calls {
		arguments, err := call.arguments.json(v)
		b.tell(err)
		if err != nil || !offers(c, call.tool) {
			return b.fail(r, v)
		}
		a.Calls = append(a.Calls, sonictest.ToolCall{Name: call.tool, Arguments: arguments})
	}
	sentences, err := b.say(r.say, v)
	if err != nil {
		return b.fail(r, v)
	}
	a.Sentences = sentences
	for i := range a.Calls {
		a.Calls[i].After = len(sentences)
	}
	return a
}

func offers(c conversation, tool string) bool {
	for _, t := range c.Tools() {
		if t.Name == tool {
			return true
		}
	}
	return false
}

// afterTools says what a reply says when its tools have answered.
func (b brain) afterTools(c conversation, t sonictest.Turn) sonictest.Answer {
	if t.Pending > 0 {
		return sonictest.Answer{}
	}
	m := momentOf(c, t)
	r, groups, ok := b.find(m)
	if !ok || len(r.calls) == 0 {
		return sonictest.Answer{}
	}
	v := valuesOf(m, groups)
	results := make(map[string]any, len(t.Results))
	for _, result := range t.Results {
		var content map[string]any
		if err := json.Unmarshal([]byte(result.Content), &content); err != nil || content["error"] != nil {
			return b.fail(r, v)
		}
		results[result.Name] = content
		v["result"] = content
	}
	v["results"] = results
	sentences, err := b.say(r.then, v)
	if err != nil {
		return b.fail(r, v)
	}
	return sonictest.Answer{Sentences: sentences}
}

// tell logs why a template failed.
func (b brain) tell(err error) {
	if e := (*templateError)(nil); b.log != nil && errors.As(err, &e) {
		b.log.Warn("a template of the script failed", "line", e.line, "column", e.column, "template", e.text, "error", e.err)
	}
}

// fail says what a reply says when it cannot be given.
func (b brain) fail(r *reply, v values) sonictest.Answer {
	sentences, err := b.say(r.failed, v)
	if err != nil || len(sentences) == 0 {
		return sonictest.Say(defaultFailed)
	}
	return sonictest.Answer{Sentences: sentences}
}

// fallBack answers what no reply fits.
func (b brain) fallBack(t sonictest.Turn, v values) sonictest.Answer {
	sentences, err := b.say(b.fallback.say, v)
	if err != nil {
		sentences = nil
	}
	if b.fallback.echo == "" && len(b.fallback.say) > 0 {
		return sonictest.Answer{Sentences: sentences}
	}
	echo := b.fallback.echo
	if echo == "" {
		echo = defaultEcho
	}
	return sonictest.Answer{Sentences: append(sentences, b.echo(echo, t)...)}
}

// echo says back what was heard, in the caller's own voice if there is one.
func (b brain) echo(introduction string, t sonictest.Turn) []sonictest.Sentence {
	if t.Utterance == nil || len(t.Utterance.Audio) == 0 {
		if t.Text == "" {
			return nil
		}
		return []sonictest.Sentence{b.speak(introduction), b.speak(voice.Within(t.Text, longestEcho))}
	}
	text := voice.Within(t.Text, longestEcho)
	if text == "" {
		text = unknownWords
	}
	own := t.Utterance.Audio
	own = own[:min(len(own), int(t.Utterance.Rate.Samples(longestEcho)))]
	return []sonictest.Sentence{b.speak(introduction), {Text: text, Audio: own, Rate: t.Utterance.Rate}}
}

// say renders sentences, without those that come out empty.
func (b brain) say(patterns []pattern, v values) ([]sonictest.Sentence, error) {
	var out []sonictest.Sentence
	for _, p := range patterns {
		text, err := p.render(v)
		if err != nil {
			b.tell(err)
			return nil, err
		}
		if text != "" {
			out = append(out, b.speak(text))
		}
	}
	return out, nil
}

// speak gives a text its clip. A clip that turns out to be damaged is not worth
// breaking a conversation for: the text is spoken without it.
func (b brain) speak(text string) sonictest.Sentence {
	if c := b.clips[tidy(text)]; c != nil {
		if s, err := c.decode(); err == nil {
			return sonictest.Sentence{Text: text, Audio: s.samples, Rate: s.rate}
		}
	}
	return sonictest.Sentence{Text: text}
}

// Check decodes all clips, which Load leaves for when they are spoken, and
// returns the first error.
func (s *Script) Check() error {
	for _, c := range s.clips {
		if _, err := c.decode(); err != nil {
			return err
		}
	}
	return nil
}

func tidy(text string) string { return strings.Join(strings.Fields(text), " ") }

// beside returns the folder that a script is in.
func beside(fsys fs.FS, name string) (fs.FS, error) {
	if folder := path.Dir(name); folder != "." {
		return fs.Sub(fsys, folder)
	}
	return fsys, nil
}
