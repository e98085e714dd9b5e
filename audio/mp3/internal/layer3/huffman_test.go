package layer3

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Every complete prefix code fills the code space exactly: a wrong length or a
// wrong bit in a table breaks one of the two.
func TestCodesArePrefixFreeAndComplete(t *testing.T) {
	for name, words := range map[string][]codeword{
		"1": code1[:], "2": code2[:], "3": code3[:], "5": code5[:], "6": code6[:],
		"7": code7[:], "8": code8[:], "9": code9[:], "10": code10[:], "11": code11[:],
		"12": code12[:], "13": code13[:], "15": code15[:], "16": code16[:],
		"24": code24[:], "A": code32[:], "B": code33[:],
	} {
		t.Run(name, func(t *testing.T) {
			const depth = 19
			taken := make([]bool, 1<<depth)
			for i, w := range words {
				rest := depth - w.len()
				for n := range 1 << rest {
					leaf := int(w.bits())<<rest | n
					if taken[leaf] {
						t.Fatalf("codeword %d (%0*b) begins like another", i, w.len(), w.bits())
					}
					taken[leaf] = true
				}
			}
			for leaf, ok := range taken {
				if !ok {
					t.Fatalf("no codeword begins %0*b", depth, leaf)
				}
			}
		})
	}
}

func TestQuantizedGranulesTakeAsManyBitsAsMeasured(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[int]bool{}
	for range 3000 {
		rate := Rates()[rng.IntN(len(Rates()))]
		g, s := randomGranule(rng)
		l := newBandLayout(rate)
		want := codes().measure(g, l)
		var w bitWriter
		codes().write(&w, g, s, &l.edges)
		if got := 8*len(w.buf) + w.fill; got != want {
			t.Fatalf("wrote %d bits, measured %d: %d pairs in %v, %d quadruples", got, want, g.big, g.regions, g.quads)
		}
		if end := 2*g.big + 4*g.quads; end > lines {
			t.Fatalf("codes for %d lines", end)
		}
		for _, v := range g.values[2*g.big+4*g.quads:] {
			if v != 0 {
				t.Fatalf("value %d behind the last quadruple", v)
			}
		}
		for _, table := range g.regions.table {
			seen[table] = true
		}
	}
	for _, table := range []int{0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31} {
		if !seen[table] {
			t.Errorf("table %d was never chosen", table)
		}
	}
}

func TestRegionsAreTheBestThereAre(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 60 {
		rate := Rates()[i%len(Rates())]
		g, _ := randomGranule(rng)
		l := newBandLayout(rate)
		codes().measure(g, l)
		got := codes().divide(g, l)
		if want := bestRegions(g, l); got != want {
			t.Fatalf("at %d Hz, %d pairs: regions %v take %d bits, and the best %d", rate, g.big, g.regions, got, want)
		}
	}
}

// bestRegions tries all regions and, in each, all tables that any encoder might
// use for its largest value.
func bestRegions(g *granule, l *bandLayout) int {
	least := -1
	for first := 1; first <= 16; first++ {
		for second := first + 1; second <= min(first+8, bandCount); second++ {
			disputed := second == l.disputed && 2*g.big > l.edges[second]-2
			if disputed && l.edges[first] < 2*g.big {
				continue
			}
			end := 2 * g.big
			a, b := min(l.edges[first], end), min(l.edges[second], end)
			n := cheapest(g.values[:a]) + cheapest(g.values[a:b]) + cheapest(g.values[b:end])
			if least < 0 || n < least {
				least = n
			}
		}
	}
	return max(least, 0)
}

func cheapest(v []int32) int {
	top := int32(0)
	for _, x := range v {
		top = max(top, x)
	}
	if top == 0 {
		return 0
	}
	least := -1
	for table := range 32 {
		if !usual(table, int(top)) {
			continue
		}
		n := 0
		for i := 0; i < len(v); i += 2 {
			x, y := int(v[i]), int(v[i+1])
			n += codes().pairs[table][min(x, 15)*codes().width[table]+min(y, 15)].len()
			for _, z := range []int{x, y} {
				if z >= 15 {
					n += escapeBits[table]
				}
				if z > 0 {
					n++
				}
			}
		}
		if least < 0 || n < least {
			least = n
		}
	}
	return least
}

// usual says whether a table is the smallest of its kind for a largest value.
func usual(table, top int) bool {
	limits := map[int][2]int{
		1: {1, 1}, 2: {2, 2}, 3: {2, 2}, 5: {3, 3}, 6: {3, 3}, 7: {4, 5}, 8: {4, 5}, 9: {4, 5},
		10: {6, 7}, 11: {6, 7}, 12: {6, 7}, 13: {8, 15}, 15: {8, 15},
	}
	if table >= 16 {
		return top > 15 && top <= 15+1<<escapeBits[table]-1
	}
	limit, ok := limits[table]
	return ok && limit[0] <= top && top <= limit[1]
}

// randomGranule has magnitudes up to maxValue that fall with frequency, or a peak.
func randomGranule(rng *rand.Rand) (*granule, *spectrum) {
	g, s := new(granule), new(spectrum)
	peak := float64(int(1)<<rng.IntN(14)) * (1 + rng.Float64())
	fall := rng.Float64() * 0.03
	end := 1 + rng.IntN(lines)
	for i := range end {
		g.values[i] = min(int32(peak*rng.Float64()), maxValue)
		s.neg[i] = rng.IntN(2) == 0
		peak -= peak * fall
	}
	if rng.IntN(3) == 0 {
		// A lone peak over almost nothing, as of a pure tone.
		for i := range g.values {
			g.values[i] &= 1
		}
		g.values[rng.IntN(end)] = min(int32(1<<rng.IntN(14)+rng.IntN(64)), maxValue)
	}
	return g, s
}

// A decoder of its own, slow and plain, reads what was written.
func TestWrittenCodesReadBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	l := newBandLayout(44100)
	for range 200 {
		g, s := randomGranule(rng)
		codes().measure(g, l)
		var w bitWriter
		codes().write(&w, g, s, &l.edges)
		w.align()
		r := &bitReader{buf: w.buf}
		var got [lines]int32
		for i := 0; i < 2*g.big; i += 2 {
			table := g.regions.table[2]
			switch {
			case i < l.edges[g.regions.ends[0]]:
				table = g.regions.table[0]
			case i < l.edges[g.regions.ends[1]]:
				table = g.regions.table[1]
			}
			got[i], got[i+1] = readPair(r, table)
		}
		for i := 2 * g.big; i < 2*g.big+4*g.quads; i += 4 {
			n := r.code(codes().quads[g.quadsB][:])
			for k := range 4 {
				got[i+k] = r.sign(int32(n >> (3 - k) & 1))
			}
		}
		for i, v := range g.values {
			if s.neg[i] {
				v = -v
			}
			if got[i] != v {
				t.Fatalf("line %d reads %d, not %d", i, got[i], v)
			}
		}
	}
}

func readPair(r *bitReader, table int) (x, y int32) {
	if table == 0 {
		return 0, 0
	}
	width := codes().width[table]
	n := r.code(codes().pairs[table])
	v := [2]int32{int32(n / width), int32(n % width)}
	for i := range v {
		if v[i] == 15 && escapeBits[table] > 0 {
			v[i] += int32(r.bits(escapeBits[table]))
		}
		v[i] = r.sign(v[i])
	}
	return v[0], v[1]
}

// bitReader reads the most significant bit first, and zeros behind the end.
type bitReader struct {
	buf []byte
	pos int
}

func (r *bitReader) bits(n int) int {
	v := 0
	for range n {
		v <<= 1
		if r.pos/8 < len(r.buf) {
			v |= int(r.buf[r.pos/8]>>(7-r.pos%8)) & 1
		}
		r.pos++
	}
	return v
}

func (r *bitReader) sign(v int32) int32 {
	if v != 0 && r.bits(1) == 1 {
		return -v
	}
	return v
}

func (r *bitReader) code(words []codeword) int {
	var bits uint32
	for n := 1; n <= 19; n++ {
		bits = bits<<1 | uint32(r.bits(1))
		for i, w := range words {
			if w.len() == n && w.bits() == bits {
				return i
			}
		}
	}
	panic(fmt.Sprintf("no code at bit %d", r.pos))
}
