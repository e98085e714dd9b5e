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
	files    []string
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
// from fsys. A mistake in the script is an [*Error]; several are joined, from the
// first line to the last, and each is one line of the error's text. Those of its
// form are found first, and those of what it means when it has none.
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
		s.fault(s.at("$.version"), "the version is missing: begin with \"version: 1\"")
	default:
		s.fault(s.at("$.version"), "this is version %d; only version 1 is understood", s.Version)
		return nil, s.mistakes() // whatever else is wrong by version 1 may be right by that one
	}
	if len(s.Replies)+len(s.Greeting)+len(s.Fallback.Say)+len(s.Recordings) == 0 && s.Fallback.Echo == "" {
		s.fault(s.at("$.version"), "the script says nothing: it needs replies, a greeting or a fallback")
	}
	out := &Script{name: s.Name, library: new(hearing.Library), clips: make(map[string]*clip, len(s.Clips))}
	for _, e := range s.Recordings {
		out.files = append(out.files, e.File)
	}
	for _, e := range s.Clips {
		out.files = append(out.files, e.File)
	}
	s.compileReplies(out)
	s.compileClips(out, fsys)
	s.compileRecordings(out, fsys)
	if len(s.faults) > 0 {
		return nil, s.mistakes()
	}
	return out, nil
}

func (s *source) compileReplies(out *Script) {
	out.greeting = s.patterns(s.Greeting, "$.greeting", scope{})
	out.fallback.say = s.patterns(s.Fallback.Say, "$.fallback.say", scope{})
	out.fallback.echo = s.Fallback.Echo
	for i, e := range s.Replies {
		r := s.reply(e, fmt.Sprintf("$.replies[%d]", i))
		out.replies = append(out.replies, r)
		for _, c := range r.calls {
			if !slices.Contains(out.tools, c.tool) {
				out.tools = append(out.tools, c.tool)
			}
		}
	}
	slices.Sort(out.tools)
}

func (s *source) reply(e replyEntry, path string) reply {
	r := reply{when: s.condition(e.When, path)}
	before := scope{reply: true, any: e.When.Matches != nil && r.when.matches == nil}
	if r.when.matches != nil {
		before.groups = slices.DeleteFunc(slices.Clone(r.when.matches.SubexpNames()), func(name string) bool { return name == "" })
	}
	after := before
	after.answered = len(e.Call) > 0
	for _, c := range e.Call {
		after.tools = append(after.tools, c.Tool)
	}
	r.say = s.patterns(e.Say, path+".say", before)
	if after.answered { // what is said after a call that there is not is a mistake in itself
		r.then, r.failed = s.patterns(e.Then, path+".then", after), s.patterns(e.Failed, path+".failed", after)
	}
	for i, c := range e.Call {
		at := fmt.Sprintf("%s.call[%d]", path, i)
		if c.Tool == "" {
			s.fault(s.at("%s", at), "the call has no tool: write \"tool: name\"")
		}
		before.at = s.at("%s.arguments", at)
		compiled, err := newArguments(c.Arguments, before)
		if err != nil {
			s.fault(before.at, "%v", err)
		}
		r.calls = append(r.calls, call{tool: c.Tool, arguments: compiled})
	}
	switch {
	case len(e.Say) == 0 && len(e.Call) == 0:
		s.fault(s.at("%s", path), "the reply does nothing: it needs say or call")
	case len(e.Call) == 0 && len(e.Then) > 0:
		s.fault(s.at("%s.then", path), "then is said after a call, and this reply has none: use say")
	case len(e.Call) == 0 && len(e.Failed) > 0:
		s.fault(s.at("%s.failed", path), "failed is said after a call, and this reply has none")
	}
	return r
}

func (s *source) condition(e conditionEntry, path string) (c condition) {
	if e == (conditionEntry{}) {
		s.fault(s.at("%s", path), "the reply needs a when: exact, contains, matches, after or turn; what is always said belongs in fallback")
		return c
	}
	for _, text := range []struct {
		name    string
		written *string
		folded  *string
	}{
		{"exact", e.Exact, &c.exact}, {"contains", e.Contains, &c.contains}, {"after", e.After, &c.after},
	} {
		if text.written == nil {
			continue
		}
		if *text.folded = fold(*text.written); *text.folded == "" {
			s.fault(s.at("%s.when.%s", path, text.name), "%q has no words in it, and only words are compared", *text.written)
		}
	}
	if e.Turn != nil {
		if c.turn = *e.Turn; c.turn < 1 {
			s.fault(s.at("%s.when.turn", path), "the first turn is 1, not %d", c.turn)
		}
	}
	if e.Matches != nil {
		r, err := regexp.Compile("(?i)" + *e.Matches)
		switch {
		case err != nil:
			s.fault(s.at("%s.when.matches", path), "bad regular expression: %v", regexpMessage(err))
		case *e.Matches == "":
			s.fault(s.at("%s.when.matches", path), "the regular expression is empty, and would be found in everything: what is always said belongs in fallback")
		}
		c.matches = r
	}
	return c
}

// regexpMessage says what is wrong with an expression without the flag that was
// put before it.
func regexpMessage(err error) string {
	return err.Error()[len("error parsing regexp: "):]
}

func (s *source) patterns(texts []string, path string, in scope) []pattern {
	out := make([]pattern, 0, len(texts))
	for i, text := range texts {
		in.at = s.at("%s[%d]", path, i)
		p, err := newPattern(text, in)
		if err == nil && p.text == "" {
			err = errors.New("the sentence is empty")
		}
		if err != nil {
			s.fault(in.at, "%v", err)
		}
		out = append(out, p)
	}
	return out
}

func (s *source) compileClips(out *Script, fsys fs.FS) {
	for i, e := range s.Clips {
		text := tidy(e.Text)
		switch {
		case text == "":
			s.fault(s.at("$.clips[%d]", i), "the clip has no text: write the sentence that it speaks")
		case out.clips[text] != nil:
			s.fault(s.at("$.clips[%d].text", i), "there is a clip for %q already: take one of them out", text)
		}
		if e.File == "" {
			s.fault(s.at("$.clips[%d]", i), "the clip has no file")
			continue
		}
		c, err := newClip(fsys, e.File)
		if err != nil {
			s.fault(s.at("$.clips[%d].file", i), "%v", err)
			c = new(clip) // so that a second one is found out
		}
		out.clips[text] = c
	}
}

func (s *source) compileRecordings(out *Script, fsys fs.FS) {
	sounds, failures := make([]sound, len(s.Recordings)), make([]error, len(s.Recordings))
	var g errgroup.Group
	g.SetLimit(4)
	for i, e := range s.Recordings {
		if e.File == "" {
			s.fault(s.at("$.recordings[%d]", i), "the recording has no file")
			continue
		}
		g.Go(func() error {
			sounds[i], failures[i] = load(fsys, e.File, maxRecording)
			return nil
		})
	}
	_ = g.Wait() // the failures are kept
	for i, e := range s.Recordings {
		switch {
		case e.File == "":
			continue
		case failures[i] != nil:
			s.fault(s.at("$.recordings[%d].file", i), "%v", failures[i])
			continue
		}
		before := len(s.faults)
		r := hearing.Recording{Name: e.File, Audio: sounds[i].samples, Rate: sounds[i].rate}
		for j, u := range e.Utterances {
			known, err := s.utterance(u, sounds[i].duration())
			if err == nil {
				err = apart(known, r.Utterances)
			}
			if err != nil {
				s.fault(s.at("$.recordings[%d].utterances[%d]", i, j), "%v", err)
				continue
			}
			r.Utterances = append(r.Utterances, known)
		}
		if len(s.faults) > before {
			continue
		}
		if err := out.library.Add(r); err != nil {
			s.fault(s.at("$.recordings[%d]", i), "%v", err)
		}
	}
}

// apart is an error if an utterance shares time with another one.
func apart(u hearing.Known, others []hearing.Known) error {
	for _, o := range others {
		if u.Start < o.End && o.Start < u.End {
			return fmt.Errorf("from %v to %v overlaps with %q, from %v to %v: one thing is said at a time",
				u.Start.Seconds(), u.End.Seconds(), o.Text, o.Start.Seconds(), o.End.Seconds())
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
