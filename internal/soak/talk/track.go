package talk

import (
	"sort"
	"sync"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/services/novasonic/sonictest/hearing"
)

// background is the loudest sample of a caller's background: noise of -81 dBFS,
// which no ear takes for sound, and no sample of which is zero.
const background = 4

// Track is all that a caller's microphone picks up: requests, and between and
// beneath them a noise that tells every sample from every other. No sample of it
// is zero, so that zeros in what a stream received are none of the caller's.
//
// It is a function of its seed and of what was said, and remembers no samples:
// hours of it cost nothing. It may be used by several goroutines.
type Track struct {
	seed uint64
	rate audio.SampleRate
	keys map[byte][]int16 // what each key sounds like

	mu     sync.Mutex
	spoken []Utterance // by From
}

// Utterance is one request that was spoken.
type Utterance struct {
	Request
	From, To int64 // the first sample of the first key, and the one after the last key's
	starts   []int64
	keys     string
}

// NewTrack returns a track on which nothing has been said.
func NewTrack(seed uint64, rate audio.SampleRate) *Track {
	t := &Track{seed: seed, rate: rate, keys: map[byte][]int16{}}
	for _, k := range []byte("0123456789*#") {
		t.keys[k] = hearing.Speak(rate, string(rune(k)))[:rate.Samples(hearing.ToneDuration)]
	}
	return t
}

// Rate returns the track's sample rate.
func (t *Track) Rate() audio.SampleRate { return t.rate }

// Say has the request spoken from the given sample on, which must not come
// before the end of the last one.
func (t *Track) Say(r Request, from int64) Utterance {
	u := Utterance{Request: r, From: from}
	at := from
	tone, gap, pause := t.rate.Samples(hearing.ToneDuration), t.rate.Samples(hearing.GapDuration), t.rate.Samples(hearing.PauseDuration)
	for _, k := range []byte(r.Keys()) {
		if k == ',' {
			at += pause
			continue
		}
		u.keys += string(rune(k))
		u.starts = append(u.starts, at)
		u.To = at + tone
		at += tone + gap
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spoken = append(t.spoken, u)
	return u
}

// Said returns what was spoken so far.
func (t *Track) Said() []Utterance {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spoken[:len(t.spoken):len(t.spoken)]
}

// Fill writes the samples from the given one on to dst.
func (t *Track) Fill(dst []int16, from int64) {
	for i := 0; i < len(dst); {
		block := (from + int64(i)) >> 4
		h := mix(t.seed, uint64(block))
		for j := (from + int64(i)) & 15; j < 16 && i < len(dst); j++ {
			v := int16(h >> (4 * j) & 7)
			dst[i] = v - background + v>>2 // -4 to -1, 1 to 4
			i++
		}
	}
	to := from + int64(len(dst))
	said := t.Said()
	first := sort.Search(len(said), func(i int) bool { return said[i].To > from })
	for _, u := range said[first:] {
		if u.From >= to {
			break
		}
		for n, start := range u.starts {
			tone := t.keys[u.keys[n]]
			for at := max(start, from); at < min(start+int64(len(tone)), to); at++ {
				v := dst[at-from] + tone[at-start]
				if v == 0 {
					v = 1
				}
				dst[at-from] = v
			}
		}
	}
}

// Samples returns the samples [from, to).
func (t *Track) Samples(from, to int64) []int16 {
	out := make([]int16, to-from)
	t.Fill(out, from)
	return out
}
