package layer3

// A bitWriter appends bits to bytes, the most significant first.
type bitWriter struct {
	buf  []byte
	acc  uint64 // the last fill bits are not in buf yet
	fill int    // fewer than 8 between calls
}

// put appends the low n bits of v; n is at most 32, and v has no others.
func (w *bitWriter) put(v uint32, n int) {
	w.acc = w.acc<<n | uint64(v)
	w.fill += n
	for w.fill >= 8 {
		w.fill -= 8
		w.buf = append(w.buf, byte(w.acc>>w.fill))
	}
}

// align appends zeros up to a whole number of bytes.
func (w *bitWriter) align() {
	if w.fill > 0 {
		w.put(0, 8-w.fill)
	}
}

// reset empties w but keeps its memory.
func (w *bitWriter) reset() { w.buf, w.acc, w.fill = w.buf[:0], 0, 0 }
