package vad_test

import (
	"math"
	"testing"

	"github.com/parley-go/parley/audio"
	"github.com/parley-go/parley/processors/vad"
)

func TestForEnergySevenDecibelsAreAsLikelySpeechAsNot(t *testing.T) {
	const rate = audio.Rate16k
	for over, want := range map[float64]float64{0: 0.01, 7: 0.5, 8.27: 0.7, 12: 0.97} { // decibels above the floor
		s := open(t, vad.Energy(), rate)
		window := make([]float32, s.Window())
		last := float32(0)
		for i := range 100 {
			level := -40.0
			if i >= 50 {
				level += over
			}
			for j := range window { // 1 kHz: whole periods
				window[j] = float32(math.Pow(10, level/20) * math.Sin(2*math.Pi*1000*float64(j)/float64(rate)))
			}
			p, err := s.Probability(window)
			if err != nil {
				t.Fatal(err)
			}
			last = p
		}
		if math.Abs(float64(last)-want) > 0.01 {
			t.Errorf("%v dB above the background is speech with a probability of %.3f, want %v", over, last, want)
		}
	}
}
