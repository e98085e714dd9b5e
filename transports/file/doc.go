// Package file is a transport whose caller is a recording and whose loudspeaker
// is a file: a WAV or MP3 file goes in, in real time, and the conversation comes
// out as another.
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
// In virtual time (testing/synctest) an hour of conversation takes seconds and
// has the same result.
package file
