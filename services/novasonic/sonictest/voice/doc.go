// Package voice speaks for the emulator, and finds in a recording of the call
// what became of every sample that it spoke.
//
//	text ──▶ Synthesize ──▶ samples ──▶ (service, pipeline, network) ──▶ recording
//	                           │                                            │
//	                           └──────────────▶ Decoder ◀───────────────────┘
//	                                               │
//	               Report: segments, gaps, repeats, delays, overlaps, unknown
//
// [Synthesize] makes babble with the rhythm of speech, about 15 characters a
// second, that is no torture to listen to and has a signature: no two moments
// of it look alike, its pauses included, so that 16 samples in a row tell which
// sample of which sentence they are.
//
// A [Decoder] uses nothing else than that. It works on any audio that is
// mostly unlike itself from one moment to the next, recorded speech as well,
// as long as the recording holds the exact PCM values: the same rate, no gain,
// no lossy codec, nothing mixed in but another of the sentences.
//
//	a := voice.Synthesize("We open at nine.", voice.Options{Seed: 1})
//	b := voice.Synthesize("Anything else?", voice.Options{Seed: 2})
//	report := voice.Analyse(recording, a, b)
//	// report.Gaps, report.Repeats, report.Overlaps and report.Delays are
//	// empty if all that was heard was heard in one piece, once.
//
// # Caveats
//
// Silence, and the hush of -1, 0 and 1 around a clip from a file, is the same
// everywhere. A sentence that has some can lose or gain a little of it without a
// trace if the rest goes on undisturbed: it is reported as a gap or a delay of
// the length, but where in the silence it happened cannot be told. Sentences made
// by Synthesize have none. In the same way a cut is reported a sample or two away
// from where it was if the samples there happen to be equal. Two sentences with
// identical samples cannot be told apart: give each its own seed.
package voice
