// Package filter has the small processors that a pipeline is adjusted with.
//
//	filter.Drop[*frames.InterimTranscription]()   // frames of one type go no further
//	filter.Keep[*frames.AudioInput]()             // of the content, only these go on
//	filter.Where(func(f frames.Frame) bool …)     // the function decides
//	filter.Gain(filter.Output, -6)                // the agent is softer
//	filter.Resample(filter.Input, audio.Mono(audio.Rate16k))
//	mute := filter.NewMute(filter.Silence)        // the caller is not heard until mute.Set(false)
//	filter.NewHalfDuplex(filter.HalfDuplexConfig{})                   // the microphone is closed while the agent speaks
//	filter.Enhance(filter.Input, enhance.HighPass{}, enhance.AGC{})   // without hum, at an even level
//
// Those for the caller's audio have their place right behind the input, before
// whatever listens:
//
//	input ─▶ HalfDuplex ─▶ Enhance ─▶ Resample ─▶ Mute ─▶ detectors, services …
//	             ▲                                              output
//	             └─────────── BotStartedSpeaking, …Stopped ───────┘
//
// Keys that a caller presses are the concern of package processors/keypad.
//
// What keeps a pipeline running cannot be filtered out: Start, End, Stop, Cancel,
// Interruption, Heartbeat and Error always pass.
package filter
