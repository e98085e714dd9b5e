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
