package talk

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"

	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// Kind is what a request asks for.
type Kind int

// The kinds of request. A digit of the request names them.
const (
	Short        Kind = iota // an answer of one short sentence
	Medium                   // of two sentences
	Long                     // of several, half a minute
	FastTool                 // a call of a tool that returns at once
	SlowTool                 // of one that takes seconds
	EndlessTool              // of one that takes longer than most streams live
	FailingTool              // of one that fails
	TwoTools                 // two calls at once
	SpokenTool               // a sentence, then a call
	ChainedTools             // a call, and another one because of what it returned
	kinds
)

// Kinds is the number of kinds.
const Kinds = int(kinds)

// Tool is the name of the one tool there is.
const Tool = "lookup"

// Request is what the caller asks for, in one breath or one line.
type Request struct {
	ID   int // 1 to 9999, used once in a conversation
	Kind Kind
	More string // more keys, without meaning; ',' is a pause
}

// Keys is how the request is spelled: a star, what is asked for, a pound.
func (r Request) Keys() string { return fmt.Sprintf("*%04d%d%s#", r.ID, int(r.Kind), r.More) }

// Spoken is what a listener hears who hears all of it.
func (r Request) Spoken() string { return hearing.Words(r.Keys()) }

// Typed is the request as a line of text.
func (r Request) Typed() string { return fmt.Sprintf("request %04d %d please", r.ID, int(r.Kind)) }

var digits = map[string]string{
	"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4",
	"five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
}

// ParseSpoken returns the request that was spelled, if text is one from its
// first word to its last.
func ParseSpoken(text string) (Request, bool) {
	words := strings.Fields(text)
	if len(words) < 7 || words[0] != "star" || words[len(words)-1] != "pound" {
		return Request{}, false
	}
	var keys strings.Builder
	for _, w := range words[1 : len(words)-1] {
		d, ok := digits[w]
		if !ok {
			return Request{}, false
		}
		keys.WriteString(d)
	}
	return parse(keys.String()[:4], keys.String()[4:5], keys.String()[5:])
}

var typed = regexp.MustCompile(`^request (\d{4}) (\d) please$`)

// ParseTyped returns the request that was typed, if text is one.
func ParseTyped(text string) (Request, bool) {
	m := typed.FindStringSubmatch(text)
	if m == nil {
		return Request{}, false
	}
	return parse(m[1], m[2], "")
}

func parse(id, kind, more string) (Request, bool) {
	n, err1 := strconv.Atoi(id)
	k, err2 := strconv.Atoi(kind)
	return Request{ID: n, Kind: Kind(k), More: more}, err1 == nil && err2 == nil && k < Kinds
}

// Sentences is what is answered at once; nothing if the answer has to wait for a
// tool.
func (r Request) Sentences() []string {
	rng := rand.New(rand.NewPCG(uint64(r.ID), 0x5e47))
	lengths := []int{}
	switch r.Kind {
	case Short:
		lengths = append(lengths, 1+rng.IntN(6))
	case Medium:
		lengths = append(lengths, 2+rng.IntN(10), 2+rng.IntN(10))
	case Long:
		for range 3 + rng.IntN(4) {
			lengths = append(lengths, 8+rng.IntN(12))
		}
	case SpokenTool:
		lengths = append(lengths, 1+rng.IntN(4))
	}
	return r.sentences("reply", lengths, rng)
}

// Outcome is what is said when the results of the request's tools are there, or
// those of some of them.
func (r Request) Outcome() []string {
	rng := rand.New(rand.NewPCG(uint64(r.ID), 0x07c0))
	return r.sentences("outcome", []int{1 + rng.IntN(10)}, rng)
}

// sentences have so many words beyond those that name them.
func (r Request) sentences(what string, lengths []int, rng *rand.Rand) []string {
	var all []string
	for i, n := range lengths {
		s := fmt.Sprintf("%s %d part %d of %d", what, r.ID, i+1, len(lengths))
		for range n {
			s += " " + words[rng.IntN(len(words))]
		}
		all = append(all, s+".")
	}
	return all
}

var words = strings.Fields("amber birch cedar dune ember fjord grove harbour island juniper kestrel lagoon meadow " +
	"nettle orchard pebble quarry river summit thicket upland valley willow yarrow zephyr")

// Puzzled is what is answered to what is not a whole request. No listener who
// heard all that was said has a reason to say it.
const Puzzled = "I did not understand that."

// Call is one call of the tool.
type Call struct {
	Request int  `json:"request"`
	Call    int  `json:"call"` // counts those of the request, from 1 or from chained
	Millis  int  `json:"millis"`
	Fail    bool `json:"fail"`
}

// Calls are the calls that the request leads to.
func (r Request) Calls() []Call {
	rng := rand.New(rand.NewPCG(uint64(r.ID), 0xca11))
	fast := func(n int) Call { return Call{Request: r.ID, Call: n, Millis: rng.IntN(400)} }
	slow := func(n int) Call { return Call{Request: r.ID, Call: n, Millis: 2000 + rng.IntN(10_000)} }
	switch r.Kind {
	case FastTool:
		return []Call{fast(1)}
	case SlowTool, SpokenTool:
		return []Call{slow(1)}
	case EndlessTool:
		return []Call{{Request: r.ID, Call: 1, Millis: 30_000 + rng.IntN(60_000)}}
	case FailingTool:
		c := fast(1)
		c.Fail = true
		return []Call{c}
	case TwoTools:
		return []Call{fast(1), slow(2)}
	case ChainedTools:
		return []Call{fast(chained)}
	}
	return nil
}

// chained is the number of a call that leads to another one, with the number after
// it.
const chained = 8

// Next is the call that the outcome of c leads to; false if it is told the caller.
func (c Call) Next() (Call, bool) {
	if c.Call != chained {
		return Call{}, false
	}
	rng := rand.New(rand.NewPCG(uint64(c.Request), 0xcaf1))
	return Call{Request: c.Request, Call: chained + 1, Millis: rng.IntN(6000)}, true
}

// Token names the call's outcome: whoever says it knows the outcome.
func (c Call) Token() string { return fmt.Sprintf("K%04d%d", c.Request, c.Call) }

// Arguments are the call's, as JSON.
func (c Call) Arguments() string {
	b, _ := json.Marshal(c) // numbers and a bool do
	return string(b)
}

var token = regexp.MustCompile(`K(\d{4})(\d)`)

// Tokens returns the calls whose outcomes are mentioned in text, each time that
// they are. Only Request and Call are set.
func Tokens(text string) []Call {
	var calls []Call
	for _, m := range token.FindAllStringSubmatch(text, -1) {
		r, _ := strconv.Atoi(m[1]) // four digits
		n, _ := strconv.Atoi(m[2])
		calls = append(calls, Call{Request: r, Call: n})
	}
	return calls
}
