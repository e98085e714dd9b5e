package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"
)

// maxSentence limits what a template may make, in bytes.
const maxSentence = 16 << 10

// values are what a template may use, by name.
type values map[string]any

// pattern is a text that may be a template.
type pattern struct {
	text     string
	template *template.Template // nil if it is not
}

// names that a template may begin with.
var names = []string{"text", "match", "turn", "result", "results"}

func newPattern(text string) (pattern, error) {
	p := pattern{text: strings.TrimSpace(text)}
	if !strings.Contains(text, "{{") {
		return p, nil
	}
	t, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"title": title}).Parse(p.text)
	if err != nil {
		return p, errors.New("bad template: " + strings.TrimPrefix(strings.TrimPrefix(err.Error(), "template: "), ":1: "))
	}
	if t.Tree != nil {
		if err := checkNames(t.Root); err != nil {
			return p, err
		}
	}
	p.template = t
	return p, nil
}

// checkNames finds misspelt names, except within range and with, where the dot
// is something else.
func checkNames(n parse.Node) error {
	var inside []parse.Node
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			inside = n.Nodes
		}
	case *parse.ActionNode:
		inside = []parse.Node{n.Pipe}
	case *parse.IfNode:
		inside = []parse.Node{n.Pipe, n.List, n.ElseList}
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			inside = append(inside, c)
		}
	case *parse.CommandNode:
		inside = n.Args
	case *parse.FieldNode:
		for _, name := range names {
			if n.Ident[0] == name {
				return nil
			}
		}
		return fmt.Errorf("bad template: there is no .%s; there are .%s", n.Ident[0], strings.Join(names, ", ."))
	}
	for _, n := range inside {
		if list, ok := n.(*parse.ListNode); ok && list == nil {
			continue
		}
		if err := checkNames(n); err != nil {
			return err
		}
	}
	return nil
}

// render fills in the template.
func (p pattern) render(v values) (string, error) {
	if p.template == nil {
		return p.text, nil
	}
	var b bytes.Buffer
	if err := p.template.Execute(&limited{w: &b, left: maxSentence}, map[string]any(v)); err != nil {
		return "", err
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
func newArguments(m map[string]any) (arguments, error) {
	out := make(arguments, len(m))
	for name, v := range m {
		c, err := compileValue(v)
		if err != nil {
			return nil, err
		}
		out[name] = c
	}
	return out, nil
}

func compileValue(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return newPattern(v)
	case map[string]any:
		return newArguments(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			c, err := compileValue(v[i])
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
