// Package printing writes for people what came from elsewhere.
package printing

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Clock is an instant in a call, to the tenth of a second.
func Clock(at time.Duration) string {
	tenths := at.Round(100*time.Millisecond) / (100 * time.Millisecond)
	return fmt.Sprintf("%02d:%02d.%d", tenths/600, tenths/10%60, tenths%10)
}

// OneLine is a text on one line, without what would steer a terminal.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r), r == '\u200c', r == '\u200d': // the last two join letters, and parts of emoji
			return r
		}
		return '\ufffd'
	}, text)
}
