package voice

const (
	// window is how many samples in a row identify a place in a sentence.
	window = 16

	// stride: every stride-th window of a sentence is indexed; the recording is
	// looked up at every sample. A piece of window+stride-1 samples (1.3 ms at
	// 24 kHz) is certain to be found; a smaller one may be reported as unknown.
	stride = 16

	// leastSpread is how far apart the least and the greatest sample of a window
	// must be for it to tell anything: near silence, -1, 0 and 1, is alike
	// everywhere. A piece is found by its louder samples and followed from there
	// into the quiet ones before and after.
	leastSpread = 8

	maxQuiet      = 9600 // samples that a sentence which joins another may begin with in near silence
	maxProbe      = 4096 // samples compared to choose between places
	maxCandidates = 64   // places considered for one and the same window
)

// Decoder finds known sentences in recordings. It is safe for concurrent use
// once made; it keeps the sentences it was given.
type Decoder struct {
	sentences [][]int16

	// The index: heads leads from a window's hash to a place, and each place to
	// another with the same hash.
	heads  map[uint64]int32
	places []place
}

// place is a sample of a sentence.
type place struct {
	sentence, offset int32
	next             int32 // index of another place with this hash; -1 if none
}

// NewDecoder returns a decoder of the given sentences, at the rate of the
// recordings. They must not change while it is in use.
func NewDecoder(sentences ...[]int16) *Decoder {
	d := &Decoder{sentences: sentences, heads: make(map[uint64]int32)}
	for i, samples := range sentences {
		for at := 0; at+window <= len(samples); at += stride {
			w := samples[at : at+window]
			if dull(w) {
				continue
			}
			h := hash(w)
			next, known := d.heads[h]
			if !known {
				next = -1
			}
			d.heads[h] = int32(len(d.places))
			d.places = append(d.places, place{sentence: int32(i), offset: int32(at), next: next})
		}
	}
	return d
}

// candidates calls visit with up to maxCandidates places that may begin with
// window w, until it returns false.
func (d *Decoder) candidates(w []int16, visit func(sentence, offset int) bool) {
	at, ok := d.heads[hash(w)]
	for n := 0; ok && at >= 0 && n < maxCandidates; n++ {
		c := d.places[at]
		if !visit(int(c.sentence), int(c.offset)) {
			return
		}
		at = c.next
	}
}

// Analyse finds the expected sentences in a recording. It is
// NewDecoder(expected...).Decode(recording).
func Analyse(recording []int16, expected ...[]int16) Report {
	return NewDecoder(expected...).Decode(recording)
}

// Decode finds the sentences in a mono recording. Its time is proportional to
// the recording's length, some 4 ms a minute where it is undisturbed.
func (d *Decoder) Decode(recording []int16) Report {
	p := &pass{Decoder: d, recording: recording, residual: make([]int16, window)}
	for p.at < len(recording) {
		switch {
		case p.second != nil:
			p.followBoth()
		case p.first != nil:
			p.follow()
		default:
			p.seek()
		}
	}
	p.end(&p.second)
	p.end(&p.first)
	p.report.compile(recording, d.sentences)
	return p.report
}

// pass is one run over a recording.
type pass struct {
	*Decoder
	recording []int16
	report    Report

	at       int // the next sample of the recording
	closed   int // everything before is settled: a segment cannot begin there
	first    *track
	second   *track // sounds together with the first
	residual []int16
}

// track is a sentence that sounds: its next sample is at offset.
type track struct {
	sentence, offset int
	from, started    int // the first sample heard and where
	overlap          int // where it began to overlap another track; -1 if it does not
}

func (p *pass) samples(t *track) []int16 { return p.sentences[t.sentence] }

// end closes a track at the current sample.
func (p *pass) end(t **track) {
	if *t == nil {
		return
	}
	p.report.Segments = append(p.report.Segments,
		Span{Sentence: (*t).sentence, From: (*t).from, To: (*t).offset, At: (*t).started})
	*t = nil
	if p.first == nil && p.second != nil {
		p.first, p.second = p.second, nil
	}
	p.closed = p.at
}

// seek moves to the next sample that some sentence explains.
func (p *pass) seek() {
	if p.at+window > len(p.recording) {
		p.at = len(p.recording)
		return
	}
	w := p.recording[p.at : p.at+window]
	if dull(w) {
		p.at++
		return
	}
	sentence, offset, ok := p.choose(w)
	if !ok {
		p.at++
		return
	}
	samples := p.sentences[sentence]
	for p.at > p.closed && offset > 0 && p.recording[p.at-1] == samples[offset-1] {
		p.at--
		offset--
	}
	p.first = &track{sentence: sentence, offset: offset, from: offset, started: p.at, overlap: -1}
}

// choose returns the place that explains the most of what follows; of equals,
// the one after what was heard last, then one not heard yet.
func (p *pass) choose(w []int16) (sentence, offset int, ok bool) {
	bestLength, bestRank := 0, 0
	p.candidates(w, func(s, o int) bool {
		n := common(p.recording[p.at:], p.sentences[s][o:])
		if n < window {
			return true // another window of the same hash
		}
		rank := p.rank(s, o)
		if n > bestLength || n == bestLength && rank > bestRank {
			sentence, offset, bestLength, bestRank = s, o, n, rank
		}
		return true
	})
	return sentence, offset, bestLength > 0
}

func (p *pass) rank(sentence, offset int) int {
	segments := p.report.Segments
	if n := len(segments); n > 0 && segments[n-1].Sentence == sentence && segments[n-1].To <= offset {
		return 2
	}
	for _, s := range segments {
		if s.Sentence == sentence && s.From <= offset && offset < s.To {
			return 0
		}
	}
	return 1
}

// follow goes on with the one track that sounds.
func (p *pass) follow() {
	samples := p.samples(p.first)
	for p.at < len(p.recording) && p.first.offset < len(samples) && p.recording[p.at] == samples[p.first.offset] {
		p.at++
		p.first.offset++
	}
	switch {
	case p.at == len(p.recording):
	case p.first.offset == len(samples):
		p.end(&p.first)
	case !p.joined():
		p.end(&p.first)
	}
}

// joined tells whether what disturbs the first track is another that began to
// sound as well: whether the difference is a piece of a sentence.
func (p *pass) joined() bool {
	samples := p.samples(p.first)
	telling := 0
	for ahead := 0; ahead < maxQuiet && telling < stride; ahead++ {
		at, offset := p.at+ahead, p.first.offset+ahead
		if at+window > len(p.recording) || offset+window > len(samples) {
			return false
		}
		for i := range p.residual {
			p.residual[i] = p.recording[at+i] - samples[offset+i]
		}
		if dull(p.residual) {
			continue
		}
		telling++
		p.candidates(p.residual, func(sentence, found int) bool {
			begin := found - ahead
			if begin >= 0 && p.sums(p.at, samples[p.first.offset:], p.sentences[sentence][begin:], ahead+window) {
				p.second = &track{sentence: sentence, offset: begin, from: begin, started: p.at, overlap: p.at}
			}
			return p.second == nil
		})
		if p.second != nil {
			return true
		}
	}
	return false
}

// sums tells whether n samples of the recording are the sum of two sentences.
func (p *pass) sums(at int, a, b []int16, n int) bool {
	if len(a) < n || len(b) < n || at+n > len(p.recording) {
		return false
	}
	for i := range n {
		if p.recording[at+i] != mix(a[i], b[i]) {
			return false
		}
	}
	return true
}

// followBoth goes on with two tracks that sound together.
func (p *pass) followBoth() {
	a, b := p.samples(p.first), p.samples(p.second)
	for p.at < len(p.recording) && p.first.offset < len(a) && p.second.offset < len(b) &&
		p.recording[p.at] == mix(a[p.first.offset], b[p.second.offset]) {
		p.at++
		p.first.offset++
		p.second.offset++
	}
	if length := p.at - p.second.overlap; length > 0 {
		p.report.Overlaps = append(p.report.Overlaps, Overlap{
			First: p.first.sentence, Second: p.second.sentence,
			Stretch: Stretch{At: p.second.overlap, Length: length},
		})
	}
	p.second.overlap = -1
	switch {
	case p.at == len(p.recording):
		p.end(&p.second)
		p.end(&p.first)
	case p.goesOn(p.second, b):
		p.end(&p.first)
	case p.goesOn(p.first, a):
		p.end(&p.second)
	default:
		p.end(&p.second)
		p.end(&p.first)
	}
}

// goesOn tells whether a track explains what follows on its own.
func (p *pass) goesOn(t *track, samples []int16) bool {
	rest := samples[t.offset:]
	n := min(window, len(rest), len(p.recording)-p.at)
	return n > 0 && common(p.recording[p.at:p.at+n], rest[:n]) == n
}

// mix adds two samples as a mixer does: it saturates.
func mix(a, b int16) int16 {
	return int16(min(max(int(a)+int(b), -32768), 32767))
}

// common returns how many samples a and b begin with in common, at most
// maxProbe.
func common(a, b []int16) int {
	n := min(len(a), len(b), maxProbe)
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// dull tells whether a window is silence or nearly so.
func dull(w []int16) bool {
	least, greatest := w[0], w[0]
	for _, s := range w[1:] {
		least, greatest = min(least, s), max(greatest, s)
	}
	return int(greatest)-int(least) < leastSpread
}

// hash mixes a window into 64 bits (FNV-1a over samples).
func hash(w []int16) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range w {
		h ^= uint64(uint16(s))
		h *= 1099511628211
	}
	return h
}
