package conversation_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/processors/conversation"
	"github.com/parley-go/parley/processors/turn"
	"github.com/parley-go/parley/processors/vad"
	"github.com/parley-go/parley/transports/file"
)

// A telephone agent of four services. A tap before the model shows the transcript
// what the caller said, behind the turns: what they keep from the model (what was
// muted, a backchannel) is in no transcript, and their reminders are told as the
// application's. The transcript itself is the last before the output.
func Example_turns() {
	call, err := file.New(file.Config{Input: "caller.wav", Output: "conversation.wav"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var stt, llm, tts pipeline.Processor // of your choice; llm answers when UserStoppedSpeaking comes, from talk.Messages()
	turns := turn.New(turn.Config{
		Interrupt: turn.Words(3), Barred: turn.Ignore, // "uh huh" is no turn
		Idle: []turn.Reminder{{After: 10 * time.Second, Do: turn.Say("Ask whether the caller is still there.")}},
	})
	talk := conversation.New(conversation.Config{
		OnTurn: func(t conversation.Turn) { fmt.Printf("%s: %s\n", t.Who, t.Text()) },
	})
	err = pipeline.Run(context.Background(),
		call.Input(),
		vad.New(vad.Config{Params: vad.Params{Stop: 200 * time.Millisecond}}), // hears a voice; the pause is the turns' affair
		stt,              // understands words
		turns,            // decides what is a turn
		talk.TapCaller(), // shows the transcript what the model is asked
		llm,
		talk.TapAgent(), // only if tts keeps the words to itself
		tts,
		turns.Tap(), // shows the turns which functions run
		talk,
		call.Output(),
	)
	fmt.Println(err)
	// Output: open caller.wav: no such file or directory: check the path
}

// A recogniser and an agent tell what they understood and said; the transcript is
// written as text when the call is over.
func ExampleProcessor() {
	talk := conversation.New(conversation.Config{
		OnTurn: func(t conversation.Turn) { fmt.Printf("the %s's turn is over: %s\n", t.Who, t.Text()) },
	})
	p := pipeline.New(pipeline.Config{}, talk)
	go func() {
		for _, f := range []frames.Frame{
			&frames.Transcription{Text: "What does a service cost?", Track: "caller", Start: 16000, End: 48000, Rate: audio.Rate16k},
			&frames.FunctionCall{CallID: "1", Name: "get_price", Arguments: []byte(`{"item":"service"}`)},
			&frames.FunctionCallResult{CallID: "1", Name: "get_price", Result: []byte(`{"result":90}`)},
			&frames.SpokenText{Text: "A full service is", Interrupted: true},
			&frames.Transcription{Text: "Thank you.", Track: "caller", Start: 96000, End: 112000, Rate: audio.Rate16k},
		} {
			if err := p.Send(context.Background(), f); err != nil {
				fmt.Println(err)
			}
		}
		p.End("that was all")
	}()
	if err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	if err := talk.Transcript().WriteText(os.Stdout); err != nil {
		fmt.Println(err)
	}
	for _, m := range talk.Messages() {
		fmt.Printf("%s: %s\n", m.Role, m.Text)
	}
	// Output:
	// the caller's turn is over: What does a service cost?
	// the agent's turn is over: A full service is
	// the caller's turn is over: Thank you.
	//  00:01.0  caller  What does a service cost?
	// ~00:03.0  tool    get_price {"item":"service"} → {"result":90} (0s)
	// ~00:03.0  agent   A full service is [interrupted]
	//  00:06.0  caller  Thank you.
	// user: What does a service cost?
	// tool: [I called get_price with {"item":"service"}; it returned {"result":90}.]
	// assistant: A full service is [interrupted]
	// user: Thank you.
}
