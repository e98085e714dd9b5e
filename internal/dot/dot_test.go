package dot

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestProductIsThatOfExactArithmeticForEveryLength(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 0; n <= 640; n += 8 {
		a, b := make([]float32, n), make([]float32, n+4)[1:] // longer, and not aligned
		exact, size := 0.0, 0.0
		for i := range b {
			b[i] = rng.Float32()*2 - 1
			if i < n {
				a[i] = rng.Float32()*2 - 1
				exact += float64(a[i]) * float64(b[i])
				size += math.Abs(float64(a[i]) * float64(b[i]))
			}
		}
		for name, got := range map[string]float32{"vector": Product(a, b), "fused": Fused(a, b), "plain": Generic(a, b)} {
			if d := math.Abs(float64(got) - exact); d > 1e-6*size {
				t.Errorf("%s product of %d: got %v, want %v", name, n, got, exact)
			}
		}
	}
}

func BenchmarkProduct(b *testing.B) {
	for _, n := range []int{104, 128, 408} {
		x, y := make([]float32, n), make([]float32, n)
		var sink float32
		b.Run(fmt.Sprint(n, "/vector"), func(b *testing.B) {
			for b.Loop() {
				sink += Product(x, y)
			}
		})
		b.Run(fmt.Sprint(n, "/fused"), func(b *testing.B) {
			for b.Loop() {
				sink += Fused(x, y)
			}
		})
		b.Run(fmt.Sprint(n, "/plain"), func(b *testing.B) {
			for b.Loop() {
				sink += Generic(x, y)
			}
		})
	}
}
