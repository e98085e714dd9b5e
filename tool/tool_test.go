package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/parley-go/parley/tool"
)

type place struct {
	City    string `json:"city" jsonschema:"the city's name"`
	Country string `json:"country,omitempty"`
}

type forecastArgs struct {
	Place place    `json:"place"`
	Days  int      `json:"days,omitempty" jsonschema:"how many days ahead"`
	Tags  []string `json:"tags,omitempty"`
	Exact *bool    `json:"exact"`
	Big   int64    `json:"big,omitempty"`
}

// echo returns the arguments that the function has got.
func echo[T any](t *testing.T, opts ...tool.Option) tool.Tool {
	t.Helper()
	made, err := tool.New("echo", "Says it back.", func(_ context.Context, args T) (T, error) { return args, nil }, opts...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return made
}

func failing(t *testing.T, fn func(ctx context.Context) (any, error), opts ...tool.Option) tool.Tool {
	t.Helper()
	made, err := tool.New("job", "Does a job.", func(ctx context.Context, _ struct{}) (any, error) { return fn(ctx) }, opts...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return made
}

// errorText returns what the model is told, and fails the test if that is not
// a JSON object with a sentence in "error" and nothing else.
func errorText(t *testing.T, r tool.Result) string {
	t.Helper()
	var o map[string]string
	if err := json.Unmarshal(r.JSON, &o); err != nil || len(o) != 1 || o["error"] == "" {
		t.Fatalf("the model is given %s, not an object with an error", r.JSON)
	}
	if !r.Failed() || r.Value != nil {
		t.Fatalf("a result with an error for the model is not a failure for the application: %+v", r)
	}
	return o["error"]
}

func TestModelSeesASchemaOfTheArgumentsType(t *testing.T) {
	got := string(echo[forecastArgs](t).Schema())
	want := `{"type":"object","properties":{` +
		`"place":{"type":"object","properties":{"city":{"type":"string","description":"the city's name"},"country":{"type":"string"}},"required":["city"]},` +
		`"days":{"type":"integer","description":"how many days ahead"},` +
		`"tags":{"type":"array","items":{"type":"string"}},` +
		`"exact":{"type":"boolean"},` +
		`"big":{"type":"integer"}},"required":["place"]}`
	if got != want {
		t.Errorf("schema:\n got %s\nwant %s", got, want)
	}
}

func TestToolWithoutArgumentsHasAnEmptyObjectForASchema(t *testing.T) {
	if got, want := string(echo[struct{}](t).Schema()), `{"type":"object","properties":{}}`; got != want {
		t.Errorf("schema %s, want %s", got, want)
	}
}

type level int

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return errors.New("no such level")
	}
	return nil
}

func (l level) MarshalText() ([]byte, error) { return []byte([]string{"", "low", "high"}[l]), nil }

func TestSchemaFollowsWhatEncodingJSONReads(t *testing.T) {
	type args struct {
		Level level           `json:"level"`
		Data  []byte          `json:"data"`
		Any   json.RawMessage `json:"any"`
		Count json.Number     `json:"count"`
		When  time.Time       `json:"when"`
	}
	echo := echo[args](t)
	want := `{"type":"object","properties":{"level":{"type":"string"},"data":{"type":"string"},"any":{"description":"any JSON value"},` +
		`"count":{"type":"number"},"when":{"type":"string"}},"required":["level","data","any","count","when"]}`
	if got := string(echo.Schema()); got != want {
		t.Errorf("schema:\n got %s\nwant %s", got, want)
	}
	given := `{"any":{"x":[1,2.5]},"count":12,"data":"aGk=","level":"high","when":"2026-01-02T03:04:05Z"}`
	r := echo.Call(t.Context(), json.RawMessage(given))
	if r.Failed() {
		t.Fatalf("arguments that fit are refused: %v", r.Err)
	}
	want2 := args{Level: 2, Data: []byte("hi"), Any: json.RawMessage(`{"x":[1,2.5]}`), Count: "12", When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if diff := cmp.Diff(want2, r.Value); diff != "" {
		t.Errorf("function got (-want +got):\n%s", diff)
	}
	if got := errorText(t, echo.Call(t.Context(), json.RawMessage(strings.Replace(given, "high", "loud", 1)))); !strings.Contains(got, "no such level") {
		t.Errorf("the model is not told why its level was refused: %q", got)
	}
}

func TestRefineEditsTheDerivedSchema(t *testing.T) {
	type args struct {
		Unit string `json:"unit"`
	}
	echo := echo[args](t, tool.Refine(func(s *jsonschema.Schema) {
		s.Properties["unit"].Enum = []any{"celsius", "fahrenheit"}
	}))
	if want := `"enum":["celsius","fahrenheit"]`; !strings.Contains(string(echo.Schema()), want) {
		t.Errorf("schema %s lacks %s", echo.Schema(), want)
	}
	got := errorText(t, echo.Call(t.Context(), json.RawMessage(`{"unit":"kelvin"}`)))
	if want := `the arguments do not fit: unit must be one of "celsius", "fahrenheit", not "kelvin"`; got != want {
		t.Errorf("the model is told %q, want %q", got, want)
	}
}

func TestForeignSchemaIsPutIntoTheLanguageThatServicesTake(t *testing.T) {
	const foreign = `{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Args", "type": "object", "additionalProperties": false,
		"$defs": {"Unit": {"title": "Unit", "type": "string", "enum": ["c", "f"]}},
		"properties": {
			"unit":  {"$ref": "#/$defs/Unit", "description": "which scale"},
			"maybe": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": null, "title": "Maybe"},
			"named": {"allOf": [{"$ref": "#/$defs/Unit"}], "description": "again"},
			"fixed": {"const": "x"},
			"two":   {"type": ["null", "string"], "examples": ["a"]}
		},
		"required": ["unit"]}`
	raw, err := tool.Raw("raw", "Raw.", json.RawMessage(foreign), func(_ context.Context, args json.RawMessage) (any, error) { return args, nil })
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"object","properties":{"fixed":{"enum":["x"]},"maybe":{"type":"integer","minimum":1},` +
		`"named":{"type":"string","description":"again","enum":["c","f"]},"two":{"type":"string"},` +
		`"unit":{"type":"string","description":"which scale","enum":["c","f"]}},"required":["unit"]}`
	if got := string(raw.Schema()); got != want {
		t.Errorf("schema:\n got %s\nwant %s", got, want)
	}
	for args, want := range map[string]string{
		`{"unit":"c","maybe":null}`:            `{"unit":"c"}`,
		`{"unit":"f","maybe":3,"two":"x"}`:     `{"maybe":3,"two":"x","unit":"f"}`,
		`{"unit":"c","fixed":"x","named":"f"}`: `{"fixed":"x","named":"f","unit":"c"}`,
	} {
		if r := raw.Call(t.Context(), json.RawMessage(args)); r.Failed() || string(r.JSON) != want {
			t.Errorf("%s: the function got %s, %v; want %s", args, r.JSON, r.Err, want)
		}
	}
	for args, want := range map[string]string{
		`{"unit":"c","maybe":0}`:   "maybe must be at least 1, not 0",
		`{"unit":"c","fixed":"y"}`: `fixed must be "x", not "y"`,
		`{"unit":"c","more":1}`:    "more is not an argument; there are fixed, maybe, named, two, unit",
	} {
		if got := errorText(t, raw.Call(t.Context(), json.RawMessage(args))); !strings.Contains(got, want) {
			t.Errorf("%s: the model is told %q, want %q", args, got, want)
		}
	}
}

func TestSchemaThatAServiceWouldRefuseIsRefusedAtOnce(t *testing.T) {
	for name, c := range map[string]struct{ schema, want string }{
		"not JSON":            {`{"type":`, "read schema: "},
		"not an object":       {`{"type":"string"}`, `schema at /: the top must be {"type": "object"}, not "string"`},
		"a list of types":     {`{"type":["object","string"]}`, "schema at /: a choice of types (object, string)"},
		"nothing":             {`{}`, "schema at /: the top must be"},
		"false":               {`false`, "schema at /: conditions"},
		"a choice":            {`{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"anyOf":[{"type":"string"},{"type":"integer"}]}}}}}`, "schema at /properties/a/properties/b: a choice of schemas"},
		"one of":              {`{"type":"object","oneOf":[{"required":["a"]},{"required":["b"]}]}`, "schema at /: a choice of schemas"},
		"all of":              {`{"type":"object","allOf":[{"required":[]}]}`, "schema at /: allOf"},
		"a condition":         {`{"type":"object","properties":{"a":{"not":{"type":"string"}}}}`, "schema at /properties/a: conditions"},
		"a lost reference":    {`{"type":"object","properties":{"a":{"$ref":"#/$defs/B"}}}`, `schema at /properties/a: $ref "#/$defs/B" leads nowhere`},
		"a remote reference":  {`{"type":"object","properties":{"a":{"$ref":"https://example.com/b"}}}`, "leads nowhere"},
		"recursion":           {`{"type":"object","$defs":{"B":{"type":"object","properties":{"b":{"$ref":"#/$defs/B"}}}},"properties":{"a":{"$ref":"#/$defs/B"}}}`, `$ref "#/$defs/B" refers to itself`},
		"a tuple":             {`{"type":"object","properties":{"a":{"type":"array","prefixItems":[{"type":"string"}]}}}`, "schema at /properties/a: an array whose items differ"},
		"two types":           {`{"type":"object","properties":{"a":{"type":["string","integer"]}}}`, "schema at /properties/a: a choice of types (string, integer)"},
		"no such type":        {`{"type":"object","properties":{"a":{"type":"float"}}}`, `schema at /properties/a: there is no type "float"`},
		"in an item":          {`{"type":"object","properties":{"a":{"type":"array","items":{"type":["string","integer"]}}}}`, "schema at /properties/a/items: "},
		"a stray requirement": {`{"type":"object","required":["a"]}`, `schema at /: "a" is required but is not one of the properties`},
		"a bad pattern":       {`{"type":"object","properties":{"a":{"type":"string","pattern":"("}}}`, "resolve schema: "},
		"an explosion":        {explosion(), "grows beyond"},
		"a null property":     {`{"type":"object","properties":{"a":null}}`, "schema at /properties/a: there is no schema"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tool.Raw("raw", "Raw.", json.RawMessage(c.schema), func(context.Context, json.RawMessage) (any, error) { return nil, nil })
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "make tool raw: ") {
				t.Errorf("error %v, want one of tool raw with %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("the error has several lines: %q", err)
			}
		})
	}
}

// explosion is a schema of 40 definitions each of which holds the next twice.
func explosion() string {
	var b strings.Builder
	b.WriteString(`{"type":"object","properties":{"a":{"$ref":"#/$defs/D0"}},"$defs":{`)
	for i := range 40 {
		fmt.Fprintf(&b, `"D%d":{"type":"object","properties":{"l":{"$ref":"#/$defs/D%d"},"r":{"$ref":"#/$defs/D%d"}}},`, i, i+1, i+1)
	}
	b.WriteString(`"D40":{"type":"string"}}}`)
	return b.String()
}

type endless struct {
	Next *endless `json:"next"`
}

func TestToolThatCannotBeOfferedIsRefusedAtOnce(t *testing.T) {
	ok := func(context.Context, struct{}) (int, error) { return 0, nil }
	for want, make := range map[string]func() (tool.Tool, error){
		`make tool "clock.now": the name does not match ^[a-zA-Z0-9_-]{1,64}$`: func() (tool.Tool, error) { return tool.New("clock.now", "d", ok) },
		`make tool "": the name does not match`:                                func() (tool.Tool, error) { return tool.New("", "d", ok) },
		`make tool "aaaaaaa`:                                                   func() (tool.Tool, error) { return tool.New(strings.Repeat("a", 65), "d", ok) },
		"make tool x: the description is empty":                                func() (tool.Tool, error) { return tool.New("x", " ", ok) },
		"make tool y: the description has 10001 bytes":                         func() (tool.Tool, error) { return tool.New("y", strings.Repeat("a", 10001), ok) },
		"make tool z: a timeout of 0s leaves no time":                          func() (tool.Tool, error) { return tool.New("z", "d", ok, tool.Timeout(0)) },
		"make tool m: a result of at most -1 bytes":                            func() (tool.Tool, error) { return tool.New("m", "d", ok, tool.MaxResult(-1)) },
		"make tool o: an option is nil":                                        func() (tool.Tool, error) { return tool.New("o", "d", ok, nil) },
		"make tool r: the function given to Refine is nil":                     func() (tool.Tool, error) { return tool.New("r", "d", ok, tool.Refine(nil)) },
		"make tool p: build schema: runtime error": func() (tool.Tool, error) {
			return tool.New("p", "d", ok, tool.Refine(func(s *jsonschema.Schema) { s.Properties["none"].Title = "x" }))
		},
		"make tool f: the function is nil": func() (tool.Tool, error) { return tool.New[struct{}, int]("f", "d", nil) },
		"make tool g: the function is nil": func() (tool.Tool, error) { return tool.Raw("g", "d", json.RawMessage(`{"type":"object"}`), nil) },
		"make tool s: derive schema: the arguments are of type string": func() (tool.Tool, error) {
			return tool.New("s", "d", func(context.Context, string) (int, error) { return 0, nil })
		},
		"make tool c: derive schema: ForType(struct { C chan int })": func() (tool.Tool, error) {
			return tool.New("c", "d", func(context.Context, struct{ C chan int }) (int, error) { return 0, nil })
		},
		"make tool e: derive schema: ForType(tool_test.endless): cycle detected": func() (tool.Tool, error) {
			return tool.New("e", "d", func(context.Context, endless) (int, error) { return 0, nil })
		},
	} {
		if _, err := make(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestSmallMistakesOfModelsAreMended(t *testing.T) {
	echo := echo[forecastArgs](t)
	yes := true
	for args, want := range map[string]forecastArgs{
		`{"place":{"city":"Ulm"},"days":3.0}`:                         {Place: place{City: "Ulm"}, Days: 3},
		`{"place":{"city":"Ulm","country":null},"days":null}`:         {Place: place{City: "Ulm"}},
		`{"place":{"city":"Ulm"},"tags":null,"exact":true}`:           {Place: place{City: "Ulm"}, Exact: &yes},
		`"{\"place\":{\"city\":\"Ulm\"},\"days\":2}"`:                 {Place: place{City: "Ulm"}, Days: 2},
		` {"place":{"city":"Ulm"},"big":9223372036854775807} `:        {Place: place{City: "Ulm"}, Big: 9223372036854775807},
		`{"place":{"city":"Ulm"},"days":1e1,"tags":["a","b"]}`:        {Place: place{City: "Ulm"}, Days: 10, Tags: []string{"a", "b"}},
		`{"place":{"city":"a <b> & \u00fc"},"big":-9007199254740993}`: {Place: place{City: "a <b> & ü"}, Big: -9007199254740993},
	} {
		r := echo.Call(t.Context(), json.RawMessage(args))
		if r.Failed() {
			t.Errorf("%s: %v", args, r.Err)
		} else if diff := cmp.Diff(want, r.Value); diff != "" {
			t.Errorf("%s: the function got (-want +got):\n%s", args, diff)
		}
	}
	for _, none := range []string{"", "null", "{}", `"{}"`, `""`} {
		if r := failing(t, func(context.Context) (any, error) { return 1, nil }).Call(t.Context(), json.RawMessage(none)); r.Failed() {
			t.Errorf("arguments %q of a tool that takes none: %v", none, r.Err)
		}
	}
}

func TestModelIsToldWhichArgumentIsWrongAndWhy(t *testing.T) {
	echo := echo[forecastArgs](t)
	for args, want := range map[string]string{
		`{}`:                                      "place is missing",
		`{"place":{}}`:                            "place.city is missing",
		`{"place":{"city":7}}`:                    "place.city must be a string, not the number 7",
		`{"place":"Ulm"}`:                         `place must be an object, not the string "Ulm"`,
		`{"place":null}`:                          "place must be an object, not null",
		`{"place":{"city":"Ulm"},"days":"3"}`:     `days must be a whole number, not the string "3"`,
		`{"place":{"city":"Ulm"},"days":2.5}`:     "days must be a whole number, not 2.5",
		`{"place":{"city":"Ulm"},"tags":["a",2]}`: "tags[1] must be a string, not the number 2",
		`{"place":{"city":"Ulm"},"exact":1}`:      "exact must be true or false, not the number 1",
		`{"place":{"city":"Ulm","zip":"8"}}`:      "place.zip is not an argument; there are city, country",
		`{"place":{"city":"Ulm"},"days":1e400}`:   "days is a number beyond all bounds",
		`{"place":{"city":"Ulm"},"days":1e19}`:    "days must fit a Go int",
		`{"place":`:                               "are not valid JSON: unexpected EOF",
		`{} {}`:                                   "are not valid JSON: something follows",
		`[1]`:                                     "must be a JSON object, not an array",
		`"Ulm"`:                                   `must be a JSON object, not the string "Ulm"`,
		`{"place":{"city":3},"days":"x"}`:         "days must be a whole number, not the string \"x\"; place.city must be a string, not the number 3",
	} {
		r := echo.Call(t.Context(), json.RawMessage(args))
		if got := errorText(t, r); !strings.HasPrefix(got, "the arguments do not fit: "+want) {
			t.Errorf("%s: the model is told %q, want %q", args, got, want)
		}
		var typed *tool.ArgumentsError
		if !errors.Is(r.Err, tool.ErrArguments) || !errors.As(r.Err, &typed) || len(typed.Problems) == 0 {
			t.Errorf("%s: the application gets %v, want an ArgumentsError", args, r.Err)
		}
	}
	if r := echo.Call(t.Context(), json.RawMessage(`{"place":{"city":"`+strings.Repeat("a", 1<<20)+`"}}`)); !errors.Is(r.Err, tool.ErrArguments) {
		t.Errorf("a megabyte of arguments: %v", r.Err)
	}
}

func TestResultIsAlwaysAnObject(t *testing.T) {
	for want, value := range map[string]any{
		`{"temp":21}`:                map[string]int{"temp": 21},
		`{"result":"rain & <wind>"}`: "rain & <wind>",
		`{"result":[1,2]}`:           []int{1, 2},
		`{"result":null}`:            nil,
		`{"result":true}`:            true,
		`{}`:                         struct{}{},
		`{"City":"Ulm"}`:             json.RawMessage(` {"City": "Ulm"} `),
	} {
		r := failing(t, func(context.Context) (any, error) { return value, nil }).Call(t.Context(), nil)
		if r.Failed() || string(r.JSON) != want {
			t.Errorf("%#v becomes %s (%v), want %s", value, r.JSON, r.Err, want)
		}
		if !cmp.Equal(r.Value, value) {
			t.Errorf("the application gets %#v, want %#v", r.Value, value)
		}
	}
}

type rude struct{}

func (rude) MarshalJSON() ([]byte, error) { panic("rude") }

type hollow struct{ text string }

func (h *hollow) Error() string { return h.text } // panics for a nil pointer

func TestEveryFailureBecomesAnAnswer(t *testing.T) {
	own := errors.New("no city of that name")
	for name, c := range map[string]struct {
		fn   func(context.Context) (any, error)
		is   error
		want string
	}{
		"its own error":             {func(context.Context) (any, error) { return nil, fmt.Errorf("look up: %w", own) }, own, "look up: no city of that name"},
		"a panic":                   {func(context.Context) (any, error) { panic("secret inside") }, tool.ErrPanic, "job crashed and gave no result."},
		"a panic with an error":     {func(context.Context) (any, error) { panic(own) }, own, "job crashed"},
		"a runtime panic":           {func(context.Context) (any, error) { var s []int; return s[len(s)], nil }, tool.ErrPanic, "job crashed"},
		"a goroutine that exits":    {func(context.Context) (any, error) { runtime.Goexit(); return nil, nil }, tool.ErrPanic, "job crashed"},
		"not JSON":                  {func(context.Context) (any, error) { return make(chan int), nil }, tool.ErrResult, "job gave a result that cannot be read."},
		"a panic while encoding":    {func(context.Context) (any, error) { return rude{}, nil }, tool.ErrPanic, "job crashed"},
		"too large":                 {func(context.Context) (any, error) { return strings.Repeat("a", 1000), nil }, tool.ErrResult, "cannot be read"},
		"an error without words":    {func(context.Context) (any, error) { return nil, errors.New("") }, nil, "job failed."},
		"an error that panics":      {func(context.Context) (any, error) { var h *hollow; return nil, h }, tool.ErrPanic, "job crashed"},
		"an error of many words":    {func(context.Context) (any, error) { return nil, errors.New(strings.Repeat("ü", 5000)) }, nil, "üü"},
		"an error with broken text": {func(context.Context) (any, error) { return nil, errors.New("a\xffb") }, nil, "a\ufffdb"},
	} {
		t.Run(name, func(t *testing.T) {
			r := failing(t, c.fn, tool.MaxResult(500)).Call(t.Context(), nil)
			got := errorText(t, r)
			if !strings.Contains(got, c.want) || len(got) > 1100 {
				t.Errorf("the model is told %q, want %q", got, c.want)
			}
			if strings.Contains(got, "secret") {
				t.Errorf("the model is told what the panic said: %q", got)
			}
			if c.is != nil && !errors.Is(r.Err, c.is) {
				t.Errorf("the application gets %v, want %v", r.Err, c.is)
			}
		})
	}
}

func TestPanicErrorHoldsTheStackOfThePanic(t *testing.T) {
	r := failing(t, func(context.Context) (any, error) { return explode() }).Call(t.Context(), nil)
	var p *tool.PanicError
	if !errors.As(r.Err, &p) || !strings.Contains(string(p.Stack), "explode") || p.Value != "boom" {
		t.Errorf("got %v, want a panic with the stack of explode", r.Err)
	}
}

func explode() (any, error) { panic("boom") }

func TestAToolThatHangsIsNotCalledForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck := failing(t, func(context.Context) (any, error) { <-release; return 1, nil })
		for range 16 {
			if r := stuck.Call(t.Context(), nil); !errors.Is(r.Err, tool.ErrTimeout) {
				t.Fatalf("a call ended with %v", r.Err)
			}
		}
		start := time.Now()
		r := stuck.Call(t.Context(), nil)
		if got, want := errorText(t, r), "job is still busy with earlier calls: do not call it again now"; got != want || !errors.Is(r.Err, tool.ErrBusy) || time.Since(start) != 0 {
			t.Errorf("the model is told %q (%v) after %v, want %q at once", got, r.Err, time.Since(start), want)
		}
		close(release)
		synctest.Wait()
		if r := stuck.Call(t.Context(), nil); r.Err != nil {
			t.Errorf("when the earlier calls have ended: %v", r.Err)
		}
	})
}

func TestCallEndsWhenItsTimeIsOverEvenIfTheFunctionDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck := failing(t, func(context.Context) (any, error) { <-release; return 1, nil })
		start := time.Now()
		r := stuck.Call(t.Context(), nil)
		if took := time.Since(start); took != tool.DefaultTimeout || r.Elapsed != took {
			t.Errorf("gave up after %v (Elapsed %v), want %v", took, r.Elapsed, tool.DefaultTimeout)
		}
		if got, want := errorText(t, r), "job did not answer within 30s."; got != want || !errors.Is(r.Err, tool.ErrTimeout) {
			t.Errorf("the model is told %q (%v), want %q", got, r.Err, want)
		}
		if got := stuck.Abandoned(); got != 1 {
			t.Errorf("%d calls abandoned, want 1", got)
		}
		close(release)
		synctest.Wait()
		if got := stuck.Abandoned(); got != 0 {
			t.Errorf("%d calls abandoned after the function returned, want 0", got)
		}
	})
}

func TestFunctionThatHeedsItsContextIsNotAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		polite := failing(t, func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() }, tool.Timeout(2*time.Second))
		if r := polite.Call(t.Context(), nil); !errors.Is(r.Err, tool.ErrTimeout) || r.Elapsed != 2*time.Second {
			t.Errorf("%v after %v, want a timeout after 2s", r.Err, r.Elapsed)
		}
		synctest.Wait()
		if got := polite.Abandoned(); got != 0 {
			t.Errorf("%d calls abandoned, want 0", got)
		}
	})
}

func TestCancelledCallSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hungUp := errors.New("the caller hung up")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(hungUp) })
		slow := failing(t, func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
		r := slow.Call(ctx, nil)
		if got := errorText(t, r); got != "the call of job was cancelled." {
			t.Errorf("the model is told %q", got)
		}
		if !errors.Is(r.Err, tool.ErrCanceled) || !errors.Is(r.Err, hungUp) || errors.Is(r.Err, tool.ErrTimeout) || r.Elapsed != time.Second {
			t.Errorf("got %v after %v, want a cancellation because %v after 1s", r.Err, r.Elapsed, hungUp)
		}
		called := false
		if r := failing(t, func(context.Context) (any, error) { called = true; return nil, nil }).Call(ctx, nil); !errors.Is(r.Err, tool.ErrCanceled) || called {
			t.Errorf("with a context that is over: %v, called %v", r.Err, called)
		}
	})
}

func TestSeveralCallsRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type args struct {
			N int `json:"n"`
		}
		set := tool.Set{tool.Must(tool.New("square", "Squares.", func(_ context.Context, a args) (int, error) {
			time.Sleep(time.Second)
			return a.N * a.N, nil
		}))}
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				r := set.Call(t.Context(), "square", json.RawMessage(fmt.Sprintf(`{"n":%d}`, i)))
				if want := fmt.Sprintf(`{"result":%d}`, i*i); string(r.JSON) != want {
					t.Errorf("square of %d is %s, want %s", i, r.JSON, want)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("20 calls of 1s took %v", took)
		}
	})
}

func TestUnknownToolIsAnsweredWithTheOnesThereAre(t *testing.T) {
	set := tool.Set{echo[struct{}](t), failing(t, nil)}
	r := set.Call(t.Context(), "forecast\n", nil)
	if got, want := errorText(t, r), `there is no tool "forecast\n"; there are echo, job`; got != want || !errors.Is(r.Err, tool.ErrUnknown) {
		t.Errorf("the model is told %q (%v), want %q", got, r.Err, want)
	}
	if got, want := errorText(t, tool.Set(nil).Call(t.Context(), "x", nil)), `there is no tool "x"; there are none`; got != want {
		t.Errorf("the model is told %q, want %q", got, want)
	}
	if r := (tool.Tool{}).Call(t.Context(), nil); !errors.Is(r.Err, tool.ErrUnknown) {
		t.Errorf("the zero Tool answers %v, want ErrUnknown", r.Err)
	}
}

func TestSetRefusesTwoToolsOfOneName(t *testing.T) {
	if err := (tool.Set{echo[struct{}](t), failing(t, nil)}).Validate(); err != nil {
		t.Errorf("a good set: %v", err)
	}
	err := tool.Set{echo[struct{}](t), failing(t, nil), echo[place](t), {}}.Validate()
	for _, want := range []string{"numbers 1 and 3 are both named echo", "number 4 is the zero Tool"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestHintsAreKept(t *testing.T) {
	plain, hinted := echo[place](t), echo[place](t, tool.Slow(), tool.CancelOnInterruption(), tool.Timeout(time.Minute))
	if plain.Slow() || plain.CancelOnInterruption() || plain.Timeout() != 30*time.Second {
		t.Errorf("without options: slow %v, cancelled %v, timeout %v", plain.Slow(), plain.CancelOnInterruption(), plain.Timeout())
	}
	if !hinted.Slow() || !hinted.CancelOnInterruption() || hinted.Timeout() != time.Minute {
		t.Errorf("with options: slow %v, cancelled %v, timeout %v", hinted.Slow(), hinted.CancelOnInterruption(), hinted.Timeout())
	}
}

func TestMustPanicsForAToolThatCannotBeMade(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Must returned")
		}
	}()
	tool.Must(tool.New("a b", "d", func(context.Context, struct{}) (int, error) { return 0, nil }))
}
