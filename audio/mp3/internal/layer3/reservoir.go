package layer3

// A reservoir packs main data into frames. The main data of a frame may start
// in the space that the frames before it have left, at most limit bytes before
// the frame's own header; so a frame leaves only when its space is full.
type reservoir struct {
	limit int
	slots []slot // frames that are not full yet, oldest first
	space int    // main data bytes of all slots
	data  []byte // main data that has not left
}

// A slot is a frame's place for main data, and what goes before it.
type slot struct {
	header [4 + 32]byte
	length int // of header
	space  int
}

// free is how much of earlier frames the next one may use: its main_data_begin.
func (r *reservoir) free() int { return r.space - len(r.data) }

// add appends a frame: its header and side information, the space behind them,
// and main data, which is no longer than free and space together. It appends to
// dst the frames that this completes.
func (r *reservoir) add(dst, header []byte, space int, main []byte) []byte {
	s := slot{length: len(header), space: space}
	copy(s.header[:], header)
	r.slots = append(r.slots, s)
	r.space += space
	r.data = append(r.data, main...)
	// What later frames cannot reach is lost: fill it.
	for n := r.free() - r.limit; n > 0; n-- {
		r.data = append(r.data, 0)
	}
	return r.emit(dst)
}

// flush fills all frames and appends them to dst.
func (r *reservoir) flush(dst []byte) []byte {
	for range r.free() {
		r.data = append(r.data, 0)
	}
	return r.emit(dst)
}

func (r *reservoir) emit(dst []byte) []byte {
	done, used := 0, 0
	for done < len(r.slots) && len(r.data)-used >= r.slots[done].space {
		s := &r.slots[done]
		dst = append(dst, s.header[:s.length]...)
		dst = append(dst, r.data[used:used+s.space]...)
		used += s.space
		r.space -= s.space
		done++
	}
	// To the front, so that the slices do not creep through memory.
	r.slots = r.slots[:copy(r.slots, r.slots[done:])]
	r.data = r.data[:copy(r.data, r.data[used:])]
	return dst
}
