package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/pipeline"
	"github.com/parley-go/parley/transports/websocket"
)

// A server says back what it hears to everybody who knows the password, and a
// caller talks to it for a second.
func ExampleNewServer() {
	echo := pipeline.On(func(ctx context.Context, f *frames.AudioInput, dir frames.Direction, out *pipeline.Port) error {
		return out.Send(ctx, &frames.AudioOutput{Audio: f.Audio}, dir)
	})
	server, err := websocket.NewServer(websocket.Config{
		Authenticate: func(r *http.Request) error {
			if r.URL.Query().Get("password") != "sesame" {
				return errors.New("wrong password")
			}
			return nil
		},
	}, func(call *websocket.Call) (*pipeline.Pipeline, error) {
		return pipeline.New(pipeline.Config{}, call.Input(), echo, call.Output()), nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	web := httptest.NewServer(server)
	defer web.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	caller, _, err := ws.Dial(ctx, web.URL+"?password=sesame", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer caller.CloseNow()
	second := audio.EncodePCM(nil, voice(1, 16000))
	caller.Write(ctx, ws.MessageText, []byte(`{"type":"hello","version":1,"output":{"rate":16000}}`))
	caller.Read(ctx) // the agent is ready
	caller.Write(ctx, ws.MessageBinary, second)
	for heard := 0; heard < len(second); {
		kind, b, err := caller.Read(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		if kind == ws.MessageBinary {
			heard += len(b)
		}
	}
	fmt.Println("a second has come back")
	caller.Close(ws.StatusNormalClosure, "")
	fmt.Println(server.Shutdown(ctx))
	// Output:
	// a second has come back
	// <nil>
}

// A caller has a pipeline of its own, and hears what the server's agent says as from
// a microphone.
func ExampleDial() {
	greet := &greeting{}
	server, err := websocket.NewServer(websocket.Config{}, func(call *websocket.Call) (*pipeline.Pipeline, error) {
		return pipeline.New(pipeline.Config{}, call.Input(), greet, call.Output()), nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	web := httptest.NewServer(server)
	defer web.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	call, err := websocket.Dial(ctx, web.URL, websocket.DialConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	heard := 0
	listen := pipeline.On(func(_ context.Context, f *frames.AudioInput, _ frames.Direction, _ *pipeline.Port) error {
		heard += len(bare(f.Samples))
		return nil
	})
	if err := pipeline.New(pipeline.Config{}, call.Input(), listen, call.Output()).Run(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("heard", time.Duration(heard)*time.Second/24000)
	server.Shutdown(ctx)
	// Output: heard 500ms
}

// greeting is an agent that says something and hangs up.
type greeting struct{}

func (*greeting) Process(ctx context.Context, f frames.Frame, dir frames.Direction, out *pipeline.Port) error {
	return out.Send(ctx, f, dir)
}

func (*greeting) Run(ctx context.Context, out *pipeline.Port) error {
	hello := frames.Audio{Format: audio.Mono(audio.Rate24k), Samples: voice(1, 12000), Track: "agent"}
	if err := out.Send(ctx, &frames.AudioOutput{Audio: hello}, frames.Downstream); err != nil {
		return err
	}
	return out.Send(ctx, &frames.End{Reason: "all is said"}, frames.Downstream)
}
