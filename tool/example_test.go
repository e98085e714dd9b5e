package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/parley-go/parley/tool"
)

// A function becomes a tool, and a model calls it: once as it should, once not.
func Example() {
	type args struct {
		City string `json:"city" jsonschema:"the city's name"`
		Unit string `json:"unit,omitempty"`
	}
	type weather struct {
		Sky  string `json:"sky"`
		Temp int    `json:"temp"`
	}
	get := tool.Must(tool.New("get_weather", "Tells the weather in a city.",
		func(ctx context.Context, a args) (weather, error) {
			return weather{Sky: "sunny", Temp: 21}, nil
		},
		tool.Refine(func(s *jsonschema.Schema) { s.Properties["unit"].Enum = []any{"celsius", "fahrenheit"} }),
	))
	set := tool.Set{get}

	fmt.Printf("%s\n", get.Schema())
	fmt.Printf("%s\n", set.Call(context.Background(), "get_weather", json.RawMessage(`{"city":"Ulm"}`)).JSON)
	fmt.Printf("%s\n", set.Call(context.Background(), "get_weather", json.RawMessage(`{"city":"Ulm","unit":"kelvin"}`)).JSON)
	// Output:
	// {"type":"object","properties":{"city":{"type":"string","description":"the city's name"},"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["city"]}
	// {"sky":"sunny","temp":21}
	// {"error":"the arguments do not fit: unit must be one of \"celsius\", \"fahrenheit\", not \"kelvin\""}
}

// A schema that was written elsewhere, for instance by an MCP server.
func ExampleRaw() {
	const schema = `{"type":"object","properties":{"q":{"$ref":"#/$defs/Query"}},"$defs":{"Query":{"type":"string","title":"Query"}}}`
	search, err := tool.Raw("search", "Searches the handbook.", json.RawMessage(schema),
		func(ctx context.Context, args json.RawMessage) (any, error) {
			return []string{"page 7"}, nil
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n%s\n", search.Schema(), search.Call(context.Background(), json.RawMessage(`{"q":"tea"}`)).JSON)
	// Output:
	// {"type":"object","properties":{"q":{"type":"string"}}}
	// {"result":["page 7"]}
}

// What the model is told as a sentence, the application gets as a typed error.
func ExampleResult() {
	type args struct {
		ID int `json:"id"`
	}
	cancel := tool.Must(tool.New("cancel_order", "Cancels an order.",
		func(ctx context.Context, a args) (string, error) { return "done", nil }))
	r := cancel.Call(context.Background(), json.RawMessage(`{"id":"A7"}`))

	var bad *tool.ArgumentsError
	if errors.As(r.Err, &bad) {
		fmt.Println(bad.Problems[0].Field)
	}
	fmt.Printf("%s\n", r.JSON)
	// Output:
	// id
	// {"error":"the arguments do not fit: id must be a whole number, not the string \"A7\""}
}
