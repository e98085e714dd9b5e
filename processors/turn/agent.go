package turn

import (
	"fmt"
	"time"
)

// BotSpeaking holds while the agent's voice is heard.
func BotSpeaking() Condition {
	return &builtin{name: "BotSpeaking", holds: func(f *Facts) (bool, time.Duration) { return f.BotSpeaking, 0 }}
}

// ToolRunning holds while a function runs, from its FunctionCallInProgress to its
// result or cancellation. It needs a [Processor.Tap].
func ToolRunning() Condition {
	return &builtin{name: "ToolRunning", tap: true, holds: func(f *Facts) (bool, time.Duration) { return f.Tools > 0, 0 }}
}

// FirstAnswer holds while the agent speaks for the first time in the call.
func FirstAnswer() Condition {
	return &builtin{name: "FirstAnswer", holds: func(f *Facts) (bool, time.Duration) { return f.BotSpeaking && f.Answers == 0, 0 }}
}

// FirstSentence holds while the agent speaks its first sentence in the call,
// until it has been heard (SpokenText). It needs a [Processor.Tap].
func FirstSentence() Condition {
	return &builtin{name: "FirstSentence", tap: true, holds: func(f *Facts) (bool, time.Duration) {
		return f.BotSpeaking && f.Answers == 0 && f.Sentences == 0, 0
	}}
}

// Greeting holds from the beginning of the call until the agent has spoken its
// first words, or until limit if it has not begun by then, so that a call in
// which the greeting fails is not mute for ever. limit must be positive.
func Greeting(limit time.Duration) Condition {
	b := &builtin{name: fmt.Sprintf("Greeting(%v)", limit), wrong: tooShort(limit)}
	if limit <= 0 {
		b.wrong = "it needs a limit of more than 0, after which it no longer waits for the greeting to begin"
	}
	b.holds = func(f *Facts) (bool, time.Duration) {
		switch {
		case f.Answers > 0:
			return false, 0
		case f.BotSpeaking:
			return true, 0
		}
		late, again := f.Since(0, limit)
		return !late, again
	}
	return b
}
