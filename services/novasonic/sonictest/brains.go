package sonictest

import (
	"strings"
	"time"

	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

// longestEcho is how long Echo talks about one thing.
const longestEcho = 30 * time.Second

// Echo is a brain that says back what it heard, in one sentence, reads tool
// results aloud, and is silent about what it did not understand. Of what takes
// longer than 30 s to say it says the beginning.
func Echo() Brain {
	return BrainFunc(func(c *Conversation, t Turn) Answer {
		switch {
		case t.Kind == ToolResults:
			return Say("The tool said " + voice.Within(t.Latest.Content, longestEcho) + ".")
		case t.Text == "":
			return Answer{}
		default:
			return Say("You said " + strings.TrimRight(voice.Within(t.Text, longestEcho), ".!? ") + ".")
		}
	})
}

// Replies is a brain that knows its answers by heart: the answer to a turn is
// the one whose key is the turn's text, without regard to case and to spaces
// around it. What is not there is answered by the entry "" if there is one,
// else by Echo.
//
// The answer to a tool's results is found under the key "tool:" and the tool's
// name, when all results are there.
func Replies(replies map[string]Answer) Brain {
	known := make(map[string]Answer, len(replies))
	for text, a := range replies {
		known[fold(text)] = a
	}
	echo := Echo()
	return BrainFunc(func(c *Conversation, t Turn) Answer {
		key := fold(t.Text)
		if t.Kind == ToolResults {
			if t.Pending > 0 {
				return Answer{}
			}
			key = fold("tool:" + t.Latest.Name)
		}
		if a, ok := known[key]; ok && key != "" {
			return a
		}
		if a, ok := known[""]; ok && t.Kind != ToolResults {
			return a
		}
		return echo.Answer(c, t)
	})
}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// Sequence is a brain that gives its answers one after the other, whatever the
// user says: the nth user turn of the conversation, history included, gets the
// nth answer, and turns beyond the last get silence. Tool results are read
// aloud, as Echo does.
func Sequence(answers ...Answer) Brain {
	echo := Echo()
	return BrainFunc(func(c *Conversation, t Turn) Answer {
		if t.Kind == ToolResults {
			return echo.Answer(c, t)
		}
		if n := c.UserTurns(); n < len(answers) {
			return answers[n]
		}
		return Answer{}
	})
}
