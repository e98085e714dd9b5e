package dtmf

import (
	"fmt"
	"math"
	"math/cmplx"
	"time"

	"github.com/parley-go/parley/audio"
)

// Event is a key that goes down or up.
type Event struct {
	Key byte
	Up  bool // it was released; otherwise it has just been pressed

	// Start is where the tone reaches half of its amplitude, and End where it
	// falls below. Both count samples from the first that was written, skipped
	// ones included. End is 0 while the key is down.
	Start, End audio.Position
}

// What is accepted. ITU-T Q.24 lists what administrations ask for; these are
// between what must be accepted and what must be rejected.
const (
	minTone  = 30 * time.Millisecond // 40 ms must be accepted, and 20 ms rejected
	minPause = 20 * time.Millisecond // 40 ms separates two presses, and 10 ms does not
	maxLoss  = 40 * time.Millisecond // in a shorter hole no pause can hide

	tolerance     = 0.025 // of the frequency: 0.015 must be accepted, 0.035 rejected
	lowOverHigh   = 10.0  // dB: 8 must be accepted
	highOverLow   = 6.0   // dB: 4 must be accepted
	quietest      = -45.0 // dBFS, of both frequencies together: -29 dBm0 is -35
	purity        = 0.85  // of the energy is in the two frequencies; noise 15 dB below leaves 0.97 …
	windowPurity  = 0.75  // … and an analysis window may begin before the tone
	minimalPurity = 0.2   // at the nominal frequencies, which may miss the true ones
)

// How it is measured.
const (
	windowTime = 24 * time.Millisecond // of the analysis, which moves on by a hop of 1 ms
	lookBack   = 60 * time.Millisecond // the furthest that a report may be behind
	firstTry   = 6                     // hops of a run before the tone is measured
	insideBy   = 8                     // hops: a window that far before the last one of a run ends within the tone
)

// Detector hears keys in one channel of audio. It is told everything by the
// samples and owns no clock: however the same samples are cut into calls of
// Write, the same events come out. It belongs to one goroutine at a time.
type Detector struct {
	rate   audio.SampleRate
	hop    int // samples
	window int // hops

	table []complex64   // the eight frequencies' phasors for each sample of a hop
	hann  []float64     // two thirds of a window
	step  [8]complex128 // by which a frequency's phase moves on in a hop
	turn  [8]complex128 // the phase at the beginning of the hop; rounding lets its length drift by some 10⁻⁶ in a year

	// The hops of the present window, as a ring, and their sums.
	parts   [][8]complex128
	energy  []float64
	offset  []float64
	next    int
	sum     [8]complex128
	energyS float64
	offsetS float64

	history  []int16        // the last samples, as many as keep and a few
	keep     int            //
	filled   int            // how many of them are of the present hop
	position audio.Position // behind the last sample
	earliest audio.Position // before it nothing is known, or all is another press's

	evidence []float64 // scratch

	run  run   // windows in a row that have the same key in them
	held press // a press that may be over, or go on behind a break
}

// run is a series of windows with the same key.
type run struct {
	key   byte // 0: none
	count int
	try   int            // at which count the tone is measured next
	last  audio.Position // the end of the last window
	freq  [2]float64     // as measured in it
	start audio.Position
	known bool // it is a press, and was reported
}

// press is a press whose end was found.
type press struct {
	key        byte // 0: none
	start, end audio.Position
	lost       audio.Position // samples lost since its end
}

// NewDetector makes a Detector for audio of 6 to 768 kHz.
func NewDetector(rate audio.SampleRate) (*Detector, error) {
	if err := checkRate(rate); err != nil {
		return nil, fmt.Errorf("detect DTMF: %w", err)
	}
	d := &Detector{rate: rate, hop: int(rate.Samples(time.Millisecond))}
	d.window = int(math.Round(float64(rate) * windowTime.Seconds() / float64(d.hop)))
	d.window -= d.window % 3
	d.keep = int(rate.Samples(lookBack+windowTime)) + d.hop
	d.history = make([]int16, 0, 2*d.keep)
	d.evidence = make([]float64, 0, 2*d.keep)
	d.table = make([]complex64, 0, 8*d.hop)
	for n := range d.hop {
		for i := range 8 {
			d.table = append(d.table, complex64(cmplx.Rect(1, -2*math.Pi*frequency(i)*float64(n)/float64(rate))))
		}
	}
	for i := range d.step {
		d.step[i] = cmplx.Rect(1, -2*math.Pi*frequency(i)*float64(d.hop)/float64(rate))
	}
	part := d.window * 2 / 3
	for i := range part {
		d.hann = append(d.hann, 0.5-0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(part)))
	}
	d.parts = make([][8]complex128, d.window)
	d.energy, d.offset = make([]float64, d.window), make([]float64, d.window)
	d.Reset()
	return d, nil
}

// frequency returns one of the eight: rows first.
func frequency(i int) float64 {
	if i < 4 {
		return rows[i]
	}
	return columns[i-4]
}

// Rate returns the rate that it was made for.
func (d *Detector) Rate() audio.SampleRate { return d.rate }

// Latency returns how many samples an event may be late at most: Start, or End
// where Up is set, is at most as far before the sample with which it is reported.
func (d *Detector) Latency() int { return int(d.rate.Samples(lookBack)) + d.hop }

// Position returns how many samples were written or skipped.
func (d *Detector) Position() audio.Position { return d.position }

// Reset forgets everything: what is written next begins a new stream, at 0.
func (d *Detector) Reset() {
	d.forget()
	d.position, d.earliest = 0, 0
	d.run, d.held = run{}, press{}
}

// forget empties the window.
func (d *Detector) forget() {
	clear(d.parts)
	clear(d.energy)
	clear(d.offset)
	d.next, d.filled = 0, 0
	d.sum, d.energyS, d.offsetS = [8]complex128{}, 0, 0
	for i := range d.turn {
		d.turn[i] = 1
	}
	d.history = d.history[:0]
}

// Write examines samples and appends the keys that went down or up to dst. It
// keeps neither.
func (d *Detector) Write(dst []Event, samples []int16) []Event {
	for len(samples) > 0 {
		n := min(len(samples), d.hop-d.filled)
		if len(d.history)+n > cap(d.history) {
			d.history = d.history[:copy(d.history, d.history[len(d.history)-d.keep:])]
		}
		d.history = append(d.history, samples[:n]...)
		samples = samples[n:]
		d.filled += n
		d.position += audio.Position(n)
		if d.filled == d.hop {
			d.filled = 0
			d.measure()
			dst = d.decide(dst)
		}
	}
	return dst
}

// Skip says that n samples were lost. A key that sounds before and behind a hole
// of less than 40 ms was pressed once. n that is not positive is ignored.
func (d *Detector) Skip(dst []Event, n int64) []Event {
	if n <= 0 {
		return dst
	}
	dst = d.endRun(dst)
	d.forget()
	d.position += audio.Position(n)
	d.earliest = d.position
	d.held.lost += audio.Position(n)
	if d.held.lost >= audio.Position(d.rate.Samples(maxLoss)) {
		return d.release(dst)
	}
	return d.releaseInTime(dst)
}

// Close says that the stream is over: a key that is still down goes up. What is
// written afterwards continues the stream as after a long hole.
func (d *Detector) Close(dst []Event) []Event {
	dst = d.release(d.endRun(dst))
	d.forget()
	d.earliest = d.position
	return dst
}

// measure adds the hop that has just been filled to the window.
func (d *Detector) measure() {
	hop := d.history[len(d.history)-d.hop:]
	var energy, offset float64
	for _, s := range hop {
		x := float64(s)
		energy += x * x
		offset += x
	}
	var part [8]complex128
	if energy > 0 {
		part = d.correlate(hop)
	}
	for i := range part {
		part[i] *= d.turn[i]
		d.turn[i] *= d.step[i]
	}

	at := d.next
	d.next = (d.next + 1) % d.window
	old, oldEnergy, oldOffset := d.parts[at], d.energy[at], d.offset[at]
	d.parts[at], d.energy[at], d.offset[at] = part, energy, offset
	if d.next == 0 { // renewed rather than carried on, so that rounding errors do not add up
		d.sum, d.energyS, d.offsetS = [8]complex128{}, 0, 0
		for k := range d.parts {
			for i := range d.sum {
				d.sum[i] += d.parts[k][i]
			}
			d.energyS += d.energy[k]
			d.offsetS += d.offset[k]
		}
		return
	}
	for i := range d.sum {
		d.sum[i] += part[i] - old[i]
	}
	d.energyS += energy - oldEnergy
	d.offsetS += offset - oldOffset
}

// correlate returns what a hop has of each frequency.
func (d *Detector) correlate(hop []int16) (part [8]complex128) {
	var re, im [8]float32
	table := d.table
	for _, s := range hop {
		x := float32(s)
		t := table[:8:8]
		table = table[8:]
		for i := range 8 {
			re[i] += x * real(t[i])
			im[i] += x * imag(t[i])
		}
	}
	for i := range part {
		part[i] = complex(float64(re[i]), float64(im[i]))
	}
	return part
}

const fullScale = 32768.0 * 32768.0

// leastEnergy is that of a sample at the quietest level; half of a window may be
// before the tone.
var leastEnergy = fullScale * math.Pow(10, quietest/10) / 2

// classify returns the key that sounds in the present window, or 0, and its
// frequencies as they are in it.
func (d *Detector) classify() (key byte, freq [2]float64) {
	n := float64(d.window * d.hop)
	energy := d.energyS - d.offsetS*d.offsetS/n
	if energy < leastEnergy*n {
		return 0, freq
	}
	row, column := d.strongest(0), d.strongest(4)
	if power(d.sum[row])+power(d.sum[column]) < minimalPurity*energy*n/2 {
		return 0, freq
	}
	var total float64
	for g, i := range [2]int{row, column} {
		shift := d.shift(i)
		if f := frequency(i); math.Abs(shift) > 1.2*tolerance*f {
			return 0, freq
		}
		freq[g] = frequency(i) + shift
		total += d.coherent(i, shift)
	}
	if total < windowPurity*energy*n/2 {
		return 0, freq
	}
	return Keys[4*row+column-4], freq
}

func (d *Detector) strongest(from int) int {
	best := from
	for i := from + 1; i < from+4; i++ {
		if power(d.sum[i]) > power(d.sum[best]) {
			best = i
		}
	}
	return best
}

func power(c complex128) float64 { return real(c)*real(c) + imag(c)*imag(c) }

// part returns the k-th hop of the window, the oldest first.
func (d *Detector) part(k, i int) complex128 {
	at := d.next + k
	if at >= d.window {
		at -= d.window
	}
	return d.parts[at][i]
}

// shift returns by how many hertz what sounds is above the nominal frequency i,
// from how its phase moves on between the two halves, or rather two thirds, of
// the window. It is unambiguous within ±62 Hz.
func (d *Detector) shift(i int) float64 {
	lag := d.window / 3
	var early, late complex128
	for k, w := range d.hann {
		early += complex(w, 0) * d.part(k, i)
		late += complex(w, 0) * d.part(k+lag, i)
	}
	phase := cmplx.Phase(late * cmplx.Conj(early))
	return phase / (2 * math.Pi) * float64(d.rate) / float64(lag*d.hop)
}

// coherent returns what the window has of a frequency shift hertz above frequency
// i, in the unit of power(d.sum[i]).
func (d *Detector) coherent(i int, shift float64) float64 {
	cycles := shift * float64(d.hop) / float64(d.rate)
	back := cmplx.Rect(1, -2*math.Pi*cycles)
	phase := complex(1, 0)
	var sum complex128
	for k := range d.window {
		sum += d.part(k, i) * phase
		phase *= back
	}
	within := 1.0 // what is lost within a hop
	if cycles != 0 {
		within = math.Sin(math.Pi*cycles) / (math.Pi * cycles)
	}
	return power(sum) / (within * within)
}

// decide makes runs of the windows, and presses of runs.
func (d *Detector) decide(dst []Event) []Event {
	key, freq := d.classify()
	if key != d.run.key {
		dst = d.endRun(dst)
		d.run = run{key: key, try: firstTry}
	}
	if key != 0 {
		d.run.count++
		d.run.last, d.run.freq = d.position, freq
		if !d.run.known && d.run.count >= d.run.try {
			dst = d.try(dst)
		}
	}
	return d.releaseInTime(dst)
}

// releaseInTime reports that the held press is over, if it cannot wait.
func (d *Detector) releaseInTime(dst []Event) []Event {
	if d.position-d.held.end >= audio.Position(d.rate.Samples(lookBack)) {
		return d.release(dst)
	}
	return dst
}

// try measures the tone in the present window, and reports it if it is a press
// and long enough.
func (d *Detector) try(dst []Event) []Event {
	r := &d.run
	m, ok := fit(d.samples(d.position-audio.Position(d.window*d.hop), d.position), d.rate, r.freq)
	if !ok || !m.isKey(r.key) {
		r.try = r.count + min(max(r.count/2, 4), 64) // seldom, as long as it is none
		return dst
	}
	start := d.onset(m)
	again := d.held.key == r.key && start-d.held.end-d.held.lost < audio.Position(d.rate.Samples(minPause))
	if missing := audio.Position(d.rate.Samples(minTone)) - (d.position - start); missing > 0 && !again {
		r.try = r.count + int(missing)/d.hop + 1
		return dst
	}
	r.known = true
	if again { // a break within a press
		r.start, d.held = d.held.start, press{}
		return dst
	}
	dst = d.release(dst)
	r.start = start
	return append(dst, Event{Key: r.key, Start: start})
}

// endRun finds where the tone of the present run ended, if it was a press.
func (d *Detector) endRun(dst []Event) []Event {
	r := d.run
	d.run = run{}
	if !r.known {
		return dst
	}
	dst = d.release(dst)
	inside := r.last - audio.Position(insideBy*d.hop)
	begin := max(inside-audio.Position(d.window*d.hop), r.start)
	end := r.last
	if m, ok := fit(d.samples(begin, inside), d.rate, r.freq); ok {
		end = d.offsetOf(m, begin)
	}
	d.held = press{key: r.key, start: r.start, end: max(end, r.start+1)}
	d.earliest = d.held.end
	return dst
}

// release reports that the held press is over.
func (d *Detector) release(dst []Event) []Event {
	h := d.held
	if h.key == 0 {
		return dst
	}
	d.held = press{}
	return append(dst, Event{Key: h.key, Up: true, Start: h.start, End: h.end})
}

// samples returns those between two positions, as far as they are remembered.
func (d *Detector) samples(from, to audio.Position) []int16 {
	first := d.position - audio.Position(len(d.history))
	from, to = max(from, first), min(max(to, first), d.position)
	if from >= to {
		return nil
	}
	return d.history[from-first : to-first]
}

// onset returns where a tone begins that sounds in the present window: of all
// places, the one at which it is most likely that the samples before it are
// without it, and those behind it with it.
func (d *Detector) onset(m model) audio.Position {
	middle := d.position - audio.Position(d.window*d.hop/2)
	lo := max(d.position-audio.Position(d.rate.Samples(lookBack)), d.earliest, d.position-audio.Position(len(d.history)))
	if lo >= middle {
		return middle
	}
	before := d.samples(lo, middle)
	// The model's clock begins where its samples did.
	d.evidence = m.evidence(d.evidence[:0], before, float64(lo-(d.position-audio.Position(d.window*d.hop))))
	best, sum, most := len(before), 0.0, 0.0
	for i := len(before) - 1; i >= 0; i-- {
		sum += d.evidence[i]
		if sum > most {
			best, most = i, sum
		}
	}
	return lo + audio.Position(best)
}

// offsetOf returns where a tone ends which was fitted from begin on.
func (d *Detector) offsetOf(m model, begin audio.Position) audio.Position {
	from := begin + audio.Position(m.n/2)
	rest := d.samples(from, d.position)
	from = d.position - audio.Position(len(rest))
	d.evidence = m.evidence(d.evidence[:0], rest, float64(from-begin))
	best, sum, most := 0, 0.0, 0.0
	for i, e := range d.evidence {
		sum += e
		if sum > most {
			best, most = i+1, sum
		}
	}
	return from + audio.Position(best)
}
