// Package websocket is a transport whose callers come over WebSockets: browsers,
// programs, Pipecat's clients. One server holds many calls, each with a pipeline
// of its own:
//
//	server, err := websocket.NewServer(websocket.Config{}, func(call *websocket.Call) (*pipeline.Pipeline, error) {
//		return pipeline.New(pipeline.Config{},
//			call.Input(),
//			novasonic.New(novasonic.Config{…}),
//			call.Output(),
//		), nil
//	})
//	…
//	http.Handle("/call", server)
//
// What is on the wire is a [Serializer]'s: [PCM] by default, [Pipecat] for
// Pipecat's clients, or one of your own.
//
// # What is heard
//
// Messages with audio may be of any length, and come as unevenly as the network
// likes: where they follow each other, they are one piece of sound
// ([frames.AudioInput]). A peer that was muted for longer than [Config.MaxGap]
// goes on where the clock of the call is, so that caller and agent stay together
// in a recording. When the peer hangs up, or is lost, what the agent was saying is
// discarded and the pipeline ends ([frames.End]).
//
// # What is said
//
// The output is a [playout.Output]: audio leaves at the pace at which it is
// spoken, up to 100 ms ahead, and an interruption takes back what has not been
// written and tells the peer to discard what it has not played.
//
// Nobody waits for a peer that reads slowly. What is to be written waits in a
// queue of its own; when more than [Config.MaxBacklog] of audio does, the oldest is
// dropped and counted ([LinkStats]). A peer that takes no message for
// [Config.WriteTimeout], or does not answer a ping, is given up.
//
// # Limits
//
// Everything that a peer can use up has a limit, with a default, in [Config]. Who
// exceeds one is disconnected with a code of RFC 6455 and a reason in words: 1009
// for a message that is too long, 1007 for one that is not what it should be, 1008
// for the rest. Whoever may not call at all (token, page of origin, too many
// calls) is refused before there is a WebSocket: 401, 403, 503.
//
// TLS, paths and proxies are net/http's; see docs/deploying.md.
package websocket
