// Package dtmf makes and hears the tones of a telephone's keys (dual-tone
// multi-frequency signalling, ITU-T Q.23).
//
//	                                1209  1336  1477  1633 Hz
//	Generator.Append(…, "12#")  697   1     2     3     A
//	   │                        770   4     5     6     B
//	   │ samples                852   7     8     9     C
//	   ▼                        941   *     0     #     D
//	Detector.Write ──▶ Event{Key: '1', Start: 800}
//	                   Event{Key: '1', Up: true, Start: 800, End: 1600} …
//
// # Making
//
// A [Generator] appends tones of an exact number of samples, with the level, the
// twist and the gap that an exchange asks for. They rise and fall within 2 ms, so
// that they do not click.
//
//	gen := dtmf.Generator{Rate: audio.Rate8k}
//	samples, err := gen.Append(nil, "0800#")
//
// # Hearing
//
// A [Detector] takes audio of any rate from 6 kHz on, in pieces of any size, and
// tells when a key went down and when it went up again, as positions in the audio.
//
//	d, err := dtmf.NewDetector(audio.Rate8k)
//	…
//	for _, e := range d.Write(nil, samples) {
//		fmt.Printf("%c %v\n", e.Key, e.Start)
//	}
//
// A window of 24 ms moves over the audio in steps of 1 ms. Where nearly all of its
// energy is in one frequency of each group, two sines are fitted to it by least
// squares. From those come the frequencies, to a fraction of a hertz, and the
// sample at which the tone most likely begins: in noise 15 dB below, within half
// a millisecond.
//
//	                     a key        what Q.24's administrations ask for
//	frequencies within   ±2.5 %       ±1.5 % accepted, ±3.5 % rejected
//	at least             30 ms        40 ms accepted, 20 to 23 ms rejected
//	twist                -10 … +6 dB  -8 … +4 dB accepted
//	level                -45 dBFS     -29 dBm0, which is -35 dBFS, accepted
//	a break of less than 20 ms        10 ms is none, 40 ms is one
//	noise                15 dB below  up to about 8 dB below
//
// A key is reported some 32 ms after it went down, and its release 60 ms after
// it; [Detector.Latency] bounds both.
//
// # Caveats
//
// The detector hears one channel. It does not subtract a dial tone or speech: what
// sounds beside a key must be 8 dB below it. That is what keeps speech from being
// heard as keys (talk-off). Keys that touch each other without any pause, which no
// telephone sends, are both heard, but the border is uncertain by some
// milliseconds if they share a frequency.
package dtmf
