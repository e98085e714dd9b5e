// Package file is a transport whose caller is a recording and whose loudspeaker
// is a file: a WAV or MP3 file goes in, in real time, and the conversation comes
// out as another. Either may be a pipe, and raw audio.
//
//	call, err := file.New(file.Config{Input: "caller.wav", Output: "conversation.wav"})
//	if err != nil {
//		return err
//	}
//	return pipeline.Run(ctx,
//		call.Input(),
//		novasonic.New(novasonic.Config{…}),
//		call.Output(),
//	)
//
// The input plays the recording in pieces of 20 ms, each when it would have been
// spoken, as [frames.AudioInput]. When it is over, the caller listens: silence
// goes on until the agent has been silent for three seconds, then the caller
// hangs up ([frames.End]). The output is a [playout.Output], so the agent is
// heard in real time, can be interrupted, and drops behind or stalls audibly if
// the service does.
//
// Both share one clock, so the conversation is written as both have heard it:
// the caller left, the agent right, aligned to the sample, from the same instant
// on. What has been written can be played at any time, also after a crash.
//
// # Pipes
//
//	Config{Input: "-", Output: "-"}                  // standard input and output
//	Config{Input: "/tmp/line", Output: "talk.wav"}   // a named pipe, a device
//	Config{Reader: conn, Writer: response}           // whatever a program has
//
// A pipe is not read in advance, but for a second: [New] waits for its first
// sample, and nothing has to say how long it is. WAV headers of unknown length, as
// ffmpeg, sox and arecord write them, are read to the end of the pipe.
//
// A producer that is late does not stop the call: the agent, and the clock, are in
// real time, so the caller is silent for as long, and goes on where they were:
// nothing is lost, what follows is later by that much. [Stats] counts it. Where no
// clock waits, the call does: in virtual time, and with [Fast].
//
// What is written into a pipe is a WAV file of unknown length, MP3, or raw. It is
// written by a goroutine of its own, so that a slow reader delays nobody: up to ten
// seconds wait for it, and what is more is left out and counted ([Stats]). At the
// end the reader has four fifths of the pipeline's CancelTimeout to catch up. One that goes
// away (EPIPE) ends the call with an error that says so.
//
// The end of a call, and that of the context of [NewContext], call a Read back that
// waits: by closing what is read. That works for pipes and named pipes on Unix
// (standard input: on Linux, where it is opened once more for that), connections,
// an [io.PipeReader]. It does not for standard input elsewhere, for terminals, and
// for a Reader without Close: the call ends all the same, and one goroutine stays
// until its Read returns (and with it, in virtual time, the bubble). Standard output is opened once more, too; where it
// cannot be, a broken pipe ends the program, as usual, unless it has taken care of
// SIGPIPE: see [os/signal].
//
// # Raw audio
//
// What has no header needs a [Format]: s16le, s16be, f32le, µ-law or A-law, a rate,
// and one channel or two.
//
//	line, err := file.ParseFormat("mulaw:8000:1")
//	call, err := file.New(file.Config{Input: "line.raw", InputFormat: line})
//
// # Again and again
//
// For tests under load, [Config.Repeat] plays the recording several times, or until
// the call ends. Positions go on; between the last sample of one time and the first
// of the next there is nothing, or [Config.RepeatGap].
//
// # As fast as possible
//
// A call has a clock: answers come when they come, and whether the caller barges in
// depends on what they have heard by then. To hurry it, hurry the clock: in virtual
// time (testing/synctest; 'parley call --fast') an hour of conversation takes
// seconds and has the same result, and whoever computes holds it up.
//
// What remains are pipelines that answer nobody (detection of speech or keys,
// transcription on this machine) outside a test, or with connections in them, for
// which virtual time would stand still. For them, Pace: [Fast] sends a recording
// without waiting for a clock, and no more of it than the pipeline has dealt with: at
// most 640 ms (of the default pieces) are under way, so that nothing is dropped,
// however slow a processor is. Positions are those of the recording, as always.
// Timers, such as those of processors/turn, are not: they count real time. So a
// service that answers in real time is no use here, nor is a conversation
// written; the caller hangs up HangUpAfter behind the recording.
//
// What the pipeline has dealt with is known by what comes out at its end, so the
// transport's Output has to be there. Where parallel branches meet, the slowest
// counts. A processor that takes the caller's audio into a queue of its own may be
// overrun, unless that makes it wait.
package file
