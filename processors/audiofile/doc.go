// Package audiofile reads and writes audio files, as such and as processors.
//
// [Open] and [Create] are for WAV and MP3 alike:
//
//	r, err := audiofile.Open("caller.mp3")          // or a WAV file
//	w, err := audiofile.Create("copy.wav", r.Format())
//	n, err := r.Read(samples)
//	err = w.Write(samples[:n])
//
// When reading, the content decides what a file is, and the extension must be
// one of .wav, .wave and .mp3, or missing. When writing, the extension decides.
// Everything that can be wrong with a path or a file gives an [*Error] of one
// line: what, where, and how to mend it. A named pipe is waited for: [OpenContext]
// says until when, and [Reader.Close] ends a Read.
//
// As processors, [NewSource] sends a file down a pipeline, for instance a jingle
// as agent audio, as fast as the pipeline takes it; and [NewSink] writes the
// audio that flows past to a file. To play a caller's recording in real time, with
// the agent's answers beside it, there is package transports/file; to record a
// conversation as it was heard, package processors/recorder.
//
// # What is kept when something fails
//
// A file grows while it is written, and can be played at any time: a program
// that crashes, or a disk that is full, costs what came last (at most a second
// of a WAV file), not the recording. Nothing is written to a temporary file and
// renamed at the end, since that would lose everything in that case.
package audiofile
