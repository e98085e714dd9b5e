package local

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/transports/playout"
)

// speaker is the sink: it brings chunks, on the call's clock, to a loudspeaker
// that plays on its own.
//
//	chunk ─▶ a sample more or fewer ─▶ rate ─▶ ring ─▶ device
//
// A chunk is handed over a lead before it is heard: as long as the device's own
// buffer is, and the cushion, which is what the ring still holds when the next one
// comes.
type speaker struct {
	transport *Transport
	keeper    *keeper
	level     atomic.Uint64 // of the last chunk, in dBFS: a float64
	flushed   atomic.Bool   // since the last chunk

	// Play's own.
	line      *line
	resampler *audio.Resampler
	stretcher stretcher
	drift     drift
	lacked    int64         // underruns that were seen
	extra     time.Duration // more cushion, since there were
	chunk     []int16
	out       []int16
}

const (
	// deviceBuffer is how much a device holds that it was given: three periods,
	// as it is asked for. No library tells how much it really is.
	devicePeriods = 3

	// A loudspeaker that runs dry gets a greater cushion, step by step.
	cushionStep = 10 * time.Millisecond
	maxExtra    = 100 * time.Millisecond
)

// Open opens the loudspeaker.
func (s *speaker) Open(context.Context) error { return s.keeper.start() }

// Close closes it.
func (s *speaker) Close(ctx context.Context) error { return s.keeper.stop(ctx) }

// Flush takes back what the loudspeaker has not been given.
func (s *speaker) Flush(context.Context) error {
	s.flushed.Store(true)
	if l := s.keeper.line.Load(); l != nil {
		l.ring.discard()
	}
	return nil
}

// Play gives a chunk to the loudspeaker. It never waits.
func (s *speaker) Play(_ context.Context, c playout.Chunk) error {
	s.level.Store(math.Float64bits(audio.RMS(c.Samples)))
	if err := s.follow(s.keeper.line.Load()); err != nil {
		return fmt.Errorf("play on loudspeaker: %w", err)
	}
	output := s.transport.output
	if s.line == nil {
		// Nobody hears it. The conversation goes on at its pace.
		output.Confirm(c.Position)
		return nil
	}
	if s.flushed.Swap(false) {
		s.reset()
	}
	var late time.Duration
	steady := s.line.gauge.steady.Load()
	if steady {
		late = s.late(c)
	}
	if !s.line.primed.Load() {
		if audio.IsSilent(c.Samples) && (late > 0 || !steady) {
			output.Confirm(c.Position)
			return nil // the device could not play it in time, and nobody misses it
		}
		s.fill(-late)
		s.line.primed.Store(true)
		late = max(0, late)
	} else if n := s.line.told.underruns.Load(); n > s.lacked {
		s.lacked = n
		s.extra = min(s.extra+cushionStep, maxExtra)
	}
	s.chunk = s.shape(c, late)
	s.out = s.resampler.Resample(s.out[:0], s.chunk)
	if n := s.line.ring.write(s.out); n < len(s.out) {
		s.line.told.overrun(int64(len(s.out)-n), s.line.rate)
	}
	output.Confirm(s.given(c))
	return nil
}

// follow begins to play on another device, if it is one.
func (s *speaker) follow(l *line) (err error) {
	if l == s.line {
		return nil
	}
	s.line, s.extra = l, 0
	if l == nil {
		return nil
	}
	s.lacked = l.told.underruns.Load()
	s.stretcher.reset()
	s.resampler, err = audio.NewResampler(s.transport.output.Format().Rate, l.rate, 1)
	return err
}

// reset forgets what is still on its way through the filters.
func (s *speaker) reset() {
	s.stretcher.reset()
	s.resampler.Reset()
}

// late returns by how much later than it should a chunk would be heard that is
// put into the ring now; 0 if that is not known.
func (s *speaker) late(c playout.Chunk) time.Duration {
	t := s.transport
	rate := c.Format.Rate
	ahead, ok := s.line.ahead()
	if !ok {
		return 0
	}
	due := t.clock.Start().Add(t.output.Stats().Slipped + rate.Duration(int64(c.Position)))
	wait := time.Duration(ahead / float64(s.line.rate) * float64(time.Second))
	filters := s.line.rate.Duration(int64(s.resampler.Delay())) + rate.Duration(half)
	return time.Since(due) + wait + filters + t.config.deviceBuffer() - s.extra
}

// fill lets silence be played.
func (s *speaker) fill(d time.Duration) {
	n := int(s.line.rate.Samples(min(max(0, d), ringLength/2)))
	s.out = audio.AppendSilence(s.out[:0], n)
	s.line.ring.write(s.out)
}

// shape returns the chunk, a sample longer or shorter if that is needed. Silence
// is made as long as it should be at once.
func (s *speaker) shape(c playout.Chunk, late time.Duration) []int16 {
	rate := c.Format.Rate
	n := len(c.Samples)
	surplus := float64(late) / float64(time.Second) * float64(rate)
	m := 0
	if !audio.IsSilent(c.Samples) {
		m = s.drift.next(-surplus, rate)
		s.drift.made()
	} else if late.Abs() > allowedSilent {
		m = min(max(-n, -int(surplus)), n)
		s.drift.busy = false
	}
	switch {
	case m > 0:
		s.line.told.stretched.Add(int64(m))
	case m < 0:
		s.line.told.shortened.Add(int64(-m))
	}
	if m != 0 && audio.IsSilent(c.Samples) {
		s.out = audio.AppendSilence(s.out[:0], n+m)
		return s.stretcher.stretch(s.chunk[:0], s.out, n+m)
	}
	return s.stretcher.stretch(s.chunk[:0], c.Samples, n+m)
}

// given returns up to where the loudspeaker has been given what was played: it
// cannot be taken back.
func (s *speaker) given(c playout.Chunk) audio.Position {
	rate := c.Format.Rate
	inside := audio.Position(s.line.ring.filled()+int64(s.resampler.Delay())).At(s.line.rate, rate) + half
	return max(0, c.Position+audio.Position(c.Format.Frames(len(c.Samples)))-inside)
}
