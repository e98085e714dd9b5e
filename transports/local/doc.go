// Package local is a transport whose caller sits in front of this machine: a
// microphone and a loudspeaker.
//
//	mic, err := local.New(local.Config{})
//	if err != nil {
//		return err
//	}
//	return pipeline.Run(ctx,
//		mic.Input(),
//		novasonic.New(novasonic.Config{…}),
//		mic.Output(),
//	)
//
// The devices are the system's default ones, or chosen by name (see [Devices]).
// They run at whatever rate they like: what is heard and said is converted.
//
//	microphone  ─▶ ring ─▶ rate ─▶ clock ─▶ AudioInput, 20 ms, 16 kHz
//	loudspeaker ◀─ ring ◀─ rate ◀─ clock ◀─ playout.Output, 20 ms, 24 kHz
//
// # Clocks
//
// A microphone, a loudspeaker and the machine each have a clock, and no two are
// the same: after an hour, some are half a second apart. The call has one clock,
// the machine's. Where a device has come to differ from it by more than 8 ms,
// pieces of its sound are made one sample longer or shorter, by interpolation,
// until it is right again; what needs no correction is passed on bit by bit.
// Silence for the loudspeaker is made as long as it should be at once. So position
// p of what the caller says and position p of what he hears are the same instant,
// for days, but for what the devices' drivers and the air between them take.
//
// # Latency
//
// What is said into the microphone is sent as soon as 20 ms of it are there: a
// period of the device (10 ms) and 4 ms of filters later. The agent is heard three
// periods and the cushion after it was handed to the output: 50 ms, see
// [Config.Cushion]. An interruption discards all of that but what the device has
// been given already, up to 30 ms, and the 5 ms in which it fades.
//
// # Devices that come and go
//
// When a device is unplugged the call goes on: what the caller says is silence,
// what the agent says is heard by nobody, both at the pace of the clock. Every
// second the device of that name is looked for (the default one, if none was
// named), and taken up again where it is back. A [Change] tells of both, in both
// directions; the loss is reported as an error, which is not fatal. [Stats] counts.
//
// # Echo
//
// There is no echo cancellation. With a loudspeaker that the microphone hears, an
// agent interrupts itself: use headphones, or put filter.NewHalfDuplex behind the
// input, which closes the microphone while the agent is heard.
//
// # Without devices
//
// The devices are reached through miniaudio (github.com/gen2brain/malgo), which
// needs cgo, and nothing else to be installed for the build. A program that was
// built without cgo gets [ErrNoCgo], a machine without sound [ErrNoDevice], each
// with what to do about it. [Config].Null needs neither: a microphone that hears
// silence and a loudspeaker that nobody hears, in real time, or in the virtual
// time of testing/synctest.
package local
