package tool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"
)

const (
	maxArguments = 1 << 20 // bytes; a model writes far less
	maxProblems  = 5       // more would not help a model to mend its call
	maxExact     = 1 << 53 // integers up to here are exact in a float64
)

// mend returns the arguments of a model in the form that the function expects,
// a JSON object that fits the schema, or an [*ArgumentsError].
func (s schema) mend(args json.RawMessage) (json.RawMessage, error) {
	value, err := readObject(args)
	if err != nil {
		return nil, err
	}
	c := checker{patterns: make(map[string]*regexp.Regexp)}
	mended := c.value(value, s.full, "")
	if len(c.problems) > 0 {
		return nil, &ArgumentsError{Problems: c.problems}
	}
	// The keywords that the checker leaves to the library: patternProperties,
	// dependentRequired, contains and so on.
	if err := s.check.Validate(mended); err != nil {
		return nil, oneProblem("", libraryReason(err))
	}
	out, err := json.Marshal(mended)
	if err != nil {
		return nil, oneProblem("", "cannot be encoded: "+err.Error())
	}
	return out, nil
}

func oneProblem(field, reason string) error {
	return &ArgumentsError{Problems: []Problem{{Field: field, Reason: reason}}}
}

// libraryReason takes from an error of the schema library the part which says
// what is wrong, without the trail of schemas that leads to it.
func libraryReason(err error) string {
	text := err.Error()
	for strings.HasPrefix(text, "validating ") {
		_, rest, ok := strings.Cut(text, ": ")
		if !ok {
			break
		}
		text = rest
	}
	return "do not fit the schema: " + text
}

// readObject decodes arguments. A model now and then sends its object wrapped
// in a JSON string; that is undone once.
func readObject(args json.RawMessage) (any, error) {
	if len(args) > maxArguments {
		return nil, oneProblem("", fmt.Sprintf("they have %d bytes, more than %d", len(args), maxArguments))
	}
	value, err := decode(args)
	if err != nil {
		return nil, err
	}
	if text, ok := value.(string); ok {
		if inner, err := decode(json.RawMessage(text)); err == nil {
			value = inner
		}
	}
	switch value.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return value, nil
	}
	return nil, oneProblem("", "must be a JSON object, not "+describe(value))
}

func decode(text json.RawMessage) (any, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // so that large integers keep their last digits
	var value any
	err := d.Decode(&value)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = fmt.Errorf("something follows the object at byte %d", d.InputOffset())
		}
	}
	if err != nil {
		return nil, oneProblem("", "are not valid JSON: "+err.Error())
	}
	return value, nil
}

// checker checks arguments and mends the small mistakes of models. It explains
// what is wrong in words that a model understands, with the place.
type checker struct {
	problems []Problem
	patterns map[string]*regexp.Regexp
}

func (c *checker) problem(path, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{Field: path, Reason: fmt.Sprintf(format, args...)})
	}
}

// value returns v as it fits s. Numbers come as json.Number and leave as int64,
// uint64 or float64.
func (c *checker) value(v any, s *jsonschema.Schema, path string) any {
	before := len(c.problems)
	want := typeOf(s)
	var mended any
	switch v := v.(type) {
	case nil:
		if want != "" && want != "null" && !slices.Contains(s.Types, "null") {
			c.problem(path, "must be %s, not null", article(want))
		}
		return nil
	case map[string]any:
		mended = v
		if c.hasType(v, want, path, "object") {
			mended = c.object(v, s, path)
		}
	case []any:
		mended = v
		if c.hasType(v, want, path, "array") {
			mended = c.array(v, s, path)
		}
	case string:
		mended = v
		if c.hasType(v, want, path, "string") {
			c.text(v, s, path)
		}
	case json.Number:
		mended = c.number(v, s, want, path)
	case bool:
		mended = v
		c.hasType(v, want, path, "boolean")
	}
	if len(c.problems) == before {
		c.allowed(mended, s, path)
	}
	return mended
}

func (c *checker) hasType(v any, want, path, got string) bool {
	if want == "" || want == got {
		return true
	}
	c.problem(path, "must be %s, not %s", article(want), describe(v))
	return false
}

func (c *checker) object(v map[string]any, s *jsonschema.Schema, path string) any {
	mended := make(map[string]any, len(v))
	for _, name := range slices.Sorted(maps.Keys(v)) {
		p, known := s.Properties[name]
		at := join(path, name)
		switch {
		case known && v[name] == nil && !slices.Contains(s.Required, name):
			// Null for something optional means that it is left out.
		case known:
			mended[name] = c.value(v[name], p, at)
		case isFalse(s.AdditionalProperties) && len(s.PatternProperties) == 0:
			c.problem(at, "is not an argument; there are %s", list(s))
		case s.AdditionalProperties != nil && !isFalse(s.AdditionalProperties):
			mended[name] = c.value(v[name], s.AdditionalProperties, at)
		default:
			mended[name] = c.value(v[name], &jsonschema.Schema{}, at)
		}
	}
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			c.problem(join(path, name), "is missing")
		}
	}
	return mended
}

func (c *checker) array(v []any, s *jsonschema.Schema, path string) any {
	if s.MinItems != nil && len(v) < *s.MinItems {
		c.problem(path, "must have at least %d items, not %d", *s.MinItems, len(v))
	}
	if s.MaxItems != nil && len(v) > *s.MaxItems {
		c.problem(path, "must have at most %d items, not %d", *s.MaxItems, len(v))
	}
	items := s.Items
	if items == nil {
		items = &jsonschema.Schema{}
	}
	mended := make([]any, len(v))
	for i, e := range v {
		mended[i] = c.value(e, items, fmt.Sprintf("%s[%d]", path, i))
	}
	return mended
}

func (c *checker) text(v string, s *jsonschema.Schema, path string) {
	if s.MinLength != nil && utf8.RuneCountInString(v) < *s.MinLength {
		c.problem(path, "must have at least %d characters", *s.MinLength)
	}
	if s.MaxLength != nil && utf8.RuneCountInString(v) > *s.MaxLength {
		c.problem(path, "must have at most %d characters", *s.MaxLength)
	}
	if s.Pattern != "" {
		re := c.patterns[s.Pattern]
		if re == nil {
			var err error
			if re, err = regexp.Compile(s.Pattern); err != nil {
				return // Resolve has refused such a schema
			}
			c.patterns[s.Pattern] = re
		}
		if !re.MatchString(v) {
			c.problem(path, "must match %s, unlike %s", s.Pattern, excerpt(v))
		}
	}
}

func (c *checker) number(n json.Number, s *jsonschema.Schema, want, path string) any {
	v, f, err := parseNumber(n, want == "integer")
	switch {
	case err != nil:
		c.problem(path, "is a number beyond all bounds: %s", excerpt(n.String()))
		return nil
	case want == "integer" && f != math.Trunc(f):
		c.problem(path, "must be a whole number, not %s", n)
	case want != "" && want != "integer" && want != "number":
		c.problem(path, "must be %s, not %s", article(want), describe(n))
	case s.Minimum != nil && f < *s.Minimum:
		c.problem(path, "must be at least %v, not %s", *s.Minimum, n)
	case s.Maximum != nil && f > *s.Maximum:
		c.problem(path, "must be at most %v, not %s", *s.Maximum, n)
	case s.ExclusiveMinimum != nil && f <= *s.ExclusiveMinimum:
		c.problem(path, "must be more than %v, not %s", *s.ExclusiveMinimum, n)
	case s.ExclusiveMaximum != nil && f >= *s.ExclusiveMaximum:
		c.problem(path, "must be less than %v, not %s", *s.ExclusiveMaximum, n)
	}
	return v
}

// parseNumber returns n as an int64 or uint64 if it is written as one, or is a
// whole number where one is wanted, else as a float64; and as a float64.
func parseNumber(n json.Number, whole bool) (v any, f float64, err error) {
	if f, err = n.Float64(); err != nil {
		return nil, 0, err
	}
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i, f, nil
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return u, f, nil
	}
	if whole && f == math.Trunc(f) && math.Abs(f) <= maxExact {
		return int64(f), f, nil
	}
	return f, f, nil
}

// allowed checks enum and const.
func (c *checker) allowed(v any, s *jsonschema.Schema, path string) {
	choices := s.Enum
	if s.Const != nil {
		choices = []any{*s.Const}
	}
	if choices == nil {
		return
	}
	got, err := json.Marshal(v)
	if err != nil {
		return // impossible: v was made of JSON
	}
	words := make([]string, 0, len(choices))
	for _, choice := range choices {
		word, err := json.Marshal(choice)
		if err != nil {
			continue
		}
		if bytes.Equal(got, word) {
			return
		}
		words = append(words, string(word))
	}
	c.problem(path, "must be %s, not %s", either(words), clip(string(got)))
}

func join(path, name string) string {
	if name == "" || strings.ContainsAny(name, ".[]\" \n\r\t") || len(name) > 60 {
		name = excerpt(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// list names the properties of s.
func list(s *jsonschema.Schema) string {
	if len(s.Properties) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(s.Properties)), ", ")
}

func either(words []string) string {
	const limit = 20
	switch n := len(words); {
	case n == 0:
		return "nothing"
	case n == 1:
		return words[0]
	case n > limit:
		return fmt.Sprintf("one of %s and %d more", strings.Join(words[:limit], ", "), n-limit)
	default:
		return "one of " + strings.Join(words, ", ")
	}
}

func article(typ string) string {
	switch typ {
	case "object", "array":
		return "an " + typ
	case "integer":
		return "a whole number"
	case "boolean":
		return "true or false"
	case "null":
		return typ
	}
	return "a " + typ
}

// describe tells a model what it has given.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "the string " + excerpt(v)
	case json.Number:
		return "the number " + clip(v.String())
	case bool:
		return strconv.FormatBool(v)
	}
	return fmt.Sprintf("a %T", v)
}

// clip shortens s to what fits a line.
func clip(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
