package vad

import (
	"fmt"

	"github.com/parley-go/parley/audio"
)

// Engine tells speech from other sounds. It is made once, holds what all streams
// share and nobody changes, such as the weights of a network, and may be used by
// any number of goroutines at once. [Silero], [Energy] and [NewONNXRuntime] make
// one.
type Engine interface {
	// Open begins a stream of audio that arrives at a rate. The stream need not
	// work at that rate: whoever feeds it resamples.
	Open(rate audio.SampleRate) (Stream, error)
}

// Stream is what an [Engine] remembers of one stream of audio. One goroutine at a
// time uses it.
type Stream interface {
	// Rate returns the rate at which it takes samples.
	Rate() audio.SampleRate

	// Window returns how many samples it takes at a time.
	Window() int

	// Probability returns how likely it is, from 0 to 1, that there is speech in
	// a window, which follows the one before. Full scale is ±1. It does not keep
	// the window, nor write to it. A window that cannot be judged (of another
	// length, with NaN in it) is refused, and leaves the stream as it was.
	Probability(window []float32) (float32, error)

	// Reset forgets what was heard: what follows is another stream.
	Reset()
}

// loudest is the largest sample that is taken for sound. Full scale is 1;
// somewhat more can come of a filter, and thousands of 16-bit samples that were
// not scaled.
const loudest = 8

// checkWindow refuses what would poison a stream's memory.
func checkWindow(window []float32, want int) error {
	if len(window) != want {
		return fmt.Errorf("a window of %d samples, want %d", len(window), want)
	}
	for i, v := range window {
		if v >= -loudest && v <= loudest {
			continue
		}
		if v-v != 0 {
			return fmt.Errorf("sample %d of the window is %v: replace what is not a number before it gets here", i, v)
		}
		return fmt.Errorf("sample %d of the window is %v, and full scale is ±1: divide 16-bit samples by 32768", i, v)
	}
	return nil
}
