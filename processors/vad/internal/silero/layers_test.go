package silero

import "testing"

func BenchmarkLayers(b *testing.B) {
	m, err := Embedded(16000)
	if err != nil {
		b.Fatal(err)
	}
	var s State
	w := new(scratch)
	window := make([]float32, m.Window())
	for i := range window {
		window[i] = float32(i%37) / 100
	}
	b.Run("transform", func(b *testing.B) {
		for b.Loop() {
			m.transform(w, &s, window)
		}
	})
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			m.encode(w)
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			m.decode(w, &s)
		}
	})
	b.Run("gates", func(b *testing.B) {
		for b.Loop() {
			m.gate(w, &s)
		}
	})
}
