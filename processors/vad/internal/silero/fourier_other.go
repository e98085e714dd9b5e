//go:build purego || !amd64

package silero

const fourAtOnce = false

func stageAVX2(*float32, int, *complex64, int)        { panic("silero: no AVX2") }
func spectrumAVX2(_, _ *float32, _ *complex64, _ int) { panic("silero: no AVX2") }
