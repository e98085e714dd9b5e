// Package vad tells where a caller speaks: voice activity detection.
//
//	err := pipeline.Run(ctx,
//		call.Input(),
//		vad.New(vad.Config{}), // Silero, embedded: nothing to install
//		novasonic.New(novasonic.Config{…}),
//		call.Output(),
//	)
//
// The processor passes everything on, and sends [frames.VADStarted] and
// [frames.VADStopped] for each track of the caller's audio, both up and down the
// pipeline, after the audio that made it sure.
//
//	AudioInput, any rate, channels and length
//	     │
//	     ├────────────────────────────────────────────▶ AudioInput, as it was
//	  mix, resample
//	     │ windows of 32 ms
//	  Engine: Silero · ONNXRuntime · Energy
//	     │ probability, volume ───────────────────────▶ Config.Observe
//	  quiet ─▶ starting ─▶ speaking ─▶ (pause) ─▶ quiet
//	              │ Start               │ Stop
//	              ▼                     ▼
//	         VADStarted            VADStopped           with positions on the track
//
// A window counts as speech if its probability is at least Params.Confidence and
// its volume at least Params.MinVolume; behind one that counts, a probability that
// is lower by Hysteresis suffices. Speech is told of when windows have counted for
// Params.Start, and its end when none has for Params.Stop. docs/vad.md says which
// to change when, and what to expect in noise.
//
// # Positions, not times
//
// Everything is reckoned in samples of the track, at its own rate; the wall clock
// plays no part. A call that is replayed faster than it was held has the same
// events at the same positions, however its audio is cut into frames. While no
// audio arrives, nothing happens; when it comes again, the gap in its positions
// counts as silence.
//
// # Engines
//
//	[Silero]          the default: a neural network, in Go, on every architecture
//	[NewONNXRuntime]  the same network on ONNX Runtime, with the build tag onnxruntime
//	[Energy]          loudness above the background, for the smallest devices
//
// An engine of your own implements [Engine] and [Stream]. Give one engine to any
// number of processors.
//
// # Without a pipeline
//
// A [Detector] does the same for a recording:
//
//	d, err := vad.NewDetector(vad.Config{})
//	events, err = d.Detect(events, &frames.Audio{Format: f, Samples: samples, Position: at})
//	events, err = d.Flush(events)
//
// # When the audio is not what it should be
//
// Audio at positions that were heard before is ignored ([ErrOverlap]). A clock that
// goes back by more than a second ends the speech and begins anew ([ErrRestart]).
// Both, formats that are none, and samples that are not whole frames of all
// channels, of which the whole ones are heard, are reported as Error frames, at
// most once in ten seconds of a track's audio for each kind; the audio is passed on
// in any case.
// A rate or a number of channels may change from frame to frame: the engine goes on
// at the rate at which it began on the track, and what comes is converted to that.
package vad
