package tool

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Limits on schemas. They are far above what a model can make sense of and low
// enough that nothing which is made of a schema gets out of hand.
const (
	maxSchemaBytes = 256 << 10
	maxSchemaNodes = 10_000 // after references have been put in place
	maxSchemaDepth = 100
)

// schema is what a tool knows about its arguments.
type schema struct {
	full   *jsonschema.Schema   // everything, references put in place
	check  *jsonschema.Resolved // full, ready to validate
	public json.RawMessage      // what the model sees
}

// derive makes the schema of arguments of type t.
func derive(t reflect.Type, refine []func(*jsonschema.Schema)) (schema, error) {
	top := t
	for top.Kind() == reflect.Pointer {
		top = top.Elem()
	}
	if top.Kind() != reflect.Struct && top.Kind() != reflect.Map {
		return schema{}, fmt.Errorf("derive schema: the arguments are of type %v, but a model gives named arguments: use a struct", t)
	}
	known := make(map[reflect.Type]*jsonschema.Schema)
	learnTypes(top, known, make(map[reflect.Type]bool))
	// top, not t: a pointer would allow null.
	s, err := jsonschema.ForType(top, &jsonschema.ForOptions{TypeSchemas: known})
	if err != nil {
		return schema{}, fmt.Errorf("derive schema: %w (a type that JSON Schema cannot describe can be left out with the tag `json:\"-\"`)", err)
	}
	pointersAreOptional(s)
	return finish(s, refine)
}

// parse makes the schema of one that was written by others.
func parse(text json.RawMessage, refine []func(*jsonschema.Schema)) (schema, error) {
	if len(text) > maxSchemaBytes {
		return schema{}, fmt.Errorf("read schema: it has %d bytes, more than %d: shorten it", len(text), maxSchemaBytes)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		return schema{}, fmt.Errorf("read schema: %w", err)
	}
	return finish(&s, refine)
}

func finish(s *jsonschema.Schema, refine []func(*jsonschema.Schema)) (schema, error) {
	for _, edit := range refine {
		edit(s)
	}
	full, err := resolveInPlace(s)
	if err != nil {
		return schema{}, err
	}
	if full.Type == "" && len(full.Types) == 0 && full.Properties != nil {
		full.Type = "object"
	}
	if full.Type != "object" { // null and object is not good enough either
		return schema{}, fmt.Errorf("schema at /: the top must be {\"type\": \"object\"}, not %s: services give arguments by name", typeName(full))
	}
	if full.Properties == nil {
		full.Properties = map[string]*jsonschema.Schema{}
	}
	check, err := full.Resolve(nil)
	if err != nil {
		return schema{}, fmt.Errorf("resolve schema: %w", err)
	}
	public, err := json.Marshal(portable(full))
	if err != nil {
		return schema{}, fmt.Errorf("encode schema: %w", err)
	}
	return schema{full: full, check: check, public: public}, nil
}

// pointersAreOptional takes fields that are pointers from the required ones.
// The derived schema allows null for them, which the model is not told; and a
// pointer is how Go says "if there is one". Slices allow null as well, but that
// says nothing about them.
func pointersAreOptional(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	s.Required = slices.DeleteFunc(s.Required, func(name string) bool {
		p := s.Properties[name]
		return p != nil && slices.Contains(p.Types, "null") && !slices.Contains(p.Types, "array")
	})
	for _, p := range s.Properties {
		pointersAreOptional(p)
	}
	pointersAreOptional(s.Items)
	pointersAreOptional(s.AdditionalProperties)
}

// learnTypes finds the types within t that encoding/json treats in a way that
// the schema library does not know of.
func learnTypes(t reflect.Type, known map[reflect.Type]*jsonschema.Schema, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	switch t {
	case reflect.TypeFor[json.RawMessage]():
		known[t] = &jsonschema.Schema{}
		return
	case reflect.TypeFor[json.Number]():
		known[t] = &jsonschema.Schema{Type: "number"}
		return
	}
	ptr := reflect.PointerTo(t)
	switch {
	case ptr.Implements(reflect.TypeFor[json.Unmarshaler]()):
		// It reads JSON its own way; the library knows those of the standard
		// library, and Refine is there for the others.
		return
	case ptr.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		known[t] = &jsonschema.Schema{Type: "string"}
		return
	}
	switch t.Kind() {
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			known[t] = &jsonschema.Schema{Type: "string", ContentEncoding: "base64"}
			return
		}
		learnTypes(t.Elem(), known, seen)
	case reflect.Pointer, reflect.Array, reflect.Map:
		learnTypes(t.Elem(), known, seen)
	case reflect.Struct:
		for i := range t.NumField() {
			learnTypes(t.Field(i).Type, known, seen)
		}
	}
}

// resolver puts local references in place.
type resolver struct {
	defs  map[string]*jsonschema.Schema // by reference: "#/$defs/Address"
	open  []string                      // the references that lead to here
	nodes int
}

// resolveInPlace returns a copy of s in which local references are replaced by
// what they refer to and "X or null" by X with null among its types, or says
// where s holds something that cannot be put to a model.
func resolveInPlace(s *jsonschema.Schema) (*jsonschema.Schema, error) {
	r := &resolver{defs: make(map[string]*jsonschema.Schema)}
	for name, d := range s.Defs {
		r.defs["#/$defs/"+name] = d
	}
	for name, d := range s.Definitions {
		r.defs["#/definitions/"+name] = d
	}
	return r.resolve(s, "", 0)
}

func (r *resolver) resolve(s *jsonschema.Schema, path string, depth int) (*jsonschema.Schema, error) {
	at := func(format string, args ...any) error {
		return fmt.Errorf("schema at /%s: %w", strings.TrimPrefix(path, "/"), fmt.Errorf(format, args...))
	}
	if s == nil {
		return nil, at("there is no schema (null)")
	}
	if r.nodes++; r.nodes > maxSchemaNodes || depth > maxSchemaDepth {
		return nil, at("it grows beyond %d parts or %d levels when references are put in place: make it smaller", maxSchemaNodes, maxSchemaDepth)
	}
	if s.Ref != "" {
		return r.follow(s, path, depth, at)
	}
	c := *s // shallow: what is changed below is replaced, not written to
	if len(c.AnyOf) > 0 || len(c.OneOf) > 0 {
		x, ok := orNull(&c)
		if !ok {
			return nil, at("a choice of schemas (anyOf, oneOf) is not accepted by every service: use one type, or several optional arguments")
		}
		resolved, err := r.resolve(x, path, depth+1)
		if err != nil {
			return nil, err
		}
		return nullable(resolved), nil
	}
	switch {
	case len(c.AllOf) == 1 && c.Type == "" && len(c.Types) == 0:
		// How generators say "this reference, with a description of its own".
		x := *c.AllOf[0]
		if c.Description != "" {
			x.Description = c.Description
		}
		return r.resolve(&x, path, depth+1)
	case len(c.AllOf) > 0:
		return nil, at("allOf is not accepted by every service: put its schemas together into one")
	case c.Not != nil || c.If != nil || c.Then != nil || c.Else != nil:
		return nil, at("conditions (not, if, false) are not accepted by every service: describe them in words and check them in the function")
	case c.DynamicRef != "":
		return nil, at("$dynamicRef is not accepted by every service: write out what it refers to")
	case len(c.PrefixItems) > 0 || len(c.ItemsArray) > 0:
		return nil, at("an array whose items differ in type is not accepted by every service: use an object")
	}
	types := slices.DeleteFunc(slices.Clone(c.Types), func(t string) bool { return t == "null" })
	if len(types) > 1 {
		return nil, at("a choice of types (%s) is not accepted by every service: use one type", strings.Join(types, ", "))
	}
	for _, t := range append(types, c.Type) {
		if t != "" && !slices.Contains([]string{"object", "array", "string", "number", "integer", "boolean", "null"}, t) {
			return nil, at("there is no type %s: use object, array, string, number, integer or boolean", excerpt(t))
		}
	}
	return r.children(&c, path, depth, at)
}

// children resolves the schemas within c that arguments can be part of.
func (r *resolver) children(c *jsonschema.Schema, path string, depth int, at func(string, ...any) error) (*jsonschema.Schema, error) {
	var err error
	if c.Properties != nil {
		resolved := make(map[string]*jsonschema.Schema, len(c.Properties))
		for name, p := range c.Properties {
			if resolved[name], err = r.resolve(p, path+"/properties/"+name, depth+1); err != nil {
				return nil, err
			}
		}
		c.Properties = resolved
	}
	for _, name := range c.Required {
		if _, ok := c.Properties[name]; !ok {
			return nil, at("%s is required but is not one of the properties: describe it there", excerpt(name))
		}
	}
	if c.Items != nil {
		if c.Items, err = r.resolve(c.Items, path+"/items", depth+1); err != nil {
			return nil, err
		}
	}
	if c.AdditionalProperties != nil && !isFalse(c.AdditionalProperties) {
		if c.AdditionalProperties, err = r.resolve(c.AdditionalProperties, path+"/additionalProperties", depth+1); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (r *resolver) follow(s *jsonschema.Schema, path string, depth int, at func(string, ...any) error) (*jsonschema.Schema, error) {
	target, ok := r.defs[s.Ref]
	switch {
	case !ok || target == nil:
		return nil, at("$ref %s leads nowhere: refer to #/$defs/… within the schema, or write it out", excerpt(s.Ref))
	case slices.Contains(r.open, s.Ref):
		return nil, at("$ref %s refers to itself, and no service takes a schema without end: limit the depth by writing it out", excerpt(s.Ref))
	}
	r.open = append(r.open, s.Ref)
	resolved, err := r.resolve(target, path, depth+1)
	r.open = r.open[:len(r.open)-1]
	if err != nil {
		return nil, err
	}
	c := *resolved
	if s.Description != "" {
		c.Description = s.Description
	}
	return &c, nil
}

// orNull returns X if s says "X or null", which is how generators write an
// optional argument.
func orNull(s *jsonschema.Schema) (*jsonschema.Schema, bool) {
	choices := append(slices.Clone(s.AnyOf), s.OneOf...)
	choices = slices.DeleteFunc(choices, func(c *jsonschema.Schema) bool { return c != nil && c.Type == "null" })
	if len(choices) != 1 || choices[0] == nil || len(s.AllOf) > 0 || s.Type != "" || len(s.Types) > 0 {
		return nil, false
	}
	x := *choices[0]
	if s.Description != "" {
		x.Description = s.Description
	}
	return &x, true
}

// nullable returns s with null allowed too.
func nullable(s *jsonschema.Schema) *jsonschema.Schema {
	c := *s
	if c.Type != "" && c.Type != "null" {
		c.Types, c.Type = []string{"null", c.Type}, ""
	}
	if c.Enum != nil && !slices.Contains(c.Enum, any(nil)) {
		c.Enum = append(slices.Clone(c.Enum), nil)
	}
	return &c
}

// isFalse reports whether s is the schema false, which nothing fits.
func isFalse(s *jsonschema.Schema) bool {
	return s != nil && s.Not != nil && reflect.ValueOf(*s.Not).IsZero()
}

// portable returns what the model is to see of s: the part of JSON Schema that
// every service takes.
func portable(s *jsonschema.Schema) *jsonschema.Schema {
	p := &jsonschema.Schema{
		Type:        typeOf(s),
		Description: s.Description,
		Format:      s.Format,
		Pattern:     s.Pattern,
		Minimum:     s.Minimum, Maximum: s.Maximum,
		ExclusiveMinimum: s.ExclusiveMinimum, ExclusiveMaximum: s.ExclusiveMaximum,
		MultipleOf: s.MultipleOf,
		MinLength:  s.MinLength, MaxLength: s.MaxLength,
		MinItems: s.MinItems, MaxItems: s.MaxItems,
		Required:      s.Required,
		PropertyOrder: s.PropertyOrder,
	}
	if s.Enum != nil {
		p.Enum = slices.DeleteFunc(slices.Clone(s.Enum), func(v any) bool { return v == nil })
	}
	if s.Const != nil {
		p.Enum = []any{*s.Const}
	}
	if s.Properties != nil {
		p.Properties = make(map[string]*jsonschema.Schema, len(s.Properties))
		for name, c := range s.Properties {
			p.Properties[name] = portable(c)
		}
	}
	if s.Items != nil {
		p.Items = portable(s.Items)
	}
	if reflect.ValueOf(*p).IsZero() {
		// A schema that says nothing would be written as "true", which is
		// not an object.
		p.Description = "any JSON value"
	}
	return p
}

// typeOf returns the one type, apart from null, that s allows; empty for any.
func typeOf(s *jsonschema.Schema) string {
	if s.Type != "" {
		return s.Type
	}
	for _, t := range s.Types {
		if t != "null" {
			return t
		}
	}
	return ""
}

func typeName(s *jsonschema.Schema) string {
	if len(s.Types) > 0 {
		return fmt.Sprintf("a choice of %q", s.Types)
	}
	if s.Type == "" {
		return "of any type"
	}
	return excerpt(s.Type)
}

// decodeProblem puts an error of encoding/json, which arguments that fit their
// schema can still cause in a type with a decoder of its own, as a problem.
func decodeProblem(err error) error {
	p := Problem{Reason: "cannot be read: " + err.Error()}
	var typeErr *json.UnmarshalTypeError
	if errors.As(err, &typeErr) {
		p = Problem{Field: typeErr.Field, Reason: fmt.Sprintf("must fit a Go %v, unlike the %s given", typeErr.Type, typeErr.Value)}
	}
	return &ArgumentsError{Problems: []Problem{p}}
}
