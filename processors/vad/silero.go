package vad

import (
	"fmt"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/vad/internal/silero"
)

// Silero returns the default engine: the neural network Silero VAD v5, computed
// in Go on any processor. Its weights are part of the program. It works at
// 8 kHz for audio that arrives at up to 8 kHz, and at 16 kHz for all other, in
// windows of 32 ms, and needs 1.3 kB for a [Stream]; a [Detector] needs 3.6 to 9.5 kB
// in all.
func Silero() Engine { return sileroEngine{} }

type sileroEngine struct{}

// sileroRate returns the rate that the network is used at.
func sileroRate(rate audio.SampleRate) audio.SampleRate {
	if rate <= audio.Rate8k {
		return audio.Rate8k
	}
	return audio.Rate16k
}

func (sileroEngine) Open(rate audio.SampleRate) (Stream, error) {
	if err := audio.Mono(rate).Validate(); err != nil {
		return nil, err
	}
	at := sileroRate(rate)
	model, err := silero.Embedded(int(at))
	if err != nil {
		return nil, err
	}
	return &sileroStream{model: model, rate: at}, nil
}

type sileroStream struct {
	model *silero.Model
	rate  audio.SampleRate
	state silero.State
}

func (s *sileroStream) Rate() audio.SampleRate { return s.rate }
func (s *sileroStream) Window() int            { return s.model.Window() }
func (s *sileroStream) Reset()                 { s.state = silero.State{} }

func (s *sileroStream) Probability(window []float32) (float32, error) {
	if err := checkWindow(window, s.model.Window()); err != nil {
		return 0, fmt.Errorf("silero: %w", err)
	}
	return s.model.Step(&s.state, window), nil
}
