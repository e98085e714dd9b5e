package hearing

import (
	"math"
	"strings"
	"time"

	"github.com/parley-go/parley/audio"
)

// How [Speak] speaks.
const (
	// ToneDuration is how long a key sounds: a whole word.
	ToneDuration = 200 * time.Millisecond
	// GapDuration is the silence after each key.
	GapDuration = 80 * time.Millisecond
	// PauseDuration is the silence that any character which is not a key
	// stands for: less than the default endpointing, so that one pause does not
	// end an utterance and two or more do.
	PauseDuration = 250 * time.Millisecond
)

const (
	toneAmplitude = 0.25             // of full scale, each of the two: -12 dBFS together
	toneFade      = time.Millisecond // raised cosine: keys do not click
)

// ITU-T Q.23: a key is the sum of one frequency of each group.
var (
	lowGroup  = [4]float64{697, 770, 852, 941}
	highGroup = [4]float64{1209, 1336, 1477, 1633}
	keypad    = [4]string{"123A", "456B", "789C", "*0#D"}
)

func keyWord(key byte) (string, bool) {
	switch key {
	case '0':
		return "zero", true
	case '1':
		return "one", true
	case '2':
		return "two", true
	case '3':
		return "three", true
	case '4':
		return "four", true
	case '5':
		return "five", true
	case '6':
		return "six", true
	case '7':
		return "seven", true
	case '8':
		return "eight", true
	case '9':
		return "nine", true
	case '*':
		return "star", true
	case '#':
		return "pound", true
	case 'A', 'B', 'C', 'D':
		return strings.ToLower(string(rune(key))), true
	}
	return "", false
}

// Words returns what a listener that heard Speak(rate, keys) says the text is:
// Words("12*") is "one two star". Characters that are not keys are left out.
func Words(keys string) string {
	var words []string
	for i := range len(keys) {
		if w, ok := keyWord(keys[i]); ok {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// Speak returns keys as DTMF tones at the given rate, mono, at -12 dBFS: for
// each of 0-9, *, #, A-D a tone of [ToneDuration] and a silence of
// [GapDuration]; for any other character a silence of [PauseDuration].
func Speak(rate audio.SampleRate, keys string) []int16 {
	tone, gap, pause := rate.Samples(ToneDuration), rate.Samples(GapDuration), rate.Samples(PauseDuration)
	fade := int(rate.Samples(toneFade))
	var out []int16
	for i := range len(keys) {
		low, high, ok := keyFrequencies(keys[i])
		if !ok {
			out = append(out, make([]int16, pause)...)
			continue
		}
		for n := range int(tone) {
			t := float64(n) / float64(rate)
			v := toneAmplitude * (math.Sin(2*math.Pi*low*t) + math.Sin(2*math.Pi*high*t))
			if edge := min(n, int(tone)-1-n); edge < fade {
				v *= 0.5 - 0.5*math.Cos(math.Pi*(float64(edge)+0.5)/float64(fade))
			}
			out = append(out, int16(math.Round(v*32767)))
		}
		out = append(out, make([]int16, gap)...)
	}
	return out
}

func keyFrequencies(key byte) (low, high float64, ok bool) {
	for row, keys := range keypad {
		if column := strings.IndexByte(keys, key); column >= 0 {
			return lowGroup[row], highGroup[column], true
		}
	}
	return 0, 0, false
}

const (
	// A block of 20 ms tells frequencies 50 Hz apart; the groups' are 73 Hz or
	// more apart.
	toneBlock = 20 * time.Millisecond
	toneHop   = 5 * time.Millisecond

	tonePurity = 0.75 // of a block's energy is in its two strongest tones; speech has far less
	toneTwist  = 6.3  // 8 dB: the greatest ratio between the two, as Q.24 allows
	toneFloor  = 1e-5 // mean square; -50 dBFS

	shortestTone = 20 * time.Millisecond
)

// tone is a key that was heard: the samples [from, to) of the audio examined.
type tone struct {
	key      byte
	from, to int
}

// tones returns the DTMF tones in samples, in order.
func tones(samples []int16, rate audio.SampleRate) []tone {
	runs := pureRuns(samples, rate)
	var found []tone
	lo := 0
	for i, run := range runs {
		hi := len(samples)
		if i+1 < len(runs) {
			// Where two tones abut no energy tells where one ends. A block is pure
			// if it is nearly all in one tone, so the border is about as far from
			// the last pure block of one as from the first of the other.
			hi = (run.to + runs[i+1].from) / 2
		}
		if t, ok := trimTone(samples, rate, run, lo, hi); ok {
			found = append(found, t)
		}
		lo = hi
	}
	return found
}

// pureRuns returns the stretches that are covered by blocks with the same tone
// and nothing else in them. They may overlap a little.
func pureRuns(samples []int16, rate audio.SampleRate) []tone {
	block, hop := int(rate.Samples(toneBlock)), int(rate.Samples(toneHop))
	meter := newToneMeter(rate)
	var runs []tone
	var last byte // the key in the last block; 0 is none
	for at := 0; at+block <= len(samples); at += hop {
		key, ok := meter.key(samples[at : at+block])
		switch {
		case !ok:
			key = 0
		case key == last:
			runs[len(runs)-1].to = at + block
		default:
			runs = append(runs, tone{key: key, from: at, to: at + block})
		}
		last = key
	}
	return runs
}

// trimTone moves the ends of a tone, which are known to a block, to where its
// energy begins and ends, to about 1 ms, but not beyond [lo, hi).
func trimTone(samples []int16, rate audio.SampleRate, t tone, lo, hi int) (tone, bool) {
	step := max(int(rate/2000), 1) // 0.5 ms
	reach := int(rate.Samples(toneBlock))
	lo, hi = max(t.from-reach, lo), min(t.to+reach, hi)
	t.from, t.to = max(t.from, lo), min(t.to, hi)
	if t.from >= t.to {
		return t, false
	}

	// The two frequencies beat against each other with a period of at most
	// 4 ms, so energy is averaged over 4 ms; an average crosses a quarter of the
	// tone's power one quarter into the tone.
	window := int(rate.Samples(4 * time.Millisecond))
	sums := make([]float64, hi-lo+1)
	for i, s := range samples[lo:hi] {
		v := float64(s) / 32768
		sums[i+1] = sums[i] + v*v
	}
	mean := func(at, n int) float64 {
		a, b := max(at, 0), min(at+n, hi-lo)
		return (sums[b] - sums[a]) / float64(n)
	}
	var loudest float64
	for at := 0; at+5*window <= hi-lo; at += window {
		loudest = max(loudest, mean(at, 5*window))
	}
	if loudest == 0 {
		loudest = mean(0, hi-lo)
	}
	threshold := loudest / 4

	from := t.from - lo
	for from < hi-lo && mean(from, window) <= threshold {
		from += step
	}
	for from-step >= -window && mean(from-step, window) > threshold {
		from -= step
	}
	to := t.to - lo
	for to > 0 && mean(to-window, window) <= threshold {
		to -= step
	}
	for to+step <= hi-lo+window && mean(to+step-window, window) > threshold {
		to += step
	}
	// At the crossing, three quarters of the window are still outside.
	t.from = lo + max(from+window*3/4, 0)
	t.to = lo + min(to-window*3/4, hi-lo)
	return t, t.to-t.from >= int(rate.Samples(shortestTone))
}

// toneMeter measures the DTMF frequencies in blocks of audio (Goertzel).
type toneMeter struct {
	coefficients [8]float64
}

func newToneMeter(rate audio.SampleRate) toneMeter {
	var m toneMeter
	for i, f := range lowGroup {
		m.coefficients[i] = 2 * math.Cos(2*math.Pi*f/float64(rate))
	}
	for i, f := range highGroup {
		m.coefficients[4+i] = 2 * math.Cos(2*math.Pi*f/float64(rate))
	}
	return m
}

// key returns the key that sounds in a block.
func (m *toneMeter) key(block []int16) (byte, bool) {
	var energy float64
	var s1, s2 [8]float64
	for _, s := range block {
		x := float64(s) / 32768
		energy += x * x
		for i, c := range m.coefficients {
			s0 := x + c*s1[i] - s2[i]
			s2[i], s1[i] = s1[i], s0
		}
	}
	n := float64(len(block))
	if energy < toneFloor*n {
		return 0, false
	}
	var powers [8]float64 // the energy that a tone of each frequency would have
	for i, c := range m.coefficients {
		powers[i] = (s1[i]*s1[i] + s2[i]*s2[i] - c*s1[i]*s2[i]) * 2 / n
	}
	row, column := strongest(powers[:4]), strongest(powers[4:])
	low, high := powers[row], powers[4+column]
	if low+high < tonePurity*energy || low > toneTwist*high || high > toneTwist*low {
		return 0, false
	}
	return keypad[row][column], true
}

func strongest(powers []float64) int {
	best := 0
	for i, p := range powers {
		if p > powers[best] {
			best = i
		}
	}
	return best
}
