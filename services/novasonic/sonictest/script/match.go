package script

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// condition decides whether a reply fits.
type condition struct {
	exact, contains, after string // folded; empty if it does not matter
	matches                *regexp.Regexp
	turn                   int
}

// moment is where a conversation stands when something is to be answered.
type moment struct {
	text string // the user's
	last string // what the assistant said last
	turn int    // the user's, from 1
}

// holds returns the named groups of matches too.
func (c *condition) holds(m moment) (map[string]string, bool) {
	text := fold(m.text)
	switch {
	case c.exact != "" && text != c.exact,
		c.contains != "" && !containsWords(text, c.contains),
		c.after != "" && !containsWords(fold(m.last), c.after),
		c.turn != 0 && m.turn != c.turn:
		return nil, false
	}
	groups := map[string]string{}
	if c.matches != nil {
		found := c.matches.FindStringSubmatch(m.text)
		if found == nil {
			return nil, false
		}
		for i, name := range c.matches.SubexpNames() {
			if name != "" {
				groups[name] = found[i]
			}
		}
	}
	return groups, true
}

// containsWords tells whether whole words of a folded text are the given ones.
func containsWords(text, words string) bool {
	return strings.Contains(" "+text+" ", " "+words+" ")
}

// fold leaves only what matters of a text: lower-case words with one space
// between them.
func fold(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '\'' && r != '’'
	})
	return strings.ReplaceAll(strings.Join(words, " "), "’", "'")
}

// momentOf is the moment of the turn to be answered. The results of tools
// belong to the turn that asked for them.
func momentOf(c conversation, t sonictest.Turn) moment {
	m := moment{text: t.Text, turn: c.UserTurns() + 1}
	said := slices.Concat(c.History(), c.Said())
	if t.Kind == sonictest.ToolResults {
		m.turn = c.UserTurns()
		if t.Asked != nil {
			m.text = t.Asked.Text
		}
		// Go back to before the question.
		for i := len(said) - 1; i >= 0; i-- {
			if said[i].Role == "USER" {
				if said[i].Text == m.text {
					said = said[:i]
					break
				}
				m.turn-- // the user has said something more meanwhile
			}
		}
	}
	for i := len(said) - 1; i >= 0; i-- {
		if said[i].Role == "ASSISTANT" {
			m.last = said[i].Text
			break
		}
	}
	return m
}
