// Package tool lets a model call Go functions.
//
// A [Tool] is a function with a name and a description for the model. [New]
// makes one of any function that takes a struct (or a map) and derives the JSON
// Schema of its arguments from that type:
//
//	type WeatherArgs struct {
//		City string `json:"city" jsonschema:"the city's name, in English"`
//		Days int    `json:"days,omitempty" jsonschema:"how many days ahead; today if left out"`
//	}
//
//	weather := tool.Must(tool.New("get_weather", "Tells the weather of a city.",
//		func(ctx context.Context, args WeatherArgs) (Forecast, error) {
//			return forecasts.Look(ctx, args.City, args.Days)
//		}))
//
// [Raw] makes one with a schema that was written elsewhere. A [Set] is what a
// service is given; it offers the set to its model and calls [Set.Call] with
// what the model answers:
//
//	model ── name, arguments ──▶ Set.Call ──▶ mend ─▶ check ─▶ function ─▶ JSON object ──▶ model
//	                                │           │        │         │
//	                                └── every failure, panics too ─┴─▶ {"error": "…"} ──▶ model
//
// # Whatever happens, the model gets an answer
//
// A [Result] always holds a JSON object that the model can read, since the
// services accept nothing else and wait for ever for a call that is not
// answered. An unknown name, arguments that do not fit the schema, a function
// that fails, panics, takes too long or returns something that is not JSON: all
// become {"error": "…"} with a sentence from which the model can mend its call
// or tell the caller. The application gets the same failure as a typed error in
// [Result.Err]. A panic never leaves this package, and its text is not shown to
// the model.
//
// # Schemas
//
// Services differ in how much of JSON Schema they accept. Amazon Nova Sonic,
// for one, ends the whole stream for a schema that it does not like, and has
// been seen to blame anyOf, default, title and additionalProperties for it. So
// two schemas are made of the one that is derived or given:
//
//   - The one that the model sees ([Tool.Schema]) keeps to what all services
//     take: type, description, properties, required, items, enum, and the limits
//     of numbers, strings and arrays. Local references ($ref to $defs) are put in
//     place; "X or null" becomes X; const becomes an enum of one; title, default,
//     examples, additionalProperties, $schema and all that is not listed here is
//     left out.
//   - The one that arguments are checked against keeps everything. So unknown
//     arguments are refused where additionalProperties is false, as it is for
//     structs, though the model never sees the word.
//
// What cannot be said in the smaller language is refused by [New] and [Raw],
// with the place and a way out: a choice of types (anyOf, oneOf, allOf, not,
// if), tuples, recursion, references to elsewhere, and a schema whose top is
// not an object. So is a name that does not match ^[a-zA-Z0-9_-]{1,64}$.
//
// Derived schemas follow encoding/json: a field is required unless it is marked
// omitempty or omitzero, or is a pointer. Types with UnmarshalText are strings,
// []byte is base64 text, json.RawMessage and interfaces take any value.
// time.Duration is an integer of nanoseconds, which no model gets right: use a
// number of seconds. [Refine] edits a derived schema, for instance to list the
// values that a string may have.
//
// # Arguments are mended first
//
// Models make a few mistakes so often that refusing them costs more than it
// teaches. Before the check, arguments that are a JSON string of an object are
// unwrapped once, nothing at all counts as {}, null for an optional argument
// counts as left out, and 3.0 counts as 3 where an integer is wanted.
//
// # Concurrency
//
// A model may ask for several calls at once, so the function of a tool may be
// called by several goroutines at the same time. Each call runs on a goroutine
// of its own and is given a context which is cancelled when its time is over
// (30 s unless [Timeout] says otherwise) or the caller of Call gives up. Call
// then returns at once, even if the function does not: a conversation cannot
// wait. A function that ignores its context goes on in the background, its
// result is thrown away, and it is counted in [Tool.Abandoned] until it returns.
//
// A barge-in does not cancel a call, because the model still expects its
// result; [CancelOnInterruption] asks for that. Both it and [Slow] are notes for
// the service which runs the tool.
package tool
