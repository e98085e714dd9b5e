// Package recorder records conversations as they were heard: not what the
// service generated, but what came out of the loudspeaker, when, and beside
// what the caller said meanwhile.
//
//	pipeline.Run(ctx,
//		mic.Input(),
//		novasonic.New(novasonic.Config{…}),
//		recorder.New(recorder.Config{Path: "call.wav"}),
//		mic.Output(),
//	)
//
// A [Recorder] sits right before the output. There it sees the caller's audio
// ([frames.AudioInput], which services pass on), the agent's on its way to the
// output, and the output's reports of what was heard ([frames.Playout]), and
// places each on a [Timeline]:
//
//	AudioInput ──── position on the caller's clock ──────────▶ left
//	AudioOutput ─▶ kept ─▶ Playout: heard up to here, at … ──▶ right
//	                          └─ flushed: forgotten
//
// Where something on the way keeps the caller's audio to itself, a [Recorder.Tap]
// before it brings it to the recorder as well; what comes twice is recorded
// once.
//
// The caller's clock and the output's begin at the same instant, which is the
// transport's duty (package transports/playout). Then everything is in its place
// to the sample, whatever the network, the scheduler and the garbage collector
// do: no time of day is looked at.
//
// Positions come from outside, so none may cost memory: a silence takes none,
// however long, and is written piece by piece. One that claims to be longer than
// [Config.MaxGap] is a broken clock, [ErrJump]: it is reported and counted
// ([Recorder.Jumps]), and the audio is recorded behind what there is. From then
// on that voice is no longer beside the other one to the sample.
//
// The recording is a file in one of the [Layout]s, written by a goroutine of its
// own, so that a slow disk holds nobody up; or turns, one by one, as files or to
// a function; or both.
package recorder
