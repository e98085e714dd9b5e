package voice

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"
	"unicode"

	"github.com/parley-go/parley/audio"
)

const (
	charactersPerSecond = 15
	defaultPitch        = 150

	// The signature is noise of ±signature added to every sample, pauses
	// included: about -67 dBFS, below the hiss of a telephone line.
	signature = 24

	peak = 0.4 // of full scale: -8 dBFS
)

// Options configures [Synthesize]. The zero value speaks at 24 kHz.
type Options struct {
	// Rate is the rate of the samples; default 24 kHz. 8, 16 and 24 kHz are
	// what the service offers; any other works as well.
	Rate audio.SampleRate

	// Seed gives one and the same text another signature, and slightly another
	// intonation. Give every sentence of a call its own.
	Seed uint64

	// Pitch is the mean pitch of the voice in hertz; default 150.
	Pitch float64
}

// Duration returns how long text takes to say: a fifteenth of a second for each
// character. It is exact: Synthesize returns that many samples, rounded.
func Duration(text string) time.Duration {
	n := 0
	for range text {
		n++
	}
	return time.Duration(n) * time.Second / charactersPerSecond
}

// Within returns as much of the beginning of text as can be said in d.
func Within(text string, d time.Duration) string {
	n := int64(d) * charactersPerSecond / int64(time.Second)
	for i := range text {
		if n <= 0 {
			return text[:i]
		}
		n--
	}
	return text
}

// Synthesize says text: mono, at most -8 dBFS, [Duration] long; nil for an
// empty text. Nobody would understand it, but it has vowels, consonants, pauses
// and intonation where the text has them. The same text and options give the
// same samples from the same build of a program.
func Synthesize(text string, o Options) []int16 {
	if o.Rate <= 0 {
		o.Rate = audio.Rate24k
	}
	if o.Pitch <= 0 {
		o.Pitch = defaultPitch
	}
	samples := int(o.Rate.Samples(Duration(text)))
	if samples == 0 {
		return nil
	}
	h := fnv.New64a()
	h.Write([]byte(text))
	random := rand.New(rand.NewPCG(o.Seed, h.Sum64()))

	track := articulate([]rune(text), samples)
	wave := phonate(track, samples, o, random)
	return sign(wave, random)
}

// sign scales the wave to its peak and adds the signature.
func sign(wave []float64, random *rand.Rand) []int16 {
	var loudest float64
	for _, v := range wave {
		loudest = max(loudest, math.Abs(v))
	}
	gain := 0.0
	if loudest > 0 {
		gain = (peak*32767 - signature) / loudest
	}
	out := make([]int16, len(wave))
	for i, v := range wave {
		noise := random.IntN(2*signature+1) - signature
		out[i] = int16(int(math.Round(v*gain)) + noise)
	}
	return out
}

// sound is how the mouth is set for one character.
type sound struct {
	voice, breath  float64 // amplitudes of the glottis and of turbulence
	f1, f2, f3     float64 // formants in hertz
	hiss           float64 // centre of the turbulence in hertz
	weight         float64 // how long it takes, relative to others
	tone           float64 // pitch relative to the mean
	start, samples int
}

// articulate gives every character its sound and its time; together they take
// exactly the given number of samples.
func articulate(text []rune, samples int) []sound {
	track := make([]sound, len(text))
	var total float64
	for i, r := range text {
		track[i] = soundOf(r)
		total += track[i].weight
	}
	intonate(text, track)
	at, done := 0, 0.0
	for i := range track {
		done += track[i].weight
		end := int(math.Round(done / total * float64(samples)))
		track[i].start, track[i].samples = at, end-at
		at = end
	}
	return track
}

func soundOf(r rune) sound {
	s := sound{voice: 0.5, f1: 500, f2: 1500, f3: 2500, hiss: 3000, weight: 0.9, tone: 1}
	vowel := func(f1, f2 float64) sound {
		s.voice, s.f1, s.f2, s.weight = 1, f1, f2, 1.4
		return s
	}
	switch unicode.ToLower(r) {
	case 'a':
		return vowel(730, 1200)
	case 'e':
		return vowel(530, 1840)
	case 'i', 'y':
		return vowel(320, 2200)
	case 'o':
		return vowel(520, 920)
	case 'u':
		return vowel(350, 1000)
	case 'm', 'n':
		s.voice, s.f1, s.f2 = 0.35, 280, 1300
	case 'l', 'r', 'w', 'j':
		s.voice, s.f1, s.f2 = 0.6, 380, 1100
	case 's', 'x', 'c':
		s.voice, s.breath, s.hiss = 0, 0.07, 3600
	case 'z':
		s.voice, s.breath, s.hiss = 0.2, 0.05, 3500
	case 'f', 'h', 'v':
		s.voice, s.breath, s.hiss = 0.1, 0.05, 1800
	case 'p', 't', 'k', 'q':
		s.voice, s.breath, s.weight = 0, 0.04, 0.7
	case 'b', 'd', 'g':
		s.voice, s.f1, s.weight = 0.2, 250, 0.7
	case '.', '!', '?', ';', ':':
		s.voice, s.weight = 0, 3
	case ',', '-', '–', '—':
		s.voice, s.weight = 0, 2
	default:
		switch {
		case unicode.IsDigit(r):
			return vowel(400+40*float64(r%10), 1000+120*float64(r%10))
		case unicode.IsLetter(r):
			return vowel(400+30*float64(r%13), 1000+90*float64(r%11))
		default: // a space, and whatever is not spoken
			s.voice, s.weight = 0.05, 0.6
		}
	}
	return s
}

// intonate lets the pitch fall through each sentence, and rise at the end of a
// question.
func intonate(text []rune, track []sound) {
	for from := 0; from < len(text); {
		to := from
		for to < len(text) && text[to] != '.' && text[to] != '!' && text[to] != '?' {
			to++
		}
		length := float64(max(to-from, 1))
		for i := from; i < to; i++ {
			along := float64(i-from) / length
			track[i].tone = 1.12 - 0.24*along
			if to < len(text) && text[to] == '?' && along > 0.7 {
				track[i].tone += 1.3 * (along - 0.7)
			}
			if i > from && track[i-1].weight < 1 && track[i].weight > 1.3 {
				track[i].tone += 0.05 // a syllable's onset
			}
		}
		from = to + 1
	}
}
