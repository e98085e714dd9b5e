package hearing

import (
	"math/bits"
	"slices"
	"time"

	"github.com/parley-go/parley/audio"
)

const (
	defaultEndpointing  = 480 * time.Millisecond
	defaultMaxUtterance = 5 * time.Minute
	frameDuration       = 10 * time.Millisecond

	preRoll  = 200 * time.Millisecond
	postRoll = 150 * time.Millisecond

	lookAround = time.Second

	// Speech starts when onsetVoiced of the last onsetWindow frames are voiced:
	// 120 ms. A click, however loud, is one to three frames.
	onsetWindow = 20
	onsetVoiced = 12

	// Speech that goes on needs sustainVoiced of the last sustainWindow frames,
	// so that a click in the silence after it does not put off its end.
	sustainWindow = 10
	sustainVoiced = 4
)

// Options configures a [Listener]. The zero value listens at 16 kHz and knows
// no recordings.
type Options struct {
	// Rate is the rate of the samples written; default 16 kHz. At least 8 kHz.
	Rate audio.SampleRate

	// Endpointing is the silence after the last voiced sample that ends an
	// utterance; default 480 ms, and at least 50 ms. A short one cuts people
	// off at every pause for breath.
	Endpointing time.Duration

	// MaxUtterance ends an utterance that goes on for longer, and begins
	// another, so that memory is bounded; default 5 minutes.
	MaxUtterance time.Duration

	// Library holds the recordings to recognise; nil for none.
	Library *Library
}

// Listener finds the utterances in one stream of mono audio. It is not safe
// for concurrent use; create it with [New].
type Listener struct {
	rate        audio.SampleRate
	endpointing audio.Position
	maxLength   audio.Position
	recogniser  recogniser

	detector detector
	frame    int     // samples in a detector's frame
	pending  []int16 // fewer than frame samples, not examined yet

	// kept are the samples [keptFrom, position) that an utterance may need.
	kept     []int16
	keptFrom audio.Position
	position audio.Position // samples examined: a multiple of frame, but after Close

	recent   uint32 // one bit a frame, the newest lowest: voiced or not
	speaking bool
	start    audio.Position
	end      audio.Position // right after the last voiced frame so far
	earliest audio.Position // what came before belongs to the last utterance
}

// New returns a listener at the beginning of a stream.
func New(o Options) *Listener {
	if o.Rate <= 0 {
		o.Rate = audio.Rate16k
	}
	if o.Endpointing <= 0 {
		o.Endpointing = defaultEndpointing
	}
	if o.MaxUtterance <= 0 {
		o.MaxUtterance = defaultMaxUtterance
	}
	frame := int(o.Rate.Samples(frameDuration))
	return &Listener{
		rate:        o.Rate,
		endpointing: audio.Position(o.Rate.Samples(max(o.Endpointing, 5*frameDuration))),
		maxLength:   audio.Position(o.Rate.Samples(max(o.MaxUtterance, time.Second))),
		recogniser:  recogniser{library: o.Library, rate: o.Rate},
		detector:    newDetector(o.Rate),
		frame:       frame,
		pending:     make([]int16, 0, frame),
	}
}

// Rate returns the rate of the samples and positions.
func (l *Listener) Rate() audio.SampleRate { return l.rate }

// Position returns how many samples have been written.
func (l *Listener) Position() audio.Position {
	return l.position + audio.Position(len(l.pending))
}

// Speaking tells whether an utterance is in progress: SpeechStarted was
// reported and SpeechEnded not yet.
func (l *Listener) Speaking() bool { return l.speaking }

// Write hears the next samples of the stream and returns what it noticed, in
// order; nil most of the time. It does not retain samples.
func (l *Listener) Write(samples []int16) []Event {
	var events []Event
	for len(samples) > 0 {
		if len(l.pending) == 0 && len(samples) >= l.frame {
			events = l.examine(events, samples[:l.frame])
			samples = samples[l.frame:]
			continue
		}
		n := min(l.frame-len(l.pending), len(samples))
		l.pending = append(l.pending, samples[:n]...)
		samples = samples[n:]
		if len(l.pending) == l.frame {
			events = l.examine(events, l.pending)
			l.pending = l.pending[:0]
		}
	}
	return events
}

// Close ends the stream, and with it an utterance in progress. The listener
// must not be written to afterwards.
func (l *Listener) Close() []Event {
	l.kept = append(l.kept, l.pending...)
	l.position += audio.Position(len(l.pending))
	l.pending = l.pending[:0]
	if !l.speaking {
		return nil
	}
	return []Event{l.finish()}
}

// examine hears one frame.
func (l *Listener) examine(events []Event, frame []int16) []Event {
	voiced := l.detector.voiced(frame, l.speaking)
	l.kept = append(l.kept, frame...)
	l.position += audio.Position(len(frame))
	l.recent <<= 1
	if voiced {
		l.recent |= 1
	}

	if !l.speaking {
		window := l.recent & (1<<onsetWindow - 1)
		if voiced && bits.OnesCount32(window) >= onsetVoiced {
			first := max(bits.Len32(window), l.detector.lookBack())
			l.start = max(l.position-audio.Position(first*l.frame), l.earliest)
			l.end = l.position
			l.speaking = true
			return append(events, Event{Kind: SpeechStarted, At: l.start, Detected: l.position})
		}
		l.forget()
		return events
	}

	if voiced && bits.OnesCount32(l.recent&(1<<sustainWindow-1)) >= sustainVoiced {
		l.end = l.position
	}
	if l.position-l.end >= l.endpointing || l.position-l.start >= l.maxLength {
		events = append(events, l.finish())
		l.forget()
	}
	return events
}

// finish ends the utterance in progress and recognises it.
func (l *Listener) finish() Event {
	// Quiet sounds before and after what the detector took for speech help to
	// recognise it, but are no part of it.
	first := max(l.start-audio.Position(l.rate.Samples(lookAround)), l.earliest)
	heard := slices.Clone(l.kept[first-l.keptFrom : l.position-l.keptFrom])
	from := max(l.start-audio.Position(l.rate.Samples(preRoll)), first)
	to := min(l.end+audio.Position(l.rate.Samples(postRoll)), l.position)

	u := &Utterance{Start: l.start, End: l.end, Rate: l.rate, Audio: heard, AudioStart: first}
	l.recogniser.recognise(u)
	u.Audio, u.AudioStart = heard[from-first:to-first:to-first], from
	l.speaking = false
	l.recent = 0
	l.earliest = l.position
	return Event{Kind: SpeechEnded, At: l.end, Detected: l.position, Utterance: u}
}

// forget drops the samples that no utterance can begin in any more. It moves
// the rest only once as much again is to be dropped, so that a sample is moved
// once on average.
func (l *Listener) forget() {
	keep := int(l.rate.Samples(lookAround)) + (maxLookBack+1)*l.frame
	if len(l.kept) < 4*keep {
		return
	}
	drop := len(l.kept) - keep
	l.keptFrom += audio.Position(drop)
	n := copy(l.kept, l.kept[drop:])
	if cap(l.kept) > 64*keep {
		// A long utterance has gone: don't hold its memory for the rest of the call.
		l.kept = append(make([]int16, 0, 8*keep), l.kept[:n]...)
		return
	}
	l.kept = l.kept[:n]
}
