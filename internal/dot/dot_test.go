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

// random returns n numbers that do not begin where a vector would like it, and beside
// which is what spoils every sum.
func random(rng *rand.Rand, n int) []float32 {
	const beside = 17
	x := make([]float32, n+2*beside)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	x = x[beside : beside+n]
	for i := range x {
		x[i] = rng.Float32()*2 - 1
	}
	return x
}

// near reports whether got is the product of a and b, to the precision of its type.
func near(got float32, a, b []float32) bool {
	want, size := 0.0, 1e-9
	for i := range a {
		p := float64(a[i]) * float64(b[i])
		want, size = want+p, size+math.Abs(p)
	}
	return math.Abs(float64(got)-want) <= 1e-6*size
}

func TestMatVecIsTheProductWithEachRow(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, rows := range []int{0, 4, 8, 20} {
		for n := 0; n <= 432; n += 8 {
			m, v := random(rng, rows*n), random(rng, n)
			for name, f := range map[string]func(out, m, v []float32){"vector": MatVec, "row by row": rowByRow} {
				out := make([]float32, rows+2)
				out[0], out[rows+1] = 7, 7
				f(out[1:rows+1], m, v)
				for i := range rows {
					if !near(out[i+1], m[i*n:(i+1)*n], v) {
						t.Errorf("%s: row %d of %d, of %d: got %v", name, i, rows, n, out[i+1])
					}
				}
				if out[0] != 7 || out[rows+1] != 7 {
					t.Fatalf("%s: %d rows of %d: it wrote beside what it was to write", name, rows, n)
				}
			}
		}
	}
}

func TestMatFourIsTheProductWithEachRowAndVector(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, rows := range []int{0, 2, 4, 10} {
		for n := 0; n <= 432; n += 24 {
			for _, stride := range []int{0, 3, n / 2, n, n + 8} {
				m, v := random(rng, rows*n), random(rng, n+3*stride)
				for name, f := range map[string]func(out [][4]float32, m, v []float32, n, stride int){"vector": MatFour, "one by one": fourByFour} {
					out := make([][4]float32, rows+1)
					out[rows][0] = 7
					f(out[:rows], m, v, n, stride)
					for i := range rows {
						for j := range 4 {
							if !near(out[i][j], m[i*n:(i+1)*n], v[j*stride:]) {
								t.Errorf("%s: row %d of %d, of %d, vector %d, %d apart: got %v", name, i, rows, n, j, stride, out[i][j])
							}
						}
					}
					if out[rows] != [4]float32{7} {
						t.Fatalf("%s: %d rows of %d: it wrote behind what it was to write", name, rows, n)
					}
				}
			}
		}
	}
}

func TestMatricesAreNoLargerThanTheyAre(t *testing.T) {
	for name, f := range map[string]func(){
		"rows":           func() { MatVec(make([]float32, 4), make([]float32, 63), make([]float32, 16)) },
		"rows for four":  func() { MatFour(make([][4]float32, 2), make([]float32, 31), make([]float32, 64), 16, 16) },
		"vectors":        func() { MatFour(make([][4]float32, 2), make([]float32, 32), make([]float32, 63), 16, 16) },
		"apart":          func() { MatFour(make([][4]float32, 2), make([]float32, 32), make([]float32, 64), 16, 17) },
		"to the left":    func() { MatFour(make([][4]float32, 2), make([]float32, 32), make([]float32, 64), 16, -8) },
		"three rows":     func() { MatVec(make([]float32, 3), make([]float32, 64), make([]float32, 16)) },
		"of seven":       func() { MatVec(make([]float32, 4), make([]float32, 64), make([]float32, 7)) },
		"one for four":   func() { MatFour(make([][4]float32, 1), make([]float32, 32), make([]float32, 64), 16, 16) },
		"of nine":        func() { MatFour(make([][4]float32, 2), make([]float32, 32), make([]float32, 64), 9, 16) },
		"less than none": func() { MatFour(make([][4]float32, 2), make([]float32, 32), make([]float32, 64), -16, 16) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: more than there is, and no mistake", name)
				}
			}()
			f()
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

func BenchmarkMatrix(b *testing.B) {
	const rows, n = 128, 256
	m, v := make([]float32, rows*n), make([]float32, 4*n)
	out, outs := make([]float32, rows), make([][4]float32, rows)
	for name, f := range map[string]func(){
		"one vector/at once":    func() { MatVec(out, m, v[:n]) },
		"one vector/row by row": func() { rowByRow(out, m, v[:n]) },
		"four/at once":          func() { MatFour(outs, m, v, n, n) },
		"four/one by one":       func() { fourByFour(outs, m, v, n, n) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
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
