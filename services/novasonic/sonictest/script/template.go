package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"

	"github.com/goccy/go-yaml/token"
)

// maxSentence limits what a template may make, in bytes.
const maxSentence = 16 << 10

// values are what a template may use, by name.
type values map[string]any

// pattern is a text that may be a template.
type pattern struct {
	text         string
	template     *template.Template // nil if it is not
	line, column int                // where it is written
}

// scope is a place in a script where templates are, and what they find there.
type scope struct {
	at *token.Token

	reply    bool     // or else it is a greeting or the fallback
	any      bool     // the groups are not known: the expression is a mistake itself
	groups   []string // named ones of matches
	answered bool     // tools have been called
	tools    []string
}

// names that a template may begin with.
var names = []string{"text", "match", "turn", "result", "results"}

func newPattern(text string, in scope) (pattern, error) {
	p := pattern{text: strings.TrimSpace(text)}
	if in.at != nil && in.at.Position != nil {
		p.line, p.column = in.at.Position.Line, in.at.Position.Column
	}
	if !strings.Contains(text, "{{") {
		return p, nil
	}
	t, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"title": title}).Parse(p.text)
	if err != nil {
		return p, errors.New("bad template: " + strings.TrimPrefix(strings.TrimPrefix(err.Error(), "template: "), ":1: "))
	}
	if t.Tree != nil {
		if err := in.check(t.Root, true); err != nil {
			return p, fmt.Errorf("bad template: %w", err)
		}
	}
	p.template = t
	return p, nil
}

// check finds names that there never are. Within range and with, the dot is
// something else, and only $ is known.
func (in scope) check(n parse.Node, dot bool) error {
	type part struct {
		parse.Node
		dot bool
	}
	var inside []part
	branch := func(b parse.BranchNode, within bool) {
		inside = []part{{b.Pipe, dot}, {b.List, within}}
		if b.ElseList != nil {
			inside = append(inside, part{b.ElseList, dot})
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, each := range n.Nodes {
			inside = append(inside, part{each, dot})
		}
	case *parse.ActionNode:
		inside = []part{{n.Pipe, dot}}
	case *parse.IfNode:
		branch(n.BranchNode, dot)
	case *parse.RangeNode:
		branch(n.BranchNode, false)
	case *parse.WithNode:
		branch(n.BranchNode, false)
	case *parse.PipeNode:
		for _, each := range n.Cmds {
			inside = append(inside, part{each, dot})
		}
	case *parse.CommandNode:
		for _, each := range n.Args {
			inside = append(inside, part{each, dot})
		}
	case *parse.ChainNode:
		inside = []part{{n.Node, dot}}
	case *parse.FieldNode:
		if dot {
			return in.find(n.Ident)
		}
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			return in.find(n.Ident[1:])
		}
	}
	for _, p := range inside {
		if err := in.check(p.Node, p.dot); err != nil {
			return err
		}
	}
	return nil
}

// find says why there is never anything of a name, such as match and day.
func (in scope) find(name []string) error {
	first, member := name[0], ""
	if len(name) > 1 {
		member = name[1]
	}
	one := func(all []string) error {
		if member == "" || slices.Contains(all, member) {
			return nil
		}
		return fmt.Errorf("there is no .%s.%s; there are .%s.%s", first, member, first, strings.Join(all, fmt.Sprintf(", .%s.", first)))
	}
	switch first {
	case "text", "turn":
		if member != "" {
			return fmt.Errorf("there is no .%s.%s: .%s has no members", first, member, first)
		}
		return nil
	case "match":
		switch {
		case !in.reply:
			return errors.New("there is no .match here: only replies have matches")
		case in.any:
			return nil
		case len(in.groups) == 0:
			return errors.New("there is no .match here: the reply's when has no matches with a named group, such as (?P<day>\\w+)")
		}
		return one(in.groups)
	case "result", "results":
		switch {
		case !in.reply:
			return fmt.Errorf("there is no .%s here: only replies call tools", first)
		case !in.answered:
			return fmt.Errorf("there is no .%s here: tools have answered in then, not before", first)
		case first == "results":
			return one(in.tools)
		}
		return nil
	}
	return fmt.Errorf("there is no .%s; there are .%s", first, strings.Join(names, ", ."))
}

// templateError is a template that failed in a conversation.
type templateError struct {
	pattern
	err error
}

func (e *templateError) Error() string {
	return fmt.Sprintf("template %q: %v", e.text, e.err)
}

// render fills in the template. Its error is a [*templateError].
func (p pattern) render(v values) (string, error) {
	if p.template == nil {
		return p.text, nil
	}
	var b bytes.Buffer
	if err := p.template.Execute(&limited{w: &b, left: maxSentence}, map[string]any(v)); err != nil {
		return "", &templateError{p, err}
	}
	return strings.Join(strings.Fields(b.String()), " "), nil
}

// limited is a writer that ends a template that writes without end.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("more than %d bytes", maxSentence)
	}
	return l.w.Write(p)
}

// title makes the first letter of each word a capital.
func title(s string) string {
	before := ' '
	return strings.Map(func(r rune) rune {
		was := before
		before = r
		if unicode.IsSpace(was) {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

// arguments are a call's arguments, with patterns in place of texts.
type arguments map[string]any

// newArguments compiles the texts in a tree of YAML values.
func newArguments(m map[string]any, in scope) (arguments, error) {
	out := make(arguments, len(m))
	for name, v := range m {
		c, err := compileValue(v, in)
		if err != nil {
			return nil, err
		}
		out[name] = c
	}
	return out, nil
}

func compileValue(v any, in scope) (any, error) {
	switch v := v.(type) {
	case string:
		return newPattern(v, in)
	case map[string]any:
		return newArguments(v, in)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			c, err := compileValue(v[i], in)
			if err != nil {
				return nil, err
			}
			out[i] = c
		}
		return out, nil
	}
	return v, nil
}

// json renders the arguments as a JSON object.
func (a arguments) json(v values) (string, error) {
	filled, err := fill(a, v)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(filled)
	return string(b), err
}

func fill(value any, v values) (any, error) {
	switch value := value.(type) {
	case pattern:
		return value.render(v)
	case arguments:
		out := make(map[string]any, len(value))
		for name, inner := range value {
			f, err := fill(inner, v)
			if err != nil {
				return nil, err
			}
			out[name] = f
		}
		return out, nil
	case []any:
		out := make([]any, len(value))
		for i := range value {
			f, err := fill(value[i], v)
			if err != nil {
				return nil, err
			}
			out[i] = f
		}
		return out, nil
	}
	return value, nil
}
