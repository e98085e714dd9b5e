//go:build !purego

package dot

import "golang.org/x/sys/cpu"

// Product returns the sum of the products of a and b. The length of a is a
// multiple of 8, and b is at least as long: the rest of it does not count.
func Product(a, b []float32) float32 { return dotSSE(a, b[:len(a)]) }

// Fused is Product by the widest vectors that the processor has. The results of
// different processors of one architecture may differ in the last bits, which
// those of Product do not.
func Fused(a, b []float32) float32 {
	if hasAVX2 {
		return dotAVX2(a, b[:len(a)])
	}
	return dotSSE(a, b[:len(a)])
}

var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func dotSSE(a, b []float32) float32

//go:noescape
func dotAVX2(a, b []float32) float32

// Four puts the products of a with four parts of b, as long as a and stride
// apart, into out, by the widest vectors that the processor has. It reads a once.
// The length of a is a multiple of 8.
func Four(out *[4]float32, a, b []float32, stride int) {
	if hasAVX2 {
		fourAVX2(out, a, checked(b, len(a), stride), stride)
		return
	}
	oneByOne(out, a, b, stride)
}

//go:noescape
func fourAVX2(out *[4]float32, a, b []float32, stride int)

// Logistic replaces each x by 1/(1+e^-x), to 1e-7. The length of x is a multiple
// of 8.
func Logistic(x []float32) {
	if hasAVX2 {
		logisticAVX2(x)
		return
	}
	GenericLogistic(x)
}

//go:noescape
func logisticAVX2(x []float32)
