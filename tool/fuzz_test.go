package tool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/parley-go/parley/tool"
)

// FuzzArguments gives a tool whatever a model may write. It must answer with
// one JSON object, and call the function only with an object that has what the
// schema requires.
func FuzzArguments(f *testing.F) {
	for _, seed := range []string{``, `{}`, `null`, `{"place":{"city":"Ulm"},"days":3.0}`, `"{\"place\":{}}"`, `[[[[`, `{"days":1e999999999}`,
		`{"place":{"city":"\ud800"}}`, `{"big":-0.0}`, `{"place":{"city":"x"},"tags":[null],"exact":null,"big":1e-999999}`} {
		f.Add([]byte(seed))
	}
	fn := func(_ context.Context, args forecastArgs) (forecastArgs, error) { return args, nil }
	echo, err := tool.New("echo", "Says it back.", fn)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, args []byte) {
		r := echo.Call(t.Context(), args)
		if !json.Valid(r.JSON) || !bytes.HasPrefix(r.JSON, []byte("{")) {
			t.Fatalf("the model is given %q", r.JSON)
		}
		if !r.Failed() {
			// What was taken must be taken again in the form that it was given on.
			again := echo.Call(t.Context(), r.JSON)
			if again.Failed() || !bytes.Equal(again.JSON, r.JSON) {
				t.Fatalf("%s was taken as %s, which is not taken again: %s", args, r.JSON, again.JSON)
			}
		}
	})
}

// FuzzSchema gives Raw whatever may call itself a schema. It must be refused
// with an error or yield an object without the words that services refuse.
func FuzzSchema(f *testing.F) {
	for _, seed := range []string{`{}`, `true`, `{"type":"object","properties":{"a":{"$ref":"#/$defs/B"}},"$defs":{"B":{"type":["null","string"],"enum":["x",null]}}}`,
		`{"type":"object","additionalProperties":{"type":"integer"},"patternProperties":{"^a":{"type":"string"}}}`, explosion(),
		`{"type":"object","properties":{"a":{"anyOf":[{"type":"null"},{"const":1}]}},"dependentRequired":{"a":["b"]}}`} {
		f.Add([]byte(seed), []byte(`{"a":"x"}`))
	}
	f.Fuzz(func(t *testing.T, schema, args []byte) {
		made, err := tool.Raw("raw", "Raw.", schema, func(_ context.Context, args json.RawMessage) (any, error) { return args, nil })
		if err != nil {
			return
		}
		var top struct {
			Type       string                     `json:"type"`
			Properties map[string]json.RawMessage `json:"properties"`
		}
		if err := json.Unmarshal(made.Schema(), &top); err != nil || top.Type != "object" {
			t.Fatalf("the model sees %s", made.Schema())
		}
		for name, p := range top.Properties {
			if !bytes.HasPrefix(p, []byte("{")) {
				t.Fatalf("property %q is described by %s, which is not an object", name, p)
			}
		}
		if r := made.Call(t.Context(), args); !json.Valid(r.JSON) || !bytes.HasPrefix(r.JSON, []byte("{")) {
			t.Fatalf("the model is given %q", r.JSON)
		}
	})
}
