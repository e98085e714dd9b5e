package hearing

import (
	"math"

	"github.com/parley-go/parley/audio"
)

// analysisRate is the rate at which recordings are compared: telephone
// bandwidth, the most that any path leaves intact.
const analysisRate = audio.Rate8k

const (
	kernelZeros = 12  // zero crossings of the low-pass on each side
	cutOff      = 0.9 // of the Nyquist frequency at analysisRate

	// Speech falls by 6 dB an octave or more. Undoing some of that sharpens the
	// correlation: without it all slow vowels look alike, with more of it hiss
	// drowns them.
	preEmphasis = 0.7
)

// analyse returns samples as they are compared: at analysisRate, low-passed
// with no delay, and pre-emphasised. The first value is the signal at offset, a
// fraction of a sample at analysisRate.
func analyse(samples []int16, rate audio.SampleRate, offset float64) []float32 {
	if len(samples) == 0 {
		return nil
	}
	low := lowPass(samples, rate, offset)
	for i := len(low) - 1; i > 0; i-- {
		low[i] -= preEmphasis * low[i-1]
	}
	return low
}

// lowPass resamples to analysisRate with a windowed sinc evaluated for each
// phase of the ratio. The filter's centre is on its output sample: positions
// need no correction. Also at 8 kHz it filters, so that all rates compare.
func lowPass(samples []int16, rate audio.SampleRate, offset float64) []float32 {
	divisor := gcd(int(rate), int(analysisRate))
	up, down := int(analysisRate)/divisor, int(rate)/divisor // out = in * up / down
	step := float64(down) / float64(up)                      // input samples an output sample
	reach := int(math.Ceil((kernelZeros+math.Abs(offset))*step)) + 1

	kernels := make([][]float32, up)
	for phase := range kernels {
		kernels[phase] = kernel(float64(phase*down%up)/float64(up)+offset*step, step, reach)
	}
	out := make([]float32, (len(samples)*up+down-1)/down)
	for n := range out {
		at := n * down / up // the input sample at or before the output sample
		k := kernels[n%up]
		first := at - reach
		lo, hi := max(first, 0), min(at+reach+1, len(samples))
		var sum float32
		for i := lo; i < hi; i++ {
			sum += float32(samples[i]) * k[i-first]
		}
		out[n] = sum / 32768
	}
	return out
}

// kernel returns the filter for an output sample that lies fraction input
// samples after the one in the kernel's middle.
func kernel(fraction, step float64, reach int) []float32 {
	k := make([]float32, 2*reach+1)
	var sum float64
	for i := range k {
		x := (float64(i-reach) - fraction) / step // in output samples
		v := sinc(cutOff*x) * hann(x/kernelZeros)
		k[i] = float32(v)
		sum += v
	}
	for i := range k {
		k[i] = float32(float64(k[i]) / sum)
	}
	return k
}

// middle returns where the energy of signal[from:to] is, but for a five
// hundredth at each end: what a listener would call the utterance.
func middle(energy []float64, from, to int) (int, int) {
	const edge = 0.002
	total := energy[to] - energy[from]
	lo, hi := from, to
	for lo < hi && energy[lo+1]-energy[from] < edge*total {
		lo++
	}
	for hi > lo && energy[to]-energy[hi-1] < edge*total {
		hi--
	}
	return lo, hi
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

func hann(x float64) float64 {
	if x <= -1 || x >= 1 {
		return 0
	}
	return 0.5 + 0.5*math.Cos(math.Pi*x)
}

// halve returns a signal at half its rate.
func halve(signal []float32) []float32 {
	const reach = searchFactor*kernelZeros + 1
	k := kernel(0, searchFactor, reach)
	out := make([]float32, (len(signal)+1)/searchFactor)
	for n := range out {
		first := n*searchFactor - reach
		lo, hi := max(first, 0), min(n*searchFactor+reach+1, len(signal))
		var sum float32
		for i := lo; i < hi; i++ {
			sum += signal[i] * k[i-first]
		}
		out[n] = sum
	}
	return out
}

// cumulativeEnergy returns e with e[i] the energy of signal[:i].
func cumulativeEnergy(signal []float32) []float64 {
	e := make([]float64, len(signal)+1)
	for i, s := range signal {
		e[i+1] = e[i] + float64(s)*float64(s)
	}
	return e
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
