package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

// maxDescription is far beyond any useful description; services that have a
// limit have a larger one.
const maxDescription = 10_000

// Tool is a function that a model may call. Make one with [New] or [Raw]; the
// zero value is not a tool. It is immutable, and copies are the same tool.
type Tool struct{ def *definition }

type definition struct {
	name        string
	description string
	schema      schema
	options     options
	call        func(ctx context.Context, args json.RawMessage) (any, error)
	abandoned   atomic.Int64
}

// New makes a tool of fn. Its arguments are described to the model by a schema
// derived from T, which must be a struct, a map with string keys, or a pointer
// to one of them; see the package comment for how. A field's description is its
// jsonschema tag. R is anything that encoding/json can marshal; a value that is
// not a JSON object is given to the model as {"result": value}.
//
// The error that fn returns is read by the model, which may read it out: it
// should be a sentence that a caller may hear. fn must be safe for concurrent
// use, and ought to return soon after ctx is cancelled.
//
// The error says what is wrong with the name, the description, T or an option,
// where, and how to mend it.
func New[T, R any](name, description string, fn func(ctx context.Context, args T) (R, error), opts ...Option) (Tool, error) {
	build := func(o options) (schema, error) {
		if fn == nil {
			return schema{}, errors.New("the function is nil")
		}
		return derive(reflect.TypeFor[T](), o.refine)
	}
	return newTool(name, description, opts, build, func(ctx context.Context, raw json.RawMessage) (any, error) {
		var args T
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, decodeProblem(err)
		}
		return fn(ctx, args)
	})
}

// Raw makes a tool with a schema that was written elsewhere: a JSON Schema of
// draft 7 or 2020-12, at most 256 KiB. Its top must be an object. fn gets the
// arguments as a JSON object that fits the schema. For the rest see [New].
func Raw(name, description string, jsonSchema json.RawMessage, fn func(ctx context.Context, args json.RawMessage) (any, error), opts ...Option) (Tool, error) {
	build := func(o options) (schema, error) {
		if fn == nil {
			return schema{}, errors.New("the function is nil")
		}
		return parse(jsonSchema, o.refine)
	}
	return newTool(name, description, opts, build, func(ctx context.Context, args json.RawMessage) (any, error) {
		return fn(ctx, args)
	})
}

// Must returns t and panics if err is not nil. It is for tools that are part of
// the program, so that a mistake shows when it starts:
//
//	weather := tool.Must(tool.New("get_weather", "Tells the weather.", getWeather))
func Must(t Tool, err error) Tool {
	if err != nil {
		panic(err)
	}
	return t
}

func newTool(name, description string, opts []Option, build func(options) (schema, error), call func(context.Context, json.RawMessage) (any, error)) (Tool, error) {
	if err := checkName(name); err != nil {
		return Tool{}, err
	}
	fail := func(err error) (Tool, error) { return Tool{}, fmt.Errorf("make tool %s: %w", name, err) }
	switch {
	case strings.TrimSpace(description) == "":
		return fail(errors.New("the description is empty: tell the model in a sentence what the tool does and when to use it"))
	case len(description) > maxDescription:
		return fail(fmt.Errorf("the description has %d bytes, more than %d: shorten it", len(description), maxDescription))
	}
	o, err := collect(opts)
	if err != nil {
		return fail(err)
	}
	s, err := recovered(build, o)
	if err != nil {
		return fail(err)
	}
	return Tool{&definition{name: name, description: description, schema: s, options: o, call: call}}, nil
}

// recovered calls build, within which the functions given to Refine run, and
// the schema library, which asserts with panics what it believes of schemas.
func recovered(build func(options) (schema, error), o options) (s schema, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("build schema: %v", v)
		}
	}()
	return build(o)
}

// validName is what Amazon Bedrock accepts. The service's own words for a name
// that it refuses: "string [clock.now] does not match pattern ^[a-zA-Z0-9_-]+$".
// Its Converse API, and OpenAI's, add the limit of 64.
const validName = `^[a-zA-Z0-9_-]{1,64}$`

func checkName(name string) error {
	ok, err := regexp.MatchString(validName, name)
	if err != nil {
		return err // never: the pattern is a constant
	}
	if !ok {
		return fmt.Errorf("make tool %s: the name does not match %s: use 1 to 64 letters, digits, _ and -", excerpt(name), validName)
	}
	return nil
}

// Name returns the name by which the model calls the tool.
func (t Tool) Name() string {
	if t.def == nil {
		return ""
	}
	return t.def.name
}

// Description returns what the model is told that the tool does.
func (t Tool) Description() string {
	if t.def == nil {
		return ""
	}
	return t.def.description
}

// Schema returns the JSON Schema of the arguments as the model sees it: an
// object. The caller must not change it.
func (t Tool) Schema() json.RawMessage {
	if t.def == nil {
		return nil
	}
	return t.def.schema.public
}

// Timeout returns how long one call may take.
func (t Tool) Timeout() time.Duration {
	if t.def == nil {
		return 0
	}
	return t.def.options.timeout
}

// Slow reports whether calls are expected to take long; see the option [Slow].
func (t Tool) Slow() bool { return t.def != nil && t.def.options.slow }

// CancelOnInterruption reports whether a barge-in is to cancel calls in
// progress; see the option [CancelOnInterruption].
func (t Tool) CancelOnInterruption() bool { return t.def != nil && t.def.options.cancel }

// Abandoned returns how many calls have run out of time, or were cancelled, and
// are still running because the function does not heed its context.
func (t Tool) Abandoned() int {
	if t.def == nil {
		return 0
	}
	return int(t.def.abandoned.Load())
}

// String returns the name.
func (t Tool) String() string { return t.Name() }

// excerpt quotes text that came from outside, shortened to what fits a line.
func excerpt(s string) string {
	const limit = 60
	if len(s) <= limit {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:limit], ""))
}
