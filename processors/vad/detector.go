package vad

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/frames"
	"github.com/parley-go/parley/internal/mistakes"
)

// Event tells that speech has begun or ended on a track.
type Event struct {
	Speech bool // it has begun; otherwise it has ended

	// Position is where, on the track's clock at Rate. A beginning is the first
	// sample of the window before the first that counts; or of the one before an
	// earlier one, up to half a second back, if all from that on are at least 9 dB
	// louder than the softest of the half second: a first consonant often does not
	// count. An end is right behind the last sample of the last window that counts.
	Position audio.Position
	Rate     audio.SampleRate
}

// Window is what a detector made of one window of sound: for plots, and for
// finding out which parameters suit a line.
type Window struct {
	Track    string
	From, To audio.Position // on the track's clock, at Rate
	Rate     audio.SampleRate

	Probability float32 // of speech, by the engine
	Volume      float64 // in dBFS, as compared with Params.MinVolume
	Counts      bool    // both suffice
	Speaking    bool    // between the two events
}

// Errors of [Detector.Detect] that say that the audio was not what it should be.
// What could be heard of it has been.
var (
	// ErrOverlap is audio at positions that were heard before. The second time it
	// is ignored.
	ErrOverlap = errors.New("audio overlaps what was heard before")

	// ErrRestart is a clock that was set back. Speech that was going on has ended
	// where the audio did, and detection begins anew.
	ErrRestart = errors.New("the track's clock was set back")
)

// Detector finds speech on one track of audio. It reckons with positions only:
// how fast the audio comes makes no difference, and how it is cut into pieces
// makes none. Use it for recordings; in a pipeline, [New] does. One goroutine at
// a time uses a Detector.
type Detector struct {
	engine  Engine
	observe func(Window)
	params  Params

	track  string
	format audio.Format   // of what was heard last; zero before, and after Flush
	next   audio.Position // behind it

	// The stream's clock counts from base, a position on the track. Where the rate
	// has changed in the middle of a window, that began before base.
	stream    Stream // nil before the first audio, and after Flush
	base      audio.Position
	judged    int64 // where the next window begins on that clock
	window    []float32
	filled    int
	resampler *audio.Resampler
	skip      int // of its output: its delay

	mono, resampled []int16 // memory for a piece

	level  float64           // that falls slowly
	levels [lookBack]float32 // of the last windows, as they were, the newest first

	// How much was heard since something changed, and what it is compared with: in
	// samples of the stream.
	state         state
	run           int64 // of windows that count while starting; that do not while speaking
	enough, pause int64 // Params.Start and Params.Stop, in whole windows
	start, end    mark  // of the speech
	free          mark  // from here on there was no speech yet
}

// mark is a position, at the rate that the track had then: what is converted
// again and again is rounded again and again.
type mark struct {
	at   audio.Position
	rate audio.SampleRate
}

// in returns the position at a rate.
func (m mark) in(r audio.SampleRate) audio.Position { return m.at.At(m.rate, r) }

// mark returns a position at the track's rate as one that stays right when that
// changes.
func (d *Detector) mark(at audio.Position) mark { return mark{at, d.format.Rate} }

type state uint8

const (
	quiet    state = iota
	starting       // there may be speech
	speaking
)

const (
	// piece is how many samples on a channel are worked on at a time, which
	// bounds the memory of a detector.
	piece = 512

	// bridge is how much audio may be missing before the engine is made to forget
	// what came before. Silence takes its place.
	bridge = 100 * time.Millisecond

	// farthest bounds positions, in seconds, so that they can be reckoned with at
	// any rate: 35,000 years.
	farthest = 1 << 40

	// setBack is how far back a position may be before it is taken for another
	// clock, and not for audio that comes twice.
	setBack = time.Second
)

// NewDetector returns a detector, or an error with a [ParamError].
func NewDetector(cfg Config) (*Detector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Engine != nil && mistakes.IsNil(cfg.Engine) {
		return nil, &ParamError{"Engine", fmt.Errorf("a nil %T hears nothing: make one, or leave it out for the default", cfg.Engine)}
	}
	d := &Detector{engine: cfg.Engine, observe: cfg.Observe, params: cfg.Params.withDefaults()}
	if d.engine == nil {
		d.engine = Silero()
	}
	return d, nil
}

// Update changes parameters. See [Settings].
func (d *Detector) Update(s Settings) error {
	p, err := s.apply(d.params)
	if err != nil {
		return err
	}
	d.params = p
	d.reckon()
	return nil
}

// Params returns the parameters in use.
func (d *Detector) Params() Params { return d.params }

// Speaking reports whether there is speech: whether the last event was a
// beginning.
func (d *Detector) Speaking() bool { return d.state == speaking }

// Detect hears the next piece of audio, of any length, and appends to dst what
// it tells. Several channels are mixed. Audio that is missing, by the positions,
// counts as silence. The format may change from piece to piece; the positions
// then go on at the new rate, and the engine hears on at the one that it began at,
// until Flush.
//
// An error says which audio could not be heard, and why. Detection goes on with
// the rest: the events count in any case.
func (d *Detector) Detect(dst []Event, a *frames.Audio) ([]Event, error) {
	if err := a.Format.Validate(); err != nil {
		return dst, err
	}
	if most := audio.Position(a.Format.Rate) * farthest; a.Position > most || a.Position < -most {
		return dst, fmt.Errorf("position %d is beyond any clock: positions count samples from the beginning of the track", a.Position)
	}
	samples := a.Samples
	var complaint error
	if extra := len(samples) % a.Format.Channels; extra != 0 {
		complaint = fmt.Errorf("%d samples at %d are not whole frames of %d channels", len(samples), a.Position, a.Format.Channels)
		samples = samples[:len(samples)-extra]
	}
	if len(samples) == 0 { // where nothing is, nothing is told of the clock either
		return dst, complaint
	}
	d.track = a.Track
	dst, failed := d.tune(dst, a)
	complaint = errors.Join(complaint, failed)
	if d.format != a.Format { // it could not be
		return dst, complaint
	}
	var err error
	switch ahead := int64(a.Position - d.next); {
	case ahead > 0:
		dst, err = d.miss(dst, a.Position)
	case ahead < -a.Format.Rate.Samples(setBack):
		complaint = errors.Join(complaint, fmt.Errorf("%w from %d to %d: a new stream needs a track of its own", ErrRestart, d.next, a.Position))
		dst, err = d.finish(dst)
		d.restart(a.Position)
	case ahead < 0:
		twice := min(-ahead, a.Len())
		complaint = errors.Join(complaint, fmt.Errorf("%w, from %d to %d: positions must count every sample once", ErrOverlap, a.Position, a.Position+audio.Position(twice)))
		samples = samples[int(twice)*a.Format.Channels:]
	}
	d.next = max(d.next, a.End())
	complaint = errors.Join(complaint, err)
	for n := piece * a.Format.Channels; len(samples) > 0; samples = samples[min(n, len(samples)):] {
		if dst, err = d.hear(dst, samples[:min(n, len(samples))]); err != nil {
			complaint = errors.Join(complaint, err)
		}
	}
	return dst, complaint
}

// Flush hears the rest of what has arrived, as if it were followed by silence,
// and ends speech that is going on. What follows may be anything: other audio, at
// any position and rate.
func (d *Detector) Flush(dst []Event) ([]Event, error) {
	if d.stream == nil {
		return dst, nil
	}
	dst, err := d.finish(dst)
	d.stream, d.format = nil, audio.Format{}
	return dst, err
}

// finish hears the rest, and ends speech.
func (d *Detector) finish(dst []Event) ([]Event, error) {
	dst, err := d.silence(dst, int64(d.window2input()))
	if d.state == speaking {
		dst = d.stop(dst)
	}
	d.state, d.run = quiet, 0
	return dst, err
}

// window2input is a window and the delay of the resampler, in samples of the
// input.
func (d *Detector) window2input() audio.Position {
	n := len(d.window)
	if d.resampler != nil {
		n += d.resampler.Delay()
	}
	return audio.Position(n).At(d.stream.Rate(), d.format.Rate) + 1
}

// tune makes d ready for a's format. An error without that is one of the engine,
// about the last of what was heard before.
func (d *Detector) tune(dst []Event, a *frames.Audio) ([]Event, error) {
	switch {
	case d.stream == nil:
		stream, resampler, err := d.open(a.Format.Rate)
		if err != nil {
			return dst, fmt.Errorf("open engine for %v: %w", a.Format, err)
		}
		d.format, d.stream, d.resampler = a.Format, stream, resampler
		d.window = make([]float32, stream.Window())
		d.restart(a.Position)
		d.reckon()
	case d.format.Rate == a.Format.Rate:
		d.format = a.Format // channels are mixed before anything else
	default:
		resampler, err := newResampler(a.Format.Rate, d.stream.Rate())
		if err != nil {
			return dst, fmt.Errorf("go on with %v: %w", a.Format, err)
		}
		if d.resampler != nil { // which still holds the last milliseconds
			d.resampled = d.resampler.Flush(d.resampled[:0])
			dst, err = d.fill(dst, d.resampled)
		}
		d.move(a)
		d.resampler = resampler
		d.rebase(d.next)
		return dst, err
	}
	return dst, nil
}

// open opens a stream of the engine, and what converts the audio for it, if
// anything must.
func (d *Detector) open(rate audio.SampleRate) (Stream, *audio.Resampler, error) {
	stream, err := d.engine.Open(rate)
	if err != nil {
		return nil, nil, err
	}
	if mistakes.IsNil(stream) {
		return nil, nil, fmt.Errorf("%T.Open returned neither a stream nor an error: return one of them", d.engine)
	}
	if w, r := stream.Window(), stream.Rate(); w <= 0 || w > int(audio.Rate48k) || r <= 0 {
		return nil, nil, fmt.Errorf("it takes windows of %d samples at %v", w, r)
	}
	resampler, err := newResampler(rate, stream.Rate())
	return stream, resampler, err
}

// newResampler returns nil if there is nothing to convert.
func newResampler(from, to audio.SampleRate) (*audio.Resampler, error) {
	if from == to {
		return nil, nil
	}
	return audio.NewResampler(from, to, 1)
}

// move goes on at the rate of a.
func (d *Detector) move(a *frames.Audio) {
	old := d.format.Rate
	d.next = d.next.At(old, a.Format.Rate)
	// A sample, at the lower of the rates, is rounding.
	if off, most := a.Position-d.next, 1+audio.Position(a.Format.Rate/old); off >= -most && off <= most {
		d.next = a.Position
	}
	d.format = a.Format
}

// rebase puts the next sample of the window at a position of the track.
func (d *Detector) rebase(at audio.Position) {
	d.base, d.judged, d.skip = at, -int64(d.filled), 0
	if d.resampler != nil {
		d.resampler.Reset()
		d.skip = d.resampler.Delay()
	}
}

// restart begins anew at a position: nothing from before it is remembered.
func (d *Detector) restart(at audio.Position) {
	d.stream.Reset()
	d.level = math.Inf(-1)
	for i := range d.levels {
		d.levels[i] = floorOfLevel
	}
	d.next, d.free, d.filled = at, d.mark(at), 0
	d.rebase(at)
}

// reckon converts the parameters to samples of the stream.
func (d *Detector) reckon() {
	if d.stream == nil {
		return
	}
	window := int64(len(d.window))
	length := d.stream.Rate().Duration(window)
	samples := func(t time.Duration) int64 { return window * max(1, int64((t+length/2)/length)) }
	d.enough, d.pause = samples(d.params.Start), samples(d.params.Stop)
}

// miss accounts for audio that is missing up to a position.
func (d *Detector) miss(dst []Event, to audio.Position) ([]Event, error) {
	gap := int64(to - d.next)
	most := d.format.Rate.Samples(bridge)
	dst, err := d.silence(dst, min(gap, most))
	if gap <= most {
		return dst, err
	}
	// The rest is not heard, but lasts as long as if it were.
	rest := to - d.at(d.judged)
	switch d.state {
	case starting:
		d.state, d.run = quiet, 0
	case speaking:
		if d.run += int64(rest.At(d.format.Rate, d.stream.Rate())); d.run >= d.pause {
			dst = d.stop(dst)
		}
	}
	d.restart(to)
	return dst, err
}

// silence hears n samples of nothing.
func (d *Detector) silence(dst []Event, n int64) ([]Event, error) {
	var nothing [piece]int16
	var failed error
	for ; n > 0; n -= min(n, piece) {
		var err error
		if dst, err = d.hearMono(dst, nothing[:min(n, piece)]); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return dst, failed
}

// hear hears a piece in the format of the track.
func (d *Detector) hear(dst []Event, samples []int16) ([]Event, error) {
	if d.format.Channels > 1 {
		d.mono = audio.Remix(d.mono[:0], samples, d.format.Channels, 1)
		samples = d.mono
	}
	return d.hearMono(dst, samples)
}

func (d *Detector) hearMono(dst []Event, samples []int16) ([]Event, error) {
	if d.resampler != nil {
		d.resampled = d.resampler.Resample(d.resampled[:0], samples)
		samples = d.resampled
	}
	return d.fill(dst, samples)
}

// fill puts samples at the stream's rate into the window, and judges it as often
// as it is full.
func (d *Detector) fill(dst []Event, samples []int16) ([]Event, error) {
	n := min(d.skip, len(samples))
	d.skip -= n
	samples = samples[n:]
	var failed error
	for len(samples) > 0 {
		n := min(len(samples), len(d.window)-d.filled)
		for i, s := range samples[:n] {
			d.window[d.filled+i] = float32(s) * (1.0 / 32768)
		}
		samples = samples[n:]
		if d.filled += n; d.filled < len(d.window) {
			break
		}
		d.filled = 0
		var err error
		if dst, err = d.judge(dst); err != nil {
			failed = err // one of a piece says enough
		}
	}
	return dst, failed
}

// at returns where on the track the stream's clock shows n.
func (d *Detector) at(n int64) audio.Position {
	return d.base + audio.Position(n).At(d.stream.Rate(), d.format.Rate)
}

// judge asks the engine about the window, which is full.
func (d *Detector) judge(dst []Event) ([]Event, error) {
	w := Window{Track: d.track, Rate: d.format.Rate, From: d.at(d.judged), To: d.at(d.judged + int64(len(d.window)))}
	d.judged += int64(len(d.window))
	w.Volume = d.volume()
	p, err := d.stream.Probability(d.window)
	if err == nil && !(p >= 0 && p <= 1) {
		err = fmt.Errorf("the engine's probability is %v: it must be from 0 to 1", p)
	}
	if err != nil {
		// As if it had not been heard: it neither ends speech nor begins it.
		return dst, fmt.Errorf("judge samples %d to %d: %w", w.From, w.To, err)
	}
	w.Probability = p
	enough := d.params.Confidence
	if d.state != quiet { // as in Silero's own detector, before Start is over, too
		enough = max(enough-Hysteresis, enough/2)
	}
	w.Counts = float64(p) >= enough && w.Volume >= d.params.MinVolume
	dst = d.step(dst, w)
	if d.observe != nil {
		w.Speaking = d.state == speaking
		d.observe(w)
	}
	return dst, nil
}

// volume returns the level of the window, which falls slowly.
func (d *Detector) volume() float64 {
	sum := float32(0)
	for _, v := range d.window {
		sum += v * v
	}
	level := 10 * math.Log10(float64(sum)/float64(len(d.window)))
	copy(d.levels[1:], d.levels[:])
	d.levels[0] = float32(max(level, floorOfLevel))
	falls := volumeDecay * float64(len(d.window)) / float64(d.stream.Rate())
	if d.level = max(level, d.level-falls); d.level < floorOfLevel {
		d.level = math.Inf(-1)
	}
	return d.level
}

// step takes the window into account.
func (d *Detector) step(dst []Event, w Window) []Event {
	switch {
	case d.state == quiet && w.Counts:
		d.state, d.run = starting, 0
		d.start = d.mark(max(d.free.in(w.Rate), w.From-(w.To-w.From)*audio.Position(d.onset())))
	case d.state == starting && !w.Counts:
		d.state, d.run = quiet, 0
	case d.state == speaking && w.Counts:
		d.run, d.end = 0, d.mark(min(w.To, d.next))
	case d.state == speaking:
		if d.run += int64(len(d.window)); d.run >= d.pause {
			dst = d.stop(dst)
		}
	}
	if d.state == starting {
		if d.run += int64(len(d.window)); d.run >= d.enough {
			d.state, d.run, d.end = speaking, 0, d.mark(min(w.To, d.next))
			dst = append(dst, Event{Speech: true, Position: d.start.in(w.Rate), Rate: w.Rate})
		}
	}
	return dst
}

// onset returns how many windows before the one that was judged last the speech
// has begun: those that are louder than what was heard before, since an engine
// recognises a first consonant, an s or an f, only by the vowel behind it; one in
// any case.
func (d *Detector) onset() int {
	floor := d.levels[0]
	for _, l := range d.levels[1:] {
		floor = min(floor, l)
	}
	audible := max(floor, inaudible) + onsetOver
	n := 1
	for n < len(d.levels)-1 && d.levels[n] > audible {
		n++
	}
	return n
}

const (
	// lookBack is how many windows are looked at for the beginning of speech: with
	// Silero, those of half a second.
	lookBack = 16

	onsetOver = 9   // decibels above the softest of them
	inaudible = -65 // dBFS
)

func (d *Detector) stop(dst []Event) []Event {
	d.state, d.run = quiet, 0
	rate := d.format.Rate
	end := max(d.end.in(rate), d.start.in(rate))
	d.free = d.mark(end)
	return append(dst, Event{Position: end, Rate: rate})
}
