package layer3

import (
	"math/bits"
	"sync"
)

// Every pair of values can be coded by several tables, and each of up to three
// regions of the pairs names its own. To find the best, this file keeps the
// lengths of a pair's code in all tables side by side, as lanes of 16 bits of a
// few words, so that one addition adds up all tables. The sums at the edges of
// the bands then give, by subtraction, any region's length in any table.

// lanes counts the bits of pairs in each table: four lanes a word.
type lanes [4]uint64

// The lanes in order. laneEscapes is how many values are 15 or more, which is
// how often the lanes of tables with escapes have one.
var laneTables = [16]int{1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, escapeLow, escapeHigh, -1}

const (
	laneEscapes = 15
	escapeLow   = 16 // codes shared by tables 16 to 23
	escapeHigh  = 24 // codes shared by tables 24 to 31
)

// get is a lane of the difference between two sums, of which a is the later.
func (a *lanes) get(b *lanes, lane int) int {
	return int((a[lane/4] - b[lane/4]) >> (lane % 4 * 16) & 0xffff)
}

// byMax[m] are the first lane and the number of lanes to try if the largest value
// is m, at most 15.
var byMax = [16][2]int{
	1: {0, 1}, 2: {1, 2}, 3: {3, 2},
	4: {5, 3}, 5: {5, 3}, 6: {8, 3}, 7: {8, 3},
	8: {11, 2}, 9: {11, 2}, 10: {11, 2}, 11: {11, 2}, 12: {11, 2}, 13: {11, 2}, 14: {11, 2}, 15: {11, 2},
}

// escapeBits[t] is how many bits follow a value of 15 in table t.
var escapeBits = [32]int{
	16: 1, 17: 2, 18: 3, 19: 4, 20: 6, 21: 8, 22: 10, 23: 13,
	24: 4, 25: 5, 26: 6, 27: 7, 28: 8, 29: 9, 30: 11, 31: 13,
}

// A codebook holds the codes, and their lengths as rate control wants them.
type codebook struct {
	pairs [32][]codeword // by table, one row for each first value
	width [32]int        // of a row
	quads [2][16]codeword

	pairLanes [256]lanes // by x<<4|y, both cut to 15; with the signs
	quadBits  [2][16]int // with the signs
}

var codes = sync.OnceValue(func() *codebook {
	c := new(codebook)
	for t, words := range map[int][]codeword{
		1: code1[:], 2: code2[:], 3: code3[:], 5: code5[:], 6: code6[:], 7: code7[:],
		8: code8[:], 9: code9[:], 10: code10[:], 11: code11[:], 12: code12[:],
		13: code13[:], 15: code15[:], escapeLow: code16[:], escapeHigh: code24[:],
	} {
		c.pairs[t] = words
		for c.width[t]*c.width[t] < len(words) {
			c.width[t]++
		}
	}
	for t := escapeLow; t < 32; t++ {
		c.pairs[t], c.width[t] = c.pairs[t&^7], c.width[t&^7]
	}
	c.quads = [2][16]codeword{code32, code33}
	for t := range c.quads {
		for v, w := range c.quads[t] {
			c.quadBits[t][v] = w.len() + bits.OnesCount(uint(v))
		}
	}
	for x := range 16 {
		for y := range 16 {
			c.pairLanes[x<<4|y] = c.lanesOf(x, y)
		}
	}
	return c
})

func (c *codebook) lanesOf(x, y int) lanes {
	var l lanes
	signs := min(x, 1) + min(y, 1)
	for lane, t := range laneTables {
		n := 0
		switch {
		case lane == laneEscapes:
			n = x/15 + y/15
		case x < c.width[t] && y < c.width[t]:
			n = c.pairs[t][x*c.width[t]+y].len() + signs
		}
		l[lane/4] |= uint64(n) << (lane % 4 * 16)
	}
	return l
}

// regions says how the pairs are coded: three runs of whole bands, each with a
// table. Table 0 means that there are only zeros, and no codes.
type regions struct {
	ends  [2]int // first band of the second and of the third run
	table [3]int
}

// noRegions are the regions of a granule without pairs.
var noRegions = regions{ends: [2]int{1, 2}}

// measure divides g's values into pairs, quadruples and the silent rest,
// chooses the tables, and returns how many bits the codes take.
func (c *codebook) measure(g *granule, l *bandLayout) int {
	end := lines
	for end > 0 && g.values[end-1]|g.values[end-2] == 0 {
		end -= 2
	}
	g.quads = 0
	var a, b int
	for end >= 4 {
		q := g.values[end-4 : end]
		if q[0]|q[1]|q[2]|q[3] > 1 {
			break
		}
		v := q[0]<<3 | q[1]<<2 | q[2]<<1 | q[3]
		a += c.quadBits[0][v]
		b += c.quadBits[1][v]
		g.quads++
		end -= 4
	}
	g.quadsB = 0
	if b < a {
		a, g.quadsB = b, 1
	}
	g.big = end / 2
	return a + c.divide(g, l)
}

// divide finds the regions with the fewest bits, and returns these.
func (c *codebook) divide(g *granule, l *bandLayout) int {
	edges := &l.edges
	g.regions = noRegions
	if g.big == 0 {
		return 0
	}
	// sum[n] and peak[n] are of the first n bands and of the n-th.
	var sum [bandCount + 1]lanes
	var peak [bandCount]int
	bands := 0
	var acc lanes
	for ; edges[bands] < 2*g.big; bands++ {
		v := g.values[edges[bands]:min(edges[bands+1], 2*g.big)]
		var top int32
		for i := 0; i+1 < len(v); i += 2 {
			x, y := v[i], v[i+1]
			top = max(top, x, y)
			n := &c.pairLanes[min(x, 15)<<4|min(y, 15)]
			acc[0] += n[0]
			acc[1] += n[1]
			acc[2] += n[2]
			acc[3] += n[3]
		}
		peak[bands] = int(top)
		sum[bands+1] = acc
	}

	// The last region, for each band that it may start with.
	var tail [bandCount + 1]int
	for from, top := bands-1, 0; from >= 0; from-- {
		top = max(top, peak[from])
		tail[from], _ = best(&sum[from], &sum[bands], top)
	}
	least := -1
	for first, top := 1, 0; first <= min(16, bands); first++ {
		top = max(top, peak[first-1])
		head, _ := best(&sum[0], &sum[first], top)
		if first == bands {
			if least < 0 || head < least {
				least, g.regions.ends = head, [2]int{first, first + 1}
			}
			break
		}
		for second, mid := first+1, 0; second <= min(first+8, bands); second++ {
			mid = max(mid, peak[second-1])
			if second == l.disputed {
				continue
			}
			n, _ := best(&sum[first], &sum[second], mid)
			n += head + tail[second]
			if least < 0 || n < least {
				least, g.regions.ends = n, [2]int{first, second}
			}
		}
	}

	from := 0
	for r := range g.regions.table {
		to := bands
		if r < 2 {
			to = min(to, g.regions.ends[r])
		}
		top := 0
		for b := from; b < to; b++ {
			top = max(top, peak[b])
		}
		_, g.regions.table[r] = best(&sum[from], &sum[to], top)
		from = to
	}
	return least
}

// best returns the fewest bits of the pairs between two sums, and the table that
// needs them; top is the largest of their values.
func best(from, to *lanes, top int) (n, table int) {
	if top == 0 {
		return 0, 0
	}
	if top <= 15 {
		first, count := byMax[top][0], byMax[top][1]
		n, table = to.get(from, first), laneTables[first]
		for lane := first + 1; lane < first+count; lane++ {
			if m := to.get(from, lane); m < n {
				n, table = m, laneTables[lane]
			}
		}
		return n, table
	}
	need := bits.Len(uint(top - 15))
	escapes := to.get(from, laneEscapes)
	low, high := escapeLow, escapeHigh
	for escapeBits[low] < need {
		low++
	}
	for escapeBits[high] < need {
		high++
	}
	n = to.get(from, laneEscapes-2) + escapes*escapeBits[low]
	if m := to.get(from, laneEscapes-1) + escapes*escapeBits[high]; m < n {
		return m, high
	}
	return n, low
}

// write appends the codes of g's values: ISO/IEC 11172-3, 2.4.1.7.
func (c *codebook) write(w *bitWriter, g *granule, s *spectrum, edges *bandEdges) {
	from := 0
	for r, t := range g.regions.table {
		to := 2 * g.big
		if r < 2 {
			to = min(to, edges[g.regions.ends[r]])
		}
		if t != 0 {
			for i := from; i < to; i += 2 {
				c.writePair(w, t, g.values[i:i+2], s.neg[i:i+2])
			}
		}
		from = max(from, to)
	}
	for q := range g.quads {
		i := 2*g.big + 4*q
		c.writeQuad(w, g.quadsB, g.values[i:i+4], s.neg[i:i+4])
	}
}

func (c *codebook) writePair(w *bitWriter, table int, v []int32, neg []bool) {
	x, y := int(v[0]), int(v[1])
	escape := escapeBits[table]
	if escape > 0 {
		x, y = min(x, 15), min(y, 15)
	}
	code := c.pairs[table][x*c.width[table]+y]
	w.put(code.bits(), code.len())
	for i, cut := range [2]int{x, y} {
		if escape > 0 && cut == 15 {
			w.put(uint32(v[i]-15), escape)
		}
		if cut > 0 {
			w.put(sign(neg[i]), 1)
		}
	}
}

func (c *codebook) writeQuad(w *bitWriter, table int, v []int32, neg []bool) {
	code := c.quads[table][v[0]<<3|v[1]<<2|v[2]<<1|v[3]]
	w.put(code.bits(), code.len())
	for i := range v {
		if v[i] > 0 {
			w.put(sign(neg[i]), 1)
		}
	}
}

func sign(neg bool) uint32 {
	if neg {
		return 1
	}
	return 0
}
