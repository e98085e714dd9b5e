package script

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxScript  = 256 << 10
	maxEntries = 10_000
	maxDepth   = 64 // of brackets
	maxDashes  = 8  // "- - - …" at the beginning of a line
)

// document is a script as it is written.
type document struct {
	Version    int              `yaml:"version"`
	Name       string           `yaml:"name"`
	Recordings []recordingEntry `yaml:"recordings"`
	Clips      []clipEntry      `yaml:"clips"`
	Greeting   []string         `yaml:"greeting"`
	Replies    []replyEntry     `yaml:"replies"`
	Fallback   fallbackEntry    `yaml:"fallback"`
}

type recordingEntry struct {
	File       string           `yaml:"file"`
	Utterances []utteranceEntry `yaml:"utterances"`
}

type utteranceEntry struct {
	From float64 `yaml:"from"`
	To   float64 `yaml:"to"`
	Text string  `yaml:"text"`
}

type clipEntry struct {
	Text string `yaml:"text"`
	File string `yaml:"file"`
}

type replyEntry struct {
	When   conditionEntry `yaml:"when"`
	Say    []string       `yaml:"say"`
	Call   []callEntry    `yaml:"call"`
	Then   []string       `yaml:"then"`
	Failed []string       `yaml:"failed"`
}

// conditionEntry tells what is empty from what is not there.
type conditionEntry struct {
	Exact    *string `yaml:"exact"`
	Contains *string `yaml:"contains"`
	Matches  *string `yaml:"matches"`
	After    *string `yaml:"after"`
	Turn     *int    `yaml:"turn"`
}

type callEntry struct {
	Tool      string         `yaml:"tool"`
	Arguments map[string]any `yaml:"arguments"`
}

type fallbackEntry struct {
	Say  []string `yaml:"say"`
	Echo string   `yaml:"echo"`
}

// source is a parsed script that still knows where each value was written.
type source struct {
	file string
	tree *ast.File
	document
	faults []*Error // found so far
}

// parseScript reads a script's text.
func parseScript(file string, text []byte) (s *source, err error) {
	text = bytes.TrimPrefix(text, []byte("\uFEFF")) // Windows programs begin files with it
	long := len(text) > maxScript                   // and cut off, perhaps within a letter
	if bytes.IndexByte(text, 0) >= 0 || !long && !utf8.Valid(text) {
		return nil, fault(file, nil, "it is not a text file in UTF-8: name a script, which is YAML")
	}
	if long {
		return nil, fault(file, nil, "the script is longer than %d KiB", maxScript>>10)
	}
	if err := checkDepth(file, text); err != nil {
		return nil, err
	}
	// The YAML library is known to panic on some malformed input.
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fault(file, nil, "this is not YAML: %v", r)
		}
	}()
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, faultOf(file, err)
	}
	s = &source{file: file, tree: tree}
	switch {
	case len(tree.Docs) == 0 || tree.Docs[0].Body == nil:
		return nil, fault(file, nil, "the script is empty: it needs at least \"version: 1\" and some replies")
	case len(tree.Docs) > 1:
		return nil, fault(file, tree.Docs[1].Start, "a script is one YAML document: take out \"---\" and what follows")
	}
	g := guard{file: file}
	ast.Walk(&g, tree.Docs[0].Body)
	if g.err != nil {
		return nil, g.err
	}
	if s.form(tree.Docs[0].Body, reflect.TypeFor[document]()); len(s.faults) > 0 {
		return nil, s.mistakes()
	}
	if err := yaml.NodeToValue(tree.Docs[0].Body, &s.document, yaml.DisallowUnknownField()); err != nil {
		return nil, faultOf(file, err)
	}
	return s, nil
}

// form finds what in a node is not as a type wants it.
func (s *source) form(n ast.Node, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		if values, ok := mappingOf(n); ok {
			for _, v := range values {
				s.field(v, t)
			}
			return
		}
	case reflect.Slice:
		if list, ok := n.(*ast.SequenceNode); ok {
			for _, v := range list.Values {
				s.form(v, t.Elem())
			}
			return
		}
	}
	if err := yaml.NodeToValue(n, reflect.New(t).Interface()); err != nil {
		s.faults = append(s.faults, faultOf(s.file, err))
	}
}

// field is form for a field of a struct.
func (s *source) field(v *ast.MappingValueNode, t reflect.Type) {
	key := v.Key.GetToken()
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == key.Value {
			s.form(v.Value, f.Type)
			return
		}
	}
	s.faults = append(s.faults, fault(s.file, key, "unknown field %q%s", key.Value, fieldsInstead(key.Value, t)))
}

func mappingOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// checkDepth refuses text so deeply nested that the YAML library would take
// minutes over it: its time grows with the square of the depth.
func checkDepth(file string, text []byte) error {
	line, column, depth, dashes := 1, 0, 0, 0
	for _, b := range text {
		column++
		switch b {
		case '\n':
			line, column, dashes = line+1, 0, 0
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '-':
			if dashes >= 0 {
				dashes++
			}
		case ' ':
		default:
			dashes = -1 // not at the beginning of the line any more
		}
		if depth > maxDepth || dashes > maxDashes {
			return &Error{File: file, Line: line, Column: column, Message: "the script is nested too deeply here"}
		}
	}
	return nil
}

// guard refuses what makes a small script large.
type guard struct {
	file    string
	entries int
	err     error
}

func (g *guard) Visit(n ast.Node) ast.Visitor {
	if g.err != nil {
		return nil
	}
	g.entries++
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		g.err = fault(g.file, n.GetToken(), "anchors and aliases (&, *, <<) are not supported: write the value out")
		return nil
	}
	if g.entries > maxEntries {
		g.err = fault(g.file, n.GetToken(), "the script has more than %d entries", maxEntries)
		return nil
	}
	return g
}

// at finds where the value at a path, like "$.replies[0].when", was written; of
// what is not there, where its parent was.
func (s *source) at(format string, arguments ...any) *token.Token {
	for path := fmt.Sprintf(format, arguments...); path != "$"; path = parentOf(path) {
		p, err := yaml.PathString(path)
		if err != nil {
			continue
		}
		if n, err := p.FilterFile(s.tree); err == nil && n != nil {
			return firstToken(n)
		}
	}
	return firstToken(s.tree.Docs[0].Body)
}

// firstToken is where a node begins; a mapping's own token is its first colon.
func firstToken(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return firstToken(n.Values[0])
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return n.GetToken()
}

func parentOf(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return "$"
}

// fault notes a mistake.
func (s *source) fault(at *token.Token, format string, arguments ...any) {
	s.faults = append(s.faults, fault(s.file, at, format, arguments...))
}

// mistakes are all that were found, from the first line to the last.
func (s *source) mistakes() error {
	slices.SortStableFunc(s.faults, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	var errs []error
	for _, f := range s.faults {
		errs = append(errs, f)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
