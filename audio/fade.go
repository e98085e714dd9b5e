package audio

import "math"

// FadeOut makes samples fade to silence, in place. They are interleaved, and the
// frames from from on of a fade that lasts n frames: to fade all of them, pass 0
// and their number. The gain follows half a cosine, so that neither end of the
// fade has a corner that could be heard as a click. Frames before the fade are
// left as they are, and those behind it are silent. Without channels there are no
// frames, and nothing is done.
func FadeOut(samples []int16, channels int, from, n int64) {
	shape(samples, channels, func(i int64) float64 { return 1 - risen(from+i, n) })
}

// FadeIn makes samples come out of silence, as [FadeOut] makes them go: those
// before it are silent.
func FadeIn(samples []int16, channels int, from, n int64) {
	shape(samples, channels, func(i int64) float64 { return risen(from+i, n) })
}

// risen is the gain of frame i of a fade-in over n frames.
func risen(i, n int64) float64 {
	switch {
	case i < 0:
		return 0
	case i >= n:
		return 1
	}
	return (1 - math.Cos(math.Pi*(float64(i)+0.5)/float64(n))) / 2
}

func shape(samples []int16, channels int, gain func(frame int64) float64) {
	if channels <= 0 {
		return
	}
	for i := range samples {
		samples[i] = int16(math.Round(float64(samples[i]) * gain(int64(i/channels))))
	}
}
