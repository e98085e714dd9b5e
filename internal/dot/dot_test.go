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

func TestFourAreTheProductsOfOneWithFour(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := 0; n <= 432; n += 8 {
		for _, stride := range []int{0, 3, n / 2, n, n + 8} {
			a, b := make([]float32, n+1)[1:], make([]float32, n+3*stride+1)[1:]
			for i := range a {
				a[i] = rng.Float32()*2 - 1
			}
			for i := range b {
				b[i] = rng.Float32()*2 - 1
			}
			var got, plain [4]float32
			Four(&got, a, b, stride)
			oneByOne(&plain, a, b, stride)
			for i := range got {
				want, size := 0.0, 1e-9
				for j := range a {
					p := float64(a[j]) * float64(b[i*stride+j])
					want, size = want+p, size+math.Abs(p)
				}
				for name, v := range map[string]float32{"vector": got[i], "one by one": plain[i]} {
					if math.Abs(float64(v)-want) > 1e-6*size {
						t.Errorf("%s: product %d of %d, %d apart, is %v, want %v", name, i, n, stride, v, want)
					}
				}
			}
		}
	}
}

func TestFourLooksAtNoMoreThanThereIs(t *testing.T) {
	var out [4]float32
	for _, c := range [][3]int{{16, 63, 16}, {16, 64, 17}, {8, 100, -8}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("four products of %d among %d, %d apart, are no mistake", c[0], c[1], c[2])
				}
			}()
			Four(&out, make([]float32, c[0]), make([]float32, c[1]), c[2])
		}()
	}
}

func TestLogisticIsAsPreciseAsItsType(t *testing.T) {
	var all []float32
	for x := -61.0; x <= 61; x += 0.00137 {
		all = append(all, float32(x))
	}
	all = append(all, 0, -200, 200, -math.MaxFloat32, math.MaxFloat32, float32(math.Inf(1)), float32(math.Inf(-1)))
	for len(all)%8 != 0 {
		all = append(all, 1)
	}
	for name, f := range map[string]func([]float32){"vector": Logistic, "plain": GenericLogistic} {
		got := append([]float32(nil), all...)
		f(got)
		for i, x := range all {
			want := 1 / (1 + math.Exp(-float64(x)))
			if d := math.Abs(float64(got[i]) - want); d > 1e-7 || d > 1e-6*want+1e-20 {
				t.Fatalf("%s: of %v it is %v, want %v", name, x, got[i], want)
			}
		}
	}
	for x := -60.0; x <= 60; x += 0.00137 {
		x := float64(float32(x))
		if got, want := float64(exp(float32(x))), math.Exp(x); math.Abs(got-want) > 2e-7*want {
			t.Fatalf("e^%v is %v, want %v", x, got, want)
		}
	}
}

func BenchmarkLogistic(b *testing.B) {
	x := make([]float32, 512)
	b.Run("vector", func(b *testing.B) {
		for b.Loop() {
			Logistic(x)
		}
	})
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			GenericLogistic(x)
		}
	})
}

func BenchmarkFour(b *testing.B) {
	for _, n := range []int{128, 256, 408} {
		x, y := make([]float32, n), make([]float32, 4*n)
		var out [4]float32
		b.Run(fmt.Sprint(n, "/at once"), func(b *testing.B) {
			for b.Loop() {
				Four(&out, x, y, n)
			}
		})
		b.Run(fmt.Sprint(n, "/one by one"), func(b *testing.B) {
			for b.Loop() {
				oneByOne(&out, x, y, n)
			}
		})
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
