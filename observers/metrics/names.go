package metrics

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// other is the value of a label which has too many.
const other = "other"

// maxName is how many bytes of a name become a label's value, or a metric's name.
const maxName = 100

// names lets only so many values of a label through. It is safe for concurrent use.
type names struct {
	max int

	mu    sync.Mutex
	known map[string]bool
}

func newNames(max int) *names { return &names{max: max, known: map[string]bool{}} }

// only returns names that are these and no others.
func only(these []string) *names {
	n := newNames(0)
	for _, s := range these {
		n.known[s] = usable(s)
	}
	return n
}

// usable reports whether a name may be a label's value.
func usable(s string) bool { return len(s) <= maxName && utf8.ValidString(s) }

// admit reports whether s is one of those that are let through.
func (n *names) admit(s string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if own, ok := n.known[s]; ok {
		return own
	}
	if len(n.known) >= n.max || !usable(s) {
		return false
	}
	n.known[strings.Clone(s)] = true
	return true
}

// value returns s, or "other".
func (n *names) value(s string) string {
	if n.admit(s) {
		return s
	}
	return other
}

// identifier makes a name of Prometheus of one of OpenTelemetry, "parley.turn.latency".
func identifier(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, s)
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		return "_" + s
	}
	return s
}
