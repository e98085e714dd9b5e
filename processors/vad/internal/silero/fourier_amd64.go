//go:build !purego

package silero

import "golang.org/x/sys/cpu"

// fourAtOnce says that there are instructions for the spectra of four frames at once.
var fourAtOnce = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// stageAVX2 does one stage of the transform on n complex numbers of each of four
// frames, in blocks of twice half: see fourFrames.
//
//go:noescape
func stageAVX2(z *float32, n int, factors *complex64, half int)

// spectrumAVX2 takes the two spectra in z, of n complex numbers for each of four
// frames, apart, and writes their n+1 magnitudes, those of the four frames of each bin
// together, to out.
//
//go:noescape
func spectrumAVX2(out, z *float32, last *complex64, n int)
