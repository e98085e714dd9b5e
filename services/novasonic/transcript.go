package novasonic

import (
	"slices"
	"time"

	"github.com/parley-go/parley/internal/spoken"
)

// transcript is the memory of a conversation: who said what, in the order in
// which it was begun to be said.
type transcript struct {
	entries []*entry
	added   int // entries, in all
}

// entry is a message, or the place of one that is not certain yet: what the
// agent really said is known only seconds after it was heard.
type entry struct {
	role Role
	text string

	// instruction says that the text is the application's. The service's history
	// has no role for it: the text says so itself.
	instruction bool

	// pending is what the user said and nobody has answered. The next stream is
	// not told it: it will be asked.
	pending bool

	askedAt time.Time // when a stream was last asked it, of what is typed

	ends int // of streams that were asked it, weighed: see conversation.suspect
}

func newTranscript(messages []Message) transcript {
	var t transcript
	for _, m := range messages {
		t.add(m.Role, m.Text)
	}
	return t
}

// add writes down what was said.
func (t *transcript) add(role Role, text string) *entry {
	e := t.reserve(role)
	e.text = text
	return e
}

// reserve takes a place for what role is about to say.
func (t *transcript) reserve(role Role) *entry {
	// What is far beyond the service's limits is never told again. Twice the
	// limit, so that the copying is rare.
	if len(t.entries) >= 2*maxEntries {
		t.entries = append([]*entry(nil), t.entries[maxEntries:]...)
	}
	if t.added++; t.added%trimEvery == 0 {
		t.trim()
	}
	e := &entry{role: role}
	t.entries = append(t.entries, e)
	return e
}

// moveToEnd gives an entry the last place: it was only written down before, and is
// said now. One that was not written down is not.
func (t *transcript) moveToEnd(e *entry) {
	if i := slices.Index(t.entries, e); i >= 0 {
		t.entries = append(slices.Delete(t.entries, i, i+1), e)
	}
}

// maxEntries bounds the memory of a conversation: messages of 20 bytes, hardly
// a word or two, would fill the service's 200 KB.
const maxEntries = maxHistoryBytes / 20

// trimEvery is after how many entries the memory's bytes are counted.
const trimEvery = 64

// trim drops the oldest entries of a memory that has outgrown the service's
// limits several times over. The next stream is not told them; what is at work
// on a summary has had its time.
func (t *transcript) trim() {
	total := 0
	for i := len(t.entries) - 1; i >= 0; i-- {
		if total += len(t.entries[i].text); total > 4*maxHistoryBytes {
			t.entries = append([]*entry(nil), t.entries[i+1:]...)
			return
		}
	}
}

func (t *transcript) messages() []Message {
	m := make([]Message, 0, len(t.entries))
	for _, e := range t.entries {
		if e.pending {
			continue
		}
		m = append(m, e.message())
	}
	return m
}

// message is the entry as a stream is told it that did not hear it.
func (e *entry) message() Message {
	if e.instruction && e.text != "" {
		return Message{Role: e.role, Text: spoken.Instruction(e.text)}
	}
	return Message{Role: e.role, Text: e.text}
}

// outgrown returns the oldest messages, up to the entry last, if all of them
// together are longer than most bytes: as many as must go so that no more than
// keep are left. last is nil if nothing must go.
func (t *transcript) outgrown(most, keep int) (old []Message, last *entry) {
	total := 0
	for _, e := range t.entries {
		total += len(e.text)
	}
	if total <= most {
		return nil, nil
	}
	for _, e := range t.entries {
		if total <= keep || e.pending {
			break
		}
		total -= len(e.text)
		last = e
		if e.text != "" {
			old = append(old, e.message())
		}
	}
	return old, last
}

// replace puts one message of the user's in the place of everything up to last.
func (t *transcript) replace(last *entry, text string) {
	for i, e := range t.entries {
		if e == last {
			t.entries = append([]*entry{{role: User, text: text}}, t.entries[i+1:]...)
			return
		}
	}
}
