package layer3

// writeSideInfo appends what tells a decoder how to read a frame's main data:
// ISO/IEC 11172-3, 2.4.1.7 and ISO/IEC 13818-3, 2.4.1.7. part holds the
// granules in order, and for each granule the channels.
func writeSideInfo(w *bitWriter, c Config, mainDataBegin int, part []granule) {
	if c.mpeg1() {
		w.put(uint32(mainDataBegin), 9)
		w.put(0, 7-2*c.Channels) // private_bits: 5 or 3
		w.put(0, 4*c.Channels)   // scfsi: nothing shared between granules
	} else {
		w.put(uint32(mainDataBegin), 8)
		w.put(0, c.Channels) // private_bits: 1 or 2
	}
	for i := range part {
		g := &part[i]
		w.put(uint32(g.bits), 12)
		w.put(uint32(g.big), 9)
		w.put(uint32(g.gain), 8)
		if c.mpeg1() {
			w.put(g.compress(true), 4)
		} else {
			w.put(g.compress(false), 9)
		}
		w.put(0, 1) // window_switching_flag
		for _, t := range g.regions.table {
			w.put(uint32(t), 5)
		}
		w.put(uint32(g.regions.ends[0]-1), 4)
		w.put(uint32(g.regions.ends[1]-g.regions.ends[0]-1), 3)
		if c.mpeg1() {
			w.put(0, 1) // preflag
		}
		w.put(uint32(g.coarse), 1)
		w.put(uint32(g.quadsB), 1)
	}
}

// writeFactors appends g's scale factors.
func writeFactors(w *bitWriter, g *granule) {
	if g.bits == 0 {
		return
	}
	for b, f := range g.factors[:lastBand] {
		if b < factorSplit {
			w.put(uint32(f), g.slen[0])
		} else {
			w.put(uint32(f), g.slen[1])
		}
	}
}
