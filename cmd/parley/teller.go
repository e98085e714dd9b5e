package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/services/novasonic"
)

// teller is a processor that tells the page what happens in its call: who answers,
// what is said, how soon answers come, and how the conversation moves between
// streams. It stands before the output.
type teller struct {
	who string

	mu      sync.Mutex
	out     *pipeline.Port
	waiting bool          // the caller's turn has had no answer yet
	asked   time.Duration // when that turn ended
}

func newTeller(who string) *teller { return &teller{who: who} }

// What the page is told, each with a type.
type (
	toldService struct {
		Type string `json:"type"` // "service"
		Text string `json:"text"` // who answers
	}
	toldEntry struct {
		Type    string `json:"type"` // "entry"
		ID      int    `json:"id"`
		Who     string `json:"who"`
		State   string `json:"state"`
		Text    string `json:"text"`
		Unheard string `json:"unheard,omitempty"`

		// Of a tool's call.
		Tool      string          `json:"tool,omitempty"`
		Arguments json.RawMessage `json:"arguments,omitempty"`
		Result    json.RawMessage `json:"result,omitempty"`
	}
	toldLatency struct {
		Type string `json:"type"` // "latency"
		MS   int64  `json:"ms"`   // from the end of the caller's speech to the first sound of the answer
	}
	toldSwap struct {
		Type   string `json:"type"` // "swap"
		Number int    `json:"number"`
		Step   string `json:"step"`
		Reason string `json:"reason"`
		From   int    `json:"from"`
		To     int    `json:"to"`
	}
)

// Name returns "teller".
func (*teller) Name() string { return "teller" }

// Run tells who answers.
func (t *teller) Run(ctx context.Context, out *pipeline.Port) error {
	t.mu.Lock()
	t.out = out
	t.mu.Unlock()
	return t.tell(ctx, out, toldService{"service", t.who})
}

func (t *teller) tell(ctx context.Context, out *pipeline.Port, what any) error {
	return out.Send(ctx, &frames.TransportMessageUrgent{Message: what}, frames.Downstream)
}

// entry tells of something that was said. It is called by a goroutine of the
// transcript's.
func (t *teller) entry(e conversation.Entry) {
	t.mu.Lock()
	out := t.out
	t.mu.Unlock()
	if out == nil {
		return
	}
	told := toldEntry{Type: "entry", ID: e.ID, Who: string(e.Who), State: string(e.State), Text: e.Text, Unheard: e.Unheard}
	if e.Call != nil {
		told.Tool, told.Arguments, told.Result = e.Call.Name, e.Call.Arguments, e.Call.Result
	}
	t.tell(context.Background(), out, told) // it fails when the call is over
}

// Process passes on.
func (t *teller) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if err := t.see(ctx, f, dir, out); err != nil {
		return err
	}
	return out.Send(ctx, f, dir)
}

// ProcessSystem passes on.
func (t *teller) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	if _, ok := f.(*frames.Interruption); ok {
		return nil // the engine tells everybody
	}
	return t.Process(ctx, f, dir, out)
}

// see tells the page of what passes.
func (t *teller) see(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	switch f := f.(type) {
	case *frames.UserStoppedSpeaking:
		if dir == frames.Downstream && f.Rate > 0 {
			t.mu.Lock()
			t.waiting, t.asked = true, f.Rate.Duration(int64(f.Position))
			t.mu.Unlock()
		}
	case *frames.BotStartedSpeaking:
		if dir == frames.Downstream {
			return nil
		}
		t.mu.Lock()
		waiting, asked := t.waiting, t.asked
		t.waiting = false
		t.mu.Unlock()
		if waiting {
			latency := f.OutputRate.Duration(int64(f.Output)) - asked
			return t.tell(ctx, out, toldLatency{"latency", latency.Milliseconds()})
		}
	case *novasonic.Swap:
		if dir == frames.Downstream {
			return t.tell(ctx, out, toldSwap{"swap", f.Number, string(f.Step), string(f.Reason), f.From, f.To})
		}
	}
	return nil
}
