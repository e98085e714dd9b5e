package novasonic_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/services/novasonic"
	"github.com/parley-go/parley/services/novasonic/sonictest"
	"github.com/parley-go/parley/tool"
)

type city struct {
	City string `json:"city"`
}

// calling is a brain that answers spoken turns with calls, and the last result
// with what the tools returned.
func calling(calls ...sonictest.ToolCall) sonictest.Brain {
	return sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Kind != sonictest.ToolResults {
			return sonictest.Answer{Calls: calls}
		}
		if turn.Pending > 0 {
			return sonictest.Answer{}
		}
		var said []string
		for _, r := range turn.Results {
			said = append(said, r.Name+" says "+r.Content)
		}
		return sonictest.Say(strings.Join(said, ", ") + ".")
	})
}

func weather(fn func(ctx context.Context, c city) (string, error), opts ...tool.Option) tool.Tool {
	return tool.Must(tool.New("get_weather", "Tells the weather in a city.", fn, opts...))
}

func TestAToolIsCalledAndItsResultSpoken(t *testing.T) {
	for name, double := range map[string]bool{"plain arguments": false, "double-encoded arguments": true} {
		t.Run(name, func(t *testing.T) {
			sc := sonictest.Config{
				Brain:     calling(sonictest.ToolCall{Name: "get_weather", Arguments: `{"city":"Oslo"}`}),
				Behaviour: sonictest.Behaviour{DoubleEncodedArguments: double},
			}
			nc := novasonic.Config{Tools: tool.Set{weather(func(_ context.Context, c city) (string, error) { return "rain in " + c.City, nil })}}
			call(t, sc, nc, func(r *rig) {
				r.says("1")
				r.waitsFor("answer", isA[*frames.SpokenText])
				if got, want := of[*frames.SpokenText](r)[0].Text, `get_weather says {"result":"rain in Oslo"}.`; got != want {
					t.Errorf("the agent said %q, want %q", got, want)
				}
				var order []string
				for _, f := range r.ear.all() {
					switch f := f.(type) {
					case *frames.FunctionCall:
						if string(f.Arguments) != `{"city":"Oslo"}` {
							t.Errorf("arguments %s", f.Arguments)
						}
						order = append(order, "call")
					case *frames.FunctionCallInProgress:
						order = append(order, "in progress")
					case *frames.FunctionCallResult:
						order = append(order, "result")
					}
				}
				if want := []string{"call", "in progress", "result"}; !slices.Equal(order, want) {
					t.Errorf("frames: %v, want %v", order, want)
				}
			})
		})
	}
}

func TestSeveralToolsRunAtOnceAndEachIsAnsweredOnce(t *testing.T) {
	for name, nested := range map[string]bool{"one block after the other": false, "blocks nested": true} {
		t.Run(name, func(t *testing.T) {
			var began, together atomic.Int32
			slow := func(_ context.Context, c city) (string, error) {
				began.Add(1)
				time.Sleep(2 * time.Second)
				if began.Load() == 3 {
					together.Add(1)
				}
				return "sun in " + c.City, nil
			}
			sc := sonictest.Config{
				Brain: calling(
					sonictest.ToolCall{Name: "get_weather", Arguments: `{"city":"Rome"}`},
					sonictest.ToolCall{Name: "get_weather", Arguments: `{"city":"Bari"}`},
					sonictest.ToolCall{Name: "get_weather", Arguments: `{"city":"Pisa"}`},
				),
				Behaviour: sonictest.Behaviour{ToolBlocksNested: nested, RefuseSecondResult: sonictest.On},
			}
			call(t, sc, novasonic.Config{Tools: tool.Set{weather(slow)}}, func(r *rig) {
				r.says("1")
				r.waitsFor("answer", isA[*frames.SpokenText])
				if n := together.Load(); n != 3 {
					t.Errorf("%d calls ran while the others did, want 3", n)
				}
				for _, c := range r.streams()[0].Calls {
					if c.Result == "" {
						t.Errorf("call %s %s had no result", c.ID, c.Arguments)
					}
				}
			})
		})
	}
}

func TestFailuresOfToolsAreToldToTheModel(t *testing.T) {
	for name, tc := range map[string]struct {
		tool    tool.Tool
		calls   string
		args    string
		mention string
	}{
		"an error":      {weather(func(context.Context, city) (string, error) { return "", errors.New("no such place") }), "get_weather", `{"city":"X"}`, "no such place"},
		"a panic":       {weather(func(context.Context, city) (string, error) { panic("oh") }), "get_weather", `{"city":"X"}`, "crashed"},
		"bad arguments": {weather(func(context.Context, city) (string, error) { return "", nil }), "get_weather", `{"city":5}`, "city"},
		"a time-out": {weather(func(ctx context.Context, _ city) (string, error) { <-ctx.Done(); return "", ctx.Err() }, tool.Timeout(3*time.Second)),
			"get_weather", `{"city":"X"}`, "3"},
		"a name that the model made up": {clock, "get_wether", `{}`, "get_time"},
	} {
		t.Run(name, func(t *testing.T) {
			sc := sonictest.Config{Brain: calling(sonictest.ToolCall{Name: tc.calls, Arguments: tc.args})}
			call(t, sc, novasonic.Config{Tools: tool.Set{tc.tool}}, func(r *rig) {
				r.says("1")
				r.waitsFor("answer", isA[*frames.SpokenText])
				result := of[*frames.FunctionCallResult](r)[0]
				var told struct{ Error string }
				if err := json.Unmarshal(result.Result, &told); err != nil || !strings.Contains(told.Error, tc.mention) || !result.Failed {
					t.Errorf("the model was told %s, want an error that mentions %q", result.Result, tc.mention)
				}
			})
		})
	}
}

func TestTheConversationGoesOnWhileAToolRuns(t *testing.T) {
	sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		switch {
		case turn.Kind == sonictest.ToolResults:
			return sonictest.Say("The weather has come.")
		case turn.Text == "one":
			return sonictest.Call("get_weather", `{"city":"Ulm"}`)
		}
		return sonictest.Say("Something else.")
	})}
	slow := weather(func(context.Context, city) (string, error) { time.Sleep(15 * time.Second); return "fog", nil })
	call(t, sc, novasonic.Config{Tools: tool.Set{slow}}, func(r *rig) {
		r.says("1")
		r.waits(2 * time.Second)
		r.says("2")
		r.waits(20 * time.Second)
		got := texts(r, func(f *frames.SpokenText) string { return f.Text })
		if want := []string{"Something else.", "The weather has come."}; !slices.Equal(got, want) {
			t.Errorf("the agent said %q, want %q", got, want)
		}
	})
}

func TestABargeInCancelsOnlyToolsThatWantIt(t *testing.T) {
	for name, opts := range map[string][]tool.Option{"goes on": nil, "cancelled": {tool.CancelOnInterruption()}} {
		t.Run(name, func(t *testing.T) {
			var cancelled atomic.Bool
			slow := weather(func(ctx context.Context, _ city) (string, error) {
				select {
				case <-ctx.Done():
					cancelled.Store(true)
					return "", ctx.Err()
				case <-time.After(10 * time.Second):
					return "snow", nil
				}
			}, opts...)
			sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
				if turn.Kind == sonictest.ToolResults || turn.Text != "one" {
					return sonictest.Answer{}
				}
				a := sonictest.Say("While I look, let me tell you a long story about the weather in the north, which is seldom good.")
				a.Calls = []sonictest.ToolCall{{Name: "get_weather", Arguments: `{"city":"Oslo"}`}}
				return a
			})}
			call(t, sc, novasonic.Config{Tools: tool.Set{slow}}, func(r *rig) {
				r.says("1")
				r.waitsFor("answer", isA[*frames.AudioOutput])
				r.waits(time.Second)
				r.says("2")
				r.waits(15 * time.Second)
				if want := name == "cancelled"; cancelled.Load() != want {
					t.Errorf("cancelled: %v, want %v", cancelled.Load(), want)
				}
				for _, c := range r.streams()[0].Calls {
					if c.Result == "" {
						t.Errorf("call %s had no result", c.ID)
					}
				}
			})
		})
	}
}

func TestTheApplicationCanCancelATool(t *testing.T) {
	slow := weather(func(ctx context.Context, _ city) (string, error) { <-ctx.Done(); return "", context.Cause(ctx) })
	sc := sonictest.Config{Brain: calling(sonictest.ToolCall{Name: "get_weather", Arguments: `{"city":"Oslo"}`})}
	call(t, sc, novasonic.Config{Tools: tool.Set{slow}}, func(r *rig) {
		r.says("1")
		r.waitsFor("call", isA[*frames.FunctionCallInProgress])
		id := of[*frames.FunctionCall](r)[0].CallID
		if err := r.pipe.Send(context.Background(), &frames.FunctionCallCancel{CallID: id, Reason: "the desk is closed"}); err != nil {
			t.Fatal(err)
		}
		r.waitsFor("result", isA[*frames.FunctionCallResult])
		if f := of[*frames.FunctionCallResult](r)[0]; !f.Failed || f.CallID != id {
			t.Errorf("result %v: %s", f, f.Result)
		}
	})
}

func TestAResultForAStreamThatDiedReachesTheNextOneInWords(t *testing.T) {
	slow := weather(func(context.Context, city) (string, error) { time.Sleep(10 * time.Second); return "hail", nil })
	sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Kind == sonictest.Written {
			return sonictest.Say("I read: " + turn.Text)
		}
		return sonictest.Call("get_weather", `{"city":"Oslo"}`)
	})}
	call(t, sc, novasonic.Config{Tools: tool.Set{slow}}, func(r *rig) {
		r.says("1")
		r.waitsFor("call", isA[*frames.FunctionCallInProgress])
		r.strike(0, sonictest.Reset())
		r.waitsFor("answer", isA[*frames.SpokenText])
		if got := of[*frames.SpokenText](r)[0].Text; !strings.Contains(got, "get_weather") || !strings.Contains(got, "hail") {
			t.Errorf("the agent said %q", got)
		}
	})
}

func TestTheWaitForAToolIsNoHoleInAnAnswer(t *testing.T) {
	slow := weather(func(context.Context, city) (string, error) { time.Sleep(4 * time.Second); return "hail", nil })
	sc := sonictest.Config{Brain: sonictest.BrainFunc(func(_ *sonictest.Conversation, turn sonictest.Turn) sonictest.Answer {
		if turn.Kind == sonictest.ToolResults {
			return sonictest.Say("It hails.")
		}
		a := sonictest.Say("Let me check.")
		a.Calls = []sonictest.ToolCall{{Name: "get_weather", Arguments: `{"city":"Oslo"}`, After: 1}}
		return a
	})}
	call(t, sc, novasonic.Config{Tools: tool.Set{slow}}, func(r *rig) {
		r.says("1")
		r.waits(15 * time.Second)
		open := ""
		for _, f := range r.ear.all() {
			switch f := f.(type) {
			case *frames.TTSStart:
				open = f.Response
			case *frames.TTSStop:
				open = ""
			case *frames.FunctionCall:
				if open != "" {
					t.Errorf("a tool is called in the middle of %s", open)
				}
			}
		}
		if n := len(of[*frames.TTSStart](r)); n != 2 {
			t.Errorf("%d answers, want one before the call and one after it", n)
		}
	})
}
