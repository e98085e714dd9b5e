// Package audio holds what every part of Parley knows about sound: formats and
// sample clocks, PCM conversions, levels, G.711 and a streaming resampler.
// Codecs are in the sub-packages audio/wav and audio/mp3, a telephone's keys in
// audio/dtmf, and filters for noise and level in audio/enhance.
//
// # Samples
//
// In memory, audio is always signed 16-bit, interleaved by channel: a
// []int16 with its [Format]. A "frame" in this package is one sample for each
// channel. Other representations exist only at the edges:
//
//	bytes on a wire    EncodePCM, DecodePCM (little-endian), PCMBytes
//	float32 for models ToFloat32, FromFloat32 (full scale is ±1)
//	telephone lines    EncodeULaw, DecodeULaw, EncodeALaw, DecodeALaw
//	other layouts      Remix, Interleave, Channel
//	other rates        Resampler
//
// All of these append to a slice that the caller passes and return it, as
// append does: none of them allocates if the capacity suffices, and none keeps
// an argument. They may be called from any number of goroutines; a [Resampler]
// belongs to one at a time.
//
// # Time
//
// A [Position] counts samples of one channel from the start of its stream at
// the rate of that stream. Durations are derived from positions, never the
// other way round, so that nothing drifts:
//
//	at := pos.At(audio.Rate8k, audio.Rate24k) // the same instant on another clock
//	n := audio.Rate16k.Samples(20 * time.Millisecond)
//
// # Resampling
//
//	r, err := audio.NewResampler(audio.Rate8k, audio.Rate16k, 1)
//	if err != nil {
//		return err
//	}
//	buf = r.Resample(buf[:0], chunk) // 20 ms in, 20 ms out, in the same call
//
// The output lags [Resampler.Delay] samples behind (3.25 ms for 16 kHz speech);
// whoever keeps positions subtracts it, whoever converts a whole file drops that
// many frames at the start and gets them back from [Resampler.Flush].
package audio
