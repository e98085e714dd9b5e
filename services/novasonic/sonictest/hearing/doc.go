// Package hearing turns the audio that a caller sends into what a listener
// would make of it: when speech began and ended, and which words were in it.
// It is the emulator's ears, and useful in any test that must know which part
// of a recording reached the other end.
//
//	samples ──▶ detector ──▶ Event{SpeechStarted} … Event{SpeechEnded, Utterance}
//	            (energy over an                      │
//	             adaptive noise floor)               ├─ DTMF digits → "one two star"
//	                                                 ├─ a Library of known recordings
//	                                                 └─ neither     → Text is ""
//
// A [Listener] owns no goroutine and reads no clock: time is the number of
// samples written. However the same samples are cut into calls of Write, the
// same events come out.
//
//	l := hearing.New(hearing.Options{Rate: audio.Rate16k})
//	events := l.Write(hearing.Speak(audio.Rate16k, "12*"))
//	events = append(events, l.Close()...)
//	// events[1].Utterance.Text == "one two star"
//
// # What is recognised
//
// Nothing here is a speech recogniser. Words are known from the signal itself,
// so the answer is exact and the same on every machine.
//
// DTMF tones ([Speak] makes them) are spoken words: each key is one word, and
// [Word.Heard] is the fraction of its tone that arrived: below 1 the word was
// cut, above 1 some of it was heard twice. This is the cheap path, for soak
// tests of many hours.
//
// A [Library] holds recordings whose text is known. An utterance is located in
// them by normalised cross-correlation, so it is found after resampling,
// G.711, MP3 and under moderate noise, and [Part] says which samples of the
// recording were heard at which position of the stream. A word that was heard
// by two listeners, or twice by one, is found by comparing these parts.
//
// # Caveats
//
// Speech that is neither is reported with an empty Text: the caller falls back
// on [Utterance.Audio]. Speed changes and pitch shifts defeat the correlation.
// The detector is driven by energy: music is speech to it. Speech must be 10 dB
// above the noise, whose level is learnt from the quietest moments of the last
// 2.4 seconds; where there were none, as at the beginning of a stream, noise of
// up to -30 dBFS is assumed. Digital silence is a muted microphone and teaches
// nothing. So tones at less than -20 dBFS with nothing but zeros between them
// are not heard.
package hearing
