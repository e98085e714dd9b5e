package protocol

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Options are what is not certain about the rules, and their limits. Limits of
// 0 are none.
type Options struct {
	HistoryText  int // bytes of one message of the history
	HistoryTotal int // bytes of all of them
	SystemText   int // bytes of one textInput of a SYSTEM block

	AudioInTextBlock      bool          // audioInput inside an open TEXT block is accepted
	AudioInToolBlock      bool          // audioInput inside an open TOOL block is accepted
	RefuseAudioDuringTool bool          // audioInput while a tool result is outstanding is refused
	RefuseLateResults     bool          // results of calls whose answer was interrupted are refused
	RefuseSecondResult    bool          // a second result for a call is refused, otherwise it is ignored
	RequireSystem         bool          // AUDIO before a SYSTEM block is refused
	AnyRoles              bool          // the history may begin with any role, and repeat it
	RefuseTrailingUser    bool          // a history that ends with USER, and not interactive, is refused when AUDIO begins
	SecondPromptRefused   bool          // a second prompt is refused with a word
	SecondAudio           string        // exception for a second AUDIO block; "" is modelStreamErrorException
	SchemaObjects         bool          // a tool's schema may be an object in place of a string of JSON
	RefuseSchemaExtras    bool          // tools whose schema has one of the extras are refused
	RefuseToolChoice      bool          // a toolChoice is refused
	RefuseEmptyText       bool          // an empty textInput is refused
	AudioSettle           time.Duration // audioInput this soon after its contentStart is refused
	Blocked               []string      // phrases that trip the content filter
}

// Bounds that keep a hostile client from exhausting the emulator.
const (
	maxContents  = 20_000
	maxBlockText = 4 << 20
)

// Block is a content block of the client's.
type Block struct {
	ContentStart
	Opened time.Duration
	Text   string // of TEXT and TOOL, so far

	// History tells that a TEXT block came before the first audio.
	History bool

	data bool // something was sent in it
}

// Rules are the rules about the order of input events, of one stream. The zero
// value is not usable; call NewRules.
type Rules struct {
	model   Model
	options Options

	state      state
	prompt     string
	tools      []Tool
	blocks     map[string]*Block // open ones
	closed     map[string]bool   // names used before
	audioBlock *Block            // the open one
	hadAudio   bool
	system     bool
	history    []*Block
	bytes      int // of the history
	issued     map[string]*issued
	notes      []string
}

// issued is a tool call that the client was asked to make.
type issued struct{ answered, late bool }

type state int

const (
	fresh state = iota
	started
	prompting
	prompted // promptEnd was seen
	over
)

// NewRules returns the rules of a new stream.
func NewRules(m Model, o Options) *Rules {
	return &Rules{model: m, options: o, blocks: map[string]*Block{}, closed: map[string]bool{}, issued: map[string]*issued{}}
}

// Issued says that the tool call with this id was sent.
func (r *Rules) Issued(id string) { r.issued[id] = &issued{} }

// Late says that the answer which made the call was interrupted.
func (r *Rules) Late(id string) {
	if c := r.issued[id]; c != nil {
		c.late = true
	}
}

// History is the text of the blocks before the first audio, without the
// SYSTEM ones.
func (r *Rules) History() []*Block { return r.history }

// AudioBlock is the AUDIO block that is open, or nil.
func (r *Rules) AudioBlock() *Block { return r.audioBlock }

// Over tells that sessionEnd was accepted.
func (r *Rules) Over() bool { return r.state == over }

// Prompting tells that the prompt is open.
func (r *Rules) Prompting() bool { return r.state == prompting }

// Notes returns, and forgets, what the client did that the service lets pass
// though it is wrong or without effect.
func (r *Rules) Notes() []string {
	n := r.notes
	r.notes = nil
	return n
}

func (r *Rules) note(text string) { r.notes = append(r.notes, text) }

// Accept judges an event that arrives when the stream is now old. The block is
// the one that it belongs to, if any.
func (r *Rules) Accept(now time.Duration, ev Event) (*Block, *Refusal) {
	switch ev := ev.(type) {
	case SessionStart:
		return nil, r.sessionStart(ev)
	case PromptStart:
		return nil, r.promptStart(ev)
	case SessionEnd:
		return nil, r.sessionEnd()
	case PromptEnd:
		return nil, r.promptEnd(ev)
	}
	if r.state == over {
		r.note(ev.Name() + " after sessionEnd has no effect")
		return nil, nil
	}
	if r.state != prompting || promptOf(ev) != r.prompt {
		return nil, invalid(TextInvalid)
	}
	switch ev := ev.(type) {
	case ContentStart:
		return r.contentStart(now, ev)
	case TextInput:
		return r.textInput(ev)
	case AudioInput:
		return r.audioInput(now, ev)
	case ToolResult:
		return r.toolResult(ev)
	case ContentEnd:
		return r.contentEnd(ev)
	}
	return nil, invalid(TextInvalid)
}

func promptOf(ev Event) string {
	switch ev := ev.(type) {
	case ContentStart:
		return ev.PromptName
	case TextInput:
		return ev.PromptName
	case AudioInput:
		return ev.PromptName
	case ToolResult:
		return ev.PromptName
	case ContentEnd:
		return ev.PromptName
	}
	return ""
}

func (r *Rules) sessionStart(ev SessionStart) *Refusal {
	if r.state != fresh {
		return invalid(TextInvalid)
	}
	if ev.TurnDetection && !r.model.TurnDetection {
		return invalid(TextInvalid)
	}
	r.state = started
	return nil
}

func (r *Rules) promptStart(ev PromptStart) *Refusal {
	switch r.state {
	case started:
	case prompting:
		if ev.PromptName == r.prompt {
			return invalidf("Duplicate prompt name: %s", ev.PromptName)
		}
		return invalid(TextInvalid)
	case prompted:
		// Nova 2 closes the stream some 200 ms later without a word.
		if r.options.SecondPromptRefused {
			return invalid(TextInvalid)
		}
		return &Refusal{Silent: true, Text: "a second prompt on the same stream"}
	case over:
		r.note("promptStart after sessionEnd has no effect")
		return nil
	default:
		return invalid(TextInvalid)
	}
	if ev.ToolChoice != "" && r.options.RefuseToolChoice || ev.SchemaObjects && !r.options.SchemaObjects {
		return invalid(TextParse)
	}
	for _, t := range ev.Tools {
		if r.options.RefuseSchemaExtras && hasExtras(t.InputSchema) {
			return invalid(TextInvalid)
		}
	}
	if !r.model.hasVoice(ev.Voice) {
		return invalidf("Received invalid id: '%s'", ev.Voice)
	}
	r.state, r.prompt, r.tools = prompting, ev.PromptName, ev.Tools
	return nil
}

// extras are the keywords of JSON Schema that users of the service have blamed for
// a refusal, and what belongs to them.
var extras = []string{
	"anyOf", "oneOf", "allOf", "not", "$ref", "$defs", "definitions",
	"default", "title", "additionalProperties", "$schema",
}

// hasExtras tells whether a schema uses one of the extras, at its top or below.
func hasExtras(schema string) bool {
	var v any
	return json.Unmarshal([]byte(schema), &v) == nil && usesExtras(v)
}

// usesExtras does so for a schema, or a list of them, that has been decoded.
func usesExtras(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, usesExtras)
	case map[string]any:
		for keyword, value := range v {
			switch {
			case slices.Contains(extras, keyword):
				return true
			case keyword == "enum", keyword == "const", keyword == "examples": // no schemas
			case keyword == "properties":
				// Their names are the tool's: one may well be "title".
				properties, _ := value.(map[string]any)
				if slices.ContainsFunc(slices.Collect(maps.Values(properties)), usesExtras) {
					return true
				}
			case usesExtras(value):
				return true
			}
		}
	}
	return false
}

func (r *Rules) promptEnd(ev PromptEnd) *Refusal {
	switch {
	case r.state == over:
		r.note("promptEnd after sessionEnd has no effect")
		return nil
	case r.state != prompting || ev.PromptName != r.prompt:
		return invalid(TextInvalid)
	case len(r.blocks) > 0:
		return invalid(TextOpenContents)
	case !r.hadAudio:
		return invalidf("Prompt [%s] must have at least one audio content", r.prompt)
	}
	r.state = prompted
	return nil
}

func (r *Rules) sessionEnd() *Refusal {
	switch r.state {
	case fresh, started:
		return invalid(TextNoPrompts)
	case prompting:
		r.note("sessionEnd before promptEnd")
	case over:
		r.note("sessionEnd after sessionEnd has no effect")
	}
	r.state = over
	return nil
}

func (r *Rules) contentStart(now time.Duration, ev ContentStart) (*Block, *Refusal) {
	name := ev.ContentName
	if r.blocks[name] != nil || r.closed[name] || len(r.closed)+len(r.blocks) >= maxContents {
		return nil, invalid(TextInvalid)
	}
	b := &Block{ContentStart: ev, Opened: now}
	switch ev.Type {
	case TypeText:
		b.History = !r.hadAudio
		if refusal := r.textRole(ev.Role); refusal != nil {
			return nil, refusal
		}
	case TypeAudio:
		switch {
		case r.audioBlock != nil:
			name := r.options.SecondAudio
			if name == "" {
				name = ExceptionStreamError
			}
			return nil, &Refusal{Exception: name, Text: TextUnexpected}
		case r.open(TypeText):
			return nil, invalid(TextHistoryFirst)
		case r.options.RequireSystem && !r.system:
			return nil, invalid(TextInvalid)
		case r.options.RefuseTrailingUser && r.trailingUser():
			return nil, invalid(TextInvalid)
		}
		if !r.system {
			r.note("audio without a SYSTEM block")
		}
		r.audioBlock, r.hadAudio = b, true
	case TypeTool:
		call := r.issued[ev.ToolUseID]
		switch {
		case call == nil:
			return nil, invalid(TextInvalid)
		case call.answered && r.options.RefuseSecondResult:
			return nil, invalid(TextInvalid)
		case call.late && r.options.RefuseLateResults:
			return nil, invalid(TextInvalid)
		}
	default:
		return nil, invalid(TextInvalid)
	}
	r.blocks[name] = b
	return b, nil
}

// trailingUser tells whether the first audio follows a message of the user's that
// is part of the history, and not to be answered.
func (r *Rules) trailingUser() bool {
	n := len(r.history)
	return !r.hadAudio && n > 0 && r.history[n-1].Role == RoleUser && !r.history[n-1].Interactive
}

// textRole refuses a role that cannot come now.
func (r *Rules) textRole(role string) *Refusal {
	switch role {
	case RoleSystem:
		if r.system {
			return invalid(TextSystemTwice)
		}
		if len(r.history) > 0 || r.hadAudio {
			r.note("the SYSTEM block is not the first")
		}
		r.system = true
	case RoleSystemSpeech:
		if !r.model.SpeechStyle {
			return invalid(TextInvalid)
		}
		if !r.system || len(r.history) > 0 || r.hadAudio {
			r.note("the SYSTEM_SPEECH block does not follow the SYSTEM block")
		}
	}
	return nil
}

func (r *Rules) open(t Type) bool {
	for _, b := range r.blocks {
		if b.Type == t {
			return true
		}
	}
	return false
}

// block finds the open block of an event.
func (r *Rules) block(name string, t Type) (*Block, *Refusal) {
	b := r.blocks[name]
	if b == nil {
		return nil, invalidf("No open content found for content name: %s", name)
	}
	if b.Type != t {
		return nil, invalid(TextInvalid)
	}
	return b, nil
}

func (r *Rules) textInput(ev TextInput) (*Block, *Refusal) {
	b, refusal := r.block(ev.ContentName, TypeText)
	if refusal != nil {
		return nil, refusal
	}
	if b.Role == "" && ev.Role != "" {
		if !slices.Contains([]string{RoleSystem, RoleSystemSpeech, RoleUser, RoleAssistant}, ev.Role) {
			return nil, invalid(TextInvalid)
		}
		if refusal := r.textRole(ev.Role); refusal != nil {
			return nil, refusal
		}
		b.Role = ev.Role
	}
	if ev.Text == "" {
		if r.options.RefuseEmptyText {
			return nil, invalid(TextInvalid)
		}
		r.note("an empty textInput")
	}
	if limit := r.options.SystemText; b.Role == RoleSystem && limit > 0 && len(ev.Text) > limit {
		return nil, invalid(TextInvalid)
	}
	if len(b.Text)+len(ev.Text) > maxBlockText {
		return nil, invalid(TextInvalid)
	}
	b.data = true
	b.Text += ev.Text
	if b.History && r.partOfHistory(b) {
		if limit := r.options.HistoryText; limit > 0 && len(b.Text) > limit {
			return nil, invalid(TextHistoryLimit)
		}
		r.bytes += len(ev.Text)
		if limit := r.options.HistoryTotal; limit > 0 && r.bytes > limit {
			return nil, invalid(TextHistoryLimit)
		}
	}
	return b, nil
}

func (r *Rules) partOfHistory(b *Block) bool { return b.Role == RoleUser || b.Role == RoleAssistant }

func (r *Rules) audioInput(now time.Duration, ev AudioInput) (*Block, *Refusal) {
	if !r.options.AudioInTextBlock && r.open(TypeText) {
		return nil, invalid(TextHistoryFirst)
	}
	if !r.options.AudioInToolBlock && r.open(TypeTool) {
		return nil, invalid(TextInvalid)
	}
	b, refusal := r.block(ev.ContentName, TypeAudio)
	if refusal != nil {
		return nil, refusal
	}
	if r.options.RefuseAudioDuringTool && r.outstanding() {
		return nil, invalid(TextInvalid)
	}
	if now-b.Opened < r.options.AudioSettle {
		return nil, invalid(TextInvalid)
	}
	if len(ev.PCM) > 0 {
		b.data = true
	} else {
		r.note("an empty audioInput")
	}
	return b, nil
}

func (r *Rules) outstanding() bool {
	for _, c := range r.issued {
		if !c.answered {
			return true
		}
	}
	return false
}

func (r *Rules) toolResult(ev ToolResult) (*Block, *Refusal) {
	b, refusal := r.block(ev.ContentName, TypeTool)
	if refusal != nil {
		return nil, refusal
	}
	if b.data || len(ev.Text) > maxBlockText {
		return nil, invalid(TextInvalid)
	}
	if !isObject(ev.Text) {
		if r.issued[b.ToolUseID].late {
			return nil, invalid(TextInvalid)
		}
		return nil, invalid(TextToolParse)
	}
	b.data, b.Text = true, ev.Text
	return b, nil
}

func isObject(text string) bool {
	trimmed := bytes.TrimSpace([]byte(text))
	return len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed)
}

func (r *Rules) contentEnd(ev ContentEnd) (*Block, *Refusal) {
	b := r.blocks[ev.ContentName]
	if b == nil {
		return nil, invalidf("No open content found for content name: %s", ev.ContentName)
	}
	if !b.data {
		return nil, invalidf("Cannot end content [%s] as no content data was received", ev.ContentName)
	}
	delete(r.blocks, ev.ContentName)
	r.closed[ev.ContentName] = true
	switch b.Type {
	case TypeAudio:
		r.audioBlock = nil
	case TypeTool:
		call := r.issued[b.ToolUseID]
		if call.answered {
			r.note("a second result for the same toolUseId has no effect")
			b.Text = ""
		}
		call.answered = true
	case TypeText:
		return b, r.textEnd(b)
	}
	return b, nil
}

func (r *Rules) textEnd(b *Block) *Refusal {
	for _, phrase := range r.options.Blocked {
		if phrase != "" && strings.Contains(strings.ToLower(b.Text), strings.ToLower(phrase)) {
			return invalid(TextFiltered)
		}
	}
	if !r.partOfHistory(b) {
		return nil
	}
	if !b.History {
		if !b.Interactive {
			r.note("text that is not interactive after the audio began has no effect")
		} else if b.Role == RoleAssistant {
			r.note("interactive text of the ASSISTANT has no effect")
		}
		return nil
	}
	last := RoleAssistant
	if n := len(r.history); n > 0 {
		last = r.history[n-1].Role
	}
	if b.Role == last && !r.options.AnyRoles {
		// It has to begin with USER, and roles have to alternate.
		return invalid(TextInvalid)
	}
	r.history = append(r.history, b)
	return nil
}
