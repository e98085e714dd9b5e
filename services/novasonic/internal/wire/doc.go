// Package wire is the JSON of Amazon Nova Sonic's events: it writes what goes
// up a stream and reads what comes down. It knows nothing of connections,
// order or time.
//
// Every event, both ways, is one JSON object with one key inside its envelope:
//
//	{"event":{"audioInput":{"promptName":"p","contentName":"a","content":"…"}}}
//
// The types are named after the protocol. Those that go up have a method
// AppendEvent that appends the event to a buffer; what the service would
// refuse is found before, by the Validate methods, as a [*FieldError]. A text
// or a tool result is a block of several events which nothing may be sent
// between, so [TextBlock] and [ToolResult] give all events of their block.
//
//	up: SessionStart, PromptStart, TextBlock, AudioStart, AudioInput, ToolResult, AudioEnd, PromptEnd, SessionEnd
//
//	                  ┌ scan: audioOutput as the service writes it ───────┐
//	down: Decoder ────┤                                                   ├─ Output
//	                  └ encoding/json: all else, and anything unusual ────┘
//
// Audio is nearly all of the traffic, so the two audio events have paths of
// their own: [AudioInput] encodes without allocating, and [Decoder] reads
// audioOutput with a scanner that gives up on anything unusual, leaving it to
// encoding/json. A differential fuzz test holds the two to the same results.
//
// The protocol has no public specification beyond the Nova user guides; what
// is not in them was recorded from the service. Events and fields that are not
// known here are no error: see [Unknown].
package wire
