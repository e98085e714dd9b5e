package novasonic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/spoken"
	"github.com/parley-go/parley/services/novasonic/internal/wire"
)

// maxCalls bounds the calls that may be in progress at once.
const maxCalls = 64

// maxResult bounds a result in bytes, whatever the tool's own limit is: encoded
// it has to fit into one event.
const maxResult = 256 << 10

var errBargeIn = errors.New("the caller interrupted")

// call is a function that the model has called. It belongs to the stream that
// asked for it: another one would not know its id, and end.
type call struct {
	id, name string
	task     task
	c        *connection // who made it; nil once that is gone, or the user has taken the turn since
	said     *entry      // its place in the transcript
	began    time.Time
	cancel   context.CancelCauseFunc
	drop     bool            // a barge-in cancels it
	result   json.RawMessage // nil until it has returned
	toldAt   time.Time       // when a stream was sent that, the last time
	words    *entry          // how it is told in words; nil if it is not. The first of some has those of all
}

// task is what calls are made for: what was said in a turn (see conversation.turn), on
// the stream that called the first of them. Those that were made because of what
// others returned are of the same one. Whoever is told one of the results is told all.
type task struct {
	by   *connection
	turn int
}

// toolUse starts a call. It runs on a goroutine of its own, since the
// conversation goes on meanwhile, and so do other calls.
func (v *conversation) toolUse(ctx context.Context, c *connection, e *wire.ToolUse) {
	if v.calls[e.ToolUseID] != nil {
		return // asked twice: one answer
	}
	if !v.mayGoOn(c) {
		v.log.Debug("tool call of a stream that no longer answers is ignored", "stream", c.number, "tool", e.Name)
		return // what it is for is heard, and answered, by another
	}
	v.overtake(c)
	// What was said before a call ("let me check") is an answer of its own: the
	// wait for the tool is no hole in the middle of one.
	about := v.calledFor(c)
	what := task{c, v.turn}
	if n := len(about); n > 0 {
		what = about[n-1].task
	}
	if r := c.reply; r != nil && !r.closed && !v.speaking(c, r) {
		v.closeReply(r)
	}
	v.emit(&frames.FunctionCall{CallID: e.ToolUseID, Name: e.Name, Arguments: e.Arguments})
	if len(v.calls) >= maxCalls {
		result := failure(fmt.Errorf("too many calls are in progress (%d)", maxCalls))
		v.emit(&frames.FunctionCallResult{CallID: e.ToolUseID, Name: e.Name, Result: result, Failed: true})
		c.answer(e.ToolUseID, result)
		return
	}
	v.answered(c, about, time.Now())
	callCtx, cancel := context.WithCancelCause(ctx)
	k := &call{id: e.ToolUseID, name: e.Name, task: what, c: c, began: time.Now(), cancel: cancel}
	k.said = v.past.add(Assistant, spoken.Call(e.Name, e.Arguments, nil))
	tools := c.cfg.Tools
	if t, ok := tools.Lookup(e.Name); ok {
		k.drop = t.CancelOnInterruption()
	}
	v.calls[k.id] = k
	v.shared.update(func(s *Stats) { s.ToolCalls++ })
	v.emit(&frames.FunctionCallInProgress{CallID: k.id, Name: k.name})
	v.tasks.Go(func() {
		defer cancel(nil)
		result := tools.Call(callCtx, e.Name, e.Arguments)
		_ = v.post(ctx, toolReturned{k, e.Arguments, result, time.Since(k.began)})
	})
}

// calledFor are the results because of which a stream calls a tool now: those of the
// answer that it is in, or of the call right before; or those that an answer would be
// about which begins now, unless it has had the time to deal with what was typed since.
func (v *conversation) calledFor(c *connection) []*call {
	r := c.reply
	if r != nil && !r.closed && !r.cut {
		return r.about
	}
	last := c.called
	again := last.turn == v.turn && !last.at.IsZero() && (r == nil || r.since.Before(last.at)) &&
		!slices.ContainsFunc(c.results, func(k *call) bool { return k.toldAt.After(last.at) })
	c.called.turn, c.called.at = v.turn, time.Now()
	switch {
	case again:
	case c == v.listening && v.awaitsTyped(forgiveAfter) && time.Since(v.lastAsked()) >= soonestAnswer:
		c.called.about = nil
	default:
		c.called.about = v.outcomes(c)
	}
	return c.called.about
}

// soonestAnswer is how long after it was asked for something the model begins to
// answer, or calls a tool, at the soonest: 266 ms were measured between the end of
// speech and a call.
const soonestAnswer = 250 * time.Millisecond

// speaking reports whether an answer has audio under way: a block is open, or
// was announced.
func (v *conversation) speaking(c *connection, r *reply) bool {
	for _, b := range c.blocks {
		if b.kind == wire.TypeAudio && b.reply == r {
			return true
		}
	}
	for _, s := range v.owed {
		if s.reply == r && !s.voiced {
			return true
		}
	}
	return false
}

// toolReturned passes a result on to the pipeline and to the model.
func (v *conversation) toolReturned(e toolReturned) {
	k := e.call
	v.emit(&frames.FunctionCallResult{
		CallID: k.id, Name: k.name, Result: e.result.JSON, Failed: e.result.Err != nil, Elapsed: e.took,
	})
	if e.result.Failed() {
		v.shared.update(func(s *Stats) { s.ToolFailures++ })
	}
	if n := len(e.result.JSON); n > maxResult {
		e.result.JSON = failure(fmt.Errorf("the result has %d bytes, and at most %d can be told", n, maxResult))
	}
	k.said.text, k.result = spoken.Call(k.name, e.arguments, e.result.JSON), e.result.JSON
	v.toTell = append(v.toTell, k)
	v.tellResults()
}

// tellResults tells the model what has returned. What was typed before is answered
// first: told both at once, it could speak of either, and if the stream died then,
// nobody could know what is still to be told to the next one. A stream that owes
// that answer for too long is not waited for.
func (v *conversation) tellResults() {
	v.toTell = slices.DeleteFunc(v.toTell, func(k *call) bool {
		if k.c != nil && k.c == v.listening && v.awaitsTyped(answerPatience) {
			return false
		}
		v.tellResult(k)
		return true
	})
}

func (v *conversation) tellResult(k *call) {
	delete(v.calls, k.id)
	if k.c == nil {
		v.tellInWords(k)
		return
	}
	k.c.answer(k.id, k.result)
	k.toldAt = time.Now()
	k.c.results, k.c.expects = append(k.c.results, k), k.toldAt
}

// tellInWords tells the stream that listens what tools have returned that
// another one called: it would not accept ids that it did not give. What was
// called for one task is told at once, when all of it is known, as it would have
// been answered.
func (v *conversation) tellInWords(results ...*call) {
	v.returned = append(v.returned, results...)
	for _, k := range v.returned {
		if v.isPending(k) {
			continue
		}
		var same []*call
		var texts []string
		v.returned = slices.DeleteFunc(slices.Clone(v.returned), func(o *call) bool {
			if o.task != k.task {
				return false
			}
			same, texts = append(same, o), append(texts, resultText(o.name, o.result))
			o.unsay()
			return true
		})
		// The first model takes no text: its next stream reads it in the history.
		if len(same) > 0 && v.cfg.Model != ModelV1 {
			same[0].words = v.past.add(User, strings.Join(texts, "\n"))
			v.note(note{same[0].words, same})
		}
	}
}

// unsay takes back what was told in words, to be told again.
func (k *call) unsay() {
	if k.words != nil {
		k.words.text = ""
	}
	k.words = nil
}

// isPending reports whether a call for the same task as k has not returned.
func (v *conversation) isPending(k *call) bool {
	for _, o := range v.calls {
		if o.task == k.task {
			return true
		}
	}
	return false
}

// outcomes are the results that an answer is about which a stream begins: all that
// it was told and has said nothing of, since nobody can tell them apart; none as
// long as the user waits for an answer to what was said, which comes first. What
// was typed has its turn.
func (v *conversation) outcomes(c *connection) []*call {
	switch {
	case c != v.listening:
	case v.awaitsSpoken():
		return nil
	case v.awaitsTyped(forgiveAfter):
		return slices.DeleteFunc(slices.Clone(c.results), func(k *call) bool { return !k.toldAt.Before(v.asked[0].askedAt) || v.isPending(k) })
	}
	return slices.Clone(c.results)
}

// saysOf notes that the stream is heard to speak of results: they are told.
func (c *connection) saysOf(results []*call) {
	c.results = slices.DeleteFunc(c.results, func(k *call) bool {
		told := slices.Contains(results, k)
		if told && k.words != nil {
			k.words.pending = false
		}
		return told
	})
}

// owesOutcome reports whether the stream is about to say what it makes of a
// result.
func (c *connection) owesOutcome() bool {
	return c != nil && len(c.results) > 0 && time.Since(c.expects) < answerPatience
}

// forsakeCalls is called when a stream is not going to say any more what it makes
// of its calls. The one that listens is told what they return, and what they have
// returned if nothing was heard of it: that it was sent to the stream does not
// mean that it was read.
func (v *conversation) forsakeCalls(c *connection) {
	for _, k := range v.calls {
		if k.c == c {
			k.c = nil
		}
	}
	results := c.results
	c.results = nil
	v.tellInWords(results...)
}

// forgiveOutcome lets go of results of which a stream says nothing, though it is
// alive: the model has chosen to.
func (v *conversation) forgiveOutcome(c *connection) {
	if c == nil || len(c.results) == 0 {
		return
	}
	if v.speaks(c) || v.awaitsAnswer() || v.userSpeaking() || slices.ContainsFunc(c.results, v.isPending) {
		c.expects = time.Now() // it comes after that
		return
	}
	if time.Since(c.expects) >= forgiveAfter && !c.lastEvent.Before(c.expects) {
		c.saysOf(slices.Clone(c.results))
	}
}

// awaitsTool reports whether the model waits for a tool, or has just been given
// a result and is about to say something about it.
func (v *conversation) awaitsTool() bool {
	return len(v.calls) > 0 || v.listening.owesOutcome()
}

func resultText(name string, result json.RawMessage) string {
	return fmt.Sprintf("[The result of %s that you asked for: %s]", name, spoken.KeepStart(string(result), maxMessageBytes/2))
}

// cancelCalls stops functions that somebody no longer wants. The model is told
// that they were cancelled, since a call without a result leaves it waiting.
func (v *conversation) cancelCalls(f *frames.FunctionCallCancel) {
	reason := f.Reason
	if reason == "" {
		reason = "the call was cancelled"
	}
	for _, k := range v.calls {
		if f.CallID == "" || f.CallID == k.id {
			k.cancel(errors.New(reason))
		}
	}
}

// failure is a result that tells the model of an error.
func failure(err error) json.RawMessage {
	b, marshalErr := json.Marshal(map[string]string{"error": err.Error()})
	if marshalErr != nil {
		return json.RawMessage(`{"error":"failed"}`)
	}
	return b
}
