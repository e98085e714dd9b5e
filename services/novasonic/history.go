package novasonic

import (
	"strings"
	"unicode/utf8"
)

// Role says whose words a message of the history is.
type Role string

// The roles of a history.
const (
	User      Role = "USER"
	Assistant Role = "ASSISTANT"
)

// Message is something that was said before.
type Message struct {
	Role Role
	Text string
}

// The service's limits on history (AWS user guide for Nova, document history,
// 22 June 2026), in bytes of UTF-8.
const (
	maxMessageBytes = 50_000
	maxHistoryBytes = 200_000
)

// callBegins stands for the user where the agent spoke first: the service takes
// no history that begins with the agent.
const callBegins = "[The call begins.]"

// notAnswered stands for the agent where the user spoke last: with a history that
// ends with the user streams were seen to die within seconds.
const notAnswered = "[…]"

// shapeHistory makes messages acceptable to the service: empty ones left out,
// neighbours of the same role merged, the first from the user and the last from
// the agent, each message and their sum within the limits. What does not fit is
// dropped from the oldest end, never between two messages that are kept.
func shapeHistory(messages []Message) []Message {
	var merged []Message
	for _, m := range messages {
		m.Text = strings.TrimSpace(strings.ToValidUTF8(m.Text, "\uFFFD"))
		if m.Text == "" {
			continue
		}
		if n := len(merged); n > 0 && merged[n-1].Role == m.Role {
			merged[n-1].Text += "\n" + m.Text
			continue
		}
		merged = append(merged, m)
	}
	if n := len(merged); n > 0 && merged[n-1].Role == User {
		merged = append(merged, Message{Assistant, notAnswered})
	}
	total := 0
	first := len(merged)
	for first > 0 {
		m := &merged[first-1]
		m.Text = keepEnd(m.Text, maxMessageBytes)
		if total+len(m.Text) > maxHistoryBytes {
			break
		}
		total += len(m.Text)
		first--
	}
	if first == 0 && len(merged) > 0 && merged[0].Role != User && total+len(callBegins) <= maxHistoryBytes {
		return append([]Message{{User, callBegins}}, merged...) // the agent spoke first
	}
	for first < len(merged) && merged[first].Role != User {
		first++
	}
	return merged[first:]
}

// keepEnd returns the last part of s that is at most n bytes long and begins
// with a whole character.
func keepEnd(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return s
}
