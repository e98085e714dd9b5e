//go:build purego || !(amd64 || arm64)

package audio

func dot(a, b []float32) float32 { return dotGeneric(a, b) }
