// Package layer3 encodes 16-bit PCM as MPEG-1 and MPEG-2 Layer III frames.
//
//	PCM ─ filterbank ─ spectrum ─ quantizer ⇄ rate control ─ reservoir ─ frames
//	     (filterbank.go  (noise     (what each   (one quality    (packs main
//	      and mdct.go)   targets)   line costs)   for a frame)    data)
//
// The filterbank turns each granule of 576 samples into 576 frequency lines. A
// spectrum says, for each scale factor band, how loud the noise may be relative
// to the other bands. One number, the frame's coarseness, shifts all these
// targets together; rate control finds the finest one that the frame's bits
// allow, so that all granules and channels of a frame are equally good. The
// reservoir lets a demanding frame use what easy frames before it have left.
//
// Block switching, intensity stereo and the sharing of scale factors between
// granules are not used: all blocks are long. So the noise of a block also comes
// before an attack in it: ahead of a burst of noise out of silence, at 64 kbit/s
// and 24 kHz, by up to 20 ms and 20 to 30 dB below it; ahead of a vowel, more than
// 45 dB below.
//
// The facts (window, codes, bands, syntax) are those of ISO/IEC 11172-3
// ("MPEG-1") and of ISO/IEC 13818-3, which adds the low rates ("MPEG-2").
package layer3
