package conversation

import (
	"slices"

	"github.com/parley-go/parley/internal/spoken"
)

// Role says whose words a message is.
type Role string

// The roles of messages.
const (
	UserRole      Role = "user"
	AssistantRole Role = "assistant"
	ToolRole      Role = "tool"

	// SystemRole is the application's: a system or developer message. A model
	// that takes none in the middle of a conversation is given it as the user's:
	// its text says what it is.
	SystemRole Role = "system"
)

// Message is a part of a conversation as a model is told it.
type Message struct {
	Role Role

	// Text is what was said. Where the agent was cut short it is what the caller
	// heard, with " [interrupted]" behind it. That of a tool tells of the call in
	// words, for models that take no other messages, and so does that of the
	// application: "[Instruction: Ask whether the caller is still there.]".
	Text string

	Interrupted bool
	Call        *Call // of ToolRole only; its Result is nil if there is none yet
}

// Messages is the conversation as a model is told it: what the caller said, of
// the agent's words those that were heard, or will be if nobody interrupts, and
// what the application told the model to do.
// What follows each other in one role is one message. What a recogniser is not
// certain of is left out.
func (t Transcript) Messages() []Message {
	var all []Message
	for _, e := range t.Entries {
		switch {
		case e.Who == Tool:
			text := spoken.Call(e.Call.Name, e.Call.Arguments, e.Call.Result)
			all = append(all, Message{Role: ToolRole, Text: text, Call: e.clone().Call})
		case e.Text == "" || e.State == Interim || e.State == Unheard:
		case e.Who == Application:
			all = add(all, Message{Role: SystemRole, Text: spoken.Instruction(e.Text)})
		case e.Who == Caller:
			all = add(all, Message{Role: UserRole, Text: e.Text})
		default:
			all = add(all, Message{Role: AssistantRole, Text: e.Text, Interrupted: e.State == Cut})
		}
	}
	for i := range all {
		if m := &all[i]; m.Role == AssistantRole {
			m.Text = spoken.WithMark(m.Text, m.Interrupted)
		}
	}
	return slices.Clip(all)
}

func add(all []Message, m Message) []Message {
	if n := len(all); n > 0 && all[n-1].Role == m.Role && !all[n-1].Interrupted {
		all[n-1].Text = join(all[n-1].Text, m.Text)
		all[n-1].Interrupted = m.Interrupted
		return all
	}
	return append(all, m)
}
