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
// The other end is a transport, too, with a pipeline that is made in the same way:
// to call a server, to test one, to put load on one. See [Dial].
//
//	call, err := websocket.Dial(ctx, "wss://bot.example.com/call", websocket.DialConfig{Token: token})
//	…
//	err = pipeline.Run(ctx, call.Input(), agent, call.Output())
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
// Whoever has dialled gets audio ahead of its time, and none while the server is
// silent. Its input therefore plays: it gives the pipeline a piece every 20 ms, at
// the positions of the clock, with the silence; it answers marks when what was before
// them has been given, and discards what the server takes back.
//
// # What is said
//
// The output is a [playout.Output]: audio leaves at the pace at which it is
// spoken, up to 100 ms ahead, and an interruption takes back what has not been
// written and tells the peer to discard what it has not played.
//
// Nobody waits for a peer that reads slowly. What is to be written waits in a
// queue of its own; when more than [Config.MaxBacklog] of audio does, the oldest is
// dropped and counted ([LinkStats]), and told not to have been heard
// ([frames.Playout.Dropped]). A peer that takes no message for
// [Config.WriteTimeout], or does not answer a ping, is given up.
//
// # Coming back
//
// A connection may be lost in the middle of a call: a telephone goes from one network
// to another. A peer that has said that it would come back ([Resumer], which [PCM]
// is, and whom [Dial] speaks to) is waited for, for [Config.Grace], and the pipeline
// goes on: it is told with [Lost] and [Resumed].
//
//   - The agent is held in mid-word ([frames.PausePlayout]), and goes on there when
//     the caller is back. Whoever comes back wants to hear the rest, and nothing is
//     taken for heard that nobody has heard: only peers that send marks back may come
//     back. What was sent before the loss was noticed, which may take half a minute,
//     and has not arrived, is sent once more: every message arrives once, in order,
//     unless it was dropped before because the peer read too slowly. What
//     [Config.PingInterval] and [Config.PingTimeout] take to notice a loss is kept for
//     that, up to 16 MiB; what is lost beyond is counted. An end lets the
//     agent speak on; what it says waits for the peer then. Music is not kept.
//   - The caller's clock goes on. While it is away there is a gap in the positions of
//     its audio: what was said into a dead connection is lost, keys and messages are
//     not.
//   - A peer that comes back while the server still believes in the old connection
//     takes its place at once.
//   - A peer that says goodbye, or breaks the rules, is not waited for. Nor is it when
//     the server shuts down.
//   - A call without its peer counts as one of MaxCalls, and whoever comes back is
//     authenticated like everybody else.
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
