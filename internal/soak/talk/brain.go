package talk

import (
	"hash/fnv"
	"slices"

	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/services/novasonic/sonictest/voice"
)

// Brain answers requests. It remembers nothing: what it says depends on the turn
// and the stream alone.
func Brain(seed uint64) sonictest.Brain {
	return sonictest.BrainFunc(func(c *sonictest.Conversation, t sonictest.Turn) sonictest.Answer {
		a := answer(t)
		for i := range a.Sentences {
			s := &a.Sentences[i]
			s.Rate = c.OutputRate()
			// The same words sound different on another stream, and at another time.
			key := mix(seed, uint64(c.Stream()), uint64(len(c.Said())), uint64(i), textHash(s.Text))
			s.Audio = Voice(key, int(s.Rate.Samples(voice.Duration(s.Text))))
		}
		return a
	})
}

func answer(t sonictest.Turn) sonictest.Answer {
	switch t.Kind {
	case sonictest.Spoken:
		if r, ok := ParseSpoken(t.Text); ok {
			return r.answer()
		}
		return sonictest.Say(Puzzled)
	case sonictest.ToolResults:
		if t.Pending > 0 {
			return sonictest.Answer{}
		}
		return outcome(t.Latest.Content)
	}
	if r, ok := ParseTyped(t.Text); ok {
		return r.answer()
	}
	return outcome(t.Text)
}

// outcome is the answer to text that tells the result of a tool: speech, or the
// call that it leads to, if the text does not tell of that as well.
func outcome(text string) sonictest.Answer {
	calls := Tokens(text)
	if len(calls) == 0 {
		return sonictest.Say(Puzzled)
	}
	if c, ok := calls[0].Next(); ok && !slices.ContainsFunc(calls, func(d Call) bool { return d.Request == c.Request && d.Call == c.Call }) {
		return sonictest.Answer{Calls: []sonictest.ToolCall{c.toolCall(0)}}
	}
	return sonictest.Say(Request{ID: calls[0].Request}.Outcome()...)
}

func (r Request) answer() sonictest.Answer {
	a := sonictest.Say(r.Sentences()...)
	for _, c := range r.Calls() {
		a.Calls = append(a.Calls, c.toolCall(len(a.Sentences)))
	}
	return a
}

func (c Call) toolCall(after int) sonictest.ToolCall {
	return sonictest.ToolCall{Name: Tool, Arguments: c.Arguments(), After: after}
}

// Voice returns n samples of speech. It is noise, every 16 samples of which
// tell where they are from: as much signature as package voice gives a
// sentence, for a hundredth of the work.
func Voice(key uint64, n int) []int16 {
	out := make([]int16, n)
	for i := 0; i < n; i += 4 {
		h := mix(key, uint64(i))
		for j := i; j < min(i+4, n); j++ {
			v := int16(h&0x1fff) - 0x1000
			if v == 0 {
				v = 1 // zeros are silence that is not part of an answer
			}
			out[j] = v
			h >>= 16
		}
	}
	return out
}

func textHash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// mix makes one number of several, no bit of which tells anything of theirs
// (splitmix64).
func mix(parts ...uint64) uint64 {
	var h uint64
	for _, p := range parts {
		h += p + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
