package conversation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/tool"
)

// wish is a function that a model wants called.
type wish struct {
	id, name  string
	arguments json.RawMessage
}

// assistant is the model of a cascade, with tools. ask stands for a provider's
// client: it returns what the model says, or what it wants called before that.
type assistant struct {
	talk  *conversation.Processor
	tools tool.Set
	ask   func(ctx context.Context, history []conversation.Message) (string, *wish, error)
	turns int
}

// ProcessSystem lets the caller's audio, interruptions and all that is urgent past
// while a tool works.
func (a *assistant) ProcessSystem(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (a *assistant) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	t, ok := f.(*frames.Transcription)
	if !ok || dir != frames.Downstream {
		return out.Send(ctx, f, dir)
	}
	// Behind processors/turn it would gather these, and answer when
	// UserStoppedSpeaking comes.
	//
	// Nothing is left of this answer, or of the tool it waits for, once the caller
	// interrupts; ctx would outlive that, as the transcript does.
	err := a.answer(out.Generation(), t.Text, out)
	if errors.Is(err, pipeline.ErrInterrupted) {
		return nil
	}
	return err
}

func (a *assistant) answer(gen context.Context, said string, out *pipeline.Port) error {
	a.turns++
	id := fmt.Sprintf("answer-%d", a.turns)
	history := a.talk.Messages()
	for range 5 { // a model that only calls must come to an end
		text, wants, err := a.ask(gen, history)
		if err != nil {
			return fmt.Errorf("ask the model about %q: %w", said, err)
		}
		if wants == nil {
			return send(gen, out, &frames.LLMResponseStart{Response: id}, &frames.LLMText{Response: id, Text: text}, &frames.LLMResponseEnd{Response: id})
		}
		// The transcript, the turns (by their Tap) and a sound go by these frames.
		if err := send(gen, out,
			&frames.FunctionCall{CallID: wants.id, Name: wants.name, Arguments: wants.arguments},
			&frames.FunctionCallInProgress{CallID: wants.id, Name: wants.name}); err != nil {
			return err
		}
		r := a.tools.Call(gen, wants.name, wants.arguments) // r.JSON is an answer whatever happens
		// An interruption drops neither this nor that it is in progress: who is told
		// of a call's beginning is told of its end.
		if err := send(gen, out, &frames.FunctionCallResult{CallID: wants.id, Name: wants.name, Result: r.JSON, Failed: r.Failed(), Elapsed: r.Elapsed}); err != nil {
			return err
		}
		// The transcript, further down, may not have seen it yet.
		history = append(history, conversation.Message{Role: conversation.ToolRole, Call: &conversation.Call{
			ID: wants.id, Name: wants.name, Arguments: wants.arguments, Result: r.JSON, Elapsed: r.Elapsed,
		}})
	}
	return errors.New("the model calls functions and does not answer")
}

func send(ctx context.Context, out *pipeline.Port, fs ...frames.Frame) error {
	for _, f := range fs {
		if err := out.Send(ctx, f, frames.Downstream); err != nil {
			return err
		}
	}
	return nil
}

// A cascade whose model calls functions: it runs them itself, tells of each, and is
// asked again with what came of it. The recogniser and the speech synthesis, before
// and behind it, do not know of tools; here the caller's words are put in as text.
func Example_tools() {
	price := tool.Must(tool.New("get_price", "Tells what something costs, in euros.",
		func(_ context.Context, args struct {
			Item string `json:"item"`
		}) (int, error) {
			return map[string]int{"service": 90}[args.Item], nil
		}))

	talk := conversation.New(conversation.Config{})
	llm := &assistant{talk: talk, tools: tool.Set{price},
		ask: func(_ context.Context, history []conversation.Message) (string, *wish, error) {
			if last := history[len(history)-1]; last.Role == conversation.ToolRole {
				return fmt.Sprintf("That is %s.", last.Call.Result), nil, nil
			}
			return "", &wish{"1", "get_price", json.RawMessage(`{"item":"service"}`)}, nil
		}}
	talks := pipeline.On(func(ctx context.Context, f *frames.LLMText, dir frames.Direction, out *pipeline.Port) error {
		fmt.Println("agent:", f.Text)
		return out.Send(ctx, f, dir)
	})
	told := pipeline.On(func(ctx context.Context, f *frames.FunctionCallResult, dir frames.Direction, out *pipeline.Port) error {
		fmt.Printf("%s returned %s\n", f.Name, f.Result)
		return out.Send(ctx, f, dir)
	})
	p := pipeline.New(pipeline.Config{}, talk.TapCaller(), llm, told, talks, talk)
	go func() {
		if err := p.Send(context.Background(), &frames.Transcription{Text: "What does a service cost?", Track: "caller"}); err != nil {
			fmt.Println(err)
		}
		p.End("that was all")
	}()
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// get_price returned {"result":90}
	// agent: That is {"result":90}.
}
