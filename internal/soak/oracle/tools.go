package oracle

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/internal/soak/talk"
)

// toolCall is one call that the model made.
type toolCall struct {
	s           *stream
	at          time.Time
	result      string
	resultAt    time.Time
	interrupted bool // the answer that made it was
}

// tools checks G6: each call runs once, and its result is told once, to whom it
// concerns.
func (t *trial) tools() {
	made := map[[2]int][]toolCall{}
	for _, s := range t.streams {
		for _, c := range s.Calls {
			var call talk.Call
			if json.Unmarshal([]byte(c.Arguments), &call) != nil {
				continue
			}
			m := toolCall{s: s, at: s.at(c.At), result: c.Result, interrupted: s.Answers[c.Answer].Interrupted}
			if c.Result != "" {
				m.resultAt = s.at(c.ResultAt)
			}
			key := [2]int{call.Request, call.Call}
			made[key] = append(made[key], m)
		}
	}
	ran := map[[2]int]int{}
	for i := range t.Runs {
		x := &t.Runs[i]
		key := [2]int{x.Request, x.Call.Call}
		ran[key]++
		switch calls := made[key]; {
		case len(calls) == 0:
			t.violate(ToolUnknown, x.Began, "the tool ran for call %d of request %d, which no stream had made", x.Call.Call, x.Request)
		case ran[key] > 1:
			t.violate(ToolTwice, x.Began, "call %d of request %d ran for the %d. time", x.Call.Call, x.Request, ran[key])
		default:
			t.toldTo(x, calls)
		}
	}
	for key, calls := range made {
		for _, c := range calls {
			if ran[key] == 0 && !c.s.failed(c.at) && !c.interrupted && c.at.Before(t.Ended.Add(-time.Second)) {
				t.violate(ToolLost, c.at, "call %d of request %d, which %v made, never ran", key[1], key[0], c.s)
			}
		}
	}
}

// spokeOf tells whether a stream was heard to say what a call had returned. One
// that was not, because it failed or was left, need not have been told: nobody
// can know what was read of what it was sent.
func (t *trial) spokeOf(s *stream, x *Execution) bool {
	return slices.ContainsFunc(t.answers, func(a *answer) bool {
		return a.s == s && a.outcome && a.heard > 0 && slices.ContainsFunc(a.calls, x.is)
	})
}

// toldTo checks who was told the result of a call. It is told as such to the
// stream that made it, and as text to another one if that says nothing of it.
func (t *trial) toldTo(x *Execution, calls []toolCall) {
	token := x.Token()
	var issuer *toolCall
	results := 0
	for i := range calls {
		if calls[i].at.Before(x.Began.Add(time.Millisecond)) {
			issuer = &calls[i]
		}
		if strings.Contains(calls[i].result, token) {
			results++
		} else if calls[i].result != "" {
			t.violate(ToolAstray, calls[i].resultAt, "%v was told %s as the result of call %d of request %d", calls[i].s, calls[i].result, x.Call.Call, x.Request)
		}
	}
	if issuer == nil {
		issuer = &calls[0]
	}
	texts, histories := 0, 0
	var told *stream
	for _, s := range t.streams {
		for _, y := range s.Texts {
			// One that failed or was left before it could speak of it does not count:
			// another was told.
			if at := s.at(y.At); strings.Contains(y.Text, token) && !s.failed(at.Add(2*time.Second)) {
				if told == nil || told == s || t.spokeOf(told, x) {
					texts++
				}
				told = s
			}
		}
		for _, m := range s.History {
			if strings.Contains(m.Text, token) {
				histories++
				break
			}
		}
	}
	alive := issuer.s.ended.After(x.Returned.Add(slack+t.roundTrip())) && !issuer.s.failed(x.Returned.Add(t.roundTrip()))
	left := func(f Seen) bool { return f.At.After(issuer.s.began().Add(cutSlack)) && f.At.Before(x.Returned) }
	if slices.ContainsFunc(t.cuts, left) {
		for _, s := range t.listeners {
			if s.previous == issuer.s && s.took.overlap > 0 {
				// It was left while the caller spoke, and has heard a part of that:
				// what it would say next may be about the part.
				alive = false
			}
		}
	}
	over := t.Ended.Add(-time.Second)
	if !t.HungUp.IsZero() {
		over = t.HungUp.Add(-35 * time.Second)
	}
	switch {
	case results > 1 || texts > 1 || results == 1 && texts > 0 && t.spokeOf(issuer.s, x):
		t.violate(ToolAstray, x.Returned, "the result of call %d of request %d was told %d times as a result and %d times as text", x.Call.Call, x.Request, results, texts)
	case alive && results == 0 && texts > 0:
		t.violate(ToolAstray, x.Returned, "the result of call %d of request %d was told to %v as text, though %v, which made it, was open", x.Call.Call, x.Request, told, issuer.s)
	case alive && results == 0 && issuer.s.ended.After(x.Returned.Add(time.Minute)) && x.Returned.Before(over):
		t.violate(ToolLost, x.Returned, "the result of call %d of request %d was never told to %v, which made it", x.Call.Call, x.Request, issuer.s)
	case results+texts+histories == 0 && x.Returned.Before(over):
		t.violate(ToolLost, x.Returned, "the result of call %d of request %d, which %v made, was told to nobody", x.Call.Call, x.Request, issuer.s)
	}
}
