// Package filter has the small processors that a pipeline is adjusted with.
//
//	filter.Drop[*frames.InterimTranscription]()   // frames of one type go no further
//	filter.Keep[*frames.AudioInput]()             // of the content, only these go on
//	filter.Where(func(f frames.Frame) bool …)     // the function decides
//	filter.Gain(filter.Output, -6)                // the agent is softer
//	filter.Resample(filter.Input, audio.Mono(audio.Rate16k))
//	mute := filter.NewMute(filter.Silence)        // the caller is not heard until mute.Set(false)
//
// What keeps a pipeline running cannot be filtered out: Start, End, Stop, Cancel,
// Interruption, Heartbeat and Error always pass.
package filter
