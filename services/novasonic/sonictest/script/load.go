package script

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

const maxRecording = 30 * time.Minute

// Script is a script that was read. It is safe for concurrent use.
type Script struct {
	name     string
	library  *hearing.Library
	clips    map[string]*clip // by the sentence's text
	greeting []pattern
	replies  []reply
	fallback fallback
	tools    []string
}

type reply struct {
	when              condition
	say, then, failed []pattern
	calls             []call
}

type call struct {
	tool      string
	arguments arguments
}

type fallback struct {
	say  []pattern
	echo string
}

// Load reads the script of the given name, and the audio files that it names,
// from fsys. A mistake in the script is an [*Error].
func Load(fsys fs.FS, name string) (*Script, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open script: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxScript+1))
	if err != nil {
		return nil, fmt.Errorf("read script %s: %w", name, err)
	}
	folder, err := beside(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("open script: %w", err)
	}
	src, err := parseScript(name, text)
	if err != nil {
		return nil, err
	}
	return src.compile(folder)
}

// compile turns what is written into what can be used, and finds the mistakes
// that YAML cannot.
func (s *source) compile(fsys fs.FS) (*Script, error) {
	switch s.Version {
	case 1:
	case 0:
		return nil, s.fault(s.at("$.version"), "the version is missing: begin with \"version: 1\"")
	default:
		return nil, s.fault(s.at("$.version"), "this is version %d; only version 1 is understood", s.Version)
	}
	out := &Script{name: s.Name, library: new(hearing.Library), clips: make(map[string]*clip, len(s.Clips))}
	if len(s.Replies)+len(s.Greeting)+len(s.Fallback.Say)+len(s.Recordings) == 0 {
		return nil, s.fault(s.at("$.version"), "the script says nothing: it needs replies, a greeting or a fallback")
	}
	for _, step := range []func(*Script, fs.FS) error{s.compileReplies, s.compileClips, s.compileRecordings} {
		if err := step(out, fsys); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *source) compileReplies(out *Script, _ fs.FS) (err error) {
	if out.greeting, err = s.patterns(s.Greeting, "$.greeting"); err != nil {
		return err
	}
	if out.fallback.say, err = s.patterns(s.Fallback.Say, "$.fallback.say"); err != nil {
		return err
	}
	out.fallback.echo = s.Fallback.Echo
	for i, e := range s.Replies {
		path := fmt.Sprintf("$.replies[%d]", i)
		r, err := s.reply(e, path)
		if err != nil {
			return err
		}
		out.replies = append(out.replies, r)
		for _, c := range r.calls {
			if !slices.Contains(out.tools, c.tool) {
				out.tools = append(out.tools, c.tool)
			}
		}
	}
	slices.Sort(out.tools)
	return nil
}

func (s *source) reply(e replyEntry, path string) (r reply, err error) {
	if r.when, err = s.condition(e.When, path); err != nil {
		return r, err
	}
	for _, part := range []struct {
		texts []string
		name  string
		into  *[]pattern
	}{{e.Say, "say", &r.say}, {e.Then, "then", &r.then}, {e.Failed, "failed", &r.failed}} {
		if *part.into, err = s.patterns(part.texts, path+"."+part.name); err != nil {
			return r, err
		}
	}
	for i, c := range e.Call {
		at := fmt.Sprintf("%s.call[%d]", path, i)
		if c.Tool == "" {
			return r, s.fault(s.at("%s", at), "the call has no tool: write \"tool: name\"")
		}
		compiled, err := newArguments(c.Arguments)
		if err != nil {
			return r, s.fault(s.at("%s.arguments", at), "%v", err)
		}
		r.calls = append(r.calls, call{tool: c.Tool, arguments: compiled})
	}
	switch {
	case len(r.say) == 0 && len(r.calls) == 0:
		return r, s.fault(s.at("%s", path), "the reply does nothing: it needs say or call")
	case len(r.calls) == 0 && len(r.then) > 0:
		return r, s.fault(s.at("%s.then", path), "then is said after a call, and this reply has none: use say")
	case len(r.calls) == 0 && len(r.failed) > 0:
		return r, s.fault(s.at("%s.failed", path), "failed is said after a call, and this reply has none")
	}
	return r, nil
}

func (s *source) condition(e conditionEntry, path string) (condition, error) {
	c := condition{exact: fold(e.Exact), contains: fold(e.Contains), after: fold(e.After), turn: e.Turn}
	for _, text := range []struct{ name, written, folded string }{
		{"exact", e.Exact, c.exact}, {"contains", e.Contains, c.contains}, {"after", e.After, c.after},
	} {
		if text.written != "" && text.folded == "" {
			return c, s.fault(s.at("%s.when.%s", path, text.name), "%q has no words in it, and only words are compared", text.written)
		}
	}
	if e.Turn < 0 {
		return c, s.fault(s.at("%s.when.turn", path), "the first turn is 1, not %d", e.Turn)
	}
	if e.Matches != "" {
		r, err := regexp.Compile("(?i)" + e.Matches)
		if err != nil {
			return c, s.fault(s.at("%s.when.matches", path), "bad regular expression: %v", regexpMessage(err))
		}
		c.matches = r
	}
	if e == (conditionEntry{}) {
		return c, s.fault(s.at("%s", path), "the reply needs a when: exact, contains, matches, after or turn; what is always said belongs in fallback")
	}
	return c, nil
}

// regexpMessage says what is wrong with an expression without the flag that was
// put before it.
func regexpMessage(err error) string {
	return err.Error()[len("error parsing regexp: "):]
}

func (s *source) patterns(texts []string, path string) ([]pattern, error) {
	out := make([]pattern, 0, len(texts))
	for i, text := range texts {
		p, err := newPattern(text)
		if err == nil && p.text == "" {
			err = errors.New("the sentence is empty")
		}
		if err != nil {
			return nil, s.fault(s.at("%s[%d]", path, i), "%v", err)
		}
		out = append(out, p)
	}
	return out, nil
}

func (s *source) compileClips(out *Script, fsys fs.FS) error {
	for i, e := range s.Clips {
		text := tidy(e.Text)
		switch {
		case text == "":
			return s.fault(s.at("$.clips[%d]", i), "the clip has no text: write the sentence that it speaks")
		case out.clips[text] != nil:
			return s.fault(s.at("$.clips[%d].text", i), "there is a clip for %q already", text)
		case e.File == "":
			return s.fault(s.at("$.clips[%d]", i), "the clip has no file")
		}
		c, err := newClip(fsys, e.File)
		if err != nil {
			return s.fault(s.at("$.clips[%d].file", i), "%v", err)
		}
		out.clips[text] = c
	}
	return nil
}

func (s *source) compileRecordings(out *Script, fsys fs.FS) error {
	for i, e := range s.Recordings {
		if e.File == "" {
			return s.fault(s.at("$.recordings[%d]", i), "the recording has no file")
		}
	}
	sounds := make([]sound, len(s.Recordings))
	var g errgroup.Group
	g.SetLimit(4)
	for i, e := range s.Recordings {
		g.Go(func() (err error) {
			if sounds[i], err = load(fsys, e.File, maxRecording); err != nil {
				return s.fault(s.at("$.recordings[%d].file", i), "%v", err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, e := range s.Recordings {
		r := hearing.Recording{Name: e.File, Audio: sounds[i].samples, Rate: sounds[i].rate}
		for j, u := range e.Utterances {
			known, err := s.utterance(u, sounds[i].duration())
			if err != nil {
				return s.fault(s.at("$.recordings[%d].utterances[%d]", i, j), "%v", err)
			}
			r.Utterances = append(r.Utterances, known)
		}
		if err := out.library.Add(r); err != nil {
			return s.fault(s.at("$.recordings[%d]", i), "%v", err)
		}
	}
	return nil
}

func (s *source) utterance(u utteranceEntry, length time.Duration) (hearing.Known, error) {
	switch {
	case u.Text == "":
		return hearing.Known{}, errors.New("the utterance has no text")
	case !(u.From >= 0 && u.From < u.To):
		return hearing.Known{}, fmt.Errorf("from %v to %v is not a stretch of time: both are seconds, and from comes first", u.From, u.To)
	case !(u.To <= length.Seconds()+0.5):
		return hearing.Known{}, fmt.Errorf("the recording ends at %.2f s, before %v s", length.Seconds(), u.To)
	}
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return hearing.Known{Text: u.Text, Start: seconds(u.From), End: seconds(u.To)}, nil
}
