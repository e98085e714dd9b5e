//go:build purego || !amd64

package audio

func dot(a, b []float32) float32 { return dotGeneric(a, b) }
