// Package novasonic lets a caller talk with Amazon Nova Sonic, a model that
// hears and speaks, over the bidirectional streams of Amazon Bedrock.
//
//	pipeline.Run(ctx,
//		call.Input(),
//		novasonic.New(novasonic.Config{
//			Instructions: "You are a friendly, concise voice assistant.",
//			Tools:        tool.Set{weather},
//		}),
//		call.Output(),
//	)
//
// A [Service] is a processor, one for each conversation. It takes the caller's
// audio, text, keys, and reports of what was heard; it gives the agent's audio,
// transcripts, speaking events and tool calls:
//
//	AudioInput, DTMFInput        ──▶┌─────────┐──▶ AudioOutput, TTSStart, TTSStop
//	Text, UpdateSettings         ──▶│         │──▶ LLMResponseStart, LLMText, LLMResponseEnd
//	VADStarted, VADStopped       ──▶│         │──▶ Transcription, SpokenText
//	Interruption                 ──▶│ Service │──▶ FunctionCall, …InProgress, …Result
//	FunctionCallCancel           ──▶│         │──▶ Swap
//	UserStarted/StoppedSpeaking  ◀──│         │──▶ UserStarted/StoppedSpeaking
//	Error, Metrics               ◀──└─────────┘◀── Playout
//
// # How it works
//
// A conversation outlives its streams: the service ends each after eight
// minutes, and streams fail. So a stream, what is remembered, what the user
// said lately, and what was heard are separate things:
//
//	pipeline ──▶ inbox ──▶ conversation ──▶ send queue ──▶ writer ──▶ stream 1, stream 2, …
//	                        │  ▲    │  ring of user audio, history, sentences owed
//	pipeline ◀── outbox ◀───┘  └────────────────────────────── reader ◀── stream
//
// One goroutine owns the conversation and never waits: not for the pipeline,
// which may be playing, nor for the service, nor for a tool. What a stream
// sends is always read, and dropped here when an interruption made it useless.
//
// Which stream listens, which one still speaks and which one waits to take over
// is decided by a state machine, package internal/continuity. The next stream
// is opened before the old one ends, is told the history, hears again what the
// user said and nobody has begun to answer, and listens from then on, while the
// old one speaks to its end. See [Continuation], [Swap], [Settings] and
// [Service.Rotate].
//
// # What to know
//
//   - Any downstream AudioInput is taken for the one caller's, whatever its
//     track. Where none arrives for [Config.KeepAlive], silence is sent in its
//     place: jitter beyond that puts a pause into a word.
//   - What was heard is known from Playout frames, which every output that is
//     built on transports/playout sends. Without them all is taken to have been
//     heard, and a barge-in that the service does not mark goes unnoticed.
//   - An End waits until what was asked is answered (four seconds if no answer
//     begins) and the texts of record have come (one second).
//   - In the history, " [interrupted]" marks where the caller cut the agent
//     short.
//   - Share a [Client] between the conversations of a process: they then share
//     their connections.
//
// Nothing that was said is ever logged.
//
// # Sources
//
// The protocol is that of the Amazon Nova and Nova 2 user guides and the Bedrock
// API reference; what these leave open was measured by its users. Comments name
// what is not documented. For tests there is an emulator, package sonictest.
package novasonic
