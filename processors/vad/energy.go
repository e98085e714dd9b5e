package vad

import (
	"fmt"
	"math"
	"time"

	"github.com/parley-go/parley/audio"
)

// Energy returns an engine for the smallest devices. It takes for speech what is
// louder than the quietest that was heard within three seconds, by 7 dB with a
// probability of one half and by 8.3 dB with one of 0.7: a tenth of a percent of
// what [Silero] computes, at the rate at which audio arrives. It does well in a quiet room. In noise it misses what is not much louder, and any sound
// that is, a door or a car, is speech to it.
func Energy() Engine { return energyEngine{} }

type energyEngine struct{}

const (
	energyWindow = 20 * time.Millisecond

	// The floor is the quietest window of the last floorBlocks blocks.
	floorBlocks = 8
	floorBlock  = 20 // windows
	quietest    = -70.0

	// A window that is speechOver decibels above the floor is speech with a
	// probability of one half; with each further energySlope, the odds grow by e.
	speechOver  = 7.0
	energySlope = 1.5
)

func (energyEngine) Open(rate audio.SampleRate) (Stream, error) {
	if err := audio.Mono(rate).Validate(); err != nil {
		return nil, err
	}
	if least := audio.SampleRate(1000); rate < least {
		return nil, fmt.Errorf("energy: no speech can be told at %v: it takes %v at least", rate, least)
	}
	s := &energyStream{rate: rate, window: int(rate.Samples(energyWindow))}
	s.Reset()
	return s, nil
}

type energyStream struct {
	rate   audio.SampleRate
	window int

	before, high float32 // of the filter
	blocks       [floorBlocks]float32
	block        int // that is being filled
	filled       int // windows in it
}

func (s *energyStream) Rate() audio.SampleRate { return s.rate }
func (s *energyStream) Window() int            { return s.window }

func (s *energyStream) Reset() {
	s.before, s.high, s.block, s.filled = 0, 0, 0, 0
	for i := range s.blocks {
		s.blocks[i] = float32(math.Inf(1))
	}
}

func (s *energyStream) Probability(window []float32) (float32, error) {
	if err := checkWindow(window, s.window); err != nil {
		return 0, fmt.Errorf("energy: %w", err)
	}
	level := max(quietest, s.level(window))
	if s.filled == floorBlock {
		s.block, s.filled = (s.block+1)%floorBlocks, 0
		s.blocks[s.block] = float32(math.Inf(1))
	}
	s.filled++
	s.blocks[s.block] = min(s.blocks[s.block], float32(level))
	floor := s.blocks[0]
	for _, b := range s.blocks[1:] {
		floor = min(floor, b)
	}
	over := level - float64(floor) - speechOver
	return float32(1 / (1 + math.Exp(-over/energySlope))), nil
}

// level is that of the window in dBFS, without hum and rumble: a filter of the
// first order takes away what is below 200 Hz.
func (s *energyStream) level(window []float32) float64 {
	keep := float32(math.Exp(-2 * math.Pi * 200 / float64(s.rate)))
	sum := 0.0
	for _, v := range window {
		s.high = keep * (s.high + v - s.before)
		s.before = v
		sum += float64(s.high) * float64(s.high)
	}
	return 10 * math.Log10(sum/float64(len(window))+1e-30)
}
