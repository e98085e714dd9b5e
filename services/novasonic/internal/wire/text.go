package wire

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Role says whose words a block holds.
type Role string

// The roles. Blocks that come down have one of User, Assistant and Tool.
const (
	RoleSystem       Role = "SYSTEM"        // the instructions; once in a prompt
	RoleSystemSpeech Role = "SYSTEM_SPEECH" // how to speak; right after SYSTEM, from Nova 2 on
	RoleUser         Role = "USER"
	RoleAssistant    Role = "ASSISTANT"
	RoleTool         Role = "TOOL"
)

// MaxTextInput is the most bytes of text that [TextBlock] puts in one
// textInput event: a single one of about 32 KB was seen to be refused where
// the same text in pieces of 4,000 bytes was taken.
const MaxTextInput = 4000

// TextBlock is a text of any length: the instructions, a message of the
// history, or, when Interactive, a turn that the user typed.
type TextBlock struct {
	PromptName  string
	ContentName string // unique in the stream, a UUID by custom
	Role        Role
	Text        string // of any length; nobody knows what the service makes of an empty one

	// Interactive asks for an answer. It needs Nova 2 or later and an open
	// audio block that has had at least 68 ms of audio, or nothing happens.
	Interactive bool
}

// Events returns the block's events, in order: contentStart, one textInput for
// each [MaxTextInput] bytes, contentEnd. They must be sent without any event
// between them: an audioInput inside an open text block ends the stream.
func (b TextBlock) Events() [][]byte {
	pieces := splitText(b.Text, MaxTextInput)
	events := make([][]byte, 0, len(pieces)+2)

	start := appendBlockHead(nil, "contentStart", b.PromptName, b.ContentName)
	start = append(start, `,"type":"TEXT","interactive":`...)
	if b.Interactive {
		start = append(start, "true"...)
	} else {
		start = append(start, "false"...)
	}
	start = append(start, `,"role":`...)
	start = appendString(start, string(b.Role))
	start = append(start, `,"textInputConfiguration":{"mediaType":"text/plain"}}}}`...)
	events = append(events, start)

	for _, p := range pieces {
		e := appendBlockHead(nil, "textInput", b.PromptName, b.ContentName)
		e = append(e, `,"content":`...)
		e = appendString(e, p)
		events = append(events, append(e, `}}}`...))
	}
	return append(events, appendContentEnd(nil, b.PromptName, b.ContentName))
}

// splitText cuts s into pieces of at most limit bytes, between runes. There is
// always at least one piece.
func splitText(s string, limit int) []string {
	pieces := make([]string, 0, len(s)/limit+1)
	for len(s) > limit {
		cut := limit
		// At most three steps back; bytes that are no UTF-8 are cut anywhere.
		for cut > limit-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		if !utf8.RuneStart(s[cut]) {
			cut = limit
		}
		pieces = append(pieces, s[:cut])
		s = s[cut:]
	}
	return append(pieces, s)
}

// ToolResult answers a toolUse event. Exactly one result is accepted for each,
// and only on the stream that asked.
type ToolResult struct {
	PromptName  string
	ContentName string // unique in the stream, a UUID by custom
	ToolUseID   string // of the toolUse event

	// Result is JSON. The service wants an object and ends the stream at
	// anything else, so other values are wrapped: {"result": …}. What is no
	// JSON at all is sent as a string, wrapped in the same way.
	Result json.RawMessage
}

// Events returns the block's three events, in order. As with [TextBlock],
// nothing may be sent between them.
func (r ToolResult) Events() [][]byte {
	start := appendBlockHead(nil, "contentStart", r.PromptName, r.ContentName)
	start = append(start, `,"interactive":false,"type":"TOOL","role":"TOOL","toolResultInputConfiguration":{"toolUseId":`...)
	start = appendString(start, r.ToolUseID)
	start = append(start, `,"type":"TEXT","textInputConfiguration":{"mediaType":"text/plain"}}}}}`...)

	e := appendBlockHead(nil, "toolResult", r.PromptName, r.ContentName)
	e = append(e, `,"content":`...)
	e = appendString(e, string(objectOf(r.Result)))
	e = append(e, `}}}`...)

	return [][]byte{start, e, appendContentEnd(nil, r.PromptName, r.ContentName)}
}

// objectOf returns v if it is a JSON object, or else an object that holds it.
func objectOf(v json.RawMessage) []byte {
	v = bytes.TrimSpace(v)
	switch {
	case len(v) == 0:
		return []byte(`{"result":null}`)
	case !json.Valid(v):
		return append(appendString([]byte(`{"result":`), string(v)), '}')
	case v[0] == '{':
		return v
	}
	return append(append([]byte(`{"result":`), v...), '}')
}
