package silero

import (
	"fmt"
	"testing"
)

func BenchmarkStep(b *testing.B) {
	for _, rate := range []int{8000, 16000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			m, err := Embedded(rate)
			if err != nil {
				b.Fatal(err)
			}
			var s State
			window := make([]float32, m.Window())
			for i := range window {
				window[i] = float32(i%37) / 100
			}
			b.ReportAllocs()
			for b.Loop() {
				m.Step(&s, window)
			}
		})
	}
}
