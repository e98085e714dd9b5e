package sonictest_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	agent "github.com/parley-go/parley/tool"
)

// trip has what makes schemas long: nesting, pointers, slices, a field that is
// named like a keyword.
type trip struct {
	Title string  `json:"title" jsonschema:"what the trip is called"`
	Class string  `json:"class,omitempty"`
	Seats *int    `json:"seats,omitempty"`
	Stops []place `json:"stops"`
	Home  *place  `json:"home"`
}

type place struct {
	City    string  `json:"city"`
	Nights  int     `json:"nights,omitempty"`
	Country *string `json:"country"`
}

// fill gives a schema of a trip a title, defaults and an enum.
func fill(s *jsonschema.Schema) {
	s.Title = "Trip"
	class, nights := s.Properties["class"], s.Properties["stops"].Items.Properties["nights"]
	class.Enum, class.Default = []any{"first", "second"}, json.RawMessage(`"second"`)
	nights.Title, nights.Default = "Nights", json.RawMessage("1")
}

func TestAServiceThatMindsExtrasInSchemasTakesThoseOfPackageTool(t *testing.T) {
	book := func(context.Context, trip) (string, error) { return "", nil }
	derived := agent.Must(agent.New("book", "Books a trip.", book, agent.Refine(fill))).Schema()

	full, err := jsonschema.For[trip](nil)
	if err != nil {
		t.Fatal(err)
	}
	fill(full)
	raw, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	// With references and a choice, as generators of other languages write it.
	foreign := `{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Trip", "type": "object", "additionalProperties": false,
		"$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
		"properties": {"home": {"anyOf": [{"$ref": "#/$defs/place"}, {"type": "null"}], "default": null}}}`
	mended := agent.Must(agent.Raw("book", "Books a trip.", json.RawMessage(foreign), func(context.Context, json.RawMessage) (any, error) { return "", nil })).Schema()

	for name, test := range map[string]struct {
		schema string
		want   string
	}{
		"derived by package tool":        {string(derived), "EOF"},
		"the same struct's own":          {string(raw), invalidInput},
		"a foreign one by package tool":  {string(mended), "EOF"},
		"the foreign one as it is":       {foreign, invalidInput},
		"anyOf":                          {`{"type":"object","properties":{"a":{"anyOf":[{"type":"string"}]}}}`, invalidInput},
		"oneOf in an item":               {`{"type":"object","properties":{"a":{"type":"array","items":{"oneOf":[]}}}}`, invalidInput},
		"default":                        {`{"type":"object","properties":{"a":{"type":"string","default":"x"}}}`, invalidInput},
		"title at the top":               {`{"type":"object","title":"T"}`, invalidInput},
		"title of a property":            {`{"type":"object","properties":{"a":{"type":"string","title":"A"}}}`, invalidInput},
		"additionalProperties":           {`{"type":"object","additionalProperties":false}`, invalidInput},
		"$schema":                        {`{"type":"object","$schema":"https://json-schema.org/draft/2020-12/schema"}`, invalidInput},
		"$defs":                          {`{"type":"object","$defs":{}}`, invalidInput},
		"properties named like keywords": {`{"type":"object","properties":{"title":{"type":"string"},"default":{"type":"object","properties":{"not":{"type":"string"}}}}}`, "EOF"},
		"values named like keywords":     {`{"type":"object","properties":{"a":{"type":"object","enum":[{"title":"x"}]}}}`, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, minds := range []bool{false, true} {
				cfg := sonictest.Config{Behaviour: sonictest.Behaviour{RefuseSchemaExtras: minds}}
				serve(t, cfg, func(t *testing.T, srv *sonictest.Server) {
					p := open(t, srv)
					p.send(events(sessionStart, withTools("["+tool("book", quote(test.schema))+"]", ""), system, audioStart, audioInput("A", silence(100*time.Millisecond)), closing())...)
					want := test.want
					if !minds {
						want = "EOF"
					}
					if got := p.failure(); !strings.HasSuffix(got, want) {
						t.Errorf("with the switch on %v the stream ended with %q, want %q; the schema is\n%s", minds, got, want, test.schema)
					}
				})
			}
		})
	}
}
