package webrtc

import (
	"slices"
	"sync"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/audio/opus"
)

// receiver makes continuous audio of packets that come early, late, twice, in
// another order or not at all. It is a jitter buffer for somebody who recognises
// speech, and does not have to keep a loudspeaker fed: what follows what is known
// goes on at once, however early it is, so that a network which loses nothing costs no
// time. Only where a packet is missing something has to be waited for:
//
//   - If later ones have come, it is lost or was overtaken. It is waited for as
//     long as packets have been overtaken lately, and then made up for: from the
//     copy in the next one, or by concealment.
//   - If none have come, because the sender has paused (discontinuous
//     transmission), silence goes on in time, since those who listen have to hear
//     that nothing is said.
//   - Otherwise the network has stalled. All may still come, in a burst, so
//     silence has to wait: MaxWait.
//
// What comes after all, behind silence that has taken its place, is not dropped: it
// follows it. The audio is then ahead of the clock, or behind it where the network has
// become slower, and pauses are made shorter or longer until it is not.
//
// push is called by who reads the network, pull by who sends the audio on.
type receiver struct {
	format  audio.Format
	maxWait time.Duration
	start   time.Time     // of the positions
	arrived chan struct{} // something has

	mu      sync.Mutex
	dec     *opus.Decoder
	waiting []packet // by number; none of them is due yet, or pull has not come
	skipped []int64  // numbers above that of the last one that was decoded, in order
	known   bool     // there has been a packet since the last reset

	// Of the packets behind which the next one is expected.
	number   int64     // of the last one that was decoded
	next     int64     // the timestamp of what comes next
	filled   int64     // how much of what is before next is silence for what has not come
	last     time.Time // when something arrived
	paused   bool      // nothing will follow it for a while
	position audio.Position
	lead     time.Duration // of a packet's position before its arrival

	highest     int64 // the largest number and timestamp seen
	highestTime int64

	transit   extreme // least time between a timestamp and its arrival
	overtaken extreme // longest time by which a packet came after a later one

	pieces int // that were taken
	stats  ReceiverStats
}

// packet is a packet that waits.
type packet struct {
	number   int64 // its sequence number, which does not wrap around
	time     int64 // its timestamp, likewise
	arrived  time.Time
	duration int64 // in units of the timestamp
	payload  []byte
}

// ReceiverStats counts what came of the peer's audio.
type ReceiverStats struct {
	Packets uint64 // that arrived
	Bytes   uint64 // of Opus in them

	Recovered uint64 // packets that were lost, and made up for from the next one's copy
	Concealed uint64 // packets that were lost, and replaced by what may have been in them
	Late      uint64 // packets that came when they had been replaced so, or twice
	Refused   uint64 // packets that are not Opus, or 5 s earlier than they can have been spoken

	// Stalled is for how long nothing came, though the peer had not paused, until
	// silence took its place.
	Stalled time.Duration

	// Stretched is by how much audio was made longer, if positive, or shorter, to
	// keep the peer's clock with ours.
	Stretched time.Duration
}

const (
	piece   = opus.Clock / 50 // of silence: 20 ms
	quantum = opus.Clock / 400

	maxWaiting = 256 // packets
	maxJump    = 10 * opus.Clock
	maxNumbers = 3000

	// maxSkew is by how much the audio may be ahead of the clock, or behind, before
	// what is quiet is made shorter or longer; muchSkew, before one piece in fifty is,
	// whatever it is; maxAhead, before what comes is dropped.
	maxSkew  = 40 * time.Millisecond
	muchSkew = 400 * time.Millisecond
	maxAhead = 5 * time.Second
	rarely   = 50

	quiet = -50 // dBFS

	minWait     = 20 * time.Millisecond // for what was overtaken
	initialWait = 40 * time.Millisecond
)

func newReceiver(format audio.Format, maxWait time.Duration, start time.Time) (*receiver, error) {
	dec, err := opus.NewDecoder(format)
	if err != nil {
		return nil, err
	}
	return &receiver{format: format, maxWait: maxWait, start: start, arrived: make(chan struct{}, 1), dec: dec}, nil
}

// reset expects packets of another sender, who goes on where this one was.
func (r *receiver) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
}

func (r *receiver) forget() {
	r.dec.Reset()
	r.waiting, r.skipped, r.known, r.paused, r.filled = nil, nil, false, false, 0
	r.transit, r.overtaken = extreme{}, extreme{}
}

// push takes a packet from the network. It keeps the payload.
func (r *receiver) push(number uint16, timestamp uint32, payload []byte, now time.Time) {
	if r.put(number, timestamp, payload, now) {
		select {
		case r.arrived <- struct{}{}:
		default:
		}
	}
}

func (r *receiver) put(number uint16, timestamp uint32, payload []byte, now time.Time) bool {
	length, err := opus.Duration(payload)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Packets++
	r.stats.Bytes += uint64(len(payload))
	if err != nil {
		r.stats.Refused++
		return false
	}
	p := packet{arrived: now, duration: units(length), payload: payload}
	if r.known {
		p.number = r.highest + int64(int16(number-uint16(r.highest)))
		p.time = r.highestTime + int64(int32(timestamp-uint32(r.highestTime)))
		if abs(p.number-r.highest) > maxNumbers || abs(p.time-r.next) > maxJump {
			r.forget() // the sender has begun anew
		}
	}
	if !r.known {
		r.begin(&p, number, timestamp)
	}
	if p.number > r.highest {
		r.highest, r.highestTime = p.number, p.time
	}
	r.last = now
	r.transit.least(now, now.Sub(r.start)-span(p.time))
	if p.number < r.highest {
		r.overtaken.most(now, now.Sub(r.expected(p.time)))
	}
	i, twice := slices.BinarySearchFunc(r.waiting, p.number, func(q packet, n int64) int { return int(q.number - n) })
	switch {
	case twice, p.number <= r.number, p.time+p.duration <= r.next-r.filled:
		r.stats.Late++
		return false
	case len(r.waiting) >= maxWaiting:
		r.stats.Refused++
		return false
	}
	r.waiting = slices.Insert(r.waiting, i, p)
	return true
}

// skip says that a packet has no audio: its number stands for none that is missing.
func (r *receiver) skip(number uint16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known {
		return
	}
	n := r.highest + int64(int16(number-uint16(r.highest)))
	i, twice := slices.BinarySearch(r.skipped, n)
	if !twice && n > r.number && n-r.number <= maxNumbers {
		r.skipped = slices.Insert(r.skipped, i, n)
	}
}

// missing returns how many packets with audio there are between the last one that was
// decoded and another.
func (r *receiver) missing(number int64) int64 {
	for len(r.skipped) > 0 && r.skipped[0] <= r.number+1 {
		r.number = max(r.number, r.skipped[0])
		r.skipped = r.skipped[1:]
	}
	skipped, _ := slices.BinarySearch(r.skipped, number)
	return number - r.number - 1 - int64(skipped)
}

// begin expects what follows the first packet, from it on.
func (r *receiver) begin(p *packet, number uint16, timestamp uint32) {
	// With room below for packets that it has overtaken.
	p.number, p.time = int64(number)+1<<32, int64(timestamp)+1<<40
	r.known = true
	r.number, r.next = p.number-1, p.time
	r.highest, r.highestTime = p.number, p.time
	r.lead = span(p.duration) // it was spoken before it was sent
	spoken := audio.Position(r.format.Rate.Samples(p.arrived.Sub(r.start) - r.lead))
	r.position = max(r.position, spoken)
}

// expected is when what begins at a timestamp arrives, if nothing delays it.
func (r *receiver) expected(timestamp int64) time.Time {
	return r.start.Add(r.transit.value + span(timestamp))
}

// skew is by how much the position of what begins at a timestamp is ahead of the
// clock, if what is before it is at positions up to end.
func (r *receiver) skew(timestamp int64, end audio.Position) time.Duration {
	at := r.format.Rate.Duration(int64(end)) + span(timestamp-r.next)
	return at + r.lead - r.expected(timestamp).Sub(r.start)
}

// pull returns the next piece of audio, with the position of its first sample. If
// there is none, it returns when there will be, unless something arrives before.
func (r *receiver) pull(now time.Time) (samples []int16, at audio.Position, wake time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		samples, wake, ok := r.take(now)
		if !ok {
			return nil, 0, wake
		}
		if samples = r.keepTime(samples); len(samples) > 0 {
			at := r.position
			r.position += audio.Position(r.format.Frames(len(samples)))
			return samples, at, time.Time{}
		}
	}
}

// take returns what comes next, which may be nothing. If it is not known yet, it
// returns when it will be.
func (r *receiver) take(now time.Time) (samples []int16, wake time.Time, ok bool) {
	if !r.known {
		return nil, time.Time{}, false
	}
	if len(r.waiting) == 0 {
		wait := r.maxWait
		if r.paused {
			wait = r.wait()
		}
		from := r.expected(r.next - r.filled)
		if from.Before(r.last) {
			from = r.last // the network has become slower
		}
		if due := from.Add(span(r.filled) + wait); now.Before(due) {
			return nil, due, false
		}
		if !r.paused {
			r.stats.Stalled += span(piece)
		}
		r.filled += piece
		return r.conceal(piece), time.Time{}, true
	}
	p := r.waiting[0]
	lost := r.missing(p.number)
	// What silence stood in for is not over.
	if back := r.next - (p.time - lost*p.duration); back > 0 {
		r.next -= min(back, r.filled)
	}
	r.filled = 0
	gap := p.time - r.next
	switch {
	case gap <= 0 && r.skew(p.time, r.position) > maxAhead:
		r.waiting = slices.Delete(r.waiting, 0, 1)
		r.stats.Refused++
		r.number, r.next = p.number, p.time+p.duration
		return nil, time.Time{}, true
	case gap <= 0:
		r.waiting = slices.Delete(r.waiting, 0, 1)
		return r.decode(p), time.Time{}, true
	case gap < quantum: // too little to be heard
		r.next = p.time
		return nil, time.Time{}, true
	case lost == 0: // it has paused
		return r.conceal(min(gap, piece)), time.Time{}, true
	}
	if due := p.arrived.Add(r.wait()); now.Before(due) {
		return nil, due, false
	}
	r.number++
	if lost == 1 && gap <= p.duration && opus.HasCopy(p.payload) {
		r.stats.Recovered++
		return r.recover(gap, p.payload), time.Time{}, true
	}
	r.stats.Concealed++
	return r.conceal(max(min(gap/lost, units(opus.MaxPacket)), quantum)), time.Time{}, true
}

// wait is how long to wait for what later packets have overtaken.
func (r *receiver) wait() time.Duration {
	if !r.overtaken.known {
		return min(initialWait, r.maxWait)
	}
	return min(max(r.overtaken.value+minWait/2, minWait), r.maxWait)
}

func (r *receiver) decode(p packet) []int16 {
	if p.time+p.duration <= r.next { // it was replaced while it waited
		r.number = p.number
		r.stats.Late++
		return nil
	}
	samples, err := r.dec.Decode(make([]int16, 0, r.size(p.duration)), p.payload)
	if err != nil { // it says that it is Opus, and is not
		r.stats.Refused++
		samples, _ = r.dec.Conceal(samples[:0], span(p.duration))
	}
	// What was replaced meanwhile is not heard twice.
	if over := r.next - p.time; over > 0 {
		samples = samples[min(r.size(over), len(samples)):]
	}
	r.number, r.next, r.paused = p.number, p.time+p.duration, opus.Pause(p.payload)
	return samples
}

func (r *receiver) conceal(n int64) []int16 {
	n -= n % quantum
	r.next += n
	samples, err := r.dec.Conceal(make([]int16, 0, r.size(n)), span(n))
	if err != nil {
		return make([]int16, r.size(n))
	}
	return samples
}

func (r *receiver) recover(n int64, payload []byte) []int16 {
	n -= n % quantum
	r.next += n
	samples, err := r.dec.Recover(make([]int16, 0, r.size(n)), span(n), payload)
	if err != nil {
		return make([]int16, r.size(n))
	}
	return samples
}

// keepTime keeps the peer's clock with ours, which drift apart by up to a third of a
// second in an hour, and takes back what a stall has added: where it is quiet it leaves
// a piece out, or says it twice, and otherwise does so rarely.
func (r *receiver) keepTime(samples []int16) []int16 {
	if len(samples) == 0 {
		return nil
	}
	length := r.format.Duration(len(samples))
	skew := r.skew(r.next, r.position) + length
	r.pieces++
	if skew > -maxSkew && skew < maxSkew || audio.RMS(samples) > quiet && (skew > -muchSkew && skew < muchSkew || r.pieces%rarely != 0) {
		return samples
	}
	if skew > 0 {
		r.stats.Stretched -= length
		return nil
	}
	r.stats.Stretched += length
	return slices.Concat(samples, samples)
}

// size is how many samples, on all channels, last as long as n units.
func (r *receiver) size(n int64) int {
	return int(n*int64(r.format.Rate)/opus.Clock) * r.format.Channels
}

// Stats returns the counts so far.
func (r *receiver) Stats() ReceiverStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// span is how long n units of the timestamp last.
func span(n int64) time.Duration { return audio.SampleRate(opus.Clock).Duration(n) }

// units is the reverse of span.
func units(d time.Duration) int64 { return audio.SampleRate(opus.Clock).Samples(d) }

func abs(n int64) int64 { return max(n, -n) }

// extreme is the least or the largest value of the last window to two windows.
type extreme struct {
	known   bool
	value   time.Duration
	current time.Duration // of this window
	until   time.Time
}

const window = 5 * time.Second

func (e *extreme) least(now time.Time, v time.Duration) {
	e.note(now, v, func(a, b time.Duration) time.Duration { return min(a, b) })
}
func (e *extreme) most(now time.Time, v time.Duration) {
	e.note(now, v, func(a, b time.Duration) time.Duration { return max(a, b) })
}

func (e *extreme) note(now time.Time, v time.Duration, better func(a, b time.Duration) time.Duration) {
	switch {
	case !e.known:
		*e = extreme{known: true, value: v, current: v, until: now.Add(window)}
	case now.After(e.until):
		e.value, e.current, e.until = better(e.current, v), v, now.Add(window)
	default:
		e.value, e.current = better(e.value, v), better(e.current, v)
	}
}
